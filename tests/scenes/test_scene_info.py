from __future__ import annotations

import errno
import pickle
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import plain_camera, raises_one_line, random_pose

from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.utils.paths import info_path, instance_data_dir
from spatial_engine.utils.pictures import jpeg, png
from spatial_engine.utils.scannet_utils import make_visibility_info
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import scene_table
from spatial_engine.utils.tables.info_table import merge_infos, write_infos, write_scene_info
from spatial_engine.utils.tables.parquet import table_writer

SCENE, SIZE, DEPTH_SIZE = "scene0000_00", (64, 48), (32, 24)
# Tracking lost, damaged, all zero, singular.
NO_POSE = {"00010": -np.inf, "00020": np.nan, "00025": 0.0, "00030": np.diag([1, 1, 0])}


def scene_info(scene=SCENE) -> dict:
    rng = np.random.default_rng(0)
    images = {}
    for image_id in ("00020", "00000", "00025", "00005", "00030", "00010", "00015"):  # in no order
        pose = random_pose(rng)
        if image_id in NO_POSE:
            pose[:3, :3] = NO_POSE[image_id]
        folder = f"posed_images/{scene}"
        images[image_id] = {
            "image_path": f"{folder}/{image_id}.jpg",
            "depth_image_path": f"{folder}/{image_id}.png",
            "extrinsic_matrix": pose,
        }
    objects = {
        k: {"aligned_bbox": rng.random(7), "unaligned_bbox": rng.random(7), "raw_category": name}
        for k, name in ((3, "bed"), (0, "wall"))
    }
    return {
        **objects, "num_objects": 2, "num_posed_images": 7, "axis_align_matrix": random_pose(rng),
        "intrinsic_matrix": plain_camera(SIZE), "images_info": images,
        "color_size": SIZE, "depth_size": DEPTH_SIZE, "points_digest": "d",
    }  # fmt: skip


INFO_STEP = "update_info_file_with_images.py"


@pytest.fixture
def load(tmp_path):
    """Writes the infos of the train split, as for another source, and opens them."""

    def write_and_load(infos) -> SceneInfoHandler:
        write_infos(infos, info_path(tmp_path, "train"))
        return SceneInfoHandler.load(tmp_path, "train")

    return write_and_load


def test_scenes_and_frames_ascend_and_invalid_poses_are_left_out(load):
    scenes = load({"scene0001_00": scene_info(), SCENE: scene_info()})
    assert scenes.scene_ids == [SCENE, "scene0001_00"]
    assert scenes.image_ids(SCENE) == [f"{k:05d}" for k in range(0, 35, 5)]
    ids, poses = scenes.valid_frames(SCENE)
    assert ids == ["00000", "00005", "00015"]
    info = scene_info()
    for image_id, pose in zip(ids, poses, strict=True):
        raw = info["images_info"][image_id]["extrinsic_matrix"]
        np.testing.assert_allclose(pose, info["axis_align_matrix"] @ raw)
    assert np.isfinite(poses).all()


@pytest.mark.filterwarnings("error")
def test_what_is_no_rigid_motion_is_refused_with_frame_and_values(load):
    """Infos may be older than the check of the step that writes them."""
    tilted = random_pose(np.random.default_rng(3))
    vast = np.diag([1e300, 1e300, 2e300, 1])
    for matrix, says in ((tilted.T, "last row"), (2 * tilted, "last row"), (vast, "orthonormal"),
                         (tilted * [1, 1, -1, 1], "mirrored")):  # fmt: skip
        info = scene_info()
        info["images_info"]["00005"]["extrinsic_matrix"] = matrix
        with raises_one_line(BadDataError, SCENE, "extrinsic_matrix of 00005", says, INFO_STEP):
            load({SCENE: info}).valid_frames(SCENE)
        info = {**scene_info(), "axis_align_matrix": matrix}
        with raises_one_line(BadDataError, SCENE, "axis_align_matrix", says, INFO_STEP):
            load({SCENE: info}).valid_frames(SCENE)


