from __future__ import annotations

import json
import shutil

import cv2
import numpy as np
import pytest
from captures_formats.tiny_room import check_pictures, tiny_room

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures import polycam as sample
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.polycam import looks_like, open_capture

# Time from 998 to 1001 seconds: one digit more on the way. Sensors are in landscape.
ROOM = tiny_room((128, 96), (32, 24), num_frames=25, focus=0.1, turned=True)
POSES = np.stack([sample.Y_UP_FROM_Z_UP @ frame.pose for frame in ROOM.frames])


def refused(path, match) -> None:
    with pytest.raises(BadDataError, match=match) as error:
        capture = open_capture(path)
        list(capture.images(capture.numbers.tolist()))
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("polycam") / "scan"
    sample.write(ROOM, folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    shutil.copytree(written, tmp_path / "scan")
    return tmp_path / "scan"


def camera(folder, number, kind="corrected_cameras"):
    return folder / f"keyframes/{kind}/{sample.stem(ROOM.frames[number])}.json"


def change(path, **values) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


@pytest.mark.parametrize("quirks", [{}, {"corrected": False}, {"nested": True}], ids=str)
@pytest.mark.parametrize("name", ["scan.zip", "scan"])
def test_the_room_comes_back(tmp_path, name, quirks):
    path = tmp_path / name
    sample.write(ROOM, path, **quirks)
    if path.is_dir() and quirks.get("nested"):
        path = path / "capture"
    assert looks_like(path) and not looks_like(path.parent)
    capture = open_capture(path)
    check_pictures(capture, ROOM, poses=POSES)
    assert capture.metric and capture.may_be_turned and capture.up.tolist() == [0, 1, 0]
    assert capture.left_out == {}


def test_corrected_cameras_are_used_only_with_corrected_images(folder):
    shutil.rmtree(folder / "keyframes/corrected_images")
    np.testing.assert_allclose(open_capture(folder).poses[:, 0, 3] - POSES[:, 0, 3], 0.1)


def test_a_keyframe_counts_only_with_image_camera_and_depth(folder):
    camera(folder, 2).unlink()
    (folder / f"keyframes/depth/{sample.stem(ROOM.frames[5])}.png").unlink()
    (folder / f"keyframes/corrected_images/{sample.stem(ROOM.frames[24])}.jpg").unlink()
    change(camera(folder, 9), **{f"t_{r}{c}": 0 for r in range(3) for c in range(3)})
    capture = open_capture(folder)
    kept = [n for n in range(24) if n not in (2, 5, 9)]
    assert capture.numbers.tolist() == kept
    assert capture.left_out == {"no camera": 1, "no depth image": 1, "no usable pose": 1}
    check_pictures(capture, ROOM, numbers=kept, poses=POSES[kept])


@pytest.mark.parametrize(("least", "columns"), [(None, 8), (0, 0), (127, 8), (255, 16)])
def test_depth_of_low_confidence_is_not_measured(tmp_path, least, columns):
    sample.write(ROOM, tmp_path, unsure=True)
    capture = open_capture(tmp_path, CaptureOptions(confidence=least))
    depth = next(iter(capture.images([4]))).depth_mm
    assert (depth[:, :columns] == 0).all() and (depth[:, columns:] > 0).all()


def test_depth_without_confidence_is_used(folder):
    shutil.rmtree(folder / "keyframes/confidence")
    check_pictures(open_capture(folder), ROOM, poses=POSES)


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"t_00": 2.0}, "not a rigid motion"),
        ({"t_03": "far"}, "t_03 is no number"),
        ({"t_12": None}, "t_12 is no number"),
        ({"fx": 1e400}, "fx is not finite"),
        ({"fx": 0.9}, "focal lengths"),
        ({"width": 64}, "principal point|another image size|by its camera"),
        ({"width": 127}, "another image size"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(folder, values, match):
    change(camera(folder, 3), **values)
    refused(folder, match)


def test_images_of_another_size_than_their_camera_are_refused(folder):
    path = folder / f"keyframes/corrected_images/{sample.stem(ROOM.frames[1])}.jpg"
    cv2.imwrite(str(path), np.zeros((96, 100, 3), np.uint8))
    refused(folder, "has 100x96 pixels, 128x96 by its camera")


def test_no_depth_says_what_to_do(folder):
    shutil.rmtree(folder / "keyframes/depth")
    refused(folder, "no depth image is there; capture in LiDAR or room mode")


def test_what_is_no_export_says_so(tmp_path):
    refused(tmp_path, "no raw export of Polycam.*developer mode")


def test_confidence_of_another_size_is_named(folder):
    path = folder / f"keyframes/confidence/{sample.stem(ROOM.frames[1])}.png"
    cv2.imwrite(str(path), np.zeros((9, 9), np.uint8))
    refused(folder, "confidence has 9x9 pixels, depth 32x24")


def test_the_black_border_of_corrected_images_is_not_measured(folder):
    stem = sample.stem(ROOM.frames[1])
    for kind in ("corrected_images", "images"):
        path = folder / f"keyframes/{kind}/{stem}.jpg"
        image = cv2.imread(str(path))
        image[:3] = image[:, -3:] = 0  # a pixel of depth is 4 wide
        image[40:60, :3] = 0  # dark, but no border
        cv2.imwrite(str(path), image)
    depth = next(iter(open_capture(folder).images([1]))).depth_mm
    assert (depth[0] == 0).all() and (depth[:, -1] == 0).all() and (depth[1:, :-1] > 0).all()
    shutil.rmtree(folder / "keyframes/corrected_cameras")
    assert (next(iter(open_capture(folder).images([1]))).depth_mm > 0).all()
