package drgn.core

// Longest side of what is shown, in pixels; and while the slider moves, when time is short.
private const val SHOWN = 2048
private const val MOVED = 1024

/**
 * One photo being worked on. Its pictures are for the screen, in stored order.
 *
 * @param result as large as the photo; what it holds is replaced.
 * @param grey whether the photo is grey, and so is to be its result.
 */
class Session(
    private val network: TileNetwork,
    private val photo: Pixels,
    val result: Pixels,
    private val grey: Boolean = false,
) {
    val before: Picture = reduced(photo, fitted(photo, SHOWN))
    private val small = reduced(before, fitted(photo, network.tile))
    private val thumbnail = photoThumbnail(photo, network.thumbnailSize)

    // What a preview is made of: a sharp picture, and the small one that belongs to it.
    private var base = Pair(reduced(before, fitted(photo, MOVED)), small)
    private var rendered: Pair<Double, Picture>? = null
    private val predicted: Float by lazy { network.predictedBrightness(thumbnail) }

    private fun brightness(stops: Double): Float =
        if (!network.takesBrightness || stops == 0.0) AUTOMATIC else expose(predicted, stops)

    /** The whole photo reduced to one tile, enhanced. */
    private fun smallResult(stops: Double): Picture {
        val image = TileCutter(small, network.tile).cut(0, 0)
        val enhanced = network.run(image, thumbnail, brightness(stops)).image
        val result = Picture(small.width, small.height)
        for (i in result.argb.indices) {
            val at = i / small.width * network.tile + i % small.width
            result.argb[i] = alpha(small.argb[i]) or rounded(enhanced, 3 * at, grey)
        }
        return result
    }

    /** What the result [stops] (EV) brighter than automatic will about look like. */
    fun preview(stops: Double): Picture = relit(base.first, base.second, smallResult(stops))

    /** Computes the whole result, unless it is there; [onTile] as in [enhance]. */
    fun render(stops: Double, onTile: (done: Int, total: Int) -> Unit = { _, _ -> }): Picture {
        rendered?.let { (at, shown) -> if (at == stops) return shown }
        rendered = null
        enhance(photo, result, network, thumbnail, brightness(stops), grey, onTile)
        val shown = reduced(result, Pair(before.width, before.height))
        base = Pair(reduced(shown, fitted(photo, MOVED)), smallResult(stops))
        rendered = Pair(stops, shown)
        return shown
    }
}
