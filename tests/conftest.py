"""Settings and small real photos for all tests."""

from __future__ import annotations

import gc
import json
import os
import pathlib
import sys
from collections.abc import Iterator

# Before TensorFlow is imported, here and by the programs that tests start. A GPU, where there is
# one, rounds in its own way.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
# The processes of a test run share the cores among them; what they compute is small.
os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = "1"
# XLA compiles for longer than what it compiled runs.
os.environ["XLA_FLAGS"] = (
    "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
    "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1"
)

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver

from drgn_tf.data import sample
from drgn_tf.images.photos import read_photo
from tests.programs import Programs

# Optimising a graph takes longer than running it a few times, and leaving frames out of tracebacks
# takes a tenth of tracing it.
QUICK_TO_TRACE = """
import keras, tensorflow

tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
tensorflow.debugging.disable_traceback_filtering()
keras.config.disable_traceback_filtering()
"""

# The files of these folders take longest and come first: of several processes, each takes one file
# after another, and none should begin with a long one when the others are nearly done.
_LONG = ("training", "tensorflow", "jax", "exports", "tests")


def pytest_configure(config):
    # By xdist's own order files with many tests come first, which are those with short ones.
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.parent.name not in _LONG)


def pytest_collection_finish():
    if "tensorflow" in sys.modules:
        exec(QUICK_TO_TRACE, {})
    # Libraries stay: looking through them for garbage takes a twentieth of the time.
    gc.freeze()


@pytest.fixture(scope="session")
def photo() -> np.ndarray:
    """A real photo, uint8 [300, 451, 3]."""
    return read_photo(sample.held_out_photos()[0])


@pytest.fixture(scope="session")
def low_photo(photo) -> np.ndarray:
    """The same photo as a low-light float image in [0, 1], float32 [1, 300, 451, 3]."""
    return (0.6 * (photo[np.newaxis] / 255.0) ** 2.5).astype(np.float32)


@pytest.fixture(scope="session")
def dark(photo) -> np.ndarray:
    """A real photo in low light, uint8 [300, 451, 3]."""
    return np.round(255 * 0.6 * (photo / 255.0) ** 2.5).astype(np.uint8)


@pytest.fixture(scope="session")
def make_pairs(photo):
    """Fills a folder with four small pairs: low/ and high/, crops of a real photo, 64x48 pixels."""
    from PIL import Image

    def make(folder: pathlib.Path) -> pathlib.Path:
        for name in ("low", "high"):
            (folder / name).mkdir(parents=True)
        for index in range(4):
            high = photo[60 * index : 60 * index + 48, 100 : 100 + 64]
            low = np.round(255 * 0.6 * (high / 255.0) ** 2.5).astype(np.uint8)
            Image.fromarray(low).save(folder / "low" / f"view_{index}.png")
            Image.fromarray(high).save(folder / "high" / f"view_{index}.png")
        return folder

    return make


@pytest.fixture
def pair_folder(tmp_path, make_pairs):
    """A folder of pairs that a test may spoil."""
    return make_pairs(tmp_path / "pairs")


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    """A .keras file of a tiny network in which every weight matters."""
    from tests.networks import with_few_blocks

    path = tmp_path_factory.mktemp("weights") / "tiny.keras"
    with_few_blocks().save(path)
    return path


@pytest.fixture(scope="session")
def driver(tiny_file):
    """The tiny network."""
    from drgn_tf.inference import load_driver

    return load_driver(tiny_file)


@pytest.fixture(scope="session")
def enhancer(driver):
    """The tiny network, for photos of any size."""
    from drgn_tf.inference import Enhancer

    return Enhancer(driver)


@pytest.fixture(scope="session")
def programs(tmp_path_factory) -> Iterator[Programs]:
    """Starts programs on TensorFlow."""
    started = Programs(
        tmp_path_factory.mktemp("programs"),
        QUICK_TO_TRACE
        + "import drgn_tf.inference, drgn_tf.training.run, drgn_tf.training.tensorflow",
    )
    yield started
    started.close()


@pytest.fixture
def flags_of_one_program() -> Iterator[None]:
    """Saves the flags, which all programs in a process share; none misses those of another one."""
    required = {name: "unused" for name in ("run_dir", "output_dir") if name in flags.FLAGS}
    with flagsaver.flagsaver(**required):
        yield


# Runs a program many times in one process.
_ANSWERS = """
import contextlib, importlib, io, json, sys
from absl.testing import flagsaver

program = importlib.import_module(sys.argv[1])
# Flags that are defined later would be gone after the first run.
for name in getattr(program, "FLAG_MODULES", ()):
    importlib.import_module(name)
for arguments in json.loads(sys.argv[2]):
    sys.argv[1:] = arguments
    said = io.StringIO()
    with flagsaver.flagsaver(), contextlib.redirect_stderr(said):
        try:
            program.run()
        except SystemExit as leaving:
            code = leaving.code
    print("answer:", json.dumps(said.getvalue().strip() if code else 0), flush=True)
"""


@pytest.fixture(scope="session")
def answers(programs):
    """Runs a program with each list of arguments; returns 0 each time, or what it complained of."""

    def run(program: str, *runs: list) -> list[int | str]:
        arguments = json.dumps([[*map(str, run)] for run in runs])
        process = programs.run("-c", _ANSWERS, program, arguments)
        assert process.code == 0, process.output
        lines = process.stdout.splitlines()
        return [json.loads(line[8:]) for line in lines if line.startswith("answer: ")]

    return run


# A flag that XLA does not know ends the process, and JAX's newest XLA knows few of TensorFlow's.
_XLA_FLAGS_OF_JAX = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
# None makes every import of it fail.
_WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None
import jax, keras, drgn_tf.training.run, drgn_tf.training.jax.trainer

keras.config.disable_traceback_filtering()
"""


@pytest.fixture(scope="session")
def _jax_programs(tmp_path_factory) -> Iterator[Programs]:
    started = Programs(
        tmp_path_factory.mktemp("jax_programs"),
        _WITHOUT_TENSORFLOW,
        XLA_FLAGS=_XLA_FLAGS_OF_JAX,
        KERAS_BACKEND="jax",
        JAX_PLATFORMS="cpu",
        JAX_DISABLE_MOST_OPTIMIZATIONS="1",
        JAX_COMPILATION_CACHE_DIR=str(tmp_path_factory.mktemp("compiled")),
        JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0",
        JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES="-1",
    )
    yield started
    started.close()


@pytest.fixture(scope="session")
def on_jax(_jax_programs):
    """Runs code with arguments on Keras' JAX backend, in a process that cannot import TensorFlow.

    Returns the exit code and what was printed.
    """

    def run(code: str, *arguments) -> tuple[int, str]:
        program = _jax_programs.run("-c", code, *arguments)
        return program.code, program.output

    return run
