from __future__ import annotations

import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from arkit_room import (
    EYE,
    HIGH,
    LOW,
    NUM_FRAMES,
    SIZE,
    VIDEO,
    color_at,
    make_room,
    write_video,
)  # fmt: skip
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.sample_data.captures.arkitscenes import TURNS
from spatial_engine.utils.arkitscenes_utils import video as reader
from spatial_engine.utils.geometry.cameras import is_rigid
from spatial_engine.utils.preparation.images import upright

DOWNLOADS = ("3dod", "raw")
ALL = list(range(NUM_FRAMES))


def numbers(download, of=ALL):
    """Numbers of images among all: the raw download has six for each pose."""
    return [(6 if download == "raw" else 1) * number for number in of]


@pytest.fixture(scope="session")
def room():
    return make_room()


@pytest.fixture
def video(tmp_path, room):
    """Writes the room as a video, see `write_video`."""
    return lambda room=room, **options: write_video(tmp_path, room, **options)


def opened(folder):
    return reader.open_capture(folder, VIDEO)


def frame_files(folder, kind):
    frames = folder / f"{VIDEO}_frames"
    return sorted(((frames if frames.is_dir() else folder) / kind).iterdir())


def check_pictures(capture, room) -> None:
    """Every pixel of every picture, seen from its pose by its camera, is a point of the room's
    walls of the right colour."""
    for number, pose, K in zip(capture.numbers, capture.poses, capture.intrinsics, strict=True):
        (picture,) = capture.images([number])
        depth = picture.depth_mm / 1000
        assert picture.color.shape[:2] == depth.shape == capture.color_size[::-1]
        v, u = np.indices(depth.shape)
        rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(depth)], -1)
        points = (rays * depth[..., None]) @ pose[:3, :3].T + pose[:3, 3]
        off_walls = np.minimum(np.abs(points - LOW), np.abs(points - HIGH)).min(axis=-1)
        assert off_walls.max() < 0.002
        difference = picture.color[..., ::-1].astype(int) - color_at(points)
        assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("download", DOWNLOADS)
def test_a_video_is_read_as_it_was_taken(video, room, download):
    capture = opened(video(download=download))
    assert capture.numbers.tolist() == numbers(download) and capture.numbers.dtype == np.int64
    assert capture.color_size == SIZE and capture.metric and capture.may_be_turned
    np.testing.assert_array_equal(capture.up, [0, 0, 1])
    assert is_rigid(capture.poses).all()
    for k, frame in enumerate(room.frames):
        np.testing.assert_allclose(capture.poses[k], frame.pose, atol=2e-5)  # six digits
        np.testing.assert_allclose(capture.intrinsics[k], frame.K, rtol=1e-9)
    assert np.ptp(capture.intrinsics[:, 0, 0]) > 0.1
    pictures = list(capture.images(capture.numbers))
    assert [picture.number for picture in pictures] == numbers(download)
    for picture, frame in zip(pictures, room.frames, strict=True):
        assert picture.color.dtype == np.uint8 and picture.depth_mm.dtype == np.uint16
        np.testing.assert_array_equal(picture.color[..., ::-1], frame.image)
        np.testing.assert_array_equal(picture.depth_mm, np.rint(frame.depth * 1000.0))
    check_pictures(capture, room)


