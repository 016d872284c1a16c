"""How close an image is to its reference. Images are NHWC in [0, 1].

Beside these: `drgn_tf.metrics.niqe`, without a reference, and `drgn_tf.metrics.detection`.
"""

from drgn_tf.metrics.grey import luma, scale_to_gt_mean
from drgn_tf.metrics.psnr import psnr
from drgn_tf.metrics.ssim import ssim

__all__ = ["luma", "psnr", "scale_to_gt_mean", "ssim"]
