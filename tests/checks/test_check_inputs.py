"""The input check names each injected fault rightly, and raises no alarm about untouched data."""

from __future__ import annotations

import json
import re
import shutil
from functools import partial
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import COMMANDS, link_root, made_once, own_file, run_commands, run_here
from scipy.spatial.transform import Rotation

from spatial_engine.checks import check_inputs
from spatial_engine.checks.inputs import (
    camera_motion,
    color_shift,
    pose_errors,
    scene_check,
    scene_fit,
)
from spatial_engine.checks.inputs.clip_check import check_clip, query_distances
from spatial_engine.checks.inputs.clip_fit import find_clip_faults
from spatial_engine.checks.inputs.scene_look import Scene
from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.object_movement import movement_engine
from spatial_engine.sample_data import (
    input_faults,
    write_sample_clips,
    write_sample_scenes,
    write_scene,
)
from spatial_engine.sample_data.scannet.labels import label_table
from spatial_engine.sample_data.tapvid3d.sample_clips import CLIP_SPLITS
from spatial_engine.utils import paths
from spatial_engine.utils.clips.clip_sets import CLIP_SETS
from spatial_engine.utils.clips.clips import read_clip
from spatial_engine.utils.scannet_utils import make_visibility_info, update_info_file_with_images
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import suspects

DRIFT = CLIP_SPLITS["drivetrack"]["train"][2]
SCENES = ("scene0000_00", "scene0011_00", "scene0704_00")


CAPTURED = "scene0000_00"


@pytest.fixture(scope="module")
def handler(prepared_root):
    return SceneInfoHandler.load(prepared_root, "train_val")


@pytest.fixture(scope="module")
def capture(shared_folder):
    """A room `CAPTURED` in 40 small frames, as a capture is prepared: fused points show its floor
    all over."""
    sizes = {"color_size": (162, 121), "depth_size": (160, 120), "vertex_spacing": 0.12}

    def make(root) -> None:
        scans = root / "data/scannet/scans"
        write_scene(scans, CAPTURED, num_frames=40, frame_repeat=5, **sizes)  # a fifth is kept
        listed = paths.scene_list_path(root, "train")
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text(f"{CAPTURED}\n")
        paths.label_table_path(root).write_text(label_table(), encoding="utf-8")
        run_commands(COMMANDS[:3], root, "--num-workers", "1", run=run_here)

    return SceneInfoHandler.load(made_once(shared_folder / "forty_frames", make), "train")


def read(handler, scene_id) -> Scene:
    """A scene as the check reads it."""
    ids, aligned = handler.valid_frames(scene_id)
    alignment = handler.axis_align_matrix(scene_id)
    size, depth_size = handler.color_size(scene_id), handler.depth_size(scene_id)
    scale = np.diag([depth_size[0] / size[0], depth_size[1] / size[1], 1])
    return Scene(
        ids,
        np.linalg.inv(alignment) @ aligned,
        alignment,
        scale @ handler.intrinsics(scene_id, ids)[:, :3, :3],
        handler.points(scene_id),
        lambda number: handler.depth(scene_id, ids[number]),
    )


def named(scenes, scene_id) -> list[str]:
    found = scene_check.check_scene(scenes, scene_id, check_inputs.SURFACE_WINDOW_PX)
    return [suspect.fault for suspect in found.suspects]


def with_fault(handler, scene_id, fault, seed) -> list[str]:
    """What the check calls a scene with a fault, of a size and at a place of the seed."""
    other = SCENES[SCENES.index(scene_id) - 1]
    put = input_faults.SCENE_FAULTS[fault].put
    return named(put(handler, scene_id, other, np.random.default_rng(seed)), scene_id)


# What small images show in one of the rooms alone.
LARGE_ONLY = {"colour drawn smaller"}


@pytest.mark.parametrize("scene_id", SCENES)
@pytest.mark.parametrize("fault", sorted(input_faults.SCENE_FAULTS.keys() - LARGE_ONLY))
def test_a_fault_of_a_scene_is_named(handler, scene_id, fault):
    assert with_fault(handler, scene_id, fault, 0) == [input_faults.SCENE_FAULTS[fault].named]


