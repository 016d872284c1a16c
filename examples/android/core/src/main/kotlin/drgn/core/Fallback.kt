package drgn.core

import kotlin.math.abs

// Most that a GPU may differ from the CPU in a tile: half a level of 255, which rounding hides.
private const val TOLERANCE = 0.5f / 255

/** Runs on [first] until that fails, and from then on on [second]. Closes both. */
private class FallbackNetwork(
    private var first: TileNetwork?,
    private val second: TileNetwork,
) : TileNetwork by second {
    override fun run(image: FloatArray, thumbnail: FloatArray, brightness: Float): Enhanced {
        first?.let { network ->
            try {
                return network.run(image, thumbnail, brightness)
            } catch (_: Exception) {
                first = null
                network.close()
            }
        }
        return second.run(image, thumbnail, brightness)
    }

    override fun close() {
        first?.close()
        second.close()
    }
}

// Not one that is NaN, either.
private fun agree(one: FloatArray, other: FloatArray): Boolean =
    one.indices.all { abs(one[it] - other[it]) <= TOLERANCE }

/**
 * The first of the [candidates] that gives the results of the CPU and is faster, with the CPU for
 * when it fails; else the CPU. A candidate that throws is passed over.
 *
 * @param clock in any unit.
 */
fun fastest(
    cpu: TileNetwork,
    candidates: List<() -> TileNetwork>,
    clock: () -> Long = System::nanoTime,
): TileNetwork {
    // Dark, and different everywhere.
    fun values(count: Int) = FloatArray(count) { i -> i * 7919L % 1009 / 4036f }
    val image = values(3 * cpu.tile * cpu.tile)
    val thumbnail = values(3 * cpu.thumbnailSize * cpu.thumbnailSize)

    fun timed(network: TileNetwork): Pair<Enhanced, Long> {
        // The first run prepares much.
        network.run(image, thumbnail)
        val start = clock()
        val enhanced = network.run(image, thumbnail)
        return Pair(enhanced, clock() - start)
    }

    val (expected, limit) = timed(cpu)
    for (candidate in candidates) {
        val network = try {
            candidate()
        } catch (_: Exception) {
            continue
        }
        val better = try {
            val (found, time) = timed(network)
            time < limit && agree(found.image, expected.image)
        } catch (_: Exception) {
            false
        }
        if (better) return FallbackNetwork(network, cpu)
        network.close()
    }
    return cpu
}
