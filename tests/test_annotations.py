from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.scannet_utils import annotations
from spatial_engine.utils.scannet_utils.annotations import AnnotatedObject


def group(object_id, label, segments, **more) -> dict:
    return {"id": object_id, "objectId": object_id, "label": label, "segments": segments, **more}


@pytest.fixture
def objects_of(tmp_path):
    """Reads the objects of an aggregation file with the given content."""

    def read(content):
        path = tmp_path / "s.aggregation.json"
        if isinstance(content, list):
            content = {"sceneId": "s", "appId": "old", "segGroups": content}
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        path.write_bytes(data)
        return annotations.read_objects(path)

    return read


def test_objects_of_one_label_keep_segments_of_their_own(objects_of):
    """The classic bug: one list of segments for all objects of a label."""
    groups = [group(k, "cabinet", [10 * k, 10 * k + 1]) for k in range(8)]
    groups.insert(3, group(8, "wall", [500]))
    found = objects_of(groups)
    assert [item.object_id for item in found] == [0, 1, 2, 8, 3, 4, 5, 6, 7]  # order of the file
    for item in found:
        own = [500] if item.object_id == 8 else [10 * item.object_id, 10 * item.object_id + 1]
        assert list(item.segments) == own
        assert item.raw_category == ("wall" if item.object_id == 8 else "cabinet")


def test_a_scene_without_objects_has_none(objects_of):
    assert objects_of([]) == []


BAD_OBJECTS = {
    "not json": b"{", "empty": b"", "not utf-8": b'{"segGroups": "\xff"}', "a list": b"[]",
    "a number": b"5", "null": b"null", "too deep": b"[" * 100_000, "no groups": {"sceneId": "s"},
    "vast number": b'{"segGroups": [' + b"9" * 9000 + b"]}",
    "groups are a dict": {"segGroups": {}}, "group is a number": [5], "group is null": [None],
    "no objectId": [{"label": "a", "segments": []}], "text id": [group("1", "a", [])],
    "bool id": [group(True, "a", [])], "float id": [group(1.0, "a", [])],
    "negative id": [group(-1, "a", [])], "vast id": [group(10**12, "a", [])],
    "no label": [{"objectId": 0, "segments": []}], "label is null": [group(0, None, [])],
    "segments are text": [group(0, "a", "12")], "segments are null": [group(0, "a", None)],
    "segment is text": [group(0, "a", [1, "2"])], "segment is a list": [group(0, "a", [[1]])],
    "segment is a float": [group(0, "a", [1.5])], "segment is null": [group(0, "a", [None])],
    "id twice": [group(4, "a", [1]), group(4, "b", [2])],
    "half a character": [group(0, "a\ud800", [1])],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_OBJECTS)
def test_malformed_aggregations_are_named(objects_of, tmp_path, name):
    with raises_one_line(BadDataError, tmp_path / "s.aggregation.json"):
        objects_of(BAD_OBJECTS[name])


def test_segments_are_read_as_they_are(tmp_path):
    path = tmp_path / "s.segs.json"
    for values in ([], [0], [81_336, 5, 5, 0, 2**40]):
        path.write_text(json.dumps({"params": {}, "sceneId": "s", "segIndices": values}))
        found = annotations.read_segments(path)
        assert (found.dtype, found.tolist()) == (np.int64, values)


@pytest.mark.parametrize(
    "values",
    [None, "12", {}, 5, ["1"], [1.0], [1, 2.5], [[1], [2]], [[1], [2, 3]], [None], [1, None],
     [True, False], [10**30], [2**64 - 1]],
    ids=str,
)  # fmt: skip
def test_segments_that_are_not_whole_numbers_are_refused(tmp_path, values):
    path = tmp_path / "s.segs.json"
    path.write_text(json.dumps({"segIndices": values}))
    with raises_one_line(BadDataError, path):
        annotations.read_segments(path)


def test_missing_files_are_named(tmp_path):
    path = tmp_path / "none"
    for read in (
        annotations.read_objects,
        annotations.read_segments,
        annotations.read_axis_alignment,
    ):
        with raises_one_line(BadDataError, path, "no such file"):
            read(path)
    with raises_one_line(MissingInputError, path, "README.md"):
        annotations.read_label_table(path)


