"""What the audit's readers of captures are made of: compressed bytes, depth, lenses, files."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import struct
import zipfile
import zlib

import numpy as np
import pytest
from capture_files import DATASET, SCENE, Z_UP, lz4_literals, ply, put, tell

from spatial_engine.audit.captures import depth_bin
from spatial_engine.audit.captures.depths import Depth, masked, registered, undistorted, whole_mm
from spatial_engine.audit.captures.formats.numbered import associated
from spatial_engine.audit.captures.packed import lz4_block, lzfse, raw_deflate
from spatial_engine.audit.captures.ply import read_vertices
from spatial_engine.audit.captures.rotations import (
    by_axis_angle,
    by_quaternion,
    inverse,
    rigid,
    sky_of,
    turned_camera,
)
from spatial_engine.audit.captures.scan import DepthCamera
from spatial_engine.audit.captures.sources import read_source
from spatial_engine.audit.captures.tree import Tree, safe_name
from spatial_engine.audit.raw.limits import RawDataError

# ---- compressed bytes ----------------------------------------------------------------------------

# (7919 k mod 251) mod 64 of 4,096 bytes, by Apple's own encoder
LZFSE_BVX2 = (
    "YnZ4MgAQAAB4AIAFABsAcBUcclqcGgAAuwAAAD/kwA4X8APkAQAAAAgByH8AAACwPpcLAABuAQCAWwAAAAAAAAAA"
    "AIB34ODg4ODw4uLi8gW4vLy8vLy8vLx8AS4vL1+AF+Dy8vLyBbi8vHwBXoDLy8vLy8vLy8sX4PLy8vLy4uLi4uLi"
    "4uLi4uLyAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAtNY0sJuE6ZSm"
    "oNL+ZUJ377uC+Iq9AIFD6+wARcbPLe5GE7URdeKMHP6rek2jSw1sFuwqbxUNVN9fOHxLnNOhQaWNcsHNgtIX8x+x"
    "PXZlIwTu4u2HKtMAAAAAAAAAAACARoJ///dfVwxntbuZ2XUxAWJ2eCQ="
)
# k // 3 mod 7 of 100 bytes, by the same: literals, and a match that overlaps with itself
LZFSE_BVXN = (
    b"bvxnd\x00\x00\x00&\x00\x00\x00\xe0\x05\x00\x00\x00\x01\x01\x01\x02\x02\x02\x03\x03\x03\x04"
    b"\x04\x04\x05\x05\x05\x06\x06\x068\x15\xf03\xe2\x04\x05\x06\x00\x00\x00\x00\x00\x00\x00bvx$"
)


def test_lzfse_blocks_of_each_kind():
    expected = bytes((7919 * k % 251) & 63 for k in range(4096))
    data = base64.b64decode(LZFSE_BVX2)
    assert data[:4] == b"bvx2"
    assert lzfse(data, 4096) == expected
    assert lzfse(LZFSE_BVXN, 100) == bytes(k // 3 % 7 for k in range(100))
    # several blocks are one stream
    stored = b"bvx-" + struct.pack("<I", 3) + b"abc"
    assert lzfse(stored + data, 4099) == b"abc" + expected
    assert lzfse(b"bvx$", 0) == b""


@pytest.mark.parametrize("cut", [3, 7, 20, 40, 100, 200, 300])
def test_lzfse_that_ends_early(cut):
    data = base64.b64decode(LZFSE_BVX2)
    with pytest.raises(RawDataError):
        lzfse(data[:cut], 4096)
    with pytest.raises(RawDataError):
        lzfse(LZFSE_BVXN[: min(cut, 50)], 100)


def test_lzfse_with_any_byte_changed_ends():
    rng = np.random.default_rng(0)
    data = base64.b64decode(LZFSE_BVX2)
    for sound, size in ((data, 4096), (LZFSE_BVXN, 100)):
        for _ in range(150):
            changed = bytearray(sound)
            changed[rng.integers(len(sound))] = rng.integers(256)
            with contextlib.suppress(RawDataError):
                assert len(lzfse(bytes(changed), size)) == size


def test_lz4_blocks():
    # "ab", then 9 bytes from 2 bytes ago, then literals to end with
    block = bytes([0x25]) + b"ab" + struct.pack("<H", 2) + bytes([0x30]) + b"xyz"
    assert lz4_block(block, 14) == b"abababababaxyz"
    data = bytes(k % 251 for k in range(98_304))
    literals = lz4_literals(data)
    assert len(literals) == 98_691
    assert lz4_block(literals, 98_304) == data
    for damaged, size in (
        (block, 13), (block, 15), (block[:2], 14), (block[:4], 14), (b"\xf0\xff", 14),
        (bytes([0x25]) + b"ab" + struct.pack("<H", 3) + b"\x00", 14), (b"\x10a\x00\x00", 14),
        (b"\x1fa\x01\x00" + b"\xff" * 1000 + b"\x00", 14),
    ):  # fmt: skip
        with pytest.raises(RawDataError):
            lz4_block(damaged, size)


def test_deflate_is_never_more_than_wanted():
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(bytes(10**7)) + packer.flush()
    with pytest.raises(RawDataError, match="not of 100 bytes"):
        raw_deflate(bomb, 100)
    with pytest.raises(RawDataError):
        raw_deflate(zlib.compress(bytes(100)), 100)  # with a header
    with pytest.raises(RawDataError):
        raw_deflate(b"", 100)


def test_lz4_and_deflate_refuse_each_other():
    packer = zlib.compressobj(wbits=-15)
    values = np.linspace(0.5, 4, depth_bin.METRES_BYTES // 4, dtype="<f4").tobytes()
    deflated = packer.compress(values) + packer.flush()
    with pytest.raises(RawDataError):
        lz4_block(deflated, depth_bin.MM_BYTES)
    with pytest.raises(RawDataError):
        raw_deflate(lz4_literals(bytes(depth_bin.MM_BYTES)), depth_bin.METRES_BYTES)


# ---- depth ---------------------------------------------------------------------------------------


def test_whole_millimetres():
    exact = np.array([[0.0, np.nan, np.inf, -5, 0.2, 1.5, 2.5, 1233.99999, 65535.2, 70000]])
    depth = whole_mm(exact, truncated=False)
    assert depth.plain[0].tolist() == [0, 0, 0, 0, 0, 2, 2, 1234, 65535, 65535]
    assert depth.low[0].tolist() == [0, 0, 0, 0, 0, 1, 2, 1234, 65535, 0]
    assert depth.high[0].tolist() == [0, 0, 0, 0, 0, 2, 3, 1234, 65535, 65535]
    depth = whole_mm(np.array([[1233.99999, 1234.5, 0.9]]), truncated=True)
    assert depth.plain[0].tolist() == [1233, 1234, 0]
    assert depth.low[0].tolist() == [1233, 1234, 0]
    assert depth.high[0].tolist() == [1234, 1234, 0]


def test_registered_depth_keeps_the_nearest_surface():
    """The depth camera is 0.1 m to the left of the colour camera: what is near moves more."""
    K = np.array([[100.0, 0, 10], [0, 100, 2], [0, 0, 1]])
    camera = DepthCamera(K, rigid(np.eye(3), (-0.1, 0, 0)))
    exact = np.zeros((5, 30))
    exact[2, 20] = 1000  # 10 px to the left: 10
    exact[2, 15] = 2000  # 5 px: 10
    exact[2, 3] = 1000  # leaves the image
    exact[2, 25] = 10_000 / 4.5  # 4.5 px: a tie between 20 and 21
    depth = registered(exact, camera, K)
    assert depth.plain[2, 10] == depth.low[2, 10] == depth.high[2, 10] == 1000
    assert {int(x) for x in depth.high[2, 20:22]} == {2222}
    assert {int(x) for x in depth.low[2, 20:22]} == {0}
    assert np.count_nonzero(depth.plain) == 2
    # that which is turned is turned about the depth camera
    turn = by_axis_angle((0, 0, math.pi / 2), "x")
    around = registered(exact, DepthCamera(K, rigid(turn, (0, 0, 0))), K)
    assert np.count_nonzero(around.plain) == 0


def test_masked_and_undistorted_depth_of_either_answer():
    depth = whole_mm(np.full((2, 4), 1000.0), truncated=False)
    keep = np.ones((8, 16), bool)
    assert (masked(depth, keep).low == 1000).all()
    assert (masked(depth, ~keep).high == 0).all()
    keep[:, :6] = False  # a depth pixel has 4 of them
    found = masked(depth, keep)
    assert found.high[0].tolist() == [0, 1000, 1000, 1000]
    assert found.low[0].tolist() == [0, 0, 0, 1000]
    K = np.array([[20.0, 0, 7.5], [0, 20, 3.5], [0, 0, 1]])
    steps = Depth(*[np.arange(8.0).reshape(2, 4) + 1] * 3)
    same = undistorted(steps, K, (16, 8), np.zeros(8))
    assert (same.plain == steps.plain).all()
    assert (same.low == steps.plain).all()


# ---- rotations -----------------------------------------------------------------------------------


def test_rotations_agree_with_each_other():
    rng = np.random.default_rng(1)
    for _ in range(20):
        vector = rng.normal(size=3)
        angle = np.linalg.norm(vector)
        x, y, z = vector / angle * math.sin(angle / 2)
        rotation = by_axis_angle(vector, "x")
        assert np.allclose(rotation, by_quaternion(x, y, z, math.cos(angle / 2), ""))
        assert np.allclose(rotation @ vector, vector)
        assert abs(np.linalg.det(rotation) - 1) < 1e-12
        pose = rigid(rotation, rng.normal(size=3))
        assert np.allclose(inverse(pose) @ pose, np.eye(4))
    assert by_axis_angle((0, 0, 0), "x").tolist() == np.eye(3).tolist()
    with pytest.raises(RawDataError, match="quaternion"):
        by_quaternion(0, 0, 0, math.nan, "x")
    with pytest.raises(RawDataError, match="radians"):
        by_axis_angle((1e200, 1e200, 0), "x")


def test_where_the_sky_lies():
    for vector, sky in (((0, -1, 0), "Up"), ((-1, 0, 0), "Left"), ((1, 0, 0), "Right")):
        # a camera in which up of the world is `vector`
        rows = np.array([np.roll(vector, 1), np.roll(vector, 2), vector], float)
        assert sky_of([rigid(rows, (0, 0, 0))], np.array([0, 0, 1.0])) == sky
    K = np.array([[3.0, 0, 10], [0, 4, 20], [0, 0, 1]])
    assert turned_camera(K, (64, 48), "Left").tolist() == [[4, 0, 27], [0, 3, 10], [0, 0, 1]]
    assert turned_camera(K, (64, 48), "Right").tolist() == [[4, 0, 20], [0, 3, 53], [0, 0, 1]]
    assert turned_camera(K, (64, 48), "Down").tolist() == [[3, 0, 53], [0, 4, 27], [0, 0, 1]]


def test_times_are_associated_nearest_first_and_once():
    assert associated([1.0, 1.015], [1.02, 3.0], 0.02) == {1: 0}
    assert associated([1.0, 1.015], [1.02, 1.001], 0.02) == {0: 1, 1: 0}
    assert associated([1.0], [], 0.02) == {}
    assert associated([1.0], [1.02], 0.02) == {0: 0}


# ---- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:\\x", "a\0b", "", None, 3])
def test_names_that_lead_out_are_refused(name):
    with pytest.raises(RawDataError):
        safe_name(name, "x")
    assert safe_name(".\\a\\b.png", "x") == "a/b.png"


def test_archives_give_no_more_than_they_say(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(10**6))
        archive.writestr("b/c", b"1")
    tree = Tree(path)
    assert tree.names() == ["a", "b"]
    assert tree.names("b") == ["c"]
    assert tree.has("b") and not tree.has("d")
    with pytest.raises(RawDataError, match="1000000 bytes, at most 9"):
        tree.read("a", 9)
    with pytest.raises(RawDataError, match="no such member"):
        tree.read("../a")
    put(path, b"PK no archive")
    with pytest.raises(RawDataError, match=r"x\.zip"):
        Tree(path).names()
    with pytest.raises(RawDataError, match="no such file"):
        Tree(tmp_path / "nothing")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a", b"x")
    with pytest.raises(RawDataError, match="compression 12"):
        Tree(path).read("a")


def test_json_bombs(tmp_path):
    put(tmp_path / "deep.json", "[" * 100_000)
    put(tmp_path / "list.json", "[]")
    tree = Tree(tmp_path)
    with pytest.raises(RawDataError, match=r"deep.json"):
        tree.json("deep.json")
    with pytest.raises(RawDataError, match="no JSON object"):
        tree.json("list.json")


def test_ply_of_both_forms_and_damaged(tmp_path):
    vertices = [(0, 0.5, 1), (2, 3, 4)]
    for form in ("ascii", "binary_little_endian"):
        put(tmp_path / "a.ply", ply(vertices, form))
        assert read_vertices(Tree(tmp_path), "a.ply").tolist() == [list(v) for v in vertices]
    sound = ply(vertices)
    for damaged, text in (
        (sound[:-3], "ends early"),
        (sound.replace(b"vertex 2", b"vertex 999999999"), "do not fit"),
        (sound.replace(b"float x", b"float q"), "without x, y, z"),
        (sound.replace(b"float x", b"int128 x"), "header line"),
        (sound.replace(b"little", b"bigger"), "format"),
        (b"ply\n", "not a PLY"),
        (ply(vertices, "ascii").replace(b"0.5", b"no"), "no number"),
        (ply([(float("inf"), 0, 0)]), "beyond all bounds"),
    ):
        put(tmp_path / "a.ply", damaged)
        with pytest.raises(RawDataError, match=text):
            read_vertices(Tree(tmp_path), "a.ply")


# ---- sources -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"world": Z_UP}, "brings up to"),
        ({"world": Z_UP, "up": [0, -1, 0]}, "brings up to"),
        ({"up": [0, 0, 0]}, "up is"),
        ({"metres_per_unit": 2.0}, "orthonormal|too large|rotation"),
        ({"metres_per_unit": 0}, "metres_per_unit is 0"),
        ({"world": [[1, 0, 0, 0]]}, "not 4 rows"),
        ({"world": np.diag([1, 1, -1, 1]).tolist(), "up": None}, "mirrored"),
        ({"numbers": [1, 0]}, "do not ascend"),
        ({"numbers": [0, 100_000]}, "from 0 to"),
        ({"numbers": "all"}, "no list of int"),
        ({"turned": "Sideways"}, "turned is"),
        ({"format": 3}, "format is"),
        ({"path": ""}, "path is"),
        ({"intrinsics": [1, 2, 3]}, "intrinsics is"),
        ({"depth_unit": -1}, "depth_unit is"),
        ({"confidence": "high"}, "confidence is"),
        ({"points": "many"}, "points is"),
    ],
)
def test_sources_that_cannot_be(tmp_path, more, text):
    told = {"format": "tum", "path": "x", "numbers": [0], **more}
    tell(tmp_path, told.pop("format"), told.pop("path"), told.pop("numbers"), **told)
    path = tmp_path / "data" / DATASET / "meta_data" / "sources.json"
    content = json.loads(path.read_text())
    content[SCENE] |= {key: more[key] for key in ("format", "path", "numbers") if key in more}
    put(path, content)
    with pytest.raises(RawDataError, match=text):
        read_source(tmp_path, DATASET, SCENE)


def test_sources_that_are_missing(tmp_path):
    with pytest.raises(RawDataError, match="No such file"):
        read_source(tmp_path, DATASET, SCENE)
    tell(tmp_path, "tum", "x", [0])
    with pytest.raises(RawDataError, match="does not tell of scene other"):
        read_source(tmp_path, DATASET, "other")
    put(tmp_path / "data" / DATASET / "meta_data" / "sources.json", "[]")
    with pytest.raises(RawDataError, match="no object"):
        read_source(tmp_path, DATASET, SCENE)