def test_a_camera_that_its_images_cannot_have_is_refused_with_its_values(load):
    for key, value in (("color_size", (32, 24)), ("intrinsic_matrix", np.eye(4)),
                       ("intrinsic_matrix", plain_camera(SIZE).T)):  # fmt: skip
        scenes = load({SCENE: {**scene_info(), key: value}})
        size = "32x24" if key == "color_size" else "64x48"
        with raises_one_line(BadDataError, SCENE, "intrinsic_matrix", size, INFO_STEP):
            scenes.intrinsic(SCENE)


def test_a_scene_without_frames_has_none(load):
    ids, poses = load({SCENE: {**scene_info(), "images_info": {}}}).valid_frames(SCENE)
    assert (ids, poses.shape) == ([], (0, 4, 4))


def test_values_are_those_of_the_infos(load):
    scenes, info = load({SCENE: scene_info()}), scene_info()
    np.testing.assert_array_equal(scenes.axis_align_matrix(SCENE), info["axis_align_matrix"])
    np.testing.assert_array_equal(scenes.intrinsic(SCENE), info["intrinsic_matrix"])
    assert (scenes.color_size(SCENE), scenes.depth_size(SCENE)) == (SIZE, DEPTH_SIZE)
    assert scenes.object_ids(SCENE) == [0, 3]
    assert scenes.category(SCENE, 3) == "bed"
    np.testing.assert_array_equal(scenes.aligned_box(SCENE, 3), info[3]["aligned_bbox"])


def test_points_masks_and_images_are_read_from_their_files(load, tmp_path):
    rng, scenes = np.random.default_rng(1), load({SCENE: scene_info()})
    points, mask = rng.random((9, 6)), np.arange(9, dtype=np.int32)
    depth = rng.integers(0, 65536, (24, 32)).astype(np.uint16)
    arrays, images = instance_data_dir(tmp_path) / SCENE, tmp_path / "data/scannet/posed_images"
    arrays.mkdir()
    (images / SCENE).mkdir(parents=True)
    np.save(arrays / "aligned_points.npy", points)
    np.save(arrays / "instance_mask.npy", mask)
    (images / SCENE / "00005.png").write_bytes(png.encode(depth))
    color = images / SCENE / "00005.jpg"
    cv2.imwrite(str(color), rng.integers(0, 256, (48, 64, 3), np.uint8))
    np.testing.assert_array_equal(scenes.points(SCENE), points[:, :3])
    np.testing.assert_array_equal(scenes.instance_mask(SCENE), mask)
    np.testing.assert_array_equal(scenes.depth(SCENE, "00005"), depth)
    found = scenes.color(SCENE, "00005")
    np.testing.assert_array_equal(found, jpeg.read(color, "", to_encode=True))
    assert found.shape == (48, 64, 3) and (found != jpeg.read(color, "")).any()
    for image_id in ("00015", "00404"):  # no file; not in the infos
        with raises_one_line(BadDataError, image_id):
            scenes.depth(SCENE, image_id)


def test_damaged_arrays_are_named(load, tmp_path):
    scenes, path = load({SCENE: scene_info()}), instance_data_dir(tmp_path) / SCENE
    with raises_one_line(BadDataError, path, "no such file", "batch_load_scannet_data.py"):
        scenes.points(SCENE)
    path.mkdir()
    path /= "aligned_points.npy"
    np.save(path, np.zeros((50, 6)))
    data = path.read_bytes()
    np.savez(path.with_suffix(".npz"), a=np.zeros((5, 6)))
    damaged = [data[:k] for k in (0, 5, 9, 60, 128, 500, len(data) - 1)]
    damaged += [path.with_suffix(".npz").read_bytes(), b"PK\3\4", b"\x80\x04N.", b"text\n"]
    for old, new in [(b"f8", b"U2"), (b"<f8", b"|O "), (b"(50, 6)", b"(-5, 6)"), (b"{", b"[")]:
        damaged.append(data.replace(old, new, 1))
    damaged.append(data.replace(b"(50, 6), }" + b" " * 8, b"(" + b"9" * 12 + b", 6), }"))
    failures = {}
    for number, bad in enumerate(damaged):
        path.write_bytes(bad)
        try:
            failures[number] = scenes.points(SCENE).shape
        except BadDataError as error:
            assert str(path) in str(error)
            assert len(str(error).splitlines()) == 1
        except Exception as error:
            failures[number] = repr(error)
    assert failures == {}


