from __future__ import annotations

import json
from contextlib import nullcontext

import numpy as np
import pytest
from helpers import raises_one_line, random_pose

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.preparation.object_infos import bounding_box
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
    for largest in [81_336, 81_336, 21, -2] * 20:  # the last but one: ids as those of vertices
        segments = rng.choice([0, 3, 7, largest, 12, 19, 5], rng.integers(0, 60))
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


MATRIX = random_pose(np.random.default_rng(1))
NUMBERS = " ".join(map(repr, MATRIX.ravel().tolist()))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_axis_alignment_is_found_among_the_keys(tmp_path, end):
    path = tmp_path / "s.txt"
    lines = ["axisAlignmentOld = 1", f"axisAlignment = {NUMBERS} ", "colorHeight = 968", ""]
    path.write_bytes(end.join(lines).encode())
    np.testing.assert_array_equal(annotations.read_axis_alignment(path), MATRIX)
    path.write_bytes(b"\xef\xbb\xbf" + lines[1].encode())  # as an editor of Windows saves it
    np.testing.assert_array_equal(annotations.read_axis_alignment(path), MATRIX)
    path.write_bytes(end.join(lines[2:]).encode() + b"sceneType = caf\xe9")  # test scenes have none
    assert annotations.read_axis_alignment(path) is None
    six_digits = " ".join(f"{number:.6f}" for number in MATRIX.ravel())  # as ScanNet writes them
    path.write_text(f"axisAlignment = {six_digits}\n")
    np.testing.assert_allclose(annotations.read_axis_alignment(path), MATRIX, atol=1e-6)


@pytest.mark.parametrize("text", ["", "\n", "Not Found", "<html lang='en'>\n<p>404</p></html>"])
def test_a_file_that_is_no_text_of_a_scene_is_not_taken_for_the_identity(tmp_path, text):
    (tmp_path / "s.txt").write_text(text)
    with raises_one_line(BadDataError, tmp_path / "s.txt", "download the scene again"):
        annotations.read_axis_alignment(tmp_path / "s.txt")


@pytest.mark.parametrize(
    "value", ["", "1 2 3", NUMBERS + " 1", NUMBERS.rsplit(" ", 1)[0], NUMBERS.replace(" ", ","),
              "x " * 16, "nan " * 16, "inf " * 16, "1 " * 15 + "1e999", "1 " * 16, "0 " * 16,
              " ".join(map(str, MATRIX.T.ravel())), " ".join(map(str, 2 * MATRIX.ravel())),
              "1 0 0 0 0 1 0 0 0 0 -1 0 0 0 0 1", "1e300 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1"],
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


def test_a_label_table_is_read_with_the_mark_of_its_editor_and_with_rows_twice(tmp_path, caplog):
    path = tmp_path / "l.tsv"
    rows = [HEAD, "1\twall\tx\t9\t1\t2", "1\twall\tx\t9\t1\t2"]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode())
    assert annotations.read_label_table(path) == {"wall": 1}
    assert not caplog.messages
    path.write_text("\n".join([*rows, "1\twall\tx\t9\t7\t2"]))
    assert annotations.read_label_table(path) == {"wall": 7}
    assert len(caplog.messages) == 1 and str(path) in caplog.text and "'wall'" in caplog.text


def test_the_table_of_2017_is_refused_by_naming_the_one_that_is_wanted(tmp_path):
    path = tmp_path / "l.tsv"
    path.write_text("index\tcategory\tcount\tnyuId\tnyu40id\teigen13id\n1\twall\t9\t21\t1\t12\n")
    words = ("2017", "no column raw_category", "scannetv2-labels.combined.tsv", "README.md")
    with raises_one_line(BadDataError, path, *words):
        annotations.read_label_table(path)
    path.write_text("a,b\n1,2\n")
    with raises_one_line(BadDataError, path, "no column raw_category and no nyu40id"):
        annotations.read_label_table(path)


def test_labels_are_found_whatever_their_capitals_and_the_blanks_around_them():
    table = {"tv": 25, "TV stand": 3, "chair": 5, "Chair": 40}
    labels = ("tv", "TV", " tv\n", "TV stand", "chair ", "Chair", "CHAIR", "tv  stand", "")
    found = [annotations.nyu40_id(table, label) for label in labels]
    assert found == [25, 25, 25, 3, 5, 40, 5, None, None]


