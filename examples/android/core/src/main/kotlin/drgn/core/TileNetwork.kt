package drgn.core

/** A network that enhances tiles of one size, given the thumbnail of the whole photo. */
interface TileNetwork : AutoCloseable {
    /** Side of its tiles in pixels. */
    val tile: Int

    /** Side of its thumbnails in pixels. */
    val thumbnailSize: Int

    val takesBrightness: Boolean

    /**
     * Enhances one tile: [image] is R, G, B, R, ... in 0..1, row by row, and so is the result.
     *
     * @param brightness the mean luma that the whole result, not the tile, is to have, or
     *     [AUTOMATIC].
     */
    fun run(image: FloatArray, thumbnail: FloatArray, brightness: Float = AUTOMATIC): Enhanced
}

/** @property brightness the mean luma aimed at, or [AUTOMATIC] if the network takes none. */
class Enhanced(val image: FloatArray, val brightness: Float)

/** How bright the network makes the photo by itself: it depends on the thumbnail alone. */
fun TileNetwork.predictedBrightness(thumbnail: FloatArray): Float =
    run(FloatArray(3 * tile * tile), thumbnail).brightness
