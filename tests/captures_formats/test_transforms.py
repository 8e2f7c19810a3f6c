from __future__ import annotations

import json
import zipfile

import cv2
import numpy as np
import pytest
from captures_formats.tiny_room import cast_rays, check_pictures, tiny_room

from spatial_engine.errors import BadDataError
from spatial_engine.sample_data.captures import transforms as sample
from spatial_engine.utils.capture_utils import transforms
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.capture_utils.transforms import looks_like, open_capture

ROOM = tiny_room()


def change(folder, edit) -> None:
    path = folder / "transforms.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def refused(folder, match, options=None) -> None:
    with pytest.raises(BadDataError, match=match) as error:
        capture = open_capture(folder, options)
        list(capture.images(capture.numbers.tolist()))
    assert "\n" not in str(error.value)


@pytest.fixture
def folder(tmp_path):
    sample.write(ROOM, tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "quirks",
    [
        {}, {"by_frame": True}, {"instant_ngp": True}, {"depth": "npy"}, {"three_rows": True},
        {"units_per_metre": 0.31}, {"instant_ngp": True, "by_frame": True},
    ],
    ids=str,
)  # fmt: skip
def test_the_room_comes_back(tmp_path, quirks):
    room = tiny_room(focus=0.1) if quirks.get("by_frame") else ROOM
    sample.write(room, tmp_path, **quirks)
    assert looks_like(tmp_path)
    capture = open_capture(tmp_path)
    check_pictures(capture, room)
    assert capture.metric and capture.up.tolist() == [0, 0, 1] and capture.left_out == {}


def test_a_zip_and_a_json_by_name_are_read_too(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "scan.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.*")):
            if path.suffix != ".zip":
                archive.write(path, path.relative_to(folder))
    assert looks_like(tmp_path / "scan.zip")
    check_pictures(open_capture(tmp_path / "scan.zip"), ROOM)
    (folder / "transforms.json").rename(folder / "transforms_train.json")
    assert not looks_like(folder) and looks_like(folder / "transforms_train.json")
    check_pictures(open_capture(folder / "transforms_train.json"), ROOM)


def test_black_of_a_mask_is_not_measured(tmp_path):
    sample.write(ROOM, tmp_path, masks=True)
    depth = next(iter(open_capture(tmp_path).images([0]))).depth_mm
    assert (depth[:, :12] == 0).all() and (depth[:, 12:] > 0).all()


def test_a_world_of_another_scale_is_not_metric(folder):
    def shrink(content):
        for frame in content["frames"]:
            for row in frame["transform_matrix"][:3]:
                row[3] *= 0.4

    change(folder, shrink)
    assert not open_capture(folder).metric


def test_a_world_whose_y_axis_is_up_has_no_known_up(tmp_path):
    turned = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # z to y
    sample.write(ROOM, tmp_path)

    def turn(content):
        for frame in content["frames"]:
            frame["transform_matrix"] = (turned @ frame["transform_matrix"]).tolist()

    change(tmp_path, turn)
    assert open_capture(tmp_path).up is None
    change(tmp_path, lambda content: content.update(orientation_override="none"))
    assert open_capture(tmp_path).up.tolist() == [0, 0, 1]


def test_phones_held_upright_keep_z_up(tmp_path):
    room = tiny_room((128, 96), (32, 24), turned=True)
    sample.write(room, tmp_path)
    capture = open_capture(tmp_path)
    assert capture.up.tolist() == [0, 0, 1] and capture.may_be_turned


def test_frames_are_numbered_in_the_order_of_names(folder):
    def rename(content):
        for frame in content["frames"]:
            stem = int(frame["file_path"][-9:-4])
            new = f"images/f{(stem + 5) % 8 + 5}.jpg"  # f5 .. f12, not padded
            (folder / frame["file_path"]).rename(folder / new)
            frame["file_path"] = new

    change(folder, rename)
    check_pictures(open_capture(folder), ROOM, numbers=[3, 4, 5, 6, 7, 0, 1, 2])


