"""The flavours of exported files: what a file is given beside the image.

    tiled             image, thumbnail, brightness -> enhanced, brightness
    whole             image                        -> enhanced
    whole_brightness  image, brightness            -> enhanced, brightness

"tiled" is for images that are parts of a photo, and takes the thumbnail of the photo; to the
others the image is a whole photo. A brightness of 0 is automatic, as in "whole"; the one that
comes out is the one aimed at. A network without that input has "tiled" without it, and no
"whole_brightness".
"""

from __future__ import annotations

import keras
import tensorflow as tf

from drgn_tf.errors import UserError
from drgn_tf.models import DRGN, ModelOptions
from drgn_tf.models.options import GRID_FACTOR
from drgn_tf.tensors import Tensor

# In the order in which files have them, with what files say of them.
INPUTS = {
    "image": "Low-light photo, or a tile of one.",
    "thumbnail": "The whole photo: averages of 4x4 pixels, sampled bilinearly.",
    "brightness": "Mean luma that the enhanced photo is to have, 0.02 to 0.95; 0 for automatic.",
}
OUTPUTS = {
    "enhanced": "The enhanced photo.",
    "brightness": "Mean luma aimed at: the one given, or the network's own where that was 0.",
}
# The output "brightness" where one name has to tell it from the input.
AIMED = "aimed_brightness"


def flavours(options: ModelOptions) -> tuple[str, ...]:
    """Returns the flavours that a network has."""
    return ("whole", "whole_brightness", "tiled") if options.brightness else ("whole", "tiled")


def traceable(
    model: DRGN,
    flavour: str,
    size: tuple[int, int] | None,
    batch: int | None,
    aimed: str = "brightness",
    aligned: bool = False,
) -> tf.types.experimental.PolymorphicFunction:
    """Returns a network as a function with the inputs and outputs of a flavour.

    Its weights are constants in the graph, as in the file to be made: converters take more than
    half of their time to save, load and freeze variables.

    Args:
      model: the network.
      flavour: of `flavours`.
      size: (height, width) in pixels; None leaves them free.
      batch: images at once; None leaves it free.
      aimed: name of the output "brightness".
      aligned: whether free sizes are known to be multiples of 4. Nothing is then padded or cropped,
        and no shape is computed while the graph runs.

    Raises:
      UserError: the network has no such flavour.
    """
    if flavour not in flavours(model.options):
        raise UserError(
            f"unknown flavour '{flavour}' of this network; choose one of: "
            f"{', '.join(flavours(model.options))}."
        )
    side = model.options.thumbnail_size
    shapes = {"image": [batch, *(size or (None, None)), 3]}
    if flavour == "tiled":
        shapes["thumbnail"] = [batch, side, side, 3]
    told = model.options.brightness and flavour != "whole"
    if told:
        shapes["brightness"] = [batch, 1]

    weights = [(x, keras.ops.convert_to_numpy(x)) for x in model.variables]

    def enhance(*values: Tensor) -> dict[str, Tensor]:
        given = dict(zip(shapes, values))
        if aligned and size is None:
            # The network is traced as for this size; converters still see free ones. It differs
            # from all sizes inside the network, none of which may seem to be reached already.
            given["image"] = tf.identity(given["image"])
            given["image"].set_shape([batch, *[GRID_FACTOR * (side + 1)] * 2, 3])
        with keras.StatelessScope([(x, tf.constant(values)) for x, values in weights]):
            results = model(given["image"], given.get("thumbnail"), given.get("brightness"))
        enhanced = {"enhanced": results["enhanced"]}
        return {**enhanced, aimed: results["brightness"]} if told else enhanced

    specs = [tf.TensorSpec(shape, tf.float32, name) for name, shape in shapes.items()]
    return tf.function(enhance, input_signature=specs, autograph=False)
