"""Paths and largest steps of tracked points through three to eight frames: right by the definition,
properties, missing and damaged clips (SPEC 13.2)."""

from __future__ import annotations

import math
import shutil
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from conftest import FEWER, FRAME_COMMANDS, run_here

from spatial_engine.audit.oracles.movement_points import MovementRule
from spatial_engine.audit.oracles.track_motions import groupings
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.object_movement import point_path_questions as questions
from spatial_engine.object_movement import point_sightings
from spatial_engine.object_movement.point_path_questions import FASTEST_STEP, POINT_PATH, TASKS
from spatial_engine.object_movement.point_sightings import Sightings
from spatial_engine.utils.geometry.frame_sets.rows import NONE, sizes_of
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.records import read_jsonl

COMMAND = next(command for command in FRAME_COMMANDS if "point_path" in command)
SPLITS = ("train", "val")
DATA = "data/tapvid3d_dataset"


def records_of(root: Path, task: str, split: str) -> list[dict]:
    path = record_path(root, task, split, "v1_0")
    return list(read_jsonl(path)) if path.exists() else []


def clip_of(record: dict) -> str:
    return record["image"][0].split("/")[0]


# ---- records of the sample clips -----------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("task", TASKS)
def test_every_record_is_right_by_the_definition(framed_root, task, split):
    clips: dict[str, RawClip] = {}
    records = records_of(framed_root, task, split)
    for record in records:
        name = clip_of(record)
        if name not in clips:
            clips[name] = RawClip(framed_root, record["clip_set"], name)
        clip, frames, point = clips[name], [int(f) for f in record["frames"]], record["point_id"]
        assert record["frames"] == [f"{frame:05d}" for frame in frames]
        assert record["image"] == [f"{name}/{frame:05d}.jpg" for frame in frames]
        assert frames == sorted(set(frames)) and 3 <= len(frames) <= 8
        assert all(any(point in group for group in groups) for groups in groupings(clip))
        assert all(clip.shown()[frame, point] for frame in frames)
        places = [clip.world[frame, point] for frame in frames]
        steps = [math.dist(a, b) for a, b in pairwise(places)]
        moves = MovementRule().limits(clip).moves
        if task == POINT_PATH:
            widest = max(math.dist(a, b) for a, b in combinations(places, 2))
            assert min(steps) >= max(0.02, moves) - 1e-9
            assert sum(steps) >= 1.3 * widest - 1e-9
            assert abs(record["gt_value"] - 1000 * sum(steps)) <= 0.5 + 1e-6
        else:
            assert len({b - a for a, b in pairwise(frames)}) == 1, "equal intervals"
            second, largest = sorted(steps)[-2:]
            assert largest - second >= max(0.03, 0.25 * largest) - 1e-9 and largest >= moves - 1e-9
            assert record["gt_value"] == "ABCDEFG"[steps.index(largest)]
            assert record["choices"] == {
                "ABCDEFG"[k]: f"from Image-{k + 1} to Image-{k + 2}" for k in range(len(steps))
            }
        for place, position in zip(places, record["positions_mm"], strict=True):
            local = clip.cam_from_world[frames[0]] @ [*place, 1]
            np.testing.assert_allclose(position, 1000 * local[:3], atol=0.5 + 1e-6)
        u, v = clip.pixels[frames[0], point]
        width, height = clip.image_size
        np.testing.assert_allclose(
            record["p1"], [1000 * u / width, 1000 * v / height], atol=0.5 + 1e-6
        )
        asked = record["conversations"][0]["value"] if split == "train" else record["text"]
        assert f"[ {record['p1'][0]} , {record['p1'][1]} ]" in asked
    assert len(records) == {"train": 60, "val": 40}[split]


@pytest.mark.parametrize("task", TASKS)
def test_records_are_of_many_clips_points_and_numbers_of_frames(framed_root, task):
    records = records_of(framed_root, task, "train")
    assert len({clip_of(record) for record in records}) >= 3
    assert {record["clip_set"] for record in records} >= {"adt", "pstudio"}
    assert len({(clip_of(record), record["point_id"]) for record in records}) >= 8
    sizes = Counter(len(record["image"]) for record in records)
    assert len(sizes) >= 3
    if task == FASTEST_STEP:
        letters = Counter(r["gt_value"] for r in records if len(r["image"]) == 3)
        assert abs(letters["A"] - letters["B"]) <= 1


# ---- the command ---------------------------------------------------------------------------------


@pytest.fixture
def root(framed_root, tmp_path) -> Path:
    """The clips and their lists alone, free to be damaged."""
    folder = tmp_path / "root"
    shutil.copytree(framed_root / DATA, folder / DATA)
    return folder


def run(root: Path, *flags: str):
    return run_here(COMMAND, root, "--num-workers", "1", *FEWER[COMMAND], *flags)


