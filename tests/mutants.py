"""Plants faults in a copy of the package, one at a time, and says which the tests do not notice.

    python -m tests.mutants                 all, about 20 minutes on two idle cores
    python -m tests.mutants losses/ tiling  those whose file contains one of these words

Each mutant changes one place and runs the test files beside it, which must fail. Heavy libraries
are imported once; each mutant runs in a process forked from that. The exit code is 1 if one
survives.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parents[1]
_COPIED = (
    "drgn_tf", "exports", "flags", "tests", "docs", "benchmarks", "examples", "pyproject.toml",
    "train_main.py", "enhance_main.py", "eval_main.py", "export_main.py",
)  # fmt: skip
# Seconds after which a mutant counts as noticed, as endless: tests that never end do not pass. On a
# busy machine they may only be slow; run those once more.
_LONGEST = 600
_SURVIVED = "SURVIVED"

# File -> its test files, and (text that occurs once, what it becomes).
MUTANTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "drgn_tf/losses/charbonnier.py": (
        "losses/test_charbonnier.py",
        [("+ epsilon**2)", "+ epsilon)"), ("ops.mean(ops.sqrt(", "ops.max(ops.sqrt(")],
    ),
    "drgn_tf/losses/ssim.py": (
        "losses/test_ssim.py",
        [
            ("2 * product_of_means + C1", "2 * product_of_means + C2"),
            ("window /= window.sum()", "window /= 3.76"),
            ("mean_squares - squares_of_means + C2", "mean_squares + C2"),
            ("ops.mean(luminance * structure)", "ops.mean(structure)"),
            ("if size < WINDOW:", "if size < WINDOW - 1:"),
        ],
    ),
    "drgn_tf/losses/gaussian_kl.py": (
        "losses/test_gaussian_kl.py",
        [
            ("(mean_p - mean_q)) / variance_q", "(mean_p - mean_q)) / variance_p"),
            ("ratio - 1.0) / 2.0", "ratio - 1.0)"),
            ("VARIANCE_FLOOR = 1e-4", "VARIANCE_FLOOR = 1e-6"),
        ],
    ),
    "drgn_tf/losses/adversarial.py": (
        "losses/test_adversarial.py",
        [
            ("return ops.mean(ops.softplus(-fake_logits))", "return ops.mean(-fake_logits)"),
            ("+ ops.mean(ops.softplus(fake_logits))", "+ ops.mean(ops.softplus(-fake_logits))"),
        ],
    ),
    "drgn_tf/losses/auxiliary_losses.py": (
        "losses/test_auxiliary_losses.py",
        [
            ("difference[:, 1:], difference[:, :-1]", "difference[:, 2:], difference[:, :-2]"),
            ("0.5 * (across + down)", "across"),
            (
                "ops.mean(ops.abs(real)) + ops.mean(ops.abs(imaginary))",
                "2 * ops.mean(ops.abs(real))",
            ),
            ("(height * width) ** 0.5", "(height * width) ** 0.52"),
            ("matmul(images - references, matrix), 0.0)", "matmul(images - references, matrix))"),
        ],
    ),
    "drgn_tf/losses/objective.py": (
        "losses/test_objective.py",
        [
            ("min(block, height // 2, width // 2)", "min(block, height, width)"),
            ("ops.maximum(means[0], 0.02)", "means[0]"),
            ("share * charbonnier(scaled, references)", "charbonnier(scaled, references)"),
            (
                "ops.mean(ops.abs(ops.mean(images - references, axis=(1, 2))))",
                "ops.mean(ops.abs(images - references))",
            ),
            ("ops.maximum(batch[brightness], DARKEST) if told", "batch[brightness] if told"),
            ("scale = ramp * options.synthetic_weight", "scale = ramp"),
            (
                'gaussian_kl(degradation, synthetic["degradation"])',
                'gaussian_kl(synthetic["degradation"], degradation)',
            ),
            (
                '(degradation, synthetic["degradation"]),',
                '(synthetic["degradation"], degradation),',
            ),
            ("ops.clip(normal + degradations, 0.0, 1.0)", "normal + degradations"),
            ('if not name.startswith("discriminator")', "if name"),
            (
                "detail = degradation - low_frequencies(degradation, _SMOOTH_BLOCK)",
                "detail = degradation",
            ),
            ('batch["normal_thumbnail"], ops.mean', 'batch["thumbnail"], ops.mean'),
            ("low_frequencies(degradation, options.synthetic_blur)", "degradation"),
            ("if self.gt_mean_share >= 1:", "if self.gt_mean_share > 1:"),
        ],
    ),
    "drgn_tf/data/augmentation.py": (
        "data/test_augmentation.py",
        [
            ("size - crop + 1, tf.float32", "size - crop, tf.float32"),
            ("symmetry >= 4", "symmetry > 4"),
            ("symmetry % 4", "symmetry % 3"),
            ("-jitter, jitter)", "0.0, jitter)"),
            ("maxval=8", "maxval=7"),
        ],
    ),
    "drgn_tf/data/decoded_photos.py": (
        "data/test_decoded_photos.py",
        [
            ("tf.cast(top, tf.int64) * width * 3", "tf.cast(top, tf.int64) * width"),
            ("store.checksums = [self.checksums[index] for index in chosen]", "pass"),
            ("store._starts = self._starts[chosen]", "pass"),
            ("store.sizes = [self.sizes[index] for index in chosen]", "pass"),
            ("if photo.shape != photos[0].shape:", "if photo.ndim != photos[0].ndim:"),
            ("tf.float32) / self.peak", "tf.float32) / 255.0"),
        ],
    ),
    "drgn_tf/data/disk_cache.py": (
        "data/test_disk_cache.py",
        [
            ("dtype.type(257)", "dtype.type(256)"),
            ("status.st_mtime_ns", "0"),
            ("== checksums", "!= []"),
            ('key=lambda path: path.suffix == ".json"', 'key=lambda path: path.suffix != ".json"'),
            ("left_out.append(str(photos))", "pass"),
            ("fcntl.flock(lock, fcntl.LOCK_EX)", "pass"),
        ],
    ),
    "drgn_tf/data/pairs.py": (
        "data/test_pairs.py",
        [
            ("max(1, round(len(stems) * fraction))", "round(len(stems) * fraction)"),
            ('line.split("#")[0].strip()', "line.strip()"),
            ("if low and high:", "if low or high:"),
            ("if not pairs:", "if False:"),
        ],
    ),
    "drgn_tf/data/annotations.py": (
        "data/test_annotations.py",
        [
            ("if width < 0 or height < 0:", "if width < 0:"),
            ("if crowd not in (0, 1):", "if False:"),
            ('or ".." in pathlib.PurePath(name).parts', ""),
        ],
    ),
    "drgn_tf/training/checkpoints.py": (
        "training/test_loop.py training/test_resume.py",
        [
            ("[: -self._keep]", "[: -self._keep - 1]"),
            ("{saved[-1]}", "{saved[0]}"),
            ("(path.suffix == suffix, path.name)", "(path.suffix != suffix, path.name)"),
        ],
    ),
    "drgn_tf/training/loop.py": (
        "training/test_loop.py",
        [
            ("(step // interval + 1) * interval", "step + interval"),
            ("progress.last or any(", "any("),
            ("leave and step < self._steps", "leave"),
        ],
    ),
    "drgn_tf/training/tensorflow/trainer.py": (
        "training/tensorflow/test_trainer.py training/tensorflow/test_workers.py",
        [
            ("scale_loss(loss / devices)", "scale_loss(loss)"),
            ("a + b / parts", "a + b"),
            (
                "tf.minimum(self._training.ema_decay, (1.0 + done) / (10.0 + done))",
                "self._training.ema_decay",
            ),
            ("self._training.clip_norm * scale", "self._training.clip_norm"),
            ("tf.distribute.ReduceOp.SUM, gradients", "tf.distribute.ReduceOp.MEAN, gradients"),
            (
                "self._loss.synthetic_start + 1, tf.float32",
                "self._loss.synthetic_start, tf.float32",
            ),
        ],
    ),
    "drgn_tf/inference/tiling.py": (
        "inference/test_tiling.py properties/test_shapes.py",
        [
            ("(starts[i + 1] + stops[i]) / 2", "starts[i + 1]"),
            ("strip[: len(above)] += above", "strip[: len(above)] = above"),
            ('mode="edge"', 'mode="constant"'),
            ("height * width <= WHOLE and tiling.tile >= TILE", "height * width <= WHOLE"),
            ("// (count - 1) // GRID_FACTOR * GRID_FACTOR", "// (count - 1)"),
            ("shares /= shares.sum(axis=0)", "pass"),
            ("if height * width > _LARGEST_WHOLE:", "if False:"),
        ],
    ),
    "drgn_tf/inference/plan.py": (
        "inference/test_plan.py",
        [
            ("if key(path) in inputs:", "if False:"),
            ("elif not _same(job, other, path):", "elif False:"),
            ("if overwrite or not found:", "if True:"),
            ("if overwrite or not found:", "if not found:"),
            ("if not stat.S_ISREG(mode):", "if False:"),
            ("if not os.path.isfile(job.target)", "if False"),
        ],
    ),
    "drgn_tf/inference/steady.py": (
        "inference/test_steady.py",
        [
            ("np.median(values)", "np.mean(values)"),
            ("_CUT = 0.5", "_CUT = 5.0"),
            ("* frames_per_second))", "))"),
        ],
    ),
    "drgn_tf/inference/trial.py": (
        "inference/test_loading.py",
        [
            ("_MEMORY_OF_ANY_FILE = 2**32", "_MEMORY_OF_ANY_FILE = 2**50"),
            ("if shape != image.shape:", "if False:"),
        ],
    ),
    "drgn_tf/inference/video.py": (
        "inference/test_video.py",
        [
            ("if written != video.frames:", "if False:"),
            ("if video.damaged and not keep_readable:", "if False:"),
            (".free < _LEAST_FREE", ".free < 0"),
        ],
    ),
    "drgn_tf/inference/video_files.py": (
        "inference/test_video.py",
        [
            ("damaged = short or (cut and not 0 < said <= frames)", "damaged = short"),
            ("if damaged and gap is not None:", "if False:"),
        ],
    ),
    "drgn_tf/evaluation/report.py": (
        "evaluation/test_report.py",
        [
            ("if found and not overwrite:", "if False:"),
            ("if named.name != ENHANCED and named.is_dir()", "if False"),
            ("    shutil.rmtree(complete)", "    pass"),
        ],
    ),
    "drgn_tf/models/brightness.py": (
        "models/test_told_brightness.py",
        [
            ("below = ops.relu(gain) - gain", "below = ops.relu(gain)"),
            ("scale = ops.maximum(scale, own)", "pass"),
            ("return is_given * to_scale(given)", "return to_scale(given)"),
        ],
    ),
    "exports/verification.py": (
        "exports/test_verification.py exports/test_planted_faults.py",
        [
            ("if not np.isfinite(result).all():", "if False:"),
            ("if not error <= bound.brightness:", "if error > bound.brightness:"),
            ("max_error=max(one.max_error for one in found)", "max_error=found[0].max_error"),
            ("psnr=min(one.psnr for one in found)", "psnr=max(one.psnr for one in found)"),
            ("(151, 233), (1, 1), (3, 5), (40, 320), (17, 2))", "(256, 384))"),
            ("STOPS = (-1.0, 1.0)", "STOPS = (1.0,)"),
            ("result.min() < -1e-6 or", ""),
            ('if results["enhanced"].dtype != np.uint8:', "if False:"),
            ("photo_thumbnail(image, thumbnail_size)", "whole"),
        ],
    ),
    "drgn_tf/files.py": (
        "test_files.py",
        [
            ("    _flush(source)\n", ""),
            ("    _flush_folder(target.parent)\n", ""),
            ("file.relative_to(path).as_posix()", "file.name"),
            ("mine = PARTIAL if all_machines else", "mine = PARTIAL if True else"),
            ("needed=not alone) as locked:", "needed=False) as locked:"),
        ],
    ),
    "drgn_tf/images/colour.py": (
        "images/test_colour.py",
        [
            ("wide - clipped) * gain", "wide - clipped) * (0 * gain)"),
            ("before**2 + _NOISE**2", "before**2"),
            ("1.0 + (gain - 1.0) * trusted", "1.0 + 0.0 * trusted"),
            ("np.interp(_LEVELS**2, ", "np.interp(_LEVELS, "),
            (
                "np.linalg.solve(_SRGB_TO_PCS, np.stack(columns, axis=1))",
                "np.stack(columns, axis=1)",
            ),
            ('if b"A2B0" in tags:', "if False:"),
            ("difference < _LIKE_SRGB", "False"),
            ("values ** (table[0] / 256)", "values"),
        ],
    ),
    "drgn_tf/images/tiff.py": (
        "images/test_tiff.py",
        [
            ("differences[:, 1:] -= rows[:, :-1]", "differences[:, 1:] -= rows[:, :-1] + 1"),
            ("_LARGEST_TILE + 4 * image.width", "10**12 + 4 * image.width"),
            ("if image.tag_v2.get(_PLANAR, 1) != 1 and", "if False and"),
            ("return _DNG_VERSION in tags or", "return"),
            ('if head[8:] == b"CR":', "if False:"),
            ("for tag in _DESCRIPTIVE if tag in exif", "for tag in exif"),
        ],
    ),
    "drgn_tf/images/heif.py": (
        "images/test_heif.py",
        [
            ('pixels |= pixels >> image.info["bit_depth"]', "pixels >>= 2"),
            ("transfer in (_PQ, _HLG) or", ""),
            ("if primaries == _P3:", "if False:"),
        ],
    ),
    "drgn_tf/images/raw.py": (
        "images/test_raw.py",
        [
            ("no_auto_bright=True", "no_auto_bright=False"),
            ("use_camera_wb=True", "use_camera_wb=False"),
            ("adjust_maximum_thr=0.0", "adjust_maximum_thr=0.75"),
            ("user_flip=0", "user_flip=None"),
            ("return _srgb_levels()[linear]", "return linear"),
        ],
    ),
    "drgn_tf/images/photo_files.py": (
        "images/test_photo_files.py",
        [
            ("if channels in (2, 4)", "if channels == 4"),
            (
                "np.round(pixels @ np.array(LUMA, np.float32))",
                "(pixels @ np.array(LUMA, np.float32))",
            ),
            ("grey = channels <= 2", "grey = channels < 2"),
        ],
    ),
    "drgn_tf/images/opening.py": (
        "images/test_opening.py images/test_photos.py",
        [
            (
                "bytes_per_pixel = _BYTES_PER_PIXEL * (1 + deep)",
                "bytes_per_pixel = _BYTES_PER_PIXEL",
            ),
            ("file_size * _MEMORY_OF_A_BYTE", "10**12"),
            ("not in range(1, 9)", "not in range(1, 8)"),
            ('| getattr(os, "O_NONBLOCK", 0)', ""),
            ("if not file_size:", "if False:"),
        ],
    ),
    "drgn_tf/images/photos.py": (
        "images/test_photos.py",
        [
            ("astype(np.float32) / np.iinfo(pixels.dtype).max", "astype(np.float32) / 255"),
            (
                "return np.round(np.clip(image, 0.0, 1.0) * 255.0)",
                "return (np.clip(image, 0.0, 1.0) * 255.0)",
            ),
            (
                "7: lambda image: np.rot90(image, 2).swapaxes(0, 1)",
                "7: lambda image: image.swapaxes(0, 1)",
            ),
        ],
    ),
    "drgn_tf/models/loading.py": (
        "models/test_loading.py",
        [
            ("if archive.testzip() is not None:", "if False:"),
            ("most = min(most, _LARGEST_JSON)", "pass"),
            ("needed = 4 * _least_weights", "needed = _least_weights"),
            ("and all(isinstance(value, (str, bool)) for value in plain.values())", ""),
        ],
    ),
    "drgn_tf/inference/saved_model_check.py": (
        "exports/test_hostile_saved_model.py",
        [
            ("found.add(value.func.name)", "pass"),
            ("called.add(node.bare_concrete_function.concrete_function_name)", "pass"),
            ('if node.WhichOneof("kind") not in _KINDS:', "if False:"),
        ],
    ),
}


def main(words: list[str]) -> int:
    """Runs the mutants of the files whose names contain one of these words, or all."""
    sys.dont_write_bytecode = True
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", TF_CPP_MIN_LOG_LEVEL="3")
    import keras  # noqa: F401
    import pytest  # noqa: F401
    import tensorflow as tf  # noqa: F401

    survivors, count = [], 0
    with tempfile.TemporaryDirectory() as name:
        copy = pathlib.Path(name)
        for entry in _COPIED:
            source, ignored = ROOT / entry, shutil.ignore_patterns("__pycache__", "node_modules")
            if source.is_dir():
                shutil.copytree(source, copy / entry, symlinks=True, ignore=ignored)
            else:
                shutil.copy(source, copy / entry)
        for file, (tests, changes) in MUTANTS.items():
            if words and not any(word in file for word in words):
                continue
            # Tests that fail anyway would notice everything.
            assert _outcome(copy, tests.split()) == _SURVIVED, f"{tests} fail without a mutant"
            whole = (copy / file).read_text(encoding="utf-8")
            for old, new in changes:
                assert whole.count(old) == 1, f"{file}: {old!r} occurs {whole.count(old)} times"
                (copy / file).write_text(whole.replace(old, new), encoding="utf-8")
                outcome = _outcome(copy, tests.split())
                count += 1
                print(f"{outcome:8} {file}: {old!r} -> {new!r}", flush=True)
                if outcome == _SURVIVED:
                    survivors.append((file, old, new))
            (copy / file).write_text(whole, encoding="utf-8")
    print(f"{count} mutants, {count - len(survivors)} killed")
    return 1 if survivors else 0


def _outcome(copy: pathlib.Path, tests: list[str]) -> str:
    process = os.fork()
    if not process:
        os.setsid()
        os.chdir(copy)
        null = os.open(os.devnull, os.O_RDWR)
        for number in range(3):
            os.dup2(null, number)
        sys.path[:] = [str(copy), *(path for path in sys.path if path not in ("", str(ROOT)))]
        for module in [name for name in sys.modules if name.split(".")[0] in ("drgn_tf", "tests")]:
            del sys.modules[module]
        code = 3
        try:
            import pytest

            code = pytest.main(
                ["-x", "-q", "-p", "no:cacheprovider", *(f"tests/{name}" for name in tests)]
            )
        finally:
            os._exit(int(code))
    ended = time.monotonic() + _LONGEST
    while time.monotonic() < ended:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return "killed" if os.waitstatus_to_exitcode(status) else _SURVIVED
        time.sleep(0.05)
    os.killpg(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return "endless"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
