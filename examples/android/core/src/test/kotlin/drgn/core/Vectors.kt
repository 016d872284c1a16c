package drgn.core

import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.test.assertEquals

/** What vectors.py wrote, in NumPy's format. */
class Vector(private val shape: List<Int>, private val type: String, private val data: ByteBuffer) {
    private val count = shape.fold(1, Int::times)

    fun floats() = FloatArray(count).also { of("<f4").asFloatBuffer().get(it) }

    fun doubles() = DoubleArray(count).also { of("<f8").asDoubleBuffer().get(it) }

    fun ints() = IntArray(count).also { of("<i4").asIntBuffer().get(it) }

    /** The rows of a table of doubles. */
    fun rows(): List<List<Double>> = doubles().toList().chunked(shape[1])

    /** The items of a stack of float arrays. */
    fun stack(): List<FloatArray> {
        val all = floats()
        val length = count / shape[0]
        return List(shape[0]) { all.copyOfRange(it * length, (it + 1) * length) }
    }

    /** RGB bytes as opaque pixels. */
    fun picture(): Picture {
        val bytes = of("|u1")
        fun byte(at: Int) = bytes.get(at).toInt() and 255
        val argb = IntArray(count / 3) { opaque(byte(3 * it), byte(3 * it + 1), byte(3 * it + 2)) }
        return Picture(shape[1], shape[0], argb)
    }

    private fun of(wanted: String): ByteBuffer = data.also { assertEquals(wanted, type) }
}

fun opaque(red: Int, green: Int, blue: Int) = (255 shl 24) or (red shl 16) or (green shl 8) or blue

fun file(name: String): ByteArray {
    val file = File("src/test/vectors", name)
    check(file.exists()) { "$file is missing: make android-vectors writes it" }
    return file.readBytes()
}

fun vector(name: String): Vector {
    val bytes = file("$name.npy")
    val data = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN)
    // Magic string and version, the length of the header, the header.
    val end = 10 + data.getShort(8)
    val header = String(bytes, 10, end - 10, Charsets.ISO_8859_1)
    check("'fortran_order': False" in header)
    fun found(pattern: String) = Regex(pattern).find(header)!!.groupValues[1]
    val shape = found("'shape': \\(([^)]*)\\)").split(",").mapNotNull { it.trim().toIntOrNull() }
    data.position(end)
    return Vector(shape, found("'descr': '([^']*)'"), data.slice().order(ByteOrder.LITTLE_ENDIAN))
}

/** The largest difference between two arrays of equal size. */
fun difference(one: FloatArray, other: FloatArray): Float {
    assertEquals(one.size, other.size)
    return one.indices.maxOf { kotlin.math.abs(one[it] - other[it]) }
}

/** The largest difference between two pictures of equal size, in levels; their opacity is equal. */
fun difference(one: Picture, other: Picture): Int {
    assertEquals(Pair(one.width, one.height), Pair(other.width, other.height))
    return one.argb.indices.maxOf { i ->
        assertEquals(alpha(one.argb[i]), alpha(other.argb[i]))
        (0..2).maxOf { kotlin.math.abs(level(one.argb[i], it) - level(other.argb[i], it)) }
    }
}

/** A network whose result depends on where in its tile a pixel lies, as Ramp in vectors.py. */
class Ramp(
    override val takesBrightness: Boolean = false,
    private val onRun: (brightness: Float) -> Unit = {},
) : TileNetwork {
    override val tile = 64
    override val thumbnailSize = 8
    var closed = false

    override fun run(image: FloatArray, thumbnail: FloatArray, brightness: Float): Enhanced {
        onRun(brightness)
        val enhanced = FloatArray(image.size) { i ->
            val x = i / 3 % tile / 64f
            val y = i / 3 / tile / 64f
            (image[i] + 0.5f * x - 0.25f * y).coerceIn(0f, 1f)
        }
        return Enhanced(enhanced, if (brightness == AUTOMATIC) 0.3f else brightness)
    }

    override fun close() {
        closed = true
    }
}
