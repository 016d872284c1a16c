"""Figures of photos, means of them, and what is written down."""

from __future__ import annotations

import csv
import json
import math

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from drgn_tf.data import DataError
from drgn_tf.data.pairs import find_pairs
from drgn_tf.files import NotWrittenError
from drgn_tf.inference import evaluation
from drgn_tf.inference import evaluation_report as report
from drgn_tf.inference.evaluation import Naturalness, PhotoFigures, Similarity


def brighten(pixels: np.ndarray) -> np.ndarray:
    """Undoes what darkened the pairs, but for rounding."""
    return np.round(255 * np.clip(pixels / 255 / 0.6, 0, 1) ** (1 / 2.5)).astype(np.uint8)


@pytest.fixture
def pairs(pair_folder):
    return find_pairs(pair_folder)


@pytest.fixture
def figures(pairs):
    return list(evaluation.evaluate_pairs(brighten, pairs))


def test_similarity_is_tensorflows(dark, photo):
    low, high = dark[100:196, 100:228], photo[100:196, 100:228]
    figures = evaluation.similarity(low, high)
    images = [tf.constant(x[np.newaxis] / 255, tf.float32) for x in (low, high)]
    assert figures.psnr == pytest.approx(float(tf.image.psnr(*images, 1.0)[0]), abs=1e-4)
    assert figures.ssim == pytest.approx(float(tf.image.ssim(*images, 1.0)[0]), abs=1e-4)
    grey = [x @ np.array([[0.299], [0.587], [0.114]], np.float32) for x in images]
    assert figures.psnr_luma == pytest.approx(float(tf.image.psnr(*grey, 1.0)[0]), abs=1e-3)
    assert figures.ssim_luma == pytest.approx(float(tf.image.ssim(*grey, 1.0)[0]), abs=1e-4)


