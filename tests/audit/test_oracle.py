"""The oracle against answers worked out by hand, and against records with planted errors.

The scene is written here byte by byte, by `struct`, so that nothing but docs/formats.md and
this page says what it holds.

World: x east, y north, z up. A camera that looks east and stands upright has forward = +x,
down = -z, right = -y (south). All numbers of the hand-worked cases are in the comments.
Colour 16x12, K: f 10, c (8, 6): at 1 m the image reaches 0.8 m to each side, 0.6 m up and down.
Depth 8x6, so that the depth pixel of (u, v) is (round(u / 2), round(v / 2)).
"""

from __future__ import annotations

import copy
import json
import math
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from audit_files import file_complaints

from spatial_engine.audit.oracles.camera_movement import (
    MARGINS,
    QUESTION_TYPES,
    camera_truth,
    check_camera_record,
    heading,
    judge_value,
    wrap_degrees,
)
from spatial_engine.audit.oracles.overlap import overlap
from spatial_engine.audit.oracles.visibility import visible, visible_points
from spatial_engine.audit.raw import sens_file
from spatial_engine.audit.raw.annotations import read_label_table
from spatial_engine.audit.raw.ids import read_clip_list, read_split_list
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.mesh import read_ply_vertices
from spatial_engine.audit.raw.scene import RawScene, read_axis_alignment
from spatial_engine.audit.records.fields import acceptable_integers, answer_text

SCENE = "scene0000_00"
COLOUR, DEPTH = (16, 12), (8, 6)
K = np.array([[10, 0, 8, 0], [0, 10, 6, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=float)

# Columns: right, down, forward.
EAST = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], dtype=float)
NORTH = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]], dtype=float)
WEST = np.array([[0, 0, -1], [1, 0, 0], [0, -1, 0]], dtype=float)
SOUTH = np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]], dtype=float)
# East, nose lifted by 30 degrees: forward (cos, 0, sin), down (sin, 0, -cos).
C30, S30 = math.cos(math.pi / 6), 0.5
EAST_UP30 = np.array([[0, S30, C30], [-1, 0, 0], [0, -C30, S30]], dtype=float)