def test_every_vertex_belongs_to_the_last_object_that_claims_its_segment():
    rng = np.random.default_rng(0)
    for _ in range(30):
        segments = rng.choice([0, 3, 7, 81_336, 12, 99, 5], rng.integers(0, 60))
        objects = [
            AnnotatedObject(int(k), "x", tuple(rng.choice([0, 3, 7, 12, 81_336, 4], 2).tolist()))
            for k in rng.permutation(6)
        ]
        expected = []
        for segment in segments.tolist():
            claims = [item.object_id + 1 for item in objects if segment in item.segments]
            expected.append(claims[-1] if claims else 0)
        found = annotations.instance_ids(segments.astype(np.int64), objects)
        assert (found.dtype, found.tolist()) == (np.int32, expected)
    assert annotations.instance_ids(np.array([1, 2]), []).tolist() == [0, 0]


MATRIX = np.random.default_rng(1).normal(size=(4, 4))
NUMBERS = " ".join(map(repr, MATRIX.ravel().tolist()))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_axis_alignment_is_found_among_the_keys(tmp_path, end):
    path = tmp_path / "s.txt"
    lines = ["axisAlignmentOld = 1", f"axisAlignment = {NUMBERS} ", "colorHeight = 968", ""]
    path.write_bytes(end.join(lines).encode())
    np.testing.assert_array_equal(annotations.read_axis_alignment(path), MATRIX)
    path.write_bytes(end.join(lines[2:]).encode() + b"sceneType = caf\xe9")  # test scenes have none
    np.testing.assert_array_equal(annotations.read_axis_alignment(path), np.eye(4))


@pytest.mark.parametrize(
    "value", ["", "1 2 3", NUMBERS + " 1", NUMBERS.rsplit(" ", 1)[0], NUMBERS.replace(" ", ","),
              "x " * 16, "nan " * 16, "inf " * 16, "1 " * 15 + "1e999"],
)  # fmt: skip
def test_a_broken_axis_alignment_is_refused(tmp_path, value):
    (tmp_path / "s.txt").write_text(f"axisAlignment = {value}\n")
    with raises_one_line(BadDataError, tmp_path / "s.txt"):
        annotations.read_axis_alignment(tmp_path / "s.txt")


HEAD = "id\traw_category\tcategory\tcount\tnyu40id\teigen13id"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_label_table_gives_the_nyu40_id_of_each_category(tmp_path, end):
    path, rows = (
        tmp_path / "labels.tsv",
        {"wall": 1, "kitchen cabinet": 3, "café's": 40, '24" monitor': 38},
    )
    lines = [f"{k}\t{name}\tx\t9\t{number}\t2" for k, (name, number) in enumerate(rows.items())]
    path.write_bytes((end.join([HEAD, *lines, "8\tnone\tx\t1\t\t"]) + end).encode())
    assert annotations.read_label_table(path) == {**rows, "none": 0}


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xfe", HEAD.encode(), b"a\tb\n1\t2\n", b"raw_category\nwall\n",
             HEAD.encode() + b"\n1\twall\tx\t9\tone\t2\n", b"raw_category,nyu40id\nwall,1\n",
             b"nyu40id\traw_category\n5\n", HEAD.encode() + b"\n1\twall\tx\t9\t-1\t2\n",
             HEAD.encode() + b"\n1\twall\tx\t9\t4294967296\t2\n"],
)  # fmt: skip
def test_a_file_that_is_not_the_label_table_is_refused(tmp_path, data):
    (tmp_path / "l.tsv").write_bytes(data)
    with raises_one_line(BadDataError, tmp_path / "l.tsv"):
        annotations.read_label_table(tmp_path / "l.tsv")


def test_boxes_bound_their_points_and_no_points_give_a_zero_box():
    points = np.random.default_rng(2).normal(size=(50, 6))
    box = annotations.bounding_box(points, 7)
    np.testing.assert_allclose(box[:3] - box[3:6] / 2, points[:, :3].min(axis=0))
    np.testing.assert_allclose(box[:3] + box[3:6] / 2, points[:, :3].max(axis=0))
    assert box[6] == 7
    assert annotations.bounding_box(points[:0], 7).tolist() == [0, 0, 0, 0, 0, 0, 7]
    assert annotations.bounding_box(points[:1], 7)[3:].tolist() == [0, 0, 0, 7]
