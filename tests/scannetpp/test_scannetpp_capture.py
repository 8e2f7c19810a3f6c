"""A phone capture of ScanNet++ is the room that it was written from, with every quirk."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import raises_one_line
from scannetpp.hand_room import COLOR, DEPTH, SCENE, hand_room, in_millimetres

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures import scannetpp
from spatial_engine.sample_data.captures.scannetpp import Quirks
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.scannetpp_utils.capture import open_capture

ENCODINGS = (scannetpp.STREAM, scannetpp.LZ4, scannetpp.DEFLATE, scannetpp.EXTRACTED)
FOLDERS = Quirks(color=scannetpp.EXTRACTED, depth=scannetpp.EXTRACTED)
HIDDEN = (slice(60, 120), slice(101, 203))


@pytest.fixture(scope="module")
def room():
    return hand_room()


@pytest.fixture
def scene(tmp_path, room):
    """Writes the room with quirks and gives the folder of its scene."""

    def write(quirks: Quirks = FOLDERS) -> Path:
        folder = tmp_path / "data" / SCENE
        scannetpp.write(room, folder, quirks)
        return folder

    return write


def pictures(capture: Capture, numbers=None) -> dict[int, Picture]:
    wanted = capture.numbers if numbers is None else numbers
    found = list(capture.images(wanted))
    assert [picture.number for picture in found] == list(wanted)
    return {picture.number: picture for picture in found}


def image_of(picture: Picture) -> np.ndarray:
    """(h, w, 3) RGB."""
    color = picture.color
    decoded = jpeg.decode(color, "test", "") if isinstance(color, bytes) else color
    return decoded[..., ::-1]


@pytest.mark.parametrize("color", [scannetpp.VIDEO, scannetpp.EXTRACTED])
@pytest.mark.parametrize("depth", ENCODINGS)
def test_frames_are_those_of_the_room(scene, room, color, depth):
    capture = open_capture(scene(Quirks(color=color, depth=depth)))
    assert capture.numbers.tolist() == list(range(6))
    assert (capture.color_size, capture.left_out) == (COLOR, {})
    assert capture.metric and capture.may_be_turned
    np.testing.assert_array_equal(capture.up, [0, 0, 1])
    np.testing.assert_array_equal(capture.poses, [frame.pose for frame in room.frames])
    np.testing.assert_allclose(capture.intrinsics, [frame.K for frame in room.frames], rtol=1e-12)
    in_metres = depth in (scannetpp.STREAM, scannetpp.DEFLATE)
    for wanted in (range(6), [1, 4], [5]):
        for number, picture in pictures(capture, wanted).items():
            frame = room.frames[number]
            expected = in_millimetres(frame, cut_off=in_metres)
            np.testing.assert_array_equal(picture.depth_mm, expected)
            assert picture.depth_mm.dtype == np.uint16
            off = np.abs(image_of(picture).astype(int) - frame.image)
            assert off.max() <= (0 if color == scannetpp.VIDEO else 3)


def test_extracted_colour_is_handed_on_as_it_is(scene):
    folder = scene()
    data = (folder / "iphone" / "rgb" / "frame_000002.jpg").read_bytes()
    assert pictures(open_capture(folder), [2])[2].color == data


def test_intrinsics_are_for_full_images_and_follow_smaller_ones(scene, room):
    folder = scene()
    entries = json.loads((folder / "iphone" / "pose_intrinsic_imu.json").read_text())
    full = np.array(entries["frame_000003"]["intrinsic"])
    np.testing.assert_allclose(full[0, 0], room.frames[3].K[0, 0] * 6)
    capture = open_capture(folder)
    np.testing.assert_allclose(capture.intrinsics[3] * [[6], [6], [1]], full)
    assert len({float(K[0, 0]) for K in capture.intrinsics}) == 6  # of every frame its own


@pytest.mark.parametrize("kind", [scannetpp.VIDEO, scannetpp.EXTRACTED])
def test_a_video_may_have_one_frame_more_than_there_are_poses(scene, kind):
    depth = scannetpp.LZ4 if kind == scannetpp.VIDEO else scannetpp.EXTRACTED
    capture = open_capture(scene(Quirks(color=kind, depth=depth, more_frames=1)))
    assert capture.numbers.tolist() == list(range(6)) and len(pictures(capture)) == 6


def test_frames_without_a_usable_pose_are_left_out_and_the_others_keep_their_numbers(scene, room):
    quirks = Quirks(missing_poses=(0, 3), lost_poses=(4,))
    capture = open_capture(scene(quirks))
    assert capture.numbers.tolist() == [1, 2, 5]
    assert capture.left_out == {"no pose": 3}
    np.testing.assert_array_equal(capture.poses, [room.frames[k].pose for k in (1, 2, 5)])
    found = pictures(capture)
    for number in (1, 2, 5):
        np.testing.assert_array_equal(image_of(found[number]), room.frames[number].image)
        depth = in_millimetres(room.frames[number], cut_off=False)
        np.testing.assert_array_equal(found[number].depth_mm, depth)


def test_folders_with_gaps_are_joined_by_number(scene, room):
    folder = scene()
    (folder / "iphone" / "rgb" / "frame_000001.jpg").unlink()
    (folder / "iphone" / "rgb" / "frame_000005.jpg").unlink()
    (folder / "iphone" / "depth" / "frame_000004.png").unlink()
    capture = open_capture(folder)
    assert capture.numbers.tolist() == [0, 2, 3]
    assert capture.left_out == {"no colour": 2, "no depth": 1}
    for number, picture in pictures(capture).items():
        expected = in_millimetres(room.frames[number], cut_off=False)
        np.testing.assert_array_equal(picture.depth_mm, expected)


def test_a_folder_with_gaps_may_end_before_the_poses(scene):
    """As where only every third frame was extracted, or those that COLMAP could place."""
    folder = scene()
    for name, numbers in (("rgb", (1, 2, 4, 5)), ("depth", (1, 2, 4, 5))):
        for number in numbers:
            next((folder / "iphone" / name).glob(f"frame_{number:06d}.*")).unlink()
    capture = open_capture(folder)
    assert capture.numbers.tolist() == [0, 3] and capture.left_out == {"no colour": 4}


def test_other_files_in_the_folders_are_no_frames(scene):
    folder = scene()
    for name in (
        "frame_1.jpg",
        "frame_000001.jpg.partial",
        "frame_000009.jpeg",
        ".frame_000010.jpg",
    ):
        (folder / "iphone" / "rgb" / name).write_bytes(b"x")
    assert open_capture(folder).numbers.tolist() == list(range(6))


@pytest.mark.parametrize("kind", [scannetpp.VIDEO, scannetpp.EXTRACTED])
@pytest.mark.parametrize("color", [scannetpp.VIDEO, scannetpp.EXTRACTED])
def test_what_is_anonymised_is_black_and_not_measured(scene, room, kind, color):
    capture = open_capture(scene(Quirks(masks=kind, hidden=HIDDEN, color=color)))
    for number, picture in pictures(capture).items():
        image, frame = image_of(picture), room.frames[number]
        assert not image[HIDDEN].any()
        shown = np.ones(image.shape[:2], bool)
        shown[HIDDEN] = False
        assert np.abs(image[shown].astype(int) - frame.image[shown]).max() <= 3
        depth = in_millimetres(frame, cut_off=False)
        v, u = np.nonzero(~shown)
        rows, columns = np.rint(v * 192 / 240).astype(int), np.rint(u * 256 / 320).astype(int)
        depth[rows, columns] = 0
        np.testing.assert_array_equal(picture.depth_mm, depth)


def test_a_value_below_255_in_a_mask_is_anonymised(scene):
    folder = scene(replace(FOLDERS, masks=scannetpp.EXTRACTED))
    mask = np.full(COLOR[::-1], 255, np.uint8)
    mask[:100] = 254
    cv2.imwrite(str(folder / "iphone" / "rgb_masks" / "frame_000001.png"), mask)
    found = pictures(open_capture(folder))
    assert isinstance(found[0].color, bytes) and found[0].depth_mm[20:].any()
    assert not image_of(found[1])[:100].any() and not found[1].depth_mm[:80].any()
    assert image_of(found[1])[100:].all()


def test_a_frame_without_its_mask_is_left_out(scene):
    folder = scene(replace(FOLDERS, masks=scannetpp.EXTRACTED))
    (folder / "iphone" / "rgb_masks" / "frame_000002.png").unlink()
    capture = open_capture(folder)
    assert capture.numbers.tolist() == [0, 1, 3, 4, 5]
    assert capture.left_out == {"no mask of what is anonymised": 1}


def test_early_copies_have_an_mp4(scene, room):
    folder = scene(Quirks())
    phone = folder / "iphone"
    writer = cv2.VideoWriter(
        str(phone / "rgb.mp4"), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"mp4v"), 60, COLOR
    )
    for frame in room.frames:
        writer.write(np.ascontiguousarray(frame.image[..., ::-1]))
    writer.release()
    (phone / "rgb.mkv").unlink()
    found = pictures(open_capture(folder), [2, 5])
    for number in (2, 5):
        off = image_of(found[number]).mean((0, 1)) - room.frames[number].image.mean((0, 1))
        assert np.abs(off).max() < 4


def test_a_scene_without_scan_has_no_mesh(scene):
    assert open_capture(scene(replace(FOLDERS, scan=False))).mesh is None


def test_objects_and_labels_come_with_the_mesh(scene, room):
    mesh = open_capture(scene(), {"cup": "mug"}).mesh()
    np.testing.assert_array_equal(mesh.points, np.hstack([room.vertices, room.colors]))
    np.testing.assert_array_equal(mesh.instances, room.instances)
    found = [(item.object_id, item.label) for item in mesh.objects]
    assert found == [(0, "wall"), (1, "office chair"), (2, "mug")]


# ---- what cannot be read ----


def remove(*names):
    return lambda folder: [
        shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
        for name in names
    ]


def keep_first(name, number):
    def cut(folder):
        for path in sorted((folder / "iphone" / name).iterdir())[number:]:
            path.unlink()

    return cut


def first_poses(number):
    def cut(folder):
        path = folder / "iphone" / "pose_intrinsic_imu.json"
        entries = json.loads(path.read_text())
        path.write_text(json.dumps(dict(list(entries.items())[:number])))

    return cut


def resized(name, size):
    def change(folder):
        path = folder / "iphone" / name
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        cv2.imwrite(str(path), cv2.resize(image, size, interpolation=cv2.INTER_NEAREST))

    return change


VIDEO_AND_BIN = Quirks()
BAD = {
    "no folder": (FOLDERS, remove(""), ["no such folder"]),
    "no phone": (FOLDERS, remove("iphone"), ["no iphone folder", "only its images have depth"]),
    "not this format": (FOLDERS, remove("iphone", "scans"), ["no scene of ScanNet++"]),
    "no poses": (FOLDERS, remove("iphone/pose_intrinsic_imu.json"), ["no such file"]),
    "no colour": (FOLDERS, remove("iphone/rgb"), ["rgb.mkv", "no such file"]),
    "no depth": (FOLDERS, remove("iphone/depth"), ["depth.bin", "has no depth"]),
    "no depth in it": (FOLDERS, keep_first("depth", 0), ["holds no frame_000000.png"]),
    "depth is short": (FOLDERS, keep_first("depth", 3), ["depth: ends after frame 2"]),
    "colour is short": (FOLDERS, keep_first("rgb", 2), ["rgb: ends after frame 1"]),
    "poses end early": (FOLDERS, first_poses(4), ["pose_intrinsic_imu.json: ends after frame 3"]),
    "poses end early, files": (
        VIDEO_AND_BIN, first_poses(3), ["json: ends after frame 2, depth.bin after frame 5"],
    ),
    "much more colour": (
        replace(FOLDERS, more_frames=4), keep_first("depth", 6), ["depth: ends after frame 5"],
    ),
    "another shape": (
        FOLDERS, resized("rgb/frame_000000.jpg", (320, 180)), ["320x180", "made smaller"],
    ),
    "masks of another size": (
        replace(FOLDERS, masks=scannetpp.EXTRACTED),
        resized("rgb_masks/frame_000000.png", (160, 120)), ["rgb_masks", "160x120", "320x240"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_told_in_one_line(scene, name):
    quirks, change, words = BAD[name]
    folder = scene(quirks)
    change(folder)
    with raises_one_line(BadDataError, folder, *words):
        open_capture(folder)


def test_the_folder_of_the_phone_is_not_the_scene(scene):
    with raises_one_line(BadDataError, "give the one above it"):
        open_capture(scene() / "iphone")


BAD_IMAGES = {
    "colour of another size": (resized("rgb/frame_000003.jpg", (160, 120)), "160x120"),
    "depth of another size": (resized("depth/frame_000003.png", (128, 96)), "128x96"),
    "mask of another size": (resized("rgb_masks/frame_000003.png", (160, 120)), "160x120"),
}


@pytest.mark.parametrize("name", BAD_IMAGES)
def test_an_image_of_another_size_is_told(scene, name):
    folder = scene(replace(FOLDERS, masks=scannetpp.EXTRACTED))
    change, word = BAD_IMAGES[name]
    change(folder)
    with raises_one_line(BadDataError, "frame_000003", word):
        pictures(open_capture(folder))


@pytest.mark.parametrize("name", ["rgb/frame_000004.jpg", "depth/frame_000004.png"])
@pytest.mark.parametrize("what", ["cut off", "cut off in its head", "empty", "text"])
def test_a_damaged_image_is_told(scene, name, what):
    folder = scene()
    path = folder / "iphone" / name
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut off": data[: len(data) // 2],
            "cut off in its head": data[:18],
            "empty": b"",
            "text": b"no image, and no more",
        }[what]
    )
    with raises_one_line(BadDataError, path):
        pictures(open_capture(folder))


def test_depth_of_eight_bits_is_none(scene):
    folder = scene()
    path = folder / "iphone" / "depth" / "frame_000001.png"
    cv2.imwrite(str(path), np.zeros(DEPTH[::-1], np.uint8))
    with raises_one_line(BadDataError, path, "16 bits"):
        pictures(open_capture(folder))