def pose(rotation: np.ndarray, *position: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = rotation
    matrix[:3, 3] = position
    return matrix


# ---- writing raw files by hand -------------------------------------------------------------------


def sens_bytes(
    poses, depths, *, colours=None, shift=1000.0, depth_compression=1, k=K, colour=COLOUR
) -> bytes:
    """A version-4 .sens. depths: (6, 8) integers, or None for a frame without depth."""
    name = b"StructureSensor"
    out = struct.pack("<I", 4) + struct.pack("<Q", len(name)) + name
    out += struct.pack("<16f", *k.ravel())
    for _ in range(3):
        out += struct.pack("<16f", *(2 * np.eye(4)).ravel())
    out += struct.pack("<ii", 2, depth_compression)
    out += struct.pack("<IIII", *colour, *DEPTH)
    out += struct.pack("<f", shift) + struct.pack("<Q", len(poses))
    for i, (matrix, depth) in enumerate(zip(poses, depths, strict=True)):
        jpeg = colours[i] if colours else b"\xff\xd8 frame %d \xff\xd9" % i
        stored = b""
        if depth is not None:
            stored = struct.pack("<48H", *np.asarray(depth).ravel())
            stored = zlib.compress(stored) if depth_compression == 1 else stored
        out += struct.pack("<16f", *np.asarray(matrix).ravel())
        out += struct.pack("<QQQQ", 7 * i, 9 * i, len(jpeg), len(stored)) + jpeg + stored
    return out + struct.pack("<Q", 0)


def ply_bytes(points, *, properties="xyz rgba", line_end="\n") -> bytes:
    """A binary little-endian mesh with one face. properties: order of the vertex fields."""
    head = ["ply", "format binary_little_endian 1.0", "comment by hand"]
    head += [f"element vertex {len(points)}"]
    floats = [f"property float {c}" for c in "xyz"]
    colours = [f"property uchar {c}" for c in ("red", "green", "blue", "alpha")]
    colour_first = properties == "rgba xyz"
    head += colours + floats if colour_first else floats + colours
    head += ["element face 1", "property list uchar int vertex_indices", "end_header"]
    body = b""
    for x, y, z in points:
        xyz, rgba = struct.pack("<3f", x, y, z), struct.pack("<4B", 1, 2, 3, 255)
        body += rgba + xyz if colour_first else xyz + rgba
    body += struct.pack("<B3i", 3, 0, 0, 0)
    return (line_end.join(head) + line_end).encode() + body


def write_scene(
    root: Path,
    poses,
    depths,
    points,
    *,
    scene_id=SCENE,
    alignment=None,
    segments=None,
    groups=(),
    **sens,
) -> RawScene:
    """All five raw files of a scene. groups: (objectId, segments, label)."""
    folder = root / "data" / "scannet" / "scans" / scene_id
    folder.mkdir(parents=True)
    (folder / f"{scene_id}.sens").write_bytes(sens_bytes(poses, depths, **sens))
    (folder / f"{scene_id}_vh_clean_2.ply").write_bytes(ply_bytes(points))
    lines = ["appVersionId = 4.0.0", "colorWidth = 999"]  # not the size: the .sens has that
    if alignment is not None:
        lines.append("axisAlignment = " + " ".join(str(x) for x in np.ravel(alignment)) + " ")
    lines.append("sceneType = Apartment")
    (folder / f"{scene_id}.txt").write_bytes("\r\n".join(lines).encode() + b"\r\n")
    segs = {"sceneId": scene_id, "segIndices": segments or [0] * len(points)}
    (folder / f"{scene_id}_vh_clean_2.0.010000.segs.json").write_text(json.dumps(segs))
    seg_groups = [
        {"id": i, "objectId": o, "segments": s, "label": label}
        for i, (o, s, label) in enumerate(groups)
    ]
    aggregation = {"sceneId": f"scannet.{scene_id}", "segGroups": seg_groups}
    (folder / f"{scene_id}.aggregation.json").write_text(json.dumps(aggregation))
    return RawScene(root, scene_id)


def flat(mm: int) -> np.ndarray:
    return np.full((6, 8), mm)


LOST = np.full((4, 4), -np.inf)


def every_fifth(poses) -> list[np.ndarray]:
    """Poses of frames 0, 5, 10, ... with lost frames between, which D5 must not read."""
    out = []
    for matrix in poses:
        out += [matrix] + [LOST] * 4
    return out[: len(out) - 4]


# ---- the raw files -------------------------------------------------------------------------------


def test_sens_header_poses_and_frames(tmp_path):
    poses = [pose(EAST, 1, 2, 3), pose(NORTH, 0, 0, 0), LOST]
    depth = np.arange(48).reshape(6, 8)
    jpegs = [b"\xff\xd8first\xff\xd9", b"\xff\xd8the second one\xff\xd9", b""]
    scene = write_scene(tmp_path, poses, [depth, None, flat(7)], [(0, 0, 0)], colours=jpegs)
    assert scene.colour_size == (16, 12)
    assert scene.depth_size == (8, 6)
    assert np.array_equal(scene.colour_intrinsics, [[10, 0, 8], [0, 10, 6], [0, 0, 1]])
    assert scene.poses.shape == (3, 4, 4)
    # Forward (third column) of the first camera is east, its position (1, 2, 3).
    assert scene.poses[0][:3, 2].tolist() == [1, 0, 0]
    assert scene.poses[0][:3, 3].tolist() == [1, 2, 3]
    assert np.isneginf(scene.poses[2]).all()
    assert scene.depth_mm("00000")[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert scene.depth_mm("00000")[5, 0] == 40
    assert scene.depth_mm("00001").shape == (6, 8)
    assert not scene.depth_mm("00001").any()  # no depth: zeros
    assert (scene.depth_mm("00002") == 7).all()
    assert [scene.jpeg_bytes(f"{i:05d}") for i in range(3)] == jpegs


def test_frame_ids_and_valid_frames(tmp_path):
    zero_rotation = pose(np.zeros((3, 3)), 1, 1, 1)
    nan = pose(EAST, 0, 0, 0)
    nan[0, 3] = np.nan
    poses = every_fifth([pose(EAST, 0, 0, 0), LOST, zero_rotation, nan, pose(NORTH, 0, 0, 0)])
    scene = write_scene(tmp_path, poses, [flat(1)] * 21, [(0, 0, 0)])
    assert scene.frame_ids() == ["00000", "00005", "00010", "00015", "00020"]
    assert scene.frame_ids(step=1)[:3] == ["00000", "00001", "00002"]
    assert len(scene.frame_ids(step=1)) == 21
    assert scene.valid_frame_ids == ["00000", "00020"]


@pytest.mark.parametrize(
    ("shift", "stored", "expected"),
    [
        (1000, 1234, 1234),
        (5000, 5002, 1000),  # 1000.4 mm
        (5000, 5003, 1001),  # 1000.6 mm
        (500, 1001, 2002),
        (500, 65535, 65535),  # 131070 mm does not fit a 16-bit PNG
    ],
)
def test_depth_shift_is_rescaled_to_millimetres(tmp_path, shift, stored, expected):
    scene = write_scene(tmp_path, [np.eye(4)], [flat(stored)], [(0, 0, 0)], shift=shift)
    assert (scene.depth_mm("00000") == expected).all()


def test_raw_depth_is_read(tmp_path):
    depth = np.arange(48).reshape(6, 8)
    scene = write_scene(tmp_path, [np.eye(4)], [depth], [(0, 0, 0)], depth_compression=0)
    assert np.array_equal(scene.depth_mm("00000"), depth)


@pytest.mark.parametrize("keep", [3, 100, 350, 430, 520])
def test_truncated_sens_is_named(tmp_path, keep):
    scene = write_scene(tmp_path, [np.eye(4)] * 2, [flat(9)] * 2, [(0, 0, 0)], depth_compression=0)
    path = tmp_path / "data/scannet/scans" / SCENE / f"{SCENE}.sens"
    whole = path.read_bytes()
    assert keep < len(whole) - 8  # a real cut, not only the IMU tail
    path.write_bytes(whole[:keep])
    with pytest.raises(RawDataError, match=r"\.sens"):
        RawScene(tmp_path, scene.scene_id)
    path.write_bytes(whole[:-9])  # one byte of the last frame's depth is missing
    with pytest.raises(RawDataError, match="ends inside frame 1"):
        RawScene(tmp_path, scene.scene_id)
    path.write_bytes(whole[:-8])  # the IMU tail may be absent
    assert len(RawScene(tmp_path, scene.scene_id).poses) == 2


def test_damaged_sens_headers_are_named(tmp_path):
    write_scene(tmp_path, [np.eye(4)], [flat(9)], [(0, 0, 0)])
    path = tmp_path / "data/scannet/scans" / SCENE / f"{SCENE}.sens"
    whole = path.read_bytes()
    path.write_bytes(struct.pack("<I", 3) + whole[4:])
    with pytest.raises(RawDataError, match="version 3"):
        RawScene(tmp_path, SCENE)
    path.write_bytes(whole[:4] + struct.pack("<Q", 2**60) + whole[12:])
    with pytest.raises(RawDataError, match="sensor name"):
        RawScene(tmp_path, SCENE)
    count_at = 4 + 8 + 15 + 4 * 64 + 8 + 16 + 4
    path.write_bytes(whole[:count_at] + struct.pack("<Q", 2**40) + whole[count_at + 8 :])
    with pytest.raises(RawDataError, match="frames do not fit"):
        RawScene(tmp_path, SCENE)
    with pytest.raises(RawDataError, match="not a scene id"):
        RawScene(tmp_path, "../" + SCENE)


def test_wrong_depth_length_and_bad_frame_ids_are_named(tmp_path):
    scene = write_scene(tmp_path, [np.eye(4)], [flat(9)], [(0, 0, 0)], colours=[b"jj"])
    path = tmp_path / "data/scannet/scans" / SCENE / f"{SCENE}.sens"
    whole = path.read_bytes()
    at = whole.index(zlib.compress(struct.pack("<48H", *[9] * 48)))
    path.write_bytes(whole[:at] + b"zzzz" + whole[at + 4 :])
    with pytest.raises(RawDataError, match="depth of frame 00000"):
        scene.depth_mm("00000")
    for frame_id in ("00001", "1", "-0001", "0000a"):
        with pytest.raises(RawDataError, match="frame"):
            scene.world_from_cam(frame_id)


@pytest.mark.parametrize("compression", [0, 1])
@pytest.mark.parametrize("count", [47, 49])
def test_depth_of_another_size_is_named(tmp_path, compression, count):
    write_scene(tmp_path, [np.eye(4)], [flat(9)], [(0, 0, 0)])
    path = tmp_path / "data/scannet/scans" / SCENE / f"{SCENE}.sens"
    stored = struct.pack(f"<{count}H", *[9] * count)
    stored = zlib.compress(stored) if compression else stored
    head = sens_bytes([], [], depth_compression=compression)[:-16] + struct.pack("<Q", 1)
    frame = struct.pack("<16f4Q", *np.eye(4).ravel(), 0, 0, 0, len(stored)) + stored
    path.write_bytes(head + frame)
    with pytest.raises(RawDataError, match="not 96"):
        RawScene(tmp_path, SCENE).depth_mm("00000")


def test_axis_alignment(tmp_path):
    path = tmp_path / "a.txt"
    numbers = "0 -1 0 10 1 0 0 20 0 0 1 30 0 0 0 1"
    path.write_bytes(b"x = 1\r\naxisAlignment = " + numbers.encode() + b" \r\ny = 2\r\n")
    expected = [[0, -1, 0, 10], [1, 0, 0, 20], [0, 0, 1, 30], [0, 0, 0, 1]]
    assert read_axis_alignment(path).tolist() == expected
    path.write_bytes(b"axisAlignment=" + numbers.encode())
    assert read_axis_alignment(path).tolist() == expected
    path.write_bytes(b"\xef\xbb\xbfaxisAlignment=" + numbers.encode())
    assert read_axis_alignment(path).tolist() == expected
    path.write_bytes(b"x = 1\n")
    assert np.array_equal(read_axis_alignment(path), np.eye(4))
    for data in (b"", b"<html>404</html>"):
        path.write_bytes(data)
        with pytest.raises(RawDataError, match="no line `key = value`"):
            read_axis_alignment(path)
    path.write_bytes(b"axisAlignment = 1 2 3\n")
    with pytest.raises(RawDataError, match="16 numbers"):
        read_axis_alignment(path)
    with pytest.raises(RawDataError, match="No such file"):
        read_axis_alignment(tmp_path / "none.txt")


@pytest.mark.parametrize("properties", ["xyz rgba", "rgba xyz"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_ply(tmp_path, properties, line_end):
    points = [(1.5, -2.25, 3), (4, 5, 6), (0.125, 0, -8)]
    path = tmp_path / "m.ply"
    path.write_bytes(ply_bytes(points, properties=properties, line_end=line_end))
    assert read_ply_vertices(path).tolist() == [list(p) for p in points]


def test_damaged_ply_is_named(tmp_path):
    path = tmp_path / "m.ply"
    good = ply_bytes([(1, 2, 3)] * 4)
    for old, new, message in [
        (b"little", b"big", "format"),
        (b"vertex 4", b"vertex 9", "do not fit"),
        (b"vertex 4", b"vertex -4", "'-4' vertices"),
        (b"float y", b"float q", "without x, y, z"),
        (b"float y", b"list y", "type list"),
        (b"end_header", b"end_haeder", "not a PLY"),
    ]:
        path.write_bytes(good.replace(old, new))
        with pytest.raises(RawDataError, match=message):
            read_ply_vertices(path)


def test_vertices_and_cameras_are_aligned(tmp_path):
    # A quarter turn to the left about z, then (10, 20, 30): (x, y, z) -> (10 - y, 20 + x, 30 + z).
    alignment = [0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1]
    scene = write_scene(
        tmp_path, [pose(EAST, 1, 2, 3)], [flat(1)], [(1, 2, 3), (0, 0, 0)], alignment=alignment
    )
    assert scene.vertices.tolist() == [[1, 2, 3], [0, 0, 0]]
    assert scene.vertices_aligned.tolist() == [[8, 21, 33], [10, 20, 30]]
    # The camera looked east at (1, 2, 3): aligned it looks north at (8, 21, 33).
    assert scene.world_from_cam("00000").tolist() == pose(NORTH, 8, 21, 33).tolist()
    assert np.allclose(scene.cam_from_world("00000") @ [8, 22, 33, 1], [0, 0, 1, 1])


def test_instances_boxes_and_labels(tmp_path):
    # Segments: 7, 7, 500, 500, 81336. Object 0 claims 7 and 500, object 2 takes 500 from it;
    # object 1 has the same label as 0 and claims a segment without vertices.
    points = [(0, 0, 0), (2, 4, 6), (1, 1, 1), (1, 3, 1), (9, 9, 9)]
    scene = write_scene(
        tmp_path,
        [np.eye(4)],
        [flat(1)],
        points,
        segments=[7, 7, 500, 500, 81336],
        groups=[(0, [7, 500], "chair"), (1, [12345], "chair"), (2, [500], "trashcan")],
    )
    assert scene.instance_ids.tolist() == [1, 1, 3, 3, 0]
    assert scene.raw_categories == {0: "chair", 1: "chair", 2: "trashcan"}
    assert scene.object_boxes[0].tolist() == [1, 2, 3, 2, 4, 6]
    assert scene.object_boxes[1].tolist() == [0] * 6
    assert scene.object_boxes[2].tolist() == [1, 2, 1, 0, 2, 0]
    table = tmp_path / "data/scannet/meta_data/scannetv2-labels.combined.tsv"
    table.parent.mkdir()
    rows = [
        "id\traw_category\tcategory\tcount\tnyu40id",
        "1\twall\twall\t9\t1",
        "2\tchair\tc\t8\t5",
    ]
    for line_end, mark in (("\n", b""), ("\r\n", b""), ("\r\n", b"\xef\xbb\xbf")):
        table.write_bytes(mark + (line_end.join(rows) + line_end).encode())
        assert read_label_table(table) == {"wall": 1, "chair": 5}
    assert scene.nyu40_ids == {0: 5, 1: 5, 2: 0}
    assert scene.semantic_ids.tolist() == [5, 5, 0, 0, 0]


def test_the_later_claim_wins_by_file_order(tmp_path):
    scene = write_scene(
        tmp_path,
        [np.eye(4)],
        [flat(1)],
        [(0, 0, 0)],
        segments=[3],
        groups=[(5, [3], "b"), (2, [3], "a")],
    )
    assert scene.instance_ids.tolist() == [3]


def test_segments_must_match_the_mesh(tmp_path):
    scene = write_scene(tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)] * 2, segments=[3])
    with pytest.raises(RawDataError, match="1 segment ids, 2 vertices"):
        _ = scene.instance_ids


# ---- raw files out to do harm --------------------------------------------------------------------


def scan_file(root: Path, end: str) -> Path:
    return root / "data/scannet/scans" / SCENE / f"{SCENE}{end}"


@pytest.mark.parametrize("place", [0, 2], ids=["colour", "depth"])
@pytest.mark.parametrize("size", [(0, 6), (8, 0), (8193, 6), (8192, 8192), (2**32 - 1, 2**32 - 1)])
def test_sizes_of_pictures_are_claims(tmp_path, place, size):
    write_scene(tmp_path, [np.eye(4)], [None], [(0, 0, 0)])
    path = scan_file(tmp_path, ".sens")
    whole, at = path.read_bytes(), 4 + 8 + 15 + 4 * 64 + 8 + 4 * place
    path.write_bytes(whole[:at] + struct.pack("<II", *size) + whole[at + 8 :])
    with pytest.raises(RawDataError, match=r"\.sens: pictures of"):
        RawScene(tmp_path, SCENE)


def test_the_number_of_frames_is_bounded(tmp_path, monkeypatch):
    write_scene(tmp_path, [np.eye(4)] * 3, [flat(1)] * 3, [(0, 0, 0)])
    monkeypatch.setattr(sens_file, "MAX_FRAMES", 2)
    with pytest.raises(RawDataError, match="3 frames"):
        RawScene(tmp_path, SCENE)


def test_a_frame_id_of_thousands_of_digits_is_none(tmp_path):
    scene = write_scene(tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)])
    with pytest.raises(RawDataError, match="not a frame id"):
        scene.world_from_cam("9" * 5000)
    record = make_record()
    record["image"][0] = f"{SCENE}/{'9' * 5000}.jpg"
    assert any("<frame>.jpg" in text for text in check_camera_record(record, scene, "train"))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e400", "1e101", "1e9"])
