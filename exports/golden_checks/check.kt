// Checks a float "tiled" .tflite file on a phone: the file and the folder golden/ among the app's
// assets, com.google.ai.edge.litert:litert as a dependency; call it from an instrumented test.
import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.math.log10
import kotlin.math.roundToInt
import org.json.JSONObject

fun checkGolden(context: Context, name: String, accelerator: Accelerator) {
    fun read(file: String) = context.assets.open("golden/$file").use { it.readBytes() }
    val facts = JSONObject(String(read("golden.json")))
    val kind = facts.getJSONObject("files").getString("tflite/$name")
    val photo = read("image.bin").map { (it.toInt() and 255) / 255f }.toFloatArray()
    val numbers = ByteBuffer.wrap(read("thumbnail.bin")).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
    val thumbnail = FloatArray(numbers.remaining()).also { numbers.get(it) }
    val model = CompiledModel.create(context.assets, name, CompiledModel.Options(accelerator))
    val inputs = model.createInputBuffers() // image, thumbnail, brightness
    val outputs = model.createOutputBuffers() // enhanced, brightness
    val brightness = facts.getJSONObject("brightness")
    for (case in brightness.keys()) {
        inputs[0].writeFloat(photo)
        inputs[1].writeFloat(thumbnail)
        if (inputs.size > 2) inputs[2].writeFloat(floatArrayOf(brightness.getDouble(case).toFloat()))
        model.run(inputs, outputs)
        val expected = read("${kind}_$case.bin")
        val error = outputs[0].readFloat().withIndex().sumOf { (i, value) ->
            val difference = (255 * value).roundToInt() - (expected[i].toInt() and 255)
            (difference * difference).toDouble()
        } / expected.size
        val decibels = 10 * log10(255.0 * 255.0 / maxOf(error, 1e-6))
        check(decibels >= facts.getJSONObject("least_db").getDouble(kind)) { "$name, $case: $decibels dB" }
    }
}
