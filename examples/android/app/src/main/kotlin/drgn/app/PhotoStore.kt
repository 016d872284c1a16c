package drgn.app

import android.app.ActivityManager
import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.ColorSpace
import android.net.Uri
import android.provider.OpenableColumns
import androidx.exifinterface.media.ExifInterface
import drgn.core.EditablePhoto
import drgn.core.JpegFile
import drgn.core.PhotoError
import drgn.core.isJpeg
import drgn.core.isTransparent
import drgn.core.orientationOf
import drgn.core.readJpeg
import drgn.core.withMetadata
import java.io.ByteArrayInputStream
import java.io.ByteArrayOutputStream
import java.io.File
import java.io.IOException

private const val QUALITY = 95

// Of a photo and its result together.
private const val BYTES_PER_PIXEL = 8L

// Android turns these when it decodes them.
private val TURNED_BY_DECODER = setOf("image/heic", "image/heif", "image/avif")

// What is copied from files that are no JPEG.
private val COPIED = listOf(
    ExifInterface.TAG_DATETIME,
    ExifInterface.TAG_DATETIME_ORIGINAL,
    ExifInterface.TAG_OFFSET_TIME_ORIGINAL,
    ExifInterface.TAG_SUBSEC_TIME_ORIGINAL,
    ExifInterface.TAG_MAKE,
    ExifInterface.TAG_MODEL,
    ExifInterface.TAG_LENS_MODEL,
    ExifInterface.TAG_EXPOSURE_TIME,
    ExifInterface.TAG_F_NUMBER,
    ExifInterface.TAG_PHOTOGRAPHIC_SENSITIVITY,
    ExifInterface.TAG_FOCAL_LENGTH,
    ExifInterface.TAG_FLASH,
    ExifInterface.TAG_GPS_LATITUDE,
    ExifInterface.TAG_GPS_LATITUDE_REF,
    ExifInterface.TAG_GPS_LONGITUDE,
    ExifInterface.TAG_GPS_LONGITUDE_REF,
    ExifInterface.TAG_GPS_ALTITUDE,
    ExifInterface.TAG_GPS_ALTITUDE_REF,
)

/**
 * The photo that is open: a copy of its file, which outlives the process and the permission to read
 * the original. Its functions are for a thread that may wait.
 */
class PhotoStore(private val context: Context) {
    private val folder = File(context.cacheDir, "photo")

    /** Copies a photo, in place of the one before. */
    fun keep(photo: Uri) {
        folder.deleteRecursively()
        // Complete under its name, or not there.
        val part = File.createTempFile("photo", null, context.cacheDir)
        try {
            val source = context.contentResolver.openInputStream(photo)
                ?: throw PhotoError("cannot be read.")
            source.use { from -> part.outputStream().use { from.copyTo(it) } }
            folder.mkdirs()
            val file = File(folder, name(photo))
            if (!part.renameTo(file)) throw IOException("there is no room left.")
        } finally {
            part.delete()
        }
    }

    private fun name(photo: Uri): String {
        val column = arrayOf(OpenableColumns.DISPLAY_NAME)
        val name = context.contentResolver.query(photo, column, null, null, null)?.use {
            if (it.moveToFirst()) it.getString(0) else null
        }
        return File(name ?: "photo").name.ifEmpty { "photo" }
    }

    /** Decodes the photo; throws a [PhotoError]. */
    fun read(): EditablePhoto {
        val file = folder.listFiles()?.firstOrNull() ?: throw PhotoError("is not there any more.")
        val bytes = file.readBytes()
        if (bytes.isEmpty()) throw PhotoError("the file is empty.")
        return if (isJpeg(bytes)) JpegPhoto(file, readJpeg(bytes)) else OtherPhoto(file, bytes)
    }