def test_an_alignment_that_cannot_be_reckoned_with_is_named(tmp_path, number):
    path = tmp_path / "a.txt"
    path.write_text("axisAlignment = 1 0 0 0 0 1 0 0 0 0 1 " + number + " 0 0 0 1")
    with pytest.raises(RawDataError, match=r"a\.txt: axisAlignment (is far too large|has no rot)"):
        read_axis_alignment(path)


TILTED = pose(EAST_UP30, 1, 2, 3)
NO_MOTIONS = {
    "transposed": (TILTED.T, "does not end with 0 0 0 1"),
    "homogeneous by 2": (2 * TILTED, "does not end with 0 0 0 1"),
    "twice as large": (TILTED * [2, 2, 2, 1], "not orthonormal"),
    "one axis too long": (TILTED * [1, 1.001, 1, 1], "not orthonormal"),
    "mirrored": (TILTED * [1, -1, 1, 1], "mirrored"),
    "vast": (TILTED * [1e30, 1e30, 1e30, 1], "far too large"),
    "vast position": (pose(EAST, 1e30, 0, 0), "far too large"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NO_MOTIONS)
def test_what_is_no_rigid_motion_is_named_with_its_values(tmp_path, name):
    """Of a D5 frame; nothing reads the others."""
    matrix, says = NO_MOTIONS[name]
    first = f"{np.float32(matrix[0, 0]):.6g} "
    poses = every_fifth([pose(NORTH, 0, 0, 0), matrix])
    with pytest.raises(RawDataError, match=f"sens: pose of frame 00005 .*{says}.*{first}"):
        write_scene(tmp_path / "pose", poses, [flat(9)] * 6, [(2, 1, 0)])
    poses = [pose(NORTH, 0, 0, 0), matrix]
    write_scene(tmp_path / "other", poses, [flat(9)] * 2, [(2, 1, 0)])
    with pytest.raises(RawDataError, match=f"txt: axisAlignment .*{says}.*{first}"):
        write_scene(tmp_path / "scene", poses, [flat(9)] * 2, [(2, 1, 0)], alignment=matrix)


def test_poses_and_alignments_rounded_as_in_files_are_rigid_motions(tmp_path):
    """float32 poses; text of six digits."""
    alignment = np.round(TILTED, 6)
    assert np.abs(alignment - TILTED).max() > 0
    scene = write_scene(tmp_path, [TILTED], [flat(9)], [(2, 1, 0)], alignment=alignment)
    assert scene.valid_frame_ids == ["00000"]


def with_camera(**entries: float) -> np.ndarray:
    """K but for some entries, as k02 = 3."""
    matrix = K.copy()
    for name, value in entries.items():
        matrix[int(name[1]), int(name[2])] = value
    return matrix


NO_CAMERAS = {
    "of larger images": (with_camera(k02=16.5), "principal point"),
    "of images twice as large": (np.diag([2, 2, 1, 1]) @ K, "principal point"),
    "of smaller images": (with_camera(k02=4, k12=3), "principal point"),
    "of the other order": (with_camera(k02=6, k12=8), "principal point"),
    "without principal point": (with_camera(k02=0, k12=0), "principal point"),
    "left of the image": (with_camera(k02=-1), "principal point"),
    "below the image": (with_camera(k12=12.5), "principal point"),
    "divided by the size": (np.diag([1 / 16, 1 / 12, 1, 1]) @ K, "focal length"),
    "short focal length": (with_camera(k11=9.9), "focal length"),
    "negative": (with_camera(k00=-10, k11=-10), "focal length"),
    "vast": (with_camera(k00=1e30), "focal length"),
    "infinite": (with_camera(k00=np.inf), "form"),
    "nan": (with_camera(k01=np.nan), "form"),
    "transposed": (K.T, "form"),
    "skew below": (with_camera(k10=0.5), "form"),
    "third row": (2 * K, "form"),
    "a baseline": (with_camera(k03=-40), "form"),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NO_CAMERAS)
def test_a_camera_that_its_images_cannot_have_is_named_with_its_values(tmp_path, name):
    matrix, says = NO_CAMERAS[name]
    with pytest.raises(RawDataError, match=f"sens: .*{says}.*intrinsics .*16x12 pixels"):
        write_scene(tmp_path, [TILTED], [flat(9)], [(2, 1, 0)], k=matrix)


def test_a_camera_off_the_centre_with_a_little_skew_is_fine(tmp_path):
    matrix = with_camera(k00=14, k01=0.3, k02=6, k12=7.2)
    scene = write_scene(tmp_path, [TILTED], [flat(9)], [(2, 1, 0)], k=matrix)
    assert scene.is_valid("00000")


def test_points_that_overflow_are_named(tmp_path):
    scene = write_scene(tmp_path, [TILTED], [flat(9)], [(2e30, 1, 0)])
    scene.axis_align = scene.axis_align * 1e99
    with pytest.raises(RawDataError, match="beyond all bounds"):
        _ = scene.vertices_aligned


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"vertex 4", b"vertex " + b"9" * 5000),
        (b"comment by hand", b"comment " + b"x" * 2**20),
        (struct.pack("<f", 2.5), struct.pack("<f", math.nan)),
        (struct.pack("<f", 2.5), struct.pack("<f", -math.inf)),
    ],
)
def test_a_hostile_ply_is_refused(tmp_path, old, new):
    path = tmp_path / "m.ply"
    path.write_bytes(ply_bytes([(1, 2.5, 3)] * 4).replace(old, new))
    with pytest.raises(RawDataError, match=r"m\.ply"):
        read_ply_vertices(path)


HUGE = 2**63
DEEP = "[" * 100_000
GROUP = {"objectId": 0, "segments": [3], "label": "chair"}


@pytest.mark.parametrize(
    "change",
    [
        {"objectId": True}, {"objectId": "0"}, {"objectId": 1.5}, {"objectId": HUGE},
        {"objectId": -1}, {"objectId": 100_000}, {"objectId": math.inf}, {"objectId": None},
        {"segments": None}, {"segments": "3"}, {"segments": {"3": 1}}, {"segments": [[3, 3]]},
        {"segments": [None]}, {"segments": [3.0]}, {"segments": [True]}, {"label": None},
        {"label": 5}, {"label": ["chair"]},
    ],
)  # fmt: skip
def test_odd_annotations_are_named(tmp_path, change):
    scene = write_scene(tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)], segments=[3])
    path = scan_file(tmp_path, ".aggregation.json")
    path.write_text(json.dumps({"segGroups": [GROUP | change]}))
    with pytest.raises(RawDataError, match=r"aggregation\.json: segGroups\[0\]"):
        _ = scene.raw_categories


def test_huge_segment_numbers_are_numbers(tmp_path):
    scene = write_scene(
        tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)] * 2, segments=[HUGE, 4],
        groups=[(7, [HUGE, 10**400], "a")],
    )  # fmt: skip
    assert scene.instance_ids.tolist() == [8, 0]


@pytest.mark.parametrize("segment", [None, math.inf, 1.0, "3", [3], {}, True])
def test_odd_segments_are_named(tmp_path, segment):
    scene = write_scene(tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)], segments=[segment])
    with pytest.raises(RawDataError, match=r"segs\.json: segIndices are no list of int"):
        _ = scene.instance_ids


@pytest.mark.parametrize("end", [".aggregation.json", "_vh_clean_2.0.010000.segs.json"])
@pytest.mark.parametrize("content", [DEEP, "5", '{"segGroups": 5}', "\ud800", '{"segGroups":[[]]}'])
def test_annotations_that_are_none_are_named(tmp_path, end, content):
    scene = write_scene(tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)])
    scan_file(tmp_path, end).write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(RawDataError, match=r"\.json"):
        _ = scene.instance_ids, scene.raw_categories


@pytest.mark.parametrize("groups", [[[5], [6]], [[0], [6], []], [[5]]])
def test_an_aggregation_of_another_mesh_is_named(tmp_path, groups):
    named = [(k, segments, "chair") for k, segments in enumerate(groups)]
    scene = write_scene(tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)], groups=named)
    with pytest.raises(RawDataError, match="another mesh"):
        _ = scene.instance_ids


def test_two_objects_of_one_id_are_named_and_one_that_is_there_twice_is_one(tmp_path):
    twice = [(3, [0], "chair"), (3, [0], "chair")]
    scene = write_scene(tmp_path / "a", [np.eye(4)], [flat(1)], [(0, 0, 0)], groups=twice)
    assert scene.instance_ids.tolist() == [4] and scene.raw_categories == {3: "chair"}
    twice[1] = (3, [1], "chair")
    scene = write_scene(tmp_path / "b", [np.eye(4)], [flat(1)], [(0, 0, 0)], groups=twice)
    with pytest.raises(RawDataError, match="two objects have the objectId 3"):
        _ = scene.instance_ids


@pytest.mark.parametrize(
    ("key", "stated"),
    [
        ("segmentsFile", f"scannet.{SCENE}_vh_clean.segs.json"),
        ("segmentsFile", "scene0999_01_vh_clean_2.0.010000.segs.json"),
        ("sceneId", "scannet.scene0999_01"),
    ],
)
@pytest.mark.parametrize("end", [".aggregation.json", "_vh_clean_2.0.010000.segs.json"])
def test_annotations_of_another_scene_or_mesh_are_named(tmp_path, end, key, stated):
    scene = write_scene(tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)], groups=[(0, [0], "a")])
    path = scan_file(tmp_path, end)
    fine = f"{SCENE}_vh_clean_2.0.010000.segs.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"segmentsFile": fine}))
    assert RawScene(tmp_path, SCENE).instance_ids.tolist() == [1]
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: stated}))
    with pytest.raises(RawDataError, match="is of"):
        _ = scene.instance_ids


def test_labels_are_found_whatever_their_capitals_and_blanks(tmp_path):
    groups = [(0, [0], "Wall "), (1, [0], "walls")]
    scene = write_scene(tmp_path, [np.eye(4)], [flat(1)], [(0, 0, 0)], groups=groups)
    table = tmp_path / "data/scannet/meta_data/scannetv2-labels.combined.tsv"
    table.parent.mkdir()
    table.write_text("raw_category\tnyu40id\nwall\t1\n")
    assert scene.nyu40_ids == {0: 1, 1: 0}


