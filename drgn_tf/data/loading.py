"""From folders to the photos of one run: what trains, what validates, what tests."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Collection, Iterable

import numpy as np
import tensorflow as tf

from drgn_tf.data import photometric, sample
from drgn_tf.data.dataset import TrainingData
from drgn_tf.data.pairs import find_pairs, read_stems, split_by_fraction, split_by_list
from drgn_tf.data.photos import DataError, list_photos, to_uint8
from drgn_tf.data.store import PhotoStore, make_stores, read_rows

# Held-out photos are darkened alike in every run, whatever its seed.
_HELD_OUT_SEED = 20210311


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Where the photos are. Folders of pairs hold low/ and high/.

    Attributes:
      data_dir: folder of pairs; or "sample", the built-in set; or "" for none.
      train_pairs: subfolder of `data_dir` that holds the pairs to train on; "" for itself.
      test_pairs: subfolder with pairs that are only measured, once, after training; "" for none.
      reference_dir: folder of normal-light photos for the synthetic pairs; "" takes the
        high photos of the pairs. Without `data_dir`, all that is trained on.
      val_list: text file of stems held out for validation, one a line; "" for a fraction.
      val_fraction: share of the photos held out for validation where there is no list.
    """

    data_dir: str = ""
    train_pairs: str = ""
    test_pairs: str = ""
    reference_dir: str = ""
    val_list: str = ""
    val_fraction: float = 0.05


@dataclasses.dataclass(frozen=True)
class PairedPhotos:
    """Whole pairs to measure on, as float32 [H, W, 3] in [0, 1], one at a time."""

    low: PhotoStore
    high: PhotoStore

    def __len__(self) -> int:
        return len(self.low)

    def __iter__(self):
        """Yields (stem, low, high)."""
        for index, name in enumerate(self.low.names):
            yield name, self.low.photo(index), self.high.photo(index)


@dataclasses.dataclass(frozen=True)
class RunData:
    """The photos of one run.

    Attributes:
      training: what is trained on.
      validation: what checkpoints are chosen by.
      test: what is only measured at the end, or None.
      summary: one line for the terminal.
      fingerprint: hash of the names, sizes and pixels of all training and validation photos.
    """

    training: TrainingData
    validation: PairedPhotos
    test: PairedPhotos | None
    summary: str
    fingerprint: str


def load_run_data(
    options: DataOptions,
    photometric_options: photometric.PhotometricOptions,
    thumbnail: Callable,
    on_bad: Callable[[DataError], None] | None = None,
) -> RunData:
    """Finds, reads and splits the photos of a run.

    Args:
      options: where they are.
      photometric_options: how held-out photos are darkened where there are no pairs.
      thumbnail: float32 [1, H, W, 3] -> [1, T, T, 3], the network's view of a whole photo.
      on_bad: is told of each photo that is left out because it cannot be used. By
        default the first one is raised.

    Raises:
      DataError: nothing to train on, or a photo cannot be used.
    """
    if options.data_dir == sample.NAME:
        for name in ("train_pairs", "test_pairs", "reference_dir", "val_list"):
            if getattr(options, name):
                raise DataError(
                    f"--{name} has no meaning with --data_dir={sample.NAME}; leave it out."
                )
        (references,) = _read_photos(sample.training_photos())
        (held_out,) = _read_photos(sample.held_out_photos())
        training = TrainingData(None, None, references, thumbnail)
        validation = darkened_pairs(held_out, photometric_options)
        test = None
    elif options.data_dir:
        folder = pathlib.Path(options.data_dir)
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; --data_dir names the data set.")
        pairs = _read_pairs(folder / options.train_pairs, on_bad)
        # Those that cannot be used have been told of; a list may name them.
        found = [list_photos(folder / options.train_pairs / name) for name in ("low", "high")]
        train, held_out = _split(options, list(pairs), {*found[0], *found[1]} - {*pairs})
        validation = PairedPhotos(*make_stores(pairs, held_out))
        test = None
        if options.test_pairs:
            test = PairedPhotos(*make_stores(_read_pairs(folder / options.test_pairs, on_bad)))
        references = None
        if options.reference_dir:
            held = filter(None, (validation, test))
            truths = {value for photos in held for value in photos.high.checksums}
            references = _references(options.reference_dir, truths, on_bad)
        training = TrainingData(*make_stores(pairs, train), references, thumbnail)
    elif options.reference_dir:
        for name in ("train_pairs", "test_pairs"):
            if getattr(options, name):
                raise DataError(
                    f"--{name} is a folder inside --data_dir, which is missing; give both."
                )
        found = list_photos(options.reference_dir)
        photos = read_rows([(path,) for path in found.values()], on_bad)
        train, held_out = _split(options, list(photos), {*found} - {*photos})
        training = TrainingData(None, None, *make_stores(photos, train), thumbnail)
        validation = darkened_pairs(*make_stores(photos, held_out), photometric_options)
        test = None
    else:
        raise DataError(
            "no data: give --data_dir (a folder of pairs, or 'sample') or --reference_dir."
        )
    return RunData(
        training, validation, test, _summary(training, validation, test),
        _fingerprint(training, validation),
    )  # fmt: skip


