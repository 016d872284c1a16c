package drgn.core

import kotlinx.coroutines.asCoroutineDispatcher
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.junit.After
import java.io.IOException
import java.util.concurrent.Executors
import java.util.concurrent.Semaphore
import java.util.concurrent.TimeUnit.SECONDS
import java.util.concurrent.atomic.AtomicInteger
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertNotNull
import kotlin.test.assertNull
import kotlin.test.assertTrue

class EditorTest {
    private val executor = Executors.newSingleThreadExecutor()

    // Tiles that may run; a test that stops the worker takes all.
    private val allowed = Semaphore(0)
    private val arrived = Semaphore(0)
    private val runs = AtomicInteger()
    private val network = Ramp(takesBrightness = true) {
        runs.incrementAndGet()
        arrived.release()
        allowed.acquire()
    }
    private var loads = 0
    private val editor = Editor(executor.asCoroutineDispatcher()) {
        loads++
        network
    }

    private class Photo(override val orientation: Int = 1) : EditablePhoto {
        override val pixels = vector("tiled_photo").picture()
        override val result = Picture(pixels.width, pixels.height)
        override val grey = false
        var saved: IntArray? = null

        override fun save() {
            saved = result.argb.copyOf()
        }
    }

    private fun awaited(until: (EditorState) -> Boolean): EditorState = runBlocking {
        withTimeout(30_000) { editor.state.first(until) }
    }

    private fun idle() = awaited { !it.working }

    private fun awaitTiles(count: Int) = assertTrue(arrived.tryAcquire(count, 30, SECONDS))

    @After
    fun closed() {
        allowed.release(1_000_000)
        editor.close()
        assertTrue(executor.awaitTermination(30, SECONDS))
        assertEquals(loads > 0, network.closed)
    }

    @Test
    fun aPhotoIsOpenedEnhancedAndSaved() {
        allowed.release(1_000_000)
        val photo = Photo()
        editor.open { photo }
        val state = idle()
        assertContentEquals(photo.pixels.argb, state.before!!.argb)
        assertContentEquals(vector("tiled_result").picture().argb, state.after!!.argb)
        assertTrue(state.takesBrightness)
        val before = runs.get()
        editor.save()
        assertEquals(Message.Saved, awaited { it.message != null }.message)
        assertContentEquals(vector("tiled_result").picture().argb, photo.saved)
        // It was there.
        assertEquals(before, runs.get())
    }

    @Test
    fun picturesAreTurnedUpright() {
        allowed.release(1_000_000)
        editor.open { Photo(orientation = 6) }
        val state = idle()
        val stored = vector("tiled_result").picture()
        assertContentEquals(turned(stored, 6).argb, state.after!!.argb)
        val before = state.before!!
        assertEquals(Pair(stored.height, stored.width), Pair(before.width, before.height))
    }

    @Test
    fun theSliderEndsWhatIsInProgress() {
        val photo = Photo()
        editor.open { photo }
        // The preview, and the first tile of the whole.
        allowed.release(1)
        awaitTiles(2)
        repeat(20) { editor.move(it / 10.0) }
        allowed.release(1_000_000)
        val state = idle()
        assertEquals(1.9, state.stops)
        assertNotNull(state.after)
        // Two so far, one for the automatic brightness, one for the last position: most of the
        // positions in between were left out, and so was the rest of the photo.
        assertTrue(runs.get() <= 4, "${runs.get()} runs")
        editor.settle()
        val whole = idle()
        assertEquals(Pair(1.9, null), Pair(whole.stops, whole.progress))
        editor.save()
        idle()
        assertNotNull(photo.saved)
    }

    @Test
    fun workIsStopped() {
        editor.open { Photo() }
        allowed.release(2)
        awaitTiles(3)
        awaited { it.progress != null }
        editor.stop()
        allowed.release(1_000_000)
        val state = editor.state.value
        assertEquals(Pair(false, Message.Stopped), Pair(state.working, state.message))
        // The slider goes on from there.
        editor.move(1.0)
        assertEquals(1.0, idle().stops)
        assertNull(editor.state.value.message)
    }

    @Test
    fun whatWasStoppedIsNotShownLater() {
        editor.open { Photo() }
        awaitTiles(1)
        editor.stop()
        val state = editor.state.value
        allowed.release(1_000_000)
        // Behind the preview in progress.
        executor.submit {}.get(30, SECONDS)
        assertEquals(state, editor.state.value)
        assertNull(state.after)
    }

    @Test
    fun whatCannotBeReadGetsALine() {
        allowed.release(1_000_000)
        editor.open { throw PhotoError("the file is damaged.") }
        val state = idle()
        assertEquals(Message.Failed("the file is damaged."), state.message)
        assertNull(state.before)
        editor.open { throw OutOfMemoryError() }
        assertEquals(Message.TooLarge, awaited { it.message == Message.TooLarge }.message)
        // Nothing is open.
        editor.move(1.0)
        editor.settle()
        editor.save()
        assertEquals(Message.TooLarge, editor.state.value.message)
        assertEquals(0, runs.get())
    }

    @Test
    fun anotherPhotoTakesThePlaceOfTheFirst() {
        editor.open { Photo() }
        awaitTiles(1)
        val second = Photo()
        editor.open(stops = 1.0) { second }
        allowed.release(1_000_000)
        val state = idle()
        assertEquals(1.0, state.stops)
        editor.save()
        assertEquals(Message.Saved, awaited { it.message != null }.message)
        assertNotNull(second.saved)
        assertEquals(1, loads)
    }

    @Test
    fun aResultThatCannotBeSavedGetsALine() {
        allowed.release(1_000_000)
        val photo = Photo()
        editor.open {
            object : EditablePhoto by photo {
                override fun save() = throw IOException("there is no room left.")
            }
        }
        idle()
        editor.save()
        val message = awaited { it.message != null }.message
        assertEquals(Message.Failed("there is no room left."), message)
    }
}