def test_gt_mean_forgives_brightness_and_nothing_else(photo):
    high = photo[100:196, 100:228]
    dimmed = evaluation.similarity((high // 2).astype(np.uint8), high)
    assert dimmed.psnr < 15
    assert dimmed.psnr_gt_mean > 45
    assert evaluation.similarity(high[:, ::-1], high).psnr_gt_mean < 20


def test_the_input_is_measured_beside_the_result(pairs, figures):
    assert [photo.stem for photo in figures] == [pair.stem for pair in pairs]
    for pair, photo in zip(pairs, figures):
        low, high = evaluation.read_pair(pair)
        assert photo.input == evaluation.similarity(low, high)
        assert photo.enhanced == evaluation.similarity(brighten(low), high)
        assert photo.enhanced.psnr > photo.input.psnr + 10


def test_every_enhanced_photo_can_be_kept(pairs):
    kept = {}
    list(evaluation.evaluate_pairs(brighten, pairs, kept.__setitem__))
    low, _ = evaluation.read_pair(pairs[1])
    assert list(kept) == [pair.stem for pair in pairs]
    np.testing.assert_array_equal(kept["view_1"], brighten(low))


def test_formats_and_depths_may_differ(tmp_path, photo):
    import cv2

    (tmp_path / "low").mkdir()
    (tmp_path / "high").mkdir()
    crop = photo[100:148, 100:164]
    Image.fromarray(crop).save(tmp_path / "low" / "a.bmp")
    cv2.imwrite(str(tmp_path / "high" / "a.png"), crop[..., ::-1].astype(np.uint16) * 257)
    (result,) = evaluation.evaluate_pairs(lambda pixels: pixels, find_pairs(tmp_path))
    assert result.input.psnr == pytest.approx(100)
    assert result.enhanced.ssim == pytest.approx(1, abs=1e-4)


def test_a_pair_of_two_sizes_is_named(pair_folder):
    Image.new("RGB", (64, 40)).save(pair_folder / "low" / "view_1.png")
    with pytest.raises(DataError, match=r"view_1\.png: is 64x48 pixels but .*is 64x40"):
        list(evaluation.evaluate_pairs(brighten, find_pairs(pair_folder)))


def test_photos_without_reference(tmp_path, dark):
    path = tmp_path / "dark.png"
    Image.fromarray(dark[:192, :192]).save(path)
    (result,) = evaluation.evaluate_unpaired(brighten, [path])
    assert result.input.niqe != result.enhanced.niqe
    Image.fromarray(dark[:100, :150]).save(path)
    with pytest.raises(DataError, match=r"dark\.png: is 150x100 pixels; NIQE needs two blocks"):
        list(evaluation.evaluate_unpaired(brighten, [path]))


def photo_of(stem: str, psnr: float) -> PhotoFigures:
    figures = Similarity(psnr, 0.5, psnr, 0.5, psnr, 0.5)
    return PhotoFigures(stem, figures, figures)


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
    chosen = evaluation.best_median_worst(photos)
    assert {name: photo.stem for name, photo in chosen.items()} == expected
    assert list(chosen) == list(expected)


def test_means_are_over_photos(figures):
    means = evaluation.mean_figures(figures)
    expected = np.mean([photo.enhanced.psnr for photo in figures])
    assert means["enhanced"]["psnr"] == pytest.approx(expected)
    assert means["input"]["ssim"] < means["enhanced"]["ssim"]


def test_a_photo_without_figure_counts_in_neither_mean():
    photos = [
        PhotoFigures("a", Naturalness(8.0), Naturalness(4.0)),
        PhotoFigures("b", Naturalness(math.nan), Naturalness(2.0)),
    ]
    means = evaluation.mean_figures(photos)
    assert means == {"input": {"niqe": 8.0}, "enhanced": {"niqe": 4.0}}
    assert math.isnan(evaluation.mean_figures(photos[1:])["input"]["niqe"])


def test_table_shows_input_and_model_and_says_what_uses_the_reference(figures):
    lines = report.table(evaluation.mean_figures(figures), "net.onnx").splitlines()
    assert "(PSNR GT-mean)" in lines[0]
    assert lines[1].startswith("input ")
    assert lines[2].startswith("net.onnx ")
    assert "using the reference" in lines[3]
    assert f"{np.mean([photo.input.psnr for photo in figures]):.3f}" in lines[1]


def test_csv_has_a_line_per_photo(figures, tmp_path):
    report.save_figures(figures, tmp_path / "figures.csv")
    with (tmp_path / "figures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["stem"] for row in rows] == ["view_0", "view_1", "view_2", "view_3"]
    assert float(rows[2]["enhanced_psnr"]) == pytest.approx(figures[2].enhanced.psnr, abs=1e-5)
    assert "input_ssim_gt_mean" in rows[0]


def test_json_has_null_for_what_is_no_number(tmp_path):
    report.save_results({"a": [math.nan, {"ж": (1.5,)}]}, tmp_path / "results.json")
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [None, {"ж": [1.5]}]}


def test_contact_sheet_takes_photos_of_any_size_and_name(tmp_path, dark, photo):
    rows = [
        ("best: $1_2$ 夜", (dark, photo, photo.astype(np.uint16) * 257)),
        ("worst: b", (dark[:20, :900], photo[:20], photo[:20])),
    ]
    report.save_contact_sheet(rows, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 1200
        # Something dark and something bright in it.
        extremes = np.asarray(sheet.convert("L"))
    assert extremes.min() < 40
    assert extremes.max() == 255


def test_results_appear_together_or_not_at_all(tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(DataError), report.results_folder(folder) as partial:
        (partial / report.PER_IMAGE).write_text("half")
        raise DataError("the third photo is damaged")
    assert list(folder.iterdir()) == []
    with report.results_folder(folder) as partial:
        (partial / report.PER_IMAGE).write_text("first")
        (partial / report.RESULTS).write_text("first")
        report.save_photo(np.zeros((4, 4, 3), np.uint8), partial / report.ENHANCED / "a.png")
    assert sorted(path.name for path in folder.iterdir()) == [
        "enhanced", "per_image.csv", "results.json",
    ]  # fmt: skip


def test_results_are_replaced_only_when_asked_and_wholly(tmp_path):
    folder = tmp_path / "out"
    with report.results_folder(folder) as partial:
        for name in (report.PER_IMAGE, report.RESULTS):
            (partial / name).write_text("first")
        report.save_photo(np.zeros((4, 4, 3), np.uint8), partial / report.ENHANCED / "a.png")
    (folder / "mine.txt").write_text("stays")
    with (
        pytest.raises(NotWrittenError, match=r"holds per_image\.csv of an earlier evaluation"),
        report.results_folder(folder),
    ):
        pass
    with report.results_folder(folder, overwrite=True) as partial:
        (partial / report.RESULTS).write_text("second")
    assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", "results.json"]
    assert (folder / report.RESULTS).read_text() == "second"


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(NotWrittenError, match="choose another --output_dir"),
        report.results_folder(tmp_path / "file" / "out"),
    ):
        pass


def test_a_run_is_identified(driver, tiny_file):
    run = report.describe_run(driver, "python eval_main.py")
    assert run["model"]["file"] == tiny_file.name
    assert len(run["model"]["sha256"]) == 64
    assert run["command"] == "python eval_main.py"
    assert {"python", "drgn-tf", "tensorflow", "keras", "numpy"} <= run["versions"].keys()
