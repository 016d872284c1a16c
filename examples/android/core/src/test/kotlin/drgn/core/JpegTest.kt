package drgn.core

import java.io.ByteArrayInputStream
import javax.imageio.ImageIO
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNull
import kotlin.test.assertTrue

class JpegTest {
    private val turned = readJpeg(file("turned.jpg"))

    private fun decoded(bytes: ByteArray): Picture {
        val image = ImageIO.read(ByteArrayInputStream(bytes))
        val argb = image.getRGB(0, 0, image.width, image.height, null, 0, image.width)
        return Picture(image.width, image.height, argb)
    }

    @Test
    fun metadataAreRead() {
        assertContentEquals(file("exif.bin"), turned.metadata.exif)
        assertContentEquals(file("profile.icc"), turned.metadata.icc)
        assertContentEquals(file("packet.xmp"), turned.metadata.xmp)
        assertEquals(6, orientationOf(turned.metadata.exif))
        assertEquals(Pair(330, 290), Pair(turned.width, turned.height))
        assertFalse(turned.grey)
        assertTrue(readJpeg(file("grey.jpg")).grey)
    }

    @Test
    fun whatIsDecodedHasTheStoredPixels() {
        val bare = readJpeg(turned.bare)
        assertNull(bare.metadata.exif ?: bare.metadata.icc ?: bare.metadata.xmp)
        assertTrue("words" in String(file("turned.jpg"), Charsets.ISO_8859_1))
        assertFalse("words" in String(turned.bare, Charsets.ISO_8859_1))
        // Decoders round the inverse transform and the colours each by a level.
        assertTrue(difference(vector("turned_pixels").picture(), decoded(turned.bare)) <= 2)
    }

    @Test
    fun metadataGetIntoTheResult() {
        val plain = file("plain.jpg")
        val copy = readJpeg(withMetadata(plain, turned.metadata))
        assertEquals(6, orientationOf(copy.metadata.exif))
        assertContentEquals(turned.metadata.icc, copy.metadata.icc)
        assertContentEquals(turned.metadata.xmp, copy.metadata.xmp)
        assertContentEquals(readJpeg(plain).bare, copy.bare)
        // Only the link to the preview has changed.
        val (from, to) = Pair(turned.metadata.exif!!, copy.metadata.exif!!)
        val changed = from.indices.filter { from[it] != to[it] }
        assertTrue(changed.isNotEmpty() && changed.all { to[it] == 0.toByte() })
    }

    @Test
    fun metadataTakeThePlaceOfThoseThatAreThere() {
        val copy = readJpeg(withMetadata(file("turned.jpg"), Metadata()))
        assertNull(copy.metadata.exif ?: copy.metadata.icc ?: copy.metadata.xmp)
    }

    @Test
    fun profilesOfAnyLengthGetIntoTheResult() {
        val icc = ByteArray(200_000) { it.toByte() }
        "RGB ".toByteArray().copyInto(icc, 16)
        val copy = readJpeg(withMetadata(file("plain.jpg"), Metadata(icc = icc)))
        assertContentEquals(icc, copy.metadata.icc)
    }

    @Test
    fun partsOfProfilesAreOrderedByTheirNumbers() {
        assertContentEquals(file("profile.icc"), readJpeg(file("swapped.jpg")).metadata.icc)
    }

    @Test
    fun whatDoesNotFitIsLeftOut() {
        val icc = ByteArray(128).also { "GRAY".toByteArray().copyInto(it, 16) }
        val metadata = Metadata(exif = ByteArray(70_000), icc = icc)
        val copy = readJpeg(withMetadata(file("plain.jpg"), metadata))
        assertNull(copy.metadata.exif ?: copy.metadata.icc)
    }

    @Test
    fun badFilesGetALine() {
        val lines = mapOf("cut.jpg" to "cut off", "header.jpg" to "damaged", "print.jpg" to "CMYK")
        for ((name, line) in lines) {
            assertTrue(line in assertFailsWith<PhotoError> { readJpeg(file(name)) }.message!!, name)
        }
        assertFalse(isJpeg("text".toByteArray()))
        assertFalse(isJpeg(ByteArray(0)))
    }

    @Test
    fun damagedFilesGetNothingButALine() {
        val bytes = file("turned.jpg")
        for (length in 1 until bytes.size step 97) {
            assertFailsWith<PhotoError> { readJpeg(bytes.copyOf(length)) }
        }
        for (at in 2 until 2000 step 3) {
            val copy = bytes.copyOf().also { it[at] = (it[at] + 101).toByte() }
            try {
                withMetadata(bytes, readJpeg(copy).metadata)
            } catch (_: PhotoError) {
            }
        }
    }

    @Test
    fun orientationsThatMakeNoSenseAreUpright() {
        assertEquals(1, orientationOf(null))
        assertEquals(1, orientationOf(ByteArray(7)))
        val exif = file("exif.bin")
        val found = exif.indices.map { orientationOf(exif.copyOf(it)) }
        assertEquals(setOf(1, 6), found.toSet())
        exif.indices.forEach { withoutPreview(exif.copyOf(it)) }
        // Its first folder begins beyond the end.
        val beyond = "II*\u0000\u00ff\u0000\u0000\u0000"
        assertEquals(1, orientationOf(beyond.toByteArray(Charsets.ISO_8859_1)))
    }
}
