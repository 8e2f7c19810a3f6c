from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from captures_formats.tiny_room import check_pictures, tiny_room

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures import record3d as sample
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.record3d import looks_like, open_capture

ROOM = tiny_room(num_frames=11, focus=0.1)  # two digits, so that 10 comes after 9
POSES = np.stack([sample.Y_UP_FROM_Z_UP @ frame.pose for frame in ROOM.frames])


def change(folder, edit) -> None:
    path = folder / "metadata"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def refused(path, match) -> None:
    with pytest.raises(BadDataError, match=match) as error:
        capture = open_capture(path)
        list(capture.images(capture.numbers.tolist()))
    assert "\n" not in str(error.value)


@pytest.fixture
def folder(tmp_path):
    sample.write(ROOM, tmp_path / "scan")
    return tmp_path / "scan"


@pytest.mark.parametrize("quirks", [{}, {"confidence": False}, {"exr": True}], ids=str)
@pytest.mark.parametrize("name", ["scan.r3d", "scan"])
def test_the_room_comes_back(tmp_path, name, quirks):
    sample.write(ROOM, tmp_path / name, **quirks)
    assert looks_like(tmp_path / name) and not looks_like(tmp_path.parent)
    capture = open_capture(tmp_path / name)
    check_pictures(capture, ROOM, poses=POSES)
    assert capture.metric and capture.may_be_turned
    assert capture.up.tolist() == [0, 1, 0]
    assert isinstance(next(iter(capture.images([3]))).color, bytes)  # the JPEG as it is


def test_an_archive_with_one_more_level_is_read(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "more.zip", "w") as archive:
        archive.writestr("__MACOSX/scan/._metadata", b"")
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(tmp_path))
    check_pictures(open_capture(tmp_path / "more.zip"), ROOM, poses=POSES)


@pytest.mark.parametrize("depth_size", [(24, 32), (48, 64), (96, 128)])
def test_old_recordings_have_one_camera_and_tell_no_depth_size(tmp_path, depth_size):
    room = tiny_room(depth_size=depth_size, num_frames=3)
    sample.write(room, tmp_path, old=True)
    capture = open_capture(tmp_path)
    check_pictures(capture, room, poses=POSES[:3])
    sample.write(ROOM, tmp_path / "moving", old=True)
    assert (open_capture(tmp_path / "moving").intrinsics == ROOM.frames[0].K).all()


def test_a_world_that_begins_without_rotation_has_no_known_up(tmp_path):
    sample.write(ROOM, tmp_path, zeroed=True)
    assert open_capture(tmp_path).up is None


def test_depth_of_low_confidence_is_not_measured(tmp_path):
    sample.write(ROOM, tmp_path, unsure=True)
    depth = next(iter(open_capture(tmp_path).images([4]))).depth_mm
    assert (depth[:, :12] == 0).all()
    np.testing.assert_allclose(depth[:, 12:], 1000 * ROOM.frames[4].depth[:, 12:], atol=1)
    options = CaptureOptions(confidence=0)
    depth = next(iter(open_capture(tmp_path, options).images([4]))).depth_mm
    np.testing.assert_allclose(depth[:, :12], 1500 * ROOM.frames[4].depth[:, :12], atol=1)


def test_nan_is_not_measured(tmp_path):
    for frame in ROOM.frames:
        assert frame.depth[0, 0] > 0
    room = tiny_room(num_frames=2)
    room.frames[1].depth[5:9] = 0
    sample.write(room, tmp_path)
    depth = next(iter(open_capture(tmp_path).images([1]))).depth_mm
    assert (depth[5:9] == 0).all() and (depth[9:] > 0).all()


def test_frames_without_depth_or_pose_are_counted(folder):
    (folder / "rgbd/3.depth").unlink()

    def lose(content):
        content["poses"][0] = [0] * 7
        content["poses"][7][2] = float("nan")

    change(folder, lose)
    capture = open_capture(folder)
    assert capture.numbers.tolist() == [1, 2, 4, 5, 6, 8, 9, 10]
    assert capture.left_out == {"no depth image": 1, "no usable pose": 2}
    check_pictures(capture, ROOM, numbers=capture.numbers, poses=POSES[capture.numbers])


def test_intrinsics_of_the_user_come_first(folder):
    options = CaptureOptions(intrinsics=(90.0, 91.0, 48.0, 64.0))
    capture = open_capture(folder, options)
    assert capture.intrinsics[5].tolist() == [[90, 0, 48], [0, 91, 64], [0, 0, 1]]


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda c: c["poses"].pop(), "10 poses, and 11 images"),
        (lambda c: c["poses"].append([0, 0, 0, 1, 0, 0, 0]), "12, one for each pose"),
        (lambda c: c.update(poses=[]), "no list of poses"),
        (lambda c: c["poses"].insert(0, 3), "pose 0 is not a list of 7"),
        (lambda c: c.update(w=None), "w is no number"),
        (lambda c: c.update(w=1e9), "not a number of pixels"),
        (lambda c: c.update(w=95), "has 96x128 pixels, 95x128 by the metadata"),
        (lambda c: c.update(dw=23), "holds more than|expected"),
        (lambda c: c.update(perFrameIntrinsicCoeffs=None, K=[1] * 8), "K is not a list of 9"),
        (lambda c: c["perFrameIntrinsicCoeffs"].__setitem__(2, [0.5, 0.5, 0, 0]), "focal"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(folder, edit, match):
    def both(content):
        edit(content)
        if match.startswith("10"):
            content["perFrameIntrinsicCoeffs"].pop()

    change(folder, both)
    refused(folder, match)


def test_fewer_images_than_poses_are_refused(folder):
    (folder / "rgbd/10.jpg").unlink()
    refused(folder, "11 poses, and 10 images up to number 9")


def test_no_depth_says_what_to_do(folder):
    for path in (folder / "rgbd").glob("*.depth"):
        path.unlink()
    refused(folder, "no depth image is there; record with LiDAR")


def test_what_is_no_recording_says_so(tmp_path):
    refused(tmp_path, "no recording of Record3D")
    (tmp_path / "a.r3d").write_bytes(b"PK\x03\x04 and no more")
    assert not looks_like(tmp_path / "a.r3d")
    refused(tmp_path / "a.r3d", "not a zip archive that can be read")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "truncated"),
        (b"bvx-\xff\xff\xff\xff", "truncated"),
        (sample.lzfse(bytes(4 * 24 * 32 + 4)), "more than 3072 bytes"),
        (sample.lzfse(bytes(8)), "holds 8 bytes, 3072 expected"),
        (b"\x1f\x8b" + bytes(100), "unknown block"),
        (bytes(2**18), "more than"),
    ],
)
def test_damaged_depth_is_named(folder, data, match):
    (folder / "rgbd/6.depth").write_bytes(data)
    refused(folder, f"6.depth.*{match}")


def test_confidence_of_another_size_is_named(folder):
    (folder / "rgbd/6.conf").write_bytes(sample.lzfse(bytes(5)))
    refused(folder, "6.conf: holds 5 bytes, 768 expected")
