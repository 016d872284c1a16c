"""Metrics of an image against its reference. Images are NHWC in [0, 1].

Besides these: `drgn_tf.metrics.niqe`, without a reference, and `drgn_tf.metrics.detection`.
"""

from typing import TYPE_CHECKING

from drgn_tf.lazy import lazily

if TYPE_CHECKING:
    from drgn_tf.metrics.batch_similarity import psnr, ssim
    from drgn_tf.metrics.grey import luma, scale_to_gt_mean

__all__ = ["luma", "psnr", "scale_to_gt_mean", "ssim"]

# These need Keras; `drgn_tf.metrics.photo_similarity` does not.
__getattr__ = lazily(
    __name__,
    {
        "luma": "grey",
        "psnr": "batch_similarity",
        "scale_to_gt_mean": "grey",
        "ssim": "batch_similarity",
    },
)