def test_an_array_on_a_disk_that_fails_is_named(load, tmp_path, monkeypatch):
    """It is read, not mapped: the disk would end the process whenever a number is looked at."""
    scenes, folder = load({SCENE: scene_info()}), instance_data_dir(tmp_path) / SCENE
    folder.mkdir()
    np.save(folder / "aligned_points.npy", np.zeros((50, 6)))
    real = np.load

    def failing(path, mmap_mode=None, **options):
        if mmap_mode is None:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, mmap_mode, **options)

    monkeypatch.setattr(np, "load", failing)
    with raises_one_line(BadDataError, folder / "aligned_points.npy", "Input/output error"):
        scenes.points(SCENE)


def test_arrays_of_another_shape_are_refused(load, tmp_path):
    scenes, folder = load({SCENE: scene_info()}), instance_data_dir(tmp_path) / SCENE
    folder.mkdir()
    for shape in ((), (6,), (5, 2), (5, 6, 1)):
        np.save(folder / "aligned_points.npy", np.zeros(shape))
        with raises_one_line(BadDataError, "aligned_points.npy"):
            scenes.points(SCENE)


def test_a_worker_gets_its_scene_alone(load):
    scenes = load({f"s{k}": scene_info() for k in range(20)})
    alone = scenes.only("s3")
    assert alone.scene_ids == ["s3"]
    assert len(pickle.dumps(alone)) < 1000  # the scene itself is read by the worker
    with raises_one_line(BadDataError, "s4"):
        alone.intrinsic("s4")


