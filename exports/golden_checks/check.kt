// Checks a float "tiled" .tflite file on a phone: the file and the folder golden/ among the app's
// assets, com.google.ai.edge.litert:litert as a dependency; call it from an instrumented test.
import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.log10
import kotlin.math.roundToInt
import org.json.JSONObject

fun checkGolden(assets: AssetManager, name: String, accelerator: Accelerator) {
    fun read(file: String) = assets.open("golden/$file").use { it.readBytes() }
    val facts = JSONObject(String(read("golden.json")))
    val kind = facts.getJSONObject("files").getString("tflite/$name")
    val photo = read("image.bin").map { (it.toInt() and 255) / 255f }.toFloatArray()
    val numbers = ByteBuffer.wrap(read("thumbnail.bin")).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    val thumbnail = FloatArray(numbers.remaining()).also { numbers.get(it) }
    val brightness = facts.getJSONObject("brightness")
    val told = brightness.length() > 1 // else the network takes no brightness
    fun names(vararg always: String) = always.toList() + if (told) listOf("brightness") else listOf()
    CompiledModel.create(assets, name, CompiledModel.Options(accelerator)).use { model ->
        val inputs = names("image", "thumbnail").associateWith { model.createInputBuffer(it) }
        val outputs = names("enhanced").associateWith { model.createOutputBuffer(it) }
        inputs.getValue("image").writeFloat(photo)
        inputs.getValue("thumbnail").writeFloat(thumbnail)
        for (case in brightness.keys()) {
            inputs["brightness"]?.writeFloat(floatArrayOf(brightness.getDouble(case).toFloat()))
            model.run(inputs, outputs)
            val expected = read("${kind}_$case.bin")
            val error = outputs.getValue("enhanced").readFloat().withIndex().sumOf { (i, value) ->
                val difference = (255 * value).roundToInt() - (expected[i].toInt() and 255)
                (difference * difference).toDouble()
            } / expected.size
            val decibels = 10 * log10(255.0 * 255.0 / maxOf(error, 1e-6))
            check(decibels >= facts.getJSONObject("least_db").getDouble(kind)) { "$name, $case: $decibels dB" }
        }
    }
}
