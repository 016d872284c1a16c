package drgn.core

/** Turns stored pixels as a viewer shows them, by the EXIF orientation (1 to 8). */
fun turned(photo: Picture, orientation: Int): Picture {
    val width = photo.width
    val height = photo.height
    if (orientation !in 2..8) return photo
    val swapped = orientation >= 5
    val result = if (swapped) Picture(height, width) else Picture(width, height)
    // Which edges of the stored photo the shown one's columns and rows start from.
    val mirrored = orientation in setOf(2, 3, 7, 8)
    val upended = orientation in setOf(3, 4, 6, 7)
    for (y in 0 until height) {
        val row = if (upended) height - 1 - y else y
        for (x in 0 until width) {
            val column = if (mirrored) width - 1 - x else x
            result.argb[if (swapped) column * height + row else row * width + column] =
                photo.argb[y * width + x]
        }
    }
    return result
}
