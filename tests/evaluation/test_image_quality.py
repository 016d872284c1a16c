"""Metrics of photos, and means of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from drgn_tf.data.pairs import find_pairs
from drgn_tf.errors import UserError
from drgn_tf.evaluation import columns, image_quality, report
from drgn_tf.evaluation.image_quality import PhotoMetrics
from drgn_tf.evaluation.methods import Method
from tests.brighten import BRIGHTEN, brighten
from tests.tolerances import BLOCK, SSIM, rounding


def test_similarity_is_tensorflows(dark, photo):
    low, high = dark[100:196, 100:228], photo[100:196, 100:228]
    metrics = image_quality.similarity(low, high)
    images = [tf.constant(x[np.newaxis] / 255, tf.float32) for x in (low, high)]
    # Of a relative error of the mean square.
    decibels = 10 / math.log(10) * rounding(BLOCK)
    assert metrics["psnr"] == pytest.approx(float(tf.image.psnr(*images, 1.0)[0]), abs=decibels)
    assert metrics["ssim"] == pytest.approx(float(tf.image.ssim(*images, 1.0)[0]), abs=SSIM)
    grey = [x @ np.array([[0.299], [0.587], [0.114]], np.float32) for x in images]
    assert metrics["psnr_luma"] == pytest.approx(float(tf.image.psnr(*grey, 1.0)[0]), abs=decibels)
    assert metrics["ssim_luma"] == pytest.approx(float(tf.image.ssim(*grey, 1.0)[0]), abs=SSIM)


def test_gt_mean_forgives_brightness_and_nothing_else(photo):
    high = photo[100:196, 100:228]
    dimmed = image_quality.similarity((high // 2).astype(np.uint8), high)
    assert dimmed["psnr"] < 15
    assert dimmed["psnr_gt_mean"] > 45
    assert image_quality.similarity(high[:, ::-1], high)["psnr_gt_mean"] < 20


def test_all_metrics_of_equal_images_are_their_best(photo):
    crop = photo[100:148, 100:164]
    values = image_quality.similarity(crop, crop, list(columns.SIMILARITY))
    for name, value in values.items():
        best = (
            100 if name.startswith("psnr") else float(columns.SIMILARITY[name].better == "higher")
        )
        assert value == pytest.approx(best, abs=1e-6), name


def test_metrics_that_do_not_exist_are_named():
    with pytest.raises(UserError, match="there is no 'lpips'; choose from psnr, ssim"):
        columns.check(["psnr", "lpips"])


def test_every_method_is_a_row_beside_the_input(pairs):
    methods = [BRIGHTEN, Method("nothing", lambda pixels: pixels)]
    metrics = list(image_quality.evaluate_pairs(methods, pairs, names=("ssim", "psnr")))
    assert [photo.stem for photo in metrics] == [pair.stem for pair in pairs]
    for pair, photo in zip(pairs, metrics):
        low, high = image_quality.read_pair(pair)
        assert list(photo.rows) == ["input", "net", "nothing"]
        assert photo.rows["input"] == image_quality.similarity(low, high, ("ssim", "psnr"))
        assert photo.rows["net"] == image_quality.similarity(brighten(low), high, ("ssim", "psnr"))
        assert photo.rows["nothing"] == photo.rows["input"]
        assert photo.rows["net"]["psnr"] > photo.rows["input"]["psnr"] + 10


def test_a_network_that_is_told_the_brightness_is_measured_so_too(pairs):
    asked = []

    def brighten_to(pixels: np.ndarray, brightness: float) -> np.ndarray:
        asked.append(brightness)
        return brighten(pixels)

    method = Method("net", brighten, brighten_to)
    measured = list(image_quality.evaluate_pairs([method], pairs))
    assert all(photo.rows["net (given)"] == photo.rows["net"] for photo in measured)
    for pair, brightness in zip(pairs, asked, strict=True):
        _, high = image_quality.read_pair(pair)
        assert brightness == pytest.approx(float((high @ [0.299, 0.587, 0.114]).mean() / 255))
    means = image_quality.mean_metrics(measured)
    assert list(means) == ["input", "net", "net (given)"]
    assert "\n(given): told the reference's brightness" in report.table(means)


def test_every_enhanced_photo_can_be_kept(pairs):
    kept = {}
    keep = lambda row, stem, pixels: kept.__setitem__((row, stem), pixels)  # noqa: E731
    list(image_quality.evaluate_pairs([BRIGHTEN], pairs, keep))
    low, _ = image_quality.read_pair(pairs[1])
    assert list(kept) == [("net", pair.stem) for pair in pairs]
    np.testing.assert_array_equal(kept["net", "view_1"], brighten(low))


def test_formats_and_depths_may_differ(tmp_path, photo):
    import cv2

    (tmp_path / "low").mkdir()
    (tmp_path / "high").mkdir()
    crop = photo[100:148, 100:164]
    Image.fromarray(crop).save(tmp_path / "low" / "a.bmp")
    cv2.imwrite(str(tmp_path / "high" / "a.png"), crop[..., ::-1].astype(np.uint16) * 257)
    nothing = Method("nothing", lambda pixels: pixels)
    (result,) = image_quality.evaluate_pairs([nothing], find_pairs(tmp_path))
    assert result.rows["input"]["psnr"] == pytest.approx(100)
    assert result.rows["nothing"]["ssim"] == pytest.approx(1, abs=1e-4)


def test_a_pair_of_two_sizes_is_named(pair_folder):
    Image.new("RGB", (64, 40)).save(pair_folder / "low" / "view_1.png")
    with pytest.raises(UserError, match=r"view_1\.png: is 64x48 pixels but .*is 64x40"):
        list(image_quality.evaluate_pairs([BRIGHTEN], find_pairs(pair_folder)))


def test_photos_without_reference(tmp_path, dark):
    path = tmp_path / "dark.png"
    Image.fromarray(dark[:192, :192]).save(path)
    (result,) = image_quality.evaluate_unpaired([BRIGHTEN], [path])
    before, after = result.rows["input"], result.rows["net"]
    assert before["niqe"] != after["niqe"]
    assert before["dark"] == pytest.approx(
        (dark[:192, :192] @ [0.299, 0.587, 0.114] < 0.15 * 255).mean(), abs=1e-3
    )
    assert after["dark"] < before["dark"]
    Image.fromarray(dark[:100, :150]).save(path)
    with pytest.raises(UserError, match=r"dark\.png: is 150x100 pixels; NIQE needs two blocks"):
        list(image_quality.evaluate_unpaired([BRIGHTEN], [path]))


def photo_of(stem: str, value: float, name: str = "psnr") -> PhotoMetrics:
    return PhotoMetrics(stem, {"input": {name: 0.0}, "net": {name: value}})


@pytest.mark.parametrize(
    "values, expected",
    [
        ([20.0], {"best": "0"}),
        ([20.0, 30.0], {"best": "1", "worst": "0"}),
        ([20.0, 30.0, 10.0, 25.0, 5.0], {"best": "1", "median": "0", "worst": "4"}),
    ],
)
def test_best_median_and_worst_are_different_photos(values, expected):
    photos = [photo_of(str(number), value) for number, value in enumerate(values)]
    chosen = image_quality.best_median_worst(photos, "net")
    assert {name: photo.stem for name, photo in chosen.items()} == expected
    assert list(chosen) == list(expected)


def test_the_best_by_a_metric_that_is_better_lower():
    photos = [photo_of("a", 0.5, "flip"), photo_of("b", 0.1, "flip")]
    assert image_quality.best_median_worst(photos, "net")["best"].stem == "b"


def test_means_are_over_photos(metrics):
    means = image_quality.mean_metrics(metrics)
    expected = np.mean([photo.rows["net"]["psnr"] for photo in metrics])
    assert means["net"]["psnr"] == pytest.approx(expected)
    assert means["input"]["ssim"] < means["net"]["ssim"]


def test_a_photo_without_metric_counts_in_no_mean():
    def natural(niqe: float, dark: float) -> dict[str, float]:
        return {"niqe": niqe, "dark": dark}

    photos = [
        PhotoMetrics("a", {"input": natural(8.0, 0.9), "net": natural(4.0, 0.1)}),
        PhotoMetrics("b", {"input": natural(math.nan, 1.0), "net": natural(2.0, 0.0)}),
    ]
    means = image_quality.mean_metrics(photos)
    assert means == {"input": natural(8.0, 0.9), "net": natural(4.0, 0.1)}
    assert math.isnan(image_quality.mean_metrics(photos[1:])["input"]["niqe"])
