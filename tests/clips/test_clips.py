"""Clips of TAPVid-3D: both ways of storing pictures, what is unknown, and files out to do harm."""

from __future__ import annotations

import io
import pickle
import resource
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE, REPOSITORY
from helpers import raises_one_line, random_pose

from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.utils.clips.clips import (
    Clip,
    read_clip,
    read_extrinsics,
    read_images,
    read_shape,
)
from spatial_engine.utils.clips.object_array import read_bytes_array
from spatial_engine.utils.geometry.rigid_bodies import rigid_bodies
from spatial_engine.utils.pictures import jpeg

FRAMES, POINTS, SIZE = 4, 7, (40, 24)


def jpegs(count: int = FRAMES) -> list[bytes]:
    """JPEGs of different lengths."""
    rng = np.random.default_rng(count)
    width, height = SIZE
    pictures = [rng.integers(0, 30 + 50 * k, (height, width, 3)) for k in range(count)]
    return [jpeg.encode(picture.astype(np.uint8)) for picture in pictures]


def as_objects(items: list) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


def queries(tracks: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(POINTS, 3) pixel and frame of each point where it is first seen; zeros where it never is."""
    found = np.zeros((POINTS, 3))
    for frame, point in np.argwhere(visible & np.isfinite(tracks).all(axis=2)).tolist()[::-1]:
        x, y, z = tracks[frame, point]
        found[point] = 30 * x / z + 20, 31 * y / z + 12, frame
    return found


def arrays(dtype: type = np.float32) -> dict[str, np.ndarray]:
    """A clip that is fine; one point is unknown in one frame, in which it claims to be visible."""
    rng = np.random.default_rng(0)
    tracks = rng.uniform([-1, -1, 2], [1, 1, 4], (FRAMES, POINTS, 3))
    tracks[1, 2] = np.nan
    visible = rng.random((FRAMES, POINTS)) < 0.7
    visible[1, 2] = True
    poses = np.stack([np.linalg.inv(random_pose(rng)) for _ in range(FRAMES)])
    return {
        "images_jpeg_bytes": np.array(jpegs()),
        "queries_xyt": queries(tracks, visible).astype(dtype),
        "tracks_XYZ": tracks.astype(dtype),
        "visibility": visible,
        "fx_fy_cx_cy": np.array([30, 31, 20, 12], dtype),
        "extrinsics_w2c": poses.astype(dtype),
    }


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "clip_7.npz"


def write(path: Path, save=np.savez, **changes) -> dict[str, np.ndarray]:
    """A fine clip but for the changes; None leaves an array out."""
    made = {key: value for key, value in (arrays() | changes).items() if value is not None}
    save(path, **made)
    return made


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npy_header(descr: str, shape: tuple, body: bytes = b"") -> bytes:
    """An npy file that claims what it likes."""
    file = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + body


def write_members(path: Path, how: int = zipfile.ZIP_STORED, **changes: bytes | None) -> None:
    """A fine clip but for the bytes of some members."""
    members = {key: npy(value) for key, value in arrays().items()} | changes
    with zipfile.ZipFile(path, "w", how) as archive:
        for key, data in members.items():
            if data is not None:
                archive.writestr(f"{key}.npy", data)


def check_refused(path: Path, *words: object, moves: bool = True) -> None:
    """Refused in one line that names the clip, and at once."""
    start = time.process_time()
    with raises_one_line(BadDataError, path.name, *words):
        read_clip(path, camera_moves=moves)
    assert time.process_time() - start < 5


# ---- what is fine --------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("objects", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_clip_is_read_as_it_was_saved(path, save, objects, dtype):
    changes = arrays(dtype)
    if objects:
        changes["images_jpeg_bytes"] = as_objects(jpegs())
    made = write(path, save, **changes)
    clip = read_clip(path, camera_moves=True)
    assert clip.clip_id == "clip_7" and clip.image_size == SIZE
    assert clip.images == jpegs() == read_images(path)
    assert clip.tracks_cam.dtype == np.float64 and clip.visible.dtype == bool
    np.testing.assert_array_equal(clip.tracks_cam, made["tracks_XYZ"])
    np.testing.assert_allclose(clip.fx_fy_cx_cy, [30, 31, 20, 12])
    for pose, w2c in zip(clip.world_from_cam, made["extrinsics_w2c"].astype(float), strict=True):
        np.testing.assert_allclose(pose @ w2c, np.eye(4), atol=1e-6)
    assert read_shape(path) == (FRAMES, POINTS, True)
    np.testing.assert_array_equal(read_extrinsics(path), made["extrinsics_w2c"])


@pytest.mark.parametrize("protocol", range(2, 6))
def test_objects_of_every_protocol_that_numpy_writes_are_read(path, protocol):
    body = pickle.dumps(as_objects(jpegs()), protocol)
    write_members(path, images_jpeg_bytes=npy_header("|O", (FRAMES,), body))
    assert read_images(path) == jpegs()


MANY = [bytes([number % 256, number // 256, 1]) for number in range(2500)]  # several batches
ITEMS = {
    "none": [], "one": [b"a"], "the same twice": [MANY[5], MANY[7], MANY[5]], "many": MANY,
    "empty and long": [b"", b"\xff\x00" * 70_000, b"", b"\x80"],
}  # fmt: skip


@pytest.mark.parametrize("module", [b"numpy._core.multiarray", b"numpy.core.multiarray"])
@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("name", ITEMS)
def test_an_array_of_bytes_is_read_as_pickle_reads_it(name, protocol, module):
    """Of numpy 2 and of numpy 1, under whose name the array's maker was somewhere else."""
    data = pickle.dumps(as_objects(ITEMS[name]), protocol)
    for ours in (b"numpy._core.multiarray", b"numpy.core.multiarray"):
        if protocol >= 4:  # the length of a text stands before it
            data = data.replace(bytes([len(ours)]) + ours, bytes([len(module)]) + module)
        else:
            data = data.replace(ours, module)
    assert module in data
    assert read_bytes_array(io.BytesIO(data), len(ITEMS[name]), "x") == ITEMS[name]


def test_every_changed_operation_gives_bytes_or_our_error():
    items = [b"\xff\xd8x\xff\xd9", b"", b"abc"]
    for protocol in range(2, 6):
        data = pickle.dumps(as_objects(items), protocol)
        for place in range(len(data)):
            for change in (1, 2, 16, 64, 255):
                other = data[:place] + bytes([data[place] ^ change]) + data[place + 1 :]
                try:
                    found = read_bytes_array(io.BytesIO(other), len(items), "x")
                except BadDataError as error:
                    assert str(error).isprintable() and len(str(error)) < 300
                    continue
                assert len(found) == 3 and all(type(item) is bytes for item in found)
            with raises_one_line(BadDataError, "x"):
                read_bytes_array(io.BytesIO(data[:place]), len(items), "x")


NO_ARRAYS = {
    "texts": ["a", "b"], "numbers": [1, 2], "nothing": [None, None], "lists": [[], []],
    "a bytearray": [bytearray(b"x"), b"y"], "an array": [np.zeros(2), b"x"],
}  # fmt: skip


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("name", NO_ARRAYS)
def test_an_array_of_anything_but_bytes_is_refused(name, protocol):
    array = np.empty(2, object)
    for number, item in enumerate(NO_ARRAYS[name]):
        array[number] = item
    data = pickle.dumps(array, protocol)
    with raises_one_line(BadDataError, "x: not an array of bytes"):
        read_bytes_array(io.BytesIO(data), 2, "x")


def test_an_array_of_two_dimensions_or_another_number_is_refused():
    array = as_objects([b"a", b"b"])
    for value, count in ((array.reshape(1, 2), 2), (array, 1), (array, 3), ([b"a", b"b"], 2),
                         (np.array([b"a", b"b"]), 2), (b"ab", 2)):  # fmt: skip
        with raises_one_line(BadDataError, "not an array of bytes"):
            read_bytes_array(io.BytesIO(pickle.dumps(value)), count, "x")


def test_padding_is_trimmed_and_every_picture_ends_where_it_ends(path):
    images = [data + b"\0" * 50 * k for k, data in enumerate(jpegs())]
    for stored in (np.array(images, "S9000"), as_objects(images)):
        write(path, images_jpeg_bytes=stored)
        assert read_images(path) == jpegs()
        assert read_clip(path, camera_moves=False).images == jpegs()


def test_a_point_without_coordinates_is_not_visible(path):
    made = write(path)
    tracks = made["tracks_XYZ"].copy()
    tracks[0, 0, 1], tracks[2, 3, 0] = np.inf, np.nan
    visible = np.ones((FRAMES, POINTS), bool)
    write(path, tracks_XYZ=tracks, visibility=visible)
    clip = read_clip(path, camera_moves=True)
    expected = {(0, 0), (1, 2), (2, 3)}
    assert {tuple(index) for index in np.argwhere(~clip.visible).tolist()} == expected


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_point_at_infinity_is_one_without_coordinates(path, dtype):
    """Nothing is reckoned with it, so that numpy has nothing to warn of."""
    tracks = arrays(dtype)["tracks_XYZ"]
    tracks[0, 0], tracks[1, 1, 2], tracks[2, 3] = np.inf, -np.inf, (np.nan, np.inf, 1)
    unknown = ~np.isfinite(tracks).all(axis=2)
    write(path, tracks_XYZ=tracks, visibility=np.ones((FRAMES, POINTS), bool))
    clip = read_clip(path, camera_moves=True)
    np.testing.assert_array_equal(np.isnan(clip.tracks_cam).all(axis=2), unknown)
    np.testing.assert_array_equal(clip.tracks_cam[~unknown], tracks[~unknown])
    np.testing.assert_array_equal(clip.visible, ~unknown)
    for values in (clip.tracks_world(), clip.project()):
        np.testing.assert_array_equal(np.isfinite(values).all(axis=2), ~unknown)
    rigid_bodies(clip.tracks_cam)


@pytest.mark.parametrize("key", ["fx_fy_cx_cy", "extrinsics_w2c", "tracks_XYZ"])
def test_numbers_that_no_place_or_camera_can_have_are_refused(path, key):
    array = arrays(np.float64)[key]
    array.flat[1] = 1e200 if key == "tracks_XYZ" else np.inf
    write(path, **{key: array})
    check_refused(path, key)


def test_what_a_download_left_in_place_of_a_clip_is_told(path):
    for data, words in ((b"", "is empty"), (b"<?xml version='1.0'?><Error>", "web page")):
        path.write_bytes(data)
        check_refused(path, words, "get the clip again")


def test_what_is_not_visible_stays_so(path):
    made = write(path, tracks_XYZ=np.ones((FRAMES, POINTS, 3)), queries_xyt=None)
    np.testing.assert_array_equal(read_clip(path, camera_moves=True).visible, made["visibility"])


def test_a_still_camera_needs_no_extrinsics_and_heeds_none(path):
    write(path)
    for _ in range(2):
        clip = read_clip(path, camera_moves=False)
        np.testing.assert_array_equal(clip.world_from_cam, np.tile(np.eye(4), (FRAMES, 1, 1)))
        write(path, extrinsics_w2c=None)
    assert read_shape(path) == (FRAMES, POINTS, False)


def test_one_frame_and_arrays_in_fortran_order_are_fine(path):
    made = write(path, tracks_XYZ=np.asfortranarray(arrays()["tracks_XYZ"]))
    clip = read_clip(path, camera_moves=True)
    np.testing.assert_array_equal(clip.tracks_cam, made["tracks_XYZ"])
    one = {key: made[key][:1] for key in ("images_jpeg_bytes", "tracks_XYZ", "visibility")}
    write(path, **one, extrinsics_w2c=made["extrinsics_w2c"][:1], queries_xyt=None)
    assert read_clip(path, camera_moves=True).tracks_cam.shape == (1, POINTS, 3)


def test_a_clip_without_points_is_read_or_refused_in_one_line(path):
    write(
        path,
        tracks_XYZ=np.zeros((FRAMES, 0, 3), np.float32),
        visibility=np.zeros((FRAMES, 0), bool),
        queries_xyt=np.zeros((0, 3)),
    )
    try:
        clip = read_clip(path, camera_moves=True)
    except EngineError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert clip.tracks_cam.shape == (FRAMES, 0, 3) and clip.project().shape == (FRAMES, 0, 2)


def test_world_and_pixels_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    tracks = rng.normal(size=(5, 9, 3)) * [1, 1, 2]
    tracks[1, 4] = np.nan
    poses = np.stack([random_pose(rng) for _ in range(5)])
    camera = np.array([100.0, 90, 64, 48])
    clip = Clip("c", [], (128, 96), tracks, np.ones((5, 9), bool), camera, poses)
    world, pixels = clip.tracks_world(), clip.project()
    assert (tracks[..., 2] <= 0).any()
    for t in range(5):
        for n in range(9):
            x, y, z = tracks[t, n]
            np.testing.assert_allclose(world[t, n], (poses[t] @ [x, y, z, 1])[:3], atol=1e-12)
            if z > 0:
                place = [100 * x / z + 64, 90 * y / z + 48]
                np.testing.assert_allclose(pixels[t, n], place)
            else:
                assert np.isnan(pixels[t, n]).all()
    there = replace(clip, world_from_cam=np.tile(np.eye(4), (5, 1, 1))).tracks_world()
    np.testing.assert_array_equal(there, tracks)


# ---- what is missing or has another shape --------------------------------------------------------


def test_a_moving_camera_without_extrinsics_is_refused_with_the_remedy(path):
    write(path, extrinsics_w2c=None)
    check_refused(path, "extrinsics_w2c", "copy_adt_extrinsics.py")


def test_a_missing_clip_names_where_to_get_it(path):
    for read in (read_images, read_shape, lambda p: read_clip(p, camera_moves=False)):
        with raises_one_line(MissingInputError, path, "README.md"):
            read(path)
    path.mkdir()
    with raises_one_line(MissingInputError, path):
        read_images(path)


@pytest.mark.parametrize("key", ["images_jpeg_bytes", "tracks_XYZ", "visibility", "fx_fy_cx_cy"])
def test_a_missing_array_is_named(path, key):
    write(path, **{key: None})
    check_refused(path, key)


EYES = np.tile(np.eye(4), (FRAMES, 1, 1))
WRONG = {
    "tracks flat": ("tracks_XYZ", np.zeros((FRAMES, POINTS))),
    "tracks of 2": ("tracks_XYZ", np.zeros((FRAMES, POINTS, 2))),
    "tracks short": ("tracks_XYZ", np.zeros((FRAMES - 1, POINTS, 3))),
    "tracks scalar": ("tracks_XYZ", np.float32(3)),
    "tracks text": ("tracks_XYZ", np.full((FRAMES, POINTS, 3), "1")),
    "tracks complex": ("tracks_XYZ", np.zeros((FRAMES, POINTS, 3), complex)),
    "tracks objects": ("tracks_XYZ", np.zeros((FRAMES, POINTS, 3), object)),
    "visibility turned": ("visibility", np.zeros((POINTS, FRAMES), bool)),
    "visibility flat": ("visibility", np.zeros(FRAMES * POINTS, bool)),
    "visibility short": ("visibility", np.zeros((FRAMES, POINTS - 1), bool)),
    "camera short": ("fx_fy_cx_cy", np.ones(3)),
    "camera matrix": ("fx_fy_cx_cy", np.eye(3)),
    "camera nan": ("fx_fy_cx_cy", np.array([np.nan, 1, 1, 1])),
    "camera zero": ("fx_fy_cx_cy", np.array([0.0, 1, 1, 1])),
    "poses short": ("extrinsics_w2c", EYES[1:]),
    "poses 3x4": ("extrinsics_w2c", EYES[:, :3]),
    "poses nan": ("extrinsics_w2c", EYES * np.nan),
    "poses singular": ("extrinsics_w2c", EYES * 0),
    "poses of rank 2": ("extrinsics_w2c", EYES * [1, 1, 0, 1]),
    "poses scaled": ("extrinsics_w2c", EYES * [2, 2, 2, 1]),
    "poses of which one is scaled": (
        "extrinsics_w2c",
        np.array([*EYES[1:], np.diag([1, 1.001, 1, 1])]),
    ),
    "poses mirrored": ("extrinsics_w2c", EYES * [1, -1, 1, 1]),
    "poses transposed": ("extrinsics_w2c", EYES + np.eye(4)[[3]].T * [1, 2, 3, 0]),
    "poses vast": ("extrinsics_w2c", EYES * [1e300, 1e300, 1e300, 1]),
    "camera of images of half the size": ("fx_fy_cx_cy", np.array([30, 31, 40, 24.0])),
    "camera of larger images": ("fx_fy_cx_cy", np.array([30, 31, 20, 25.0])),
    "camera divided by the size": ("fx_fy_cx_cy", np.array([0.75, 1.29, 0.5, 0.5])),
    "camera of one number thrice": ("fx_fy_cx_cy", np.array([20, 12, 30, 31.0])),
    "camera negative": ("fx_fy_cx_cy", np.array([-30, -31, 20, 12.0])),
    "camera vast": ("fx_fy_cx_cy", np.array([1e300, 1e300, 20, 12.0])),
    "queries flat": ("queries_xyt", np.zeros(3 * POINTS)),
    "queries short": ("queries_xyt", np.zeros((POINTS - 1, 3))),
    "queries of a later frame": ("queries_xyt", np.full((POINTS, 3), [20.0, 12, FRAMES])),
    "queries of an earlier frame": ("queries_xyt", np.full((POINTS, 3), [20.0, 12, -1])),
    "images none": ("images_jpeg_bytes", np.zeros(0, "S5")),
    "images short": ("images_jpeg_bytes", np.array(jpegs()[1:])),
    "images flat": ("images_jpeg_bytes", np.array(jpegs()).reshape(2, 2)),
    "images scalar": ("images_jpeg_bytes", np.array(jpegs()[0])),
    "images text": ("images_jpeg_bytes", np.array(["x"] * FRAMES)),
    "images numbers": ("images_jpeg_bytes", np.zeros((FRAMES, 9), np.uint8)),
    "images objects of text": ("images_jpeg_bytes", as_objects(["x"] * FRAMES)),
    "images objects of none": ("images_jpeg_bytes", as_objects([None] * FRAMES)),
    "images objects of lists": ("images_jpeg_bytes", as_objects([[1]] * FRAMES)),
    "images no jpeg": ("images_jpeg_bytes", np.array([b"\xff\xd8xx"] * FRAMES)),
    "images empty": ("images_jpeg_bytes", np.array([b"", b"\0", b"", b"x"])),
    "images only marks": ("images_jpeg_bytes", np.array([b"\xff\xd8\xff\xd9"] * FRAMES)),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_array_is_refused(path, name):
    key, value = WRONG[name]
    write(path, **{key: value})
    check_refused(path)


def test_the_frame_or_camera_at_fault_is_named_with_its_values(path):
    poses = arrays()["extrinsics_w2c"]
    poses[2] = poses[2].T
    write(path, extrinsics_w2c=poses)
    check_refused(path, "extrinsics_w2c of frame 2 is not a rigid motion", f"{poses[2][3, 0]:.6g} ")
    read_clip(path, camera_moves=False)  # heeds none
    with raises_one_line(BadDataError, path, "extrinsics_w2c of frame 2"):
        read_extrinsics(path)
    write(path, fx_fy_cx_cy=np.array([30.0, 31, 39, 12]))
    check_refused(path, "principal point", "30 0 39, 0 31 12, 0 0 1", "images of 40x24 pixels")


@pytest.mark.filterwarnings("error")
def test_a_query_must_be_where_its_point_is_seen(path):
    made = arrays(np.float64)
    point = int(np.flatnonzero(made["visibility"].any(axis=0))[-1])
    where = made["queries_xyt"][point].copy()
    for shift in ((0, 0), (0.5, 0.5), (-2.9, 0), (2, -2)):  # whole pixels, centres, and more
        made["queries_xyt"][point, :2] = where[:2] + shift
        write(path, **made)
        assert read_clip(path, camera_moves=True).visible.any()
    for shift in ((3.1, 0), (-2.2, 2.2), (0, 1e300), (where[1] - where[0], where[0] - where[1])):
        made["queries_xyt"][point, :2] = where[:2] + shift
        write(path, **made)
        track = f"track of point {point} is at ({where[0]:.1f}, {where[1]:.1f}) in frame"
        x, y = where[:2] + shift
        check_refused(path, track, f"query at ({x:.1f}, {y:.1f})", "as 1 of ")
    made["queries_xyt"][point] = np.nan  # says nothing
    write(path, **made)
    read_clip(path, camera_moves=True)


def test_a_query_in_a_frame_in_which_its_point_is_hidden_says_nothing(path):
    made = arrays()
    frame, point = np.argwhere(~made["visibility"])[0]
    made["queries_xyt"][point] = -500, 900, frame
    write(path, **made)
    read_clip(path, camera_moves=True)
    visible = made["visibility"].copy()
    visible[frame, point] = True
    write(path, **made | {"visibility": visible})
    check_refused(path, f"point {point} ", f"frame {frame}")


CAMERAS = {"longer": [45, 46.5, 20, 12], "of the other order": [20, 12, 21, 13]}


@pytest.mark.parametrize("name", CAMERAS)
def test_a_camera_that_could_be_but_is_not_that_of_the_tracks_is_refused(path, name):
    """Inside the image, as after resizing it a little: only the queries tell."""
    write(path, fx_fy_cx_cy=np.array(CAMERAS[name], float))
    check_refused(path, "pixels apart", "images of 40x24")
    write(path, fx_fy_cx_cy=np.array(CAMERAS[name], float), queries_xyt=None)
    read_clip(path, camera_moves=True)


def test_tracks_in_millimetres_are_refused(path):
    """No query tells: they project to the same pixels."""
    made = arrays(np.float64)
    write(path, **made | {"tracks_XYZ": made["tracks_XYZ"] * 1000})
    check_refused(path, "tracks_XYZ", "metres before the camera", "millimetres")


# ---- files out to do harm ------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_truncated_clip_is_refused_at_any_length(path, save):
    write(path, save)
    data = path.read_bytes()
    for length in [*range(0, 60), *range(60, len(data), 97), *range(len(data) - 60, len(data))]:
        path.write_bytes(data[:length])
        check_refused(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_damaged_clip_is_read_or_refused_in_one_line(path, save):
    """Some bytes of the file are others: whatever happens, nothing but an error of ours."""
    write(path, save, images_jpeg_bytes=as_objects(jpegs()))
    data, rng = path.read_bytes(), np.random.default_rng(0)
    directory = data.index(b"PK\x01\x02")
    for trial in range(600):
        changed = bytearray(data)
        low = directory if trial % 2 else 0  # the directory of the archive is the delicate part
        for place in rng.integers(low, len(data), rng.integers(1, 4)):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        for read in (read_images, read_shape, lambda p: read_clip(p, camera_moves=True)):
            try:
                read(path)
            except EngineError as error:
                assert str(error).splitlines() == [str(error)]


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_changed_byte_of_any_array_is_noticed_by_its_checksum(path, save):
    """No header says so: pixels and coordinates would be others, and labels wrong."""
    write(path, save)
    data, rng = path.read_bytes(), np.random.default_rng(0)
    with zipfile.ZipFile(path) as archive:
        members = [info for info in archive.infolist() if info.filename != "visibility.npy"]
    assert {"images_jpeg_bytes.npy", "tracks_XYZ.npy"} <= {info.filename for info in members}
    for info in members:
        end = info.header_offset + len(info.FileHeader()) + info.compress_size
        for place in end - rng.integers(1, 40, 5):  # the last bytes are numbers or a picture
            changed = bytearray(data)
            changed[place] ^= 1 << rng.integers(8)
            path.write_bytes(changed)
            check_refused(path)


def test_a_clip_behind_other_bytes_is_read_as_the_same(path):
    """Offsets of a zip count from where it begins; what unpacks itself has a program before it."""
    write(path)
    alone = read_clip(path, camera_moves=True)
    path.write_bytes(b"#!/bin/sh\nexit\n" + path.read_bytes())
    behind = read_clip(path, camera_moves=True)
    assert behind.images == alone.images
    assert np.array_equal(behind.tracks_cam, alone.tracks_cam, equal_nan=True)


def test_an_archive_of_a_later_version_is_refused(path):
    write(path)
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 6] = 99  # "needs version 9.9 to extract"
    path.write_bytes(data)
    check_refused(path)


def test_a_member_said_to_lie_beyond_the_file_is_refused(path):
    write(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\x01\x02") + 42
    data[place : place + 4] = (2**31 - 1).to_bytes(4, "little")
    path.write_bytes(data)
    check_refused(path)


@pytest.mark.parametrize("data", [b"", b"PK", b"hello" * 99, npy(np.zeros(4)), jpegs()[0]])
def test_what_is_no_npz_is_refused(path, data):
    path.write_bytes(data)
    check_refused(path)


KEYS = ("images_jpeg_bytes", "tracks_XYZ", "visibility", "fx_fy_cx_cy", "extrinsics_w2c")
DESCR = dict(zip(KEYS, ("|S8", "<f8", "|b1", "<f8", "<f8"), strict=True))


@pytest.mark.parametrize("key", KEYS)
def test_a_bomb_is_refused_before_it_is_unpacked(path, key):
    """A gigabyte of zeros in a megabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays().items():
            if name != key:
                archive.writestr(f"{name}.npy", npy(array))
        with archive.open(f"{key}.npy", "w") as file:
            file.write(npy_header(DESCR[key], (2**25,)))
            for _ in range(300):
                file.write(bytes(2**20))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    check_refused(path, key)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


@pytest.mark.parametrize("shape", [(2**40,), (2**62, 2**62), (99999, 99999, 3), (10**8, 1, 1)])
@pytest.mark.parametrize("key", KEYS)
def test_a_header_that_claims_too_much_is_refused(path, key, shape):
    write_members(path, **{key: npy_header(DESCR[key], shape, bytes(64))})
    check_refused(path, key)


@pytest.mark.parametrize(
    "shape", [(-1,), (-4,), (-2, -2, 3), (-1, -1, 1), (-4, 7, 3), (4, -7, 3), (0, 0, 0), (True,)]
)
@pytest.mark.parametrize("key", KEYS)
def test_a_header_with_impossible_sides_is_refused(path, key, shape):
    count = abs(int(np.prod(shape)))
    body = bytes(count * np.dtype(DESCR[key]).itemsize)
    write_members(path, **{key: npy_header(DESCR[key], shape, body)})
    check_refused(path)


@pytest.mark.parametrize("descr", ["|S0", "|V0", "<U0", "|V8", "<M8[s]", "|O"])
@pytest.mark.parametrize("key", KEYS)
def test_a_header_with_an_odd_type_is_refused(path, key, descr):
    write_members(path, **{key: npy_header(descr, (FRAMES,), bytes(32))})
    check_refused(path)


@pytest.mark.parametrize("data", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00", b"x" * 500])
@pytest.mark.parametrize("key", KEYS)
def test_a_member_without_header_is_refused(path, key, data):
    write_members(path, **{key: data})
    check_refused(path, key)


class Call:
    """Pickles as a call."""

    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("where", ["item", "array", "whole"])
def test_code_in_the_pictures_is_never_run(path, where, tmp_path):
    trace = tmp_path / "trace"
    call = Call(exec, f"open({str(trace)!r}, 'w').write('ran')")
    value = {
        "item": as_objects([*jpegs()[1:], call]),
        "array": [as_objects(jpegs()), call],
        "whole": call,
    }[where]
    body = pickle.dumps(value)
    for key in KEYS:
        write_members(path, **{key: npy_header("|O", (FRAMES,), body)})
        check_refused(path)
        assert not trace.exists()
    pickle.loads(body)
    assert trace.exists(), "the code would run if anything let it"


def bombs() -> dict[str, bytes]:
    """Of each a few bytes that claim much, or a file of megabytes of one operation."""
    whole = pickle.dumps(as_objects(jpegs()), 4)
    head = whole[: whole.index(pickle.EMPTY_LIST) + 1]
    return {
        "memo": b"\x80\x04\x8c\x01xr" + (40_000_000).to_bytes(4, "little") + b".",
        "bytes": b"\x80\x04\x8e" + (2**33).to_bytes(8, "little") + b"x.",
        "text": b"\x80\x04\x8d" + (2**33).to_bytes(8, "little") + b"x.",
        "frame": b"\x80\x04\x95" + (2**33).to_bytes(8, "little") + b"x.",
        "remembered": head + b"(C\x01a" + pickle.MEMOIZE * 2**22,
        "the same item": head + b"(C\x01a\x94" + b"h\x20" * 2**22,
        "tuples": b"\x80\x04)" + b"\x85" * 2**22,
        "lists": head + pickle.EMPTY_LIST * 2**22,
        "marks": head + pickle.MARK * 2**22,
        "frames": b"\x80\x04" + (pickle.FRAME + bytes(8)) * 2**20,
    }


PICKLES = bombs()
MEASURE = """
import resource, sys
from pathlib import Path
from spatial_engine.errors import BadDataError
from spatial_engine.utils.clips.clips import read_images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_images(Path(sys.argv[1]))
except BadDataError:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_does_not_take_more_memory_than_an_honest_one(path, name):
    write_members(path, images_jpeg_bytes=npy_header("|O", (FRAMES,), PICKLES[name]))
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50, "megabytes"


def test_one_picture_many_times_over_is_refused(path):
    """Each, trimmed of its zero bytes, would be a copy: 100 GB from a file of a megabyte."""
    items = [jpegs()[0] + bytes(2**20)] * 100_000
    body = pickle.dumps(as_objects(items))
    write_members(path, images_jpeg_bytes=npy_header("|O", (len(items),), body))
    assert path.stat().st_size < 4 * 2**20
    check_refused(path, "images_jpeg_bytes", "holds over")
