package drgn.core

import java.io.ByteArrayOutputStream

private val EXIF = "Exif\u0000\u0000".toByteArray(Charsets.ISO_8859_1)
private val XMP = "http://ns.adobe.com/xap/1.0/\u0000".toByteArray(Charsets.ISO_8859_1)
private val ICC = "ICC_PROFILE\u0000".toByteArray(Charsets.ISO_8859_1)
private const val APP0 = 0xe0
private const val APP1 = 0xe1
private const val APP2 = 0xe2
private const val APP14 = 0xee
private const val SCAN = 0xda
private const val END = 0xd9
private const val COMMENT = 0xfe

// Of a segment, behind its marker and length.
private const val LARGEST = 65533

/**
 * What a JPEG file holds besides its pixels.
 *
 * @property exif a TIFF file, without the marks before it.
 */
class Metadata(
    val exif: ByteArray? = null,
    val icc: ByteArray? = null,
    val xmp: ByteArray? = null,
)

/**
 * A JPEG file that was read, but not decoded.
 *
 * @property bare the file without metadata: no decoder turns it, or converts its colours, so that
 *     its pixels are those that the file stores.
 */
class JpegFile(
    val width: Int,
    val height: Int,
    val grey: Boolean,
    val metadata: Metadata,
    val bare: ByteArray,
)

/** From [start], its marker, to [end]. */
private class Segment(val marker: Int, val start: Int, val end: Int) {
    /** What applications store; decoders need APP14 of it, the colour model. */
    val isMetadata get() = (marker in APP1..0xef && marker != APP14) || marker == COMMENT
    val isFrame get() = marker in 0xc0..0xcf && marker !in setOf(0xc4, 0xc8, 0xcc)
}

private fun ByteArray.unsigned(at: Int) = if (at < size) this[at].toInt() and 255 else -1

private fun ByteArray.begins(with: ByteArray, at: Int) =
    at + with.size <= size && with.indices.all { this[at + it] == with[it] }

fun isJpeg(bytes: ByteArray): Boolean =
    bytes.unsigned(0) == 0xff && bytes.unsigned(1) == 0xd8 && bytes.unsigned(2) == 0xff

/** The segments before the first scan, and where that starts. */
private fun segments(bytes: ByteArray): Pair<List<Segment>, Int> {
    val found = mutableListOf<Segment>()
    var at = 2
    while (bytes.unsigned(at) == 0xff) {
        val marker = bytes.unsigned(at + 1)
        if (marker == 0xff) {
            at++
            continue
        }
        if (marker == SCAN) return Pair(found, at)
        val end = at + 2 + (bytes.unsigned(at + 2) shl 8 or bytes.unsigned(at + 3))
        if (end <= at + 3 || end > bytes.size) break
        found += Segment(marker, at, end)
        at = end
    }
    throw PhotoError("the file is damaged.")
}

private fun endOfImage(bytes: ByteArray, scan: Int): Int {
    for (at in scan until bytes.size - 1) {
        if (bytes.unsigned(at) == 0xff && bytes.unsigned(at + 1) == END) return at + 2
    }
    throw PhotoError("the file is cut off. Copy it again.")
}

/** Reads a JPEG file; throws a [PhotoError]. */
fun readJpeg(bytes: ByteArray): JpegFile {
    val (found, scan) = segments(bytes)
    var exif: ByteArray? = null
    var xmp: ByteArray? = null
    val profile = mutableListOf<Pair<Int, ByteArray>>()
    val bare = ByteArrayOutputStream(bytes.size)
    bare.write(bytes, 0, 2)
    for (segment in found) {
        val start = segment.start + 4
        fun content(mark: ByteArray) = bytes.copyOfRange(start + mark.size, segment.end)
        if (segment.marker == APP1 && bytes.begins(EXIF, start)) exif = exif ?: content(EXIF)
        if (segment.marker == APP1 && bytes.begins(XMP, start)) xmp = xmp ?: content(XMP)
        if (segment.marker == APP2 && bytes.begins(ICC, start)) {
            // Its number, and how many there are.
            val part = content(ICC)
            if (part.size > 2) profile += Pair(part.unsigned(0), part.copyOfRange(2, part.size))
        }
        if (!segment.isMetadata) bare.write(bytes, segment.start, segment.end - segment.start)
    }
    // Further pictures may follow, as behind the photos of many phones.
    bare.write(bytes, scan, endOfImage(bytes, scan) - scan)
    val frame = found.lastOrNull { it.isFrame && it.end - it.start >= 10 }
        ?: throw PhotoError("the file is damaged.")
    fun byte(at: Int) = bytes.unsigned(frame.start + at)
    val components = byte(9)
    if (components == 4) throw PhotoError("has print colours (CMYK). Convert it to RGB.")
    val icc = profile.sortedBy { it.first }.map { it.second }
    return JpegFile(
        width = byte(7) shl 8 or byte(8),
        height = byte(5) shl 8 or byte(6),
        grey = components == 1,
        metadata = Metadata(exif, if (icc.isEmpty()) null else icc.reduce(ByteArray::plus), xmp),
        bare = bare.toByteArray(),
    )
}

/**
 * An encoded result with the metadata of its photo in place of its own. The preview picture in the
 * EXIF data is left out, and so is what does not fit or apply: EXIF and XMP data of more than 64
 * kB, the colour profile of a grey photo, because encoders write RGB.
 */
fun withMetadata(jpeg: ByteArray, metadata: Metadata): ByteArray {
    val (found, scan) = segments(jpeg)
    val own = found.filterNot { it.isMetadata }
    val result = ByteArrayOutputStream(jpeg.size + 65536)
    fun copy(segments: List<Segment>) =
        segments.forEach { result.write(jpeg, it.start, it.end - it.start) }
    fun add(marker: Int, content: ByteArray) {
        if (content.size > LARGEST) return
        val length = content.size + 2
        listOf(0xff, marker, length shr 8, length and 255).forEach(result::write)
        result.write(content)
    }
    result.write(jpeg, 0, 2)
    copy(own.filter { it.marker == APP0 })
    metadata.exif?.let { add(APP1, EXIF + withoutPreview(it)) }
    metadata.xmp?.let { add(APP1, XMP + it) }
    metadata.icc?.let { icc ->
        val most = LARGEST - ICC.size - 2
        val parts = (icc.indices step most).map { icc.copyOfRange(it, minOf(it + most, icc.size)) }
        if (parts.size < 256 && icc.begins("RGB ".toByteArray(), 16)) {
            parts.forEachIndexed { i, part ->
                add(APP2, ICC + byteArrayOf((i + 1).toByte(), parts.size.toByte()) + part)
            }
        }
    }
    copy(own.filterNot { it.marker == APP0 })
    result.write(jpeg, scan, jpeg.size - scan)
    return result.toByteArray()
}