def test_frames_without_image_or_depth_are_counted(folder):
    (folder / "images/frame_00001.jpg").unlink()
    (folder / "depth/frame_00003.png").unlink()
    change(folder, lambda content: content["frames"][0].pop("depth_file_path"))
    capture = open_capture(folder)
    assert capture.numbers.tolist() == [0, 2, 4, 5, 6]
    assert capture.left_out == {"no colour image": 1, "no depth image": 2}


def test_options_replace_what_the_file_says(folder):
    change(folder, lambda content: content.update(integer_depth_scale=0.5))
    refused(folder, "units of the poses.*--depth-unit")
    options = CaptureOptions(intrinsics=(50.0, 51.0, 47.0, 64.0), depth_unit=0.002)
    capture = open_capture(folder, options)
    assert capture.intrinsics[3].tolist() == [[50, 0, 47], [0, 51, 64], [0, 0, 1]]
    depth = next(iter(capture.images([2]))).depth_mm
    np.testing.assert_allclose(depth, 2000 * ROOM.frames[2].depth, atol=1.1)
    change(folder, lambda content: content.update(integer_depth_scale=0.001))
    check_pictures(open_capture(folder), ROOM)


def test_distortion_is_removed_once_for_colour_and_depth(tmp_path, monkeypatch):
    made = []

    class Undistortion:
        def __init__(self, K, coefficients, size, fisheye=False):
            made.append((K.tolist(), tuple(coefficients), size, fisheye))

        def color(self, image):
            return image[:, ::-1]

        def depth(self, depth):
            return depth[:, ::-1]

    monkeypatch.setattr(transforms, "Undistortion", Undistortion)
    sample.write(ROOM, tmp_path, distortion={"k1": 0.1, "k2": 0.02, "p1": 0.003, "p2": 0.004})
    picture = next(iter(open_capture(tmp_path).images([1])))
    np.testing.assert_allclose(picture.depth_mm[:, ::-1], 1000 * ROOM.frames[1].depth, atol=1)
    K, coefficients, size, fisheye = made[-1]
    np.testing.assert_allclose(K, ROOM.frames[0].K)
    assert (coefficients, size, fisheye) == ((0.1, 0.02, 0.003, 0.004, 0.0), (96, 128), False)

    def as_fisheye(content):
        for key in ("k1", "k2", "p1", "p2"):
            del content[key]
        content.update(camera_model="OPENCV_FISHEYE", distortion_params=[1, 2, 3, 4, 0, 0])

    change(tmp_path, as_fisheye)
    next(iter(open_capture(tmp_path).images([1])))
    assert made[-1][1:] == ((1.0, 2.0, 3.0, 4.0), (96, 128), True)
    change(tmp_path, lambda c: c.update(distortion_params=[0, 0, 0, 0.1, 0, 0], camera_model=""))
    refused(tmp_path, "k4")


@pytest.mark.parametrize("fisheye", [False, True])
def test_a_bent_room_is_made_straight(tmp_path, fisheye):
    """The room as a lens sees it, ray by ray, comes back as a pinhole camera sees it."""
    size, k1, k2 = (128, 96), 0.12, -0.03
    room = tiny_room(size, size)
    for frame in room.frames:
        pixels = np.stack(np.meshgrid(np.arange(128.0), np.arange(96.0)), axis=-1).reshape(-1, 1, 2)
        if fisheye:
            rays = cv2.fisheye.undistortPoints(pixels, frame.K, np.array([k1, k2, 0, 0]))
        else:
            rays = cv2.undistortPoints(pixels, frame.K, np.array([k1, k2, 0, 0]))
        depth, image = cast_rays(rays.reshape(96, 128, 2), frame.pose)
        frame.depth[:], frame.image[:] = depth, image
    distortion = {"k1": k1, "k2": k2, "camera_model": "OPENCV_FISHEYE" if fisheye else "OPENCV"}
    sample.write(room, tmp_path, distortion=distortion)
    expected = tiny_room(size, size)
    capture = open_capture(tmp_path)
    inside = np.s_[16:-16, 16:-16]
    for picture in capture.images([1, 4]):
        frame = expected.frames[picture.number]
        off = np.abs(picture.depth_mm[inside] - 1000 * frame.depth[inside])
        assert np.median(off) < 6 and (off < 40).mean() > 0.97
        assert np.abs(picture.color[inside][..., ::-1] - frame.image[inside].astype(int)).mean() < 4


