package drgn.app.ui

import androidx.compose.foundation.Canvas
import androidx.compose.foundation.background
import androidx.compose.foundation.focusable
import androidx.compose.foundation.gestures.awaitEachGesture
import androidx.compose.foundation.gestures.awaitFirstDown
import androidx.compose.foundation.gestures.drag
import androidx.compose.foundation.layout.Box
import androidx.compose.foundation.layout.aspectRatio
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.wrapContentSize
import androidx.compose.foundation.shape.RoundedCornerShape
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableFloatStateOf
import androidx.compose.runtime.saveable.rememberSaveable
import androidx.compose.runtime.setValue
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.geometry.Offset
import androidx.compose.ui.graphics.Color
import androidx.compose.ui.graphics.FilterQuality
import androidx.compose.ui.graphics.ImageBitmap
import androidx.compose.ui.graphics.drawscope.DrawScope
import androidx.compose.ui.graphics.drawscope.clipRect
import androidx.compose.ui.input.key.Key
import androidx.compose.ui.input.key.KeyEventType
import androidx.compose.ui.input.key.key
import androidx.compose.ui.input.key.onKeyEvent
import androidx.compose.ui.input.key.type
import androidx.compose.ui.input.pointer.pointerInput
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.ProgressBarRangeInfo
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.progressBarRangeInfo
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.semantics.setProgress
import androidx.compose.ui.unit.IntSize
import androidx.compose.ui.unit.dp
import drgn.app.R

// Share of the width from which on there is room for a label.
private const val ROOM = 0.2f

/** Before and after, under a divider that is dragged, or moved by keys or a screen reader. */
@Composable
fun Comparison(before: ImageBitmap, after: ImageBitmap?, modifier: Modifier = Modifier) {
    var divider by rememberSaveable { mutableFloatStateOf(0.5f) }
    val place = { to: Float -> divider = to.coerceIn(0f, 1f) }
    val description = stringResource(R.string.divider)
    Box(modifier.fillMaxSize().wrapContentSize()) {
        Box(
            Modifier
                .aspectRatio(before.width.toFloat() / before.height)
                .pointerInput(Unit) {
                    awaitEachGesture {
                        val down = awaitFirstDown()
                        place(down.position.x / size.width)
                        drag(down.id) {
                            place(it.position.x / size.width)
                            it.consume()
                        }
                    }
                }
                .onKeyEvent {
                    val step = when (it.key) {
                        Key.DirectionLeft -> -0.05f
                        Key.DirectionRight -> 0.05f
                        else -> return@onKeyEvent false
                    }
                    if (it.type == KeyEventType.KeyDown) place(divider + step)
                    true
                }
                .focusable()
                .semantics {
                    contentDescription = description
                    progressBarRangeInfo = ProgressBarRangeInfo(divider, 0f..1f)
                    setProgress {
                        place(it)
                        true
                    }
                },
        ) {
            Canvas(Modifier.fillMaxSize()) {
                whole(before)
                if (after != null) clipRect(left = divider * size.width) { whole(after) }
                val x = divider * size.width
                drawLine(Color.White, Offset(x, 0f), Offset(x, size.height), 2.dp.toPx())
                drawCircle(Color.White, 10.dp.toPx(), Offset(x, size.height / 2))
            }
            if (divider > ROOM) Label(R.string.before, Modifier.align(Alignment.TopStart))
            if (divider < 1 - ROOM) Label(R.string.after, Modifier.align(Alignment.TopEnd))
        }
    }
}

private fun DrawScope.whole(image: ImageBitmap) {
    val room = IntSize(size.width.toInt(), size.height.toInt())
    drawImage(image, dstSize = room, filterQuality = FilterQuality.Medium)
}

@Composable
private fun Label(string: Int, modifier: Modifier) {
    Text(
        stringResource(string),
        modifier
            .padding(8.dp)
            .background(Color.Black.copy(alpha = 0.5f), RoundedCornerShape(4.dp))
            .padding(horizontal = 8.dp, vertical = 2.dp),
        Color.White,
        style = MaterialTheme.typography.labelMedium,
    )
}
