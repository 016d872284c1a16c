package drgn.app

import android.content.ContentResolver
import android.content.ContentValues
import android.os.Environment
import android.provider.MediaStore
import java.io.IOException
import java.io.OutputStream

/**
 * Adds a picture to the gallery, in a folder of its own, once it has been written completely. Takes
 * its time.
 */
fun saveToGallery(
    resolver: ContentResolver,
    name: String,
    type: String,
    write: (OutputStream) -> Unit,
) {
    val values = ContentValues()
    values.put(MediaStore.MediaColumns.DISPLAY_NAME, name)
    values.put(MediaStore.MediaColumns.MIME_TYPE, type)
    values.put(MediaStore.MediaColumns.RELATIVE_PATH, "${Environment.DIRECTORY_PICTURES}/DRGN")
    values.put(MediaStore.MediaColumns.IS_PENDING, 1)
    val collection = MediaStore.Images.Media.getContentUri(MediaStore.VOLUME_EXTERNAL_PRIMARY)
    val picture =
        resolver.insert(collection, values) ?: throw IOException("the gallery takes no picture.")
    try {
        val stream =
            resolver.openOutputStream(picture) ?: throw IOException("the gallery takes no picture.")
        stream.use(write)
        val finished = ContentValues()
        finished.put(MediaStore.MediaColumns.IS_PENDING, 0)
        resolver.update(picture, finished, null, null)
    } catch (error: Throwable) {
        resolver.delete(picture, null, null)
        throw error
    }
}
