"""Enhances low-light photos and videos.

  drgn-enhance --output_dir=out photo.jpg folder/ *.png
  drgn-enhance --output_dir=out --model=base --compare photo.jpg
  drgn-enhance --output_dir=out --exposure=+0.7 photo.jpg
  drgn-enhance --output_dir=out --bracket=-1,0,1 photo.jpg
  drgn-enhance --output_dir=out --steady timelapse/

Results keep format, size, EXIF and colour profile of their photos, and the tree of a
folder. HEIC becomes JPEG, RAW becomes PNG of 16 bits. Existing results in --output_dir are skipped.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import pathlib
import sys
import time
from collections.abc import Callable
from typing import NoReturn

import tqdm

from drgn_tf import weights
from drgn_tf.cli import program
from drgn_tf.errors import UserError
from drgn_tf.files import make_folder, remove_partial
from drgn_tf.flags import enhance_flags
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.inference.batch import (
    OutputOptions,
    enhance_file,
    needed_memory,
    predicted_brightness,
)
from drgn_tf.inference.plan import Job, Plan, missing_results, plan_jobs
from drgn_tf.inference.steady import common_brightness
from drgn_tf.inference.workers import Workers


def _enhance_all(plan: Plan, complaints: list[str]) -> list[Job]:
    """Runs the jobs; returns the successful ones, and adds a message for each failure."""
    options = enhance_flags.output_options()
    jobs = plan.jobs
    photos = [job for job in jobs if not job.is_video]
    videos = [job for job in jobs if job.is_video]
    workers = Workers(_open_enhancer, len(photos), enhance_flags.threads())
    if enhance_flags.steady():
        options = dataclasses.replace(options, brightness=_steady(workers, plan.photos, options))
    done = []
    left_out: collections.Counter[str] = collections.Counter()
    with tqdm.tqdm(total=len(jobs), unit="file", leave=False, disable=None) as files:

        def enhance(enhancer: Enhancer, job: Job) -> list[str]:
            files.set_postfix_str(job.source.name)
            unit = "frame" if job.is_video else "tile"
            # With several photos at once, those that are done tell how far it is.
            hidden = True if len(workers.enhancers) > 1 else None
            with tqdm.tqdm(leave=False, unit=unit, disable=hidden) as parts:

                def start(count: int) -> Callable[[], object]:
                    if not parts.disable:
                        parts.reset(total=count or None)
                    return step

                def step() -> None:
                    parts.update()
                    workers.stop_if_asked()

                return enhance_file(enhancer, job, options, start)

        def note(job: Job, result: Callable[[], list[str]]) -> None:
            try:
                left_out.update(result())
                done.append(job)
            except (UserError, OSError) as error:
                line = program.describe(error) if isinstance(error, OSError) else str(error)
                files.write(program.error_line(line), file=sys.stderr)
                complaints.append(line)
            files.update()

        needed = functools.partial(needed_memory, options=options)
        workers.each(photos, enhance, needed, note)
        if videos and len(workers.enhancers) > 1:
            # Frame after frame, on all cores.
            workers = Workers(_open_enhancer, 1, enhance_flags.threads())
        workers.each(videos, enhance, needed, note)
    for what, count in left_out.items():
        print(f"left out of {count} results: {what}.")
    return done


def _steady(workers: Workers, photos: list[Job], options: OutputOptions) -> float:
    """Returns one brightness for all photos; UserError if none can be read.

    Photos that have results count too: a run that does the rest of an interrupted one gives its
    photos the brightness of the others.
    """
    predicted: list[float | None] = []
    with tqdm.tqdm(total=len(photos), unit="photo", leave=False, disable=None) as read:

        def note(job: Job, result: Callable[[], float | None]) -> None:
            predicted.append(result())
            read.update()

        workers.each(
            photos,
            functools.partial(predicted_brightness, options=options),
            functools.partial(needed_memory, options=options),
            note,
        )
    known = [value for value in predicted if value is not None]
    if not known:
        raise UserError("--steady: no photo can be read to take a brightness from.")
    return common_brightness(known)


def _open_enhancer(threads: int | None, opened_before: bool) -> Enhancer:
    model: str | pathlib.Path = enhance_flags.model()
    if enhance_flags.output_options().stages and model in weights.names():
        # The .tflite file, which opens faster, has no stages.
        model = weights.path(model)
    tiling = enhance_flags.tiling()
    return Enhancer(load_driver(model, threads, trusted=opened_before), tiling)


def _say_errors(lines: list[str]) -> None:
    for line in lines:
        print(program.error_line(line), file=sys.stderr)


def main(argv: list[str]) -> int:
    """Enhances the arguments; returns 1 if a file could not be enhanced."""
    if len(argv) < 2:
        raise UserError("give photos, videos or folders to enhance.")
    started = time.monotonic()
    output_dir = enhance_flags.output_dir()
    try:
        make_folder(output_dir)
    except OSError as error:
        raise UserError(
            f"{output_dir}: cannot be made ({error.strerror}); choose another."
        ) from error
    plan = plan_jobs(
        argv[1:],
        output_dir,
        enhance_flags.ending(),
        comparisons=enhance_flags.output_options().comparisons,
        overwrite=enhance_flags.overwrite(),
        exposures=enhance_flags.exposures(),
    )
    complaints = plan.complaints
    _say_errors([*plan.conflicts, *complaints])
    if plan.conflicts:
        print("nothing was enhanced.", file=sys.stderr)
        return 1
    for folder in plan.folders:
        remove_partial(folder)
    # Opened only now, because some formats take seconds.
    done = _enhance_all(plan, complaints) if plan.jobs else []
    lost = missing_results(done)
    _say_errors(lost)
    complaints += lost
    parts = [f"{len(done) - len(lost)} enhanced in {time.monotonic() - started:.1f} s"]
    if plan.existing:
        parts.append(f"{plan.existing} there already (--overwrite makes them anew)")
    if complaints:
        parts.append(f"{len(complaints)} failed")
    print(f"{', '.join(parts)}; results are in {output_dir}")
    return 1 if complaints else 0


def run() -> NoReturn:
    """The command drgn-enhance."""
    program.run(
        main,
        flag_modules=(enhance_flags,),
        arguments=True,
        interrupted="interrupted; the same command does the rest.",
    )


if __name__ == "__main__":
    run()