def test_only_the_set_asked_for_is_done(root):
    done = run(root, "--datasets", "pstudio", "--question-types", "fastest_step")
    assert done.returncode == 0, done.stdout + done.stderr
    records = [r for split in SPLITS for r in records_of(root, FASTEST_STEP, split)]
    assert {record["clip_set"] for record in records} == {"pstudio"}
    assert not records_of(root, POINT_PATH, "train")


def test_without_any_clip_the_remedy_is_named(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    assert "no clips" in done.stdout and "tapvid3d_utils/README.md" in done.stdout
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_damaged_clip_is_named_and_the_others_are_done(root):
    path = root / DATA / "pstudio/boxes_11.npz"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    done = run(root, "--datasets", "pstudio", "--splits", "train")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("failed: "))
    assert "boxes_11" in line and path.name in line
    assert {clip_of(r) for r in records_of(root, FASTEST_STEP, "train")} == {"softball_3"}
    path.write_bytes(data)
    done = run(root, "--datasets", "pstudio", "--splits", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    asked = {clip_of(r) for r in records_of(root, FASTEST_STEP, "train")}
    assert asked == {"boxes_11", "softball_3"}


def test_a_clip_in_which_nothing_is_seen_is_no_failure(root):
    path = root / DATA / "pstudio/boxes_11.npz"
    with np.load(path) as clip:
        arrays = dict(clip)
    arrays["visibility"] &= False
    np.savez(path, **arrays)
    done = run(root, "--datasets", "pstudio", "--splits", "train", "--question-types",
               "fastest_step")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert {clip_of(r) for r in records_of(root, FASTEST_STEP, "train")} == {"softball_3"}


def test_one_split_alone_has_the_records_that_it_has_beside_the_other(framed_root, root):
    done = run(root, "--splits", "val")
    assert done.returncode == 0, done.stdout + done.stderr
    for task in TASKS:
        assert records_of(root, task, "val") == records_of(framed_root, task, "val")
        assert not records_of(root, task, "train")


# ---- sets of sightings ---------------------------------------------------------------------------


def made_up(rng: np.random.Generator, frames: int = 50, points: int = 9) -> tuple:
    """Points that swing to and fro, seen now and then; the last stands still."""
    time = np.linspace(0, 3, frames)[:, None, None]
    swing = np.sin(2 * np.pi * time + rng.uniform(0, 6, (1, points, 1)))
    world = rng.uniform(-2, 2, (1, points, 3)) + swing * rng.uniform(-0.5, 0.5, (1, points, 3))
    world = world + 0.001 * rng.normal(size=world.shape)
    world[:, -1] = world[:1, -1]
    return world, rng.random((frames, points)) < 0.8


def sightings_of(world, askable, moved_m=0.05) -> Sightings:
    return Sightings.of(world, askable, np.arange(world.shape[1]), moved_m)


@pytest.mark.parametrize("seed", range(3))
def test_sightings_are_those_of_points_that_move(seed):
    world, askable = made_up(np.random.default_rng(seed))
    found = sightings_of(world, askable)
    expected = [
        (point, frame)
        for point in range(world.shape[1] - 1)
        for frame in range(len(world))
        if askable[frame, point]
    ]
    assert list(zip(found.points.tolist(), found.frames.tolist(), strict=True)) == expected
    for number, (point, frame) in enumerate(expected):
        np.testing.assert_array_equal(found.positions[number], world[frame, point])
        later = found.later[found.starts[number] : found.starts[number + 1]].tolist()
        assert later == [
            other
            for other in range(number + 1, len(expected))
            if expected[other][0] == point
            and math.dist(world[frame, point], world[expected[other][1], point]) >= 0.05
        ]
    rows = sorted(set(found.points.tolist()))
    for (row, frame), number in np.ndenumerate(found.numbers):
        there = (rows[row], frame) in expected
        assert (number != NONE) == there
        assert not there or expected[number] == (rows[row], frame)


@pytest.mark.parametrize("seed", range(3))
def test_paths_move_at_each_step_and_most_wind(seed):
    rng = np.random.default_rng(seed)
    found = sightings_of(*made_up(rng))
    sizes = rng.integers(3, 9, size=400)
    sets = point_sightings.grow_paths(rng, found, sizes)
    winding = 0
    for row in sets.tolist():
        shown = [number for number in row if number != NONE]
        assert row == shown + [NONE] * (len(row) - len(shown))
        assert len(set(found.points[shown].tolist())) == 1
        assert (np.diff(found.frames[shown]) > 0).all()
        places = found.positions[shown]
        steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
        assert (steps >= 0.05).all()
        widest = max(math.dist(a, b) for a, b in combinations(places, 2))
        winding += steps.sum() >= 1.3 * widest
    assert len(sets) > 200 and winding > len(sets) / 2
    assert set(sizes_of(sets).tolist()) == set(range(3, 9))
    assert len({found.points[row[0]] for row in sets}) == 8


def test_even_steps_have_all_intervals_and_starts():
    rng, drops = np.random.default_rng(0), Counter()
    world, askable = made_up(rng, frames=12, points=3)
    askable[:] = True
    found = sightings_of(world, askable)
    sets = point_sightings.even_steps(rng, found, np.full(6000, 3), drops)
    drawn = {(int(found.points[row[0]]), *found.frames[row].tolist()) for row in sets}
    expected = {
        (point, start, start + step, start + 2 * step)
        for point in range(2)
        for step in range(1, 6)
        for start in range(12 - 2 * step)
    }
    assert drawn == expected and not drops.total()


@pytest.mark.parametrize("seed", range(3))
def test_even_steps_are_of_frames_that_can_be_asked_about(seed):
    rng, drops = np.random.default_rng(seed), Counter()
    found = sightings_of(*made_up(rng))
    sizes = rng.integers(3, 9, size=500)
    sets = point_sightings.even_steps(rng, found, sizes, drops)
    for row in sets.tolist():
        shown = [number for number in row if number != NONE]
        assert len(set(found.points[shown].tolist())) == 1
        assert len(set(np.diff(found.frames[shown]).tolist())) == 1
    assert 50 < len(sets) == len(sizes) - drops.total()


def test_frames_of_long_clips_are_thinned_evenly(monkeypatch):
    monkeypatch.setattr(point_sightings, "MAX_FRAMES", 20)
    world, askable = made_up(np.random.default_rng(0), frames=50)
    found = sightings_of(world, askable)
    assert set(found.frames.tolist()) <= set(range(0, 50, 3))
    rng, drops = np.random.default_rng(1), Counter()
    for row in point_sightings.even_steps(rng, found, np.full(200, 4), drops):
        assert len(set(np.diff(found.frames[row]).tolist())) == 1


def test_without_a_point_that_moves_there_is_no_set():
    world, askable = made_up(np.random.default_rng(0))
    for found in (
        sightings_of(world[:, -1:], askable[:, -1:]),
        sightings_of(world, askable, moved_m=np.inf),
        sightings_of(world, np.zeros_like(askable)),
        sightings_of(world[:, :0], askable[:, :0]),
    ):
        rng, sizes = np.random.default_rng(0), np.array([8, 3, 5])
        assert point_sightings.grow_paths(rng, found, sizes).shape == (0, 8)
        assert point_sightings.even_steps(rng, found, sizes, Counter()).shape == (0, 8)


# ---- what is asked -------------------------------------------------------------------------------

CONSTANTS = {
    "MIN_POINT_STEP_M": 0.02, "MIN_DETOUR": 1.3, "MIN_STEP_GAP_M": 0.03,
    "MIN_STEP_GAP_SHARE": 0.25,
}  # fmt: skip


def judged(judge, *places: float, moved_m: float = 0.02) -> tuple[list, Counter]:
    """Of one set of places on a line."""
    positions, drops = np.array([[x, 0.0, 0.0] for x in places]), Counter()
    sets = np.array([[*range(len(places)), *[NONE] * (8 - len(places))]])
    return judge(positions, CONSTANTS, moved_m, sets, drops).answers.tolist(), drops


def test_a_path_there_and_back_is_asked_about_and_a_straight_one_is_not():
    assert judged(questions.judge_paths, 0, 1, 0.5)[0] == [0]
    found, drops = judged(questions.judge_paths, 0, 0.5, 1)
    assert found == [] and drops.total() == 1
    assert judged(questions.judge_paths, 0, 1, 0.71)[0] == []
    assert judged(questions.judge_paths, 0, 1, 0.69)[0] == [0]
    assert judged(questions.judge_paths, 0, 0.1, 0.09, 0)[0] == [], "a step is too short"
    assert judged(questions.judge_paths, 0, 0.1, 0.05, moved_m=0.06)[0] == []


def test_the_largest_step_exceeds_the_second_by_both_margins():
    assert judged(questions.judge_steps, 0, 0.01, 1, 1.7)[0] == [1]
    assert judged(questions.judge_steps, 0, 1, 1.8)[0] == [], "by less than a quarter"
    assert judged(questions.judge_steps, 0, 1, 0.3)[0] == [0]
    assert judged(questions.judge_steps, 0, 0.05, 0.075)[0] == [], "by less than 3 cm"
    assert judged(questions.judge_steps, 0, 0.0, 0.0, 0.05)[0] == [2]
    found, drops = judged(questions.judge_steps, 0, 0.4, 0.4, moved_m=0.5)
    assert found == [] and drops["the point has not moved for certain in any step"] == 1
