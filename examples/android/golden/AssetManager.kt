package android.content.res

import java.io.File

/** Android's, as far as golden/check.kt needs it: the assets of an app, in a folder. */
class AssetManager(val folder: File) {
    fun open(name: String) = File(folder, name).inputStream()
}
