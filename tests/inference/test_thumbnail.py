from __future__ import annotations

import numpy as np
import pytest

from drgn_tf.inference import load_driver, photo_thumbnail
from drgn_tf.models.context import thumbnail
from tests.tolerances import rounding


@pytest.mark.parametrize("height, width", [(1, 1), (3, 200), (37, 53), (300, 451)])
def test_equals_what_the_network_makes(photo, height, width):
    image = photo[:height, :width]
    made = np.asarray(thumbnail(image[np.newaxis] / np.float32(255), 16))
    # Averages of 4x4 pixels, then of four of those.
    tolerance = rounding(4 * 4 + 4)
    np.testing.assert_allclose(photo_thumbnail(image, 16), made, atol=tolerance)
    deep = image.astype(np.uint16) * 257
    np.testing.assert_allclose(photo_thumbnail(deep, 16), made, atol=tolerance)


def test_images_without_thumbnails_are_whole_photos(dark):
    driver = load_driver("mobile", threads=1)
    images = np.stack([dark[:20, :31], dark[20:40, :31]]) / np.float32(255)
    thumbnails = np.concatenate([photo_thumbnail(x, driver.thumbnail_size) for x in images])
    results = [driver.run(images, given)["enhanced"] for given in (None, thumbnails)]
    np.testing.assert_array_equal(*results)
