"""A network of somebody else's, described in a JSON file.

docs/evaluation.md has an example, and a table of all entries.
"""

from __future__ import annotations

import dataclasses
import pathlib

from drgn_tf.descriptions import SIZE, Form, check, is_number, is_pair, one_of, read_object
from drgn_tf.errors import UserError

_RANGE: Form = (
    lambda value: is_pair(value, -1e6, 1e6) and value[0] < value[1],
    "two rising numbers, at most a million",
)
_NAME: Form = (lambda value: isinstance(value, str) and value, "a name")
# For each entry a check of its value, and the expected form in words.
_FORMS: dict[str, Form] = {
    "file": (_NAME[0], "the path of a .tflite, .onnx or .ort file, or of a SavedModel"),
    # Becomes the name of a folder.
    "name": (
        lambda value: (
            isinstance(value, str)
            and 0 < len(value) <= 80
            and value.isprintable()
            and value.strip(". ") == value
            and not {"/", "\\"} & set(value)
        ),
        "a name of at most 80 characters, without slashes, and no dots or spaces at its ends",
    ),
    "input": _NAME,
    "output": (
        lambda value: (isinstance(value, str) and value) or is_number(value, 0, 1000, int),
        "the name or the place of an output, from 0",
    ),
    "layout": one_of("nhwc", "nchw"),
    "channels": one_of("rgb", "bgr"),
    "input_range": _RANGE,
    "output_range": _RANGE,
    "result": one_of("image", "residual"),
    "multiple_of": (lambda value: is_number(value, 1, 1024, int), "a whole number from 1 to 1024"),
    "size": SIZE,
    "resize_mode": one_of("tile", "stretch"),
}


@dataclasses.dataclass(frozen=True)
class NetworkDescription:
    """The input and the output of a network.

    Its data types are those of the file; integers with a scale are converted by it.

    Attributes:
      file: a .tflite, .onnx or .ort file or a SavedModel.
      name: in tables.
      input: name of the only input, if it is to be checked.
      output: name or place of the output that holds the result.
      layout: of input and output, "nhwc" or "nchw"; None for what the shape of the input says.
      channels: order of the channels of both, "rgb" or "bgr".
      input_range: the values that black and white become.
      output_range: the values that become black and white.
      result: what the output holds: the "image", or the "residual", which is added to the input.
      multiple_of: height and width must be multiples of it; photos are padded by reflection.
      size: (height, width) of the input, for files that do not say it; None for what the file says.
      resize_mode: what is done with photos of another size: "tile" cuts them into overlapping
        tiles, "stretch" resizes them and the result back.
    """

    file: pathlib.Path
    name: str
    input: str | None = None
    output: str | int = 0
    layout: str | None = None
    channels: str = "rgb"
    input_range: tuple[float, float] = (0.0, 1.0)
    output_range: tuple[float, float] = (0.0, 1.0)
    result: str = "image"
    multiple_of: int = 1
    size: tuple[int, int] | None = None
    resize_mode: str = "tile"


def read_description(path: pathlib.Path) -> NetworkDescription:
    """Reads the description of a network from a JSON file.

    The file of the network is looked for beside it. `name` is that of the JSON file, and
    `output_range` is `input_range`, unless they are given.

    Raises:
      UserError: it cannot be read, or does not describe a network.
    """
    content = read_object(path, "the description of a network")
    check(content, _FORMS, path)
    if "file" not in content:
        raise UserError(f'{path}: "file" is missing; it must be {_FORMS["file"][1]}.')
    if "size" in content and "multiple_of" in content:
        raise UserError(
            f'{path}: "multiple_of" is for networks that take any size; leave it or "size" out.'
        )
    for name in ("input_range", "output_range", "size"):
        if name in content:
            content[name] = tuple(content[name])
    content.setdefault("name", path.stem)
    content.setdefault("output_range", content.get("input_range", (0.0, 1.0)))
    content["file"] = path.parent / content["file"]
    return NetworkDescription(**content)
