"""Mesh and objects of a ScanNet++ scene."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import raises_one_line
from scannetpp.hand_room import SCENE, hand_room

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.sample_data.captures import scannetpp
from spatial_engine.sample_data.captures.scannetpp import EXTRACTED, Quirks
from spatial_engine.utils.scannetpp_utils import scan
from spatial_engine.utils.scannetpp_utils.label_map import read_label_map
from spatial_engine.utils.scannetpp_utils.scan import read_mesh

ROOM = hand_room(1)


@pytest.fixture
def scene(tmp_path):
    def write(**quirks) -> Path:
        folder = tmp_path / SCENE
        scannetpp.write(ROOM, folder, Quirks(color=EXTRACTED, depth=EXTRACTED, **quirks))
        return folder

    return write


@pytest.fixture
def mesh_of(scene):
    """Reads the mesh of the room with other groups, of (objectId, label, segments)."""

    def read(groups, segments=None, labels=None):
        folder = scene()
        content = [{"objectId": n, "label": text, "segments": s} for n, text, s in groups]
        (folder / "scans" / "segments_anno.json").write_text(json.dumps({"segGroups": content}))
        if segments is not None:
            (folder / "scans" / "segments.json").write_text(json.dumps({"segIndices": segments}))
        return read_mesh(folder, labels)

    return read


def named(mesh) -> list[tuple[int, str]]:
    return [(item.object_id, item.label) for item in mesh.objects]


def test_the_mesh_is_the_room(scene):
    mesh = read_mesh(scene())
    np.testing.assert_array_equal(mesh.points, np.hstack([ROOM.vertices, ROOM.colors]))
    np.testing.assert_array_equal(mesh.instances, ROOM.instances)
    assert mesh.points.dtype == np.float64 and mesh.instances.dtype == np.int32
    assert named(mesh) == [(0, "wall"), (1, "office chair"), (2, "cup")]


def test_of_several_objects_the_one_with_the_fewest_vertices_has_a_vertex(scene):
    """The wall also claims the cup's vertices: 65 to 5."""
    folder = scene(shared_vertices=True)
    groups = json.loads((folder / "scans" / "segments_anno.json").read_text())["segGroups"]
    assert set(groups[2]["segments"]) < set(groups[0]["segments"])
    np.testing.assert_array_equal(read_mesh(folder).instances, ROOM.instances)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_neither_order_nor_id_decides_whose_a_vertex_is(mesh_of, order):
    groups = [
        (1, "table", [*range(0, 40)]), (2, "plate", [*range(30, 36)]), (3, "fork", [34, 35, 36]),
    ]  # fmt: skip
    instances = mesh_of([groups[k] for k in order]).instances
    assert instances[:30].tolist() == [1] * 30 and instances[36:40].tolist() == [3, 1, 1, 1]
    assert instances[30:36].tolist() == [2, 2, 2, 2, 3, 3] and not instances[40:].any()


def test_of_equal_objects_the_later_one_has_a_vertex(mesh_of):
    instances = mesh_of([(1, "a", [1, 2]), (2, "b", [2, 3])]).instances
    assert instances[:5].tolist() == [0, 1, 2, 2, 0]


def test_size_is_counted_in_vertices_not_in_segments(mesh_of):
    """Segments are no vertices: 0-89 are of segment 7000, the rest of one each."""
    segments = [7000] * 90 + [5, 6, 3, 2, 1, 9, 11, 12, 13, 14]
    groups = [(1, "one segment", [7000, 5]), (2, "many", [5, 6, 3, 2, 1])]
    instances = mesh_of(groups, segments).instances
    assert instances.tolist() == [1] * 90 + [2] * 5 + [0] * 5


def test_removed_objects_are_none_and_move_no_other_id(scene):
    folder = scene(removed=True)
    mesh = read_mesh(folder)
    np.testing.assert_array_equal(mesh.instances, ROOM.instances)
    assert named(mesh) == [(0, "wall"), (1, "office chair"), (2, "cup")]


def test_ids_are_places_in_the_order_of_the_ids_of_the_file(mesh_of):
    groups = [(40, "d", [3]), (2, "b", [1]), (7, "remove", [2]), (1, "a", [0])]
    mesh = mesh_of(groups)
    assert named(mesh) == [(0, "a"), (1, "b"), (3, "d")]
    assert mesh.instances[:5].tolist() == [1, 2, 0, 4, 0]


def test_labels_are_mapped_only_if_told(mesh_of, tmp_path):
    rows = [("office chair", "chair", "chair"), ("blinds", "None", "None"), ("door", "", "None"),
            ("chair", "seat", "seat")]  # fmt: skip
    scannetpp.write_label_map(tmp_path, rows)
    labels = read_label_map(tmp_path / "metadata" / "semantic_benchmark" / "map_benchmark.csv")
    assert labels == {"office chair": "chair", "blinds": None, "chair": "seat"}
    groups = [(1, "office chair", [0]), (2, "blinds", [1]), (3, "door", [2]), (4, "lamp", [3])]
    mesh = mesh_of(groups, labels=labels)
    assert named(mesh) == [(0, "chair"), (2, "door"), (3, "lamp")]  # one step only
    assert mesh.instances[:4].tolist() == [1, 0, 3, 4]


