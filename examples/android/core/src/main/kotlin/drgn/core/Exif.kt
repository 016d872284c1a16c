package drgn.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

// EXIF data (a small TIFF file), as far as it concerns a photo's new pixels.
private const val ORIENTATION = 0x0112
private const val SHORT = 3
private const val ENTRY = 12

private fun ByteBuffer.unsigned(at: Int) = getShort(at).toInt() and 0xffff

/** The data in their byte order, and where the first folder of entries starts. */
private fun firstFolder(exif: ByteArray): Pair<ByteBuffer, Int>? {
    if (exif.size < 8) return null
    val data = ByteBuffer.wrap(exif)
    data.order(
        when (data.unsigned(0)) {
            0x4949 -> ByteOrder.LITTLE_ENDIAN
            0x4d4d -> ByteOrder.BIG_ENDIAN
            else -> return null
        },
    )
    val start = data.getInt(4)
    if (data.unsigned(2) != 42 || start !in 0..exif.size - 2) return null
    return Pair(data, start)
}

/** The orientation, 1 to 8; 1 is upright, and what damaged data say. */
fun orientationOf(exif: ByteArray?): Int {
    val (data, start) = exif?.let(::firstFolder) ?: return 1
    for (i in 0 until data.unsigned(start)) {
        val at = start + 2 + ENTRY * i
        if (at + ENTRY > exif.size) return 1
        if (data.unsigned(at) != ORIENTATION) continue
        val value = if (data.unsigned(at + 2) == SHORT) data.unsigned(at + 8) else 1
        return if (value in 1..8) value else 1
    }
    return 1
}

/** A copy without the preview, which would still show the dark photo. */
fun withoutPreview(exif: ByteArray): ByteArray {
    val copy = exif.copyOf()
    val (data, start) = firstFolder(copy) ?: return copy
    // The preview is in the second folder, and nothing else is.
    val link = start + 2 + ENTRY * data.unsigned(start)
    if (link + 4 <= copy.size) data.putInt(link, 0)
    return copy
}
