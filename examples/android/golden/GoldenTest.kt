import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import java.io.File
import kotlin.test.AfterTest
import kotlin.test.Test
import kotlin.test.assertContains
import kotlin.test.assertFailsWith

/** golden/check.kt of an export, as an app's test calls it, on what LiteRT gave for the file. */
class GoldenTest {
    private val vectors = File("core/src/test/vectors/exported")
    private val copy = File.createTempFile("assets", "").also { it.delete() }

    @AfterTest
    fun remove() {
        copy.deleteRecursively()
    }

    private fun check(folder: File) = checkGolden(AssetManager(folder), "network.tflite", Accelerator.CPU)

    @Test
    fun `a right file passes`() = check(vectors)

    @Test
    fun `a wrong result fails`() {
        vectors.copyRecursively(copy)
        val enhanced = copy.walk().first { it.name == "enhanced.bin" }
        // The sign and half of the exponent of every float: other numbers.
        enhanced.writeBytes(enhanced.readBytes().also { for (i in 3 until it.size step 4) it[i] = 0 })
        assertContains(assertFailsWith<IllegalStateException> { check(copy) }.message!!, "dB")
    }

    @Test
    fun `a damaged known result fails`() {
        vectors.copyRecursively(copy)
        val known = copy.walk().first { it.name == "float32_automatic.bin" }
        known.writeBytes(known.readBytes().map { (0.9 * (it.toInt() and 255)).toInt().toByte() }.toByteArray())
        assertContains(assertFailsWith<IllegalStateException> { check(copy) }.message!!, "automatic: ")
    }
}
