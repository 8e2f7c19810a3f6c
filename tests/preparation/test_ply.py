from __future__ import annotations

import errno
import io
import os
import tracemalloc

import numpy as np
import pytest
from helpers import raises_one_line
from plyfile import PlyData, PlyElement

from spatial_engine.errors import BadDataError
from spatial_engine.utils.preparation import ply

REMEDY = "download the scene again"
NAMES = ("x", "y", "z", "red", "green", "blue")
FIELDS = [(name, "f4" if len(name) == 1 else "u1") for name in (*NAMES, "alpha")]


def random_vertices(number: int, fields=FIELDS) -> np.ndarray:
    rng = np.random.default_rng(number)
    vertices = np.zeros(number, fields)
    for name, kind in fields:
        whole = np.dtype(kind).kind == "u"
        vertices[name] = rng.integers(0, 256, number) if whole else rng.normal(size=number)
    return vertices


def read_vertices(path, **options) -> np.ndarray:
    return ply.read_vertices(path, REMEDY, **options)


def write_ply(path, vertices, faces=5, **options) -> bytes:
    if isinstance(faces, int):
        faces = np.zeros(faces, [("vertex_indices", "i4", (3,))])
    lists = {name: "u1" for name in faces.dtype.names if name.startswith("vertex")}
    elements = [
        PlyElement.describe(vertices, "vertex"),
        PlyElement.describe(faces, "face", len_types=lists),
    ]
    PlyData(elements, **{"text": False, "byte_order": "<", **options}).write(str(path))
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scene_vh_clean_2.ply"


@pytest.mark.parametrize("number", [1, 2, 1000])
@pytest.mark.parametrize("options", [{}, {"byte_order": ">"}, {"text": True}], ids=str)
def test_vertices_are_read_exactly(path, number, options):
    vertices = random_vertices(number)
    write_ply(path, vertices, **options)
    found = read_vertices(path)
    assert (found.dtype, found.shape) == (np.float64, (number, 6))
    for column, name in enumerate(NAMES):
        np.testing.assert_array_equal(found[:, column].astype(vertices[name].dtype), vertices[name])


def test_order_of_properties_and_more_of_them_play_no_part(path):
    fields = [("nx", "f8"), *reversed(FIELDS), ("label", "u2")]
    vertices = random_vertices(30, fields)
    write_ply(path, vertices, faces=0)
    np.testing.assert_array_equal(read_vertices(path), np.stack([vertices[n] for n in NAMES], 1))


def test_the_result_can_be_changed_without_changing_the_file(path):
    data = write_ply(path, random_vertices(4))
    read_vertices(path)[:] = 7
    assert path.read_bytes() == data


def test_a_mesh_cut_at_any_length_is_refused(path):
    data = write_ply(path, random_vertices(12))
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with raises_one_line(BadDataError, path):
            read_vertices(path)


def test_a_disk_that_fails_behind_the_header_is_told_before_anything_is_mapped(path, monkeypatch):
    write_ply(path, random_vertices(10_000))

    class Failing(io.FileIO):
        def read(self, size=-1):
            if self.tell() >= ply.MAX_HEADER_BYTES:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    monkeypatch.setattr(ply, "open", lambda path, mode: Failing(path), raising=False)
    with pytest.raises(OSError) as caught:
        read_vertices(path)
    assert (caught.value.errno, caught.value.filename) == (errno.EIO, str(path))


def test_a_mesh_that_is_larger_than_any_is_refused_unread(path):
    write_ply(path, random_vertices(9))
    os.truncate(path, ply.MAX_BYTES + 1)
    with raises_one_line(BadDataError, path, "1,073,741,825 bytes"):
        read_vertices(path)


def test_a_mesh_without_vertices_is_refused(path):
    write_ply(path, random_vertices(0))
    with raises_one_line(BadDataError, path, "no vertices"):
        read_vertices(path)


def test_no_mesh_is_named(path):
    with raises_one_line(BadDataError, path, "no such file"):
        read_vertices(path)


REPLACED = {
    "vertices": (b"vertex 12", b"vertex 1000000000000000000"),
    "vertices beyond 64 bits": (b"vertex 12", b"vertex " + b"9" * 30),
    "vertices of a thousand digits": (b"vertex 12", b"vertex " + b"9" * 5000),
    "negative vertices": (b"vertex 12", b"vertex -12"),
    "fractional vertices": (b"vertex 12", b"vertex 1.5"),
    "one vertex more": (b"vertex 12", b"vertex 13"),
    "faces": (b"face 5", b"face 1000000000000000000"),
    "faces of another name": (
        b"face 5\nproperty list uchar int vertex_indices",
        b"face 2147483648\nproperty list uchar int corners",
    ),
    "another type": (b"float x", b"double x"),
    "unknown type": (b"float x", b"quux x"),
    "no red": (b"uchar red", b"uchar rad"),
    "no z": (b"float z", b"float w"),
    "a list for x": (b"property float x", b"property list uchar float x"),
    "no vertices": (b"element vertex", b"element points"),
    "no magic": (b"ply\n", b"plx\n"),
    "ascii in name only": (b"binary_little_endian", b"ascii"),
    "no format": (b"format binary_little_endian 1.0\n", b""),
}