OF_UP = [name for name, fault in input_faults.FUSED_FAULTS.items() if "up is" in fault.named]
OTHERS = [name for name in input_faults.FUSED_FAULTS if name not in OF_UP]


def fused_with(scenes, fault) -> list[str]:
    """What the check calls a scene whose points are fused from the faulty frames: points and poses
    agree then, however wrong they are."""
    scene_id = scenes.scene_ids[0]
    return named(input_faults.FUSED_FAULTS[fault].put(scenes, scene_id, scene_id, None), scene_id)


@pytest.mark.parametrize("fault", OTHERS)
def test_a_fault_is_named_where_points_are_fused_from_the_faulty_frames(handler, fault):
    expected = input_faults.FUSED_FAULTS[fault].named
    assert fused_with(handler, fault) == ([expected] if expected else [])


@pytest.mark.parametrize("fault", ["fused: none", *OF_UP])
def test_another_axis_up_is_named_where_points_are_fused(capture, fault):
    """From ten frames alone a floor cannot be told."""
    expected = input_faults.FUSED_FAULTS[fault].named
    assert fused_with(capture, fault) == ([expected] if expected else [])


@pytest.mark.parametrize("kind", ["jump", "drift"])
def test_poses_that_turn_about_any_place_are_named(handler, kind):
    """Also about the middle of the room, which then stays where it is."""
    found = [with_fault(handler, s, f"{kind} by a turn", seed) for s in SCENES for seed in range(5)]
    assert found == [[kind]] * 15
    for scene_id in SCENES:
        _, poses = handler.valid_frames(scene_id)
        times = np.linspace(0, 1, len(poses))
        times = (times > 0.5) * 1.0 if kind == "jump" else times
        turns = Rotation.from_rotvec(times[:, None] * [0, 0, np.radians(15)]).as_matrix()
        middle = np.median(handler.points(scene_id), axis=0)
        motion = np.tile(np.eye(4), (len(poses), 1, 1))
        motion[:, :3, :3], motion[:, :3, 3] = turns, middle - turns @ middle
        turned = input_faults.FaultyScene(handler, poses=motion @ poses)
        assert named(turned, scene_id) == [kind]


def test_a_frame_is_moved_back_to_where_it_was(handler):
    rng = np.random.default_rng(3)
    scene = read(handler, SCENES[0])
    for number in range(0, len(scene.poses), 3):
        off = np.eye(4)
        off[:3, 3] = rng.uniform(-0.15, 0.15, 3)
        pose = scene.aligned(number) @ off
        back = scene_fit.move_to_fit(scene.points, scene.intrinsic, pose, scene.depth(number))
        assert np.linalg.norm(back[:3, 3] - scene.aligned(number)[:3, 3]) < 0.04


@pytest.mark.parametrize("factor", [0.25, 0.5, 1.0, 1.1, 2.0, 5.0])
def test_the_scale_of_depth_is_measured(handler, factor):
    scene = read(handler, SCENES[0])
    numbers = range(0, len(scene.poses), 2)
    poses = np.array([scene.aligned(n) for n in numbers])
    depths = [(scene.depth(n) * factor).astype(np.uint16) for n in numbers]
    found = scene_fit.scale_of_depth(scene.points, scene.intrinsic, poses, depths)
    assert abs(found / factor - 1) < 0.01


@pytest.mark.parametrize("size", [0.15, 0.4])
def test_a_jump_and_a_drift_are_told_apart_by_errors_alone(size):
    rng = np.random.default_rng(5)
    times, found = np.arange(12) * 20, np.ones(12, bool)
    noise = rng.normal(0, 0.01, (12, 3))
    jump = noise + (times >= 140)[:, None] * [size, 0, 0]
    told = pose_errors.explain(times, jump, found)
    assert (told.kind, told.start, told.end) == ("jump", 7, 12)
    assert abs(told.size - size) < 0.03
    drift = noise + (times / times[-1])[:, None] * [0, size, 0]
    assert pose_errors.explain(times, drift, found).kind == "drift"
    apart = pose_errors.explain(times, rng.normal(0, size, (12, 3)), found)
    assert apart.kind == "unsteady"
    lost = found & (times < 140)  # too far away to be found
    assert pose_errors.explain(times, np.where(lost[:, None], noise, 0), lost).kind == "jump"


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (-2, 4), (1, -3)])
def test_the_shift_of_colour_against_depth_is_measured(shift):
    depth, gray = boxes(np.random.default_rng(7))
    gray = np.roll(gray, shift[::-1], axis=(0, 1))
    sums, counts = color_shift.profiles(depth, gray)
    found = color_shift.shift_of(sums, counts)
    assert np.allclose(found[:2], shift, atol=0.3)
    assert color_shift.contrast(sums, counts) > 5
    other = boxes(np.random.default_rng(8))[1]
    assert color_shift.contrast(*color_shift.profiles(depth, other)) < 5


