from __future__ import annotations

import shutil
import zipfile

import cv2
import numpy as np
import pytest
from captures_formats.tiny_room import check_pictures, tiny_room

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures import stray as sample
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.stray import looks_like, open_capture

ROOM = tiny_room((128, 96), (32, 24), num_frames=12, turned=True)
POSES = np.stack([sample.Y_UP_FROM_Z_UP @ frame.pose for frame in ROOM.frames])


def refused(path, match) -> None:
    with pytest.raises(BadDataError, match=match) as error:
        capture = open_capture(path)
        list(capture.images(capture.numbers.tolist()))
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stray") / "scan"
    sample.write(ROOM, folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    shutil.copytree(written, tmp_path / "scan")
    return tmp_path / "scan"


def edit(path, change) -> None:
    path.write_text("\n".join(change(path.read_text().split("\n"))))


@pytest.mark.parametrize("quirks", [{}, {"depth": "npy"}, {"by_frame": True}], ids=str)
def test_the_room_comes_back(tmp_path, quirks):
    room = ROOM
    if quirks.get("by_frame"):
        room = tiny_room((128, 96), (32, 24), num_frames=12, turned=True, focus=0.1)
    sample.write(room, tmp_path, **quirks)
    assert looks_like(tmp_path) and not looks_like(tmp_path / "depth")
    capture = open_capture(tmp_path)
    check_pictures(capture, room, poses=POSES)
    assert capture.metric and capture.may_be_turned and capture.up.tolist() == [0, 1, 0]


def test_only_wanted_frames_are_given(folder):
    capture = open_capture(folder)
    images = [p.color[..., ::-1].astype(int) for p in capture.images([2, 9])]
    assert np.abs(images[0] - ROOM.frames[2].image).mean() < 6
    assert np.abs(images[1] - ROOM.frames[9].image).mean() < 6
    assert np.abs(images[1] - ROOM.frames[2].image).mean() > 12


def test_axes_that_depth_contradicts_are_turned(tmp_path, caplog):
    sample.write(ROOM, tmp_path, opengl=True)
    check_pictures(open_capture(tmp_path), ROOM, poses=POSES)
    assert "camera axes of OpenGL" in caplog.text


def test_depth_of_low_confidence_is_not_measured(tmp_path):
    sample.write(ROOM, tmp_path, unsure=True)
    depth = next(iter(open_capture(tmp_path).images([3]))).depth_mm
    assert (depth[:, :16] == 0).all()
    np.testing.assert_allclose(depth[:, 16:], 1000 * ROOM.frames[3].depth[:, 16:], atol=1)
    everything = open_capture(tmp_path, CaptureOptions(confidence=0, depth_unit=0.002))
    assert (next(iter(everything.images([3]))).depth_mm[:, :16] > 0).all()


def test_frames_without_depth_or_pose_are_counted(folder):
    (folder / "depth/000004.png").unlink()
    edit(
        folder / "odometry.csv",
        lambda rows: [*rows[:2], "0.1, 000001, nan, 0, 0, 0, 0, 0, 1", *rows[3:]],
    )
    capture = open_capture(folder)
    kept = [0, 2, 3, 5, 6, 7, 8, 9, 10, 11]
    assert capture.numbers.tolist() == kept
    assert capture.left_out == {"no depth image": 1, "no usable pose": 1}
    check_pictures(capture, ROOM, numbers=kept, poses=POSES[kept])


def test_rows_in_any_order_and_more_columns_are_read(folder):
    def shuffle(rows):
        rows = [row + ", 7" for row in rows if row]
        rows[0] = rows[0].removesuffix("7") + "more"
        return [rows[0], *rows[:0:-1]]

    edit(folder / "odometry.csv", shuffle)
    check_pictures(open_capture(folder), ROOM, poses=POSES)


def test_a_few_poses_behind_the_end_of_the_video_are_left_out(folder):
    edit(folder / "odometry.csv", lambda rows: [*rows, "1.2, 000012, 0, 0, 0, 0, 0, 0, 1"])
    assert open_capture(folder).left_out == {"no colour image": 1}


def test_fewer_images_than_poses_are_refused(folder):
    edit(folder / "odometry.csv", lambda rows: [*rows, "1.2, 000017, 0, 0, 0, 0, 0, 0, 1"])
    refused(folder, "13 poses up to frame 17, and 12 images in rgb.mp4")


def test_a_list_of_poses_that_ends_early_is_refused(folder):
    edit(folder / "odometry.csv", lambda rows: rows[:7])
    refused(folder, "6 poses up to frame 5, and 12 images in rgb.mp4")


def test_a_few_images_behind_the_last_pose_are_left_out(folder):
    edit(folder / "odometry.csv", lambda rows: [*rows[:4], *rows[5:10]])
    capture = open_capture(folder)
    assert capture.numbers.tolist() == [0, 1, 2, 4, 5, 6, 7, 8]
    assert capture.left_out == {"no usable pose": 4}


def test_a_video_that_ends_before_what_it_claims_is_named(folder):
    data = (folder / "rgb.mp4").read_bytes()
    # The index (moov) says how many images there are; what follows the first ones is lost.
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    lost = start + (end - start) // 3
    (folder / "rgb.mp4").write_bytes(data[:lost] + bytes(end - lost) + data[end:])
    refused(folder, "rgb.mp4: (frame .* cannot be|cannot be) decoded")


def test_a_damaged_packet_is_named_and_shifts_no_number(folder):
    path = folder / "rgb.mp4"
    code = cv2.VideoWriter.fourcc(*"MJPG")  # each image by itself, so that the others stay right
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, code, 60, ROOM.color_size)
    for frame in ROOM.frames:
        writer.write(np.ascontiguousarray(frame.image[..., ::-1]))
    writer.release()
    packets = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, (cv2.CAP_PROP_FORMAT, -1))
    packet = [packets.read()[1].tobytes() for _ in range(6)][5]
    data = path.read_bytes()
    assert data.count(packet) == 1
    path.write_bytes(data.replace(packet, bytes(len(packet))))
    capture = open_capture(folder)
    numbers = [0, 4, 6, 8, 11]
    for number, picture in zip(numbers, capture.images(numbers), strict=True):
        shown = picture.color[..., ::-1].astype(int)
        differs = [np.abs(shown - frame.image).mean() for frame in ROOM.frames]
        assert int(np.argmin(differs)) == number
    refused(folder, "rgb.mp4: frame 5 cannot be decoded")


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is neither|is empty"),
        (b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n", "is neither|is empty"),
        (b"ffconcat version 1.0\nfile other.mp4\n", "is neither|is empty"),
        (b"\0\0\0\x18ftypmp42" + bytes(4000), "is no video"),
    ],
)
def test_what_is_no_video_is_refused(folder, data, match, capfd):
    (folder / "rgb.mp4").write_bytes(data)
    refused(folder, match)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("file", "change", "match"),
    [
        ("odometry.csv", lambda rows: rows[:1], "holds no pose"),
        ("odometry.csv", lambda rows: rows[1:], "names no frame"),
        ("odometry.csv", lambda rows: [*rows[:3], "1, 2, 3"], "line 4: not 9 numbers"),
        ("odometry.csv", lambda rows: [*rows[:3], rows[2]], "two rows are of one frame"),
        ("odometry.csv", lambda rows: [*rows[:2], "0, 0.5, 0, 0, 0, 0, 0, 0, 1"], "no numbers of"),
        ("camera_matrix.csv", lambda rows: rows[:2], "not a matrix of 3x3"),
        ("camera_matrix.csv", lambda rows: ["1,0,0", "0,1,0", "0,0,1"], "focal lengths"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(folder, file, change, match):
    edit(folder / file, change)
    refused(folder, match)


def test_no_depth_says_what_to_do(folder):
    shutil.rmtree(folder / "depth")
    refused(folder, "no depth image is there; record on a device with LiDAR")


def test_what_is_no_recording_says_so(folder, tmp_path):
    refused(tmp_path / "scan/depth", "no recording of Stray Scanner")
    with zipfile.ZipFile(tmp_path / "scan.zip", "w") as archive:
        for path in folder.rglob("*.*"):
            archive.write(path, path.relative_to(folder))
    assert looks_like(tmp_path / "scan.zip")
    refused(tmp_path / "scan.zip", "unpack it")


def test_a_depth_image_of_another_kind_is_named(folder):
    cv2.imwrite(str(folder / "depth/000003.png"), np.zeros((24, 32), np.uint8))
    refused(folder, "000003.png: a PNG of 8 bits")