@pytest.mark.parametrize("number", ["41", "-1", "9" * 30, "9" * 5000, "x", ""])
def test_a_label_table_of_other_numbers_is_named(tmp_path, number):
    path = tmp_path / "labels.tsv"
    path.write_text(f"raw_category\tnyu40id\nwall\t{number}\n")
    with pytest.raises(RawDataError, match=r"labels\.tsv"):
        read_label_table(path)


@pytest.mark.parametrize("line", [b"\xff", b"../x", b"a/b", b"..", b"a\0b", b"a b", b"x" * 201])
def test_lists_hold_names_only(tmp_path, line):
    scenes = tmp_path / "data/scannet/meta_data/scannetv2_val.txt"
    clips = tmp_path / "data/tapvid3d_dataset/meta_data/adt/val.txt"
    for path, read in (
        (scenes, lambda: read_split_list(tmp_path, "val")),
        (clips, lambda: read_clip_list(tmp_path, "adt", "val")),
    ):
        path.parent.mkdir(parents=True)
        for mark in (b"", b"\xef\xbb\xbf"):
            path.write_bytes(mark + b"Lite_release_x+y_3\r\n\n b.2-3 \n")
            assert read() == ["Lite_release_x+y_3", "b.2-3"]
        path.write_bytes(b"scene0000_00\n" + line + b"\n")
        with pytest.raises(RawDataError, match=r"val\.txt"):
            read()


# ---- visibility ----------------------------------------------------------------------------------


def east_point(forward: float, u: float, v: float) -> tuple[float, float, float]:
    """World point at depth `forward` seen at pixel (u, v) by the camera EAST at the origin.

    right = (u - 8) / 10 * forward, down = (v - 6) / 10 * forward; right is -y, down is -z.
    """
    return forward, -(u - 8) / 10 * forward, -(v - 6) / 10 * forward


def visible_of(tmp_path, points, depth=None, matrix=None, **kw) -> tuple[set, set]:
    matrix = pose(EAST, 0, 0, 0) if matrix is None else matrix
    depth = flat(4000) if depth is None else depth
    scene = write_scene(tmp_path, [matrix], [depth], points, **kw)
    must, ties = visible_points(scene, "00000")
    plain = set(visible(scene, "00000").plain.tolist())
    assert must <= plain <= must | ties
    assert not must & ties
    return must, ties


def test_visibility_of_hand_placed_points(tmp_path):
    depth = flat(4000)
    depth[3, 4] = 1000  # an obstacle where u rounds to column 4: u in (7, 9), v in (5, 7)
    depth[1, 2] = 0  # a hole at u in (3, 5), v in (1, 3)
    points = [
        east_point(2, 12.5, 6.5),  # 0 open view
        (-2, 0, 0),  # 1 behind the camera; would project to the centre
        east_point(2, 8.2, 6.2),  # 2 behind the obstacle
        east_point(0.5, 8.2, 6.2),  # 3 in front of the obstacle
        east_point(2, 4.2, 2.2),  # 4 in the hole
        east_point(2, -1, 6),  # 5 left of the image
        east_point(2, 17, 6),  # 6 right of it
        east_point(2, 8, -0.5),  # 7 above
        east_point(2, 8, 12.5),  # 8 below
        east_point(4.5, 12.5, 6.5),  # 9 behind the wall at 4 m
        east_point(2, 15.9, 11.9),  # 10 corner: depth pixel (8, 6) clipped to (7, 5)
        east_point(2, 9.4, 6.2),  # 11 u / 2 = 4.7: beside the obstacle
    ]
    must, ties = visible_of(tmp_path, points, depth)
    assert must == {0, 3, 10, 11}
    assert ties == set()


def test_rows_are_rows_and_columns_are_columns(tmp_path):
    # One measured pixel: column 6, row 1. It is met by u in (11, 13), v in (1, 3) and not by the
    # pixel with row and column exchanged.
    depth = flat(0)
    depth[1, 6] = 3000
    points = [east_point(2, 12, 2), east_point(2, 2, 11.5), east_point(2, 12, 10)]
    assert visible_of(tmp_path, points, depth) == ({0}, set())


def test_the_depth_pixel_is_the_nearest_not_the_one_below(tmp_path):
    depth = flat(0)
    depth[3, 4] = 3000
    points = [east_point(2, 7.2, 6), east_point(2, 8.8, 6), east_point(2, 9.2, 6)]
    assert visible_of(tmp_path, points, depth) == ({0, 1}, set())


def test_depth_ties(tmp_path):
    points = [east_point(4 + d, 12.5, 6.5) for d in (-3e-4, -5e-5, 0, 5e-5, 3e-4)]
    assert visible_of(tmp_path, points) == ({0}, {1, 2, 3})
    assert visible(RawScene(tmp_path, SCENE), "00000").plain.tolist() == [0, 1]  # z < D, not <=


def test_a_hole_is_never_a_tie(tmp_path):
    # 0.05 mm before the camera, closer than the tie to a depth of 0: not measured all the same.
    assert visible_of(tmp_path, [east_point(5e-5, 8.2, 6.2)], flat(0)) == (set(), set())


def test_the_far_corner_reads_the_last_pixel(tmp_path):
    # (15.5, 11.5) is nearest to the depth pixel (8, 6), which is clipped to (7, 5).
    depth = flat(0)
    depth[5, 7] = 3000
    points = [east_point(2, 15.5, 11.5), east_point(2, 13.5, 11.5), east_point(2, 15.5, 8.5)]
    assert visible_of(tmp_path, points, depth) == ({0, 1}, set())


@pytest.mark.parametrize(("edge", "inwards"), [(0, 1), (16, -1)])
def test_border_ties_across(tmp_path, edge, inwards):
    points = [east_point(2, edge + inwards * d, 6.5) for d in (0.01, 5e-4, -5e-4, -0.01)]
    points += [east_point(2, edge + inwards * 5e-4, 50)]  # near a border but surely outside
    assert visible_of(tmp_path, points) == ({0}, {1, 2})
    assert visible(RawScene(tmp_path, SCENE), "00000").plain.tolist() == [0, 1]


@pytest.mark.parametrize(("edge", "inwards"), [(0, 1), (12, -1)])
def test_border_ties_down(tmp_path, edge, inwards):
    points = [east_point(2, 9.5, edge + inwards * d) for d in (0.01, 5e-4, -5e-4, -0.01)]
    assert visible_of(tmp_path, points) == ({0}, {1, 2})
    assert visible(RawScene(tmp_path, SCENE), "00000").plain.tolist() == [0, 1]


def test_rounding_ties_only_where_the_answer_differs(tmp_path):
    depth = flat(4000)
    depth[:, 4] = 1000  # u from 7 to 9
    points = [
        east_point(2, 7, 6.5),  # 0 half between column 3 (seen) and 4 (hidden)
        east_point(2, 7.001, 6.5),  # 1 3.5005: still within 0.001 of the half
        east_point(2, 7.004, 6.5),  # 2 3.502: column 4, hidden
        east_point(2, 6.996, 6.5),  # 3 3.498: column 3, seen
        east_point(2, 13, 6.5),  # 4 a half, but both sides are at 4 m: seen
        east_point(2, 12.5, 7),  # 5 the same between rows
        east_point(2, 6.999, 6.5),  # 6 3.4995: as 1, from the other side
    ]
    assert visible_of(tmp_path, points, depth) == ({3, 4, 5}, {0, 1, 6})


def test_rounding_ties_between_rows(tmp_path):
    depth = flat(4000)
    depth[3, :] = 1000  # v from 5 to 7
    points = [east_point(2, 9.5, v) for v in (4.9, 4.999, 5.001, 5.1, 6.9, 6.999, 7.001, 7.1)]
    assert visible_of(tmp_path, points, depth) == ({0, 7}, {1, 2, 5, 6})


def test_a_half_millimetre_from_rescaling_is_a_tie(tmp_path):
    # 4001 units of half a millimetre: 2000.5 mm, stored as 2000 or as 2001.
    points = [east_point(z, 12.5, 6.5) for z in (1.9998, 2.0004, 2.0008, 2.0012)]
    assert visible_of(tmp_path, points, flat(4001), shift=2000) == ({0}, {1, 2})


def test_depth_is_what_the_png_holds_not_what_the_sens_holds(tmp_path):
    # 2000.4 mm is stored as 2000: a point at 2000.3 mm is hidden, by more than the tie.
    points = [east_point(z, 12.5, 6.5) for z in (1.9998, 2.0003)]
    assert visible_of(tmp_path, points, flat(10002), shift=5000) == ({0}, set())


def test_a_frame_without_depth_sees_nothing(tmp_path):
    scene = write_scene(tmp_path, [pose(EAST, 0, 0, 0)], [None], [east_point(2, 8, 6)])
    assert visible_points(scene, "00000") == (set(), set())


def test_visibility_uses_the_aligned_pose_and_points(tmp_path):
    # Alignment moves camera and mesh together: what is seen stays the same.
    alignment = [0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1]
    points = [east_point(2, 12.5, 6.5), east_point(2, 20, 6), (-2, 0, 0)]
    assert visible_of(tmp_path, points, alignment=alignment) == ({0}, set())


def test_visibility_from_another_camera(tmp_path):
    # Looking north from (1, -0.25, 0.5): right is east, forward north.
    points = [(1, 1.75, 0.5), (2, 1.75, 0.5), (4, 1.75, 0.5), (1, -2, 0.5), (1, 4.5, 0.5)]
    # right/forward: 0/2 seen, 1/2 seen, 3/2 outside, behind, 4.75 m beyond the wall at 4 m
    assert visible_of(tmp_path, points, matrix=pose(NORTH, 1, -0.25, 0.5)) == ({0, 1}, set())


def test_invalid_and_singular_poses_are_refused(tmp_path):
    flat_pose = pose(np.diag([1.0, 1.0, 0.0]), 0, 0, 0)
    scene = write_scene(tmp_path, [LOST, flat_pose], [flat(1)] * 2, [(0, 0, 0)])
    with pytest.raises(RawDataError, match="no valid pose"):
        visible_points(scene, "00000")
    with pytest.raises(RawDataError, match="no valid pose"):
        visible_points(scene, "00001")
    scene = write_scene(tmp_path / "5", every_fifth([flat_pose] * 2), [flat(1)] * 6, [(0, 0, 0)])
    assert scene.valid_frame_ids == []


