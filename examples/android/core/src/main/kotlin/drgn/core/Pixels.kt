package drgn.core

import kotlin.math.min

/**
 * A photo's pixels: ARGB, 8 bits each, colours not multiplied by alpha. Android's Bitmap has them
 * like this, and keeps large photos outside of the heap.
 */
interface Pixels {
    val width: Int
    val height: Int

    /** Copies a rectangle to the beginning of [into], its rows [stride] apart. */
    fun read(into: IntArray, stride: Int, left: Int, top: Int, width: Int, height: Int)

    /** Copies a rectangle back. */
    fun write(from: IntArray, stride: Int, left: Int, top: Int, width: Int, height: Int)
}

/** Pixels in an array, row by row: for pictures of the size of a screen. */
class Picture(
    override val width: Int,
    override val height: Int,
    val argb: IntArray = IntArray(width * height),
) : Pixels {
    override fun read(into: IntArray, stride: Int, left: Int, top: Int, width: Int, height: Int) {
        for (y in 0 until height) {
            val start = (top + y) * this.width + left
            argb.copyInto(into, y * stride, start, start + width)
        }
    }

    override fun write(from: IntArray, stride: Int, left: Int, top: Int, width: Int, height: Int) {
        for (y in 0 until height) {
            from.copyInto(argb, (top + y) * this.width + left, y * stride, y * stride + width)
        }
    }
}

/** Red, green or blue (0, 1 or 2) of a pixel, 0 to 255. */
fun level(pixel: Int, channel: Int): Int = pixel shr (16 - 8 * channel) and 255

/** The opacity of a pixel, where it stands in the pixel. */
internal fun alpha(pixel: Int): Int = pixel and (255 shl 24)

/** Calls [use] with each row, from the top. The array is used again for the next. */
internal inline fun Pixels.eachRow(use: (y: Int, row: IntArray) -> Unit) {
    val row = IntArray(width)
    for (y in 0 until height) {
        read(row, width, 0, y, width, 1)
        use(y, row)
    }
}

/** Whether any pixel is not opaque. */
fun Pixels.isTransparent(): Boolean {
    eachRow { _, row -> if (row.any { alpha(it) != 255 shl 24 }) return true }
    return false
}

/**
 * Between which two of [length] values each of [size] samples lies, and how near to the second;
 * centres are at half-integers.
 */
internal class Sampling(length: Int, size: Int) {
    val first = IntArray(size)
    val second = IntArray(size)
    val share = FloatArray(size)

    init {
        for (i in 0 until size) {
            val centre = ((i + 0.5) * length / size - 0.5).coerceAtLeast(0.0)
            first[i] = min(centre.toInt(), length - 1)
            second[i] = min(first[i] + 1, length - 1)
            share[i] = (centre - first[i]).toFloat()
        }
    }
}
