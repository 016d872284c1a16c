package drgn.app

import android.app.Application
import android.net.Uri
import androidx.lifecycle.AndroidViewModel
import androidx.lifecycle.SavedStateHandle
import drgn.core.Editor
import drgn.core.EditorState
import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.flow.StateFlow
import java.util.concurrent.Executors

private const val OPEN = "open"
private const val STOPS = "stops"

/**
 * Outlives the screen when the device is turned; [saved] and the store's copy of the photo outlive
 * the process.
 */
class EnhanceViewModel(
    application: Application,
    private val saved: SavedStateHandle,
) : AndroidViewModel(application) {
    private val store = PhotoStore(application)
    private val editor = Editor(Executors.newSingleThreadExecutor().asCoroutineDispatcher()) {
        loadNetwork(application.assets)
    }
    val state: StateFlow<EditorState> = editor.state

    init {
        if (saved.get<Boolean>(OPEN) == true) editor.open(saved[STOPS] ?: 0.0) { store.read() }
    }

    fun open(photo: Uri) {
        saved[OPEN] = true
        saved[STOPS] = 0.0
        editor.open {
            store.keep(photo)
            store.read()
        }
    }

    /** While the slider moves. */
    fun move(stops: Double) {
        saved[STOPS] = stops
        editor.move(stops)
    }

    /** When it is let go. */
    fun settle() = editor.settle()

    fun stop() = editor.stop()

    fun save() = editor.save()

    override fun onCleared() = editor.close()
}
