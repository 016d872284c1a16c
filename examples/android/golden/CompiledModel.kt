package com.google.ai.edge.litert

import android.content.res.AssetManager
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder
import kotlin.test.assertContentEquals
import kotlin.test.assertNotNull

enum class Accelerator { CPU, GPU }

class TensorBuffer {
    var content = floatArrayOf()

    fun writeFloat(data: FloatArray) {
        content = data.copyOf()
    }

    fun readFloat() = content
}

/** LiteRT's, on the JVM: replays what Python's LiteRT gave for a file, if it is asked the same. */
class CompiledModel private constructor(private val records: List<File>) : AutoCloseable {
    class Options(vararg val accelerators: Accelerator)

    private val tensors = listOf("image", "thumbnail", "brightness", "enhanced")

    fun createInputBuffer(inputName: String) = TensorBuffer().also { check(inputName in tensors) }

    fun createOutputBuffer(outputName: String) = TensorBuffer().also { check(outputName in tensors) }

    fun run(inputs: Map<String, TensorBuffer>, outputs: Map<String, TensorBuffer>) {
        val record = records.find { floats(it, "brightness").contentEquals(inputs["brightness"]?.content) }
        assertNotNull(record, "no record of this brightness")
        for (name in listOf("image", "thumbnail")) {
            assertContentEquals(floats(record, name), inputs[name]?.content, name)
        }
        outputs.getValue("enhanced").writeFloat(floats(record, "enhanced"))
    }

    override fun close() {}

    companion object {
        fun create(assetManager: AssetManager, assetName: String, options: Options): CompiledModel {
            val folder = File(assetManager.folder, "records of $assetName")
            check(options.accelerators.isNotEmpty() && folder.isDirectory)
            return CompiledModel(folder.listFiles()!!.toList())
        }

        private fun floats(record: File, name: String): FloatArray {
            val data = ByteBuffer.wrap(File(record, "$name.bin").readBytes())
            val numbers = data.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer()
            return FloatArray(numbers.remaining()).also { numbers.get(it) }
        }
    }
}