def test_no_infos_name_the_command_and_a_pickle_is_not_asked(load, tmp_path):
    path = info_path(tmp_path, "train")
    load({SCENE: scene_info()})
    path.with_suffix(".pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert SceneInfoHandler.load(tmp_path, "train").scene_ids == [SCENE]
    path.unlink()
    with raises_one_line(MissingInputError, path, "update_info_file_with_images.py"):
        SceneInfoHandler.load(tmp_path, "train")


@pytest.mark.parametrize("scenes", [1, 200])
def test_one_scene_is_read_however_many_there_are(load, scenes, monkeypatch):
    handler = load({f"s{k:03d}": scene_info() for k in range(scenes)})
    real, rows = scene_table.pq.ParquetFile.read_row_group, []

    def noted(table, number, **options):
        rows.append(number)
        return real(table, number, **options)

    monkeypatch.setattr(scene_table.pq.ParquetFile, "read_row_group", noted)
    alone = pickle.loads(pickle.dumps(handler.only("s000")))
    alone.valid_frames("s000"), alone.geometry_hash("s000"), alone.objects_hash("s000")
    assert rows == [0]


def test_scene_ids_that_would_leave_their_folder_are_refused(load):
    """SPEC 2: they become folders, which are made and removed."""
    taken = []
    for scene in ("../escape", "/abs", "a/b", "..", "a\nb", "", 5, None, b"x"):
        try:
            load({SCENE: scene_info(), scene: scene_info()})
            taken.append(scene)
        except BadDataError:
            continue
    assert taken == []


@pytest.mark.parametrize(
    "place",
    ["../../../../x.png", "/etc/x.png", "x\0.png", "x\ud800.png", "\u202ex.png", 5, None],
)
def test_image_paths_that_would_leave_the_root_are_refused(load, place, monkeypatch):
    monkeypatch.setattr(posed_images, "read_depth", lambda path, size: path.read_bytes())
    info = scene_info()
    info["images_info"]["00005"]["depth_image_path"] = place
    with raises_one_line(BadDataError, SCENE):
        load({SCENE: info}).depth(SCENE, "00005")


def test_image_ids_that_cannot_be_a_file_name_are_refused(load):
    """They become names of images in records, `<scene>/<image>.jpg`."""
    taken = []
    for image_id in ("../../x", "/abs", "", "a\nb", 5, None):
        info = scene_info()
        info["images_info"] = {image_id: info["images_info"]["00005"]}
        try:
            taken.append(load({SCENE: info}).valid_frames(SCENE)[0])
        except BadDataError:
            continue
    assert taken == []


def test_a_hostile_scene_id_removes_no_folder_outside_the_root(load, tmp_path):
    root, victim = tmp_path, tmp_path.parent / f"{tmp_path.name}_victim"
    victim.mkdir()
    np.save(victim / "aligned_points.npy", np.zeros((4, 6)))
    (victim / "thesis.txt").write_text("the only copy")
    load({SCENE: {**scene_info(), "images_info": {}}})  # makes the folders
    part, path = root / "part", info_path(root, "train")
    write_scene_info(part, SCENE, {**scene_info(), "images_info": {}})
    rows = pq.read_table(part)
    table_writer.write_part(part, rows, str(victim), {})
    merge_infos([part], path)
    with suppress(EngineError):
        make_visibility_info.main(["--root", str(root), "--num-workers", "1"])
    assert sorted(p.name for p in victim.iterdir()) == ["aligned_points.npy", "thesis.txt"]


def test_an_instance_mask_of_fractions_is_refused(load, tmp_path):
    scenes, folder = load({SCENE: scene_info()}), instance_data_dir(tmp_path) / SCENE
    folder.mkdir()
    np.save(folder / "instance_mask.npy", np.full(4, 1.5))
    with raises_one_line(BadDataError, "instance_mask.npy"):
        scenes.instance_mask(SCENE)


BROKEN = {  # of the types that the table asks for
    "intrinsic": ("intrinsic_matrix", [np.full((4, 4), np.nan), np.zeros((4, 4))]),
    "axis_align_matrix": ("axis_align_matrix", [np.full((4, 4), np.inf), np.zeros((4, 4))]),
    "color_size": ("color_size", [(0, 5), (-1, 5)]),
    "depth_size": ("depth_size", [(0, 5), (5, -1)]),
    "aligned_box": (3, [{**scene_info()[3], "aligned_bbox": np.full(7, np.nan)}]),
}


@pytest.mark.parametrize("ask", BROKEN)
def test_values_that_cannot_be_name_the_scene(load, ask):
    key, values = BROKEN[ask]
    extra = (3,) if ask == "aligned_box" else ()
    for value in values:
        scenes = load({SCENE: {**scene_info(), key: value}})
        with raises_one_line(BadDataError, SCENE, "update_info_file_with_images.py"):
            getattr(scenes, ask)(SCENE, *extra)


def test_the_geometry_hash_sees_all_that_decides_what_a_frame_sees(load):
    def changed(**new):
        return load({SCENE: {**scene_info(), **new}}).geometry_hash(SCENE)

    info = scene_info()
    info["images_info"]["00015"]["extrinsic_matrix"][0, 3] += 1e-12
    fewer = {k: v for k, v in info["images_info"].items() if k != "00005"}
    hashes = {
        changed(), changed(images_info=info["images_info"]), changed(images_info=fewer),
        changed(color_size=(65, 48)), changed(depth_size=(32, 25)), changed(points_digest="e"),
        changed(axis_align_matrix=np.eye(4)), changed(intrinsic_matrix=plain_camera((66, 48))),
    }  # fmt: skip
    assert len(hashes) == 8
    assert changed() == changed(num_objects=9) == changed(other=Path("x").name)