def overlap_scene(tmp_path, extra=()) -> RawScene:
    """Frame 0 looks east, frame 5 west from (6, 0, 0), frame 10 south, away from all points.

    Walls at 4 m: frame 0 sees up to x = 4, frame 5 down to x = 2.
    """
    points = [(1, 0.1, 0.1), (1, 0.2, 0.1), (1, 0.3, 0.1)]  # frame 0 only
    points += [(3, 0.1, 0.1)]  # both
    points += [(5, 0.1, 0.1), (5, 0.2, 0.1)]  # frame 5 only
    poses = every_fifth([pose(EAST, 0, 0, 0), pose(WEST, 6, 0, 0), pose(SOUTH, 0, -9, 0)])
    return write_scene(tmp_path, poses, [flat(4000)] * 11, [*points, *extra])


def test_overlap(tmp_path):
    scene = overlap_scene(tmp_path)
    assert visible_points(scene, "00000") == ({0, 1, 2, 3}, set())
    assert visible_points(scene, "00005") == ({3, 4, 5}, set())
    assert visible_points(scene, "00010") == (set(), set())
    # 1 of 6
    assert overlap(scene, "00000", "00005") == pytest.approx([100 / 6] * 3)
    assert overlap(scene, "00000", "00000") == (100, 100, 100)
    assert overlap(scene, "00000", "00010") == (0, 0, 0)
    assert overlap(scene, "00010", "00010") == (0, 0, 0)  # empty union


def test_overlap_bounds(tmp_path):
    ties = [
        (4, 0.3, 0.1),  # 6: a tie for frame 0 (at 4 m), seen by frame 5 (at 2 m)
        (4, 5.0, 0.1),  # 7: outside both (right of 45 degrees for both)
        (2, 1.0, 0.1),  # 8: a tie for frame 5 (at 4 m), seen by frame 0
    ]
    scene = overlap_scene(tmp_path, ties)
    assert visible_points(scene, "00000") == ({0, 1, 2, 3, 8}, {6})
    assert visible_points(scene, "00005") == ({3, 4, 5, 6}, {8})
    bounds = overlap(scene, "00000", "00005")
    # Union is always 8 vertices (0-6 and 8); common: 3 surely, 6 and 8 perhaps.
    assert bounds.low == pytest.approx(100 * 1 / 8)
    assert bounds.high == pytest.approx(100 * 3 / 8)
    assert bounds.low <= bounds.value <= bounds.high


def test_overlap_bounds_where_the_union_may_grow(tmp_path):
    # 6 ties for frame 0 and is hidden from frame 5 (behind it, at x = 4 but 5 is moved to x = 3).
    points = [(1, 0.1, 0.1), (2, 0.1, 0.1), (4, 0.1, 0.1)]
    poses = every_fifth([pose(EAST, 0, 0, 0), pose(WEST, 3, 0, 0)])
    scene = write_scene(tmp_path, poses, [flat(4000)] * 6, points)
    assert visible_points(scene, "00000") == ({0, 1}, {2})
    assert visible_points(scene, "00005") == ({0, 1}, set())
    bounds = overlap(scene, "00000", "00005")
    assert bounds.low == pytest.approx(100 * 2 / 3)
    assert bounds.high == 100


def test_overlap_bounds_of_a_tie_in_both_frames(tmp_path):
    # Vertex 2 is at 4 m of both cameras: seen by one only (low) or by both (high).
    points = [(1, 0.1, 0.1), (7, 0.1, 0.1), (4, 0.1, 0.1)]
    poses = every_fifth([pose(EAST, 0, 0, 0), pose(WEST, 8, 0, 0)])
    scene = write_scene(tmp_path, poses, [flat(4000)] * 6, points)
    assert visible_points(scene, "00000") == ({0}, {2})
    assert visible_points(scene, "00005") == ({1}, {2})
    bounds = overlap(scene, "00000", "00005")
    assert (bounds.low, bounds.high) == (0, pytest.approx(100 / 3))


# ---- camera truth --------------------------------------------------------------------------------


def truth_of(tmp_path, pose1, pose2, **kw) -> dict:
    scene = write_scene(tmp_path, [pose1, pose2], [None, None], [(0, 0, 0)], **kw)
    return camera_truth(scene, "00000", "00001")


def words(truth: dict) -> list:
    return [truth[f"{name}_movement"] for name in ("x", "y", "z", "yaw", "pitch")]


ALIGNMENTS = [None, [0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, 30, 0, 0, 0, 1]]


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_one_metre_forward(tmp_path, alignment):
    truth = truth_of(tmp_path, pose(EAST, 1, 2, 3), pose(EAST, 2, 2, 3), alignment=alignment)
    assert truth["displacement_vector"].tolist() == [0, 0, 1000]
    assert words(truth) == [None, None, "forward", None, None]
    assert (truth["total_distance"], truth["yaw_angle"], truth["pitch_angle"]) == (1000, 0, 0)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_quarter_turn_to_the_left_and_a_step_aside(tmp_path, alignment):
    # From east: 1 m forward, 0.25 m south = right, 0.5 m up = down -0.5. East to north: left.
    truth = truth_of(tmp_path, pose(EAST, 0, 0, 0), pose(NORTH, 1, -0.25, 0.5), alignment=alignment)
    assert truth["displacement_vector"] == pytest.approx([250, -500, 1000], abs=1e-9)
    assert truth["yaw"] == pytest.approx(90)
    assert truth["yaw_angle"] == pytest.approx(90)
    assert words(truth) == ["right", "up", "forward", "left", None]
    # sqrt(0.0625 + 0.25 + 1) m
    assert truth["total_distance"] == pytest.approx(1145.643924)
    assert truth["centre_distance"] == pytest.approx(1145.643924)
    # The second camera looks along the first one's left: E12's third column is (-1, 0, 0).
    assert truth["E12"][:3, 2] == pytest.approx([-1, 0, 0])


def test_the_way_back(tmp_path):
    # In the axes of the camera that looks north: the first one is 1 m west = left, 0.25 m north =
    # forward, 0.5 m lower = down; it looks a quarter turn to the right.
    truth = truth_of(tmp_path, pose(NORTH, 1, -0.25, 0.5), pose(EAST, 0, 0, 0))
    assert truth["displacement_vector"] == pytest.approx([-1000, 500, 250])
    assert truth["yaw"] == pytest.approx(-90)
    assert truth["yaw_angle"] == pytest.approx(90)
    assert words(truth) == ["left", "down", "forward", "right", None]


def test_pitch_up_and_backward(tmp_path):
    truth = truth_of(tmp_path, pose(EAST, 0, 0, 0), pose(EAST_UP30, -2, 0, 0))
    assert truth["pitch"] == pytest.approx(30, abs=1e-5)  # the .sens holds float32
    assert truth["displacement_vector"] == pytest.approx([0, 0, -2000])
    assert words(truth)[2:] == ["backward", None, "up"]
    back = camera_truth(RawScene(tmp_path, SCENE), "00001", "00000")
    assert back["pitch"] == pytest.approx(-30, abs=1e-5)
    assert back["pitch_angle"] == pytest.approx(30, abs=1e-5)
    assert back["pitch_movement"] == "down"
    # 2 m along east, seen by a camera tilted up by 30 degrees: forward 2 cos 30, down 2 sin 30.
    assert back["displacement_vector"] == pytest.approx([0, 1000, 1732.0508], abs=1e-3)


def test_yaw_wraps(tmp_path):
    # South is -90, west 180: plainly 270, wrapped -90, to the right.
    truth = truth_of(tmp_path, pose(SOUTH, 0, 0, 0), pose(WEST, 0, 0, 0))
    assert truth["yaw"] == pytest.approx(-90)
    assert truth["yaw_movement"] == "right"
    truth = camera_truth(RawScene(tmp_path, SCENE), "00001", "00000")
    assert truth["yaw"] == pytest.approx(90)
    assert truth["yaw_movement"] == "left"


def test_wrap_degrees():
    cases = {0: 0, 180: 180, -180: 180, 181: -179, -181: 179, 360: 0, 540: 180, -359: 1, 359: -1}
    assert {a: wrap_degrees(a) for a in cases} == cases


def test_heading_uses_the_forward_axis():
    assert heading(pose(EAST, 0, 0, 0)) == pytest.approx((0, 0))
    assert heading(pose(NORTH, 0, 0, 0)) == pytest.approx((90, 0))
    assert heading(pose(SOUTH, 0, 0, 0)) == pytest.approx((-90, 0))
    assert heading(pose(EAST_UP30, 0, 0, 0)) == pytest.approx((0, 30))
    # Pitch is the angle whatever the length of the axis.
    assert heading(pose(3 * EAST_UP30, 0, 0, 0)) == pytest.approx((0, 30))


def test_e12_is_a_true_inverse(tmp_path):
    # Axes too long by what is let pass: the inverse shortens; a transpose would lengthen.
    truth = truth_of(tmp_path, pose(1.0004 * EAST, 0, 0, 0), pose(EAST, 1, 0, 0))
    assert truth["displacement_vector"] == pytest.approx([0, 0, 1000 / 1.0004], abs=1e-3)


def test_rounding():
    assert acceptable_integers(2.4) == {2}
    assert acceptable_integers(2.6) == {3}
    assert acceptable_integers(-2.6) == {-3}
    assert acceptable_integers(2.5) == {2, 3}
    assert acceptable_integers(-2.5) == {-3, -2}
    assert acceptable_integers(2.5 + 5e-7) == {2, 3}
    assert acceptable_integers(2.5 - 5e-7) == {2, 3}
    assert acceptable_integers(2.5 + 2e-6) == {3}
    assert acceptable_integers(2.5 - 2e-6) == {2}
    assert acceptable_integers(3.0) == {3}


# ---- records -------------------------------------------------------------------------------------

ANSWERS = {  # frame 0 to frame 5, by hand: test_a_quarter_turn_to_the_left_and_a_step_aside
    "x_movement": "right",
    "y_movement": "up",
    "z_movement": "forward",
    "yaw_movement": "left",
    "pitch_movement": None,
    "yaw_angle": 90,
    "pitch_angle": 0,
    "total_distance": 1146,
    "displacement_vector": [250, -500, 1000],
}
ANSWERED_TEXT = {name: str(value) for name, value in ANSWERS.items()} | {
    "displacement_vector": "[ 250 , -500 , 1000 ]"
}
MARKS = "Image-1: <image>\nImage-2: <image>\n"


