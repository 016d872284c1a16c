"""The options of a run's photos and samples."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Sequence

from drgn_tf.data.low_light_simulation import PhotometricOptions

# Kinds of extra sources: folders of pairs, or of normal-light photos.
EXTRA_KINDS = ("pairs", "normal")


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """The locations of the photos. Folders of pairs hold low/ and high/.

    Attributes:
      data_dir: folder of pairs; or "sample", the built-in set; or "" for none.
      train_pairs: subfolder of `data_dir` that holds the pairs to train on; "" for itself.
      test_pairs: subfolder with pairs that are only measured, once, after training; "" for none.
      normal_dir: folder of normal-light photos for the synthetic pairs; "" takes the
        high photos of the pairs. Without `data_dir`, the run trains on these photos alone.
      extra_data: further sources, "pairs:FOLDER:SHARE" or "normal:FOLDER:SHARE": a folder with low/
        and high/, or of normal-light photos to be darkened, and its share of the samples. The
        photos above make the remaining samples.
      val_list: text file of stems held out for validation, one a line; "" for a fraction.
      val_fraction: share of the photos held out for validation where there is no list.
      extra_val_fraction: share of each extra source that is held out, by a hash of each stem.
      cache_dir: folder that keeps the decoded photos; "" keeps them in memory.
    """

    data_dir: str = ""
    train_pairs: str = ""
    test_pairs: str = ""
    normal_dir: str = ""
    extra_data: tuple[str, ...] = ()
    val_list: str = ""
    val_fraction: float = 0.05
    extra_val_fraction: float = 0.2
    cache_dir: str = ""

    def __post_init__(self) -> None:
        parse_extra_data(self.extra_data)
        for name in ("val_fraction", "extra_val_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], not {getattr(self, name)}.")


def parse_extra_data(entries: Sequence[str]) -> list[tuple[str, pathlib.Path, float]]:
    """Returns (kind, folder, share) of each "KIND:FOLDER:SHARE".

    Raises:
      ValueError: an entry does not have this form, or the shares add up to more than 1.
    """
    parsed = []
    for entry in entries:
        kind, _, rest = entry.partition(":")
        folder, _, share = rest.rpartition(":")
        try:
            value = float(share)
        except ValueError:
            value = math.nan
        if kind not in EXTRA_KINDS or not folder or not 0 < value < 1:
            raise ValueError(
                f"extra_data '{entry}' must be KIND:FOLDER:SHARE, with a kind of "
                f"{' or '.join(EXTRA_KINDS)} and a share between 0 and 1."
            )
        parsed.append((kind, pathlib.Path(folder), value))
    total = sum(share for _, _, share in parsed)
    if total > 1:
        raise ValueError(f"the shares of extra_data add up to {total:g}, more than 1.")
    return parsed


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """The options of drawing samples.

    Attributes:
      crop_size: side of the crops in pixels.
      batch_size: samples a step, over all devices and workers.
      seed: of all random numbers.
      photometric_fraction: share of samples that are photos darkened by
        the photometric synthesis, in [0, 1]; the others are real pairs.
      photometric: its ranges.
      pair_files: share of real pairs whose low photos are compressed and resized like darkened
        photos, in [0, 1].
      pair_well_lit: share of real pairs whose low photo is the reference itself, in [0, 1]: a photo
        in normal light is to stay.
      relight: largest change, in stops (EV), of the reference and of the brightness given to the
        network.
      relight_share: share of the samples that are changed in this way.
      exposure_jitter: largest log2 of the factor, drawn per sample, that makes the low photo of
        a real pair darker or brighter while its reference stays.
      normal: whether each sample includes a normal-light photo that the degradations of the
        generator darken.
    """

    crop_size: int
    batch_size: int
    seed: int
    photometric_fraction: float = 0.0
    photometric: PhotometricOptions = dataclasses.field(default_factory=PhotometricOptions)
    pair_files: float = 0.0
    pair_well_lit: float = 0.0
    relight: float = 0.0
    relight_share: float = 0.0
    exposure_jitter: float = 0.0
    normal: bool = False

    @property
    def pair_photometric(self) -> PhotometricOptions:
        """Options of how the low photos of real pairs are saved."""
        return dataclasses.replace(
            self.photometric,
            jpeg=self.pair_files * self.photometric.jpeg,
            resize=self.pair_files * self.photometric.resize,
        )
