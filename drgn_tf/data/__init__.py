"""Training photos, and the batches of samples made from them (tf.data)."""

from typing import TYPE_CHECKING

from drgn_tf.errors import BadImageError
from drgn_tf.lazy import lazily

if TYPE_CHECKING:
    from drgn_tf.data.dataset import Shard, training_dataset
    from drgn_tf.data.loading import RunData, load_run_data
    from drgn_tf.data.low_light_simulation import PhotometricOptions
    from drgn_tf.data.options import DataOptions, SampleOptions
    from drgn_tf.data.paired_photos import PairedPhotos
    from drgn_tf.data.training_data import TrainingData

__all__ = [
    "BadImageError",
    "DataOptions",
    "PairedPhotos",
    "PhotometricOptions",
    "RunData",
    "SampleOptions",
    "Shard",
    "TrainingData",
    "load_run_data",
    "training_dataset",
]

# These need Keras; the last two TensorFlow.
__getattr__ = lazily(
    __name__,
    {
        "DataOptions": "options",
        "PairedPhotos": "paired_photos",
        "PhotometricOptions": "low_light_simulation",
        "RunData": "loading",
        "SampleOptions": "options",
        "TrainingData": "training_data",
        "load_run_data": "loading",
        "Shard": "dataset",
        "training_dataset": "dataset",
    },
)
