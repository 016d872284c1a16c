"""Pictures that show several images."""

import numpy as np
from PIL import Image

from drgn_tf.images.grids import save_grid, side_by_side


def test_images_beside_each_other_are_scaled_down_to_the_width(photo):
    small = side_by_side([photo, photo[:, ::-1]], 100)
    assert small.shape == (67, 200, 3)
    np.testing.assert_array_equal(side_by_side([photo, photo], 500), np.hstack([photo, photo]))


def test_a_grid_shows_every_image_of_rows_of_different_length(tmp_path):
    red, green, blue = (np.full((40, 60, 3), colour, np.uint8) for colour in np.eye(3) * 255)
    save_grid([[("red", red), ("夜 $1_2$", green)], [("blue", blue)]], tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.width == 1200
        colours = {colour for _, colour in grid.convert("RGB").getcolors(2**20)}
    assert {(255, 0, 0), (0, 255, 0), (0, 0, 255)} <= colours
