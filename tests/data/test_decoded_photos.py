"""Photos in one buffer, and the crops taken from it inside a graph."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from drgn_tf.data.decoded_photos import read_stores, store_in_memory
from drgn_tf.data.pairs import find_pairs
from drgn_tf.errors import UserError
from drgn_tf.images.photos import BadImageError

CROP = 16
SIZES = [(40, 56), (33, 20), (24, 71), (16, 16)]


def in_bits(photo, bits: int) -> np.ndarray:
    """The photo in 8 bits, or in 16 with values that 8 bits cannot express."""
    if bits == 8:
        return photo
    return np.round(65535 * (photo / 255.0) ** 1.3).astype(np.uint16)


@pytest.fixture(scope="module", params=[(8, 8, 8, 8), (16, 16, 16, 16), (8, 16, 8, 16)], ids=str)
def photos(request, photo):
    """Parts of a real photo, of four sizes."""
    views = [photo[30 * i : 30 * i + h, 40 * i : 40 * i + w] for i, (h, w) in enumerate(SIZES)]
    return [in_bits(view, bits) for view, bits in zip(views, request.param)]


def as_float(pixels) -> np.ndarray:
    return pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)


def assert_shows(crop, pixels) -> None:
    """Checks that a crop has exactly the levels of these pixels."""
    assert crop.shape == pixels.shape and crop.dtype == tf.float32
    levels = np.rint(crop.numpy() * np.iinfo(pixels.dtype).max)
    np.testing.assert_array_equal(levels, pixels)
    # Graphs multiply by the reciprocal of the peak: the last bit of a float may differ.
    np.testing.assert_allclose(crop, as_float(pixels), rtol=3e-7)


# ---------------------------------------------------------------- in memory


def test_photos_come_back_as_they_went_in(photos):
    store = store_in_memory(photos, list("abcd"))
    assert len(store) == 4 and store.names == list("abcd")
    for index, pixels in enumerate(photos):
        returned = store.photo(index)
        assert returned.dtype == np.float32
        np.testing.assert_array_equal(returned, as_float(pixels))


def test_a_selection_shows_its_photos_in_its_order(photos):
    store = store_in_memory(photos, list("abcd"))
    chosen = store.select(["d", "b"])
    assert chosen.names == ["d", "b"] and len(chosen) == 2
    assert chosen.sizes == [SIZES[3], SIZES[1]]
    assert chosen.checksums == [store.checksums[3], store.checksums[1]]
    for index, place in enumerate((3, 1)):
        np.testing.assert_array_equal(chosen.photo(index), store.photo(place))
        crop = chosen.cropper()(index, 0, 0, CROP)
        np.testing.assert_array_equal(crop, store.cropper()(place, 0, 0, CROP))
    assert store.names == list("abcd")


def test_size_table_gives_heights_and_widths(photos):
    np.testing.assert_array_equal(store_in_memory(photos, list("abcd")).size_table(), SIZES)


def test_crops_equal_slices_at_every_corner_and_inside(photos):
    crop = tf.function(store_in_memory(photos, list("abcd")).cropper())
    for index, pixels in enumerate(photos):
        bottom, right = pixels.shape[0] - CROP, pixels.shape[1] - CROP
        corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
        for top, left in [*corners, (bottom // 2, right // 3)]:
            returned = crop(tf.constant(index), tf.constant(top), tf.constant(left), CROP)
            assert_shows(returned, pixels[top : top + CROP, left : left + CROP])


def test_crops_equal_slices_inside_an_input_pipeline(photos):
    crop = store_in_memory(photos, list("abcd")).cropper()
    dataset = tf.data.Dataset.range(4).map(
        lambda index: crop(index, tf.constant(0), tf.constant(2), 14), tf.data.AUTOTUNE
    )
    for pixels, returned in zip(photos, dataset, strict=True):
        assert_shows(returned, pixels[:14, 2:16])


def bytes_of_graph(photos) -> int:
    crop = tf.function(store_in_memory(photos, [str(i) for i in range(len(photos))]).cropper())
    graph = crop.get_concrete_function(*[tf.TensorSpec([], tf.int32)] * 3, CROP)
    return sum(x.shape.num_elements() * x.dtype.size for x in graph.captured_inputs)


def test_photos_of_8_bits_take_one_byte_a_value(photo):
    assert bytes_of_graph([photo] * 3) == pytest.approx(3 * photo.nbytes, rel=0.01)
    mixed = [photo, photo, in_bits(photo, 16)]
    assert bytes_of_graph(mixed) == pytest.approx(6 * photo.nbytes, rel=0.01)


# ---------------------------------------------------------------- from files


def test_store_is_named_by_stems_in_the_given_order(pair_folder):
    paths = [pair_folder / "high" / f"view_{i}.png" for i in (2, 0)]
    store = read_stores([(path,) for path in paths])[0]
    assert store.names == ["view_2", "view_0"]
    np.testing.assert_array_equal(store.photo(1), as_float(np.asarray(Image.open(paths[1]))))


def rows_of(folder):
    return [(pair.low, pair.high) for pair in find_pairs(folder)]


def test_rows_stay_aligned(pair_folder):
    low, high = read_stores(rows_of(pair_folder))
    assert low.names == high.names == [f"view_{i}" for i in range(4)]
    for index in range(4):
        # How the fixture made low of high.
        made = np.round(255 * 0.6 * high.photo(index) ** 2.5) / 255
        np.testing.assert_allclose(low.photo(index), made, atol=1.01 / 255)


def shorten(path) -> None:
    Image.open(path).crop((0, 0, 64, 40)).save(path)


def test_pair_of_different_sizes_names_both_photos(pair_folder):
    shorten(pair_folder / "high" / "view_1.png")
    with pytest.raises(BadImageError, match=r"64x40.*64x48.*one size") as caught:
        read_stores(rows_of(pair_folder))
    message = str(caught.value)
    assert str(pair_folder / "low" / "view_1.png") in message
    assert str(pair_folder / "high" / "view_1.png") in message
    assert len(message.splitlines()) == 1


def test_pair_of_different_depths_is_no_error(pair_folder, photo):
    high = in_bits(photo[60:108, 100:164], 16)
    cv2.imwrite(str(pair_folder / "high" / "view_1.png"), high[..., ::-1])
    _, stored = read_stores(rows_of(pair_folder))
    np.testing.assert_array_equal(stored.photo(1), as_float(high))


@pytest.mark.parametrize("side", ["low", "high"])
def test_rows_that_cannot_be_used_are_left_out_on_both_sides(pair_folder, side):
    shorten(pair_folder / side / "view_0.png")
    (pair_folder / side / "view_2.png").write_bytes(b"")
    collected = []
    low, high = read_stores(rows_of(pair_folder), collected.append)
    assert low.names == high.names == ["view_1", "view_3"]
    for store, folder in ((low, "low"), (high, "high")):
        for index, name in enumerate(store.names):
            expected = np.asarray(Image.open(pair_folder / folder / f"{name}.png"))
            np.testing.assert_array_equal(store.photo(index), as_float(expected))
    assert len(collected) == 2
    assert "view_0.png" in str(collected[0]) and "view_2.png" in str(collected[1])


def test_the_first_bad_row_is_raised_by_default(pair_folder):
    for index in (3, 1):
        (pair_folder / "low" / f"view_{index}.png").write_bytes(b"")
    with pytest.raises(BadImageError, match=r"view_1\.png: the file is empty"):
        read_stores(rows_of(pair_folder))


def test_nothing_left_is_an_error(pair_folder):
    for path in (pair_folder / "low").iterdir():
        path.write_bytes(b"")
    collected = []
    with pytest.raises(UserError, match="none of the 4 photos can be used"):
        read_stores(rows_of(pair_folder), collected.append)
    assert len(collected) == 4