def color_faults_of(handler, window=2, **changed):
    scene = input_faults.FaultyScene(handler, **changed)
    checked = scene_check.check_scene(scene, SCENES[0], window)
    return checked.suspects, checked.figures


def test_colour_beside_depth_is_named_with_what_to_do(handler):
    assert color_faults_of(handler)[0] == ()
    ((suspect,), _) = color_faults_of(handler, color_shift=5)
    assert suspect.fault == "colour beside depth" and 3.5 < suspect.figure < 6.5
    window = int(np.ceil(suspect.figure))
    remedy = f"make_visibility_info.py and this check with --surface-window-px {window}, or leave"
    assert remedy in suspect.reason
    assert color_faults_of(handler, window, color_shift=5)[0] == ()  # once that is done


@pytest.mark.parametrize("scale", [0.9, 1.1])
def test_colour_of_another_focal_length_is_named(handler, scale):
    """As of a Kinect whose colour and depth are not registered, which differ by a tenth."""
    ((suspect,), _) = color_faults_of(handler, color_scale=scale)
    assert suspect.fault == "colour beside depth" and "register the images" in suspect.reason
    (told,) = re.findall(r"drawn ([\d.]+) times", suspect.reason)
    assert abs(float(told) - scale) < 0.02 and 6 < suspect.figure < 10


def test_colour_that_is_found_nowhere_is_of_no_other_time(handler):
    """Nor is a shift told that was measured by chance."""
    found, figures = color_faults_of(handler, color_scale=0.7)
    assert found == () and np.isnan(figures["color_shift_x_px"])


def boxes(rng) -> tuple[np.ndarray, np.ndarray]:
    """Depth and gray image, 320x240, of boxes before a wall, no depth where they end."""
    depth, gray = np.full((240, 320), 4000, np.uint16), np.full((240, 320), 90, np.uint8)
    for k in range(14):
        x, y = 20 + 75 * (k % 4), 15 + 55 * (k // 4)
        w, h = rng.integers(20, 55), rng.integers(15, 40)
        x, y = x + rng.integers(0, 15), y + rng.integers(0, 10)
        depth[y - 1 : y + h + 1, x - 4 : x + w + 1] = 0
        depth[y : y + h, x : x + w] = rng.integers(1000, 3000)
        gray[y : y + h, x : x + w] = rng.integers(120, 250)
    return depth, cv2.add(gray, rng.integers(0, 6, gray.shape, dtype=np.uint8))


def test_which_way_is_up(handler):
    _, poses = handler.valid_frames(SCENES[1])
    points = handler.points(SCENES[1])
    assert camera_motion.way_up(poses, points)[1] == ""
    y_up = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1.0]])
    assert camera_motion.way_up(y_up @ poses, points @ y_up[:3, :3].T)[1] == "y"
    upside_down = poses @ np.diag([-1.0, -1, 1, 1])  # the camera, not the world
    assert camera_motion.way_up(upside_down, points)[1] == ""


def test_a_single_frame_far_from_its_neighbours_is_looked_at():
    poses = np.tile(np.eye(4), (60, 1, 1))
    poses[:, 0, 3] = np.arange(60) * 0.05
    assert camera_motion.outliers(poses) == []
    poses[23, 1, 3] = 1.0
    assert 23 in camera_motion.outliers(poses)


def test_the_motion_of_the_image_is_estimated():
    poses = np.tile(np.eye(4), (3, 1, 1))
    poses[1:, 0, 3] = 0.2  # metres, then a turn by 0.1 rad
    poses[2, :3, :3] = cv2.Rodrigues(np.array([0, 0.1, 0]))[0]
    motion = camera_motion.image_motion(poses, 500.0)
    assert np.allclose(motion, [0, 50, 50, 0])


