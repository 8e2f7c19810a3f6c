"""Poses and cameras of a phone's frames."""

from __future__ import annotations

import json
import logging
import tracemalloc

import numpy as np
import pytest
from helpers import plain_camera, raises_one_line, random_pose

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import is_rigid
from spatial_engine.utils.scannetpp_utils import json_files
from spatial_engine.utils.scannetpp_utils.poses import IMAGE_SIZE, read_posed_frames

CAMERA = plain_camera(IMAGE_SIZE)[:3, :3].astype(float)


def entry(pose=None, camera=CAMERA, **more) -> dict:
    pose = random_pose(np.random.default_rng(0)) if pose is None else pose
    return {
        "timestamp": 1.0, "pose": np.eye(4).tolist(), "imu": {"what": [0, 1]},
        "aligned_pose": np.asarray(pose).tolist(), "intrinsic": np.asarray(camera).tolist(), **more,
    }  # fmt: skip


@pytest.fixture
def frames_of(tmp_path):
    """Reads a file with the given content."""

    def read(content):
        path = tmp_path / "pose_intrinsic_imu.json"
        if isinstance(content, list):
            content = {f"frame_{k:06d}": item for k, item in enumerate(content)}
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return read_posed_frames(path)

    return read


def test_poses_are_those_of_the_mesh_not_of_arkit(frames_of):
    rng = np.random.default_rng(1)
    poses = [random_pose(rng) for _ in range(4)]
    cameras = [CAMERA * [[1 + k / 100], [1 + k / 90], [1]] for k in range(4)]
    found = frames_of([entry(*pair) for pair in zip(poses, cameras, strict=True)])
    np.testing.assert_array_equal(found.poses, poses)
    np.testing.assert_array_equal(found.intrinsics, cameras)
    assert found.numbers.tolist() == [0, 1, 2, 3] and found.numbers.dtype == np.int64
    assert (found.last, dict(found.left_out)) == (3, {})


def test_entries_that_cannot_be_used_are_left_out_by_why(frames_of):
    nan = np.full((4, 4), np.nan)
    half = np.eye(4)
    half[1, 3] = np.inf
    camera = CAMERA.copy()
    camera[0, 0] = np.nan
    without_pose, without_camera = entry(), entry()
    del without_pose["aligned_pose"], without_camera["intrinsic"]
    holed = entry()
    holed["aligned_pose"][2][1] = None  # what writers of strict json make of a NaN
    content = {
        "frame_000009": entry(), "frame_000000": entry(nan), "frame_000001": entry(half),
        "frame_000002": entry(np.zeros((4, 4))), "frame_000003": without_pose,
        "frame_000004": without_camera, "frame_000005": entry(camera=camera),
        "frame_000006": entry(aligned_pose=None), "frame_000007": holed, "frame_000004x": 5,
    }  # fmt: skip
    found = frames_of(content)
    assert found.numbers.tolist() == [9] and found.last == 9
    assert dict(found.left_out) == {"no pose": 7, "no intrinsics": 2}  # frame 8 is not there


def test_axes_that_are_nearly_orthonormal_get_the_nearest_rotation(frames_of, caplog):
    """Real files are orthonormal within 1e-3 or so; more than 1e-3 in the products is not rigid."""
    rng = np.random.default_rng(2)
    poses = [random_pose(rng) for _ in range(3)]
    rough = [pose.copy() for pose in poses]
    rough[1][:3, :3] *= 1.001  # products off by 2e-3
    rough[2][:3, :3] *= 1.0001  # within what all readers accept: left as it is
    assert is_rigid(np.stack(rough)).tolist() == [True, False, True]
    with caplog.at_level(logging.WARNING):
        found = frames_of([entry(pose) for pose in rough])
    assert is_rigid(found.poses).all()
    np.testing.assert_allclose(found.poses[1], poses[1], atol=1e-12)
    np.testing.assert_array_equal(found.poses[[0, 2]], np.stack(rough)[[0, 2]])
    assert (
        "1 of 3 rotations, frame 1 the first" in caplog.text and "nearest rotations" in caplog.text
    )


def test_nothing_is_said_where_all_are_rigid(frames_of, caplog):
    frames_of([entry()])
    assert not caplog.text


def changed(place, value):
    pose = np.eye(4)
    pose[place] = value
    return entry(pose)


