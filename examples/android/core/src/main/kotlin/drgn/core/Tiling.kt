package drgn.core

import kotlin.math.max
import kotlin.math.min
import kotlin.math.round

// Photos of any size by a network of one size: overlapping tiles, blended. All that the network
// needs from the whole photo is in its thumbnail; the rest of it is local. At an inner edge a tile
// lacks surroundings: MARGIN pixels there are discarded, and over FEATHER more two tiles are
// blended. Tiles begin at multiples of GRID, so that each pixel has the same position on the
// network's grids as in the whole photo.
private const val GRID = 4
private const val MARGIN = 32
private const val FEATHER = 16

/** One tile's extent along one axis in pixels, and its weight in the result at each of them. */
class Span(val start: Int, val stop: Int, val weights: FloatArray)

/** Covers an axis with tiles that overlap by at least 2 * [margin] + [feather]. */
fun spans(length: Int, tile: Int, margin: Int, feather: Int): List<Span> {
    if (length <= tile) return listOf(Span(0, length, FloatArray(length) { 1f }))
    val overlap = 2 * margin + feather
    val step = tile - overlap - GRID
    require(step > 0) { "tiles of $tile pixels are too small for their margins" }
    val count = (length - overlap + step - 1) / step
    // Evenly spread. The last tile ends with the photo, or up to 3 pixels beyond it.
    val last = (length - tile + GRID - 1) / GRID * GRID
    val starts = List(count) { i -> (last.toLong() * i / (count - 1)).toInt() / GRID * GRID }
    val stops = starts.map { min(it + tile, length) }
    val shares = List(count) { FloatArray(length) { 1f } }
    for (i in 0 until count - 1) {
        val middle = (starts[i + 1] + stops[i]) / 2f
        for (k in 0 until length) {
            val place = (k + 0.5f - middle) / max(feather.toFloat(), 1e-3f)
            val after = (place + 0.5f).coerceIn(0f, 1f)
            shares[i][k] *= 1 - after
            shares[i + 1][k] *= after
        }
    }
    // More than two tiles share a pixel where they lie closer than the feather is wide.
    for (k in 0 until length) {
        var sum = 0f
        for (share in shares) sum += share[k]
        for (share in shares) share[k] /= sum
    }
    return List(count) { i ->
        Span(starts[i], stops[i], shares[i].copyOfRange(starts[i], stops[i]))
    }
}

/** The rows and the columns of tiles of a photo. */
fun grid(width: Int, height: Int, tile: Int): Pair<List<Span>, List<Span>> {
    // Small tiles get smaller margins, so that most of the tile is used.
    val margin = min(MARGIN, tile / 8)
    val feather = min(FEATHER, tile / 8)
    return Pair(spans(height, tile, margin, feather), spans(width, tile, margin, feather))
}

/** Cuts tiles of [size] x [size] pixels out of a photo, as a network takes them. */
class TileCutter(private val photo: Pixels, private val size: Int) {
    private val pixels = IntArray(size * size)
    private val image = FloatArray(3 * size * size)

    /** R, G, B in 0..1; beyond the photo its edge is repeated. Valid until the next call. */
    fun cut(left: Int, top: Int): FloatArray {
        val width = min(size, photo.width - left)
        val height = min(size, photo.height - top)
        photo.read(pixels, size, left, top, width, height)
        var to = 0
        for (y in 0 until size) {
            for (x in 0 until size) {
                val pixel = pixels[min(y, height - 1) * size + min(x, width - 1)]
                for (c in 0..2) image[to++] = level(pixel, c) / 255f
            }
        }
        return image
    }
}

/**
 * Runs a network over a photo of any size; besides the two, one row of tiles is in memory.
 *
 * @param result as large as the photo, whose opacity it gets.
 * @param grey whether the photo is grey, and so is to be its result.
 * @param onTile called after each tile with their number so far and in all; it may throw to end
 *     the work.
 */
fun enhance(
    photo: Pixels,
    result: Pixels,
    network: TileNetwork,
    thumbnail: FloatArray = photoThumbnail(photo, network.thumbnailSize),
    brightness: Float = AUTOMATIC,
    grey: Boolean = false,
    onTile: (done: Int, total: Int) -> Unit = { _, _ -> },
) {
    val (rows, columns) = grid(photo.width, photo.height, network.tile)
    val tiles = TileCutter(photo, network.tile)
    val strip = FloatArray(3 * photo.width * min(network.tile, photo.height))
    val above = FloatArray(strip.size)
    val line = IntArray(photo.width)
    var shared = 0
    var done = 0
    for ((index, row) in rows.withIndex()) {
        strip.fill(0f)
        for (column in columns) {
            val image = tiles.cut(column.start, row.start)
            val enhanced = network.run(image, thumbnail, brightness).image
            for (y in row.weights.indices) {
                var to = 3 * (y * photo.width + column.start)
                var from = 3 * y * network.tile
                for (weight in column.weights) {
                    val share = row.weights[y] * weight
                    repeat(3) { strip[to++] += enhanced[from++] * share }
                }
            }
            onTile(++done, rows.size * columns.size)
        }
        for (i in 0 until shared) strip[i] += above[i]
        // Rows shared with the tiles below are finished by them.
        val finished = (rows.getOrNull(index + 1)?.start ?: row.stop) - row.start
        for (y in 0 until finished) {
            photo.read(line, photo.width, 0, row.start + y, photo.width, 1)
            for (x in line.indices) {
                line[x] = alpha(line[x]) or rounded(strip, 3 * (y * photo.width + x), grey)
            }
            result.write(line, photo.width, 0, row.start + y, photo.width, 1)
        }
        shared = 3 * photo.width * (row.stop - row.start - finished)
        strip.copyInto(above, 0, 3 * photo.width * finished, 3 * photo.width * finished + shared)
    }
}

/** The pixel, without opacity, of three enhanced values that begin at [from]. */
internal fun rounded(values: FloatArray, from: Int, grey: Boolean): Int {
    val red = rounded(values[from])
    val green = rounded(values[from + 1])
    val blue = rounded(values[from + 2])
    if (!grey) return (red shl 16) or (green shl 8) or blue
    return round(0.299f * red + 0.587f * green + 0.114f * blue).toInt() * 0x010101
}

/** The level, 0 to 255, that is nearest to an enhanced value. */
private fun rounded(value: Float): Int = round(255f * value.coerceIn(0f, 1f)).toInt()
