"""What a run reads and writes, settled before it begins.

No result may take the place of an input or of another result, and what exists stays unless it
is to be overwritten: whatever would break this is found here, before the first photo.
"""

from __future__ import annotations

import dataclasses
import glob
import os
import pathlib
import re
import stat
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence

from drgn_tf.files import ignores_case
from drgn_tf.images import formats
from drgn_tf.inference import video

_SUFFIXES = (*formats.SUFFIXES, *video.SUFFIXES)


@dataclasses.dataclass(frozen=True)
class Job:
    """One file to make.

    Attributes:
      source: photo or video.
      target: of the result.
      comparison: of the picture that shows the photo before and after, or None.
      exposure: stops (EV) by which it is to be brighter than it would be by itself.
    """

    source: pathlib.Path
    target: pathlib.Path
    comparison: pathlib.Path | None = None
    exposure: float = 0.0

    @property
    def is_video(self) -> bool:
        """Whether the source is a video."""
        return self.source.suffix.lower() in video.SUFFIXES


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a run does.

    Attributes:
      jobs: what is left to do.
      existing: how many results exist already and stay.
      complaints: a line for each input with which nothing can be done; the others can be used.
      conflicts: a line for each reason why nothing may be written at all.
      folders: of all results, those that exist already too.
      photos: one job for each photo of the inputs, those that have results too.
    """

    jobs: list[Job]
    existing: int
    complaints: list[str]
    conflicts: list[str]
    folders: set[pathlib.Path]
    photos: list[Job]


def plan_jobs(
    inputs: Iterable[str],
    output_dir: pathlib.Path,
    ending: str | None = None,
    comparisons: bool = False,
    overwrite: bool = False,
    exposures: Sequence[float] = (0.0,),
) -> Plan:
    """Returns what there is to do.

    Args:
      inputs: files, folders (searched to any depth, their tree is kept) and globs.
      output_dir: where results go; it exists. Photos inside it are results, and left alone.
      ending: of the results, such as ".png"; by default that of each photo, or of what photos of
        a format that is only read are written as. Videos become ".mp4", or keep ".mkv".
      comparisons: whether each photo gets a picture `<name>_compare` as well.
      overwrite: whether results that exist are made anew.
      exposures: see `Job`. Several make a result each, whose name ends with its exposure.
    """
    complaints: list[str] = []
    output_dir = pathlib.Path(os.path.realpath(output_dir))
    wanted = [
        job
        for source, relative in _expand(inputs, output_dir, complaints)
        for job in _jobs(source, output_dir / relative, ending, comparisons, exposures)
    ]
    key = _file_key(output_dir)
    conflicts = _conflicts(wanted, output_dir, key)
    jobs: dict[str, Job] = {}
    existing = set()
    for job in wanted:
        try:
            found = [path for path in _outputs(job) if _exists(path)]
        except _NoFileError as error:
            conflicts.append(f"{job.source}: {error}")
            continue
        except OSError as error:
            complaints.append(
                f"{job.source}: its result {error.filename} cannot be written ({error.strerror})."
            )
            continue
        if overwrite or not found:
            jobs[key(job.target)] = job
        elif job.target in found:
            existing.add(key(job.target))
        else:
            jobs[key(job.target)] = dataclasses.replace(job, comparison=None)
    folders = {output_dir, *(job.target.parent for job in wanted)}
    photos = {job.source: job for job in wanted if not job.is_video}
    return Plan(
        list(jobs.values()), len(existing), complaints, conflicts, folders, [*photos.values()]
    )


def missing_results(jobs: Iterable[Job]) -> list[str]:
    """Returns a line for each result that was written and is gone."""
    return [
        f"{job.source}: its result {job.target} was written and has been removed since; give the "
        "same command again."
        for job in jobs
        if not os.path.isfile(job.target)
    ]


class _NoFileError(Exception):
    """Something is in the place of a result that is no file."""


def _jobs(
    source: pathlib.Path,
    target: pathlib.Path,
    ending: str | None,
    comparisons: bool,
    exposures: Sequence[float],
) -> Iterator[Job]:
    is_video = source.suffix.lower() in video.SUFFIXES
    if is_video:
        target = target.with_suffix(video.suffix_of_result(source.suffix.lower()))
    elif ending is not None:
        target = target.with_suffix(ending)
    elif written_as := formats.format_of_name(source.suffix).written_as:
        target = target.with_suffix(written_as)
    for exposure in exposures:
        mark = f"_{exposure:+g}ev" if len(exposures) > 1 else ""
        result = target.with_name(f"{target.stem}{mark}{target.suffix}")
        comparison = result.with_name(f"{result.stem}_compare{result.suffix}")
        shown = comparisons and not is_video
        yield Job(source, result, comparison if shown else None, exposure)


def _outputs(job: Job) -> list[pathlib.Path]:
    return [job.target] if job.comparison is None else [job.target, job.comparison]


def _file_key(output_dir: pathlib.Path) -> Callable[[pathlib.Path], str]:
    """Returns what gives two paths the same text where writing one would replace the other."""
    folded = ignores_case(output_dir)

    def key(path: pathlib.Path) -> str:
        # The last part as it is: a link is replaced, not what it points to.
        text = os.path.join(os.path.realpath(path.parent), path.name)
        return unicodedata.normalize("NFC", text).casefold() if folded else text

    return key


def _conflicts(
    jobs: list[Job], output_dir: pathlib.Path, key: Callable[[pathlib.Path], str]
) -> list[str]:
    inputs = {}
    for job in jobs:
        inputs[key(job.source)] = inputs[key(pathlib.Path(os.path.realpath(job.source)))] = job
    writers: dict[str, Job] = {}
    conflicts = []
    for job in jobs:
        for path in _outputs(job):
            other = writers.setdefault(key(path), job)
            if key(path) in inputs:
                conflicts.append(
                    f"{job.source}: its result {path} would replace the input "
                    f"{inputs[key(path)].source}; choose another --output_dir."
                )
            elif not _same(job, other, path):
                conflicts.append(
                    f"{job.source}: its result {path} would replace that of {other.source}; "
                    "enhance the folder that holds both, or rename one."
                )
    for job in jobs:
        for folder in job.target.parents:
            if folder == output_dir:
                break
            if writer := writers.get(key(folder)):
                conflicts.append(
                    f"{job.source}: its result needs a folder {folder}, which is the result of "
                    f"{writer.source}; rename one."
                )
    return conflicts


def _same(job: Job, other: Job, path: pathlib.Path) -> bool:
    """Returns whether two jobs write the same file from the same photo."""
    if job is other:
        return True
    same_kind = (path == job.target) == (path == other.target) and job.exposure == other.exposure
    return same_kind and os.path.realpath(job.source) == os.path.realpath(other.source)


def _exists(path: pathlib.Path) -> bool:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if not os.path.islink(path):
            return False
        raise _NoFileError(f"its result {path} is there as a link to nothing; remove it.") from None
    except NotADirectoryError:
        raise _NoFileError(
            f"its result {path} needs a folder where there is a file; choose another --output_dir."
        ) from None
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "something that is no file"
        raise _NoFileError(f"in place of its result {path} there is {kind}; rename or remove it.")
    return True


def _expand(
    inputs: Iterable[str], output_dir: pathlib.Path, complaints: list[str]
) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    """Yields photos and videos, and the path of each below the output folder."""
    for given in inputs:
        try:
            os.stat(given)
            paths = [pathlib.Path(given)]
        except FileNotFoundError:
            paths = [pathlib.Path(name) for name in sorted(set(_matches(given)))]
            complaints += _unreadable_folders(given)
            if not paths:
                complaints.append(f"{given}: no such file, folder or glob.")
        except OSError as error:
            paths = []
            complaints.append(_unreadable(error))
        for path in paths:
            if os.path.isdir(path):
                yield from _photos_below(path, output_dir, complaints)
            elif path.suffix.lower() in _SUFFIXES:
                yield path, pathlib.Path(path.name)
            else:
                complaints.append(
                    f"{path}: is no photo or video by its ending; {', '.join(_SUFFIXES)} can be "
                    "enhanced."
                )


def _matches(pattern: str) -> Iterator[str]:
    """Yields what a glob matches; ** goes into no links, as those could lead in circles."""
    parts = pattern.split("/")
    if "**" not in parts:
        yield from glob.iglob(pattern)
        return
    place = parts.index("**")
    top, rest = "/".join(parts[:place]), parts[place + 1 :]
    for start in glob.glob(f"{top}/") if place else ["."]:
        for parent, folders, files in os.walk(start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            inside = os.path.join(parent, "")
            if not place:
                inside = inside.removeprefix("./")
            if rest:
                yield from _matches(glob.escape(inside) + "/".join(rest))
            else:
                visible = [name for name in files if not name.startswith(".")]
                yield from (inside + name for name in (*visible, *([""] if inside else ())))


def _photos_below(
    folder: pathlib.Path, output_dir: pathlib.Path, complaints: list[str]
) -> Iterator[tuple[pathlib.Path, pathlib.Path]]:
    unreadable: list[OSError] = []
    empty = True
    for parent, folders, files in os.walk(folder, onerror=unreadable.append):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and os.path.realpath(os.path.join(parent, name)) != str(output_dir)
        )
        for name in sorted(files):
            path = pathlib.Path(parent, name)
            if path.suffix.lower() in _SUFFIXES and not name.startswith("."):
                empty = False
                yield path, path.relative_to(folder)
    complaints += map(_unreadable, unreadable)
    if empty and not unreadable:
        complaints.append(f"{folder}: no photo or video in this folder.")


def _unreadable_folders(pattern: str) -> list[str]:
    """Returns a line for each folder below a glob's ** that cannot be read, which glob hides."""
    unreadable: list[OSError] = []
    if "**" in pattern:
        # The folder before the first wildcard.
        plain = re.split(r"[*?[]", pattern)[0]
        above = plain[: plain.rfind("/") + 1]
        for _ in os.walk(above or ".", onerror=unreadable.append):
            pass
    return [_unreadable(error) for error in unreadable]


def _unreadable(error: OSError) -> str:
    return f"{error.filename}: cannot be read ({error.strerror}); check its name and permissions."
