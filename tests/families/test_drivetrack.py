"""DriveTrack: split by segments of Waymo, questions about one car, nothing of one that jumps."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import data_files
from hypothesis import given
from hypothesis import strategies as st

from spatial_engine.audit.oracles.movement import ClipChecks, images_folder, is_held_out
from spatial_engine.audit.oracles.movement_balance import check_balance
from spatial_engine.audit.oracles.movement_points import MovementRule
from spatial_engine.audit.oracles.track_motions import is_parked, jump_and_noise
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.ids import DATASETS, ONE_BODY, STANDING_CAMERAS
from spatial_engine.errors import BadDataError
from spatial_engine.object_movement import single_object_movement_engine_coord as coord
from spatial_engine.object_movement import single_object_movement_engine_dot as dot
from spatial_engine.object_movement.movement_questions import JUMPING
from spatial_engine.sample_data import clip_truth
from spatial_engine.sample_data.tapvid3d.sample_clips import CLIP_SPLITS, sample_clip_specs
from spatial_engine.utils import paths
from spatial_engine.utils.clips import clip_lists
from spatial_engine.utils.clips.clip_sets import CLIP_SETS
from spatial_engine.utils.clips.clips import read_clip
from spatial_engine.utils.geometry.body_motion import TOLD_M, BodyMotion
from spatial_engine.utils.questions.record_files import find_record_files, place_of, read_records
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS

DATA = "data/tapvid3d_dataset"
PAST, PARKED, DRIFT = CLIP_SPLITS["drivetrack"]["train"]
(START,) = CLIP_SPLITS["drivetrack"]["val"]
EXAMPLE = "tapvid3d_9142545919543484617_86_000_106_000_2_5AKc-TYQochsSWXpv376cA"
POINTS, PAIRS = 3, 2
FEW = ("--train-points-per-group", str(POINTS), "--train-pairs-per-bin", str(PAIRS))
COMMANDS = {"coord": coord, "dot": dot}


def run(module, root: Path, *flags: str) -> int:
    return module.main(["--root", str(root), "--datasets", "drivetrack", *FEW, *flags])


@pytest.fixture(scope="module")
def root(raw_root, tmp_path_factory) -> Path:
    """The sample clips of drivetrack, asked about by both commands."""
    folder = tmp_path_factory.mktemp("drive")
    shutil.copytree(raw_root / DATA / "drivetrack", folder / DATA / "drivetrack")
    for module in COMMANDS.values():
        assert run(module, folder, "--num-workers", "1") == 0
    return folder


# ---- names and splits ----


segments = st.lists(st.integers(0, 2**64 - 1), min_size=5, max_size=5).map(
    lambda numbers: "_".join(map(str, numbers))
)
objects = st.text("abcXYZ019_-", min_size=22, max_size=22)


@given(segments, objects, objects, st.sampled_from("123"), st.sampled_from("123"))
def test_all_clips_of_a_segment_are_of_one_recording_and_split(segment, one, two, first, second):
    clips = [
        f"tapvid3d_{segment}_{camera}_{name}" for camera, name in ((first, one), (second, two))
    ]
    assert [paths.recording_of(clip) for clip in clips] == [segment] * 2
    splits = {clip_lists.split_of("drivetrack", clip) for clip in clips}
    assert len(splits) == 1
    assert [is_held_out("drivetrack", clip) for clip in clips] == [splits == {"val"}] * 2
    number = int(hashlib.sha256(segment.encode()).hexdigest(), 16)
    assert (splits == {"val"}) == (number % 10 == 0)


def test_a_tenth_of_the_segments_is_held_out():
    names = [EXAMPLE.replace("_86_", f"_{number}_") for number in range(2000)]
    held_out = [clip_lists.split_of("drivetrack", name) == "val" for name in names]
    assert 0.08 < np.mean(held_out) < 0.12


@pytest.mark.parametrize(
    "name",
    [EXAMPLE[:-1], EXAMPLE + "a", EXAMPLE.replace("_2_5A", "_4_5A"), "boxes_11", "tapvid3d_1_2",
     EXAMPLE.replace("_86_", "_"), EXAMPLE.replace("_86_", "_\u0668\u0666_")],
)  # fmt: skip
def test_a_name_that_does_not_tell_its_segment_is_refused(name):
    assert paths.drive_segment(name) is None
    with pytest.raises(BadDataError, match="published with"):
        clip_lists.split_of("drivetrack", name)


def test_names_of_the_other_sets_are_read_as_before():
    assert paths.recording_of("Apartment_release_meal_seq136_8") == "Apartment_release_meal_seq136"
    assert paths.recording_of("boxes_11") == "boxes"


def test_lists_share_no_segment(root):
    lists = clip_lists.read_lists(root, "drivetrack")
    assert lists == {"train": sorted([PAST, PARKED, DRIFT]), "val": [START]}
    by_split = [{paths.recording_of(clip) for clip in ids} for ids in lists.values()]
    assert by_split[0].isdisjoint(by_split[1])


def test_sets_are_told_in_one_way():
    assert tuple(CLIP_SETS) == paths.CLIP_DATASETS == DATASETS
    for name, clip_set in CLIP_SETS.items():
        assert clip_set.camera_moves == (name not in STANDING_CAMERAS)
        assert clip_set.one_body == (name in ONE_BODY)


# ---- records ----


def records_of(root: Path) -> dict[tuple[str, str], list[dict]]:
    return {(file.task, file.split): list(read_records(file)) for file in find_record_files(root)}


def test_every_task_and_split_has_records_and_none_is_of_the_benchmark(root):
    found = records_of(root)
    tasks = {task for task in TASKS if task.endswith("_drivetrack")}
    assert len(tasks) == 4 and not tasks & set(SUBTASKS) and len(SUBTASKS) == 26
    assert set(found) == {(task, split) for task in tasks for split in ("train", "val")}
    for (task, split), records in found.items():
        assert records
        clips = {record["image"][0].split("/")[0] for record in records}
        assert clips == ({PAST, PARKED} if split == "train" else {START})
        places = {place_of(task, record["image"][0]) for record in records}
        assert places == {paths.recording_of(clip) for clip in clips}


def test_a_parked_car_is_still_and_one_that_drives_moved_by_half_a_metre_or_more(root):
    for records in records_of(root).values():
        for record in records:
            parked = record["image"][0].startswith(PARKED)
            assert record["point_moving"] != parked
            length = np.linalg.norm(record["gt_value"])
            assert length == 0 if parked else length >= 1000 * TOLD_M - 2
        assert any(record["cam_moving"] for record in records)
    train = records_of(root)["movement_coord_distance_drivetrack", "train"]
    still = [r for r in train if not r["point_moving"]]
    assert 0 < len(still) <= 1.05 * POINTS * round(0.1 * 10 * PAIRS)
    assert len(still) <= 0.3 * len(train)


def test_answers_are_true_but_for_the_noise_of_poses(root):
    truths = {s.clip_id: clip_truth(s) for s in sample_clip_specs(small=True)}
    for (task, _), records in records_of(root).items():
        for record in records:
            clip_id, first, second, point = re.fullmatch(
                r"\w+?_(?:train|val)_(tapvid3d_.+)_(\d{5})_(\d{5})_(\d+)", record["id"]
            ).groups()
            truth = truths[clip_id]
            world = truth.world[[int(first), int(second)], int(point)]
            step = truth.extrinsics_w2c[int(first), :3, :3] @ (world[1] - world[0])
            true_mm = 1000 * (step if "vector" in task else np.linalg.norm(step))
            off = np.linalg.norm(np.subtract(record["gt_value"], true_mm))
            assert off < 0.05 * np.linalg.norm(true_mm) + 1, record["id"]


def test_nothing_is_asked_about_points_that_jump_and_that_is_counted(root, capsys):
    assert not any(DRIFT in str(r["image"]) for rs in records_of(root).values() for r in rs)
    run(coord, root, "--num-workers", "1", "--overwrite", "--splits", "train")
    assert re.search(rf"{re.escape(JUMPING[:40])}.* 1\b", capsys.readouterr().out)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("prompt", COMMANDS)
def test_the_oracle_agrees(root, prompt, split):
    seen = 0
    for file in find_record_files(root, [split]):
        if f"_{prompt}_" not in file.task:
            continue
        folder = images_folder(file.path, root, prompt)
        raw = [RawClip(root, "drivetrack", clip) for clip in CLIP_SPLITS["drivetrack"][split]]
        rule = MovementRule()
        checks = {clip.clip_id: ClipChecks(clip, split, prompt, folder, rule) for clip in raw}
        for record in read_records(file):
            assert checks[record["image"][0].split("/")[0]].check_next(record) == []
            seen += 1
        points, pairs = (POINTS, PAIRS) if split == "train" else (1, 1)
        assert check_balance(file.path, root, "drivetrack", split, prompt, points, pairs) == []
    assert seen


def test_the_oracle_objects_to_small_motions_and_to_clips_that_jump(root):
    file = next(f for f in find_record_files(root, ["train"]) if "coord_distance" in f.task)
    folder = images_folder(file.path, root, "coord")
    record = next(r for r in read_records(file) if r["image"][0].startswith(PAST))
    strict = MovementRule(moved_m=100.0)
    checks = ClipChecks(RawClip(root, "drivetrack", PAST), "train", "coord", folder, strict)
    assert any("point_moving" in complaint for complaint in checks.check(record)[0])
    drift = RawClip(root, "drivetrack", DRIFT)
    assert MovementRule().limits(drift) == (0, np.inf)


@pytest.mark.parametrize("clip_id", [PAST, PARKED, DRIFT, START])
def test_oracle_and_engine_measure_the_same_motion(root, clip_id):
    raw = RawClip(root, "drivetrack", clip_id)
    clip = read_clip(raw.path, camera_moves=True)
    motion = BodyMotion.of(clip.tracks_cam, clip.visible, clip.world_from_cam)
    assert is_parked(raw) == motion.parked
    assert jump_and_noise(raw) == pytest.approx((motion.jump, motion.noise), abs=1e-9)


def test_one_and_two_workers_give_the_same_bytes(root, tmp_path):
    shutil.copytree(root / DATA / "drivetrack", tmp_path / DATA / "drivetrack")
    for module in COMMANDS.values():
        assert run(module, tmp_path, "--num-workers", "2") == 0
    one, two = data_files(root), data_files(tmp_path)
    assert {n: d for n, d in one.items() if n.endswith((".jsonl", ".jpg"))} == {
        n: d for n, d in two.items() if n.endswith((".jsonl", ".jpg"))
    }


def test_queries_of_frames_that_do_not_show_their_points_are_not_compared(root, tmp_path):
    path = paths.clip_path(root, "drivetrack", PAST)
    with np.load(path) as archive:
        arrays = dict(archive)
    frames = arrays["queries_xyt"][:, 2].astype(int)
    seen = arrays["visibility"][frames, np.arange(len(frames))]
    assert (~seen).any() and seen.any()
    arrays["queries_xyt"][~seen, :2] += 50
    np.savez(tmp_path / path.name, **arrays)
    read_clip(tmp_path / path.name, camera_moves=True)
    arrays["queries_xyt"][np.flatnonzero(seen)[0], 0] += 4
    np.savez(tmp_path / path.name, **arrays)
    with pytest.raises(BadDataError, match="queries"):
        read_clip(tmp_path / path.name, camera_moves=True)


def test_clips_of_early_releases_without_extrinsics_are_refused(root, tmp_path):
    path = paths.clip_path(root, "drivetrack", PAST)
    with np.load(path) as archive:
        arrays = dict(archive)
    del arrays["extrinsics_w2c"]
    np.savez(tmp_path / path.name, **arrays)
    with pytest.raises(BadDataError, match=r"drivetrack: get the clip of release v1\.0"):
        read_clip(tmp_path / path.name, camera_moves=True)