# ---- clips ----


@pytest.fixture(scope="module")
def clips(made_root):
    found = {}
    for dataset in ("adt", "pstudio"):
        moves = CLIP_SETS[dataset].camera_moves
        for path in sorted(paths.clips_dir(made_root, dataset).glob("*.npz")):
            found[path.stem] = read_clip(path, camera_moves=moves), moves
    return found


def clip_faults(tracks, clip, poses, camera_moves) -> list[str]:
    found = find_clip_faults(tracks, clip.visible, poses, camera_moves)[1]
    return [suspect.fault for suspect in found]


@pytest.mark.parametrize("fault", input_faults.CLIP_FAULTS)
def test_a_fault_of_a_clip_is_named(clips, fault):
    told, put, only_moving = input_faults.CLIP_FAULTS[fault]
    chosen = {name: one for name, one in clips.items() if one[1] or not only_moving}
    names = list(chosen)
    for number, (name, (clip, moves)) in enumerate(chosen.items()):
        other = chosen[names[number - 1]][0].world_from_cam
        rng = np.random.default_rng(number)
        tracks, poses = put(clip.tracks_cam, clip.world_from_cam, other, rng)
        assert clip_faults(tracks, clip, poses, moves) == [told], name


@pytest.mark.filterwarnings("ignore:All-NaN")
def test_still_points_that_drift_are_named_though_others_move(clips):
    for name, (clip, moves) in clips.items():
        world = np.where(clip.visible[..., None], clip.tracks_world(), np.nan)
        away = np.linalg.norm(world - np.nanmedian(world, axis=0), axis=2)
        still = np.nanmax(np.where(np.isfinite(away), away, 0), axis=0) < 0.01
        drift = np.linspace(0, 1, len(world))[:, None, None] * [0.0, -0.05, 0.04]
        put = input_faults.in_world(lambda w, rng, d=drift, s=still: w + d * s[:, None])
        tracks, poses = put(clip.tracks_cam, clip.world_from_cam, None, None)
        assert clip_faults(tracks, clip, poses, moves) == ["still points drift"], name


def test_noise_of_some_millimetres_is_no_fault_of_a_clip(clips):
    rng = np.random.default_rng(0)
    for clip, moves in clips.values():
        noisy = clip.tracks_cam + rng.normal(0, 0.003, clip.tracks_cam.shape)
        assert clip_faults(noisy, clip, clip.world_from_cam, moves) == []


def test_queries_are_compared_with_their_tracks(made_root, clips, tmp_path):
    name = next(iter(clips))
    source = paths.clip_path(made_root, "adt", name)
    clip = clips[name][0]
    apart = check_clip(source, CLIP_SETS["adt"]).figures["query_p90_px"]
    assert 0 <= apart < 1.5
    with np.load(source, allow_pickle=False) as archive:
        arrays = dict(archive)
    arrays["queries_xyt"] = arrays["queries_xyt"] + np.array([1.4, 1.4, 0])
    np.savez(tmp_path / source.name, **arrays)
    found = check_clip(tmp_path / source.name, CLIP_SETS["adt"])
    assert [suspect.fault for suspect in found.suspects] == ["queries beside tracks"]
    assert len(query_distances(clip, None)) == 0


# ---- the command ----


def run(root, *flags) -> int:
    return check_inputs.main(["--root", str(root), "--num-workers", "1", *flags])


def report_of(root) -> dict:
    return json.loads((root / "inputs_check.json").read_text())


def test_untouched_data_raises_no_alarm(made_root, tmp_path, capsys):
    root = link_root(made_root, tmp_path / "root")
    assert run(root) == 0
    report = report_of(root)
    assert len(report["scenes"]) == 5 and len(report["clips"]) == 12
    entries = [(name, e) for one in report.values() for name, e in one.items()]
    found = {name: [s["fault"] for s in e["suspects"]] for name, e in entries if e["suspects"]}
    assert found == {DRIFT: ["points jump"]}, "which is made so"
    assert "1 suspect" in capsys.readouterr().out
    figures = report["scenes"][SCENES[0]]["figures"]
    assert 0 < figures["distance_median_m"] < figures["distance_p90_m"] < 0.1
    assert figures["share_within_5_cm"] > 0.8 and figures["objects_without_vertices"] == 1
    before = (root / "inputs_check.json").stat().st_mtime_ns
    assert run(root) == 0 and "up to date" in capsys.readouterr().out
    assert (root / "inputs_check.json").stat().st_mtime_ns == before


