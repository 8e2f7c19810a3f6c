"""Paths and turns of the camera through three to eight frames: right by the definition, properties
of what is measured, missing tables (SPEC 13.2)."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations, pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import FEWER, FRAME_COMMANDS, link_root, run_here
from helpers import random_pose

from spatial_engine.audit.raw.scene import RawScene
from spatial_engine.camera_movement import camera_path_questions as questions
from spatial_engine.camera_movement.camera_path_engine import main
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.frame_sets.paths import longest_distances, step_lengths
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.tables import pair_table

COMMAND = next(command for command in FRAME_COMMANDS if "camera_path" in command)
SPLITS = ("train", "val")
CONSTANTS = {
    "MIN_STEP_M": 0.1, "MIN_DETOUR": 1.3, "MIN_TURN_DEG": 5.0, "MAX_TURN_DEG": 90.0,
    "MAX_PITCH_DEG": 60.0, "MIN_NET_TURN_DEG": 15.0,
}  # fmt: skip


def heading(pose: np.ndarray) -> float:
    """Degrees, by SPEC 5."""
    return math.degrees(math.atan2(pose[1, 2], pose[0, 2]))


def steepness(pose: np.ndarray) -> float:
    return abs(math.degrees(math.asin(pose[2, 2] / math.hypot(*pose[:3, 2]))))


def wrapped(degrees: float) -> float:
    """In (-180, 180]."""
    return degrees - 360 * math.ceil((degrees - 180) / 360)


def path_of(poses) -> float:
    """Metres through the centres of cameras."""
    return sum(math.dist(a[:3, 3], b[:3, 3]) for a, b in pairwise(poses))


def turns_of(poses) -> list[float]:
    return [wrapped(heading(b) - heading(a)) for a, b in pairwise(poses)]


def path_is_asked(poses) -> bool:
    """SPEC 13.2, but for what frames share."""
    steps = [math.dist(a[:3, 3], b[:3, 3]) for a, b in pairwise(poses)]
    widest = max(math.dist(a[:3, 3], b[:3, 3]) for a, b in combinations(poses, 2))
    return min(steps) >= 0.1 and sum(steps) >= 1.3 * widest


def turn_is_asked(poses) -> bool:
    turned = turns_of(poses)
    return (
        all(5 <= abs(turn) <= 90 for turn in turned)
        and all(steepness(pose) <= 60 for pose in poses)
        and abs(sum(turned)) >= 15
    )


# ---- records of the sample scenes ----------------------------------------------------------------


def records_of(root, task: str, split: str) -> list[dict]:
    return list(read_jsonl(record_path(root, task, split, "v1_0")))


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", questions.TASKS)
def test_every_record_is_right_by_the_definition(framed_root, task, split):
    raw, overlaps, checked = {}, {}, 0
    table = pair_table.open_pairs(paths.pair_table_path(framed_root, split))
    for record in records_of(framed_root, task, split):
        scene_id = record["image"][0].split("/")[0]
        if scene_id not in raw:
            raw[scene_id] = RawScene(framed_root, scene_id)
            overlaps[scene_id] = {
                (row["image_id1"], row["image_id2"]): row["overlap"]
                for row in table.read(scene_id).to_pylist()
            }
        frames, overlap = record["frames"], overlaps[scene_id]
        assert frames == sorted(frames, key=int) and len(set(frames)) == len(frames)
        assert record["image"] == [f"{scene_id}/{frame}.jpg" for frame in frames]
        assert all(raw[scene_id].is_valid(frame) for frame in frames)
        assert all(overlap[pair] >= 6 for pair in pairwise(frames)), "a chain in order"
        assert all(overlap[pair] <= 70 for pair in combinations(frames, 2)), "none alike"
        poses = [raw[scene_id].world_from_cam(frame) for frame in frames]
        if task == questions.PATH_LENGTH:
            assert path_is_asked(poses)
            assert record["gt_value"] == round(1000 * path_of(poses))
            cam_from_world = np.linalg.inv(poses[0])
            for pose, position in zip(poses, record["positions_mm"], strict=True):
                local = 1000 * (cam_from_world @ pose[:, 3])[:3]
                np.testing.assert_allclose(position, local, atol=0.5 + 1e-6)
            assert record["positions_mm"][0] == [0, 0, 0]
        else:
            assert turn_is_asked(poses)
            assert overlap[frames[0], frames[-1]] == 0
            assert record["gt_value"] == round(sum(turns_of(poses)))
            assert record["turns_deg"] == [round(turn) for turn in turns_of(poses)]
        checked += 1
    assert checked >= 2


def chains(overlap: dict[tuple[str, str], float]) -> set[tuple[str, ...]]:
    """All sets of 3 to 8 frames in order, each linked to the next, no two alike."""
    frames = sorted({frame for pair in overlap for frame in pair})
    found, longest = set(), [(frame,) for frame in frames]
    for _ in range(7):
        longest = [
            (*chain, frame)
            for chain in longest
            for frame in frames
            if frame > chain[-1]
            and overlap[chain[-1], frame] >= 6
            and all(overlap[before, frame] <= 70 for before in chain)
        ]
        found |= {chain for chain in longest if len(chain) >= 3}
    return found


def test_without_rules_all_chains_are_found(framed_root, tmp_path):
    root = link_root(framed_root, tmp_path)
    flags = ("--min-detour", "0", "--min-step-m", "0", "--num-workers", "1")
    most = ("--train-max-samples", "-1", "--val-max-samples", "-1")
    done = run_here(COMMAND, root, *flags, *most, "--question-types", "path_length")
    assert done.returncode == 0, done.stdout + done.stderr
    for split in SPLITS:
        table = pair_table.open_pairs(paths.pair_table_path(root, split))
        expected = {
            (scene_id, *chain)
            for scene_id in table.scene_ids
            for chain in chains(
                {
                    (row["image_id1"], row["image_id2"]): row["overlap"]
                    for row in table.read(scene_id).to_pylist()
                }
            )
        }
        records = records_of(root, questions.PATH_LENGTH, split)
        found = {(r["image"][0].split("/")[0], *r["frames"]) for r in records}
        assert found == expected and len(found) == len(records) >= 10


def test_without_the_pair_table_the_command_that_makes_it_is_named(framed_root, tmp_path):
    root = link_root(framed_root, tmp_path)
    for split in SPLITS:
        paths.pair_table_path(root, split).unlink()
    done = run_here(COMMAND, root, *FEWER[COMMAND], "--num-workers", "1")
    assert done.returncode == 2 and "calculate_frames_relations.py" in done.stderr
    assert str(paths.pair_table_path(root, "train")) in done.stderr


def test_frames_whose_image_is_missing_are_not_shown(framed_root, tmp_path):
    root = link_root(framed_root, tmp_path)
    images = [name for r in records_of(root, questions.PATH_LENGTH, "train") for name in r["image"]]
    (paths.posed_images_dir(root) / images[0]).unlink()
    flags = ("--question-types", "path_length", "--min-detour", "0", "--num-workers", "1")
    done = run_here(COMMAND, root, *FEWER[COMMAND], *flags, "--splits", "train")
    shown = {name for r in records_of(root, questions.PATH_LENGTH, "train") for name in r["image"]}
    assert done.returncode == 0, done.stdout + done.stderr
    assert shown and images[0] not in shown


# ---- what is measured ----------------------------------------------------------------------------


def random_sets(rng: np.random.Generator, frames: int, count: int = 200) -> np.ndarray:
    """Sets of 3 to 8 different frames in any order."""
    sets = np.full((count, 8), NONE)
    for row in sets:
        size = rng.integers(3, 9)
        row[:size] = rng.choice(frames, size, replace=False)
    return sets


def reversed_sets(sets: np.ndarray) -> np.ndarray:
    back = np.full_like(sets, NONE)
    for row, other in zip(sets, back, strict=True):
        shown = row[row != NONE]
        other[: len(shown)] = shown[::-1]
    return back


def walk(rng: np.random.Generator, frames: int = 60) -> np.ndarray:
    """Poses of a camera that walks and turns, mostly upright."""
    poses = np.tile(np.eye(4), (frames, 1, 1))
    poses[:, :3, 3] = np.cumsum(rng.normal(0, 0.3, (frames, 3)), axis=0)
    for pose, yaw in zip(poses, np.cumsum(rng.normal(0, 30, frames)), strict=True):
        a, e = math.radians(yaw), math.radians(rng.normal(0, 25))
        forward = np.array([math.cos(a) * math.cos(e), math.sin(a) * math.cos(e), math.sin(e)])
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        pose[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    return poses


def test_the_way_back_is_as_long_and_turns_the_other_way():
    rng = np.random.default_rng(0)
    poses = np.stack([random_pose(rng) for _ in range(40)])
    sets = random_sets(rng, 40)
    back = reversed_sets(sets)
    centers = poses[:, :3, 3]
    there, again = (step_lengths(centers, one).sum(axis=1) for one in (sets, back))
    np.testing.assert_allclose(there, again, rtol=1e-12)
    np.testing.assert_array_equal(
        longest_distances(centers, sets), longest_distances(centers, back)
    )
    there, again = (questions.turns(poses, one).sum(axis=1) for one in (sets, back))
    np.testing.assert_allclose(there, -again, atol=1e-9)


def test_a_frame_between_two_on_the_straight_line_changes_no_length():
    rng = np.random.default_rng(1)
    centers = rng.normal(size=(9, 3))
    for place in range(1, 8):
        sets = np.arange(8)[None]
        centers[8] = centers[place - 1] + rng.random() * (centers[place] - centers[place - 1])
        more = np.insert(sets, place, 8, axis=1)
        for measure in (lambda s: step_lengths(centers, s).sum(axis=1),
                        lambda s: longest_distances(centers, s)):  # fmt: skip
            np.testing.assert_allclose(measure(sets), measure(more), rtol=1e-12)


def test_places_do_not_depend_on_where_the_world_begins():
    rng = np.random.default_rng(2)
    poses, sets = walk(rng), random_sets(rng, 60)
    world = random_pose(rng)
    assert questions.positions_mm(poses, sets) == questions.positions_mm(world @ poses, sets)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_asked_and_what_is_left_out_is_counted(seed):
    rng = np.random.default_rng(seed)
    poses, sets = walk(rng), np.sort(random_sets(rng, 60, 3000), axis=1)
    sets = np.array([[*row[row != NONE], *row[row == NONE]] for row in sets])
    overlap = np.where(rng.random((60, 60)) < 0.5, 0.0, 30.0)
    frames = SimpleNamespace(
        poses=poses, centers=poses[:, :3, 3], graph=SimpleNamespace(overlap=overlap)
    )
    for judge, is_asked in (
        (questions.judge_paths, path_is_asked),
        (questions.judge_turns, turn_is_asked),
    ):
        drops: Counter[str] = Counter()
        found = judge(frames, CONSTANTS, sets, drops)
        kept = []
        for row in sets.tolist():
            shown = [frame for frame in row if frame != NONE]
            good = is_asked([poses[frame] for frame in shown])
            if judge is questions.judge_turns:
                good &= overlap[shown[0], shown[-1]] == 0
            kept += [row] * bool(good)
        assert found.sets.tolist() == kept
        assert 5 < len(kept) == len(sets) - drops.total()
    signs = [
        np.sign(sum(turns_of([poses[f] for f in row if f != NONE]))) for row in found.sets.tolist()
    ]
    assert found.answers.tolist() == signs


def test_help_names_the_constants(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for name in CONSTANTS:
        assert f"--{name.lower().replace('_', '-')}" in said
