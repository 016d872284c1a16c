package drgn.core

import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class PreviewTest {
    private fun grey(side: Int, level: Int) =
        Picture(side, side, IntArray(side * side) { opaque(level, level, level) })

    @Test
    fun reducedPicturesAreMeansOfWhatTheyCover() {
        val photo = Picture(5, 4, IntArray(20) { opaque(4 * it, 4 * it + 1, 4 * it + 2) })
        assertContentEquals(intArrayOf(opaque(38, 39, 40)), reduced(photo, Pair(1, 1)).argb)
        assertContentEquals(photo.argb, reduced(photo, Pair(5, 4)).argb)
        // Pixels 0 and 1, 2 to 4 of the first two rows.
        val halves = reduced(photo, Pair(2, 2))
        assertEquals(listOf(12, 22), halves.argb.take(2).map { level(it, 0) })
    }

    @Test
    fun picturesFitAndAreNeverEnlarged() {
        assertEquals(Pair(256, 192), fitted(Picture(400, 300), 256))
        assertEquals(Pair(1, 256), fitted(Picture(1, 3000), 256))
        assertEquals(Pair(100, 50), fitted(Picture(100, 50), 256))
    }

    @Test
    fun relitPicturesGetTheRatioOfSmallOnes() {
        val found = relit(grey(9, 40), grey(3, 40), grey(3, 84))
        assertEquals(setOf(opaque(84, 84, 84)), found.argb.toSet())
    }

    @Test
    fun relitPicturesStaySharp() {
        // Stripes of one pixel, which the small copy cannot hold.
        val stripes = IntArray(64 * 64) { i -> (20 + i % 2 * 20).let { opaque(it, it, it) } }
        val photo = Picture(64, 64, stripes)
        val small = reduced(photo, Pair(16, 16))
        val brighter = Picture(16, 16, IntArray(256) { opaque(90, 90, 90) })
        val found = relit(photo, small, brighter)
        val (dark, bright) = Pair(level(found.argb[0], 0), level(found.argb[1], 0))
        assertTrue(bright - dark > 30, "$dark and $bright")
    }

    @Test
    fun transparencyIsFound() {
        val photo = grey(4, 9)
        assertFalse(photo.isTransparent())
        photo.argb[13] = 0x7f090909
        assertTrue(photo.isTransparent())
    }

    @Test
    fun aSliderAsInTheDocumentation() {
        val network: TileNetwork = Ramp(takesBrightness = true)
        val photo: Pixels = vector("tiled_photo").picture()
        val result: Pixels = Picture(photo.width, photo.height)
        val tiles = mutableListOf<Pair<Int, Int>>()
        fun showProgress(done: Int, total: Int) = tiles.add(Pair(done, total))

        val session = Session(network, photo, result) // both Pixels, of one size
        val automatic = session.render(0.0) // fills result; returns a copy for the screen
        val moving = session.preview(0.7) // while the slider moves: computes one tile
        val brighter = session.render(0.7) { done, total -> showProgress(done, total) }

        assertEquals(photo.width, automatic.width)
        assertEquals(photo.height, moving.height)
        assertContentEquals((result as Picture).argb, brighter.argb)
        assertEquals(tiles.size, tiles.last().second)
    }

    @Test
    fun aPreviewAfterTheResultIsTheResult() {
        val photo = vector("tiled_photo").picture()
        val session = Session(Ramp(), photo, Picture(photo.width, photo.height))
        val shown = session.render(0.0)
        assertContentEquals(vector("tiled_result").picture().argb, shown.argb)
        // The ratio of equal pictures is 1, but for float32.
        assertTrue(difference(shown, session.preview(0.0)) <= 1)
    }

    @Test
    fun aResultIsComputedOnce() {
        val wanted = mutableListOf<Float>()
        val photo = grey(60, 30)
        val session = Session(Ramp(takesBrightness = true) { wanted += it }, photo, Picture(60, 60))
        session.render(0.0)
        val runs = wanted.size
        session.render(0.0)
        assertEquals(runs, wanted.size)
        session.render(1.0)
        assertEquals(expose(0.3f, 1.0), wanted.last())
        // Asked once how bright it would make the photo.
        session.render(-1.0)
        assertEquals(1, wanted.drop(runs).count { it == AUTOMATIC })
    }
}
