package drgn.app

import android.graphics.Bitmap
import drgn.core.Pixels

/** Pixels in a bitmap, outside of the heap. */
class BitmapPixels(val bitmap: Bitmap) : Pixels {
    override val width get() = bitmap.width
    override val height get() = bitmap.height

    override fun read(into: IntArray, stride: Int, left: Int, top: Int, width: Int, height: Int) =
        bitmap.getPixels(into, 0, stride, left, top, width, height)

    override fun write(from: IntArray, stride: Int, left: Int, top: Int, width: Int, height: Int) =
        bitmap.setPixels(from, 0, stride, left, top, width, height)
}
