"""Photos and the batches made of them (tf.data)."""

from drgn_tf.data.camera import PhotometricOptions
from drgn_tf.data.loading import PairedPhotos, RunData, load_run_data
from drgn_tf.data.options import DataOptions, SampleOptions
from drgn_tf.data.photos import BadImageError, DataError
from drgn_tf.data.training_data import TrainingData
from drgn_tf.lazy import lazily

__all__ = [
    "BadImageError",
    "DataError",
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

# These need TensorFlow.
__getattr__ = lazily(__name__, {"Shard": "dataset", "training_dataset": "dataset"})
