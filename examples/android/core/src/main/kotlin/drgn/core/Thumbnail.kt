package drgn.core

import kotlin.math.min

private const val BLOCK = 4

/**
 * The thumbnail of a whole photo, from which the network learns what the photo looks like: 4x4
 * averages, then bilinear sampling. R, G, B in 0..1, [size] x [size].
 *
 * Compute it once and pass it with every tile: with a thumbnail of its own a tile would get
 * another brightness.
 */
fun photoThumbnail(photo: Pixels, size: Int): FloatArray {
    val rows = Sampling((photo.height + BLOCK - 1) / BLOCK, size)
    val columns = Sampling((photo.width + BLOCK - 1) / BLOCK, size)
    val lines = IntArray(BLOCK * photo.width)

    // One row of averages, sampled across. The last row and column are repeated beyond the border.
    fun sampled(row: Int): FloatArray {
        val present = min(BLOCK, photo.height - BLOCK * row)
        photo.read(lines, photo.width, 0, BLOCK * row, photo.width, present)
        fun average(column: Int, c: Int): Float {
            var sum = 0
            for (y in 0 until BLOCK) {
                val line = min(y, present - 1) * photo.width
                for (x in BLOCK * column until BLOCK * (column + 1)) {
                    sum += level(lines[line + min(x, photo.width - 1)], c)
                }
            }
            return sum / (BLOCK * BLOCK * 255f)
        }
        return FloatArray(3 * size) { i ->
            val (j, c) = Pair(i / 3, i % 3)
            val share = columns.share[j]
            (1 - share) * average(columns.first[j], c) + share * average(columns.second[j], c)
        }
    }

    val result = FloatArray(3 * size * size)
    for (i in 0 until size) {
        val above = sampled(rows.first[i])
        val below = sampled(rows.second[i])
        for (k in above.indices) {
            result[i * above.size + k] = (1 - rows.share[i]) * above[k] + rows.share[i] * below[k]
        }
    }
    return result
}
