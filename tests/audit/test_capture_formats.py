"""The readers of captures against files that are written here, number by number.

The worlds are chosen so that every expected number can be worked out by hand; it is in the comments
where it is not plain.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from capture_files import (
    UNIT,
    Z_UP,
    depth_png,
    jpeg,
    lz4_literals,
    opened,
    ply,
    png,
    put,
    slope,
    stored_lzfse,
)

from spatial_engine.audit.captures.formats import transforms
from spatial_engine.audit.captures.rotations import by_axis_angle
from spatial_engine.audit.raw.limits import RawDataError

QUARTER = math.sqrt(0.5)
# about z by 90 degrees: x of the camera is y of the world
TURN_Z = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])


def pose_text(matrix: np.ndarray) -> str:
    return "\n".join(" ".join(f"{x:.18e}" for x in row) for row in matrix) + "\n"


def shifted(x: float, y: float, z: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = x, y, z
    return matrix


def same(one: object, other: object) -> bool:
    return np.allclose(one, other, rtol=0, atol=1e-9)


# ---- 7-Scenes ------------------------------------------------------------------------------------


def seven_scenes(folder: Path, depth: np.ndarray, pose: np.ndarray | None = None) -> Path:
    for number in (0, 7):
        name = f"frame-{number:06d}"
        put(folder / f"{name}.color.png", png(slope(640, 480, number)))
        put(folder / f"{name}.depth.png", png(depth))
        put(folder / f"{name}.pose.txt", pose_text(np.eye(4) if pose is None else pose))
    return folder


def test_7_scenes_depth_is_seen_from_the_colour_camera(tmp_path):
    depth = np.zeros((480, 640), np.uint16)
    depth[240, 320] = 1000
    depth[100, 100] = 65535
    path = seven_scenes(tmp_path / "seq-01", depth, shifted(1, 2, 3))
    capture = opened(tmp_path, "7scenes", path, [0, 7])
    assert capture.frame_ids() == ["00000", "00007"]
    # inverse of the translation from depth to colour
    assert same(capture.world_from_cam("00007"), shifted(1.0256, 1.9999, 2.998))
    assert same(capture.camera_K("00000"), [[525, 0, 320], [0, 525, 240], [0, 0, 1]])
    # the point (0, 0, 1) is at (-0.0256, 0.0001, 1.002) of the colour camera: u 306.59, v 240.05
    found = capture.depth_mm("00000")
    assert np.argwhere(found).tolist() == [[240, 307]]
    assert found[240, 307] == 1002
    assert (capture.picture("00007") == slope(640, 480, 7)).all()


def test_7_scenes_registered_depth_stays_where_it_is(tmp_path):
    depth = np.zeros((480, 640), np.uint16)
    depth[240, 320] = 1000
    path = seven_scenes(tmp_path / "seq-01", depth)
    put(path / "camera-intrinsics.txt", "585 0 320\n0 585 240\n0 0 1\n")
    capture = opened(tmp_path, "7scenes", path, [0], registered=True)
    assert capture.depth_mm("00000")[240, 320] == 1000
    assert same(capture.camera_K("00000")[0], [585, 0, 320])
    assert same(capture.world_from_cam("00000"), np.eye(4))
    capture = opened(
        tmp_path, "7scenes", path, [0], registered=True, intrinsics=[500, 510, 310, 240]
    )
    assert same(np.diag(capture.camera_K("00000")), [500, 510, 1])


def test_7_scenes_jpeg_must_be_kept_as_it_is(tmp_path):
    path = seven_scenes(tmp_path / "seq-01", np.ones((480, 640), np.uint16))
    content = jpeg(slope(640, 480, 20))
    put(path / "frame-000000.color.jpg", content)
    (path / "frame-000000.color.png").unlink()
    capture = opened(tmp_path, "7scenes", path, [0])
    assert capture.why_not_stored("00000", content) == ""
    again = jpeg(capture.own_picture("00000"))
    assert again == content or "not the JPEG" in capture.why_not_stored("00000", again)
    assert "not the JPEG" in capture.why_not_stored("00000", content + b"\0")


def test_a_frame_that_the_source_has_not_is_named(tmp_path):
    path = seven_scenes(tmp_path / "seq-01", np.ones((480, 640), np.uint16))
    (path / "frame-000007.depth.png").unlink()
    with pytest.raises(RawDataError, match="no frame 7"):
        opened(tmp_path, "7scenes", path, [0, 7])
    put(path / "frame-000000.pose.txt", "1 2 3")
    with pytest.raises(RawDataError, match="3 numbers, not 4x4"):
        opened(tmp_path, "7scenes", path, [0])
    put(path / "frame-000000.pose.txt", pose_text(np.diag([2.0, 1, 1, 1])))
    with pytest.raises(RawDataError, match="orthonormal"):
        opened(tmp_path, "7scenes", path, [0])


# ---- TUM -----------------------------------------------------------------------------------------


def tum(folder: Path) -> Path:
    rgb = {"1.000000": 0, "1.100000": 30, "1.200000": 60}
    depth = {"1.015000": 5000, "1.130000": 5003, "1.205000": 5003}
    put(folder / "rgb.txt", "# color images\n" + "".join(f"{t} rgb/{t}.png\n" for t in rgb))
    put(folder / "depth.txt", "# depth maps\n" + "".join(f"{t} depth/{t}.png\n" for t in depth))
    for time, start in rgb.items():
        put(folder / f"rgb/{time}.png", png(slope(640, 480, start)))
    for time, value in depth.items():
        put(folder / f"depth/{time}.png", png(np.full((480, 640), value, np.uint16)))
    # qx qy qz qw: about z by 90 degrees
    turn = f"0 0 {QUARTER:.9f} {QUARTER:.9f}"
    poses = [f"1.00{k} {k} 0 0 {turn}" for k in range(5)] + [f"1.1 9 0 0 {turn}"]
    poses += [f"1.19 1 2 3 {turn}", f"1.25 7 7 7 {turn}"]
    put(folder / "groundtruth.txt", "# ground truth\n" + "\n".join(poses) + "\n")
    return folder


def test_tum_times_quaternions_and_depth(tmp_path):
    path = tum(tmp_path / "rgbd_dataset_freiburg3_x")
    capture = opened(tmp_path, "tum", path, [0, 2])
    # the depth nearest to 1.1 is 0.03 s away
    with pytest.raises(RawDataError, match="no frame 1 "):
        opened(tmp_path, "tum", path, [0, 1])
    assert capture.depth_mm("00000")[3, 4] == 1000
    assert capture.depth_mm("00002")[3, 4] == 1001  # 1000.6
    found = capture.world_from_cam("00002")
    assert np.allclose(found[:3, :3], TURN_Z, atol=1e-8)
    assert same(found[:3, 3], [1, 2, 3])
    assert same(capture.world_from_cam("00000")[:3, 3], [0, 0, 0])
    assert same(capture.camera_K("00000"), [[535.4, 0, 320.1], [0, 539.2, 247.6], [0, 0, 1]])
    assert (capture.picture("00002") == slope(640, 480, 60)).all()


@pytest.mark.parametrize(
    ("number", "K", "lens"),
    [
        (1, (517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
        (2, (520.9, 521.0, 325.1, 249.7), (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    ],
)
def test_tum_colour_and_depth_are_undistorted_alike(tmp_path, number, K, lens):
    path = tum(tmp_path / f"rgbd_dataset_freiburg{number}_x")
    rng = np.random.default_rng(0)
    depth = np.kron(rng.integers(500, 9000, (24, 32)), np.ones((20, 20))).astype(np.uint16)
    put(path / "depth/1.015000.png", png(depth))
    capture = opened(tmp_path, "tum", path, [0])
    matrix = np.array([[K[0], 0, K[2]], [0, K[1], K[3]], [0, 0, 1]])
    assert same(capture.camera_K("00000"), matrix)
    expected = cv2.undistort(slope(640, 480), matrix, np.array(lens)).astype(int)
    apart = np.abs(capture.own_picture("00000") - expected)
    assert apart.max() <= 5  # at the border of the image
    assert (apart <= 1).mean() > 0.999
    maps = cv2.initUndistortRectifyMap(
        matrix, np.array(lens), None, matrix, (640, 480), cv2.CV_32FC1
    )
    nearest = cv2.remap(np.rint(depth / 5.0).astype(np.uint16), *maps, cv2.INTER_NEAREST)
    low, high = capture.depth_mm_bounds("00000")
    assert (low <= nearest).all() and (nearest <= high).all()
    assert (capture.depth_mm("00000") == nearest).mean() > 0.999
    assert (low == high).mean() > 0.98  # it is only near the edges that either may be


def test_tum_lists_that_lead_out_of_their_folder(tmp_path):
    path = tum(tmp_path / "rgbd_dataset_freiburg1_x")
    put(path / "rgb.txt", "1.0 ../../secret.png\n")
    with pytest.raises(RawDataError, match="out of its folder"):
        opened(tmp_path, "tum", path, [0])
    put(path / "rgb.txt", "1.0\n")
    with pytest.raises(RawDataError, match="without time and name"):
        opened(tmp_path, "tum", path, [0])
    tum(path)
    put(path / "groundtruth.txt", "1.0 0 0 0 0 0 0 0\n")
    with pytest.raises(RawDataError, match="quaternion of length 0"):
        opened(tmp_path, "tum", path, [0])


# ---- Replica -------------------------------------------------------------------------------------


def replica(folder: Path) -> Path:
    put(
        folder.parent / "cam_params.json",
        {
            "camera": {
                "w": 24,
                "h": 16,
                "fx": 12.0,
                "fy": 12.0,
                "cx": 11.5,
                "cy": 7.5,
                "scale": 6553.5,
            }
        },
    )
    lines = [" ".join(str(x) for x in shifted(k, 0, 0).ravel()) for k in range(3)]
    put(folder / "traj.txt", "\n".join(lines) + "\n")
    for number in range(4):
        put(folder / f"results/frame{number:06d}.jpg", jpeg(slope(24, 16)))
        put(
            folder / f"results/depth{number:06d}.png",
            depth_png(np.full((16, 24), 6554 * (number + 1))),
        )
    return folder


def test_replica_lines_are_frames_and_the_scale_is_not_whole(tmp_path):
    path = replica(tmp_path / "Replica" / "room0")
    capture = opened(tmp_path, "replica", path, [0, 2])
    assert same(capture.world_from_cam("00002"), shifted(2, 0, 0))
    assert capture.depth_mm("00000")[0, 0] == 1000
    assert capture.depth_mm("00002")[0, 0] == 3000
    assert same(capture.camera_K("00000")[0], [12, 0, 11.5])
    assert capture.is_fused
    with pytest.raises(RawDataError, match="no frame 3 "):  # the list of poses ends early
        opened(tmp_path, "replica", path, [0, 3])


def test_replica_meshes(tmp_path):
    path = replica(tmp_path / "Replica" / "room0")
    put(path.parent / "room0_mesh.ply", ply([(0, 0, 0), (1, 2, 3)], "ascii"))
    capture = opened(tmp_path, "replica", path, [0])
    assert same(capture.vertices_aligned, [(0, 0, 0), (1, 2, 3)])
    assert capture.raw_categories == {}
    # three quads; vertex 1 is of two faces of 5 and one of 7; 9 is no object
    faces = [((0, 1, 2, 3), 5), ((1, 2, 4, 0), 5), ((1, 4, 5, 6), 7), ((6, 7, 6, 7), 9)]
    vertices = [(k, k, k) for k in range(8)]
    put(path / "habitat/mesh_semantic.ply", ply(vertices, faces=faces))
    objects = [{"id": 5, "class_name": "chair"}, {"id": 7, "class_name": "table"}]
    put(path / "habitat/info_semantic.json", {"objects": objects})
    capture = opened(tmp_path, "replica", path, [0])
    assert capture.instance_ids.tolist() == [6, 6, 6, 6, 6, 8, 0, 0]
    assert capture.raw_categories == {5: "chair", 7: "table"}
    assert capture.object_boxes[5].tolist() == [2, 2, 2, 4, 4, 4]
    assert set(capture.nyu40_ids.values()) == {0}
    put(path / "habitat/mesh_semantic.ply", ply(vertices, faces=[((0, 99), 5)]))
    with pytest.raises(RawDataError, match="a face of a vertex that is not there"):
        _ = opened(tmp_path, "replica", path, [0]).instance_ids


# ---- transforms.json -----------------------------------------------------------------------------


def nerfstudio(folder: Path, **more) -> dict:
    """Two frames in the wrong order; the camera of the file looks along its own -z."""
    put(folder / "images/a.png", png(slope(20, 10)))
    put(folder / "images/b.jpg", jpeg(slope(20, 10, 50)))
    put(folder / "depth/a.png", depth_png([[1000, 0], [2000, 3000]]))
    buffer = io.BytesIO()
    np.save(buffer, np.array([[1000.5, np.nan], [-3, np.inf]], np.float32))
    put(folder / "depth/b.npy", buffer.getvalue())
    frames = [
        {"file_path": "images\\b", "depth_file_path": "depth/b.npy",
         "transform_matrix": shifted(4, 5, 6).tolist()},
        {"file_path": "./images/a.png", "depth_path": "depth/a.png",
         "transform_matrix": shifted(1, 2, 3).tolist()[:3]},
    ]  # fmt: skip
    told = {"fl_x": 30, "w": 20.0, "h": 10.0, "cx": 10.0, "cy": 5.0, "frames": frames, **more}
    put(folder / "transforms.json", told)
    return told


def test_transforms_axes_order_names_and_pixels(tmp_path):
    nerfstudio(tmp_path / "c")
    capture = opened(tmp_path, "transforms", tmp_path / "c", [0, 1])
    found = capture.world_from_cam("00000")
    assert same(found[:3, 3], [1, 2, 3])  # a.png is first by name
    assert same(found[:3, :3], np.diag([1, -1, -1]))
    assert same(capture.camera_K("00001"), [[30, 0, 9.5], [0, 30, 4.5], [0, 0, 1]])
    assert capture.depth_mm("00000").tolist() == [[1000, 0], [2000, 3000]]
    assert capture.depth_mm("00001").tolist() == [[1000, 0], [0, 0]]  # 1000.5 goes to even
    low, high = capture.depth_mm_bounds("00001")
    assert (low[0, 0], high[0, 0]) == (1000, 1001)
    assert capture.colour_size == (20, 10)
    assert capture.depth_size == (2, 2)


def test_transforms_unit_of_the_world_and_of_depth(tmp_path):
    nerfstudio(tmp_path / "c")
    capture = opened(
        tmp_path, "transforms", tmp_path / "c", [0], metres_per_unit=2.0, depth_unit=0.002,
        up=[0, 1, 0], world=(np.array(Z_UP) * [[2], [2], [2], [1]] * [1, 1, 1, 1]).tolist(),
    )  # fmt: skip
    assert same(capture.world_from_cam("00000")[:3, 3], [2, -6, 4])  # 2 (x, -z, y)
    assert abs(np.linalg.det(capture.world_from_cam("00000")[:3, :3]) - 1) < 1e-12
    assert capture.depth_mm("00000").tolist() == [[2000, 0], [4000, 6000]]


def test_transforms_cameras(tmp_path):
    where, size = "x", (20, 10)
    # half the width is the focal length of 90 degrees
    angle = {"camera_angle_x": math.pi / 2}
    assert same(transforms.camera_of(angle, size, where), [[10, 0, 9.5], [0, 10, 4.5], [0, 0, 1]])
    assert same(transforms.camera_of({"x_fov": 90, "y_fov": 90}, size, where)[1, 1], 5)
    assert same(transforms.camera_of({"fl_x": 3, "fl_y": 4}, size, where)[1, 1], 4)
    with pytest.raises(RawDataError, match="no fl_x"):
        transforms.camera_of({}, size, where)
    with pytest.raises(RawDataError, match="40x10"):
        transforms.camera_of({"fl_x": 3, "w": 40}, size, where)
    order = {"distortion_params": [1, 2, 3, 0, 5, 6]}  # k1 k2 k3 k4 p1 p2
    assert transforms.lens_of(order, where).tolist() == [1, 2, 5, 6, 3, 0, 0, 0]
    assert transforms.lens_of({"k1": 0.0}, where) is None
    with pytest.raises(RawDataError, match="k4"):
        transforms.lens_of({"k4": 0.1}, where)


def test_transforms_of_a_frame_win_and_comments_are_let_through(tmp_path):
    told = nerfstudio(tmp_path / "c")
    told["frames"][0]["fl_x"] = 33
    text = '// made "by" hand\n' + json.dumps(told).replace('"fl_x": 30', '"fl_x": /* px */ 30')
    put(tmp_path / "c/transforms.json", text)
    capture = opened(tmp_path, "transforms", tmp_path / "c", [0, 1])
    assert capture.camera_K("00000")[0, 0] == 30
    assert capture.camera_K("00001")[0, 0] == 33


def test_transforms_undistorted(tmp_path):
    nerfstudio(tmp_path / "c", k1=0.1, p1=0.01, camera_model="OPENCV")
    capture = opened(tmp_path, "transforms", tmp_path / "c", [0])
    K = capture.camera_K("00000")
    expected = cv2.undistort(slope(20, 10), K, np.array([0.1, 0, 0.01, 0])).astype(int)
    assert np.abs(capture.own_picture("00000") - expected).mean() < 0.6


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"camera_model": "OPENCV_FISHEYE"}, "is no pinhole"),
        ({"camera_model": "EQUIRECTANGULAR"}, "is no pinhole"),
        ({"is_fisheye": True}, "is no pinhole"),
        ({"frames": {}}, "no list frames"),
        (
            {"frames": [{"file_path": "../a", "depth_path": "d", "transform_matrix": UNIT}]},
            "out of",
        ),
        ({"frames": [{"file_path": "/a", "depth_path": "d", "transform_matrix": UNIT}]}, "out of"),
        ({"frames": [{"file_path": "a", "depth_path": "d", "transform_matrix": [1]}]}, "numbers"),
        ({"fl_x": "wide"}, "could not convert"),
    ],
)
def test_transforms_that_are_refused(tmp_path, more, text):
    nerfstudio(tmp_path / "c", **more)
    with pytest.raises(RawDataError, match=text):
        opened(tmp_path, "transforms", tmp_path / "c", [0])


# ---- Record3D ------------------------------------------------------------------------------------


def record3d(path: Path, members: dict[str, bytes] | None = None, **more) -> Path:
    """Frames 0, 2 and 10; the pose of frame k has tx = k. about z by 90 degrees."""
    told = {
        "w": 12, "h": 16, "dw": 3, "dh": 4, "K": [20, 0, 0, 0, 21, 0, 5.5, 7.5, 1],
        "poses": [[0, 0, QUARTER, QUARTER, k, 2, 3] for k in range(11)], **more,
    }  # fmt: skip
    depth = np.full((4, 3), 1.2344, "<f4")
    depth[0, 0], depth[1, 0] = np.nan, 0.5
    files = {"metadata": json.dumps(told).encode()}
    for number in (0, 2, 10):
        files[f"rgbd/{number}.jpg"] = jpeg(slope(12, 16, number))
        files[f"rgbd/{number}.depth"] = stored_lzfse(depth.tobytes())
        conf = np.full((4, 3), 2, np.uint8)
        conf[1, 0] = 0
        files[f"rgbd/{number}.conf"] = stored_lzfse(conf.tobytes())
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, **(members or {})}.items():
            archive.writestr(name, content)
    return path


def test_record3d_numbers_columns_and_axes(tmp_path):
    capture = opened(
        tmp_path, "record3d", record3d(tmp_path / "x.r3d"), [2, 10], up=[0, 1, 0], world=Z_UP
    )
    assert capture.frame_ids() == ["00002", "00010"]
    found = capture.world_from_cam("00010")
    assert same(found[:3, 3], [10, -3, 2])  # x, -z, y
    expected = np.array(Z_UP)[:3, :3] @ TURN_Z @ np.diag([1, -1, -1])
    assert np.allclose(found[:3, :3], expected, atol=1e-8)
    assert same(capture.camera_K("00002"), [[20, 0, 5.5], [0, 21, 7.5], [0, 0, 1]])
    assert capture.depth_mm("00002").tolist() == [
        [0, 1234, 1234], [500, 1234, 1234], [1234] * 3, [1234] * 3,
    ]  # fmt: skip
    assert capture.why_not_stored("00002", jpeg(slope(12, 16, 2))) == ""


def test_record3d_confidence_and_the_camera_of_each_frame(tmp_path):
    by_frame = [[20 + k, 20 + k, 5.5, 7.5] for k in range(11)]
    path = record3d(tmp_path / "x.r3d", perFrameIntrinsicCoeffs=by_frame)
    capture = opened(tmp_path, "record3d", path, [2, 10], confidence=1)
    assert capture.camera_K("00010")[0, 0] == 30
    assert capture.depth_mm("00002")[1].tolist() == [0, 1234, 1234]


def test_record3d_in_a_folder_and_without_sizes(tmp_path):
    depth = np.ones((256, 192), "<f4").tobytes()
    path = record3d(tmp_path / "x.r3d", {"rgbd/0.depth": stored_lzfse(depth)}, dw=None, dh=None)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    capture = opened(tmp_path, "record3d", tmp_path / "folder", [0])
    assert capture.depth_size == (192, 256)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("members", "more", "text"),
    [
        ({}, {"poses": 3}, "no list poses"),
        ({}, {"poses": [[1, 2]]}, "not 7 numbers"),
        ({}, {"poses": [[0, 0, 0, 9, 0, 0, 0]]}, "quaternion of length 9"),
        ({}, {"K": [1, 2]}, "2 numbers, expected 9"),
        ({}, {"dw": 1e9}, "depth images of"),
        ({"rgbd/0.depth": b"bvx-\xff\xff\xff\xff"}, {}, "over 48 bytes"),
        ({"rgbd/0.depth": b"bvx9\0\0\0\0"}, {}, "unknown"),
        ({"rgbd/0.depth": b"bvx2" + bytes(40)}, {}, "LZFSE"),
        ({"rgbd/0.depth": b"x"}, {}, "1 bytes"),
        ({"rgbd/0.jpg": b"x"}, {}, "is no PNG"),
    ],
)
def test_record3d_that_is_refused(tmp_path, members, more, text):
    with pytest.raises(RawDataError, match=text):
        capture = opened(tmp_path, "record3d", record3d(tmp_path / "x.r3d", members, **more), [0])
        capture.depth_mm("00000"), capture.picture("00000")


# ---- Polycam -------------------------------------------------------------------------------------


def polycam(folder: Path, corrected: bool = False) -> Path:
    """Keyframes 5, 40 and 300, of which 40 has no depth."""
    for k, stem in enumerate((5, 40, 300)):
        camera = {"fx": 20 + k, "fy": 20, "cx": 9.5, "cy": 4.5, "width": 20, "height": 10}
        matrix = shifted(k, 2, 3)
        camera |= {
            f"t_{row}{column}": matrix[row, column] for row in range(3) for column in range(4)
        }
        camera["blur_score"] = 3
        kinds = ("", "corrected_") if corrected else ("",)
        for kind in kinds:
            put(folder / f"keyframes/{kind}images/{stem}.jpg", jpeg(slope(20, 10, len(kind))))
            put(folder / f"keyframes/{kind}cameras/{stem}.json", {**camera, "fy": 20 + len(kind)})
        if stem != 40:
            put(folder / f"keyframes/depth/{stem}.png", depth_png([[1000, 2000], [3000, 4000]]))
            put(
                folder / f"keyframes/confidence/{stem}.png",
                png(np.array([[0, 127], [255, 255]], np.uint8)),
            )
    return folder


def test_polycam_keyframes(tmp_path):
    polycam(tmp_path / "c" / "one level more")
    capture = opened(tmp_path, "polycam", tmp_path / "c", [0, 2], up=[0, 1, 0], world=Z_UP)
    found = capture.world_from_cam("00002")
    assert same(found[:3, 3], [2, -3, 2])
    assert same(found[:3, :3], np.array(Z_UP)[:3, :3] @ np.diag([1, -1, -1]))
    assert same(np.diag(capture.camera_K("00002")), [22, 20, 1])
    assert capture.depth_mm("00002").tolist() == [[1000, 2000], [3000, 4000]]
    with pytest.raises(RawDataError, match="no frame 1 "):
        opened(tmp_path, "polycam", tmp_path / "c", [1])
    capture = opened(tmp_path, "polycam", tmp_path / "c", [0], confidence=1)
    assert capture.depth_mm("00000").tolist() == [[0, 2000], [3000, 4000]]
    capture = opened(tmp_path, "polycam", tmp_path / "c", [0], confidence=2)
    assert capture.depth_mm("00000").tolist() == [[0, 0], [3000, 4000]]


def test_polycam_corrected_images_are_taken_with_their_cameras(tmp_path):
    path = polycam(tmp_path / "c", corrected=True)
    capture = opened(tmp_path, "polycam", path, [0])
    assert capture.camera_K("00000")[1, 1] == 30
    assert capture.why_not_stored("00000", jpeg(slope(20, 10, 10))) == ""
    for name in ("5", "40", "300"):
        (path / f"keyframes/corrected_cameras/{name}.json").unlink()
    assert opened(tmp_path, "polycam", path, [0]).camera_K("00000")[1, 1] == 20


def test_polycam_that_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RawDataError, match="holds no keyframes"):
        opened(tmp_path, "polycam", tmp_path / "empty", [0])
    path = polycam(tmp_path / "c")
    put(path / "keyframes/cameras/5.json", {"fx": 1})
    with pytest.raises(RawDataError, match="no numbers"):
        opened(tmp_path, "polycam", path, [0])


# ---- Stray Scanner -------------------------------------------------------------------------------


def video(path: Path, pictures: list[np.ndarray], code: str = "MJPG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    size = pictures[0].shape[1::-1]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*code), 30, size)
    assert writer.isOpened()
    for picture in pictures:
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
    writer.release()
    return path


def stray(folder: Path) -> Path:
    video(folder / "rgb.mp4", [slope(64, 48, 40 * k) for k in range(4)], "mp4v")
    put(folder / "camera_matrix.csv", "60.0, 0.0, 31.5\n0.0, 61.0, 23.5\n0.0, 0.0, 1.0\n")
    lines = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    lines += [f"{k / 60}, {k:06d}, {k}, 2, 3, 0, 0, {QUARTER}, {QUARTER}" for k in range(4)]
    put(folder / "odometry.csv", "\n".join(lines) + "\n")
    buffer = io.BytesIO()
    np.save(buffer, np.array([[1000, 0], [3000, 4000]], np.uint16))
    put(folder / "depth/000001.npy", buffer.getvalue())
    put(folder / "depth/000003.png", depth_png([[5, 6], [7, 8]]))
    put(folder / "confidence/000003.png", png(np.array([[0, 1], [2, 2]], np.uint8)))
    return folder


def test_stray_scanner(tmp_path):
    path = stray(tmp_path / "c")
    capture = opened(tmp_path, "stray", path, [1, 3], up=[0, 1, 0], world=Z_UP)
    found = capture.world_from_cam("00003")
    assert same(found[:3, 3], [3, -3, 2])
    assert np.allclose(found[:3, :3], np.array(Z_UP)[:3, :3] @ TURN_Z)  # no flips
    assert same(capture.camera_K("00001"), [[60, 0, 31.5], [0, 61, 23.5], [0, 0, 1]])
    assert capture.depth_mm("00001").tolist() == [[1000, 0], [3000, 4000]]
    for number in (3, 1, 3):  # back, and forth again
        own = capture.own_picture(f"{number:05d}")
        off = [np.abs(own - slope(64, 48, 40 * k)).mean() for k in range(4)]
        assert int(np.argmin(off)) == number
    put(capture.posed_images / "00003.jpg", jpeg(capture.own_picture("00003")))
    assert capture.why_not_stored("00003", jpeg(capture.own_picture("00003"))) == ""
    assert "differs" in capture.why_not_stored("00003", jpeg(capture.own_picture("00001")))
    assert (capture.picture("00003") != capture.own_picture("00003")).any()  # what is stored
    assert (capture.scan.frames[3].guess() == capture.own_picture("00003")).all()
    capture = opened(tmp_path, "stray", path, [3], confidence=2)
    assert capture.depth_mm("00003").tolist() == [[0, 0], [7, 8]]


def test_stray_scanner_that_is_refused(tmp_path):
    path = stray(tmp_path / "c")
    put(path / "odometry.csv", "a, b\n1, 2\n")
    with pytest.raises(RawDataError, match="no columns"):
        opened(tmp_path, "stray", path, [1])
    for content, text in (
        (b"no video", "neither Matroska nor MP4"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "neither Matroska nor MP4"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "neither Matroska nor MP4"),
        (b"\0\0\0\x18ftypmp42" + bytes(90), "is no video that can be decoded"),
    ):
        put(path / "rgb.mp4", content)
        with pytest.raises(RawDataError, match=text):
            opened(tmp_path, "stray", path, [1])
    (path / "rgb.mp4").unlink()
    with pytest.raises(RawDataError, match="No such file"):
        opened(tmp_path, "stray", path, [1])


def test_a_video_that_ends_early(tmp_path):
    path = stray(tmp_path / "c")
    lines = (path / "odometry.csv").read_text() + "1, 9, 0, 0, 0, 0, 0, 0, 1\n"
    put(path / "odometry.csv", lines)
    put(path / "depth/000009.png", depth_png([[5, 6], [7, 8]]))
    capture = opened(tmp_path, "stray", path, [1, 9])
    with pytest.raises(RawDataError, match="ends before frame 9"):
        capture.picture("00009")


# ---- Redwood -------------------------------------------------------------------------------------


def redwood(folder: Path) -> Path:
    for k in range(3):
        put(folder / f"color/{k + 8}.jpg", jpeg(slope(640, 480, 30 * k)))
        put(folder / f"depth/{k + 8}.png", depth_png(np.full((480, 640), 1000 + k)))
    lines = [f"{k} {k} {k + 1}\n{pose_text(shifted(k, 2, 3))}" for k in range(3)]
    put(folder / "trajectory.log", "".join(lines))
    return folder


def test_redwood_log(tmp_path):
    path = redwood(tmp_path / "c")
    capture = opened(tmp_path, "redwood", path, [0, 2])
    assert same(capture.world_from_cam("00002"), shifted(2, 2, 3))
    assert capture.depth_mm("00002")[0, 0] == 1002  # 10 stands behind 9, as a number
    assert same(capture.camera_K("00000"), [[525, 0, 319.5], [0, 525, 239.5], [0, 0, 1]])


def test_redwood_json_is_column_major_and_world_to_camera(tmp_path):
    path = redwood(tmp_path / "c")
    (path / "trajectory.log").unlink()
    cam_from_world = np.eye(4)
    cam_from_world[:3, :3], cam_from_world[:3, 3] = TURN_Z, (1, 2, 3)
    intrinsic = {
        "width": 640,
        "height": 480,
        "intrinsic_matrix": [500, 0, 0, 0, 501, 0, 310, 240, 1],
    }
    one = {"extrinsic": cam_from_world.T.ravel().tolist(), "intrinsic": intrinsic}
    told = {"class_name": "PinholeCameraTrajectory", "parameters": [one]}
    put(path / "trajectory.json", told)
    capture = opened(tmp_path, "redwood", path, [0])
    # -R^T t
    assert same(capture.world_from_cam("00000")[:3, 3], [-2, 1, -3])
    assert same(capture.world_from_cam("00000")[:3, :3], TURN_Z.T)
    assert same(capture.camera_K("00000"), [[500, 0, 310], [0, 501, 240], [0, 0, 1]])


def test_redwood_that_is_refused(tmp_path):
    path = redwood(tmp_path / "c")
    put(path / "trajectory.log", "0 0 1\n1 0 0 0\n")
    with pytest.raises(RawDataError, match="not five for each pose"):
        opened(tmp_path, "redwood", path, [0])
    redwood(path)
    (path / "depth/9.png").unlink()
    with pytest.raises(RawDataError, match="3 colour and 2 depth"):
        opened(tmp_path, "redwood", path, [0])


# ---- COLMAP --------------------------------------------------------------------------------------


def colmap(folder: Path, camera: str = "7 PINHOLE 20 10 30 31 10 5") -> Path:
    for k, name in enumerate(("sub/b.jpg", "a.jpg")):
        put(folder / f"images/{name}", jpeg(slope(20, 10, 40 * k)))
        put(folder / f"depth/{name[:-4]}.png", depth_png([[1000 + k, 0], [2000, 3000]]))
    put(folder / "sparse/0/cameras.txt", f"# Camera list\n{camera}\n")
    # world to camera, qw first: about z by 90 degrees
    lines = [
        "# Image list",
        f"12 {QUARTER} 0 0 {QUARTER} 1 2 3 7 sub/b.jpg",
        "",
        f"3 {QUARTER} 0 0 {QUARTER} 0 0 0 7 a.jpg",
        "1.5 2.5 -1 3.5 4.5 8",
    ]
    put(folder / "sparse/0/images.txt", "\n".join(lines) + "\n")
    return folder


def test_colmap_empty_lines_order_and_pixels(tmp_path):
    path = colmap(tmp_path / "c")
    capture = opened(tmp_path, "colmap", path, [0, 1])
    assert np.allclose(capture.world_from_cam("00001")[:3, 3], [-2, 1, -3])  # -R^T t
    assert np.allclose(capture.world_from_cam("00000")[:3, :3], TURN_Z.T)
    assert same(capture.camera_K("00000"), [[30, 0, 9.5], [0, 31, 4.5], [0, 0, 1]])
    assert capture.depth_mm("00001")[0, 0] == 1000
    assert capture.depth_mm("00000")[0, 0] == 1001


def test_colmap_scale(tmp_path):
    world = (np.diag([3.0, 3, 3, 1])).tolist()
    capture = opened(
        tmp_path, "colmap", colmap(tmp_path / "c"), [1], metres_per_unit=3.0, world=world, up=None
    )
    assert np.allclose(capture.world_from_cam("00001")[:3, 3], [-6, 3, -9])


def test_colmap_distortion(tmp_path):
    path = colmap(tmp_path / "c", "7 OPENCV 20 10 30 31 10 5 0.1 0.01 0.002 0.003")
    capture = opened(tmp_path, "colmap", path, [0])
    lens = np.array([0.1, 0.01, 0.002, 0.003])
    stored = capture.scan.frames[0].colour().astype(np.uint8)
    expected = cv2.undistort(stored, capture.camera_K("00000"), lens).astype(int)
    assert np.abs(capture.own_picture("00000") - expected).mean() < 0.6
    path = colmap(tmp_path / "c", "7 SIMPLE_RADIAL 20 10 30 10 5 0.1")
    frame = opened(tmp_path, "colmap", path, [0]).scan.frames[0]
    assert frame.lens.tolist() == [0.1, 0, 0, 0, 0, 0, 0, 0]
    assert same(frame.K, [[30, 0, 9.5], [0, 30, 4.5], [0, 0, 1]])


@pytest.mark.parametrize(
    ("camera", "text"),
    [
        ("7 OPENCV_FISHEYE 20 10 30 31 10 5 0 0 0 0", "no pinhole"),
        ("7 PINHOLE 20 10 30 31 10", "3 parameters"),
        ("8 PINHOLE 20 10 30 31 10 5", "no camera 7"),
        ("7 PINHOLE 20 10 30 31 10 x", "could not convert"),
    ],
)
def test_colmap_that_is_refused(tmp_path, camera, text):
    with pytest.raises(RawDataError, match=text):
        opened(tmp_path, "colmap", colmap(tmp_path / "c", camera), [0])


# ---- ARKitScenes ---------------------------------------------------------------------------------

ID = "41048143"


def arkit(folder: Path, inside: str = f"{ID}_frames/", axis: str = "0 0 0") -> Path:
    """Images at 1.000, 1.100, 1.200 s; poses 0.4 ms later, 4 ms earlier, 6 ms later."""
    top = folder / ID / inside
    for k, time in enumerate(("1.000", "1.100", "1.200")):
        put(top / f"lowres_wide/{ID}_{time}.png", png(slope(32, 24, 30 * k)))
        put(top / f"lowres_depth/{ID}_{time}.png", depth_png(np.full((24, 32), 1000 + k)))
    for time, focal in (("1.000", 30), ("1.101", 31), ("1.200", 32)):
        text = f"32 24 {focal} {focal} 15 11\n"
        put(top / f"lowres_wide_intrinsics/{ID}_{time}.pincam", text)
    times = ("1.00040000", "1.09600000", "1.20600000")
    lines = [f"{time} {axis} {k} 2 3\n" for k, time in enumerate(times)]
    put(top / "lowres_wide.traj", "".join(lines))
    return folder / ID


def test_arkitscenes_times(tmp_path):
    path = arkit(tmp_path / "3dod/Training")
    capture = opened(tmp_path, "arkitscenes", path, [0, 1])
    assert same(capture.world_from_cam("00001"), shifted(-1, -2, -3))  # the inverse
    assert capture.camera_K("00001")[0, 0] == 31  # a millisecond more
    assert capture.depth_mm("00001")[0, 0] == 1001
    with pytest.raises(RawDataError, match="no frame 2 "):
        opened(tmp_path, "arkitscenes", path, [2])
    raw = arkit(tmp_path / "raw/Validation", inside="")
    put(raw / f"confidence/{ID}_1.000.png", png(np.tile(np.array([0, 2], np.uint8), (24, 16))))
    capture = opened(tmp_path, "arkitscenes", raw, [0], confidence=2)
    assert capture.depth_mm("00000")[0, :4].tolist() == [0, 1000, 0, 1000]


@pytest.mark.parametrize(
    ("axis", "up", "sky"),
    [
        ("-1.5545600446434271 1.532901960141653 0.883467254271724", (0.04, 0.88, -0.47), "Down"),
        (
            "1.6851560664954446 -1.7402208764128138 -0.8469396625258023",
            (-0.77, 0.05, -0.64),
            "Left",
        ),
    ],
)
def test_arkitscenes_real_poses_are_turned_upright(tmp_path, axis, up, sky):
    """Two real lines of their files: where up lies in the camera is known."""
    rotation = by_axis_angle([float(x) for x in axis.split()], "x")
    assert np.allclose(rotation[:, 2], up, atol=0.006)
    path = arkit(tmp_path, axis=axis)
    capture = opened(tmp_path, "arkitscenes", path, [0, 1], turned=sky)
    up_in_camera = capture.world_from_cam("00000")[:3, :3].T @ [0, 0, 1]
    assert int(np.abs(up_in_camera[:2]).argmax()) == 1
    assert up_in_camera[1] < -0.7
    assert capture.colour_size == ((24, 32) if sky == "Left" else (32, 24))
    with pytest.raises(RawDataError, match="turned is Right"):
        opened(tmp_path, "arkitscenes", path, [0, 1], turned="Right")


@pytest.mark.parametrize("sky", ["Left", "Right", "Down"])
def test_turned_images_show_the_same_point_at_the_same_place(tmp_path, sky):
    """A world point is projected to the pixel that shows what its pixel showed before."""
    # axes of the camera in the world, so that up is where the sky is told to lie
    columns = {
        "Left": [(0, 0, -1), (1, 0, 0), (0, -1, 0)],
        "Right": [(0, 0, 1), (-1, 0, 0), (0, -1, 0)],
        "Down": [(1, 0, 0), (0, 0, 1), (0, -1, 0)],
    }[sky]
    world_from_cam = np.array(columns, float).T
    vector, _ = cv2.Rodrigues(world_from_cam.T)
    path = arkit(tmp_path, axis=" ".join(str(x) for x in vector.ravel()))
    depth = np.zeros((24, 32), np.uint16)
    depth[5, 9] = 2000
    top = path / f"{ID}_frames"
    put(top / f"lowres_depth/{ID}_1.000.png", png(depth))
    plain = opened(tmp_path, "arkitscenes", path, [0])
    K = plain.camera_K("00000")
    point = plain.world_from_cam("00000") @ [*(np.linalg.inv(K) @ [9, 5, 1] * 2), 1]
    turned = opened(tmp_path, "arkitscenes", path, [0], turned=sky)
    x, y, z, _ = turned.cam_from_world("00000") @ point
    u, v, w = turned.camera_K("00000") @ [x, y, z]
    assert abs(z - 2) < 1e-9
    column, row = round(u / w), round(v / w)
    assert np.allclose([u / w, v / w], [column, row])
    assert turned.depth_mm("00000")[row, column] == 2000
    assert (turned.own_picture("00000")[row, column] == slope(32, 24)[5, 9]).all()


def test_arkitscenes_boxes(tmp_path):
    path = arkit(tmp_path / "3dod/Training")
    c, s = 0.8, 0.6
    axes = [c, s, 0, -s, c, 0, 0, 0, 1]  # rows: the long side lies along (0.8, 0.6)

    def item(label: str, centre: list, lengths: list, axes: list) -> dict:
        box = {"centroid": centre, "axesLengths": lengths, "normalizedAxes": axes}
        return {"uid": label, "label": label, "objectId": 1, "segments": {"obbAligned": box}}

    unit = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    data = [
        item("tv-monitor", [0, 0, 0], [4, 1, 1], axes),
        item("night stand/shelf", [0, 0, 0], [0.5, 0.5, 0.5], unit),
    ]
    put(path / f"{ID}_3dod_annotation.json", {"skipped": False, "data": data})
    # the first along the long side; the second would be inside if columns were the axes
    vertices = [(1.5, 1.1, 0), (1.5, -1.1, 0), (0.1, 0.1, 0.1), (9, 9, 9), (0.25, 0, 0)]
    put(path / f"{ID}_3dod_mesh.ply", ply(vertices))
    capture = opened(tmp_path, "arkitscenes", path, [0])
    assert capture.instance_ids.tolist() == [1, 0, 2, 0, 2]
    assert capture.raw_categories == {0: "tv_monitor", 1: "night_stand_shelf"}
    assert not capture.is_fused
    data[0]["segments"] = {}
    put(path / f"{ID}_3dod_annotation.json", {"data": data})
    with pytest.raises(RawDataError, match=r"data\[0\]: no obbAligned"):
        _ = opened(tmp_path, "arkitscenes", path, [0]).instance_ids


def test_arkitscenes_that_is_refused(tmp_path):
    path = arkit(tmp_path)
    put(path / f"{ID}_frames/lowres_wide.traj", "1.0 0 0 0 1 2\n")
    with pytest.raises(RawDataError, match="not of 7 numbers"):
        opened(tmp_path, "arkitscenes", path, [0])
    arkit(tmp_path)
    put(path / f"{ID}_frames/lowres_wide_intrinsics/{ID}_1.000.pincam", "1 2 3\n")
    with pytest.raises(RawDataError, match="3 numbers, expected 6"):
        opened(tmp_path, "arkitscenes", path, [0])


# ---- ScanNet++ -----------------------------------------------------------------------------------


def scannetpp(folder: Path, frames: int = 3, colours: bool = True) -> Path:
    told = {}
    for k in range(frames):
        told[f"frame_{k:06d}"] = {
            "timestamp": k / 60,
            "pose": shifted(9, 9, 9).tolist(),
            # for 1920x1440, thirty times the pictures
            "intrinsic": [[1200 + 30 * k, 0, 945], [0, 1200, 705], [0, 0, 1]],
            "aligned_pose": shifted(k, 2, 3).tolist(),
        }
        if colours:
            put(folder / f"iphone/rgb/frame_{k:06d}.jpg", jpeg(slope(64, 48, 30 * k)))
    put(folder / "iphone/pose_intrinsic_imu.json", told)
    return folder


def metres(value: float) -> bytes:
    return np.full((192, 256), value, "<f4").tobytes()


def mm(value: int) -> bytes:
    return np.full((192, 256), value, "<u2").tobytes()


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def test_scannetpp_extracted(tmp_path):
    path = scannetpp(tmp_path / "0a1b2c3d4e")
    for k in (0, 2):
        put(path / f"iphone/depth/frame_{k:06d}.png", depth_png(np.full((6, 8), 1000 + k)))
    capture = opened(tmp_path, "scannetpp", path, [0, 2])
    assert same(capture.world_from_cam("00002"), shifted(2, 2, 3))
    assert capture.camera_K("00002")[0, 0] == 42
    assert capture.depth_mm("00002")[0, 0] == 1002
    low, high = capture.depth_mm_bounds("00002")
    assert low[0, 0] == high[0, 0] == 1002
    assert capture.why_not_stored("00002", jpeg(slope(64, 48, 60))) == ""
    with pytest.raises(RawDataError, match="no frame 1 "):
        opened(tmp_path, "scannetpp", path, [1])


@pytest.mark.parametrize("kind", ["a", "b", "c"])
def test_scannetpp_depth_bin(tmp_path, kind):
    path = scannetpp(tmp_path / "0a1b2c3d4e", frames=4)  # one frame more than the depth has
    if kind == "a":
        content = deflated(b"".join(metres(1.2349 + k) for k in range(3)))
    else:
        blocks = [
            lz4_literals(mm(1234 + 1000 * k)) if kind == "b" else deflated(metres(1.2349 + k))
            for k in range(3)
        ]
        content = b"".join(struct.pack("<I", len(block)) + block for block in blocks)
    put(path / "iphone/depth.bin", content)
    capture = opened(tmp_path, "scannetpp", path, [0, 1, 2])
    for number in (2, 0, 1, 2):
        found = capture.depth_mm(f"{number:05d}")
        assert found.shape == (192, 256)
        assert (found == 1234 + 1000 * number).all()  # float is truncated
    if kind == "a":
        capture = opened(tmp_path, "scannetpp", path, [3])
        with pytest.raises(RawDataError, match="ends before frame 3"):
            capture.depth_mm("00003")
    else:
        with pytest.raises(RawDataError, match="no frame 3 "):
            opened(tmp_path, "scannetpp", path, [3])


def test_scannetpp_depth_bin_that_is_damaged(tmp_path):
    path = scannetpp(tmp_path / "0a1b2c3d4e")
    for content, text in (
        (b"\xff" * 100, "depth.bin"),
        (b"", "ends before"),
        (struct.pack("<I", 3) + b"abc", "frame 0"),
        (struct.pack("<I", 400_000) + bytes(400_000), "takes 400000 bytes"),
        (struct.pack("<I", 99) + deflated(bytes(10**6))[:99].ljust(99, b"\0"), "frame 0"),
    ):
        put(path / "iphone/depth.bin", content)
        with pytest.raises(RawDataError, match=text):
            opened(tmp_path, "scannetpp", path, [0]).depth_mm("00000")


@pytest.mark.parametrize("code", ["FFV1", "MJPG"])
def test_scannetpp_video_and_its_mask(tmp_path, code):
    path = scannetpp(tmp_path / "0a1b2c3d4e", colours=False)
    keep = np.full((48, 64, 3), 255, np.uint8)
    keep[:, :32] = 0
    video(path / "iphone/rgb.mkv", [slope(64, 48, 40 * k) for k in range(3)], code)
    video(path / "iphone/rgb_mask.mkv", [keep] * 3, code)
    block = lz4_literals(mm(900))
    put(path / "iphone/depth.bin", 3 * (struct.pack("<I", len(block)) + block))
    capture = opened(tmp_path, "scannetpp", path, [0, 2])
    own = capture.own_picture("00002")
    assert (own[:, :24] == 0).all()
    assert np.abs(own[:, 40:] - slope(64, 48, 80)[:, 40:]).mean() < 6
    depth = capture.depth_mm("00002")
    assert (depth[:, :90] == 0).all()
    assert (depth[:, 166:] == 900).all()


def test_scannetpp_masks(tmp_path):
    path = scannetpp(tmp_path / "0a1b2c3d4e")
    mask = np.full((48, 64), 255, np.uint8)
    mask[:, :36] = 254  # anything lower than 255; a depth pixel is 8 wide
    for k in range(3):
        put(path / f"iphone/depth/frame_{k:06d}.png", depth_png(np.full((6, 8), 1000)))
        put(path / f"iphone/rgb_masks/frame_{k:06d}.png", png(mask if k else mask * 0 + 255))
    capture = opened(tmp_path, "scannetpp", path, [0, 1])
    assert (capture.own_picture("00001")[:, :36] == 0).all()
    assert (capture.own_picture("00001")[:, 36:] != 0).any()
    assert capture.depth_mm("00001")[0].tolist() == [0, 0, 0, 0, 0, 1000, 1000, 1000]
    low, high = capture.depth_mm_bounds("00001")
    assert low[0].tolist() == [0, 0, 0, 0, 0, 0, 1000, 1000]
    assert high[0].tolist() == [0, 0, 0, 0, 1000, 1000, 1000, 1000]
    stored = jpeg(slope(64, 48, 30))
    assert capture.why_not_stored("00001", stored) == "is not masked"
    assert capture.why_not_stored("00001", jpeg(capture.own_picture("00001"))) == ""
    assert capture.why_not_stored("00000", jpeg(slope(64, 48))) == ""


def test_scannetpp_skips_frames_without_a_finite_pose(tmp_path):
    path = scannetpp(tmp_path / "0a1b2c3d4e")
    told = json.loads((path / "iphone/pose_intrinsic_imu.json").read_text())
    told["frame_000000"]["aligned_pose"][0][3] = float("nan")
    del told["frame_000001"]["aligned_pose"]
    put(path / "iphone/pose_intrinsic_imu.json", told)
    for k in range(3):
        put(path / f"iphone/depth/frame_{k:06d}.png", depth_png(np.full((6, 8), 1000)))
    for number in (0, 1):
        with pytest.raises(RawDataError, match=f"no frame {number} "):
            opened(tmp_path, "scannetpp", path, [number])
    assert opened(tmp_path, "scannetpp", path, [2]).frame_ids() == ["00002"]


def test_scannetpp_objects(tmp_path):
    path = scannetpp(tmp_path / "0a1b2c3d4e")
    put(path / "iphone/depth/frame_000000.png", depth_png(np.full((6, 8), 1000)))
    put(path / "scans/mesh_aligned_0.05.ply", ply([(k, 0, 0) for k in range(6)]))
    put(path / "scans/segments.json", {"segIndices": [10, 11, 12, 13, 14, 14]})
    groups = [
        {"id": 1, "objectId": 3, "label": "cup", "segments": [11]},
        {"id": 2, "objectId": 1, "label": "table", "segments": [10, 11, 12]},
        {"id": 3, "objectId": 2, "label": "remove", "segments": [13]},
        {"id": 4, "objectId": 4, "label": "box", "segments": [12, 14]},  # three vertices, later
    ]
    put(path / "scans/segments_anno.json", {"sceneId": "x", "segGroups": groups})
    capture = opened(tmp_path, "scannetpp", path, [0])
    assert capture.instance_ids.tolist() == [1, 3, 1, 0, 4, 4]
    assert capture.raw_categories == {0: "table", 2: "cup", 3: "box"}
    put(path / "scans/segments.json", {"segIndices": [10]})
    with pytest.raises(RawDataError, match="1 segment ids, 6 vertices"):
        _ = opened(tmp_path, "scannetpp", path, [0]).instance_ids
    put(path / "scans/segments_anno.json", {"segGroups": [groups[0], groups[0]]})
    put(path / "scans/segments.json", {"segIndices": [0] * 6})
    with pytest.raises(RawDataError, match="two objects"):
        _ = opened(tmp_path, "scannetpp", path, [0]).instance_ids
