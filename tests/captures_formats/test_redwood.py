"""Open3D and Redwood: poses of a `.log` have eight decimals, depth is in millimetres."""

from __future__ import annotations

import json

import numpy as np
import pytest
from captures.same_room import check_same_room
from captures_formats.plain_room import camera, make_plain_room, off_surfaces, points_of

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures.redwood import log_entry, write
from spatial_engine.utils.capture_utils import redwood
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.redwood import open_capture

NONE = CaptureOptions()


@pytest.fixture(scope="module")
def room():
    return make_plain_room()


@pytest.mark.parametrize("image_folder", ["color", "image", "rgb"])
@pytest.mark.parametrize("as_json", [False, True])
def test_a_capture_is_the_room(tmp_path, room, as_json, image_folder):
    write(room, tmp_path, as_json=as_json, image_folder=image_folder)
    capture = open_capture(tmp_path, NONE)
    check_same_room(capture, room)
    assert capture.up is None and capture.metric
    assert off_surfaces(points_of(capture)).max() < 0.002


def test_json_is_column_after_column_and_from_the_world(tmp_path, room):
    write(room, tmp_path, as_json=True)
    content = json.loads((tmp_path / "trajectory.json").read_text())
    first = content["parameters"][0]
    cam_from_world = np.linalg.inv(room.frames[0].pose)
    assert first["extrinsic"][12:15] == pytest.approx(cam_from_world[:3, 3].tolist())
    assert first["intrinsic"]["intrinsic_matrix"][6:8] == room.frames[0].K[:2, 2].tolist()


def test_intrinsics_by_frame(tmp_path, room):
    write(room, tmp_path, as_json=True)
    path = tmp_path / "trajectory.json"
    content = json.loads(path.read_text())
    for number, entry in enumerate(content["parameters"]):
        entry["intrinsic"]["intrinsic_matrix"][0] += number
    content["parameters"][2]["extrinsic"] = [0.0] * 15 + [1.0]  # lost
    path.write_text(json.dumps(content))
    capture = open_capture(tmp_path, NONE)
    assert capture.numbers.tolist() == [0, 1, 3, 4, 5, 6]
    f = room.frames[0].K[0, 0]
    assert capture.intrinsics[:, 0, 0].tolist() == [f, f + 1, f + 3, f + 4, f + 5, f + 6]
    assert capture.left_out == {"of lost tracking": 1}


def test_the_camera_of_open3d_where_none_is_told(tmp_path):
    room = make_plain_room((640, 480), (640, 480), K=camera(525, 319.5, 239.5), num_frames=1)
    write(room, tmp_path, camera_file=False)
    check_same_room(open_capture(tmp_path, NONE), room)


def test_the_camera_file_one_folder_up(tmp_path, room):
    write(room, tmp_path / "scene")
    (tmp_path / "scene" / "camera_intrinsic.json").rename(tmp_path / "camera_primesense.json")
    check_same_room(open_capture(tmp_path / "scene", NONE), room)
    given = open_capture(tmp_path / "scene", CaptureOptions(intrinsics=(150, 151, 80, 60)))
    assert given.intrinsics[0].tolist() == [[150, 0, 80], [0, 151, 60], [0, 0, 1]]


@pytest.mark.parametrize("heading", ["{0} {0} {1}", "0 0 {2}", "0\t0\t0.873", "{0} 7 7"])
def test_headings_of_other_programs(tmp_path, room, heading):
    write(room, tmp_path)
    path = tmp_path / "trajectory.log"
    lines = path.read_text().splitlines()
    for number in range(7):
        lines[5 * number] = heading.format(number, number + 1, 0.5)
    path.write_text("\r\n".join(lines) + "\r\n\r\n")
    check_same_room(open_capture(tmp_path, NONE), room)


def test_a_log_with_gaps_says_of_which_image_each_pose_is(tmp_path, room):
    write(room, tmp_path)
    entries = [log_entry(number, room.frames[number].pose) for number in (0, 2, 5)]
    (tmp_path / "trajectory.log").write_text("".join(entries))
    capture = open_capture(tmp_path, NONE)
    assert capture.left_out == {"without a pose": 4}
    check_same_room(capture, room, numbers={0: 0, 2: 2, 5: 5})


def test_images_are_in_the_order_of_their_numbers(tmp_path, room):
    write(room, tmp_path)
    for number in range(7):
        (tmp_path / "color" / f"{number:05d}.jpg").rename(tmp_path / "color" / f"{number + 7}.jpg")
        (tmp_path / "depth" / f"{number:05d}.png").rename(
            tmp_path / "depth" / f"{number:03d}-{99 - number}.png"
        )
    (tmp_path / "color" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "color" / "._7.jpg").write_bytes(b"")
    check_same_room(open_capture(tmp_path, NONE), room)


