"""Many photos, one after the other: what is read, where the result goes, what is left out.

A photo that cannot be enhanced does not stop the others, an output that exists is not
made again, and no output is ever half written: the same command, given again, does what
is left.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import pathlib
from collections.abc import Callable, Iterable

import numpy as np

from drgn_tf.images import photo_files
from drgn_tf.images.grids import side_by_side
from drgn_tf.images.photo_files import PhotoFile
from drgn_tf.images.photos import BadImageError, to_uint8, turned
from drgn_tf.inference import video
from drgn_tf.inference.enhancer import Enhancer, to_dtype

# Width of one photo in a comparison, in pixels; larger ones are scaled down.
_COMPARISON_WIDTH = 1600


@dataclasses.dataclass(frozen=True)
class Job:
    """One file to make.

    Attributes:
      source: photo or video.
      target: of the result.
    """

    source: pathlib.Path
    target: pathlib.Path

    @property
    def is_video(self) -> bool:
        """Whether the source is a video."""
        return self.source.suffix.lower() in video.SUFFIXES


@dataclasses.dataclass(frozen=True)
class OutputOptions:
    """What is written beside and how.

    Attributes:
      quality: of JPEG and WebP, 1 to 100.
      compare: whether a picture before | after is written beside each photo.
      stages: whether that picture also shows degradation and base.
    """

    quality: int = 95
    compare: bool = False
    stages: bool = False


def find_jobs(
    inputs: Iterable[str], output_dir: pathlib.Path, ending: str | None = None
) -> tuple[list[Job], list[str]]:
    """Returns what there is to do, and a line for each input with which nothing can be done.

    Args:
      inputs: files, folders (searched to any depth, their tree is kept) and globs.
      output_dir: where results go. Photos inside it are results, and left alone.
      ending: of the results, such as ".png"; by default that of each photo. Videos
        become ".mp4".
    """
    jobs: dict[pathlib.Path, Job] = {}
    complaints = []
    output_dir = output_dir.resolve()
    for source, relative in _expand(inputs, output_dir, complaints):
        suffix = source.suffix.lower()
        if suffix not in (*photo_files.FORMATS, *video.SUFFIXES):
            complaints.append(
                f"{source}: is no photo or video by its ending; "
                f"{', '.join([*photo_files.FORMATS, *video.SUFFIXES])} can be enhanced."
            )
            continue
        target = output_dir / relative
        if suffix in video.SUFFIXES:
            target = target.with_suffix(".mp4")
        elif ending is not None:
            target = target.with_suffix(ending)
        if target == source.resolve():
            complaints.append(f"{source}: would be replaced; choose another --output_dir.")
        elif target in jobs:
            if jobs[target].source.resolve() != source.resolve():
                complaints.append(
                    f"{source}: its result would replace that of {jobs[target].source}; enhance "
                    "the folder that holds both, or rename one."
                )
        else:
            jobs[target] = Job(source, target)
    return list(jobs.values()), complaints


def _expand(inputs: Iterable[str], output_dir: pathlib.Path, complaints: list[str]):
    """Yields (file, path below the output folder)."""
    for given in inputs:
        paths = [pathlib.Path(given)]
        if not paths[0].exists():
            paths = [pathlib.Path(name) for name in sorted(glob.glob(given, recursive=True))]
        if not paths:
            complaints.append(f"{given}: no such file, folder or glob.")
        for path in paths:
            if not path.is_dir():
                yield path, pathlib.Path(path.name)
                continue
            found = _photos_below(path, output_dir)
            if not found:
                complaints.append(f"{path}: no photo or video in this folder.")
            yield from ((file, file.relative_to(path)) for file in found)


def _photos_below(folder: pathlib.Path, output_dir: pathlib.Path) -> list[pathlib.Path]:
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and (pathlib.Path(parent) / name).resolve() != output_dir
        )
        found += [
            pathlib.Path(parent, name)
            for name in sorted(files)
            if pathlib.Path(name).suffix.lower() in (*photo_files.FORMATS, *video.SUFFIXES)
            and not name.startswith(".")
        ]
    return found


def enhance_photo(
    enhancer: Enhancer,
    job: Job,
    options: OutputOptions = OutputOptions(),
    start: Callable[[int], Callable[[], None]] = lambda tiles: lambda: None,
) -> None:
    """Enhances one photo file.

    Args:
      enhancer: network.
      job: the file and its result.
      options: what is written, and how.
      start: told the number of tiles; returns what is called after each.

    Raises:
      BadImageError: the photo cannot be read, or its result not be kept in this format.
      ModelFileError: the network cannot take a photo of this size.
      UserError: the disk is full, or does not take the file.
    """
    photo = photo_files.read(job.source)
    on_tile = start(enhancer.tile_count(*photo.pixels.shape[:2]))
    converters = {"enhanced": to_dtype(photo.pixels.dtype)}
    if options.stages:
        converters |= {
            name: view for name, view in _STAGES.items() if name in enhancer.driver.outputs
        }
    images = enhancer.run(photo.pixels, converters, on_tile=on_tile)
    if options.compare or options.stages:
        views = [to_uint8(photo.pixels)]
        views += [images[name] for name in _STAGES if name in images]
        views.append(to_uint8(images["enhanced"]))
        target = job.target.with_name(f"{job.target.stem}_compare{job.target.suffix}")
        _write_comparison(target, views, photo, options.quality)
    photo_files.write(job.target, images["enhanced"], photo, options.quality)


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
    profile = {k: v for k, v in photo.metadata.items() if k == "icc_profile" and not photo.grey}
    photo_files.write(target, row, PhotoFile(row, metadata=profile), quality)


def enhance_file(
    enhancer: Enhancer,
    job: Job,
    options: OutputOptions = OutputOptions(),
    start: Callable[[int], Callable[[], None]] = lambda count: lambda: None,
) -> None:
    """Enhances one photo or video; `start` is told the number of tiles or of frames.

    Raises:
      BadImageError, ModelFileError, UserError: see `enhance_photo`.
    """
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        if job.is_video:
            video.enhance_video(enhancer, job.source, job.target, start)
        else:
            enhance_photo(enhancer, job, options, start)
    except MemoryError as error:
        raise BadImageError(
            f"{job.source}: is too large for the memory of this machine."
        ) from error
