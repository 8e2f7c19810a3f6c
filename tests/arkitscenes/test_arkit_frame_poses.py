from __future__ import annotations

import numpy as np
import pytest
from helpers import raises_one_line, random_pose

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.sample_data.captures.arkitscenes import _trajectory_line
from spatial_engine.utils.arkitscenes_utils import frame_poses
from spatial_engine.utils.arkitscenes_utils.frame_poses import (
    nearest,
    read_camera,
    read_trajectory,
)

# Lines of real files: a device upside down, and one with the sky on its left.
REAL = (
    "1627.68140546 -1.5545600446434271 1.532901960141653 0.883467254271724 0.0450016 0.0506107"
    " -0.000194237",
    "803.47236621 1.6851560664954446 -1.7402208764128138 -0.8469396625258023 0.0404551 0.0562208"
    " -0.00155703",
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lowres_wide.traj"


def test_real_lines_are_world_to_camera(path):
    """Up of the world, seen in the camera, is what was told of these two videos."""
    path.write_text("\n".join(REAL) + "\n")
    times, poses = read_trajectory(path)
    assert times.tolist() == [803.47236621, 1627.68140546]
    up_cam = poses[:, :3, :3].transpose(0, 2, 1) @ [0, 0, 1]
    np.testing.assert_allclose(up_cam, [(-0.77, 0.05, -0.64), (0.04, 0.88, -0.47)], atol=0.006)
    assert (np.linalg.norm(poses[:, :3, 3], axis=1) < 0.1).all()


def test_poses_are_read_as_they_were_written(path):
    rng = np.random.default_rng(0)
    expected = [random_pose(rng) for _ in range(50)] + [np.eye(4), np.diag([1.0, -1, -1, 1])]
    path.write_text("".join(_trajectory_line(k / 10, pose) for k, pose in enumerate(expected)))
    times, poses = read_trajectory(path)
    np.testing.assert_allclose(times, np.arange(52) / 10)
    np.testing.assert_allclose(poses, expected, atol=3e-5)  # positions have six digits
    np.testing.assert_allclose(poses[:, :3, :3], np.array(expected)[:, :3, :3], atol=1e-12)


def test_a_trajectory_that_is_cut_off_is_named_by_its_line(path):
    path.write_text("\n".join(REAL)[:-50])
    with raises_one_line(BadDataError, path, "4 numbers in line 2, the last", "cut off"):
        read_trajectory(path)
    path.write_text(REAL[0][:70] + "\n" + REAL[1])
    with raises_one_line(BadDataError, path, "numbers in line 1, not 7"):
        read_trajectory(path)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "is empty"),
        (b"\n \n", "holds no poses"),
        (b"1 2 3 4 5 6 x\n", "line 1 holds more than numbers"),
        (b"1 2 3 4 5 6 nan\n", "line 1 is no pose"),
        (b"1 2 3 4 5 6 7\n2 inf 3 4 5 6 7\n", "line 2 is no pose"),
        (b"1 2 1e300 4 5 6 7\n", "line 1 is no pose"),
        (b"1 0 0 0 1e9 0 0\n", "line 1 is no pose"),
        (b"\xff\xfe1\x00", "UTF-16"),
        (b"1 2 3 4 5 6 \xff\n", "more than numbers"),
        (b"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", "16 numbers in line 1"),
        (b"# time tx ty tz qx qy qz qw\n1 2 3 4 5 6 7 8\n", "9 numbers in line 1"),
        (b"<html><body>AccessDenied", "web page"),
    ],
)
def test_what_is_no_trajectory_is_refused(path, content, words):
    path.write_bytes(content)
    with raises_one_line(BadDataError, path, words):
        read_trajectory(path)


def test_more_than_any_trajectory_holds_is_refused(path, monkeypatch):
    monkeypatch.setattr(frame_poses, "MAX_POSES", 3)
    path.write_text("1 0 0 0 0 0 0\n" * 4)
    with raises_one_line(BadDataError, path, "4 poses, of 3 at most"):
        read_trajectory(path)
    monkeypatch.setattr(frame_poses, "MAX_TRAJECTORY_BYTES", 40)
    with raises_one_line(BadDataError, path, "more than 40 bytes"):
        read_trajectory(path)
    path.unlink()
    with raises_one_line(MissingFileError, path):
        read_trajectory(path)


def test_intrinsics_of_a_frame(tmp_path):
    path = tmp_path / "x.pincam"
    path.write_text("256 192 211.949 212.1 127.933 95.9333")
    intrinsic, size = read_camera(path)
    expected = [[211.949, 0, 127.933], [0, 212.1, 95.9333], [0, 0, 1]]
    assert intrinsic.tolist() == expected and size == (256, 192)
    path.write_text("256.0 192.0 211.949 212.1 127.933 95.9333\n")
    assert read_camera(path)[1] == (256, 192)


@pytest.mark.parametrize(
    "text, words",
    [
        ("256 192 211 212 127", "5 numbers, not 6"),
        ("256 192 211 212 127 95 0", "7 numbers"),
        ("256 192 211 212 127 x", "more than numbers"),
        ("256 192 nan 212 127 95", "not finite"),
        ("256 192 0.8 0.8 0.5 0.5", "focal lengths"),
        ("192 256 211 212 12 240", "principal point"),
        ("-256 192 211 212 127 95", "-256x192"),
        ("256.5 192 211 212 127 95", "256.5x192"),
        ("nan 192 211 212 127 95", "nanx192"),
        ("1e30 192 211 212 127 95", "1e+30x192"),
        ("256 192 211 212 127 95" + " " * 2000, "more than 1,024 bytes"),
    ],
)
def test_what_is_no_camera_is_refused(tmp_path, text, words):
    path = tmp_path / "x.pincam"
    path.write_text(text)
    with raises_one_line(BadDataError, path, words):
        read_camera(path)


def test_nearest_is_that_of_a_plain_search():
    rng = np.random.default_rng(1)
    for number in (0, 1, 2, 40):
        times = np.sort(rng.integers(0, 60, number)).astype(float)
        wanted = rng.integers(-5, 65, 30).astype(float)
        for tolerance in (0, 1, 3):
            found = nearest(times, wanted, tolerance)
            for time, index in zip(wanted, found, strict=True):
                distances = np.abs(times - time)
                if not number or distances.min() > tolerance:
                    assert index == -1
                else:
                    assert distances[index] == distances.min()
                    assert (times[: max(index - 1, 0)] < time).all()
    assert nearest(np.array([1.0, 3.0]), np.array([2.0]), 1).tolist() == [0]


def test_a_difference_of_the_tolerance_itself_is_within_it():
    assert nearest(np.array([305.244]), np.array([305.249]), 0.005).tolist() == [0]
    assert nearest(np.array([305.244]), np.array([305.2491]), 0.005).tolist() == [-1]
