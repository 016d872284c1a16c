"""Enhances low-light photos and videos.

  python enhance_main.py --output_dir=out photo.jpg folder/ *.png
  python enhance_main.py --output_dir=out --model=base --compare photo.jpg

Results keep format, size, EXIF and colour profile of their photos, and the tree of a
folder. What exists in --output_dir is not made again.
"""

from __future__ import annotations

import os
import sys
import time

# Before TensorFlow is imported: its start-up notes would bury our lines.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import tqdm
from absl import app, logging
from absl import flags as absl_flags

from drgn_tf.errors import UserError
from drgn_tf.flags import enhance_flags
from drgn_tf.inference import Enhancer, load_driver
from drgn_tf.inference.batch import enhance_file
from drgn_tf.inference.plan import Job, missing_results, plan_jobs

absl_flags.adopt_module_key_flags(enhance_flags)


def _enhance_all(jobs: list[Job], enhancer: Enhancer, complaints: list[str]) -> list[Job]:
    """Does the jobs; returns those that went well, and adds a line for each that did not."""
    options = enhance_flags.output_options()
    done = []
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
                    done.append(job)
                except (UserError, OSError) as error:
                    files.write(f"error: {error}", file=sys.stderr)
                    complaints.append(str(error))
            files.update()
    return done


def main(argv: list[str]) -> None:
    if len(argv) < 2:
        raise app.UsageError("give photos, videos or folders to enhance.")
    if not absl_flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)
    started = time.monotonic()
    output_dir = enhance_flags.output_dir()
    try:
        tiling = enhance_flags.tiling()
        output_dir.mkdir(parents=True, exist_ok=True)
        driver = load_driver(enhance_flags.model(), enhance_flags.threads())
    except OSError as error:
        sys.exit(f"error: {output_dir}: cannot be made ({error.strerror}); choose another.")
    except (UserError, ValueError) as error:
        sys.exit(f"error: {error}")
    plan = plan_jobs(
        argv[1:],
        output_dir,
        enhance_flags.ending(),
        enhance_flags.output_options().comparisons,
        enhance_flags.overwrite(),
    )
    complaints = plan.complaints
    for line in (*plan.conflicts, *complaints):
        print(f"error: {line}", file=sys.stderr)
    if plan.conflicts:
        print("nothing was enhanced.", file=sys.stderr)
        sys.exit(1)
    try:
        done = _enhance_all(plan.jobs, Enhancer(driver, tiling), complaints)
    except KeyboardInterrupt:
        print("interrupted; the same command does what is left.", file=sys.stderr)
        sys.exit(130)
    lost = missing_results(done)
    for line in lost:
        print(f"error: {line}", file=sys.stderr)
    complaints += lost
    parts = [f"{len(done) - len(lost)} enhanced in {time.monotonic() - started:.1f} s"]
    if plan.existing:
        parts.append(f"{plan.existing} there already (--overwrite makes them anew)")
    if complaints:
        parts.append(f"{len(complaints)} failed")
    print(f"{', '.join(parts)}; results are in {output_dir}")
    sys.exit(1 if complaints else 0)


if __name__ == "__main__":
    app.run(main)
