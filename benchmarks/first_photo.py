"""Times a new process until its second photo; `benchmarks.startup` runs it.

python -m benchmarks.first_photo model.tflite photo.npy
"""

from __future__ import annotations

import json
import sys
import time


def main(model: str, photo_file: str) -> None:
    """Prints seconds by stage, as JSON.

    Args:
      model: as of `drgn_tf.load`.
      photo_file: .npy of a photo, uint8 [H, W, 3].
    """
    marks = [time.perf_counter()]
    import drgn_tf
    import drgn_tf.inference

    marks.append(time.perf_counter())
    enhance = drgn_tf.load(model)
    marks.append(time.perf_counter())
    import numpy as np

    photo = np.load(photo_file)
    for _ in range(2):
        enhance(photo)
        marks.append(time.perf_counter())
    stages = ("import", "load", "first photo", "second photo")
    print(json.dumps({s: after - before for s, before, after in zip(stages, marks, marks[1:])}))


if __name__ == "__main__":
    main(*sys.argv[1:])
