package drgn.app

import android.content.res.AssetManager
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import drgn.core.AUTOMATIC
import drgn.core.Enhanced
import drgn.core.TileNetwork
import drgn.core.fastest

/** Runs a "tiled" file with floats in and out. Use it from the thread that made it. */
class LiteRtNetwork(
    assets: AssetManager,
    asset: String,
    options: CompiledModel.Options,
) : TileNetwork {
    private val model = CompiledModel.create(assets, asset, options)
    override val tile = side("image")
    override val thumbnailSize = side("thumbnail")
    override val takesBrightness = try {
        model.getInputTensorType("brightness")
        true
    } catch (_: LiteRtException) {
        false
    }
    private val inputs = names("image", "thumbnail").associateWith { model.createInputBuffer(it) }
    private val outputs = names("enhanced").associateWith { model.createOutputBuffer(it) }

    override fun run(image: FloatArray, thumbnail: FloatArray, brightness: Float): Enhanced {
        inputs.getValue("image").writeFloat(image)
        inputs.getValue("thumbnail").writeFloat(thumbnail)
        inputs["brightness"]?.writeFloat(floatArrayOf(brightness))
        model.run(inputs, outputs)
        val aimed = outputs["brightness"]?.readFloat()?.first() ?: AUTOMATIC
        return Enhanced(outputs.getValue("enhanced").readFloat(), aimed)
    }

    override fun close() {
        (inputs.values + outputs.values).forEach { it.close() }
        model.close()
    }

    private fun side(input: String): Int =
        checkNotNull(model.getInputTensorType(input).layout).dimensions[1]

    private fun names(vararg always: String): List<String> =
        always.toList() + if (takesBrightness) listOf("brightness") else listOf()
}

/**
 * The network in the assets, on the GPU where that is right and faster, else on the CPU.
 *
 * GPUs are asked for alone: beside the CPU, LiteRT could use that without notice. They compute in
 * 16 bits unless told otherwise.
 */
fun loadNetwork(assets: AssetManager, asset: String = "network.tflite"): TileNetwork {
    fun onCpu(): TileNetwork {
        val options = CompiledModel.Options(Accelerator.CPU)
        val threads = Runtime.getRuntime().availableProcessors().coerceAtMost(4)
        options.cpuOptions = CompiledModel.CpuOptions(numThreads = threads)
        return LiteRtNetwork(assets, asset, options)
    }
    fun onGpu(precision: CompiledModel.GpuOptions.Precision): TileNetwork {
        val options = CompiledModel.Options(Accelerator.GPU)
        options.gpuOptions = CompiledModel.GpuOptions(precision = precision)
        return LiteRtNetwork(assets, asset, options)
    }
    return fastest(
        onCpu(),
        listOf(
            { onGpu(CompiledModel.GpuOptions.Precision.FP16) },
            { onGpu(CompiledModel.GpuOptions.Precision.FP32) },
        ),
    )
}