ORIGINS = {  # what a file says of itself -> words of the refusal, none where it is fine
    "new": ({"sceneId": "scannet.scene0000_00",
             "segmentsFile": "scannet.scene0000_00_vh_clean_2.0.010000.segs.json"}, ""),
    "old": ({"sceneId": "scene0000_00",
             "segmentsFile": "scene0000_00_vh_clean_2.0.010000.segs.json"}, ""),
    "a path": ({"segmentsFile": "scans/scene0000_00/scene0000_00_vh_clean_2.segs.json"}, ""),
    "nothing": ({}, ""),
    "odd": ({"sceneId": 5, "segmentsFile": None}, ""),
    "words": ({"sceneId": "my kitchen"}, ""),
    "full mesh": ({"segmentsFile": "scannet.scene0000_00_vh_clean.segs.json"}, "full mesh"),
    "full mesh by id": ({"sceneId": "scene0000_00_vh_clean"}, "full mesh"),
    "other scene": ({"sceneId": "scannet.scene0000_01"}, "is of scene0000_01"),
    "other segments": ({"segmentsFile": "scene0011_00_vh_clean_2.segs.json"}, "is of scene"),
}  # fmt: skip


@pytest.mark.parametrize("name", ORIGINS)
def test_annotations_that_say_they_are_of_another_scene_or_mesh_are_refused(tmp_path, name):
    stated, words = ORIGINS[name]
    for suffix, content, read in (
        (".aggregation.json", {"segGroups": [group(0, "a", [1])]}, annotations.read_objects),
        ("_vh_clean_2.0.010000.segs.json", {"segIndices": [1]}, annotations.read_segments),
    ):
        path = tmp_path / f"scene0000_00{suffix}"
        path.write_text(json.dumps(content | stated))
        with raises_one_line(BadDataError, path, words) if words else nullcontext():
            assert len(read(path)) == 1
        renamed = path.rename(tmp_path / f"my_kitchen{suffix}")  # the user's own name for it
        if "full" not in words:
            assert len(read(renamed)) == 1


def test_an_object_that_is_there_twice_the_same_is_one(objects_of):
    """As in one scene of the real data, whose annotation stands in its file twice."""
    groups = [group(0, "chair", [1, 2]), group(1, "wall", [3])]
    assert objects_of([*groups, *groups]) == objects_of(groups)
    assert [item.object_id for item in objects_of([group(7, "a", [1]), group(3, "b", [2])])] == [
        7,
        3,
    ]


@pytest.mark.parametrize(
    ("segments", "refused"),
    [
        ([], False), ([[1]], False), ([[9]], True), ([[]], True), ([[1], [9]], False),
        ([[9], [9]], True), ([[1], [2], [9]], False), ([[1], [9], []], True),
        ([[1, 9]] * 9, False), ([[1]] * 7 + [[9], [8]], False), ([[1]] * 4 + [[9], [8]], True),
    ],
)  # fmt: skip
def test_objects_of_another_mesh_are_refused_from_a_third_on(tmp_path, segments, refused):
    objects = [AnnotatedObject(k, "x", tuple(mine)) for k, mine in enumerate(segments)]
    expected = raises_one_line(BadDataError, tmp_path, "another mesh", "download")
    with expected if refused else nullcontext():
        annotations.check_fit(np.array([1, 1, 2, 3]), objects, tmp_path)


def test_boxes_bound_their_points_and_no_points_give_a_zero_box():
    points = np.random.default_rng(2).normal(size=(50, 6))
    box = bounding_box(points, 7)
    np.testing.assert_allclose(box[:3] - box[3:6] / 2, points[:, :3].min(axis=0))
    np.testing.assert_allclose(box[:3] + box[3:6] / 2, points[:, :3].max(axis=0))
    assert box[6] == 7
    assert bounding_box(points[:0], 7).tolist() == [0, 0, 0, 0, 0, 0, 7]
    assert bounding_box(points[:1], 7)[3:].tolist() == [0, 0, 0, 7]
