"""Where the photos of a run are, and how samples are drawn from them."""

from __future__ import annotations

import dataclasses

from drgn_tf.data.low_light_simulation import PhotometricOptions


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """Where the photos are. Folders of pairs hold low/ and high/.

    Attributes:
      data_dir: folder of pairs; or "sample", the built-in set; or "" for none.
      train_pairs: subfolder of `data_dir` that holds the pairs to train on; "" for itself.
      test_pairs: subfolder with pairs that are only measured, once, after training; "" for none.
      normal_dir: folder of normal-light photos for the synthetic pairs; "" takes the
        high photos of the pairs. Without `data_dir`, all that is trained on.
      val_list: text file of stems held out for validation, one a line; "" for a fraction.
      val_fraction: share of the photos held out for validation where there is no list.
      cache_dir: folder that keeps the decoded photos; "" keeps them in memory.
    """

    data_dir: str = ""
    train_pairs: str = ""
    test_pairs: str = ""
    normal_dir: str = ""
    val_list: str = ""
    val_fraction: float = 0.05
    cache_dir: str = ""


@dataclasses.dataclass(frozen=True)
class SampleOptions:
    """How samples are drawn.

    Attributes:
      crop_size: side of the crops in pixels.
      batch_size: samples a step, over all devices and workers.
      seed: of everything that is drawn.
      photometric_fraction: share of samples that are photos darkened by
        the photometric synthesis, in [0, 1]; the others are real pairs.
      photometric: its ranges.
      exposure_jitter: largest log2 of the factor, drawn per sample, that makes the low photo of
        a real pair darker or brighter while its reference stays.
      normal: whether each sample brings a normal-light photo for the degradation
        generator to darken.
    """

    crop_size: int
    batch_size: int
    seed: int
    photometric_fraction: float = 0.0
    photometric: PhotometricOptions = dataclasses.field(default_factory=PhotometricOptions)
    exposure_jitter: float = 0.0
    normal: bool = False