def test_a_dropped_object_does_not_take_vertices_of_others(mesh_of):
    groups = [(1, "wall", [*range(50)]), (2, "poster", [3, 4])]
    assert mesh_of(groups, labels={"poster": None}).instances[:6].tolist() == [1] * 6


def test_anonymised_vertices_are_left_out(scene):
    mesh = read_mesh(scene(hidden_vertices=(0, 61, 99)))
    kept = np.delete(np.arange(100), [0, 61, 99])
    np.testing.assert_array_equal(mesh.points[:, :3], ROOM.vertices[kept])
    np.testing.assert_array_equal(mesh.instances, ROOM.instances[kept])


def test_a_scan_without_annotation_has_no_objects(scene):
    folder = scene()
    (folder / "scans" / "segments_anno.json").unlink()
    mesh = read_mesh(folder)
    assert not mesh.objects and not mesh.instances.any() and len(mesh.points) == 100


def test_objects_without_their_mesh_are_told(scene):
    folder = scene()
    (folder / "scans" / "mesh_aligned_0.05.ply").unlink()
    assert scan.has_mesh(folder)
    with raises_one_line(BadDataError, "mesh_aligned_0.05.ply", "no such file"):
        read_mesh(folder)
    (folder / "scans" / "segments_anno.json").unlink()
    assert not scan.has_mesh(folder)


@pytest.mark.parametrize("name", [scan.OBJECTS, scan.HIDDEN, scan.SEGMENTS, scan.MESH])
def test_a_link_to_nothing_is_told(scene, name):
    path = scene() / "scans" / name
    path.unlink()
    path.symlink_to("nowhere")
    with raises_one_line(BadDataError, path, "links to nowhere"):
        read_mesh(path.parents[1])


def test_one_object_without_vertices_is_no_other_mesh(mesh_of):
    mesh = mesh_of([(1, "a", [5]), (2, "b", [100_000]), (3, "c", [7]), (4, "d", [8])])
    assert len(mesh.objects) == 4 and set(mesh.instances.tolist()) == {0, 1, 3, 4}


def group(**changes) -> dict:
    return {"segGroups": [{"objectId": 1, "label": "a", "segments": [1]} | changes]}


BAD_OBJECTS = {
    "not json": b"{", "too deep": b'{"segGroups":' + b"[" * 100_000, "a list": b"[]",
    "no groups": {}, "groups are a dict": {"segGroups": {}}, "group is 5": {"segGroups": [5]},
    "no objectId": group(objectId=None), "text id": group(objectId="1"),
    "bool id": group(objectId=True), "float id": group(objectId=1.0), "no label": group(label=None),
    "half a character": group(label="\ud800"), "no segments": group(segments=None),
    "segments are text": group(segments="1"), "segment is text": group(segments=[1, "2"]),
    "segment is a fraction": group(segments=[1.5]), "segment is a list": group(segments=[[1]]),
    "ragged": group(segments=[1, [2]]), "vast segment": group(segments=[10**30]),
    "twice": {"segGroups": group()["segGroups"] * 2},
    "of another mesh": group(segments=[5_000_000]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_OBJECTS)
def test_objects_that_cannot_be_read_are_told(scene, name):
    folder, content = scene(), BAD_OBJECTS[name]
    path = folder / "scans" / "segments_anno.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with raises_one_line(BadDataError, path):
        read_mesh(folder)


BAD_SEGMENTS = {
    "missing": None, "no list": {"segIndices": 5}, "no key": {}, "too few": {"segIndices": [1, 2]},
    "too many": {"segIndices": list(range(101))}, "fractions": {"segIndices": [0.5] * 100},
    "text": {"segIndices": ["1"] * 100}, "lists": {"segIndices": [[1]] * 100},
    "vast": {"segIndices": [2**64] * 100},
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SEGMENTS)
def test_segments_that_cannot_be_read_are_told(scene, name):
    folder, content = scene(), BAD_SEGMENTS[name]
    path = folder / "scans" / "segments.json"
    path.unlink() if content is None else path.write_text(json.dumps(content))
    with raises_one_line(BadDataError, path):
        read_mesh(folder)


BAD_HIDDEN = {
    "beyond": "1\n100\n", "negative": "-1\n", "twice": "3\n3\n", "fractions": "1.5\n",
    "words": "none\n", "a flag for each vertex": "0\n" * 99 + "1\n", "vast": "9" * 30,
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_HIDDEN)
def test_lists_of_anonymised_vertices_that_are_none_are_told(scene, name):
    folder = scene()
    path = folder / "scans" / scan.HIDDEN
    path.write_text(BAD_HIDDEN[name])
    with raises_one_line(BadDataError, path):
        read_mesh(folder)


BAD_MAPS = {
    "another table": "label,id\na,1\n",
    "empty": "",
    "no rows": "class,semantic_map_to\n",
    "nothing mapped": "class,count,semantic_map_to\na,1,\n",
    "a vast field": "class,semantic_map_to\na," + "b" * 200_000 + "\n",
}


@pytest.mark.parametrize("name", BAD_MAPS)
def test_label_maps_that_are_none_are_told(tmp_path, name):
    path = tmp_path / "map_benchmark.csv"
    path.write_text(BAD_MAPS[name])
    with raises_one_line(BadDataError, path):
        read_label_map(path)


def test_no_label_map_is_told(tmp_path):
    with raises_one_line(MissingInputError, "no such file"):
        read_label_map(tmp_path / "map_benchmark.csv")