@pytest.fixture(scope="module")
def question_root(tmp_path_factory) -> Path:
    """A root with a train scene and two of val, alike, whose frames 0 and 5 overlap by 25 percent.

    Frame 0 east at the origin, frame 5 north at (1, -0.25, 0.5), frame 10 south of everything
    looking south (no overlap), frame 15 lost, frame 20 as frame 0.
    """
    root = tmp_path_factory.mktemp("root")
    points = [
        (2, 1.25, 0.2),  # both: east 5/8; north: right 1, forward 1.5
        (2, 0.1, 0.2),  # east; north: right 1, forward 0.35: outside
        (2, -0.5, 0.2),  # east; behind the camera that looks north
        (1, 2, 0.5),  # north; east: left 2, forward 1: outside
    ]
    poses = [
        pose(EAST, 0, 0, 0),
        pose(NORTH, 1, -0.25, 0.5),
        pose(SOUTH, 0, -9, 0),
        LOST,
        pose(EAST, 0, 0, 0),
    ]
    write_scene(root, every_fifth(poses), [flat(4000)] * 21, points)
    # Two more scenes, of the val list, with the same content.
    for scene_id in ("scene0001_00", "scene0003_00"):
        write_scene(root, every_fifth(poses), [flat(4000)] * 21, points, scene_id=scene_id)
    meta = root / "data/scannet/meta_data"
    meta.mkdir()
    (meta / "scannetv2_train.txt").write_bytes(b"scene0000_00\r\nscene0002_00\r\n")
    (meta / "scannetv2_val.txt").write_text("scene0001_00\nscene0003_00\n")
    return root


@pytest.fixture(scope="module")
def scene(question_root) -> RawScene:
    return RawScene(question_root, SCENE)


def make_record(question_type="x_movement", split="train", scene_id=SCENE, number=0) -> dict:
    answer = ANSWERS[question_type]
    question = "Camera task.\nRight or left, down or up, forward or backward, in mm or degrees?"
    record = {
        "id": f"camera_{question_type}_{number}",
        "image": [f"{scene_id}/00000.jpg", f"{scene_id}/00005.jpg"],
        "height_list": [12, 12],
        "width_list": [16, 16],
        "task": f"camera_{question_type}",
        "question_type": question_type,
        "gt_value": copy.deepcopy(answer),
        "answer_values": copy.deepcopy(ANSWERS),
        "overlap": 25.0,
    }
    if split == "val":
        record["text"] = MARKS + question
    else:
        reply = f"It is `{ANSWERED_TEXT[question_type]}`."
        record["conversations"] = [
            {"from": "human", "value": MARKS + question},
            {"from": "gpt", "value": reply},
        ]
    return record


ASKED = [name for name in QUESTION_TYPES if ANSWERS[name] is not None]


def test_the_hand_worked_pair_overlaps_by_a_quarter(scene):
    assert visible_points(scene, "00000") == ({0, 1, 2}, set())
    assert visible_points(scene, "00005") == ({0, 3}, set())
    assert overlap(scene, "00000", "00005") == (25, 25, 25)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("question_type", ASKED)
def test_right_records_pass(scene, question_type, split):
    assert check_camera_record(make_record(question_type, split), scene, split) == []


def test_the_swapped_pair_passes_with_its_own_answers(scene):
    record = make_record("displacement_vector")
    record["image"].reverse()
    record["gt_value"] = [-1000, 500, 250]
    record["answer_values"] |= {
        "x_movement": "left",
        "y_movement": "down",
        "z_movement": "forward",
        "yaw_movement": "right",
        "displacement_vector": [-1000, 500, 250],
    }
    record["conversations"][1]["value"] = "`[ -1000 , 500 , 250 ]`"
    assert check_camera_record(record, scene, "train") == []


def test_an_image_is_the_stored_jpeg_of_its_frame_where_it_is_there(tmp_path):
    poses = every_fifth([pose(EAST, 0, 0, 0), pose(NORTH, 1, -0.25, 0.5)])
    points = [(2, 1, 0.2), (2, 1, -0.2), (2, 1.25, 0.2), (2, 0.1, 0.2), (2, -0.5, 0.2), (1, 2, 0.5)]
    jpegs = [b"\xff\xd8frame %d\xff\xd9" % k for k in range(6)]
    write_scene(tmp_path, poses, [flat(4000)] * 6, points, colours=jpegs)
    folder = tmp_path / "data/scannet/posed_images" / SCENE
    folder.mkdir(parents=True)
    right = {"00000.jpg": jpegs[0], "00005.jpg": jpegs[5]}
    for wrong in ({}, {"00005.jpg": jpegs[4]}, {"00005.jpg": b""}, {"00000.jpg": jpegs[0] + b"\0"}):
        for name, content in (right | wrong).items():
            (folder / name).write_bytes(content)
        complaints = check_camera_record(make_record(), RawScene(tmp_path, SCENE), "train")
        found = [c for c in complaints if c.startswith("image: ")]
        says = [f"image: {folder / name} is not the stored JPEG of its frame" for name in wrong]
        assert found == says


def test_both_words_offered_is_no_leak(scene):
    record = make_record("x_movement", "val")
    record["text"] += " Answer `right` or `left`."
    assert check_camera_record(record, scene, "val") == []


def answered(record: dict, value: object, text: str) -> None:
    """Change the answer everywhere, so that only the raw data can tell that it is wrong."""
    record["gt_value"] = value
    record["answer_values"][record["question_type"]] = value
    if "conversations" in record:
        record["conversations"][1]["value"] = f"It is `{text}`."


@pytest.mark.parametrize(
    ("question_type", "wrong"),
    [
        ("x_movement", "left"),
        ("y_movement", "down"),
        ("z_movement", "backward"),
        ("yaw_movement", "right"),
        ("yaw_angle", 89),
        ("yaw_angle", 91),
        ("yaw_angle", -90),
        ("pitch_angle", 1),
        ("total_distance", 1145),
        ("total_distance", 1147),
        ("displacement_vector", [249, -500, 1000]),
        ("displacement_vector", [250, -499, 1000]),
        ("displacement_vector", [250, -500, 1001]),
        ("displacement_vector", [250, 500, 1000]),
        ("displacement_vector", [-1000, 500, 250]),  # in the axes of the second camera
        ("displacement_vector", [1000, -250, 500]),  # in world axes
    ],
)
@pytest.mark.parametrize("split", ["train", "val"])
def test_wrong_answers_are_found(scene, question_type, wrong, split):
    record = make_record(question_type, split)
    answered(record, wrong, answer_text(wrong))
    complaints = check_camera_record(record, scene, split)
    assert [c.split(":")[0] for c in complaints] == ["gt_value", "answer_values"]
    assert all("raw data say" in c for c in complaints)


FORMS = {  # what a question must say
    "x_movement": ("Right", "left"),
    "y_movement": ("down", "up"),
    "z_movement": ("forward", "backward"),
    "yaw_movement": ("Right", "left"),
    "pitch_movement": ("down", "up"),
    "yaw_angle": ("degrees",),
    "pitch_angle": ("degrees",),
    "total_distance": ("mm",),
    "displacement_vector": ("mm",),
}


@pytest.mark.parametrize("question_type", ASKED)
def test_a_question_that_does_not_say_which_form_of_answer_is_wanted_is_found(scene, question_type):
    for word in FORMS[question_type]:
        record = make_record(question_type, "val")
        record["text"] = record["text"].replace(word, "so")
        (complaint,) = check_camera_record(record, scene, "val")
        assert complaint.startswith(("text: does not offer", "text: does not say")), complaint


@pytest.mark.parametrize(
    ("question_type", "wrong"),
    [
        ("x_movement", "rightward"),
        ("x_movement", "up"),
        ("x_movement", None),
        ("x_movement", 1),
        ("yaw_angle", 90.0),
        ("yaw_angle", "90"),
        ("yaw_angle", True),
        ("yaw_angle", None),
        ("total_distance", 1146.0),
        ("total_distance", [1146]),
        ("displacement_vector", [250.0, -500, 1000]),
        ("displacement_vector", [250, -500]),
        ("displacement_vector", "[ 250 , -500 , 1000 ]"),
        ("displacement_vector", None),
    ],
)
def test_wrong_types_are_found(scene, question_type, wrong):
    record = make_record(question_type, "val")
    answered(record, wrong, answer_text(wrong))
    complaints = check_camera_record(record, scene, "val")
    assert any(c.startswith("gt_value") for c in complaints), complaints


def change(path: list, value: object):
    """A planted error: set record[path[0]][path[1]]... = value; DROP removes it."""

    def apply(record: dict) -> None:
        target = record
        for key in path[:-1]:
            target = target[key]
        if value is DROP:
            del target[path[-1]]
        else:
            target[path[-1]] = value

    return apply