def test_scenes_of_a_folder(tmp_path, room):
    for name in ("a", "b"):
        write(room, tmp_path / name, as_json=name == "b")
    (tmp_path / "a" / "odometry.log").write_text("")
    assert list(redwood.scenes_in(tmp_path)) == ["a", "b"]
    assert list(redwood.scenes_in(tmp_path / "a")) == ["a"]
    assert redwood.scenes_in(tmp_path) and not redwood.scenes_in(tmp_path / "a" / "color")
    check_same_room(open_capture(tmp_path / "a", NONE), room)


def fault(folder, options=NONE) -> str:
    with pytest.raises(BadDataError) as caught:
        capture = open_capture(folder, options)
        list(capture.images(capture.numbers.tolist()))
    message = str(caught.value)
    assert ";" in message and str(folder) in message
    return message


def test_bad_input_is_one_line(tmp_path, room):
    assert "check --format" in fault(tmp_path)
    write(room, tmp_path, num_poses=5)
    assert "ends after 5 poses, there are 7 images" in fault(tmp_path)
    write(room, tmp_path)
    (tmp_path / "depth" / "00006.png").unlink()
    assert "7 colour and 6 depth images" in fault(tmp_path)
    (tmp_path / "color" / "00006.jpg").unlink()
    assert "goes on to pose 6, counted from 0, and there are 6 images" in fault(tmp_path)
    for path in (tmp_path / "depth").iterdir():
        path.unlink()
    assert "and no depth" in fault(tmp_path)
    (tmp_path / "depth").rmdir()
    assert "has no folder depth" in fault(tmp_path)


def test_colour_and_depth_that_each_lack_a_frame(tmp_path, room):
    write(room, tmp_path)
    (tmp_path / "color" / "00002.jpg").unlink()
    (tmp_path / "depth" / "00004.png").unlink()
    assert "00003.jpg: the depth image at its position is 00002.png" in fault(tmp_path)


def test_a_truncated_image(tmp_path, room):
    write(room, tmp_path)
    path = tmp_path / "color" / "00002.jpg"
    path.write_bytes(path.read_bytes()[:-500])
    assert "00002.jpg: the image is truncated" in fault(tmp_path)
    path = tmp_path / "depth" / "00001.png"
    path.write_bytes(path.read_bytes()[:-500])
    assert "00001.png: the image is truncated" in fault(tmp_path)


def test_logs_that_are_none(tmp_path, room):
    write(room, tmp_path)
    path = tmp_path / "trajectory.log"
    good = path.read_text().splitlines()
    for lines, cause in [
        (good[:-1], "line 31: the last pose is cut off"),
        (["0 0", *good[1:]], "line 1: three numbers and four rows"),
        ([good[0], "1 0 0", *good[2:]], "line 1: three numbers and four rows"),
        ([good[0], "1 0 0 x", *good[2:]], "not a number"),
        ([good[0], "2 0 0 0", *good[2:]], "not a rigid motion"),
        (["", ""], "holds no poses"),
    ]:
        path.write_text("\n".join(lines))
        assert cause in fault(tmp_path)
    path.rename(tmp_path / "a.log")
    (tmp_path / "b.log").write_text("")
    assert "holds a.log and b.log" in fault(tmp_path)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda c: c.update(class_name="PoseGraph"), "class_name is not"),
        (lambda c: c.update(parameters=[]), "no list of parameters"),
        (lambda c: c["parameters"].__setitem__(1, 5), "pose 1: is no camera"),
        (lambda c: c["parameters"][1].update(extrinsic=[1, 2]), "not a list of 16"),
        (lambda c: c["parameters"][1].update(extrinsic=[2.0] * 16), "not a rigid motion"),
        (lambda c: c["parameters"][1].update(intrinsic=None), "tells no intrinsics"),
        (lambda c: c["parameters"][1]["intrinsic"].update(width=640), "takes 640x120 pixels"),
        (lambda c: c["parameters"].pop(), "ends after 6 poses"),
    ],
)
def test_json_that_is_none(tmp_path, room, change, cause):
    write(room, tmp_path, as_json=True)
    path = tmp_path / "trajectory.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    assert cause in fault(tmp_path)


def test_no_intrinsics_for_images_of_another_size(tmp_path, room):
    write(room, tmp_path, camera_file=False)
    assert "tells no intrinsics, and Open3D's own camera takes 640x480" in fault(tmp_path)
