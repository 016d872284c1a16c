package drgn.core

import kotlin.math.max
import kotlin.math.min
import kotlin.math.round
import kotlin.math.roundToInt

/** The width and height of a photo reduced to fit a square; never enlarged. */
fun fitted(photo: Pixels, side: Int): Pair<Int, Int> {
    val scale = min(1.0, side.toDouble() / max(photo.width, photo.height))
    fun length(whole: Int) = max(1, (whole * scale).roundToInt())
    return Pair(length(photo.width), length(photo.height))
}

/** Reduces a photo: each pixel of the result is the mean of those it covers. */
fun reduced(photo: Pixels, size: Pair<Int, Int>): Picture {
    val (width, height) = size
    val result = Picture(width, height)
    if (width == photo.width && height == photo.height) {
        photo.read(result.argb, width, 0, 0, width, height)
        return result
    }
    // Positions in large photos times a width do not fit into 32 bits.
    fun begin(i: Int, from: Int, to: Int) = (i.toLong() * from / to).toInt()
    val lefts = IntArray(width + 1) { begin(it, photo.width, width) }
    val row = IntArray(photo.width)
    val sums = LongArray(4 * width)
    for (y in 0 until height) {
        val top = begin(y, photo.height, height)
        val bottom = begin(y + 1, photo.height, height)
        sums.fill(0)
        for (line in top until bottom) {
            photo.read(row, photo.width, 0, line, photo.width, 1)
            for (x in 0 until width) {
                for (i in lefts[x] until lefts[x + 1]) {
                    for (k in 0..3) sums[4 * x + k] += (row[i] ushr 8 * k and 255).toLong()
                }
            }
        }
        for (x in 0 until width) {
            val count = (lefts[x + 1] - lefts[x]).toDouble() * (bottom - top)
            var pixel = 0
            for (k in 0..3) pixel = pixel or (round(sums[4 * x + k] / count).toInt() shl 8 * k)
            result.argb[y * width + x] = pixel
        }
    }
    return result
}

// Keeps ratios of nearly black values from exploding.
private const val FLOOR = 4

// Levels to either side over which a curve is averaged.
private const val SMOOTHED = 6

/**
 * How much brighter each level of a channel becomes from one small picture to the other, on
 * average: a tone curve, as ratios of values that are FLOOR higher.
 */
private fun toneCurve(before: Picture, after: Picture, channel: Int): FloatArray {
    val from = DoubleArray(256)
    val to = DoubleArray(256)
    for (i in before.argb.indices) {
        val level = level(before.argb[i], channel)
        from[level] += (level + FLOOR).toDouble()
        to[level] += (level(after.argb[i], channel) + FLOOR).toDouble()
    }
    return FloatArray(256) { level ->
        // As many neighbours as it takes.
        generateSequence(SMOOTHED) { 2 * it }.firstNotNullOf { reach ->
            val near = max(level - reach, 0)..min(level + reach, 255)
            val sum = near.sumOf { from[it] }
            if (sum > 0) (near.sumOf { to[it] } / sum).toFloat() else null
        }
    }
}

/**
 * What a photo would look like with another rendering of it, of which only a small copy is known.
 * The tone curve between the two small copies is applied to the photo, and what is left of their
 * ratio, which varies slowly, is enlarged. Sharp, and near enough while a slider moves.
 */
fun relit(photo: Picture, before: Picture, after: Picture): Picture {
    val curves = List(3) { toneCurve(before, after, it) }
    val rest = FloatArray(3 * before.argb.size) { i ->
        val level = level(before.argb[i / 3], i % 3)
        (level(after.argb[i / 3], i % 3) + FLOOR) / ((level + FLOOR) * curves[i % 3][level])
    }
    val lit = curves.map { curve -> FloatArray(256) { curve[it] * (it + FLOOR) } }
    val rows = Sampling(before.height, photo.height)
    val columns = Sampling(before.width, photo.width)
    val result = Picture(photo.width, photo.height)
    val line = FloatArray(3 * before.width)
    for (y in 0 until photo.height) {
        for (i in line.indices) {
            val above = rest[rows.first[y] * line.size + i]
            line[i] = above + rows.share[y] * (rest[rows.second[y] * line.size + i] - above)
        }
        for (x in 0 until photo.width) {
            val index = y * photo.width + x
            var pixel = alpha(photo.argb[index])
            for (c in 0..2) {
                val left = line[3 * columns.first[x] + c]
                val gain = left + columns.share[x] * (line[3 * columns.second[x] + c] - left)
                val value = lit[c][level(photo.argb[index], c)] * gain - FLOOR
                pixel = pixel or (value.coerceIn(0f, 255f).roundToInt() shl 16 - 8 * c)
            }
            result.argb[index] = pixel
        }
    }
    return result
}
