package com.google.ai.edge.litert

import android.content.res.AssetManager

enum class Accelerator { CPU, GPU }

class LiteRtException : Exception()

class TensorType(val layout: Layout?) {
    class Layout(val dimensions: List<Int>)
}

class TensorBuffer private constructor() : AutoCloseable {
    fun writeFloat(data: FloatArray): Unit = TODO()

    fun readFloat(): FloatArray = TODO()

    override fun close(): Unit = TODO()
}

class CompiledModel private constructor() : AutoCloseable {
    class CpuOptions(val numThreads: Int?)

    class GpuOptions(val precision: Precision?) {
        enum class Precision { FP16, FP32 }
    }

    class Options(vararg accelerators: Accelerator) {
        var cpuOptions: CpuOptions? = null
        var gpuOptions: GpuOptions? = null
    }

    fun createInputBuffer(inputName: String): TensorBuffer = TODO()

    fun createOutputBuffer(outputName: String): TensorBuffer = TODO()

    fun getInputTensorType(inputName: String): TensorType = TODO()

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>): Unit = TODO()

    override fun close(): Unit = TODO()

    companion object {
        fun create(assetManager: AssetManager, assetName: String, options: Options): CompiledModel =
            TODO()
    }
}