def darkened_pairs(photos: PhotoStore, options: photometric.PhotometricOptions) -> PairedPhotos:
    """Makes pairs of normal-light photos to measure on, the same in every run."""
    low = []
    for index in range(len(photos)):
        seeds = tf.random.split(tf.constant([_HELD_OUT_SEED, index], tf.int64), 2)
        parameters = photometric.draw_parameters(options, seeds[0])
        low.append(photometric.darken(photos.photo(index), parameters, seeds[1], options.levels))
    return PairedPhotos(PhotoStore([to_uint8(np.asarray(x)) for x in low], photos.names), photos)


def _split(
    options: DataOptions, stems: list[str], left_out: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    if options.val_list:
        listed = [stem for stem in read_stems(options.val_list) if stem not in left_out]
        return split_by_list(stems, listed)
    return split_by_fraction(stems, options.val_fraction)


def _references(folder: str, truths: set[int], on_bad) -> PhotoStore:
    """Reads reference photos, without those that are truths to measure on."""
    photos = read_rows([(path,) for path in list_photos(folder).values()], on_bad)
    (store,) = make_stores(photos)
    stems = [stem for stem, value in zip(store.names, store.checksums) if value not in truths]
    if not stems:
        raise DataError(f"{folder}: holds only photos that are held out; give others.")
    return store if len(stems) == len(store) else make_stores(photos, stems)[0]


def _read_photos(paths: Iterable[pathlib.Path], on_bad=None) -> list[PhotoStore]:
    return make_stores(read_rows([(path,) for path in paths], on_bad))


def _read_pairs(folder: pathlib.Path, on_bad) -> dict[str, list[np.ndarray]]:
    return read_rows([(pair.low, pair.high) for pair in find_pairs(folder, on_bad)], on_bad)


def _summary(training: TrainingData, validation: PairedPhotos, test: PairedPhotos | None) -> str:
    parts = []
    if training.low is not None:
        parts.append(f"{len(training.low)} pairs to train on")
    if training.references is not training.high:
        parts.append(f"{len(training.references)} normal-light photos to darken")
    parts.append(f"{len(validation)} held out for validation")
    if test is not None:
        parts.append(f"{len(test)} to test on")
    return ", ".join(parts)


def _fingerprint(training: TrainingData, validation: PairedPhotos) -> str:
    digest = hashlib.sha256()
    for store in (
        training.low,
        training.high,
        training.references,
        validation.low,
        validation.high,
    ):
        listed = [] if store is None else list(zip(store.names, store.sizes, store.checksums))
        digest.update(repr(listed).encode())
    return digest.hexdigest()[:16]
