"""Metrics of an image against its reference. Images are NHWC in [0, 1].

Besides these: `drgn_tf.metrics.niqe`, without a reference, and `drgn_tf.metrics.detection`.
"""

from typing import TYPE_CHECKING

from drgn_tf.lazy import lazily

if TYPE_CHECKING:
    from drgn_tf.metrics.batch_similarity import psnr, ssim

__all__ = ["psnr", "ssim"]

# These need Keras; `drgn_tf.metrics.photo_similarity` does not.
__getattr__ = lazily(__name__, {"psnr": "batch_similarity", "ssim": "batch_similarity"})
