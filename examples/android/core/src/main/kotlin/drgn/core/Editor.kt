package drgn.core

import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.ExecutorCoroutineDispatcher
import kotlinx.coroutines.Job
import kotlinx.coroutines.SupervisorJob
import kotlinx.coroutines.cancel
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch

/** A decoded photo with room for its result, as large, and a way to save that. */
interface EditablePhoto {
    val pixels: Pixels
    val result: Pixels

    /** By the EXIF data, 1 to 8: how a viewer turns the pixels. */
    val orientation: Int
    val grey: Boolean

    /** Writes the result; throws an Exception whose message is a line for people. */
    fun save()
}

/** What came of what was asked for. */
sealed interface Message {
    data object Saved : Message

    /** What is shown is a preview; saving computes the whole photo. */
    data object Stopped : Message
    data object TooLarge : Message

    data class Failed(val line: String) : Message
}

/**
 * What the screen shows.
 *
 * @property before the photo, turned upright; null while none is open.
 * @property after its result or a preview of that, turned upright.
 * @property stops EV from automatic.
 * @property working whether there is something to wait for, or to stop.
 * @property progress share of the tiles that are done; null if unknown.
 */
data class EditorState(
    val before: Picture? = null,
    val after: Picture? = null,
    val stops: Double = 0.0,
    val takesBrightness: Boolean = false,
    val working: Boolean = false,
    val progress: Float? = null,
    val message: Message? = null,
    internal val request: Int = 0,
)

/**
 * Works on one photo at a time, on a thread of its own, so that the screen stays alive. Whatever is
 * asked for ends what was asked for before, after the tile in progress.
 *
 * Its functions are called from one thread.
 *
 * @param worker of one thread: networks on the GPU are to be used from the thread that made them.
 * @param load makes the network, when the first photo is opened.
 */
class Editor(
    private val worker: ExecutorCoroutineDispatcher,
    private val load: () -> TileNetwork,
) : AutoCloseable {
    private val scope = CoroutineScope(SupervisorJob() + worker)
    private val current = MutableStateFlow(EditorState())
    private var work: Job? = null

    // Of the worker.
    private var network: TileNetwork? = null
    private var photo: EditablePhoto? = null
    private var session: Session? = null

    val state: StateFlow<EditorState> = current.asStateFlow()

    /** Opens the photo that [read] decodes, and enhances it [stops] (EV) brighter than automatic. */
    fun open(stops: Double = 0.0, read: () -> EditablePhoto) {
        start({ EditorState(stops = stops, request = it.request) }) {
            // The photo before goes first: two may not fit into memory.
            session = null
            photo = null
            val opened = read()
            val network = network ?: load().also { network = it }
            val session = Session(network, opened.pixels, opened.result, opened.grey)
            ensureActive()
            this@Editor.photo = opened
            this@Editor.session = session
            val before = turned(session.before, opened.orientation)
            show { it.copy(before = before, takesBrightness = network.takesBrightness) }
            preview(stops)
            render(stops)
        }
    }

    /** Shows a preview for a slider that moves. */
    fun move(stops: Double) {
        if (current.value.before == null) return
        start({ it.copy(stops = stops) }) { preview(stops) }
    }

    /** Computes the whole photo, when the slider is let go. */
    fun settle() = whenOpen { stops -> render(stops) }

    /** Computes the whole photo, unless that was done, and saves it. */
    fun save() = whenOpen { stops ->
        render(stops)
        ensureActive()
        photo!!.save()
        show { it.copy(message = Message.Saved) }
    }

    /** Ends what is in progress. */
    fun stop() {
        work?.cancel()
        current.update {
            val message = if (it.before == null) null else Message.Stopped
            it.copy(working = false, progress = null, message = message, request = it.request + 1)
        }
    }

    /** Ends all; the memory of the network is freed after the tile in progress. */
    override fun close() {
        work?.cancel()
        scope.launch { network?.close() }.invokeOnCompletion {
            scope.cancel()
            worker.close()
        }
    }

    private fun whenOpen(block: CoroutineScope.(stops: Double) -> Unit) {
        val stops = current.value.stops
        if (current.value.before != null) start({ it }) { block(stops) }
    }

    private fun start(begin: (EditorState) -> EditorState, block: CoroutineScope.() -> Unit) {
        work?.cancel()
        current.update {
            // The number makes this state differ from all before: see show.
            val request = it.request + 1
            begin(it).copy(working = true, progress = null, message = null, request = request)
        }
        work = scope.launch {
            val message = try {
                block()
                null
            } catch (error: CancellationException) {
                throw error
            } catch (_: OutOfMemoryError) {
                Message.TooLarge
            } catch (error: Exception) {
                Message.Failed(error.message ?: error.toString())
            }
            show { it.copy(working = false, progress = null, message = message ?: it.message) }
        }
    }

    /** Changes what is shown, unless something else was asked for: then the state is another. */
    private fun CoroutineScope.show(change: (EditorState) -> EditorState) {
        current.update { if (isActive) change(it) else it }
    }

    private fun CoroutineScope.preview(stops: Double) {
        val picture = turned(session!!.preview(stops), photo!!.orientation)
        show { it.copy(after = picture) }
    }

    private fun CoroutineScope.render(stops: Double) {
        val shown = session!!.render(stops) { done, total ->
            ensureActive()
            show { it.copy(progress = done.toFloat() / total) }
        }
        val picture = turned(shown, photo!!.orientation)
        show { it.copy(after = picture) }
    }
}