EYE = np.eye(4).tolist()
MIRRORED = np.diag([1.0, 1, -1, 1])
BAD = {
    "axes too long": ([entry(np.diag([1.01, 1.01, 1.01, 1]))], "frame 0", "orthonormal"),
    "axes aslant": ([changed((0, 1), 0.02)], "orthonormal"),
    "mirrored": ([entry(MIRRORED)], "mirrored"),
    "nearly mirrored": ([entry(np.diag([1.001, 1.001, -1.001, 1]))], "mirrored"),
    "singular": ([entry(np.diag([1.0, 1, 0, 1]))], "singular"),
    "transposed": ([changed((3, 0), 2.5)], "last row"),
    "far away": ([changed((0, 3), 1e12)], "metres"),
    "a camera that is none": ([entry(camera=np.eye(3))], "frame 0", "focal"),
    "a camera of a smaller image": (
        [entry(camera=plain_camera((480, 360))[:3, :3])], "principal",
    ),
    "no frame remains": (
        [entry(np.full((4, 4), np.nan))] * 3, "no frame can be used", "no pose: 3",
    ),
    "no aligned poses": ([{"pose": EYE, "intrinsic": CAMERA.tolist()}], "aligned_pose"),
    "three rows": ([entry(np.eye(4)[:3])], "4x4"),
    "a row is short": ([entry(aligned_pose=[[1, 0, 0], *EYE[1:]])], "4x4"),
    "a row is a number": ([entry(aligned_pose=[1, 2, 3, 4])], "4x4"),
    "flat": ([entry(aligned_pose=np.eye(4).ravel().tolist())], "4x4"),
    "text": ([entry(aligned_pose="1 0 0 0")], "4x4"),
    "a truth": ([entry(aligned_pose=[[True, 0, 0, 0], *EYE[1:]])], "4x4"),
    "text within": ([entry(intrinsic=[["1", 0, 0], [0, 1, 0], [0, 0, 1]])], "3x3"),
    "an entry is a list": ({"frame_000000": []}, "frame 0 is no object"),
    "no frames": ({}, "no entry"),
    "other keys": ({"frame_1": entry(), "0": entry()}, "no entry"),
    "a list": (b"[]", "no json object"),
    "not json": (b'{"frame_000000": {', "not json"),
    "empty": (b"", "empty"),
    "a web page": (b"<html></html>", "web page"),
    "deep lists": (b'{"frame_000000":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not json"),
    "deep objects": (b'{"frame_000000":' * 100_000 + b"1" + b"}" * 100_000, "not json"),
    "a number of 9,000 digits": (b'{"frame_000000": ' + b"9" * 9000 + b"}", "not json"),
    "a matrix of such": (
        [entry(aligned_pose=[[10**400, 0, 0, 0], *EYE[1:]])], "beyond all bounds",
    ),
    "not utf-8": (b'{"frame_000000\xff": 1}', "not json"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read_is_told_in_one_line(frames_of, name):
    content, *words = BAD[name]
    with raises_one_line(BadDataError, "pose_intrinsic_imu.json", *words):
        frames_of(content)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"0,", b'{"a":{}},'])
def test_json_that_unfolds_to_more_than_real_files_is_refused(frames_of, monkeypatch, piece):
    monkeypatch.setattr(json_files, "MAX_ITEMS", 100_000)
    data = b'{"frame_000000": [' + piece * 120_000 + b"0]}"
    tracemalloc.start()
    try:
        with raises_one_line(BadDataError, "100,000 items"):
            frames_of(data)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(data)
    finally:
        tracemalloc.stop()


def test_a_file_that_is_larger_than_any_is_refused(frames_of, monkeypatch):
    monkeypatch.setattr(json_files, "MAX_BYTES", 1000)
    with raises_one_line(BadDataError, "1,000 bytes"):
        frames_of([entry()] * 10)


def test_a_lone_vast_number_takes_no_memory(frames_of):
    found = frames_of({"frame_999999": entry()})
    assert found.last == 999_999 and found.left_out == {"no pose": 999_999}


def test_no_file_is_told(tmp_path):
    with raises_one_line(BadDataError, "no such file"):
        read_posed_frames(tmp_path / "pose_intrinsic_imu.json")
