from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import raises_one_line, random_rotation

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.arkitscenes_utils import boxes
from spatial_engine.utils.arkitscenes_utils.boxes import Box, read_boxes, vertices_in_boxes


def item(label="chair", center=(1.2, -0.4, 0.45), lengths=(0.5, 0.6, 0.9), axes=None, **more):
    axes = [0.8, 0.6, 0, -0.6, 0.8, 0, 0, 0, 1] if axes is None else axes
    box = {"centroid": [*center], "axesLengths": [*lengths], "normalizedAxes": [*axes]}
    return {"uid": "a", "label": label, "objectId": 1, "segments": {"obbAligned": box}, **more}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "41069021_3dod_annotation.json"


def write(path, *items, **more):
    path.write_text(json.dumps({"data": [*items], "skipped": False, "stats": {}} | more))


def test_a_box_has_its_axes_in_rows(path):
    write(path, item())
    (box,) = read_boxes(path)
    assert box.label == "chair" and box.volume == pytest.approx(0.27)
    # The first axis is (0.8, 0.6, 0), half as long as the box is wide.
    steps = np.array([(0.8, 0.6, 0), (0.8, 0.6, 0), (0.8, -0.6, 0)])
    points = box.center + np.array([[0.249], [0.26], [0.28]]) * steps
    assert vertices_in_boxes(points, [box]).tolist() == [1, 0, 1]


def test_objects_are_numbered_by_their_position(path):
    write(path, item("a"), item("b"), item("a"))
    assert [box.label for box in read_boxes(path)] == ["a", "b", "a"]


@pytest.mark.parametrize("label, expected", [
    ("tv monitor", "tv_monitor"), ("tv/monitor", "tv_monitor"), ("tv-monitor", "tv_monitor"),
    ("tv_monitor", "tv_monitor"), ("side table - set", "side_table___set"), ("", ""),
    ("Küche", "Küche"),
])  # fmt: skip
def test_words_of_a_label_are_joined(path, label, expected):
    write(path, item(label))
    assert read_boxes(path)[0].label == expected


def test_skipped_and_empty(path):
    write(path, item(), skipped=True)
    assert read_boxes(path) == []
    write(path)
    assert read_boxes(path) == []
    path.write_text('{"data": []}')
    assert read_boxes(path) == []


def test_points_are_in_boxes_as_a_plain_search_finds():
    rng = np.random.default_rng(0)
    points = rng.uniform(-2, 2, (2000, 3))
    found = [
        Box("x", rng.uniform(-1, 1, 3), rng.uniform(0.2, 2, 3), random_rotation(rng))
        for _ in range(8)
    ]
    owners = vertices_in_boxes(points, found)
    assert owners.dtype == np.int32
    for point, owner in zip(points, owners, strict=True):
        holding = [
            (box.lengths.prod(), number + 1)
            for number, box in enumerate(found)
            if (np.abs([(point - box.center) @ axis for axis in box.axes]) <= box.lengths / 2).all()
        ]
        assert owner == (min(holding)[1] if holding else 0)
    assert len(set(owners.tolist())) > 5


def test_of_equal_boxes_the_first_counts_and_faces_are_within():
    same = Box("x", np.zeros(3), np.ones(3), np.eye(3))
    points = np.array([[0.5, -0.5, 0.5], [0.0, 0, 0], [0.5001, 0, 0]])
    assert vertices_in_boxes(points, [same, same]).tolist() == [1, 1, 0]
    flat = Box("flat", np.zeros(3), np.array([1.0, 1, 0]), np.eye(3))
    assert vertices_in_boxes(points, [same, flat]).tolist() == [1, 2, 0]
    assert vertices_in_boxes(np.zeros((0, 3)), [same]).tolist() == []
    assert vertices_in_boxes(points, []).tolist() == [0, 0, 0]


def broken(**change):
    """An item with another value in its box."""
    changed = item()
    changed["segments"]["obbAligned"].update(change)
    return changed


@pytest.mark.parametrize(
    "wrong, words",
    [
        (5, "'label' is missing"),
        ({"label": 5}, "'label'"),
        ({"label": "a"}, "'segments'"),
        (item(segments=[]), "'segments'"),
        (item(segments={"obb": {}}), "'obbAligned'"),
        (item("\ud800"), "label of object 0 is not text"),
        (broken(centroid=[1, 2]), "centroid of object 0 is not 3 numbers"),
        (broken(centroid=[1, 2, "3"]), "centroid"),
        (broken(centroid=[1, 2, True]), "centroid"),
        (broken(centroid=[1, 2, float("nan")]), "centroid"),
        (broken(axesLengths=[1, 2, 1e400]), "axesLengths"),
        (broken(axesLengths=[1, 2, 10**400]), "axesLengths"),
        (broken(axesLengths=[1, 2, -1]), "negative size"),
        (broken(axesLengths=None), "'axesLengths'"),
        (broken(normalizedAxes=[[1, 0, 0], [0, 1, 0], [0, 0, 1]]), "normalizedAxes"),
        (broken(normalizedAxes=[1.0, 1, 0, 0, 1, 0, 0, 0, 1]), "perpendicular"),
        (broken(normalizedAxes=[2.0, 0, 0, 0, 2, 0, 0, 0, 2]), "length one"),
        (broken(normalizedAxes=[0.0] * 9), "length one"),
    ],
)
def test_what_is_no_box_is_refused(path, wrong, words):
    write(path, wrong)
    with raises_one_line(BadDataError, path, words, "download the video again"):
        read_boxes(path)


@pytest.mark.parametrize(
    "content, words",
    [
        ("", "is empty"),
        ("[]", "holds no json object"),
        ("5", "holds no json object"),
        ("{}", "'data' is missing"),
        ('{"data": {}}', "'data' is missing"),
        ('{"segGroups": []}', "'data' is missing"),
        ("{", "not json"),
        ("[" * 100_000, "not json"),
        ('{"data": ' + "[" * 100_000, "not json"),
        ('{"data": [' + "9" * 10_000 + "]}", "not json"),
        ("<html>", "web page"),
    ],
)
def test_what_is_no_annotation_is_refused(path, content, words):
    path.write_text(content)
    with raises_one_line(BadDataError, path, words):
        read_boxes(path)


def test_an_annotation_larger_than_any_is_refused_unread(path):
    path.write_text('{"data": [' + "[]," * (boxes.MAX_JSON_BYTES // 3) + "[]]}")
    with raises_one_line(BadDataError, path, "more than 8,388,608 bytes"):
        read_boxes(path)
    write(path, *[item()] * (boxes.MAX_BOXES + 1))
    with raises_one_line(BadDataError, path, "1,001 boxes, of 1,000 at most"):
        read_boxes(path)
    path.unlink()
    with raises_one_line(MissingFileError, path):
        read_boxes(path)