DROP = object()
GPT = ["conversations", 1, "value"]
HUMAN = ["conversations", 0, "value"]
IMAGE = [f"{SCENE}/00000.jpg", f"{SCENE}/00005.jpg"]
PLANTED = [  # (question type, split, error, what the complaints must say)
    ("x_movement", "train", change(["id"], ""), "id:"),
    ("x_movement", "train", change(["id"], 7), "id:"),
    ("x_movement", "train", change(["task"], "x_movement"), "task:"),
    ("x_movement", "train", change(["task"], "camera_y_movement"), "task:"),
    ("x_movement", "train", change(["question_type"], "x_move"), "question_type:"),
    ("x_movement", "train", change(["question_type"], DROP), "question_type:"),
    # images
    ("x_movement", "train", change(["image"], IMAGE[:1]), "not a list of two"),
    ("x_movement", "train", change(["image"], IMAGE[0]), "not a list of two"),
    ("x_movement", "train", change(["image"], IMAGE[::-1]), "gt_value: x_movement"),
    ("z_movement", "train", change(["image"], IMAGE[::-1]), "answer_values: displacement_vector"),
    ("x_movement", "train", change(["image"], [IMAGE[0], IMAGE[0]]), "twice"),
    ("x_movement", "train", change(["image", 1], f"{SCENE}/x5.jpg"), "is not <scene>/<frame>.jpg"),
    ("x_movement", "train", change(["image", 1], f"data/{IMAGE[1]}"), "is not <scene>/<frame>"),
    ("x_movement", "train", change(["image", 1], f"{SCENE}/00005.png"), "is not <scene>/<frame>"),
    ("x_movement", "train", change(["image", 1], "scene0001_00/00005.jpg"), "two scenes"),
    ("x_movement", "train", change(["image", 1], f"{SCENE}/00004.jpg"), "not a multiple of 5"),
    ("x_movement", "train", change(["image", 1], f"{SCENE}/00025.jpg"), "no frame 00025"),
    ("x_movement", "train", change(["image", 1], f"{SCENE}/009995.jpg"), "no frame 09995"),
    ("x_movement", "train", change(["image", 1], f"{SCENE}/00015.jpg"), "image: frame 00015"),
    # sizes
    ("x_movement", "train", change(["height_list"], [16, 16]), "height_list:"),
    ("x_movement", "train", change(["width_list"], [12, 12]), "width_list:"),
    ("x_movement", "train", change(["width_list"], [16]), "width_list:"),
    ("x_movement", "train", change(["height_list"], DROP), "height_list:"),
    # turns
    ("x_movement", "train", change(["conversations"], DROP), "conversations:"),
    ("x_movement", "train", change(["conversations", 0, "from"], "user"), "roles"),
    ("x_movement", "train", change(["conversations", 1, "from"], "assistant"), "roles"),
    ("x_movement", "train", change(["conversations", 1], DROP), "roles"),
    ("x_movement", "train", change(GPT, None), "not a string"),
    ("x_movement", "train", change(GPT, "It is right."), "gpt:"),
    ("x_movement", "train", change(GPT, "It is `left`."), "gpt:"),
    ("x_movement", "train", change(GPT, "It is `right`, yes `right`."), "gpt:"),
    ("x_movement", "train", change(GPT, "It is `right` not `left`."), "gpt:"),
    ("x_movement", "train", change(GPT, "It is ``right``."), "gpt:"),
    ("x_movement", "train", change(GPT, "It is ` right `."), "gpt:"),
    ("x_movement", "train", change(GPT, "<image> `right`"), "gpt: holds <image>"),
    ("total_distance", "train", change(GPT, "`1146.0` mm"), "gpt:"),
    ("total_distance", "train", change(GPT, "`1146 mm`"), "gpt:"),
    ("total_distance", "train", change(GPT, "`1147` mm"), "gpt:"),
    ("displacement_vector", "train", change(GPT, "`[250, -500, 1000]`"), "gpt:"),
    ("displacement_vector", "train", change(GPT, "`[ 250 , -500 , 1001 ]`"), "gpt:"),
    ("x_movement", "train", change(HUMAN, "Image-1: <image>\nWhich?"), "1 <image> marks"),
    ("x_movement", "train", change(HUMAN, MARKS + "Which <image>?"), "3 <image> marks"),
    ("x_movement", "train", change(HUMAN, "<image>\n<image>\nWhich?"), "does not open with"),
    ("x_movement", "train", change(HUMAN, MARKS + " \n"), "no question"),
    ("x_movement", "train", change(HUMAN, MARKS + "Is it `right`?"), "stands in the question"),
    ("displacement_vector", "train", change(HUMAN, MARKS + "right, down?"), "missing ['forward']"),
    # evaluation
    ("x_movement", "val", change(["text"], DROP), "text:"),
    ("x_movement", "val", change(["text"], "<image>\nWhich?"), "1 <image> marks"),
    ("x_movement", "val", change(["text"], MARKS + "It is `right`."), "stands in the question"),
    ("yaw_angle", "val", change(["text"], MARKS + "It is `90`."), "stands in the question"),
    ("total_distance", "val", change(["text"], MARKS + "` 1146 `?"), "stands in the question"),
    (
        "displacement_vector",
        "val",
        change(["text"], MARKS + "right, down, forward: [ 250 , -500 , 1000 ]"),
        "stands in the question",
    ),
    ("x_movement", "val", change(["conversations"], []), "conversations: must not be"),
    ("x_movement", "val", change(["wording"], "odd"), "wording: 'odd' is none of"),
    ("x_movement", "train", change(["wording"], "seen"), "wording: must not be in a training"),
    # values beside the answer
    ("x_movement", "val", change(["answer_values"], DROP), "exactly the nine"),
    ("x_movement", "val", change(["answer_values", "yaw_angle"], DROP), "exactly the nine"),
    ("x_movement", "val", change(["answer_values", "tenth"], 1), "exactly the nine"),
    ("x_movement", "val", change(["answer_values", "x_movement"], "left"), "gt_value 'right'"),
    ("x_movement", "val", change(["answer_values", "x_movement"], None), "null but"),
    ("x_movement", "val", change(["answer_values", "z_movement"], "backward"), "z_movement is"),
    ("x_movement", "val", change(["answer_values", "yaw_movement"], "right"), "yaw_movement is"),
    ("x_movement", "val", change(["answer_values", "pitch_movement"], "none"), "pitch_movement is"),
    ("x_movement", "val", change(["answer_values", "total_distance"], 1147), "total_distance is"),
    ("x_movement", "val", change(["answer_values", "yaw_angle"], 89), "yaw_angle is"),
    ("x_movement", "val", change(["answer_values", "pitch_angle"], 0.0), "pitch_angle is"),
    ("x_movement", "val", change(["answer_values", "pitch_angle"], False), "pitch_angle is"),
    (
        "x_movement",
        "val",
        change(["answer_values", "displacement_vector", 2], 999),
        "displacement_vector is",
    ),
    # overlap
    ("x_movement", "train", change(["overlap"], DROP), "overlap:"),
    ("x_movement", "train", change(["overlap"], "25"), "overlap:"),
    ("x_movement", "train", change(["overlap"], True), "overlap:"),
    ("x_movement", "train", change(["overlap"], float("nan")), "overlap:"),
    ("x_movement", "train", change(["overlap"], 10**400), "overlap:"),
    ("x_movement", "train", change(["overlap"], 25.02), "overlap:"),
    ("x_movement", "train", change(["overlap"], 24.98), "overlap:"),
    ("x_movement", "train", change(["overlap"], 0), "overlap:"),
    ("x_movement", "train", change(["overlap"], 0.25), "not within 6 to 35"),
    # names that trainers use
    ("x_movement", "train", change(["length"], 1), "length:"),
    ("x_movement", "val", change(["label"], "right"), "label:"),
    ("x_movement", "train", change(["objects"], []), "objects:"),
    ("x_movement", "val", change(["solution"], ""), "solution:"),
]


@pytest.mark.parametrize(("question_type", "split", "plant", "says"), PLANTED)
def test_planted_errors_are_found(scene, question_type, split, plant, says):
    record = make_record(question_type, split)
    plant(record)
    complaints = check_camera_record(record, scene, split)
    assert any(says in complaint for complaint in complaints), complaints


def test_an_error_beside_the_answer_gives_one_complaint(scene):
    record = make_record("x_movement")
    record["overlap"] = 26.0
    complaints = check_camera_record(record, scene, "train")
    assert len(complaints) == 1
    assert "26.0 but the raw data say 25.000000" in complaints[0]


def test_a_small_error_of_overlap_is_accepted(scene):
    record = make_record("x_movement") | {"overlap": 25.009}
    assert check_camera_record(record, scene, "train") == []


def zero_record(scene_id=SCENE) -> dict:
    """Frame 0 to frame 10: from east at the origin to south at (0, -9, 0).

    9 m south = right; nothing else; a quarter turn right. No common vertex.
    """
    record = make_record("x_movement", "val", scene_id)
    record["image"][1] = f"{scene_id}/00010.jpg"
    record["overlap"] = 0.0
    record["answer_values"] = {
        "x_movement": "right",
        "y_movement": None,
        "z_movement": None,
        "yaw_movement": "right",
        "pitch_movement": None,
        "yaw_angle": 90,
        "pitch_angle": 0,
        "total_distance": 9000,
        "displacement_vector": [9000, 0, 0],
    }
    return record


def test_zero_overlap_pairs(scene):
    assert check_camera_record(zero_record(), scene, "val") == []
    wrong = zero_record() | {"overlap": 6.0}
    assert "overlap: 6.0 but" in check_camera_record(wrong, scene, "val")[0]


def test_a_pair_that_shares_one_vertex_in_ten_thousand_is_not_zero(tmp_path):
    # One shared vertex of 12,001: 0.0083 percent, within the tolerance of 0 and yet not 0.
    points = [(1, 0.1, 0.1)] * 6000 + [(5, 0.1, 0.1)] * 6000 + [(3, 0.1, 0.1)]
    poses = every_fifth([pose(EAST, 0, 0, 0), pose(WEST, 6, 0, 0)])
    scene = write_scene(tmp_path, poses, [flat(4000)] * 6, points)
    record = make_record("total_distance", "val") | {"overlap": 0.0}
    complaints = check_camera_record(record, scene, "val")
    assert any("0.0 but the raw data say 0.008333" in c for c in complaints), complaints


def test_overlaps_outside_the_range_are_refused_even_when_true(scene):
    # Frames 0 and 20 are the same view: 100 percent.
    record = make_record("yaw_angle", "val") | {"overlap": 100.0, "gt_value": 0}
    record["image"][1] = f"{SCENE}/00020.jpg"
    record["answer_values"] = dict.fromkeys(ANSWERS, 0) | dict.fromkeys(
        ["x_movement", "y_movement", "z_movement", "yaw_movement", "pitch_movement"]
    )
    record["answer_values"]["displacement_vector"] = [0, 0, 0]
    complaints = check_camera_record(record, scene, "val")
    assert complaints == ["overlap: 100.0 is not within 6 to 35"]


def test_ties_of_visibility_widen_the_overlap(tmp_path):
    # As test_overlap_bounds: 12.5 to 37.5 can be computed. float64 sees vertex 6 (0.03 mm before
    # the wall) and not vertex 8 (0.03 mm behind it): 25.
    ties = [(4 - 3e-5, 0.3, 0.1), (4, 5.0, 0.1), (2 - 3e-5, 1.0, 0.1)]
    scene = overlap_scene(tmp_path, ties)
    assert overlap(scene, "00000", "00005") == pytest.approx((25, 12.5, 37.5))
    for value, right in [(12.5, True), (25.0, True), (12.4, False), (34.9, True), (12.48, False)]:
        record = make_record("total_distance", "val") | {"overlap": value}
        complaints = check_camera_record(record, scene, "val")
        accepted = not any("overlap" in c for c in complaints)
        assert accepted is right, (value, complaints)


