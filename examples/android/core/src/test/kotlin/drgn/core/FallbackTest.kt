package drgn.core

import kotlin.test.Test
import kotlin.test.assertEquals
import kotlin.test.assertFalse
import kotlin.test.assertTrue

class FallbackTest {
    private var now = 0L

    /** A network that takes [time] for a tile, and whose results are [off] from those of another. */
    private inner class Timed(
        val time: Long,
        val off: Float = 0f,
        private val network: Ramp = Ramp(),
    ) : TileNetwork by network {
        var fails = false
        var runs = 0
        val closed get() = network.closed

        override fun run(image: FloatArray, thumbnail: FloatArray, brightness: Float): Enhanced {
            check(!fails)
            runs++
            now += time
            val enhanced = network.run(image, thumbnail, brightness)
            for (i in enhanced.image.indices) enhanced.image[i] += off
            return enhanced
        }
    }

    private fun TileNetwork.runOnce() = run(FloatArray(3 * 64 * 64), FloatArray(3 * 8 * 8))

    private fun chosen(cpu: TileNetwork, vararg candidates: () -> TileNetwork) =
        fastest(cpu, candidates.toList()) { now }

    @Test
    fun theFirstThatIsRightAndFasterIsTaken() {
        val cpu = Timed(10)
        val wrong = Timed(1, off = 1f / 255)
        val right = Timed(2, off = 0.1f / 255)
        val missing = { error("no such device") }
        val network = chosen(cpu, missing, { wrong }, { right }, { error("not tried") })
        val before = cpu.runs
        network.runOnce()
        assertEquals(Pair(3, before), Pair(right.runs, cpu.runs))
        assertTrue(wrong.closed)
        network.close()
        assertTrue(right.closed && cpu.closed)
    }

    @Test
    fun theCpuIsTakenWhereNothingIsFaster() {
        val cpu = Timed(10)
        val slow = Timed(11)
        val unknown = Timed(1, off = Float.NaN)
        val failing = Timed(1).apply { fails = true }
        assertEquals(cpu, chosen(cpu, { slow }, { unknown }, { failing }))
        assertTrue(slow.closed && unknown.closed && failing.closed)
        assertFalse(cpu.closed)
    }

    @Test
    fun theCpuGoesOnWhenTheGpuFails() {
        val cpu = Timed(10)
        val gpu = Timed(1)
        val network = chosen(cpu, { gpu })
        gpu.fails = true
        val before = cpu.runs
        repeat(2) { network.runOnce() }
        assertEquals(before + 2, cpu.runs)
        assertTrue(gpu.closed)
    }
}
