"""What an evaluation writes down."""

from __future__ import annotations

import contextlib
import csv
import json
import math
import shutil

import numpy as np
import pytest

from drgn_tf.errors import UserError
from drgn_tf.evaluation import image_quality, report


def test_table_has_a_line_for_each_row_and_says_what_is_better(metrics):
    lines = report.table(image_quality.mean_metrics(metrics)).splitlines()
    assert "(PSNR GT-mean) ↑" in lines[0]
    assert lines[1].startswith("input ")
    assert lines[2].startswith("net ")
    assert "uses the reference" in lines[3]
    assert f"{np.mean([photo.rows['input']['psnr'] for photo in metrics]):.3f}" in lines[1]
    assert report.table({"input": {"flip": 0.5, "dark": math.nan}}).split() == [
        "FLIP", "↓", "dark", "input", "0.5000", "-",
    ]  # fmt: skip


def test_csv_has_a_line_per_photo_and_row(metrics, tmp_path):
    report.save_metrics(metrics, tmp_path / "metrics.csv")
    with (tmp_path / "metrics.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["stem"], line["row"]) for line in lines] == [
        (f"view_{number}", row) for number in range(4) for row in ("input", "net")
    ]
    assert float(lines[5]["psnr"]) == pytest.approx(metrics[2].rows["net"]["psnr"], abs=1e-5)
    assert "ssim_gt_mean" in lines[0]


def test_json_has_null_for_what_is_no_number(tmp_path):
    report.save_results({"a": [math.nan, {"ж": (1.5,)}]}, tmp_path / "results.json")
    text = (tmp_path / "results.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"a": [None, {"ж": [1.5]}]}


def test_results_appear_together_or_not_at_all(tmp_path):
    folder = tmp_path / "out"
    with pytest.raises(UserError), report.results_folder(folder) as partial:
        (partial / report.PER_IMAGE).write_text("half")
        raise UserError("the third photo is damaged")
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
        pytest.raises(UserError, match=r"holds per_image\.csv of an earlier evaluation"),
        report.results_folder(folder),
    ):
        pass
    with report.results_folder(folder, overwrite=True) as partial:
        (partial / report.RESULTS).write_text("second")
    assert sorted(path.name for path in folder.iterdir()) == ["mine.txt", "results.json"]
    assert (folder / report.RESULTS).read_text() == "second"


@pytest.mark.parametrize("moment", range(8))
def test_results_that_were_complete_get_their_names_with_the_next_start(
    tmp_path, monkeypatch, moment
):
    class Killed(BaseException):
        pass

    def dies(call):
        def counted(*arguments, **keywords):
            if not calls.pop():
                raise Killed
            return call(*arguments, **keywords)

        return counted

    folder = tmp_path / "out"
    for text in ("first", "second"):
        calls = [] if text == "first" else [0, *[1] * moment]
        if text == "second":
            monkeypatch.setattr(report, "move", dies(report.move))
            monkeypatch.setattr(report.shutil, "rmtree", dies(report.shutil.rmtree))
        with (
            contextlib.suppress(Killed, IndexError),
            report.results_folder(folder, overwrite=True) as partial,
        ):
            for name in (report.PER_IMAGE, report.RESULTS)[text == "second" :]:
                (partial / name).write_text(text)
            report.save_photo(np.zeros((4, 4, 3), np.uint8), partial / f"enhanced/{text}.png")
    monkeypatch.undo()
    with pytest.raises(UserError, match="of an earlier evaluation"), report.results_folder(folder):
        pass
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    if moment == 0:
        assert found == {"per_image.csv", "results.json", "enhanced/first.png"}
    else:
        assert found == {"results.json", "enhanced/second.png"}


def test_what_others_put_in_place_of_results_stays(tmp_path):
    folder, victim = tmp_path / "out", tmp_path / "victim"
    for path in (folder, victim):
        path.mkdir()
    (victim / "results.json").write_text("mine")
    (folder / report.RESULTS).symlink_to(victim / "results.json")
    (folder / report.ENHANCED).symlink_to(victim)
    with report.results_folder(folder, overwrite=True) as partial:
        (partial / report.RESULTS).write_text("new")
        report.save_photo(np.zeros((4, 4, 3), np.uint8), partial / report.ENHANCED / "a.png")
    assert (folder / report.RESULTS).read_text() == "new"
    assert [path.name for path in (folder / report.ENHANCED).iterdir()] == ["a.png"]
    (folder / ".complete").symlink_to(victim)
    with (
        pytest.raises(UserError, match="choose another"),
        report.results_folder(folder, overwrite=True) as partial,
    ):
        (partial / report.RESULTS).write_text("newer")
    assert [path.name for path in victim.iterdir()] == ["results.json"]
    assert (victim / "results.json").read_text() == "mine"


def test_a_folder_in_place_of_a_file_stays(tmp_path):
    (tmp_path / report.RESULTS).mkdir()
    (tmp_path / report.RESULTS / "mine.txt").write_text("mine")
    with (
        pytest.raises(UserError, match=r"results\.json: is a folder, .* rename or remove it"),
        report.results_folder(tmp_path, overwrite=True),
    ):
        pass
    assert (tmp_path / report.RESULTS / "mine.txt").read_text() == "mine"


def test_names_that_are_no_utf_8_are_escaped(tmp_path):
    """As names of files may be; json reads the same name again."""
    report.save_results({"stem": "\udcff"}, tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"stem": "\udcff"}
    photo = image_quality.PhotoMetrics("\udcff", {"input": {"niqe": 5.0}})
    report.save_metrics([photo], tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8").splitlines()[1].startswith(r"\udcff,")


def test_results_that_were_removed_meanwhile_are_missed(tmp_path):
    folder = tmp_path / "out"
    with (
        pytest.raises(UserError, match="No such file"),
        report.results_folder(folder) as partial,
    ):
        shutil.rmtree(folder)
        report.save_photo(np.zeros((4, 4, 3), np.uint8), partial / report.ENHANCED / "a.png")
        (partial / report.RESULTS).write_text("half")
    assert not (folder / report.RESULTS).exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="choose another --output_dir"),
        report.results_folder(tmp_path / "file" / "out"),
    ):
        pass


def test_a_run_is_identified(driver, tiny_file):
    run = report.describe_run([driver], "python eval_main.py")
    assert run["models"][0]["name"] == tiny_file.name
    assert len(run["models"][0]["sha256"]) == 64
    assert run["command"] == "python eval_main.py"
    assert {"python", "drgn-tf", "tensorflow", "keras", "numpy"} <= run["versions"].keys()