@pytest.mark.parametrize("name", REPLACED)
def test_a_header_that_lies_is_refused_without_taking_memory(path, name):
    old, new = REPLACED[name]
    data = write_ply(path, random_vertices(12))
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    tracemalloc.start()
    try:
        with raises_one_line(BadDataError, path):
            read_vertices(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_vertices_that_are_not_finite_are_refused(path, bad, axis):
    vertices = random_vertices(20)
    vertices[axis][7] = bad
    write_ply(path, vertices)
    with raises_one_line(BadDataError, path, "finite"):
        read_vertices(path)


def test_flipped_bits_in_the_header_raise_no_error_but_ours(path):
    data = write_ply(path, random_vertices(12))
    outcomes = {"read": 0, "refused": 0}
    for place in range(data.index(b"end_header") + 11):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 7
        path.write_bytes(flipped)
        try:
            read_vertices(path)
            outcomes["read"] += 1
        except BadDataError:
            outcomes["refused"] += 1
    assert outcomes["refused"] > 200


def test_files_of_other_kinds_are_refused(path):
    for data in (b"", b"ply", b"\0" * 1000, b"\xff\xd8\xff", b"ply\n" * 100, b"v 0 0 0\n"):
        path.write_bytes(data)
        with raises_one_line(BadDataError, path):
            read_vertices(path)


OPTIONS = ({}, {"byte_order": ">"}, {"text": True})


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_normals_doubles_and_no_colours(path, options):
    fields = [(name, "f8") for name in ("x", "y", "z", "nx", "ny", "nz")]
    vertices = random_vertices(40, fields)
    write_ply(path, vertices, **options)
    found = read_vertices(path, colorless=128)
    expected = np.stack([vertices[name] for name in "xyz"], axis=1)
    np.testing.assert_allclose(found[:, :3], expected, rtol=1e-15 if not options else 1e-12)
    assert (found[:, 3:] == 128).all()
    with raises_one_line(BadDataError, path, "red", REMEDY):
        read_vertices(path)


def test_some_of_the_colours_are_not_no_colours(path):
    write_ply(path, random_vertices(9, [(name, "f4") for name in ("x", "y", "z", "green")]))
    with raises_one_line(BadDataError, path, "red"):
        read_vertices(path, colorless=128)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_whole_numbers_of_vertices(path, options):
    vertices = random_vertices(25, [*FIELDS, ("label", "i4")])
    vertices["label"] = np.arange(25) - 100
    write_ply(path, vertices, **options)
    labels = ply.read_vertex_numbers(path, REMEDY, "label")
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, np.arange(25) - 100)
    for name, word in (("part", "part"), ("x", "x is not a whole number")):
        with raises_one_line(BadDataError, path, word, REMEDY):
            ply.read_vertex_numbers(path, REMEDY, name)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("corners", [3, 4])
@pytest.mark.parametrize("name", ["vertex_indices", "vertex_index"])
def test_faces_with_an_object_each(path, name, corners, options):
    faces = np.zeros(7, [(name, "i4", (corners,)), ("object_id", "i4")])
    faces[name] = np.random.default_rng(3).integers(0, 12, (7, corners))
    faces["object_id"] = np.arange(7) * 11
    vertices = random_vertices(12)
    stored = faces.copy()
    if "byte_order" in options:  # plyfile 1.1 writes numbers beside lists in the machine's order
        stored["object_id"] = faces["object_id"].byteswap()
    write_ply(path, vertices, stored, **options)
    found, objects = ply.read_faces(path, REMEDY, "object_id")
    np.testing.assert_array_equal(found, faces[name])
    np.testing.assert_array_equal(objects, faces["object_id"])
    assert len(read_vertices(path)) == 12
    with raises_one_line(BadDataError, path, "quality"):
        ply.read_faces(path, REMEDY, "quality")


@pytest.mark.parametrize("corner", [-1, 12])
def test_faces_beyond_the_vertices_are_refused(path, corner):
    faces = np.zeros(7, [("vertex_indices", "i4", (3,)), ("object_id", "i4")])
    faces["vertex_indices"][4, 1] = corner
    write_ply(path, random_vertices(12), faces)
    with raises_one_line(BadDataError, path, "beyond the vertices"):
        ply.read_faces(path, REMEDY, "object_id")


def test_faces_of_different_numbers_of_corners_are_refused(path):
    data = write_ply(path, random_vertices(12), np.zeros(5, [("vertex_indices", "i4", (3,))]))
    start = data.index(b"end_header\n") + 11 + 12 * 16
    path.write_bytes(data[: start + 13] + b"\4" + bytes(16) + data[start + 26 :])
    with raises_one_line(BadDataError, path, "list length"):
        read_vertices(path)
