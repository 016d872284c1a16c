package drgn.app.ui

import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.rememberLauncherForActivityResult
import androidx.activity.compose.setContent
import androidx.activity.enableEdgeToEdge
import androidx.activity.result.PickVisualMediaRequest
import androidx.activity.result.contract.ActivityResultContracts.PickVisualMedia
import androidx.activity.result.contract.ActivityResultContracts.TakePicture
import androidx.compose.runtime.Composable
import androidx.compose.runtime.getValue
import androidx.compose.ui.platform.LocalContext
import androidx.core.content.FileProvider
import androidx.lifecycle.compose.collectAsStateWithLifecycle
import androidx.lifecycle.viewmodel.compose.viewModel
import drgn.app.EnhanceViewModel
import java.io.File

class MainActivity : ComponentActivity() {
    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        enableEdgeToEdge()
        setContent { Theme { Enhance() } }
    }
}

@Composable
private fun Enhance(model: EnhanceViewModel = viewModel()) {
    val state by model.state.collectAsStateWithLifecycle()
    val context = LocalContext.current
    val choose = rememberLauncherForActivityResult(PickVisualMedia()) { photo ->
        if (photo != null) model.open(photo)
    }
    // The camera writes here. Always the same file: another process may get to know the answer.
    val file = File(context.cacheDir, "camera/photo.jpg")
    val shot = FileProvider.getUriForFile(context, "${context.packageName}.camera", file)
    val take = rememberLauncherForActivityResult(TakePicture()) { taken ->
        if (taken) model.open(shot)
    }
    EnhanceScreen(
        state = state,
        onChoose = { choose.launch(PickVisualMediaRequest(PickVisualMedia.ImageOnly)) },
        onTake = {
            file.parentFile?.mkdirs()
            take.launch(shot)
        },
        onMove = model::move,
        onSettle = model::settle,
        onStop = model::stop,
        onSave = model::save,
    )
}
