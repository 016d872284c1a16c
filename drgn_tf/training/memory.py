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

from collections.abc import Iterator

import tensorflow as tf

from drgn_tf.losses import LossOptions
from drgn_tf.memory import available
from drgn_tf.models import ModelOptions
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


class MemoryRefusedError(ValueError):
    """A step would not fit into memory. The message says what it needs and what to lower."""


def _generator_convolutions(options: ModelOptions) -> Iterator[tuple[int, int, int, int]]:
    """Yields (image pixels a position, kernel size, channels in, channels out) of a generator."""
    half, width = options.half_width, options.width
    for scale in range(options.scales):
        if scale < 2:
            yield 4, 3, 3 if scale else 12, half
        yield 16, 3, half if scale < 2 else 3, width
    for _ in range(options.scales * options.branch_blocks + options.fusion_blocks):
        yield 16, 3, width, width
        yield 16, 3, width, width
    yield 16, 1, options.scales * width, width
    yield 16, 3, width, 4 * half
    yield 4, 3, half, half
    yield 4, 3, half, 12


def _discriminator_convolutions(widths: tuple[int, ...]) -> Iterator[tuple[int, int, int, int]]:
    channels = 3
    for index, width in enumerate(widths, 1):
        yield 4**index, 3, channels, width
        channels = width


def _features(convolutions: list[tuple[int, int, int, int]]) -> float:
    """Returns the values that the convolutions make, a pixel of the image."""
    return sum(channels / pixels for pixels, _, _, channels in convolutions)


def _weights(convolutions: list[tuple[int, int, int, int]]) -> int:
    return sum(size**2 * inputs * outputs + outputs for _, size, inputs, outputs in convolutions)


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
    synthetic = loss.synthetic and model.two_step
    passes = 2 if synthetic else 1
    generators = [*_generator_convolutions(model)] * (2 if model.two_step else 1)
    judge = _discriminator_convolutions(loss.discriminator_widths)
    judges = [*judge] * (len(loss.adversarial_weights) if synthetic else 0)

    pixels = training.crop_size**2 * training.batch_size / workers
    in_work = pixels / training.gradient_accumulation_steps
    size = 4 if training.precision == "float32" else 2
    # A judge sees the real image and the made one in one pass.
    activations = in_work * (
        size * _VALUES_PER_FEATURE * passes * _features(generators)
        + 4 * _VALUES_PER_JUDGED_FEATURE * 2 * _features(judges)
    )
    images = in_work * 4 * _IMAGE_VALUES * passes
    # Low and high, and a normal photo for the synthetic path.
    batches = pixels * 4 * 3 * (1 + passes) * _BATCHES_AHEAD
    graphs = _BYTES_FOR_GRAPHS + _BYTES_PER_CONVOLUTION * (passes * len(generators) + len(judges))
    weights = 4 * _COPIES_OF_WEIGHTS * (_weights(generators) + _weights(judges))
    return round(activations + images + batches + graphs + weights)


def check(options: RunOptions, workers: int = 1, free: int | None = None) -> None:
    """Refuses a run whose steps do not fit into the memory of this machine.

    To be called before anything is built. Steps on GPUs are not judged: TensorFlow does not say
    how much memory they have.

    Args:
      options: of the run.
      workers: that share the batch.
      free: bytes; by default those that `available` finds.

    Raises:
      MemoryRefusedError: they would not fit.
    """
    if tf.config.list_physical_devices("GPU"):
        return
    free = available() if free is None else free
    needed = estimate(options.model, options.loss, options.training, workers)
    if free is not None and needed > free:
        training = options.training
        raise MemoryRefusedError(
            f"a step of --batch_size={training.batch_size} and --crop_size={training.crop_size} "
            f"needs about {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free on "
            "this machine; lower --batch_size or --crop_size, or raise "
            "--gradient_accumulation_steps."
        )
