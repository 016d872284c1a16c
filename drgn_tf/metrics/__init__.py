"""How close an image is to its reference. Images are NHWC in [0, 1]."""

from drgn_tf.metrics.psnr import psnr
from drgn_tf.metrics.ssim import ssim

__all__ = ["psnr", "ssim"]
