"""The network that artefacts are compared with, which remembers what it gave."""

from __future__ import annotations

import hashlib

import numpy as np

from drgn_tf.inference.keras_driver import KerasDriver


class ReferenceDriver(KerasDriver):
    """A `KerasDriver` that computes each result once.

    All artefacts are compared on the same images, which would otherwise take most of the time of an
    export. For some dozen small images: what it gave stays in memory.
    """

    def __init__(self, driver: KerasDriver):
        super().__init__(driver.model, driver.path)
        self._known: dict[bytes, dict[str, np.ndarray]] = {}

    def run(
        self,
        images: np.ndarray,
        thumbnails: np.ndarray | None = None,
        brightness: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """See `Driver.run`; without the images that no artefact has."""
        digest = hashlib.sha256()
        for value in (images, thumbnails, brightness):
            digest.update(b"none" if value is None else f"{value.shape}".encode())
            digest.update(b"" if value is None else np.ascontiguousarray(value).data)
        key = digest.digest()
        if key not in self._known:
            results = super().run(images, thumbnails, brightness)
            self._known[key] = {
                name: value for name, value in results.items() if name in ("enhanced", "brightness")
            }
        return self._known[key]