def test_untouched_data_of_another_seed_raises_no_alarm(tmp_path, capsys):
    scenes = ("scene0001_00", "scene0015_00")
    write_sample_scenes(tmp_path, seed=1, small=True, only=scenes)
    write_sample_clips(tmp_path, seed=1, small=True, only=("boxes_11", "softball_3"))
    run_commands(COMMANDS[:3], tmp_path, "--num-workers", "1")
    assert run(tmp_path) == 0
    report = report_of(tmp_path)
    assert sorted(report["scenes"]) == sorted(scenes) and len(report["clips"]) == 2
    assert "0 suspect" in capsys.readouterr().out


def test_suspects_are_listed_shown_and_left_out(made_root, tmp_path, capsys):
    from spatial_engine.depth_perception import depth_estimation_coor_engine
    from spatial_engine.report import make_report

    root = link_root(made_root, tmp_path / "root")
    folder = paths.posed_images_dir(root) / SCENES[0]
    images = sorted(folder.glob("*.jpg"))
    data = [path.read_bytes() for path in images]
    for number, path in enumerate(images):  # colour of another time
        own_file(path).write_bytes(data[max(number - 1, 0)])
    assert run(root, "--datasets", "adt", "pstudio") == 0
    out = capsys.readouterr().out
    assert f"1 suspect:\n  {SCENES[0]}  time shift" in out
    flags = ["--root", str(root), "--num-workers", "1", "--exclude-suspect", "--overwrite"]
    assert depth_estimation_coor_engine.main(flags) == 0
    assert "1 left out: suspect: time shift" in capsys.readouterr().out
    written = (root / "training_data/depth_estimation_coor/v1_0").glob("*.jsonl")
    assert all(SCENES[0] not in path.read_text() for path in written)
    assert make_report.main(["--root", str(root), "--num-workers", "1"]) == 0
    page = (root / "report/index.html").read_text()
    assert "Suspect input" in page and f'<th scope="row">{SCENES[0]}</th>' in page


def test_clips_that_are_suspect_are_left_out(made_root, tmp_path, capsys):
    from spatial_engine.object_movement import single_object_movement_engine_coord as engine

    root = link_root(made_root, tmp_path / "root")
    checked = {group: {} for group in suspects.GROUPS}
    names = sorted(p.stem for p in paths.clips_dir(root, "pstudio").glob("*.npz"))
    bad = suspects.Suspect("still points drift", 0.2, 0.02, "m", "they do")
    for name in names:
        found = (bad,) if name == "boxes_11" else ()
        digest = movement_engine.clip_digest(root, "pstudio", name)
        checked["clips"][name] = suspects.Checked({}, found, digest).as_json()
    suspects.write(checked, paths.inputs_check_path(root))
    flags = ["--root", str(root), "--num-workers", "1", "--exclude-suspect", "--overwrite"]
    flags += ["--datasets", "pstudio", "--train-pairs-per-bin", "2"]
    assert engine.main(flags) == 0
    assert "1 left out: suspect: still points drift" in capsys.readouterr().out
    written = (root / "training_data/object_movement_coord").rglob("*2pairs.jsonl")
    texts = [path.read_text() for path in written]
    assert texts and all("boxes_11" not in text for text in texts)


def test_what_readers_refuse_is_named_and_the_others_are_checked(made_root, tmp_path, capsys):
    root = link_root(made_root, tmp_path / "root")
    shutil.rmtree(paths.clips_dir(root, "adt"))
    path = paths.clip_path(root, "pstudio", "boxes_11")
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    arrays["queries_xyt"] = arrays["queries_xyt"] + np.array([30.0, 0, 0])
    np.savez(path, **arrays)
    assert run(root, "--datasets", "pstudio", "--splits", "val") == 1
    assert "failed: boxes_11:" in capsys.readouterr().out
    assert sorted(report_of(root)["clips"]) == ["basketball_7", "softball_3"]


