"""TUM RGB-D: poses have four decimals, so positions are within 0.1 mm and rotations within 0.02
degrees; depth is stored in fifths of a millimetre."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from captures.same_room import Tolerance, check_same_room
from captures_formats.plain_room import (
    camera,
    make_plain_room,
    off_surfaces,
    points_of,
)

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures.tum import write
from spatial_engine.utils.capture_utils import tum
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.tum import CAMERAS, associate, open_capture
from spatial_engine.utils.preparation import frame_files

ROUNDING = Tolerance(metres=1e-4, degrees=0.02, depth_mm=0.61)
FR3 = camera(535.4, 320.1, 247.6, 539.2)


@pytest.fixture(scope="module")
def room():
    return make_plain_room((160, 120), (160, 120))


def flags(room) -> CaptureOptions:
    K = room.frames[0].K
    return CaptureOptions(intrinsics=(K[0, 0], K[1, 1], K[0, 2], K[1, 2]))


@pytest.mark.parametrize("negative", [False, True])
def test_a_sequence_is_the_room(tmp_path, room, negative):
    write(room, tmp_path, negative=negative)
    capture = open_capture(tmp_path, flags(room))
    check_same_room(capture, room, ROUNDING)
    assert capture.up.tolist() == [0, 0, 1] and capture.metric


def test_a_pose_of_the_benchmark_looks_down_at_the_desk():
    """The first of freiburg1_xyz: the camera is 1.6 m above the ground, its top up."""
    line = "1.3563 0.6305 1.6380 0.6132 0.5962 -0.3311 -0.3986"
    pose = tum._pose(np.array(line.split(), np.float64), "line")
    assert pose[:3, 3].tolist() == [1.3563, 0.6305, 1.6380]
    assert -pose[2, 1] > 0.85 and -0.6 < pose[2, 2] < -0.3
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-12)


def test_frames_without_depth_or_pose_of_their_time(tmp_path, room):
    write(room, tmp_path, without_depth=[1], without_pose=[4, 5])
    capture = open_capture(tmp_path, flags(room))
    assert capture.left_out == {
        "without depth of their time": 1,
        "without a pose of their time": 2,
    }
    check_same_room(capture, room, ROUNDING, numbers={n: n for n in (0, 2, 3, 6)})


def test_lists_with_commas_tabs_and_line_ends_of_windows(tmp_path, room):
    write(room, tmp_path)
    for name, by in (("rgb", ","), ("depth", "\t"), ("groundtruth", ", ")):
        path = tmp_path / f"{name}.txt"
        lines = [
            line if line.startswith("#") else line.replace(" ", by)
            for line in path.read_text().splitlines()
        ]
        path.write_text("\r\n".join([*lines, "", ""]))
    check_same_room(open_capture(tmp_path, flags(room)), room, ROUNDING)


def test_lists_in_any_order(tmp_path, room):
    write(room, tmp_path)
    for name in ("rgb", "depth", "groundtruth"):
        path = tmp_path / f"{name}.txt"
        path.write_text("\n".join(path.read_text().splitlines()[::-1]))
    check_same_room(open_capture(tmp_path, flags(room)), room, ROUNDING)


# ---- association ---------------------------------------------------------------------------------


def associated_slowly(first, second, reach):
    """associate.py of the benchmark, as its comment says it."""
    free_a, free_b = list(range(len(first))), list(range(len(second)))
    every = [
        (abs(a - b), i, j)
        for i, a in enumerate(first)
        for j, b in enumerate(second)
        if abs(a - b) <= reach
    ]
    found = []
    for _, i, j in sorted(every):
        if i in free_a and j in free_b:
            free_a.remove(i)
            free_b.remove(j)
            found.append((i, j))
    return sorted(found)


@pytest.mark.parametrize("seed", range(6))
def test_times_are_matched_as_the_benchmark_does(seed):
    rng = np.random.default_rng(seed)
    first = np.sort(rng.uniform(0, 1.5, rng.integers(1, 60))) + 1305031102
    second = np.sort(rng.uniform(0, 1.5, rng.integers(1, 200))) + 1305031102
    a, b = associate(first, second)
    assert list(zip(a.tolist(), b.tolist(), strict=True)) == associated_slowly(
        first, second, 0.020001
    )


def test_times_are_numbers_and_exactly_two_hundredths_apart_is_near_enough():
    a, b = associate(np.array([1305031102.1]), np.array([1305031102.12]))
    assert (a.tolist(), b.tolist()) == ([0], [0])
    a, _ = associate(np.array([1305031102.1]), np.array([1305031102.1201]))
    assert not len(a)
    # Each is used once: the nearer of two takes it.
    a, b = associate(np.array([0.0, 0.008]), np.array([0.009, 0.021]))
    assert b.tolist() == [1] or (a.tolist(), b.tolist()) == ([1], [0])
    assert (a.tolist(), b.tolist()) == ([1], [0])


def test_times_without_sense_take_no_memory():
    same = np.zeros(100_000)
    with pytest.raises(BadDataError, match="too close together"):
        associate(same, same, "list")


# ---- cameras -------------------------------------------------------------------------------------


def test_five_thousand_units_are_a_metre():
    table = frame_files.millimetre_table(1 / 5000)
    assert table[[0, 1, 3, 5, 5000, 65535]].tolist() == [0, 0, 1, 1, 1000, 13107]


@pytest.mark.parametrize("name", ["rgbd_dataset_freiburg3_office", "FR3_office"])
def test_the_camera_of_the_folders_name(tmp_path, name):
    room = make_plain_room((640, 480), (640, 480), K=FR3, num_frames=1)
    write(room, tmp_path / name)
    capture = open_capture(tmp_path / name, CaptureOptions())
    check_same_room(capture, room, ROUNDING)


@pytest.mark.parametrize("number", ["1", "2"])
def test_images_and_depth_of_a_bent_lens_are_made_straight(tmp_path, number):
    (fx, fy, cx, cy), coefficients = CAMERAS[number]
    K = camera(fx, cx, cy, fy)
    room = make_plain_room((640, 480), (640, 480), K=K, num_frames=1)
    folder = tmp_path / f"rgbd_dataset_freiburg{number}_xyz"
    write(room, folder, coefficients=coefficients)
    capture = open_capture(folder, CaptureOptions())
    assert np.array_equal(capture.intrinsics[0], K)
    # Interpolated and thinned twice: a pixel may be its neighbour; borders are lost where the lens
    # did not see them.
    for picture, frame in zip(capture.images([0]), room.frames, strict=True):
        inner = np.s_[40:-40, 40:-40]
        image = picture.color[..., ::-1][inner].astype(int)
        assert np.abs(image - frame.image[inner]).mean() < 1.0
        depth, exact = picture.depth_mm[inner] / 1000.0, frame.depth[inner]
        near = (depth > 0) & (exact > 0)
        assert near.mean() > 0.97 and np.abs(depth - exact)[near].mean() < 0.01
        assert np.median(np.abs(depth - exact)[near]) < 0.004
    assert np.median(off_surfaces(points_of(capture))) < 0.003

    # Without undistortion points lie beside their surfaces.
    bent = open_capture(folder, CaptureOptions(intrinsics=(fx, fy, cx, cy)))
    straight, other = (np.mean(off_surfaces(points_of(c))) for c in (capture, bent))
    assert other > 3 * straight


def test_the_benchmarks_own_default_is_taken_as_it_is(tmp_path, room):
    write(room, tmp_path / "freiburg1_room")
    capture = open_capture(tmp_path / "freiburg1_room", flags(room))
    check_same_room(capture, room, ROUNDING)


# ---- folders and bad input -----------------------------------------------------------------------


def test_scenes_of_a_folder(tmp_path, room):
    for name in ("rgbd_dataset_freiburg1_desk", "rgbd_dataset_freiburg2_desk"):
        write(room, tmp_path / name)
    assert list(tum.scenes_in(tmp_path)) == [
        "rgbd_dataset_freiburg1_desk",
        "rgbd_dataset_freiburg2_desk",
    ]
    assert tum.scenes_in(tmp_path / "rgbd_dataset_freiburg1_desk")
    assert not tum.scenes_in(tmp_path / "rgbd_dataset_freiburg1_desk" / "rgb")


def fault(folder, options) -> str:
    with pytest.raises(BadDataError) as caught:
        capture = open_capture(folder, options)
        list(capture.images(capture.numbers.tolist()))
    message = str(caught.value)
    assert ";" in message and str(folder) in message
    return message


@pytest.mark.parametrize(
    ("name", "change", "cause"),
    [
        ("rgb", lambda lines: lines[:3], "rgb.txt: lists nothing"),
        ("rgb", lambda lines: [*lines[:4], "17.5"], "line 5: a time and a file"),
        ("rgb", lambda lines: ["x rgb/a.png"], "line 1: holds something that is not a number"),
        ("rgb", lambda lines: ["inf rgb/a.png"], "is no time"),
        ("rgb", lambda lines: [lines[3].split()[0] + " ../../secret.png"], "no file of its folder"),
        ("rgb", lambda lines: [lines[3].split()[0] + " /etc/passwd"], "no file of its folder"),
        ("rgb", lambda lines: [lines[3].split()[0] + " rgb/no.png"], "no.png: no such file"),
        ("groundtruth", lambda lines: ["1 2 3"], "3 numbers where time tx"),
        (
            "groundtruth",
            lambda lines: [line.split()[0] + " 1 1 1 0 0 0 0" for line in lines[3:]],
            "the quaternion has length 0, not 1",
        ),
        (
            "groundtruth",
            lambda lines: [line.split()[0] + " nan" * 7 for line in lines[3:]],
            "no pose of a frame can be used",
        ),
        (
            "groundtruth",
            lambda lines: [f"{float(x.split()[0]) + 100} 1 1 1 0 0 0 1" for x in lines[3:]],
            "none of its times",
        ),
        (
            "depth",
            lambda lines: [f"{1000 * float(line.split()[0])} d.png" for line in lines[3:]],
            "in seconds",
        ),
    ],
)
def test_lists_that_do_not_fit(tmp_path, room, name, change, cause):
    write(room, tmp_path)
    path = tmp_path / f"{name}.txt"
    path.write_text("\n".join(change(path.read_text().splitlines())))
    assert cause in fault(tmp_path, flags(room))


def test_bad_input_is_one_line(tmp_path, room):
    assert "rgb.txt: no such file" in fault(tmp_path, flags(room))
    write(room, tmp_path)
    assert "its name tells none of the cameras" in fault(tmp_path, CaptureOptions())
    (tmp_path / "depth.txt").unlink()
    assert "has no depth.txt, so no depth" in fault(tmp_path, flags(room))
    small = tmp_path / "freiburg2_small"
    write(replace(room), small)
    assert "the camera of freiburg2 took 640x480" in fault(small, CaptureOptions())
