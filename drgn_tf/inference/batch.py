"""One photo or video after the other: reading, enhancing, writing.

A photo that cannot be enhanced does not stop the others, and no output is ever half
written: the same command, given again, does what is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
from collections.abc import Callable

import numpy as np

from drgn_tf.errors import BadImageError, UserError
from drgn_tf.files import make_folder
from drgn_tf.images import photo_files
from drgn_tf.images.formats import format_of_name
from drgn_tf.images.grids import side_by_side
from drgn_tf.images.opening import MAX_MEGAPIXELS, opened
from drgn_tf.images.photo_files import PhotoFile
from drgn_tf.images.photos import to_uint8, turned
from drgn_tf.inference import video
from drgn_tf.inference.enhancer import Enhancer, to_dtype
from drgn_tf.inference.plan import Job
from drgn_tf.inference.video import VideoOptions

# What results lack, for messages.
GAIN_MAP = "gain map for HDR screens"
# Width of one photo in a comparison, in pixels; larger ones are scaled down.
_COMPARISON_WIDTH = 1600


@dataclasses.dataclass(frozen=True)
class OutputOptions:
    """What is read, what is written beside, and how.

    Attributes:
      quality: of JPEG, WebP and AVIF, 1 to 100.
      compare: whether a picture before | after is written beside each photo.
      stages: whether that picture also shows degradation and base.
      max_megapixels: larger photos and frames are refused.
      keep_readable: whether the readable part of a damaged video is enhanced.
      video: how videos are written.
      brightness: mean luma in (0, 1] of all results, before the exposure of each job; by default
        what the network predicts.
    """

    quality: int = 95
    compare: bool = False
    stages: bool = False
    max_megapixels: float = MAX_MEGAPIXELS
    keep_readable: bool = False
    video: VideoOptions = dataclasses.field(default_factory=VideoOptions)
    brightness: float | None = None

    @property
    def comparisons(self) -> bool:
        """Whether there are comparisons of any kind."""
        return self.compare or self.stages


def needed_memory(job: Job, options: OutputOptions = OutputOptions()) -> int:
    """Returns the bytes that enhancing a photo takes beside the network, 0 if it cannot be read."""
    with contextlib.suppress(UserError), opened(job.source, options.max_megapixels) as photo:
        target = format_of_name(job.target.suffix)
        beside = 0 if target is photo.format else target.encoding_bytes
        return photo.needed_bytes + photo.image.width * photo.image.height * beside
    return 0


def enhance_photo(
    enhancer: Enhancer,
    job: Job,
    options: OutputOptions = OutputOptions(),
    start: Callable[[int], Callable[[], object]] = lambda tiles: lambda: None,
) -> list[str]:
    """Enhances one photo file.

    Args:
      enhancer: network.
      job: the file, its result, and where the comparison goes if there is one.
      options: what is written, and how.
      start: told the number of tiles; returns what is called after each.

    Returns:
      What the result lacks, for messages.

    Raises:
      BadImageError: the photo cannot be read, or its result not be kept in this format.
      ModelFileError: the network cannot take a photo of this size.
      UserError: the disk is full, or does not take the file.
    """
    photo = photo_files.read(job.source, options.max_megapixels)
    on_tile = start(enhancer.tile_count(*photo.pixels.shape[:2]))
    shown = photo.in_srgb()
    converters = {"enhanced": to_dtype(shown.dtype)}
    if options.stages:
        converters |= {
            name: view for name, view in _STAGES.items() if name in enhancer.driver.outputs
        }
    images = enhancer.run(shown, converters, job.exposure, options.brightness, on_tile)
    if job.comparison is not None:
        views = [to_uint8(shown)]
        views += [images[name] for name in _STAGES if name in images]
        views.append(to_uint8(images["enhanced"]))
        _write_comparison(job.comparison, views, photo, options.quality)
    enhanced = photo.out_of_srgb(images.pop("enhanced"))
    photo_files.write(job.target, enhanced, photo, options.quality)
    return [GAIN_MAP] if photo.gain_map else []


# The degradation is signed: 0 is shown as middle grey.
_STAGES = {
    "degradation": lambda values: to_uint8(0.5 + values / 2),
    "base": to_uint8,
}


def _write_comparison(
    target: pathlib.Path, views: list[np.ndarray], photo: PhotoFile, quality: int
) -> None:
    views = [turned(view, photo.orientation) for view in views]
    row = side_by_side(views, _COMPARISON_WIDTH)
    profile = {} if photo.grey or photo.space is not None else photo.metadata
    profile = {name: value for name, value in profile.items() if name == "icc_profile"}
    photo_files.write(target, row, PhotoFile(row, metadata=profile), quality)


def predicted_brightness(
    enhancer: Enhancer, job: Job, options: OutputOptions = OutputOptions()
) -> float | None:
    """Returns what a network proposes for a photo, None if the photo cannot be read.

    Raises:
      ModelFileError: the network takes no brightness.
    """
    with contextlib.suppress(BadImageError):
        photo = photo_files.read(job.source, options.max_megapixels)
        return enhancer.predicted_brightness(photo.in_srgb())
    return None


def enhance_file(
    enhancer: Enhancer,
    job: Job,
    options: OutputOptions = OutputOptions(),
    start: Callable[[int], Callable[[], object]] = lambda count: lambda: None,
) -> list[str]:
    """Enhances one photo or video; `start` is called with the number of tiles or frames.

    Returns:
      What the result lacks, for messages.

    Raises:
      BadImageError, ModelFileError, UserError: see `enhance_photo`.
    """
    try:
        make_folder(job.target.parent)
    except OSError as error:
        raise UserError(
            f"{job.target.parent}: cannot be made ({error.strerror}); check the permissions."
        ) from error
    try:
        if not job.is_video:
            return enhance_photo(enhancer, job, options, start)
        return video.enhance_video(
            enhancer,
            job.source,
            job.target,
            start,
            exposure=job.exposure,
            brightness=options.brightness,
            max_megapixels=options.max_megapixels,
            keep_readable=options.keep_readable,
            options=options.video,
        )
    except MemoryError as error:
        raise BadImageError(
            f"{job.source}: is too large for the memory of this machine."
        ) from error