def test_a_size_that_is_not_stated_is_that_of_the_images(folder):
    def drop(content):
        del content["w"], content["h"], content["cx"], content["cy"]

    change(folder, drop)
    capture = open_capture(folder)
    assert capture.color_size == (96, 128)
    assert capture.intrinsics[0, :2, 2].tolist() == [47.5, 63.5]


def test_images_of_another_size_are_refused(folder):
    small = cv2.resize(cv2.imread(str(folder / "images/frame_00000.jpg")), (48, 64))
    cv2.imwrite(str(folder / "images/frame_00000.jpg"), small)
    refused(folder, "48x64 pixels, 96x128 by the json")


def set_first(key, value):
    return lambda content: content["frames"][0].update({key: value})


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda c: c.update(camera_model="EQUIRECTANGULAR"), "EQUIRECTANGULAR.*no perspective"),
        (lambda c: c.update(latlong=True), "latlong"),
        (lambda c: c.update(fl_x="wide"), "fl_x is no number"),
        (lambda c: c.update(fl_x=float("nan")), "fl_x is not finite"),
        (lambda c: c.update(w=96.5), "w is 96.5"),
        (lambda c: c.pop("fl_x"), "no focal length"),
        (lambda c: c.update(k1=1e9), "of no lens"),
        (lambda c: c.update(frames=[]), "no list of frames"),
        (lambda c: c.update(frames=[3]), "frame 0 is no object"),
        (lambda c: c.update(applied_scale=0), "cannot be undone"),
        (lambda c: c["frames"].append(c["frames"][0]), "listed twice"),
        (set_first("file_path", "../../etc/passwd"), "not a file within the folder"),
        (set_first("file_path", "/etc/passwd"), "not a file within the folder"),
        (set_first("file_path", "C:\\images\\1.jpg"), "not a file within the folder"),
        (set_first("depth_file_path", "images/../../x.png"), "not a file within the folder"),
        (set_first("depth_file_path", ["x"]), "not a file within the folder"),
        (set_first("transform_matrix", [[1, 0, 0, 0]]), "not a matrix"),
        (set_first("transform_matrix", (2 * np.eye(4)).tolist()), "not a rigid motion"),
        (set_first("transform_matrix", np.diag([1, 1, -1.0, 1]).tolist()), "mirrored"),
        (set_first("w", 95), "different sizes"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(folder, edit, match):
    change(folder, edit)
    refused(folder, match)


def test_a_capture_without_depth_says_what_to_do(tmp_path):
    sample.write(ROOM, tmp_path, depth="none")
    refused(tmp_path, "no frame has a depth file.*--use-depth")


def test_missing_files_are_named(folder):
    for path in (folder / "depth").iterdir():
        path.unlink()
    refused(folder, "none of its depth images is there.*depth/frame_0000")
    for path in (folder / "images").iterdir():
        path.unlink()
    refused(folder, "none of its 8 images is there")


@pytest.mark.parametrize(
    ("image", "match"),
    [(np.zeros((4, 4), np.uint8), "8 bits"), (np.zeros((4, 4, 3), np.uint16), "colour")],
)
def test_depth_of_other_kinds_is_refused(folder, image, match):
    cv2.imwrite(str(folder / "depth/frame_00002.png"), image)
    refused(folder, match)


def test_an_array_of_objects_is_never_unpickled(tmp_path):
    sample.write(ROOM, tmp_path, depth="npy")
    np.save(tmp_path / "depth/frame_00004.npy", np.array([[{}]]), allow_pickle=True)
    refused(tmp_path, "frame_00004.npy.*no depth image")


def test_json_bombs_are_refused(folder):
    path = folder / "transforms.json"
    path.write_text("[" * 100_000)
    refused(folder, "not json")
    path.write_text("[" + "1," * 4_000_001 + "1]")
    refused(folder, "more than 4,000,000 items")
    path.write_bytes(b"/*" * 1_000_000)  # comments that never end
    refused(folder, "not json")


def test_depth_alone_needs_no_colour(tmp_path):
    sample.write(ROOM, tmp_path)
    capture = open_capture(tmp_path)
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    assert len(list(capture.depth_images(capture.numbers.tolist()))) == len(ROOM.frames)
