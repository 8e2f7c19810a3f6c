"""7-Scenes: rounding is a millimetre of depth and seven digits of poses. Registered depth is the
surface at a place up to half a pixel beside the pixel's centre."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from captures.same_room import EXACT_ROUNDING, check_same_room
from captures_formats.plain_room import (
    camera,
    make_plain_room,
    off_surfaces,
    view,
)

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures.seven_scenes import write
from spatial_engine.utils.capture_utils import seven_scenes
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.seven_scenes import COLOR_FROM_DEPTH, open_capture

NONE = CaptureOptions()
REGISTERED = CaptureOptions(registered=True)
SIZE = (320, 240)  # half of the data set's
DEPTH_K, COLOR_K = camera(292.5, 160, 120), camera(262.5, 160, 120)


@pytest.fixture(scope="module")
def room():
    return make_plain_room()


@pytest.fixture(scope="module")
def kinect_room():
    return make_plain_room(SIZE, SIZE, K=COLOR_K, num_frames=3)


@pytest.fixture(scope="module")
def kinect_views(kinect_room):
    """What the depth camera beside the colour camera sees, and its pose."""
    poses = [frame.pose @ COLOR_FROM_DEPTH for frame in kinect_room.frames]
    return [(view(DEPTH_K, pose, SIZE)[1], pose) for pose in poses]


# ---- two cameras ---------------------------------------------------------------------------------


def test_the_calibration_is_a_rigid_motion_of_about_what_is_known():
    rotation = COLOR_FROM_DEPTH[:3, :3]
    np.testing.assert_allclose(rotation.T @ rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(COLOR_FROM_DEPTH[:3, 3], [-0.0256, 0.0001, 0.0020], atol=5e-5)
    assert np.abs(rotation - np.eye(3)).max() < 0.01


def in_room(capture, views):
    """The capture with its world turned back: the first depth camera's becomes the room's."""
    return views[0][1] @ capture.poses


@pytest.mark.parametrize("given", ["nothing", "file", "flag", "colour flag", "both"])
def test_depth_is_registered_and_poses_are_the_colour_cameras(
    tmp_path, kinect_room, kinect_views, given
):
    folder = tmp_path / "seq-01"
    write(kinect_room, folder, depth_views=kinect_views)
    options = NONE
    if given in ("file", "both"):  # as beside the copies with 1,000 frames
        (folder / "camera-intrinsics.txt").write_text(
            " 2.925e+02\t 0\t 1.60e+02\n 0\t 2.925e+02\t 1.20e+02\n 0\t 0\t 1\n"
        )
    if given == "flag":
        options = CaptureOptions(intrinsics=(292.5, 292.5, 160, 120))
    if given in ("colour flag", "both"):
        options = CaptureOptions(intrinsics=(262.5, 262.5, 160, 120))
    capture = open_capture(folder, options)
    assert capture.up is None and capture.metric and capture.color_size == SIZE
    np.testing.assert_allclose(capture.intrinsics, [COLOR_K] * 3)
    poses = in_room(capture, kinect_views)
    np.testing.assert_allclose(poses, [f.pose for f in kinect_room.frames], atol=1e-6)

    # Against an exact rendering from the colour camera.
    for picture, frame in zip(capture.images([0, 1, 2]), kinect_room.frames, strict=True):
        assert (picture.color[..., ::-1] == frame.image).all()
        _, exact = view(COLOR_K, frame.pose, SIZE)
        measured = picture.depth_mm > 0
        assert 0.75 < measured.mean() < (525 / 585) ** 2 + 0.01
        error = picture.depth_mm / 1000 - exact
        step = sum(np.abs(np.gradient(exact, axis=axis)) for axis in (0, 1))
        step = cv2.dilate(step, np.ones((5, 5)))  # beside an edge as well
        smooth = measured & (step < 0.1)
        wrong = np.abs(error[smooth]) > 0.6 * step[smooth] + 0.0012
        assert smooth.mean() > 0.7 and wrong.mean() < 1e-4  # a pixel on a silhouette
        assert np.abs(np.median(error[measured])) < 0.0005


def test_points_lie_on_the_surfaces_and_not_thirteen_pixels_off(
    tmp_path, kinect_room, kinect_views
):
    """Colours are the test: a depth pixel must show what the colour pixel shows."""
    write(kinect_room, tmp_path / "seq-01", depth_views=kinect_views)

    def color_error(options: CaptureOptions) -> float:
        capture = open_capture(tmp_path / "seq-01", options)
        picture = next(iter(capture.images([1])))
        rows, columns = np.nonzero(picture.depth_mm)
        z = picture.depth_mm[rows, columns] / 1000
        rays = np.stack([columns, rows, np.ones_like(rows)], -1)
        rays = rays @ np.linalg.inv(capture.intrinsics[1]).T
        pose = in_room(capture, kinect_views)[1]
        points = (rays * z[:, None]) @ pose[:3, :3].T + pose[:3, 3]
        assert np.median(off_surfaces(points)) < 0.02 + 0.2 * options.registered
        waves = [np.sin(2.1 * points @ a) for a in ([1, 0.4, 0], [0.2, 1, 0.5], [0.3, 0.1, 1.2])]
        shown = picture.color[rows, columns, ::-1]
        return float(np.median(np.abs(128 + 90 * np.stack(waves, -1) - shown)))

    assert color_error(NONE) < 1.0
    # As if depth lay on colour: what many loaders do.
    assert color_error(CaptureOptions(registered=True, intrinsics=(292.5, 292.5, 160, 120))) > 4.0


def test_intrinsics_of_neither_camera_are_refused_unless_registered(
    tmp_path, kinect_room, kinect_views
):
    write(kinect_room, tmp_path / "seq-01", depth_views=kinect_views)
    other = (285.17, 285.17, 160, 120)  # as of another Kinect, whose depth lies on colour
    with pytest.raises(BadDataError, match=r"neither camera of 7-Scenes.*--registered"):
        open_capture(tmp_path / "seq-01", CaptureOptions(intrinsics=other))
    capture = open_capture(tmp_path / "seq-01", CaptureOptions(intrinsics=other, registered=True))
    assert capture.intrinsics[0, 0, 0] == 285.17


# ---- one camera ----------------------------------------------------------------------------------


@pytest.mark.parametrize("jpg", [False, True])
@pytest.mark.parametrize("cleaned", [False, True])
@pytest.mark.parametrize("windows", [False, True])
def test_a_registered_capture_is_the_room(tmp_path, room, jpg, cleaned, windows):
    write(room, tmp_path, jpg=jpg, cleaned=cleaned, windows=windows)
    capture = open_capture(tmp_path, REGISTERED)
    check_same_room(capture, room, EXACT_ROUNDING)
    assert isinstance(next(iter(capture.images([0]))).color, bytes) == jpg


def test_none_is_65535_and_0(tmp_path, room):
    write(room, tmp_path)
    depth = cv2.imread(str(tmp_path / "frame-000000.depth.png"), cv2.IMREAD_UNCHANGED)
    assert (depth == 65535).any()
    depth[30:32, 40] = 0
    cv2.imwrite(str(tmp_path / "frame-000000.depth.png"), depth)
    found = next(iter(open_capture(tmp_path, REGISTERED).images([0]))).depth_mm
    assert (found[depth == 65535] == 0).all() and (found[30:32, 40] == 0).all()
    assert found.max() < 8000


def test_intrinsics_of_the_file_above_and_of_four_rows(tmp_path, room):
    write(room, tmp_path / "office" / "seq-02")
    (tmp_path / "office" / "seq-02" / "camera-intrinsics.txt").unlink()
    matrix = np.eye(4)
    matrix[:3, :3] = room.frames[0].K
    np.savetxt(tmp_path / "office" / "camera-intrinsics.txt", matrix)
    check_same_room(open_capture(tmp_path / "office" / "seq-02", REGISTERED), room)


def test_the_flag_comes_before_the_file(tmp_path, room):
    write(room, tmp_path)
    options = CaptureOptions(registered=True, intrinsics=(150, 151, 81, 62))
    K = open_capture(tmp_path, options).intrinsics[0]
    assert K.tolist() == [[150, 0, 81], [0, 151, 62], [0, 0, 1]]


def test_frames_without_a_usable_pose_are_left_out(tmp_path, room):
    write(room, tmp_path, without_pose=[2], lost=[0, 4])
    capture = open_capture(tmp_path, REGISTERED)
    assert capture.numbers.tolist() == [1, 3, 5, 6]
    assert capture.left_out == {"without a pose": 1, "of lost tracking": 2}


def test_depth_in_another_unit(tmp_path, room):
    write(room, tmp_path)
    one, other = (
        next(
            iter(
                open_capture(tmp_path, CaptureOptions(registered=True, depth_unit=unit)).images([1])
            )
        )
        for unit in (None, 0.0005)
    )
    assert np.abs(one.depth_mm / 2 - other.depth_mm).max() <= 0.5


# ---- folders -------------------------------------------------------------------------------------


def test_scenes_of_a_folder(tmp_path, room):
    for name in ("chess/seq-01", "chess/seq-02", "fire/seq-01", "plain"):
        write(room, tmp_path / name)
    (tmp_path / "chess" / "TrainSplit.txt").write_text("sequence1\n")
    (tmp_path / "empty").mkdir()
    scenes = seven_scenes.scenes_in
    assert sorted(scenes(tmp_path / "chess")) == ["chess_seq-01", "chess_seq-02"]
    assert scenes(tmp_path / "chess")["chess_seq-02"] == tmp_path / "chess" / "seq-02"
    assert list(scenes(tmp_path / "chess" / "seq-02")) == ["chess_seq-02"]
    assert list(scenes(tmp_path / "plain")) == ["plain"]
    every = ["chess_seq-01", "chess_seq-02", "fire_seq-01", "plain"]
    assert sorted(scenes(tmp_path)) == every
    assert scenes(tmp_path / "empty") == {} == scenes(tmp_path / "nowhere")
    assert seven_scenes.scenes_in(tmp_path / "chess")
    assert not seven_scenes.scenes_in(tmp_path / "empty")


# ---- bad input -----------------------------------------------------------------------------------


def fault(folder, options=REGISTERED, numbers=None) -> str:
    with pytest.raises(BadDataError) as caught:
        capture = open_capture(folder, options)
        list(capture.images(capture.numbers.tolist() if numbers is None else numbers))
    message = str(caught.value)
    assert str(folder) in message or "--intrinsics" in message
    assert ";" in message and "\n" not in message
    return message


def test_not_of_the_format(tmp_path):
    assert "check --format" in fault(tmp_path)
    assert "check --format" in fault(tmp_path / "nowhere")


def test_no_depth_and_other_counts(tmp_path, room):
    write(room, tmp_path)
    (tmp_path / "frame-000003.depth.png").unlink()
    assert "7 colour and 6 depth images; frame 3 is the first without depth" in fault(tmp_path)
    (tmp_path / "frame-000001.color.png").unlink()
    assert "frame 1 is the first without colour" in fault(tmp_path)
    for path in tmp_path.glob("*.depth.png"):
        path.unlink()
    assert "6 colour images and no depth" in fault(tmp_path)


def test_two_images_of_one_frame(tmp_path, room):
    write(room, tmp_path)
    (tmp_path / "frame-000001.color.jpg").write_bytes(b"")
    assert "are of one frame" in fault(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("pose.txt", "1 0 0 0\n0 1 0 0\n0 0 1 0\n", "12 numbers where a 4x4"),
        ("pose.txt", "2 0 0 0\n0 2 0 0\n0 0 2 0\n0 0 0 1\n", "not a rigid motion"),
        ("pose.txt", "1 0 0 0\n0 1 0 0\n0 0 -1 0\n0 0 0 1\n", "mirrored"),
        ("pose.txt", "a b\n", "not a number"),
        ("pose.txt", "", "is empty"),
        ("color.png", "<!doctype html>", "is a web page"),
        ("depth.png", "", "is empty"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, room, name, content, cause):
    write(room, tmp_path)
    (tmp_path / f"frame-000002.{name}").write_text(content)
    message = fault(tmp_path)
    assert f"frame-000002.{name}" in message and cause in message


def test_depth_that_is_none(tmp_path, room):
    write(room, tmp_path)
    path = tmp_path / "frame-000005.depth.png"
    cv2.imwrite(str(path), np.zeros((60, 80), np.uint8))
    assert "PNG of 8 bits" in fault(tmp_path)
    cv2.imwrite(str(path), np.zeros((61, 80), np.uint16))
    assert "has 80x61 pixels, others of the scene 80x60" in fault(tmp_path)


def test_no_pose_at_all(tmp_path, room):
    write(room, tmp_path, without_pose=range(7))
    assert "none of 7 frames has a pose" in fault(tmp_path)


def test_cameras_that_do_not_fit(tmp_path, room):
    write(room, tmp_path)
    (tmp_path / "camera-intrinsics.txt").write_text("585 0 320\n0 585 240\n0 0 1\n")
    assert "the camera does not fit its images" in fault(tmp_path)
    (tmp_path / "camera-intrinsics.txt").unlink()
    wide = make_plain_room((160, 100), (80, 50))
    write(wide, tmp_path / "wide")
    (tmp_path / "wide" / "camera-intrinsics.txt").unlink()
    assert "4:3; give --registered" in fault(tmp_path / "wide", NONE)
