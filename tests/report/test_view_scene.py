"""Recordings of a sample scene and of sample clips, read back by rerun's own reader."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, EngineError, MissingInputError, SettingsError
from spatial_engine.report import view_scene
from spatial_engine.utils.clips.clips import Clip, read_clip
from spatial_engine.utils.geometry.rigid_bodies import rigid_bodies
from spatial_engine.utils.paths import (
    Dataset,
    clip_path,
    info_path,
    instance_data_dir,
    posed_images_dir,
    visibility_table_path,
)
from spatial_engine.utils.pictures.drawing import PALETTE
from spatial_engine.utils.running import cli
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.visibility_table import VisibilityInfoHandler

reader = pytest.importorskip("rerun.chunk", reason="rerun-sdk is not installed (extra `viewer`)")

ADT, PSTUDIO = "Apartment_release_clean_seq131_5", "boxes_11"
GREY = (150, 150, 150)


class Recording:
    """What a recording holds: rows {component: value} by entity, static ones and by frame."""

    def __init__(self, path: Path):
        (store,) = reader.RrdReader(path).recordings()
        self.application, self.name = store.application_id, store.recording_id
        self.num_blueprints = len(reader.RrdReader(path).blueprints())
        self.static: dict[str, dict] = defaultdict(dict)
        self.frames: dict[str, dict[int, dict]] = defaultdict(lambda: defaultdict(dict))
        self.timelines: set[str] = set()
        for chunk in reader.RrdReader(path).stream():
            self.timelines.update(chunk.timeline_names)
            for row in chunk.to_record_batch().to_pylist():
                here = self.static[chunk.entity_path]
                if not chunk.is_static:
                    here = self.frames[chunk.entity_path][row["frame"]]
                here.update({key: value for key, value in row.items() if ":" in key})

    def pose(self, frame: int) -> np.ndarray:
        """(4, 4) of the camera; rerun keeps matrices column by column."""
        row, pose = self.frames["/world/camera"][frame], np.eye(4)
        pose[:3, :3] = np.reshape(row["Transform3D:mat3x3"], (3, 3)).T
        pose[:3, 3] = row["Transform3D:translation"][0]
        return pose

    def points(self, entity: str, frame: int | None = None) -> np.ndarray:
        """(n, 3) positions."""
        row = self.static[entity] if frame is None else self.frames[entity][frame]
        return np.reshape(row["Points3D:positions"], (-1, 3))

    def colors(self, entity: str, frame: int | None = None) -> np.ndarray:
        """(n, 3) RGB."""
        row = self.static[entity] if frame is None else self.frames[entity][frame]
        packed = np.array(row["Points3D:colors"], ">u4")
        return packed.view(np.uint8).reshape(-1, 4)[:, :3]


def record(root: Path, name: str, path: Path, *flags: str) -> Recording:
    line = [name, "--root", str(root), "--output", str(path), *flags]
    assert view_scene.main(line) == 0
    return Recording(path)


@pytest.fixture(scope="module")
def scenes(made_root) -> SceneInfoHandler:
    return SceneInfoHandler.load(made_root, "train")


@pytest.fixture(scope="module")
def scene_id(scenes) -> str:
    """A scene that has a frame without a valid pose."""
    return next(
        s for s in scenes.scene_ids if len(scenes.image_ids(s)) > len(scenes.valid_frames(s)[0])
    )


@pytest.fixture(scope="module")
def scene(made_root, scene_id, tmp_path_factory) -> Recording:
    return record(made_root, scene_id, tmp_path_factory.mktemp("view") / "scene.rrd")


@pytest.fixture(scope="module", params=[("adt", ADT), ("pstudio", PSTUDIO)], ids=lambda p: p[0])
def clip_and_recording(request, made_root, tmp_path_factory) -> tuple[Clip, Recording]:
    dataset, name = request.param
    clip = read_clip(clip_path(made_root, dataset, name), camera_moves=dataset == "adt")
    return clip, record(made_root, name, tmp_path_factory.mktemp("view") / "clip.rrd")


# -- a scene


def test_a_scene_has_its_entities_and_one_timeline(scene, scene_id):
    assert (scene.application, scene.name) == ("spatial_engine_scene", scene_id)
    static = {"/world", "/world/points", "/world/boxes", "/world/camera_path"}
    by_frame = {"/world/camera", "/world/camera/image", "/world/camera/depth", "/world/seen"}
    assert static <= set(scene.static)
    assert set(scene.frames) == by_frame
    assert scene.timelines == {"frame"}
    assert scene.num_blueprints == 1


def test_the_frames_are_those_with_a_valid_pose(scene, scenes, scene_id):
    image_ids, poses = scenes.valid_frames(scene_id)
    assert len(image_ids) < len(scenes.image_ids(scene_id))
    for entity, frames in scene.frames.items():
        assert sorted(frames) == [int(image_id) for image_id in image_ids], entity
    for image_id, pose in zip(image_ids, poses, strict=True):
        np.testing.assert_allclose(scene.pose(int(image_id)), pose, atol=1e-6)
    (path,) = scene.static["/world/camera_path"]["LineStrips3D:strips"]
    np.testing.assert_allclose(path, poses[:, :3, 3], atol=1e-6)


def test_the_points_are_those_of_the_scene_in_colour(scene, scenes, scene_id, made_root):
    stored = np.load(instance_data_dir(made_root) / scene_id / "aligned_points.npy")
    np.testing.assert_array_equal(scene.points("/world/points"), stored[:, :3].astype(np.float32))
    np.testing.assert_array_equal(scene.colors("/world/points"), stored[:, 3:])
    assert len(np.unique(stored[:, 3:], axis=0)) > 10


def test_a_frame_sees_what_the_visibility_table_says(scene, scenes, scene_id, made_root):
    table = VisibilityInfoHandler(visibility_table_path(made_root, "train"))
    points = scenes.points(scene_id).astype(np.float32)
    for image_id in scenes.valid_frames(scene_id)[0][:3]:
        seen = table.get_image_to_points_info(scene_id, image_id)
        assert len(seen)
        np.testing.assert_array_equal(scene.points("/world/seen", int(image_id)), points[seen])


def test_the_lenses_and_the_images(scene, scenes, scene_id, made_root):
    image_id = scenes.valid_frames(scene_id)[0][1]
    color, depth = scene.static["/world/camera/image"], scene.static["/world/camera/depth"]
    intrinsic = scenes.intrinsic(scene_id)[:3, :3]
    for lens, size in ((color, scenes.color_size(scene_id)), (depth, scenes.depth_size(scene_id))):
        assert tuple(lens["Pinhole:resolution"][0]) == size
        scale = np.divide(size, scenes.color_size(scene_id))
        matrix = np.reshape(lens["Pinhole:image_from_camera"], (3, 3)).T
        np.testing.assert_allclose(matrix[:2], scale[:, None] * intrinsic[:2], rtol=1e-6)
    stored = (posed_images_dir(made_root) / scene_id / f"{image_id}.jpg").read_bytes()
    assert (
        bytes(scene.frames["/world/camera/image"][int(image_id)]["EncodedImage:blob"][0]) == stored
    )
    row = scene.frames["/world/camera/depth"][int(image_id)]
    depth_mm = np.frombuffer(bytes(row["DepthImage:buffer"][0]), np.uint16)
    np.testing.assert_array_equal(depth_mm, scenes.depth(scene_id, image_id).ravel())
    assert row["DepthImage:meter"] == [1000.0]


def test_where_cameras_differ_each_frame_has_its_own_lenses(gathered_root, tmp_path):
    scenes = SceneInfoHandler.load(Dataset(gathered_root, "arkitscenes"), "train")
    scene_id = scenes.scene_ids[0]
    image_ids, _ = scenes.valid_frames(scene_id)
    matrices = scenes.intrinsics(scene_id, image_ids)[:, :3, :3]
    assert len(np.unique(matrices[:, 0, 0])) > 1
    shown = record(gathered_root, scene_id, tmp_path / "scene.rrd")
    for image_id, matrix in zip(image_ids, matrices, strict=True):
        row = shown.frames["/world/camera/image"][int(image_id)]
        lens = np.reshape(row["Pinhole:image_from_camera"], (3, 3)).T
        np.testing.assert_allclose(lens, matrix, rtol=1e-6)
    assert "Pinhole:image_from_camera" not in shown.static["/world/camera/image"]


def test_boxes_bear_the_annotators_words(scene, scenes, scene_id):
    boxes = {i: scenes.aligned_box(scene_id, i) for i in scenes.object_ids(scene_id)}
    there = [i for i, box in boxes.items() if box[3:6].any()]
    row = scene.static["/world/boxes"]
    assert row["Boxes3D:labels"] == [scenes.category(scene_id, i) for i in there]
    assert len(set(row["Boxes3D:labels"])) > 3
    np.testing.assert_allclose(row["Boxes3D:centers"], [boxes[i][:3] for i in there], atol=1e-6)
    halves = [boxes[i][3:6] / 2 for i in there]
    np.testing.assert_allclose(row["Boxes3D:half_sizes"], halves, atol=1e-6)


def test_half_a_character_in_a_label_is_replaced():
    from spatial_engine.report.recordings.scene_recording import plain_text

    assert plain_text("<b>ch\ud800air</b> é") == "<b>ch?air</b> é"


def test_no_more_frames_than_asked_for(made_root, scenes, scene_id, tmp_path):
    few = record(made_root, scene_id, tmp_path / "few.rrd", "--max-frames", "3")
    numbers = [int(image_id) for image_id in scenes.valid_frames(scene_id)[0]]
    shown = sorted(few.frames["/world/camera"])
    assert len(shown) == 3 and (shown[0], shown[-1]) == (numbers[0], numbers[-1])
    assert set(shown) <= set(numbers)


def test_the_same_scene_gives_an_equal_recording(made_root, scene_id, tmp_path):
    paths = [tmp_path / "first.rrd", tmp_path / "second.rrd", tmp_path / "fewer.rrd"]
    for path, count in zip(paths, "332", strict=True):
        record(made_root, scene_id, path, "--max-frames", count)
    compare = [sys.executable, "-m", "rerun", "rrd", "compare", "--unordered", str(paths[0])]
    equal, other = (subprocess.run([*compare, str(p)], capture_output=True) for p in paths[1:])
    assert equal.returncode == 0, equal.stderr
    assert other.returncode != 0


# -- a clip


def test_tracks_stand_in_the_world(clip_and_recording):
    clip, recording = clip_and_recording
    assert recording.application == "spatial_engine_clip" and recording.name == clip.clip_id
    assert set(recording.frames) == {
        "/world/camera", "/world/camera/image", "/world/tracks/visible", "/world/tracks/hidden",
    }  # fmt: skip
    for frame, pose in enumerate(clip.world_from_cam):
        np.testing.assert_allclose(recording.pose(frame), pose, atol=1e-5)
        world = clip.tracks_cam[frame] @ pose[:3, :3].T + pose[:3, 3]
        visible = clip.visible[frame]
        hidden = np.isfinite(world).all(axis=1) & ~visible
        shown = recording.points("/world/tracks/visible", frame)
        np.testing.assert_allclose(shown, world[visible], atol=1e-5)
        shown = recording.points("/world/tracks/hidden", frame)
        np.testing.assert_allclose(shown, world[hidden], atol=1e-5)
    assert sorted(recording.frames["/world/camera"]) == [*range(len(clip.images))]
    assert clip.visible.any() and not clip.visible.all()


def test_points_are_coloured_by_rigid_body(clip_and_recording):
    clip, recording = clip_and_recording
    bodies = rigid_bodies(clip.tracks_cam)
    assert len(bodies) > 1
    expected = np.tile(np.array(GREY, np.uint8), (clip.visible.shape[1], 1))
    for color, members in zip(PALETTE, bodies, strict=False):
        expected[members] = color
    for frame, visible in enumerate(clip.visible):
        colors = recording.colors("/world/tracks/visible", frame)
        np.testing.assert_array_equal(colors, expected[visible])
        hidden = np.isfinite(clip.tracks_cam[frame]).all(axis=1) & ~visible
        darker = recording.colors("/world/tracks/hidden", frame)
        assert (darker.sum(axis=1) < expected[hidden].sum(axis=1)).all()


def test_the_video_is_kept_as_it_is_stored(clip_and_recording):
    clip, recording = clip_and_recording
    for frame, data in enumerate(clip.images):
        (blob,) = recording.frames["/world/camera/image"][frame]["EncodedImage:blob"]
        assert bytes(blob) == data
    lens = recording.static["/world/camera/image"]
    matrix = np.reshape(lens["Pinhole:image_from_camera"], (3, 3)).T
    fx_fy_cx_cy = [matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]]
    np.testing.assert_allclose(fx_fy_cx_cy, clip.fx_fy_cx_cy, rtol=1e-6)


def test_points_of_no_body_are_grey():
    from spatial_engine.report.recordings.clip_recording import body_colors

    bodies = [np.array([1, 2])] * len(PALETTE) + [np.array([4])]
    colors = body_colors(bodies, 6)
    assert [tuple(color) for color in colors[[0, 3, 5]]] == [GREY] * 3
    assert tuple(colors[4]) == PALETTE[0]


@pytest.mark.parametrize(
    ("down", "up"), [((0, 0, -1), "Z_UP"), ((0, 1, 0), "Y_DOWN"), ((0.3, -0.9, 0.1), "Y_UP")]
)
def test_up_is_where_the_camera_has_it(down, up):
    import rerun as rr

    from spatial_engine.report.recordings.clip_recording import up_axis

    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[:, :3, 1] = down
    assert up_axis(poses) == getattr(rr.ViewCoordinates, f"RIGHT_HAND_{up}")


# -- as a command, and what it refuses


def test_as_typed(made_root, scene_id, tmp_path):
    (tmp_path / "data").symlink_to(made_root / "data")
    line = [sys.executable, "spatial_engine/report/view_scene.py", scene_id, "--max-frames", "2"]
    done = subprocess.run(
        [*line, "--root", str(tmp_path)], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    path = tmp_path / "report" / f"{scene_id}.rrd"
    assert str(path) in done.stdout and "2 frames" in done.stdout
    assert list(path.parent.iterdir()) == [path]
    assert sorted(Recording(path).frames["/world/camera"])


def check_refused(kind: type[EngineError], root: Path, name: str, *words: object) -> None:
    """Refused in one line, and nothing is left behind."""
    with raises_one_line(kind, *words):
        view_scene.main([name, "--root", str(root)])
    assert not list(root.glob("report/*"))


@pytest.fixture
def root(made_root, scene_id, tmp_path) -> Path:
    """The tables and one scene, free to be damaged."""
    folder = tmp_path / "root"
    for path in (info_path(made_root, "train"), visibility_table_path(made_root, "train")):
        (folder / path.relative_to(made_root)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / path.relative_to(made_root))
    for place in (instance_data_dir, posed_images_dir):
        shutil.copytree(place(made_root) / scene_id, place(folder) / scene_id)
    return folder


@pytest.mark.parametrize("name", ["scene9999_00", "boxes_99"])
def test_an_unknown_id_is_refused(root, name):
    check_refused(MissingInputError, root, name, name, "update_info_file_with_images.py", "adt")


def test_an_empty_root_is_refused(tmp_path):
    words = ("scenes_train_info_i_D5.parquet", "update_info_file_with_images.py", "pstudio")
    check_refused(MissingInputError, tmp_path, "scene0000_00", *words)


@pytest.mark.parametrize("name", ["../scene0000_00", "a/b", "", ".."])
def test_an_id_that_leaves_its_folder_is_refused(tmp_path, name):
    check_refused(BadDataError, tmp_path, name, "not a valid id")


def test_without_visibility_the_command_is_named(root, scene_id):
    visibility_table_path(root, "train").unlink()
    check_refused(MissingInputError, root, scene_id, "make_visibility_info.py")


@pytest.mark.parametrize(
    ("place", "name", "remedy"),
    [
        (instance_data_dir, "aligned_points.npy", "batch_load_scannet_data.py"),
        (posed_images_dir, "{}.jpg", "extract_posed_images.py"),
        (posed_images_dir, "{}.png", "extract_posed_images.py"),
    ],
)
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"no such thing")])
def test_a_missing_or_damaged_file_is_named(root, scenes, scene_id, place, name, remedy, damage):
    path = place(root) / scene_id / name.format(scenes.valid_frames(scene_id)[0][-1])
    damage(path)
    check_refused(BadDataError, root, scene_id, path, remedy)


def test_a_clip_without_camera_poses_is_refused(raw_root, tmp_path):
    folder = tmp_path / "data/tapvid3d_dataset/adt"
    folder.mkdir(parents=True)
    np.savez(folder / "still.npz", **_without_poses(clip_path(raw_root, "adt", ADT)))
    check_refused(BadDataError, tmp_path, "still", "copy_adt_extrinsics.py")


def _without_poses(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as clip:
        return {key: clip[key] for key in clip.files if key != "extrinsics_w2c"}


def test_another_ending_than_rrd_is_refused(made_root, scene_id, tmp_path):
    with raises_one_line(SettingsError, ".rrd"):
        view_scene.main([scene_id, "--root", str(made_root), "--output", str(tmp_path / "a.txt")])
    assert not list(tmp_path.iterdir())


def test_without_rerun_the_remedy_is_named(made_root, scene_id, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "rerun", None)  # importing it fails
    assert cli.run(view_scene.main, [scene_id, "--root", str(made_root)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "setup_env.sh viewer" in line and "requirements/viewer.txt" in line


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a screen")
def test_without_a_screen_the_recording_is_kept(raw_root, tmp_path, monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "clip.rrd"
    with raises_one_line(EngineError, path, "display", "--web-viewer"):
        view_scene.main([PSTUDIO, "--root", str(raw_root), "--output", str(path), "--open"])
    assert Recording(path).name == PSTUDIO


def test_a_full_disk_leaves_nothing(made_root, scene_id, tmp_path):
    path = tmp_path / "scene.rrd"
    view = f"{REPOSITORY}/spatial_engine/report/view_scene.py {scene_id} --root {made_root}"
    limited = f"ulimit -f 200; exec {sys.executable} {view} --output {path}"
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {path}: could not be written")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
