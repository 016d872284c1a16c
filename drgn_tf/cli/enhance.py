"""Enhances low-light photos and videos.

  drgn-enhance --output_dir=out photo.jpg folder/ *.png
  drgn-enhance --output_dir=out --model=base --compare photo.jpg
  drgn-enhance --output_dir=out --exposure=+0.7 photo.jpg
  drgn-enhance --output_dir=out --bracket=-1,0,1 photo.jpg
  drgn-enhance --output_dir=out --steady timelapse/

Results keep format, size, EXIF and colour profile of their photos, and the tree of a
folder. Existing results in --output_dir are skipped.
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys
import time
from collections.abc import Callable
from typing import Any, NoReturn

import tqdm

from drgn_tf import weights
from drgn_tf.cli import program
from drgn_tf.errors import UserError
from drgn_tf.files import make_folder, remove_partial
from drgn_tf.flags import enhance_flags
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.inference.batch import enhance_file, steady_brightness
from drgn_tf.inference.plan import Job, missing_results, plan_jobs


def _enhance_all(jobs: list[Job], enhancer: Enhancer, complaints: list[str]) -> list[Job]:
    """Runs the jobs; returns the successful ones, and adds a message for each failure."""
    options = enhance_flags.output_options()
    if enhance_flags.steady():
        sources = list(dict.fromkeys(job.source for job in jobs if not job.is_video))
        with tqdm.tqdm(total=len(sources), unit="photo", leave=False, disable=None) as read:
            brightness = steady_brightness(enhancer, sources, options.max_megapixels, read.update)
        options = dataclasses.replace(options, brightness=brightness)
    done = []
    with tqdm.tqdm(total=len(jobs), unit="file", leave=False, disable=None) as files:
        for job in jobs:
            files.set_postfix_str(job.source.name)
            unit = "frame" if job.is_video else "tile"
            with tqdm.tqdm(leave=False, unit=unit, disable=None) as parts:

                def start(count: int, parts: tqdm.tqdm[Any] = parts) -> Callable[[], object]:
                    if not parts.disable:
                        parts.reset(total=count or None)
                    return parts.update

                try:
                    enhance_file(enhancer, job, options, start)
                    done.append(job)
                except (UserError, OSError) as error:
                    line = program.describe(error) if isinstance(error, OSError) else str(error)
                    files.write(program.error_line(line), file=sys.stderr)
                    complaints.append(line)
            files.update()
    return done


def _open_enhancer() -> Enhancer:
    model: str | pathlib.Path = enhance_flags.model()
    if enhance_flags.output_options().stages and model in weights.names():
        # The .tflite file, which opens faster, has no stages.
        model = weights.path(model)
    tiling = enhance_flags.tiling()
    return Enhancer(load_driver(model, enhance_flags.threads()), tiling)


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
    done = _enhance_all(plan.jobs, _open_enhancer(), complaints) if plan.jobs else []
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
