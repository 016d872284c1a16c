package drgn.app.ui

import androidx.compose.foundation.isSystemInDarkTheme
import androidx.compose.foundation.layout.Arrangement
import androidx.compose.foundation.layout.BoxWithConstraints
import androidx.compose.foundation.layout.Column
import androidx.compose.foundation.layout.PaddingValues
import androidx.compose.foundation.layout.Row
import androidx.compose.foundation.layout.fillMaxHeight
import androidx.compose.foundation.layout.fillMaxSize
import androidx.compose.foundation.layout.fillMaxWidth
import androidx.compose.foundation.layout.heightIn
import androidx.compose.foundation.layout.padding
import androidx.compose.foundation.layout.width
import androidx.compose.foundation.rememberScrollState
import androidx.compose.foundation.verticalScroll
import androidx.compose.material3.Button
import androidx.compose.material3.LinearProgressIndicator
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.OutlinedButton
import androidx.compose.material3.Scaffold
import androidx.compose.material3.Slider
import androidx.compose.material3.Text
import androidx.compose.material3.TextButton
import androidx.compose.material3.darkColorScheme
import androidx.compose.material3.lightColorScheme
import androidx.compose.runtime.Composable
import androidx.compose.runtime.remember
import androidx.compose.ui.Alignment
import androidx.compose.ui.Modifier
import androidx.compose.ui.res.stringResource
import androidx.compose.ui.semantics.LiveRegionMode
import androidx.compose.ui.semantics.contentDescription
import androidx.compose.ui.semantics.liveRegion
import androidx.compose.ui.semantics.semantics
import androidx.compose.ui.semantics.stateDescription
import androidx.compose.ui.text.style.TextAlign
import androidx.compose.ui.text.style.TextOverflow
import androidx.compose.ui.unit.dp
import drgn.app.R
import drgn.core.EditorState
import drgn.core.Message
import java.util.Locale
import kotlin.math.abs
import kotlin.math.roundToInt

private const val MOST_STOPS = 2f

@Composable
fun Theme(content: @Composable () -> Unit) {
    val colours = if (isSystemInDarkTheme()) darkColorScheme() else lightColorScheme()
    MaterialTheme(colours, content = content)
}

/** A photo before and after, and what can be done with it. */
@Composable
fun EnhanceScreen(
    state: EditorState,
    onChoose: () -> Unit,
    onTake: () -> Unit,
    onMove: (stops: Double) -> Unit,
    onSettle: () -> Unit,
    onStop: () -> Unit,
    onSave: () -> Unit,
) {
    Scaffold { padding ->
        BoxWithConstraints(Modifier.fillMaxSize().padding(padding).padding(16.dp)) {
            val picture: @Composable (Modifier) -> Unit = { Shown(state, it) }
            val controls: @Composable (Modifier) -> Unit = { modifier ->
                Column(modifier, Arrangement.spacedBy(8.dp, Alignment.Bottom)) {
                    if (state.takesBrightness) Exposure(state, onMove, onSettle)
                    Status(state, onStop)
                    Buttons(state, onChoose, onTake, onSave)
                }
            }
            if (maxWidth > maxHeight) {
                Row(Modifier.fillMaxSize(), Arrangement.spacedBy(16.dp)) {
                    picture(Modifier.weight(1f).fillMaxHeight())
                    val scroll = rememberScrollState()
                    controls(Modifier.width(320.dp).fillMaxHeight().verticalScroll(scroll))
                }
            } else {
                Column(Modifier.fillMaxSize(), Arrangement.spacedBy(8.dp)) {
                    picture(Modifier.weight(1f).fillMaxWidth())
                    controls(Modifier.fillMaxWidth())
                }
            }
        }
    }
}

@Composable
private fun Shown(state: EditorState, modifier: Modifier) {
    val before = state.before
    if (before == null) {
        Column(modifier, Arrangement.Center, Alignment.CenterHorizontally) {
            Text(stringResource(R.string.app_name), style = MaterialTheme.typography.headlineMedium)
            Text(
                stringResource(if (state.working) R.string.opening else R.string.welcome),
                textAlign = TextAlign.Center,
            )
        }
        return
    }
    Comparison(
        before = remember(before) { before.toImage() },
        after = remember(state.after) { state.after?.toImage() },
        modifier = modifier,
    )
}

/** The slider: stops around what the network proposes. */
@Composable
private fun Exposure(state: EditorState, onMove: (Double) -> Unit, onSettle: () -> Unit) {
    val name = stringResource(R.string.brightness)
    val value = exposureText(state.stops)
    Column {
        Row(
            Modifier.fillMaxWidth().heightIn(min = 48.dp),
            verticalAlignment = Alignment.CenterVertically,
        ) {
            Text("$name: $value", Modifier.weight(1f))
            if (state.stops != 0.0) {
                TextButton(onClick = {
                    onMove(0.0)
                    onSettle()
                }) { Text(stringResource(R.string.automatic)) }
            }
        }
        Slider(
            value = state.stops.toFloat(),
            onValueChange = { moved ->
                // Tenths of a stop.
                val stops = (10 * moved).roundToInt() / 10.0
                if (stops != state.stops) onMove(stops)
            },
            onValueChangeFinished = onSettle,
            valueRange = -MOST_STOPS..MOST_STOPS,
            modifier = Modifier.semantics {
                contentDescription = name
                stateDescription = value
            },
        )
    }
}

@Composable
private fun exposureText(stops: Double): String {
    if (stops == 0.0) return stringResource(R.string.automatic)
    val sign = if (stops > 0) "+" else "\u2212"
    val number = String.format(Locale.getDefault(), "%.1f", abs(stops))
    return stringResource(R.string.stops, sign + number)
}

/** How far the work is, or what came of it. */
@Composable
private fun Status(state: EditorState, onStop: () -> Unit) {
    Row(
        Modifier.fillMaxWidth().heightIn(min = 48.dp),
        Arrangement.spacedBy(8.dp),
        Alignment.CenterVertically,
    ) {
        if (!state.working) {
            val line = state.message?.let { text(it) } ?: ""
            Text(line, Modifier.semantics { liveRegion = LiveRegionMode.Polite })
            return@Row
        }
        val progress = state.progress
        if (progress == null) {
            LinearProgressIndicator(Modifier.weight(1f))
        } else {
            LinearProgressIndicator({ progress }, Modifier.weight(1f))
        }
        TextButton(onStop) { Text(stringResource(R.string.stop)) }
    }
}

@Composable
private fun Buttons(
    state: EditorState,
    onChoose: () -> Unit,
    onTake: () -> Unit,
    onSave: () -> Unit,
) {
    val padding = PaddingValues(8.dp)
    Row(Modifier.fillMaxWidth(), Arrangement.spacedBy(8.dp)) {
        OutlinedButton(onChoose, Modifier.weight(1f), contentPadding = padding) {
            Name(R.string.choose)
        }
        OutlinedButton(onTake, Modifier.weight(1f), contentPadding = padding) {
            Name(R.string.camera)
        }
        val open = state.after != null
        Button(onSave, Modifier.weight(1f), enabled = open, contentPadding = padding) {
            Name(R.string.save)
        }
    }
}

@Composable
private fun Name(string: Int) {
    Text(stringResource(string), maxLines = 1, overflow = TextOverflow.Ellipsis)
}

@Composable
private fun text(message: Message): String = when (message) {
    Message.Saved -> stringResource(R.string.saved)
    Message.Stopped -> stringResource(R.string.stopped)
    Message.TooLarge -> stringResource(R.string.too_large)
    is Message.Failed -> stringResource(R.string.failed, message.line)
}
