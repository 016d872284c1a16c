"""README.md and LICENSE of an export, for whoever gets the folder alone."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from drgn_tf import weights
from drgn_tf.exports import reports
from drgn_tf.exports.flavours import INPUTS, OUTPUTS
from drgn_tf.exports.pipeline import Outcome, Success
from drgn_tf.files import sha256
from drgn_tf.models import ModelOptions

_ROOT = pathlib.Path(__file__).parents[2]
_TAGS = {"saved_model": "tf-saved-model", "tflite": "litert", "onnx": "onnx", "ort": "onnx"}
_SHAPES = {
    "image": "[1, H, W, 3], or [1, 3, H, W] in files called nchw",
    "thumbnail": "[1, {side}, {side}, 3], likewise",
    "brightness": "[1, 1]",
    "enhanced": "as `image`",
}


def write_card(
    folder: pathlib.Path,
    facts: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    options: ModelOptions,
) -> None:
    """Writes README.md and LICENSE.

    Args:
      folder: to write to.
      facts: see `reports.write_report`.
      outcomes: of the artefacts.
      options: of the network.
    """
    card = _card(facts, outcomes, options)
    (folder / "README.md").write_text(card, encoding="utf-8", errors="backslashreplace")
    (folder / "LICENSE").write_text(_licence(), encoding="utf-8")


def _card(facts: Mapping[str, Any], outcomes: Sequence[Outcome], options: ModelOptions) -> str:
    made = [outcome for outcome in outcomes if outcome.reason is None]
    kinds = {o.path.suffix[1:] or "saved_model" for o in made}
    tags = sorted({_TAGS[kind] for kind in kinds} | {"low-light-image-enhancement"})
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    told, side = options.brightness, options.thumbnail_size
    shipped = _shipped(facts)
    return f"""---
license: apache-2.0
library_name: {"litert" if "tflite" in kinds else "onnx" if "onnx" in kinds else "keras"}
pipeline_tag: image-to-image
tags: [{", ".join(tags)}]
---

# {facts["name"]}: enhances low-light photos

The two-step DRGN ("Degrade is Upgrade", Jiang et al., AAAI 2022, arXiv 2103.10621) by drgn-tf:
{facts["parameters"]:,} parameters, {facts["macs_per_pixel"]:,.0f} multiply-accumulates per pixel.
A photo goes in and comes out enhanced, at the same size.

![a dark photo, the network's result and the furthest from it; differences](report.png)

## Files

{reports.table(outcomes)}

{reports.columns(facts)}{reports.others(facts)}

- On a phone's GPU begin with a `.tflite` file in float16, on its CPU in dynamic_range; for a server
  take `saved_model/`, elsewhere `.onnx`.
- A size in the name is the only one that the file takes. `dynamic` takes any; as `.tflite` in
  multiples of 4: repeat the last row and column, and crop the result.
- `tiled` takes the thumbnail of the whole photo beside the image: for tiles of a large photo, and
  for video. `whole` makes its own.

## What goes in and comes out

{_tensors(told, side)}

RGB, floats in [0, 1], without mean or deviation. `image` and `enhanced` of .tflite files in int8
and integer are uint8, as bitmaps have them. The thumbnail is made of averages of 4x4 pixels (the
last row and column repeated up to a multiple of 4), sampled bilinearly at {side}x{side} points with
pixel centres at half-integers.{_brightness(told)}

## Check a file

`golden/` has a photo with its thumbnail and brightness, and what each precision must give:

    python golden/check.py tflite/NAME.tflite     # needs numpy, ai-edge-litert
    python golden/check.py onnx/NAME.onnx         # needs numpy, onnxruntime
    node golden/check.mjs onnx/NAME.onnx          # needs Node.js 20.11, onnxruntime-web

`golden/check.kt` does the same on Android. A file is right if it reaches the PSNR that golden.json
asks for.

## The network

From `{facts["model"]}`, SHA-256 `{facts["sha256"]}`.
Calibration of int8 and integer: {facts["calibration"]}.
Made with {versions}.{_earlier(facts, made)}
report.md shows how the files compare; report.json has all that is known of them.

{_training(shipped)}
## Licence

{_licensed(shipped)}
"""


def _tensors(told: bool, side: int) -> str:
    lines = ["| | tensor | shape | |", "| --- | --- | --- | --- |"]
    for title, texts in (("in", INPUTS), ("out", OUTPUTS)):
        for name, text in texts.items():
            if name != "brightness" or told:
                shape = _SHAPES[name].format(side=side)
                lines.append(f"| {title} | `{name}` | {shape} | {text} |")
    return "\n".join(lines)


def _brightness(told: bool) -> str:
    if not told:
        return ""
    return (
        " The brightness that comes out is called `aimed_brightness` in .onnx files.\n`whole` "
        "files have neither thumbnail nor brightness, `whole_brightness` files only the latter."
    )


def _earlier(facts: Mapping[str, Any], made: Sequence[Success]) -> str:
    """Returns which files were made with other versions or other photos for calibration."""
    text = ""
    for outcome in made:
        if outcome.earlier is None:
            continue
        old = outcome.earlier["versions"]
        other = [f"{name} {old[name]}" for name in old if old[name] != facts["versions"].get(name)]
        if (
            outcome.precision.startswith("int")
            and outcome.earlier["calibration"] != facts["calibration"]
        ):
            other.append(f"calibration by {outcome.earlier['calibration']}")
        if other:
            text += f"\n`{outcome.path}` earlier, with {', '.join(other)}."
    return text


def _shipped(facts: Mapping[str, Any]) -> str | None:
    """Returns the name of the shipped weights that were exported, or None."""
    found = [name for name in weights.names() if sha256(weights.path(name)) == facts["sha256"]]
    return found[0] if found else None


def _training(shipped: str | None) -> str:
    """Returns the model card of shipped weights, without its head and title."""
    if shipped is None:
        return ""
    card = weights.path(shipped).with_suffix(".md").read_text(encoding="utf-8")
    return re.sub(r"\A(---\n.*?\n---\n+)?# [^\n]*\n+", "", card, flags=re.S)


def _licensed(shipped: str | None) -> str:
    if shipped:
        return "Apache-2.0, see LICENSE."
    return (
        "The software that made these files is under Apache-2.0, see LICENSE. Under which licence "
        "the weights are\nis for whoever trained them to say: correct this section and the head if "
        "it is another."
    )


def _licence() -> str:
    """Returns the licence of this project, of a checkout or of what is installed."""
    beside = _ROOT / "LICENSE"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    installed = metadata.distribution("drgn-tf").read_text("licenses/LICENSE")
    assert installed is not None
    return installed
