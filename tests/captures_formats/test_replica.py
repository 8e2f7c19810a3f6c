"""Replica renders: depth is stored in 1/6553.5 m, so in millimetres within 0.6."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from captures.same_room import Tolerance, check_same_room
from captures_formats.plain_room import make_plain_room, off_surfaces, points_of

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures.replica import write
from spatial_engine.utils.capture_utils import replica
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.replica import open_capture

NONE = CaptureOptions()
ROUNDING = Tolerance(depth_mm=0.6)


@pytest.fixture(scope="module")
def room():
    return make_plain_room((120, 68), (120, 68))


@pytest.mark.parametrize("beside", [False, True])
def test_a_scene_is_the_room(tmp_path, room, beside):
    write(room, tmp_path, camera_beside=beside)
    capture = open_capture(tmp_path / "room0", NONE)
    check_same_room(capture, room, ROUNDING)
    assert capture.up.tolist() == [0, 0, 1]
    assert off_surfaces(points_of(capture)).max() < 0.002


def test_a_value_of_65535_is_ten_metres(tmp_path, room):
    write(room, tmp_path)
    found = [p.depth_mm for p in open_capture(tmp_path / "room0", NONE).images([0])]
    assert replica.frame_files.millimetre_table(1 / 6553.5)[[0, 1, 65535]].tolist() == [0, 0, 10000]
    assert found[0].dtype == np.uint16


def test_the_scale_is_that_of_the_camera_file(tmp_path, room):
    write(room, tmp_path)
    path = tmp_path / "cam_params.json"
    content = json.loads(path.read_text())
    content["camera"]["scale"] = 2 * 6553.5
    path.write_text(json.dumps(content))
    half, whole = (
        next(iter(open_capture(tmp_path / "room0", options).images([0]))).depth_mm
        for options in (NONE, CaptureOptions(depth_unit=1 / 6553.5))
    )
    assert np.abs(whole / 2 - half).max() <= 0.5 and whole.max() > 2000


def test_intrinsics_of_the_flag_need_no_file(tmp_path, room):
    write(room, tmp_path)
    (tmp_path / "cam_params.json").unlink()
    capture = open_capture(tmp_path / "room0", CaptureOptions(intrinsics=(60, 61, 59.5, 33.5)))
    assert capture.intrinsics[0].tolist() == [[60, 0, 59.5], [0, 61, 33.5], [0, 0, 1]]


def test_scenes_of_a_folder(tmp_path, room):
    for name in ("room0", "office3"):
        write(room, tmp_path, scene=name)
    (tmp_path / "room0_mesh.ply").write_bytes(b"ply")
    assert sorted(replica.scenes_in(tmp_path)) == ["office3", "room0"]
    assert list(replica.scenes_in(tmp_path / "office3")) == ["office3"]
    assert replica.scenes_in(tmp_path) and not replica.scenes_in(tmp_path / "room0" / "results")


def fault(folder, options=NONE) -> str:
    with pytest.raises(BadDataError) as caught:
        capture = open_capture(folder, options)
        list(capture.images(capture.numbers.tolist()))
    message = str(caught.value)
    assert ";" in message and str(folder.parent) in message
    return message


def test_bad_input_is_one_line(tmp_path, room):
    assert "check --format" in fault(tmp_path)
    write(room, tmp_path, num_poses=5)
    scene = tmp_path / "room0"
    assert "ends after 5 poses, and images go on to frame 6" in fault(scene)
    shutil.rmtree(scene)
    write(room, tmp_path)
    (scene / "results" / "depth000004.png").unlink()
    assert "7 colour and 6 depth images; frame 4 is the first without depth" in fault(scene)
    for path in (scene / "results").glob("depth*"):
        path.unlink()
    assert "and no depth" in fault(scene)
    for path in (scene / "results").glob("frame*"):
        path.unlink()
    assert "holds no frame000000.jpg" in fault(scene)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{}", "tells no camera"),
        ('{"camera": []}', "tells no camera"),
        ('{"camera": {"fx": 1}}', "fy is no number"),
        ("[" * 100_000, "json"),
        ('{"camera": {"fx": 60, "fy": 60, "cx": 59.5, "cy": 33.5, "scale": 0}}', "scale is 0"),
        (
            '{"camera": {"w": 1200, "h": 680, "fx": 600, "fy": 600, "cx": 599.5, "cy": 339.5}}',
            "1200x680 pixels, these have 120x68",
        ),
        ('{"camera": {"fx": 600, "fy": 600, "cx": 599.5, "cy": 339.5}}', "does not fit"),
    ],
)
def test_a_camera_file_that_is_none(tmp_path, room, text, cause):
    write(room, tmp_path)
    (tmp_path / "cam_params.json").write_text(text)
    message = fault(tmp_path / "room0")
    assert cause in message and "cam_params.json" in message


def test_no_camera_file(tmp_path, room):
    write(room, tmp_path)
    (tmp_path / "cam_params.json").unlink()
    assert "no cam_params.json there or one folder up" in fault(tmp_path / "room0")


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("1 2 3", "3 numbers where 16 belong"),
        ("x " * 16, "not a number"),
        ("1 " * 16, "not a rigid"),
    ],
)
def test_a_pose_that_is_none(tmp_path, room, line, cause):
    write(room, tmp_path)
    path = tmp_path / "room0" / "traj.txt"
    lines = path.read_text().splitlines()
    lines[3] = line
    path.write_text("\n".join(lines))
    message = fault(tmp_path / "room0")
    assert "line 4" in message and cause in message


def test_lost_poses_are_left_out(tmp_path, room):
    write(room, tmp_path)
    path = tmp_path / "room0" / "traj.txt"
    lines = path.read_text().splitlines()
    lines[0] = "nan " * 16
    path.write_text("\n".join(lines))
    capture = open_capture(tmp_path / "room0", NONE)
    assert capture.numbers.tolist() == [1, 2, 3, 4, 5, 6]
    assert capture.left_out == {"of lost tracking": 1}
