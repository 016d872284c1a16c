package drgn.core

import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith

class TilingTest {
    private fun assertSpans(vector: Int, found: List<Span>) {
        val extents = found.flatMap { listOf(it.start, it.stop) }
        assertEquals(vector("spans${vector}_extents").ints().toList(), extents)
        val weights = found.flatMap { it.weights.toList() }
        assertEquals(vector("spans${vector}_weights").floats().toList(), weights)
    }

    @Test
    fun spansAsInPython() {
        for (i in 0..4) {
            val (length, tile, margin, feather) = vector("spans${i}_arguments").ints().toList()
            assertSpans(i, spans(length, tile, margin, feather))
        }
    }

    @Test
    fun photosAreCutAsInPython() {
        val (rows, columns) = grid(701, 257, 256)
        assertSpans(1, rows)
        assertSpans(2, columns)
        // Smaller tiles have smaller margins.
        assertSpans(3, grid(9, 150, 64).first)
    }

    @Test
    fun tilesSmallerThanTheirMarginsAreRefused() {
        assertFailsWith<IllegalArgumentException> { spans(100, 64, 32, 16) }
    }

    @Test
    fun tilesAreBlendedAsInPython() {
        val photo = vector("tiled_photo").picture()
        val result = Picture(photo.width, photo.height)
        enhance(photo, result, Ramp())
        assertContentEquals(vector("tiled_result").picture().argb, result.argb)
    }

    @Test
    fun opacityIsKept() {
        val photo = Picture(70, 3, IntArray(210) { it shl 24 or 0x102030 })
        val result = Picture(70, 3)
        enhance(photo, result, Ramp())
        assertContentEquals(IntArray(210) { it and 255 }, IntArray(210) { result.argb[it] ushr 24 })
    }

    @Test
    fun greyStaysGrey() {
        val photo = vector("tiled_photo").picture()
        val result = Picture(photo.width, photo.height)
        enhance(photo, result, Ramp(), grey = true)
        val coloured = vector("tiled_result").picture()
        result.argb.forEachIndexed { i, pixel ->
            val (red, green, blue) = List(3) { level(coloured.argb[i], it) }
            val luma = 0.299 * red + 0.587 * green + 0.114 * blue
            assertEquals(opaque(level(pixel, 0), level(pixel, 0), level(pixel, 0)), pixel)
            // Half a level, and the rounding of float32 where it is exactly a half.
            assertEquals(luma, level(pixel, 0).toDouble(), 0.50001)
        }
    }

    @Test
    fun everyTileIsReportedAndCanEndTheWork() {
        val photo = vector("tiled_photo").picture()
        val reported = mutableListOf<Pair<Int, Int>>()
        assertFailsWith<InterruptedException> {
            enhance(photo, Picture(photo.width, photo.height), Ramp()) { done, total ->
                reported += Pair(done, total)
                if (done == 3) throw InterruptedException()
            }
        }
        val (rows, columns) = grid(photo.width, photo.height, 64)
        assertEquals(List(3) { Pair(it + 1, rows.size * columns.size) }, reported)
    }
}