def test_both_downloads_give_the_same(video):
    first, second = (opened(video(download=download)) for download in DOWNLOADS)
    assert (first.numbers.tolist(), second.numbers.tolist()) == (numbers("3dod"), numbers("raw"))
    for name in ("poses", "intrinsics"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    for one, other in zip(first.images(ALL), second.images(numbers("raw")), strict=True):
        np.testing.assert_array_equal(one.color, other.color)
        np.testing.assert_array_equal(one.depth_mm, other.depth_mm)
    assert first.left_out == {}
    # Sixty images a second, ten poses; five images come after the last pose.
    assert second.left_out == {reader.NO_POSE: 5 * (NUM_FRAMES - 1), reader.BEHIND_POSES: 5}


def test_images_are_read_as_they_are_asked_for(video):
    capture = opened(video())
    assert [picture.number for picture in capture.images([2, 7])] == [2, 7]
    pictures = capture.images(ALL)
    next(pictures)
    shutil.rmtree(video(download="raw", video_id="41069022"))  # another video plays no part
    assert next(pictures).number == 1


@pytest.mark.parametrize("sky", TURNS)
@pytest.mark.parametrize("download", DOWNLOADS)
def test_a_turned_video_is_geometrically_right_and_can_be_made_upright(video, download, sky):
    upright_size = SIZE if TURNS[sky] % 2 == 0 else SIZE[::-1]
    room = make_room(upright_size)
    capture = opened(video(room=room, download=download, sky=sky))
    assert capture.color_size == SIZE  # as the sensor delivers it
    check_pictures(capture, room)
    turns = upright.turns_to_upright(capture.poses, capture.up)
    assert turns == TURNS[sky]
    turned = upright.turn_capture(capture, turns)
    assert turned.color_size == upright_size
    check_pictures(turned, room)
    for picture, pose, K, frame in zip(
        turned.images(turned.numbers), turned.poses, turned.intrinsics, room.frames, strict=True
    ):
        np.testing.assert_array_equal(picture.color[..., ::-1], frame.image)
        np.testing.assert_array_equal(picture.depth_mm, np.rint(frame.depth * 1000.0))
        np.testing.assert_allclose(pose, frame.pose, atol=2e-5)
        np.testing.assert_allclose(K, frame.K, rtol=1e-9)


# ---- frames that lack something ------------------------------------------------------------------


@pytest.mark.parametrize("download", DOWNLOADS)
def test_frames_that_lack_something_are_counted_and_keep_the_numbers_of_the_others(
    video, room, download
):
    folder = video(download=download, lost_pose=(4,), no_depth=(2,), no_camera=(7,))
    capture = opened(folder)
    kept = [0, 1, 3, 5, 6, 8, 9, 10, 11]
    assert capture.numbers.tolist() == numbers(download, kept)
    for k, pose, K in zip(kept, capture.poses, capture.intrinsics, strict=True):
        np.testing.assert_allclose(pose, room.frames[k].pose, atol=2e-5)
        np.testing.assert_allclose(K, room.frames[k].K, rtol=1e-9)
    check_pictures(capture, room)
    more = {reader.NO_POSE: 5 * 11, reader.BEHIND_POSES: 5} if download == "raw" else {}
    expected = {reader.NO_DEPTH: 1, reader.NO_POSE: 1, reader.NO_CAMERA: 1}
    for why, count in more.items():
        expected[why] = expected.get(why, 0) + count
    assert capture.left_out == expected


def test_the_first_frame_without_pose_and_a_trajectory_that_ends_early(video):
    capture = opened(video(lost_pose=(0, 9, 10, 11)))
    assert capture.numbers.tolist() == list(range(1, 9))
    assert capture.left_out == {reader.NO_POSE: 1, reader.BEHIND_POSES: 3}


def test_depth_without_colour_is_counted(video):
    folder = video()
    frame_files(folder, "lowres_wide")[5].unlink()
    capture = opened(folder)
    assert len(capture.numbers) == 11 and capture.left_out == {reader.NO_COLOR: 1}


def rename(folder, kind, position, milliseconds):
    """Move the time of a file."""
    path = frame_files(folder, kind)[position]
    stem, ending = path.name.rsplit(".", 1)
    seconds = float(stem.split("_")[1]) + milliseconds / 1000
    path.rename(path.with_name(f"{VIDEO}_{seconds:.3f}.{ending}"))


@pytest.mark.parametrize("milliseconds", [-5, -4, 4, 5, 6])
def test_a_pose_belongs_to_a_frame_within_five_milliseconds(video, milliseconds):
    folder = video(apart=False)
    for kind in ("lowres_wide", "lowres_depth", "lowres_wide_intrinsics"):
        rename(folder, kind, 3, milliseconds)
    # The name is 0.3 ms after the time: 305.544 for 305.5437.
    within = abs(milliseconds + 0.3) <= 5
    capture = opened(folder)
    assert (3 in capture.numbers) == within
    assert capture.left_out == ({} if within else {reader.NO_POSE: 1})


@pytest.mark.parametrize("milliseconds", [-2, -1, 1, 2])
def test_intrinsics_belong_to_a_frame_within_one_millisecond(video, milliseconds):
    folder = video(apart=False)
    rename(folder, "lowres_wide_intrinsics", 3, milliseconds)
    capture = opened(folder)
    assert (3 in capture.numbers) == (abs(milliseconds) == 1)


def test_the_exact_intrinsics_count_before_those_beside_them(video, room):
    folder = video(apart=False)
    exact = frame_files(folder, "lowres_wide_intrinsics")[3]
    text = exact.read_text().split()
    for off in (-1, 1):
        stem = f"{VIDEO}_{float(exact.name[9:-7]) + off / 1000:.3f}.pincam"
        exact.with_name(stem).write_text(" ".join([*text[:2], "99", "99", *text[4:]]))
    np.testing.assert_allclose(opened(folder).intrinsics[3], room.frames[3].K, rtol=1e-9)


def test_of_two_frames_that_one_pose_is_near_to_the_nearer_has_it(video):
    folder = video(apart=False)
    for kind in ("lowres_wide", "lowres_depth", "lowres_wide_intrinsics"):
        path = frame_files(folder, kind)[3]
        stem, ending = path.name.rsplit(".", 1)
        seconds = float(stem.split("_")[1]) + 0.004
        shutil.copy(path, path.with_name(f"{VIDEO}_{seconds:.3f}.{ending}"))
    capture = opened(folder)
    assert capture.numbers.tolist() == [0, 1, 2, 3, *range(5, 13)]
    assert capture.left_out == {reader.NO_POSE: 1}


def test_the_order_of_lines_and_other_files_play_no_part(video):
    folder = video()
    expected = opened(folder)
    trajectory = folder / f"{VIDEO}_frames/lowres_wide.traj"
    lines = trajectory.read_text().splitlines()
    trajectory.write_text("\r\n".join(reversed(lines)) + "\r\n\r\n")
    for name in ("._41069021_305.244.png", "Thumbs.db", "41069021_305.png", "1_305.244.png"):
        (trajectory.parent / "lowres_wide" / name).write_bytes(b"x")
    np.testing.assert_array_equal(opened(folder).poses, expected.poses)


# ---- mesh and objects ----------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0.0, 30.0])
@pytest.mark.parametrize("download", DOWNLOADS)
def test_vertices_have_the_object_of_the_smallest_box_that_holds_them(
    video, room, download, degrees
):
    """The small object stands in the large one's box; its box is the smaller one. The file gives
    both objects one `objectId`; their labels hold a blank, a slash and a dash."""
    mesh = opened(video(download=download, box_degrees=degrees, sky="Left")).mesh()
    assert [(each.object_id, each.label) for each in mesh.objects] == [
        (0, "side_table"),
        (1, "tv_monitor_set"),
    ]
    np.testing.assert_allclose(mesh.points[:, :3], room.vertices, atol=1e-6)
    np.testing.assert_array_equal(mesh.points[:, 3:], room.colors)
    assert mesh.instances.dtype == np.int32
    expected = room.instances.copy()
    small = room.vertices[room.instances == 2]
    within = ((room.vertices >= small.min(0)) & (room.vertices <= small.max(0))).all(axis=1)
    expected[within] = 2
    if not degrees:
        np.testing.assert_array_equal(mesh.instances, expected)
    else:  # turned boxes are wider than what is in them
        assert (mesh.instances[room.instances == 2] == 2).all()
        assert (mesh.instances[(expected == 1)] > 0).all()
        assert (mesh.instances[room.instances == 0] == 0).all()


def test_a_video_that_the_annotators_skipped_has_no_objects(video):
    mesh = opened(video(skipped=True)).mesh()
    assert mesh.objects == [] and not mesh.instances.any() and len(mesh.points)


def test_no_annotation_and_no_mesh(video):
    folder = video()
    (folder / f"{VIDEO}_3dod_annotation.json").unlink()
    assert opened(folder).mesh().objects == []
    mesh = folder / f"{VIDEO}_3dod_mesh.ply"
    mesh.rename(mesh.with_name(mesh.name + ".gz"))
    with raises_one_line(MissingFileError, mesh, "unpack it"):
        opened(folder).mesh()
    mesh.with_name(mesh.name + ".gz").unlink()
    assert opened(folder).mesh is None


# ---- what is no video ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, words",
    [
        ("iphone/", "ScanNet++"),
        ("highres_depth/", "depth upsampling, which has no poses"),
        ("vga_wide/", "lowres_wide was not downloaded"),
        ("transforms.json", "nerfstudio"),
        ("keyframes/", "Polycam"),
        ("scene0000_00.sens", "ScanNet"),
        ("rgb.txt", "TUM RGB-D"),
        ("x.txt", "no video of ARKitScenes"),
    ],
)
def test_a_folder_of_something_else_is_named(tmp_path, name, words):
    folder = tmp_path / VIDEO
    folder.mkdir()
    (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text("x")
    with raises_one_line(BadDataError, folder, words, "download the video again"):
        opened(folder)


def test_no_folder(tmp_path):
    (tmp_path / f"{VIDEO}.zip").write_bytes(b"PK")
    with raises_one_line(MissingFileError, tmp_path / VIDEO, "unpack it"):
        opened(tmp_path / VIDEO)


@pytest.mark.parametrize("kind, words", [
    ("lowres_depth", "no depth"), ("lowres_wide", "no frames"),
    ("lowres_wide_intrinsics", "intrinsics"),
])  # fmt: skip
def test_a_video_without_one_kind_of_files_is_refused(video, kind, words):
    folder = video()
    for path in frame_files(folder, kind):
        path.unlink()
    with raises_one_line(BadDataError, kind, words):
        opened(folder)
    if kind != "lowres_wide":
        (folder / f"{VIDEO}_frames" / kind).rmdir()
        with raises_one_line(BadDataError, kind, words):
            opened(folder)


def test_depth_of_other_times_is_refused(video):
    folder = video(apart=False)
    for position in ALL[::-1]:
        rename(folder, "lowres_depth", position, 10)
    with raises_one_line(BadDataError, "lowres_depth", "no depth image has the time"):
        opened(folder)


def test_no_trajectory_and_one_of_another_time(video):
    folder = video()
    path = folder / f"{VIDEO}_frames/lowres_wide.traj"
    text = path.read_text()
    path.write_text("".join(f"9{line}\n" for line in text.splitlines()))
    with raises_one_line(BadDataError, path, "frames are from 305.244 to", "poses from 9305.244"):
        opened(folder)
    path.unlink()
    with raises_one_line(MissingFileError, path, "no such file"):
        opened(folder)


def test_intrinsics_of_another_size_are_refused(video):
    folder = video()
    path = frame_files(folder, "lowres_wide_intrinsics")[6]
    path.write_text("30 24 " + path.read_text().split(" ", 2)[2])
    with raises_one_line(BadDataError, path, "30x24", "32x24"):
        opened(folder)


def png(image) -> bytes:
    return cv2.imencode(".png", image)[1].tobytes()


DAMAGED = {
    "cut": lambda data: data[:-20],
    "not a picture": lambda data: b"\x89PNG\r\n\x1a\n" + b"x" * 50,
    "smaller": lambda data: png(np.zeros((12, 10), np.uint16)),
    "eight bits": lambda data: png(np.zeros((24, 32), np.uint8)),
    "of 16 million pixels": lambda data: data[:16] + b"\0\0\x10\0\0\0\x0c\0" + data[24:],
    "of 65 thousand to a side": lambda data: data[:16] + b"\0\1\0\0\0\0\xc0\0" + data[24:],
    "a web page": lambda data: b"<html>denied</html>",
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("how", DAMAGED)
@pytest.mark.parametrize("kind", ["lowres_wide", "lowres_depth"])
def test_an_image_that_is_damaged_is_named_when_it_is_read(video, kind, how, capfd):
    if (kind, how) == ("lowres_wide", "eight bits"):
        return  # a grey image is an image
    folder = video()
    path = frame_files(folder, kind)[4]
    path.write_bytes(DAMAGED[how](path.read_bytes()))
    capture = opened(folder)
    pictures = capture.images(ALL)
    for _ in range(4):
        next(pictures)
    with raises_one_line(BadDataError, path, "download the video again"):
        next(pictures)


def test_depth_of_another_size_and_of_the_same_shape(video, room):
    folder = video(room=replace(room, frames=[
        replace(frame, depth=frame.depth[::2, ::2]) for frame in room.frames
    ]))  # fmt: skip
    for picture, frame in zip(opened(folder).images(ALL), room.frames, strict=True):
        np.testing.assert_array_equal(picture.depth_mm, np.rint(frame.depth[::2, ::2] * 1000.0))
    turned = frame_files(folder, "lowres_depth")[0]
    turned.write_bytes(png(np.zeros((16, 12), np.uint16)))
    with raises_one_line(BadDataError, turned, "shape"):
        next(opened(folder).images(ALL))


def test_the_room_is_what_it_says():
    assert (LOW < EYE).all() and (EYE < HIGH).all()
