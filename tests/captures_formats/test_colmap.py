"""COLMAP text models: poses and intrinsics are exact, depth is in millimetres."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from captures.same_room import Tolerance, check_same_room
from captures_formats.plain_room import make_plain_room, off_surfaces, points_of

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures.colmap import METRES_PER_UNIT, write
from spatial_engine.utils.capture_utils import colmap
from spatial_engine.utils.capture_utils.colmap import open_capture
from spatial_engine.utils.capture_utils.options import CaptureOptions

NONE = CaptureOptions()
EXACT = Tolerance(metres=1e-9, degrees=1e-5, pixels=1e-9)


@pytest.fixture(scope="module")
def room():
    return make_plain_room()


@pytest.fixture(scope="module")
def square_room():
    """With one focal length, as simple models have, and images large enough to be bent."""
    room = make_plain_room((320, 240), (160, 120), num_frames=2)
    K = room.frames[0].K.copy()
    K[1, 1] = K[0, 0]
    return make_plain_room((320, 240), (160, 120), num_frames=2, K=K)


@pytest.mark.parametrize("with_points", [False, True])
@pytest.mark.parametrize("image_folder", ["", "cam.0/left/"])
def test_a_model_is_the_room(tmp_path, room, with_points, image_folder):
    write(room, tmp_path, with_points=with_points, image_folder=image_folder)
    capture = open_capture(tmp_path, NONE)
    assert not capture.metric and capture.up is None
    check_same_room(capture, room, EXACT, metres_per_unit=METRES_PER_UNIT)


def test_half_a_pixel_lies_between_colmap_and_opencv(tmp_path, room):
    write(room, tmp_path)
    words = (tmp_path / "sparse/0/cameras.txt").read_text().splitlines()[-1].split()
    found = open_capture(tmp_path, NONE).intrinsics[0]
    assert [float(word) - 0.5 for word in words[6:8]] == found[:2, 2].tolist()


BENT = {
    "SIMPLE_PINHOLE": {},
    "SIMPLE_RADIAL": {"k1": -0.12},
    "RADIAL": {"k1": -0.12, "k2": 0.02},
    "OPENCV": {"k1": -0.1, "k2": 0.02, "p1": 0.002, "p2": -0.003},
    "FULL_OPENCV": {"k1": -0.1, "k2": 0.02, "p1": 0.002, "k3": 0.001, "k4": 0.02, "k6": 0.001},
    "OPENCV_FISHEYE": {"k1": 0.03, "k2": -0.01, "k3": 0.001, "k4": 0.0005},
    "SIMPLE_RADIAL_FISHEYE": {"k1": 0.05},
    "RADIAL_FISHEYE": {"k1": 0.05, "k2": -0.01},
}


@pytest.mark.parametrize("model", BENT)
def test_every_model_gives_straight_images(tmp_path, square_room, model):
    write(square_room, tmp_path, model=model, coefficients=BENT[model])
    capture = open_capture(tmp_path, NONE)
    np.testing.assert_allclose(capture.intrinsics[0], square_room.frames[0].K, atol=1e-9)
    for picture, frame in zip(capture.images([0, 1]), square_room.frames, strict=True):
        if isinstance(picture.color, np.ndarray):
            inner = np.s_[24:-24, 24:-24]
            image = picture.color[..., ::-1][inner].astype(int)
            assert np.abs(image - frame.image[inner]).mean() < 2.0
        depth, exact = picture.depth_mm[20:-12, 30:-16] / 1000.0, frame.depth[20:-12, 30:-16]
        near = (depth > 0) & (exact > 0)
        assert near.mean() > 0.97 and np.median(np.abs(depth - exact)[near]) < 0.012
    capture.poses[:, :3, 3] *= METRES_PER_UNIT
    assert np.median(off_surfaces(points_of(capture))) < 0.008
    if BENT[model]:
        lens = capture.intrinsics[0]
        bent = CaptureOptions(intrinsics=(lens[0, 0], lens[1, 1], lens[0, 2], lens[1, 2]))
        other = open_capture(tmp_path, bent)
        other.poses[:, :3, 3] *= METRES_PER_UNIT
        straight, bent = (np.mean(off_surfaces(points_of(c))) for c in (capture, other))
        assert bent > 1.5 * straight


def test_a_model_that_is_no_pinhole_is_refused_by_name(tmp_path, room):
    write(room, tmp_path)
    path = tmp_path / "sparse/0/cameras.txt"
    path.write_text("2 FOV 160 120 160 160 80 60 0.9\n")
    message = fault(tmp_path)
    assert "line 1: the camera model FOV cannot be used" in message
    assert "image_undistorter" in message


@pytest.mark.parametrize("place", [".", "sparse", "colmap", "colmap/sparse/0"])
def test_models_in_other_folders(tmp_path, room, place):
    write(room, tmp_path / "a")
    files = sorted((tmp_path / "a/sparse/0").iterdir())
    (tmp_path / "a" / place).mkdir(parents=True, exist_ok=True)
    for path in files:
        shutil.move(path, tmp_path / "a" / place / path.name)
    (tmp_path / "a/depth").rename(tmp_path / "a/depths")
    (tmp_path / "a/images").rename(tmp_path / "a/rgb")
    check_same_room(
        open_capture(tmp_path / "a", NONE), room, EXACT, metres_per_unit=METRES_PER_UNIT
    )
    assert list(colmap.scenes_in(tmp_path)) == ["a"]
    assert colmap.scenes_in(tmp_path) and not colmap.scenes_in(tmp_path / "a/rgb")


def test_images_without_depth_are_left_out(tmp_path, room):
    write(room, tmp_path)
    (tmp_path / "depth/frame_00003.png").unlink()
    capture = open_capture(tmp_path, NONE)
    assert capture.left_out == {"without depth": 1}
    kept = {n: n for n in (0, 1, 2, 4, 5, 6)}
    check_same_room(capture, room, EXACT, metres_per_unit=METRES_PER_UNIT, numbers=kept)


def test_two_cameras_each_have_their_images(tmp_path, square_room):
    write(square_room, tmp_path, model="SIMPLE_RADIAL", coefficients={"k1": -0.1})
    cameras = tmp_path / "sparse/0/cameras.txt"
    cameras.write_text(cameras.read_text() + "99 SIMPLE_PINHOLE 320 240 300 160 120\n")
    path = tmp_path / "sparse/0/images.txt"
    path.write_text(path.read_text().replace(" 2 frame_00001", " 99 frame_00001"))
    capture = open_capture(tmp_path, NONE)
    assert capture.intrinsics[1].tolist() == [[300, 0, 159.5], [0, 300, 119.5], [0, 0, 1]]
    first, second = capture.images([0, 1])
    assert isinstance(first.color, np.ndarray) and isinstance(second.color, bytes)
    cameras.write_text(
        cameras.read_text().replace("SIMPLE_PINHOLE 320 240", "SIMPLE_PINHOLE 322 240")
    )
    assert "camera 99 takes 322x240 pixels" in fault(tmp_path)


def test_names_with_blanks_and_numbers(tmp_path, room):
    write(room, tmp_path)
    text = (tmp_path / "sparse/0/images.txt").read_text()
    for number in range(7):
        for place, ending in (("images", ".jpg"), ("depth", ".png")):
            old = tmp_path / place / f"frame_{number:05d}{ending}"
            old.rename(tmp_path / place / f"my room {number + 5}{ending}")
        text = text.replace(f"frame_{number:05d}.jpg", f"my room {number + 5}.jpg")
    (tmp_path / "sparse/0/images.txt").write_text(text)
    check_same_room(open_capture(tmp_path, NONE), room, EXACT, metres_per_unit=METRES_PER_UNIT)


def fault(folder, options=NONE) -> str:
    with pytest.raises(BadDataError) as caught:
        capture = open_capture(folder, options)
        list(capture.images(capture.numbers.tolist()))
    message = str(caught.value)
    assert ";" in message and (str(folder) in message or "cameras.txt" in message)
    return message


def test_bad_input_is_one_line(tmp_path, room):
    assert "check --format" in fault(tmp_path)
    write(room, tmp_path)
    (tmp_path / "images").rename(tmp_path / "photos")
    assert "frame_00000.jpg of the model is in none of its folders" in fault(tmp_path)
    (tmp_path / "photos").rename(tmp_path / "images")
    for path in (tmp_path / "depth").iterdir():
        path.unlink()
    assert "holds no depth image of frame_00000.jpg" in fault(tmp_path)
    (tmp_path / "depth").rmdir()
    assert "has no folder depth or depths" in fault(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "cause"),
    [
        ("cameras", "", "is empty"),
        ("cameras", "# nothing\n", "holds no camera"),
        ("cameras", "2 PINHOLE 160\n", "line 1: CAMERA_ID MODEL"),
        ("cameras", "2 PINHOLE 160 120 160 80 60\n", "PINHOLE has the parameters fx fy cx cy"),
        ("cameras", "2 PINHOLE 160 120 160 160 80 nan\n", "has the parameters"),
        ("cameras", "2 PINHOLE 160 120 160 160 800 600\n", "does not fit its images"),
        ("cameras", "2 PINHOLE 99999 99999 160 160 80 60\n", "claims images of 99999x99999"),
        ("cameras", "x PINHOLE 160 120 160 160 80 60\n", "'x' is no id"),
        ("cameras", "3 PINHOLE 160 120 160 160 80 60\n", "camera 2 is not in cameras.txt"),
        (
            "cameras",
            "2 PINHOLE 162 120 160 160 80 60\n",
            "camera 2 takes 162x120 pixels, frame",
        ),
        ("images", "#\n", "holds no image"),
        ("images", "1 1 0 0 0 0 0 0 2\n\n", "IMAGE_ID QW QX QY QZ"),
        ("images", "1 0 0 0 0 0 0 0 2 frame_00000.jpg\n\n", "quaternion has length 0"),
        ("images", "1 1 0 0 0 0 0 inf 2 frame_00000.jpg\n\n", "the pose is not finite"),
        ("images", "1 1 0 0 0 0 0 0 2 ../frame.jpg\n\n", "no file of its folder"),
        ("images", "1 1 0 0 0 0 0 0 2 a.jpg\n2 1 0 0 0 0 0 0 2 b.jpg\n", "line 2 is of an image"),
        ("images", "1 1 0 0 0 0 0 0 2 a.jpg\n\n2 1 0 0 0 0 0 0 2 a.jpg\n\n", "is there twice"),
    ],
)
def test_a_model_that_cannot_be_read(tmp_path, room, name, text, cause):
    write(room, tmp_path)
    (tmp_path / f"sparse/0/{name}.txt").write_text(text)
    assert cause in fault(tmp_path)
