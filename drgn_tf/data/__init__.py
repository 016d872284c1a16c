"""Training photos, and the batches of samples made from them (tf.data)."""

from drgn_tf.images.photos import BadImageError
from drgn_tf.lazy import lazily

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
        "PairedPhotos": "loading",
        "PhotometricOptions": "low_light_simulation",
        "RunData": "loading",
        "SampleOptions": "options",
        "TrainingData": "training_data",
        "load_run_data": "loading",
        "Shard": "dataset",
        "training_dataset": "dataset",
    },
)
