"""Photos and the batches made of them (tf.data)."""

from drgn_tf.data.dataset import SampleOptions, Shard, TrainingData, training_dataset
from drgn_tf.data.loading import DataOptions, PairedPhotos, RunData, load_run_data
from drgn_tf.data.photometric import PhotometricOptions
from drgn_tf.data.photos import BadImageError, DataError

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