def test_tiny_motions_are_not_judged_and_small_ones_are(tmp_path):
    # float32 holds 1e-13 and 1e-8 m near the origin: 1e-10 mm is noise, 1e-5 mm is a direction.
    poses = [pose(EAST, 0, 0, 0), pose(EAST, 1, -1e-13, 0), pose(EAST, 1, -1e-8, 0)]
    scene = write_scene(tmp_path, poses, [None] * 3, [(0, 0, 0)])
    noise = camera_truth(scene, "00000", "00001")
    small = camera_truth(scene, "00000", "00002")
    for word in ("right", "left"):
        assert judge_value("x_movement", word, noise, may_be_null=False) == ""
    assert judge_value("x_movement", None, noise, may_be_null=True) == ""
    assert "none of" in judge_value("x_movement", None, noise, may_be_null=False)
    assert "none of" in judge_value("x_movement", "forward", noise, may_be_null=False)
    assert judge_value("x_movement", "right", small, may_be_null=True) == ""
    assert "raw data say 'right'" in judge_value("x_movement", "left", small, may_be_null=True)
    assert "null but" in judge_value("x_movement", None, small, may_be_null=True)


@pytest.mark.parametrize("question_type", [name for name in MARGINS if name in ASKED])
def test_motions_within_the_margins_of_a_file_are_named(scene, question_type):
    name, record = MARGINS[question_type], make_record(question_type, "val")
    motion = camera_truth(scene, "00000", "00005")["motion"]
    size = abs(motion[question_type.replace("angle", "movement")])
    for constants in ({}, {name: 0}, {name: size + 5e-7}, {"BALANCE_ANSWERS": True, name: "20"}):
        assert check_camera_record(record, scene, "val", constants) == []
    (complaint,) = check_camera_record(record, scene, "val", {name: size + 1e-5})
    assert complaint.startswith("question_type: ") and name in complaint


def test_half_turns_and_vertical_cameras_have_no_yaw_direction(tmp_path):
    down = np.array([[0, -1, 0], [-1, 0, 0], [0, 0, -1]], dtype=float)  # forward = -z
    poses = [pose(EAST, 0, 0, 0), pose(WEST, 1, 0, 0), pose(down, 0, 0, 0), pose(NORTH, 0, 0, 0)]
    scene = write_scene(tmp_path, poses, [None] * 4, [(0, 0, 0)])
    half_turn = camera_truth(scene, "00000", "00001")
    assert half_turn["yaw"] == pytest.approx(180)
    for word in ("left", "right"):
        assert judge_value("yaw_movement", word, half_turn, may_be_null=True) == ""
    assert judge_value("yaw_angle", 180, half_turn, may_be_null=True) == ""
    assert "raw data say" in judge_value("yaw_angle", 179, half_turn, may_be_null=True)
    assert "null but" in judge_value("yaw_movement", None, half_turn, may_be_null=True)
    vertical = camera_truth(scene, "00003", "00002")
    assert vertical["pitch"] == pytest.approx(-90)
    assert judge_value("pitch_movement", "down", vertical, may_be_null=False) == ""
    for word in ("left", "right"):
        assert judge_value("yaw_movement", word, vertical, may_be_null=False) == ""
    assert judge_value("yaw_angle", 17, vertical, may_be_null=False) == ""
    assert "outside 0 to 180" in judge_value("yaw_angle", 181, vertical, may_be_null=False)


def test_rounding_ties_of_a_record(tmp_path):
    # 0.0625 m is a float32, and 62.5 mm is exactly a half.
    poses = [pose(EAST, 0, 0, 0), pose(EAST, 0.0625, 0, 0)]
    scene = write_scene(tmp_path, poses, [None] * 2, [(0, 0, 0)])
    truth = camera_truth(scene, "00000", "00001")
    judged = [
        judge_value("total_distance", mm, truth, may_be_null=False) == "" for mm in (61, 62, 63, 64)
    ]
    assert judged == [False, True, True, False]


@pytest.mark.parametrize("junk", [None, [], "x", 5, {}, {"image": 3}, {"image": [1, 2]}])
def test_junk_is_a_complaint_not_a_crash(scene, junk):
    assert check_camera_record(junk, scene, "train")
    assert check_camera_record(junk, scene, "val")


@pytest.mark.parametrize("field", [*make_record(), "text"])
@pytest.mark.parametrize("junk", [None, [], {}, "x", -1, 2.5, [None, None], [[], {}], {"a": []}])
@pytest.mark.parametrize("split", ["train", "val"])
def test_junk_in_any_field_is_a_complaint_not_a_crash(scene, field, junk, split):
    record = make_record("total_distance", split)
    if field == "id" and junk == "x":
        junk = ""  # any other string is a right id
    if field == ("conversations" if split == "val" else "text"):
        record[field] = junk  # val: must not be there; train: not read
        assert bool(check_camera_record(record, scene, split)) is (split == "val")
        return
    record[field] = junk
    assert check_camera_record(record, scene, split)


def test_the_scene_must_be_the_record_s(question_root):
    other = RawScene(question_root, "scene0001_00")
    complaints = check_camera_record(make_record(), other, "train")
    assert complaints == ["image: of scene scene0000_00, checked against scene0001_00"]


def test_unknown_splits_are_refused(scene):
    with pytest.raises(ValueError, match="split 'test'"):
        check_camera_record(make_record(), scene, "test")


def test_unreadable_raw_data_is_a_complaint(tmp_path):
    poses = every_fifth([pose(EAST, 0, 0, 0), pose(NORTH, 1, -0.25, 0.5)])
    scene = write_scene(tmp_path, poses, [flat(4000)] * 6, [(2, 1, 0.2)])
    (tmp_path / "data/scannet/scans" / SCENE / f"{SCENE}_vh_clean_2.ply").unlink()
    complaints = check_camera_record(make_record(), scene, "train")
    assert len(complaints) == 1
    assert complaints[0].startswith("raw data:")
    assert "_vh_clean_2.ply" in complaints[0]


# ---- files ---------------------------------------------------------------------------------------


def write_lines(path: Path, *records: dict | str) -> Path:
    path.write_text("".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in records))
    return path


def two_records(question_type="x_movement") -> list[dict]:
    first, second = make_record(question_type), zero_record()
    for key in ("text",):
        del second[key]
    second["conversations"] = copy.deepcopy(first["conversations"])
    second["id"] = "another"
    return [first, second]


def test_a_right_file_passes(tmp_path, question_root):
    path = write_lines(tmp_path / "x_movement_train.jsonl", *two_records())
    assert file_complaints(path, question_root, "train") == []
    val = make_record("yaw_angle", "val", "scene0001_00")
    other = make_record("yaw_angle", "val", "scene0003_00", number=1)  # same ids, other scene
    path = write_lines(tmp_path / "yaw_angle_val.jsonl", val, other)
    assert file_complaints(path, question_root, "val") == []


def test_line_numbers_and_order(tmp_path, question_root):
    first, second = two_records()
    first["overlap"], second["overlap"] = 24.0, 7.0
    path = write_lines(tmp_path / "f.jsonl", "{", first, '{"overlap": NaN}', "[1]", second)
    complaints = file_complaints(path, question_root, "train")
    assert [c.split(":")[0] for c in complaints] == [f"line {i}" for i in (1, 2, 3, 4, 5)]
    assert "not JSON" in complaints[0]
    assert "24.0" in complaints[1]
    assert "NaN is not JSON" in complaints[2]
    assert "not a JSON object" in complaints[3]
    assert "7.0" in complaints[4]


@pytest.mark.parametrize("field", ["id", "gt_value", "answer_values", "overlap"])
def test_values_nested_more_deeply_than_any_are_a_complaint(tmp_path, question_root, field):
    line = json.dumps({**make_record(), field: "DEEP"})
    depths = (40, *range(900, 1000), 2000, 100_000)
    lines = [line.replace('"DEEP"', "[" * depth + "]" * depth) for depth in depths]
    path = write_lines(tmp_path / "f.jsonl", *lines)
    complaints = file_complaints(path, question_root, "train")
    assert len(complaints) == len(depths)
    assert all("not JSON" in text or "over 32 levels" in text for text in complaints)


def test_repeats_are_found(tmp_path, question_root):
    first, second = two_records()
    again = copy.deepcopy(first)
    path = write_lines(tmp_path / "f.jsonl", first, second, again)
    complaints = file_complaints(path, question_root, "train")
    assert complaints == [
        "line 3: id: is that of line 1 too",
        "line 3: image: the pair of line 1 again",
    ]


def test_a_pair_asked_the_other_way_round_is_a_repeat(tmp_path, question_root):
    first, swapped = zero_record("scene0001_00"), zero_record("scene0001_00")
    swapped["id"] = "another"
    swapped["image"].reverse()
    # From south at (0, -9, 0), 9 m north: backward; east is to its left.
    swapped["answer_values"] |= {
        "x_movement": None,
        "z_movement": "backward",
        "yaw_movement": "left",
        "displacement_vector": [0, 0, -9000],
    }
    for record in (first, swapped):
        record |= {"question_type": "total_distance", "task": "camera_total_distance"}
        record["gt_value"] = 9000
    path = write_lines(tmp_path / "f.jsonl", first, swapped)
    complaints = file_complaints(path, question_root, "val")
    assert complaints == ["line 2: image: the pair of line 1 again"]


def test_scenes_of_the_other_split_are_found(tmp_path, question_root):
    path = write_lines(tmp_path / "f.jsonl", make_record(scene_id="scene0001_00"))
    complaints = file_complaints(path, question_root, "train")
    assert complaints == ["line 1: image: scene scene0001_00 is not in split train"]


def test_scenes_that_are_not_there_are_found(tmp_path, question_root):
    path = write_lines(tmp_path / "f.jsonl", make_record(scene_id="scene0002_00"))
    complaints = file_complaints(path, question_root, "train")
    assert len(complaints) == 1
    assert complaints[0].startswith("scene0002_00: 1 lines not checked: ")


def test_an_empty_file_is_found(tmp_path, question_root):
    path = write_lines(tmp_path / "empty.jsonl")
    assert file_complaints(path, question_root, "train") == ["file: no records"]


def test_a_file_of_the_other_form_is_found(tmp_path, question_root):
    path = write_lines(tmp_path / "f.jsonl", make_record("x_movement", "val", "scene0001_00"))
    assert file_complaints(path, question_root, "val") == []
    path = write_lines(tmp_path / "f.jsonl", make_record("x_movement", "train", "scene0001_00"))
    complaints = file_complaints(path, question_root, "val")
    assert any("conversations: must not be" in c for c in complaints)
    assert any("text: None" in c for c in complaints)
