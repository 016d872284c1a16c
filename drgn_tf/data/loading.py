"""Finds, reads and splits the photos of a run for training, validation and test."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Collection, Iterable, Sequence

import cv2
import numpy as np

from drgn_tf.data import low_light_simulation as simulation
from drgn_tf.data import sample
from drgn_tf.data.decoded_photos import PhotoStore, read_stores, store_in_memory
from drgn_tf.data.options import DataOptions, parse_extra_data
from drgn_tf.data.paired_photos import PairedPhotos
from drgn_tf.data.pairs import (
    UnpairedError,
    find_pairs,
    read_stems,
    split_by_fraction,
    split_by_list,
)
from drgn_tf.data.training_data import Source, TrainingData
from drgn_tf.errors import UserError
from drgn_tf.images.photos import list_photos, to_uint8
from drgn_tf.tensors import Tensor

# Held-out photos are darkened in the same way in every run, for any seed and framework.
_HELD_OUT_SEED = 20210311


@dataclasses.dataclass(frozen=True)
class RunData:
    """The photos of one run.

    Attributes:
      training: training photos.
      validation: pairs that select the checkpoint.
      extra_validation: held-out pairs of the extra sources, by folder name. Pairs of normal-light
        photos are a photo with itself, because photos that are not dark should stay unchanged.
      test: pairs that are only measured at the end, or None.
      summary: one line for the terminal.
      fingerprint: hash of the names, sizes and pixels of all training and validation photos.
    """

    training: TrainingData
    validation: PairedPhotos
    test: PairedPhotos | None
    summary: str
    fingerprint: str
    extra_validation: dict[str, PairedPhotos] = dataclasses.field(default_factory=dict)


def load_run_data(
    options: DataOptions,
    photometric_options: simulation.PhotometricOptions,
    thumbnail: Callable[[np.ndarray], Tensor],
    on_bad: Callable[[UserError], None] | None = None,
) -> RunData:
    """Finds, reads and splits the photos of a run.

    Args:
      options: locations of the photos.
      photometric_options: how held-out photos are darkened where there are no pairs.
      thumbnail: float32 [1, H, W, 3] -> [1, T, T, 3], the network's thumbnail of a whole photo.
      on_bad: called with the error of each unusable photo, which is then left out. By
        default the first error is raised.

    Raises:
      UserError: nothing to train on, or a photo cannot be used.
    """

    def read_photos(paths: Iterable[pathlib.Path]) -> PhotoStore:
        return read_stores([(path,) for path in paths], on_bad, options.cache_dir)[0]

    extra, extra_validation = _read_extra(options, on_bad)
    measured = list(extra_validation.values())
    trained: PairedPhotos | None = None
    normal: PhotoStore | None = None
    test: PairedPhotos | None = None
    if options.data_dir == sample.NAME:
        for name in ("train_pairs", "test_pairs", "normal_dir", "val_list"):
            if getattr(options, name):
                raise UserError(
                    f"--{name} has no meaning with --data_dir={sample.NAME}; leave it out."
                )
        normal = read_photos(sample.training_photos())
        validation = darkened_pairs(read_photos(sample.held_out_photos()), photometric_options)
    elif options.data_dir:
        folder = pathlib.Path(options.data_dir)
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; --data_dir names the data set.")
        pairs, left_out = _read_pairs(folder / options.train_pairs, on_bad, options.cache_dir)
        train, held_out = _split(options, pairs.low.names, left_out)
        validation = pairs.select(held_out)
        if options.test_pairs:
            test, _ = _read_pairs(folder / options.test_pairs, on_bad, options.cache_dir)
        if options.normal_dir:
            photos = read_photos(list_photos(options.normal_dir).values())
            normal = photos.select(_not_measured(photos, [validation, test, *measured]))
        trained = pairs.select(_not_measured(pairs.high.select(train), measured))
    elif options.normal_dir:
        for name in ("train_pairs", "test_pairs"):
            if getattr(options, name):
                raise UserError(
                    f"--{name} is a folder inside --data_dir, which is missing; give both."
                )
        found = list_photos(options.normal_dir)
        photos = read_photos(found.values())
        train, held_out = _split(options, photos.names, {*found} - {*photos.names})
        normal = photos.select(_not_measured(photos.select(train), measured))
        validation = darkened_pairs(photos.select(held_out), photometric_options)
    else:
        raise UserError(
            "no data: give --data_dir (a folder of pairs, or 'sample') or --normal_dir."
        )
    extra = [_apart_from(source, [validation, test, *measured]) for source in extra]
    training = TrainingData(trained, normal, thumbnail, extra)
    return RunData(
        training,
        validation,
        test,
        _summary(training, [validation, *measured], test),
        _fingerprint(training, [validation, *measured]),
        extra_validation,
    )


def _read_extra(
    options: DataOptions, on_bad: Callable[[UserError], None] | None
) -> tuple[list[Source], dict[str, PairedPhotos]]:
    """Reads the extra sources; returns their training photos and, by folder, held-out pairs."""
    sources: list[Source] = []
    held_out: dict[str, PairedPhotos] = {}
    for kind, folder, share in parse_extra_data(options.extra_data):
        name = folder.absolute().name
        if name in held_out:
            raise UserError(f"--extra_data: two folders are called {name}; rename one.")
        if kind == "pairs":
            pairs, _ = _read_pairs(folder, on_bad, options.cache_dir)
            train, validate = split_by_fraction(pairs.high.names, options.extra_val_fraction)
            trained = pairs.select(train)
            sources.append(Source(trained.low, trained.high, share))
            held_out[name] = pairs.select(validate)
        else:
            found = [(path,) for path in list_photos(folder).values()]
            (photos,) = read_stores(found, on_bad, options.cache_dir)
            train, validate = split_by_fraction(photos.names, options.extra_val_fraction)
            sources.append(Source(None, photos.select(train), share))
            kept = photos.select(validate)
            held_out[name] = PairedPhotos(kept, kept)
    return sources, held_out


def darkened_pairs(photos: PhotoStore, options: simulation.PhotometricOptions) -> PairedPhotos:
    """Makes validation pairs from normal-light photos, the same in every run.

    Whole photos are darkened, without recolouring, resizing or compression, which are training
    augmentations.
    """
    options = dataclasses.replace(options, well_lit=0.0, colour=0.0, local=0.0)
    low = []
    for index in range(len(photos)):
        random = np.random.default_rng([_HELD_OUT_SEED, index])
        unit = random.random(simulation.DRAWS, np.float32)
        photo = photos.photo(index)
        thumbnail = cv2.resize(photo, (32, 32), interpolation=cv2.INTER_AREA)
        parameters = {
            name: np.asarray(value)
            for name, value in simulation.scale_parameters(options, unit, thumbnail).items()
        }
        light = np.asarray(simulation.expose(photo, parameters))
        light = random.poisson(light * parameters["photons"]) / parameters["photons"]
        light += parameters["read_noise"] * random.standard_normal(light.shape)
        developed = simulation.develop(light.astype(np.float32), options.levels)
        low.append(to_uint8(np.asarray(developed)))
    return PairedPhotos(store_in_memory(low, photos.names), photos)


def _split(
    options: DataOptions, stems: list[str], left_out: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    if options.val_list:
        listed = [stem for stem in read_stems(options.val_list) if stem not in left_out]
        return split_by_list(stems, listed)
    return split_by_fraction(stems, options.val_fraction)


def _not_measured(photos: PhotoStore, measured: Iterable[PairedPhotos | None]) -> list[str]:
    """Returns the names of the photos that are no references to measure on."""
    references = {value for pairs in measured if pairs for value in pairs.high.checksums}
    names = [name for name, value in zip(photos.names, photos.checksums) if value not in references]
    if not names:
        raise UserError(
            f"all photos to train on of one folder, '{photos.names[0]}' the first of them, are "
            "held out elsewhere too; give others."
        )
    return names


def _apart_from(source: Source, measured: Iterable[PairedPhotos | None]) -> Source:
    """Returns the photos of a source whose references are not measured on."""
    names = _not_measured(source.high, measured)
    low = None if source.low is None else source.low.select(names)
    return dataclasses.replace(source, low=low, high=source.high.select(names))


def _read_pairs(
    folder: pathlib.Path, on_bad: Callable[[UserError], None] | None, cache_dir: str
) -> tuple[PairedPhotos, set[str]]:
    """Returns the pairs of a folder, and the stems left out."""
    unpaired: set[str] = set()

    def note(error: UnpairedError) -> None:
        if on_bad is None:
            raise error
        unpaired.add(error.stem)
        on_bad(error)

    found = find_pairs(folder, note)
    pairs = PairedPhotos(*read_stores([(x.low, x.high) for x in found], on_bad, cache_dir))
    return pairs, unpaired | {pair.stem for pair in found} - {*pairs.low.names}


def _summary(
    training: TrainingData, held_out: Sequence[PairedPhotos], test: PairedPhotos | None
) -> str:
    parts = []
    if training.pairs is not None:
        parts.append(f"{len(training.pairs)} pairs to train on")
    if training.pairs is None or training.normal is not training.pairs.high:
        parts.append(f"{len(training.normal)} normal-light photos to darken")
    for source in training.extra:
        kind = "normal-light photos" if source.low is None else "pairs"
        parts.append(f"{len(source.high)} more {kind} ({source.share:.0%} of the samples)")
    parts.append(f"{sum(map(len, held_out))} held out for validation")
    if test is not None:
        parts.append(f"{len(test)} to test on")
    return ", ".join(parts)


def _fingerprint(training: TrainingData, held_out: Sequence[PairedPhotos]) -> str:
    digest = hashlib.sha256()
    own = (None, None) if training.pairs is None else (training.pairs.low, training.pairs.high)
    for store in (
        *own,
        training.normal,
        *(store for pairs in held_out[:1] for store in (pairs.low, pairs.high)),
        *(store for source in training.extra for store in (source.low, source.high)),
        *(store for pairs in held_out[1:] for store in (pairs.low, pairs.high)),
    ):
        listed = [] if store is None else list(zip(store.names, store.sizes, store.checksums))
        digest.update(repr(listed).encode())
    return digest.hexdigest()[:16]
