package drgn.core

import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertTrue

/** A real photo through the app's network, whose results Python recorded tile by tile. */
class EnhanceTest {
    // Of sums of 16 values that are rounded in another order.
    private val rounding = 16 * 6e-8f

    /** Replays what the network did, if it is asked the same. */
    private inner class Replay(name: String) : TileNetwork {
        override val tile = 256
        override val thumbnailSize = 32
        override val takesBrightness = vector("photo_takes_brightness").ints()[0] == 1
        private val thumbnail = vector("photo_thumbnail").floats()
        private val predicted = vector("${name}_predicted").floats()[0]
        private val brightness = vector("${name}_brightness").floats()
        private val images = vector("${name}_images").stack()
        private val enhanced = vector("${name}_enhanced").stack()
        var runs = 0

        override fun run(image: FloatArray, thumbnail: FloatArray, brightness: Float): Enhanced {
            assertTrue(difference(this.thumbnail, thumbnail) <= rounding)
            if (image.all { it == 0f }) return Enhanced(image, predicted)
            assertContentEquals(images[runs], image)
            assertEquals(this.brightness[runs], brightness)
            return Enhanced(enhanced[runs++], brightness)
        }

        override fun close() {}
    }

    @Test
    fun pixelsAreThoseOfPython() {
        val photo = vector("photo").picture()
        vector("photo_stops").doubles().forEachIndexed { i, stops ->
            val network = Replay("photo$i")
            val result = Picture(photo.width, photo.height)
            val wanted = when (stops) {
                0.0 -> AUTOMATIC
                else -> expose(network.predictedBrightness(photoThumbnail(photo, 32)), stops)
            }
            enhance(photo, result, network, brightness = wanted)
            assertEquals(4, network.runs)
            assertContentEquals(vector("photo${i}_tiles").picture().argb, result.argb)
            // Of drgn-enhance, which runs a photo of this size whole.
            assertTrue(difference(vector("photo${i}_result").picture(), result) <= 1)
        }
    }

    @Test
    fun thumbnailsAreThoseOfPython() {
        for (i in 0..2) {
            val found = photoThumbnail(vector("thumbnail${i}_photo").picture(), 32)
            assertTrue(difference(vector("thumbnail${i}_values").floats(), found) <= rounding)
        }
    }

    @Test
    fun exposureIsThatOfPython() {
        for ((brightness, stops, expected) in vector("expose").rows()) {
            assertEquals(expected, expose(brightness.toFloat(), stops).toDouble(), 1e-7)
        }
    }

    @Test
    fun orientationIsThatOfPython() {
        val stored = vector("turned1").picture()
        for (orientation in 1..8) {
            val expected = vector("turned$orientation").picture()
            assertEquals(0, difference(expected, turned(stored, orientation)))
        }
        assertEquals(stored, turned(stored, 9))
    }
}