def left_out(root, group, ids, exclude=True, input_of=lambda one: "") -> dict[str, str]:
    options = SimpleNamespace(exclude_suspect=exclude, root=root)
    return suspects.left_out(options, group, ids, input_of)


def test_without_a_report_nothing_is_left_out_silently(tmp_path):
    with pytest.raises(MissingInputError, match=r"check_inputs\.py"):
        left_out(tmp_path, "scenes", ["a"])
    suspects.write({"scenes": {"a": suspects.Checked({}, ()).as_json()}},
                   paths.inputs_check_path(tmp_path))  # fmt: skip
    assert left_out(tmp_path, "scenes", ["a", "b"]) == {"b": suspects.NOT_CHECKED}
    assert left_out(tmp_path, "scenes", ["a", "b"], exclude=False) == {}


def test_a_scene_that_changed_after_the_check_counts_as_unchecked(made_root, tmp_path, capsys):
    from spatial_engine.depth_perception import depth_estimation_coor_engine

    root = link_root(made_root, tmp_path / "root")
    flags = ("--splits", "val")
    assert run(root, *flags) == 0
    pose = paths.posed_images_dir(root) / "scene0011_00" / "00010.txt"
    text = pose.read_text()
    moved = np.loadtxt(pose)
    moved[0, 3] += 0.001
    np.savetxt(pose, moved)
    update = ["--root", str(root), "--num-workers", "1"]
    assert update_info_file_with_images.main(update) == 0
    scenes = SceneInfoHandler.load(root, "val")
    ids = scenes.scene_ids
    changed = {"scene0011_00": suspects.CHANGED}
    assert left_out(root, "scenes", ids, input_of=scenes.input_hash) == changed
    capsys.readouterr()
    exclude = [*update, *flags, "--exclude-suspect", "--overwrite"]
    assert depth_estimation_coor_engine.main(exclude) == 0
    assert f"1 left out: {suspects.CHANGED}" in capsys.readouterr().out
    assert run(root, *flags) == 0
    assert left_out(root, "scenes", ids, input_of=scenes.input_hash) == {}
    pose.write_text(text)  # whoever reads a scene that is broken names it: it is not left out
    assert left_out(root, "scenes", ids, input_of=refuse) == {}


def refuse(scene_id: str) -> str:
    raise BadDataError(scene_id)


def test_a_clip_that_changed_after_the_check_counts_as_unchecked(made_root, tmp_path):
    root = link_root(made_root, tmp_path / "root")
    assert run(root, "--datasets", "pstudio", "--scenes", "boxes_11", "softball_3") == 0
    path = paths.clip_path(root, "pstudio", "boxes_11")
    with np.load(path, allow_pickle=False) as archive:
        arrays = dict(archive)
    arrays["tracks_XYZ"] = arrays["tracks_XYZ"] + 0.001
    np.savez(path, **arrays)
    input_of = partial(movement_engine.clip_digest, root, "pstudio")
    found = left_out(root, "clips", ["boxes_11", "softball_3"], input_of=input_of)
    assert found == {"boxes_11": suspects.CHANGED}


EMPTY_SUSPECT = '{"scenes": {"a": {"input": "", "figures": {}, "suspects": [{}]}}, "clips": {}}'
WITHOUT_INPUT = '{"scenes": {"a": {"figures": {}, "suspects": []}}, "clips": {}}'


DAMAGED = ["", "[]", '{"scenes": 1, "clips": {}}', EMPTY_SUSPECT, WITHOUT_INPUT]


@pytest.mark.parametrize("text", DAMAGED)
def test_a_damaged_report_is_refused(tmp_path, text):
    paths.inputs_check_path(tmp_path).write_text(text)
    with pytest.raises(BadDataError, match="not a report of inputs"):
        suspects.read(tmp_path)


def test_nothing_to_check_is_an_error(tmp_path):
    with pytest.raises(EngineError, match="nothing to do"):
        run(tmp_path)


def test_the_shift_that_is_allowed_is_that_of_the_surface_rule():
    assert check_inputs.SURFACE_WINDOW_PX == make_visibility_info.SURFACE_WINDOW_PX