    private fun decoded(bytes: ByteArray): Bitmap {
        val options = BitmapFactory.Options()
        options.inJustDecodeBounds = true
        BitmapFactory.decodeByteArray(bytes, 0, bytes.size, options)
        val memory = ActivityManager.MemoryInfo()
        context.getSystemService(ActivityManager::class.java).getMemoryInfo(memory)
        if (BYTES_PER_PIXEL * options.outWidth * options.outHeight > memory.availMem / 2) {
            throw PhotoError("is too large for this device's memory.")
        }
        options.inJustDecodeBounds = false
        options.inPreferredConfig = Bitmap.Config.ARGB_8888
        // Getting pixels converts them to sRGB, so that they should be of that already.
        options.inPreferredColorSpace = ColorSpace.get(ColorSpace.Named.SRGB)
        options.inPremultiplied = false
        return BitmapFactory.decodeByteArray(bytes, 0, bytes.size, options)
            ?: throw PhotoError("the file is damaged, or of a kind that this device does not read.")
    }

    private abstract inner class Photo(private val file: File, bitmap: Bitmap) : EditablePhoto {
        final override val pixels = BitmapPixels(bitmap)
        final override val result = BitmapPixels(
            Bitmap.createBitmap(bitmap.width, bitmap.height, Bitmap.Config.ARGB_8888),
        )
        private val transparent = pixels.isTransparent()

        init {
            result.bitmap.setHasAlpha(transparent)
            result.bitmap.isPremultiplied = false
        }

        /** The result's JPEG file with what is to be kept of the photo's. */
        protected abstract fun completed(jpeg: ByteArray): ByteArray

        override fun save() {
            val name = "${file.nameWithoutExtension}-enhanced"
            if (transparent) {
                saveToGallery(context.contentResolver, "$name.png", "image/png") {
                    it.write(encoded(Bitmap.CompressFormat.PNG))
                }
                return
            }
            val jpeg = completed(encoded(Bitmap.CompressFormat.JPEG))
            saveToGallery(context.contentResolver, "$name.jpg", "image/jpeg") { it.write(jpeg) }
        }

        private fun encoded(format: Bitmap.CompressFormat): ByteArray {
            val stream = ByteArrayOutputStream()
            if (!result.bitmap.compress(format, QUALITY, stream)) {
                throw IOException("the result cannot be encoded.")
            }
            return stream.toByteArray()
        }
    }

    /** Its pixels are those that the file stores, and all its metadata are copied. */
    private inner class JpegPhoto(file: File, photo: JpegFile) : Photo(file, decoded(photo.bare)) {
        private val metadata = photo.metadata
        override val orientation = orientationOf(metadata.exif)
        override val grey = photo.grey

        override fun completed(jpeg: ByteArray) = withMetadata(jpeg, metadata)
    }

    /** PNG, WebP, HEIC, and what else Android decodes: in sRGB, with the most used EXIF data. */
    private inner class OtherPhoto(file: File, bytes: ByteArray) : Photo(file, decoded(bytes)) {
        private val exif = ExifInterface(ByteArrayInputStream(bytes))
        override val orientation = when (mimeType(bytes)) {
            in TURNED_BY_DECODER -> 1
            else -> exif.getAttributeInt(ExifInterface.TAG_ORIENTATION, 1)
        }
        override val grey = false

        override fun completed(jpeg: ByteArray): ByteArray {
            val part = File.createTempFile("result", ".jpg", context.cacheDir)
            try {
                part.writeBytes(jpeg)
                val copy = ExifInterface(part)
                for (tag in COPIED) exif.getAttribute(tag)?.let { copy.setAttribute(tag, it) }
                copy.setAttribute(ExifInterface.TAG_ORIENTATION, orientation.toString())
                copy.saveAttributes()
                return part.readBytes()
            } finally {
                part.delete()
            }
        }

        private fun mimeType(bytes: ByteArray): String? {
            val options = BitmapFactory.Options()
            options.inJustDecodeBounds = true
            BitmapFactory.decodeByteArray(bytes, 0, bytes.size, options)
            return options.outMimeType
        }
    }
}
