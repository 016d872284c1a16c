"""How much memory a training step takes, estimated before anything of it is built.

A step that does not fit would die in its middle, or be killed without a word. What it needs:

    activations   what the forward pass keeps for the backward pass: feature maps, a fixed number
                  of values for each value that a convolution makes. They grow with the pixels
                  that are in work at once; 16 bits instead of 32 halve them.
    images        in work at full size: outputs and losses, SSIM above all. Always in 32 bits.
    batches       fetched ahead, whole even where a step works on a part at a time.
    graphs        what TensorFlow takes for itself, and for each convolution in the graph
                  whatever its size.
    weights       values, gradients, two slots of Adam, averages, and the network that is saved.

The whole method sends a second batch through the generators, and two images a sample through
each discriminator. The factors were fitted to the peaks of processes that made three steps on
two CPU cores (tiny, mobile and base, 64 to 192 pixels, batches of 1 to 16, with and without the
whole method); the estimates lie within 10 % of these peaks, with micro-batches up to 20 % below.
Decoded photos are there already when a run is checked. Left out are validations, which enhance
whole photos, one at a time and without keeping anything.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import keras

from drgn_tf.errors import UserError
from drgn_tf.losses import LossOptions, for_model
from drgn_tf.memory import available
from drgn_tf.models import DRGN, Discriminator, ModelOptions
from drgn_tf.models.cost import convolutions
from drgn_tf.training.options import RunOptions, TrainingOptions

# Fitted: values kept, or in work, for each value that a convolution of a generator makes, ...
_VALUES_PER_FEATURE = 2.1
# ... of a discriminator, ...
_VALUES_PER_JUDGED_FEATURE = 1.3
# ... and for each pixel by outputs and losses.
_IMAGE_VALUES = 66
# Fitted: bytes for all graphs together, and for each convolution in them.
_BYTES_FOR_GRAPHS = 117 * 10**6
_BYTES_PER_CONVOLUTION = 2_900_000
# Values, gradients before and after clipping, two slots, averages, the network to be saved.
_COPIES_OF_WEIGHTS = 7
_BATCHES_AHEAD = 3

# Of the trial image from whose symbolic call the networks' sizes are read, in pixels.
_TRIAL_SIZE = 128


@dataclasses.dataclass(frozen=True)
class _Size:
    """What a network is, as far as memory goes.

    Attributes:
      features: values that its convolutions make, a pixel of the image.
      convolutions: how many make more than a vector.
      weights: how many it has.
    """

    features: float = 0.0
    convolutions: int = 0
    weights: int = 0


def _size(model: keras.Model) -> _Size:
    model.build()
    # Those that turn the context into attention make vectors, which are next to nothing.
    maps = [x for x in convolutions(model, _TRIAL_SIZE) if math.prod(x.output_shape[1:3]) > 1]
    return _Size(
        sum(convolution.values for convolution in maps) / _TRIAL_SIZE**2,
        len(maps),
        sum(math.prod(variable.shape) for variable in model.trainable_variables),
    )


@functools.lru_cache
def _generators(options: ModelOptions) -> _Size:
    return _size(DRGN(options))


@functools.lru_cache
def _discriminator(widths: tuple[int, ...]) -> _Size:
    return _size(Discriminator(widths))


def estimate(
    model: ModelOptions, loss: LossOptions, training: TrainingOptions, workers: int = 1
) -> int:
    """Returns the bytes that a training step adds to a process, on the CPU.

    Args:
      model: shape of the network.
      loss: which parts play.
      training: batch, crop, micro-batches, precision.
      workers: processes, on machines of their own, that share the batch.

    Returns:
      The peak of the process less what it had before the network was made.
    """
    loss = for_model(loss, model)
    passes = 2 if loss.synthetic else 1
    generators = _generators(model)
    judges = len(loss.adversarial_weights)
    judge = _discriminator(loss.discriminator_widths) if judges else _Size()

    pixels = training.crop_size**2 * training.batch_size / workers
    in_work = pixels / training.gradient_accumulation_steps
    size = 4 if training.precision == "float32" else 2
    # A judge sees the real image and the made one in one pass.
    activations = in_work * (
        size * _VALUES_PER_FEATURE * passes * generators.features
        + 4 * _VALUES_PER_JUDGED_FEATURE * 2 * judges * judge.features
    )
    images = in_work * 4 * _IMAGE_VALUES * passes
    # Low and high, and a normal photo for the synthetic path.
    batches = pixels * 4 * 3 * (1 + passes) * _BATCHES_AHEAD
    graphs = _BYTES_FOR_GRAPHS + _BYTES_PER_CONVOLUTION * (
        passes * generators.convolutions + judges * judge.convolutions
    )
    weights = 4 * _COPIES_OF_WEIGHTS * (generators.weights + judges * judge.weights)
    return round(activations + images + batches + graphs + weights)


def check(options: RunOptions, workers: int = 1, free: int | None = None) -> None:
    """Refuses a run whose steps do not fit into the memory of this machine.

    For steps on the CPU, to be called before anything is built.

    Args:
      options: of the run.
      workers: that share the batch.
      free: bytes; by default those that `available` finds.

    Raises:
      UserError: they would not fit.
    """
    free = available() if free is None else free
    needed = estimate(options.model, options.loss, options.training, workers)
    if free is not None and needed > free:
        training = options.training
        raise UserError(
            f"a step of --batch_size={training.batch_size} and --crop_size={training.crop_size} "
            f"needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free on "
            "this machine; lower --batch_size or --crop_size, or raise "
            "--gradient_accumulation_steps."
        )
