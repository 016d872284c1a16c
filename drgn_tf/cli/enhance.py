"""Enhances low-light photos and videos.

  drgn-enhance --output_dir=out photo.jpg folder/ *.png
  drgn-enhance --output_dir=out --model=base --compare photo.jpg

Results keep format, size, EXIF and colour profile of their photos, and the tree of a
folder. What exists in --output_dir is not made again.
"""

from __future__ import annotations

import sys
import time
from typing import NoReturn

import tqdm

from drgn_tf import weights
from drgn_tf.cli import program
from drgn_tf.errors import UserError
from drgn_tf.flags import enhance_flags
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.inference.batch import Job, enhance_file, find_jobs


def _enhance_all(jobs: list[Job], enhancer: Enhancer, complaints: list[str]) -> int:
    """Does the jobs; returns how many went well, and adds a line for each that did not."""
    options = enhance_flags.output_options()
    done = 0
    with tqdm.tqdm(total=len(jobs), unit="file", leave=False, disable=None) as files:
        for job in jobs:
            files.set_postfix_str(job.source.name)
            unit = "frame" if job.is_video else "tile"
            with tqdm.tqdm(leave=False, unit=unit, disable=None) as parts:

                def start(count: int, parts=parts):
                    if not parts.disable:
                        parts.reset(total=count or None)
                    return parts.update

                try:
                    enhance_file(enhancer, job, options, start)
                    done += 1
                except (UserError, OSError) as error:
                    files.write(f"error: {error}", file=sys.stderr)
                    complaints.append(str(error))
            files.update()
    return done


def _open_enhancer() -> Enhancer:
    model = enhance_flags.model()
    if enhance_flags.output_options().stages and model in weights.names():
        # The file that is faster to open has no stages.
        model = weights.path(model)
    tiling = enhance_flags.tiling()
    return Enhancer(load_driver(model, enhance_flags.threads()), tiling)


def main(argv: list[str]) -> int:
    """Enhances what the arguments name; returns 1 if something could not be enhanced."""
    if len(argv) < 2:
        raise UserError("give photos, videos or folders to enhance.")
    started = time.monotonic()
    enhancer = _open_enhancer()
    output_dir = enhance_flags.output_dir()
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{output_dir}: cannot be made ({error.strerror}); choose another."
        ) from error
    jobs, complaints = find_jobs(argv[1:], output_dir, enhance_flags.ending())
    for complaint in complaints:
        print(f"error: {complaint}", file=sys.stderr)
    found = len(jobs)
    if not enhance_flags.overwrite():
        jobs = [job for job in jobs if not job.target.exists()]
    done = _enhance_all(jobs, enhancer, complaints)
    parts = [f"{done} enhanced in {time.monotonic() - started:.1f} s"]
    if found > len(jobs):
        parts.append(f"{found - len(jobs)} there already (--overwrite makes them anew)")
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
        interrupted="interrupted; the same command does what is left.",
    )


if __name__ == "__main__":
    run()
