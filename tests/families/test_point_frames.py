"""Questions about a point in three to eight frames: every record against the raw files, its
pictures, and what may change nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from conftest import COMMANDS, REPOSITORY, data_files, link_root, own_file, run_here
from frame_points_oracle import RawFrames

from spatial_engine.checks import check_records
from spatial_engine.depth_perception import depth_views_questions
from spatial_engine.sample_data.frame_truth import JUDGES, judge_frames
from spatial_engine.sample_data.label_truth import Room
from spatial_engine.sample_data.scannet.sample_scenes import SPLITS, sample_specs
from spatial_engine.sample_data.scannet.scene_truth import SceneTruth
from spatial_engine.utils import paths
from spatial_engine.utils.frames.scene_frames import FrameTables, SceneFrames
from spatial_engine.utils.frames.step import SceneRequest
from spatial_engine.utils.geometry.frame_sets.rows import NONE, shuffle
from spatial_engine.utils.geometry.surroundings import Surroundings
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.visual_correspondence import correspondence_views_questions

DEPTH = "spatial_engine/depth_perception/depth_views_engine.py"
MATCH = "spatial_engine/visual_correspondence/correspondence_views_engine.py"
NEAREST, HIDDEN = depth_views_questions.TASKS
ODD, WHERE = correspondence_views_questions.TASKS
TASKS = (NEAREST, HIDDEN, ODD, WHERE)
SCENE = "scene0000_00"
FEW = ("--train-max-samples", "90", "--val-max-samples", "40")
CONSTANTS = {
    "DOT_RADIUS_PX": 10, "MIN_DEPTH_GAP_M": 0.1, "MIN_DEPTH_GAP_SHARE": 0.1, "MIN_HIDDEN_M": 0.5,
    "MAX_MATCH_ERROR_MM": 26.0, "MIN_ODD_M": 0.3, "MIN_ODD_SHARE": 0.05, "USUAL_ODD_M": 1.5,
    "SURROUNDINGS_M": 0.1, "FLAT_M": 0.015,
}  # fmt: skip


# In the small scenes vertices are far apart, and few frames see one from nearby.
LOOSER = {DEPTH: (), MATCH: ("--max-match-error-mm", "26")}


def run_few(command: str, root: Path, *flags: str, workers: int = 1):
    flags = (*LOOSER[command], *flags)
    return run_here(command, root, "--num-workers", str(workers), *FEW, *flags)


@pytest.fixture(scope="module")
def source(prepared_root, tmp_path_factory) -> Path:
    """What the two commands read; not to be written to."""
    root = link_root(prepared_root, tmp_path_factory.mktemp("point_frames") / "source")
    for command in COMMANDS[3:5]:
        done = run_here(command, root, "--num-workers", "1")
        assert done.returncode == 0, done.stdout + done.stderr
    return root


@pytest.fixture(scope="module")
def asked(source, tmp_path_factory) -> Path:
    """A root on which both have run."""
    root = link_root(source, tmp_path_factory.mktemp("point_frames_asked") / "root")
    for command in (DEPTH, MATCH):
        done = run_few(command, root)
        assert done.returncode == 0, done.stdout + done.stderr
    return root


def records_of(root: Path, task: str) -> list[dict]:
    paths_ = [record_path(root, task, split, "v1_0") for split in SPLITS]
    return [record for path in paths_ if path.exists() for record in read_jsonl(path)]


def scene_of(record: dict) -> str:
    return record["image"][0].split("/")[0]


@pytest.fixture(scope="module")
def raw(source):
    return cache(lambda scene_id: RawFrames(source, scene_id))


# ---- the records against the raw files -----------------------------------------------------------


def letter_of(record: dict, image: int) -> str:
    """The letter that stands for an image, from 1 on."""
    (letter,) = [name for name, text in record["choices"].items() if text == f"Image-{image}"]
    return letter


def check_nearest(record: dict, raw: RawFrames) -> None:
    frames, vertex = record["frames"], record["point_id"]
    assert [raw.shows(frame, vertex) for frame in frames] == ["seen"] * len(frames)
    depths = [raw.depth(frame, vertex) for frame in frames]
    assert np.abs(np.array(record["depths_mm"]) - 1000 * np.array(depths)).max() <= 0.5 + 1e-6
    least, second = sorted(depths)[:2]
    assert second - least >= max(0.1, 0.1 * least) - 1e-9
    assert record["gt_value"] == letter_of(record, depths.index(least) + 1)


def check_hidden(record: dict, raw: RawFrames) -> None:
    frames, vertex = record["frames"], record["point_id"]
    first, *between, last = frames
    assert raw.shows(first, vertex) == "seen" and raw.shows(last, vertex) == "absent"
    assert abs(record["gt_value"] - 1000 * raw.depth(last, vertex)) <= 0.5 + 1e-6
    assert raw.depth(last, vertex) >= 0.5 and raw.overlap(first, last) == 0
    assert any(raw.overlap(first, one) >= 6 <= raw.overlap(one, last) for one in between)
    assert between == sorted(between) and raw.are_joined(frames)


def check_odd(record: dict, raw: RawFrames) -> None:
    frames, vertex = record["frames"], record["point_id"]
    assert [raw.shows(frame, vertex) for frame in frames] == ["seen"] * len(frames)
    places = [raw.place(frame, vertex) for frame in frames]
    (odd,) = [k for k, place in enumerate(places) if record["mark_points"][k] != place]
    assert record["gt_value"] == letter_of(record, odd + 1)
    other = int(record["image"][odd].removesuffix(".jpg").rsplit("_", 1)[1])
    assert record["mark_points"][odd] == raw.place(frames[odd], other)
    assert raw.shows(frames[odd], other) == "seen" and raw.distance(vertex, other) >= 0.3
    one, two = (np.array(raw.project(frames[odd], v)[:2]) for v in (vertex, other))
    assert np.linalg.norm(one - two) >= 0.05 * raw.size[0]


def check_where(record: dict, raw: RawFrames) -> None:
    frames, vertex = record["frames"], record["point_id"]
    shows = [raw.shows(frame, vertex) for frame in frames]
    assert shows[0] == "seen" and set(shows[1:]) == {"seen", "absent"}
    assert record["seen"] == [one == "seen" for one in shows]
    letters = [letter_of(record, k + 1) for k, one in enumerate(shows) if one == "seen" and k]
    assert record["gt_value"] == ", ".join(letters)
    assert raw.are_joined(frames)


CHECKS = {NEAREST: check_nearest, HIDDEN: check_hidden, ODD: check_odd, WHERE: check_where}


@pytest.mark.parametrize("task", TASKS)
def test_every_record_is_as_the_raw_files_say(asked, raw, task):
    made = records_of(asked, task)
    assert len(made) >= (20 if task == ODD else 60)
    assert len({record["id"] for record in made}) == len(made)
    for record in made:
        frames = record["frames"]
        assert 3 <= len(set(frames)) == len(frames) <= 8
        assert not raw(scene_of(record)).are_alike(frames)
        if "p1" in record:
            assert record["p1"] == raw(scene_of(record)).place(frames[0], record["point_id"])
        CHECKS[task](record, raw(scene_of(record)))
    asked_about = {(scene_of(r), *sorted(r["frames"]), r["point_id"]) for r in made}
    assert len(asked_about) == len(made)


@pytest.mark.parametrize("task", TASKS)
def test_frames_and_answers_are_spread(asked, task):
    made = records_of(asked, task)
    sizes = Counter(len(record["image"]) for record in made)
    # Few points of the small scenes are seen by more frames than three.
    assert len(sizes) >= (2 if task in (NEAREST, ODD) else 4)
    if task in (NEAREST, ODD):
        of_three = Counter(r["gt_value"] for r in made if len(r["image"]) == 3)
        assert set(of_three) == set("ABC") and max(of_three.values()) <= 2.5 * min(
            of_three.values()
        )


def test_records_are_sound(asked, capsys):
    """Fields, questions, images, and that the value fits the other fields."""
    files = [str(record_path(asked, task, split, "v1_0")) for task in TASKS for split in SPLITS]
    there = [name for name in files if Path(name).exists()]
    assert check_records.main(["--root", str(asked), "--num-workers", "1", *there]) == 0
    assert "no fault" in capsys.readouterr().out


# ---- against the exact room ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def rooms(asked) -> dict[str, Room]:
    scenes = {split: SceneInfoHandler.load(asked, split) for split in SPLITS}
    truths = {spec.scene_id: SceneTruth.of(spec) for spec in sample_specs(0, small=True)}
    return {
        name: Room(name, truths[name], scenes[split])
        for split, names in SPLITS.items()
        for name in names
    }


@pytest.mark.parametrize("task", JUDGES)
def test_few_labels_are_wrong_against_the_exact_room(asked, rooms, task):
    """Of small scenes; of the usual ones at most 1 of 1,250 was wrong when this was written."""
    verdicts = [judge_frames(record, rooms) for record in records_of(asked, task)]
    most = 0.15 if task == ODD else 0.02  # matches are looser here
    assert np.mean([verdict.wrong for verdict in verdicts]) <= most


@pytest.mark.parametrize("task", JUDGES)
def test_the_exact_room_refutes_a_changed_label(asked, rooms, task):
    """So the judge looks at what it should."""
    for record in records_of(asked, task)[:10]:
        wrong = dict(record)
        if task == HIDDEN:
            wrong["gt_value"] = round(record["gt_value"] * 1.2)
        elif task == WHERE:
            wrong["seen"] = [True, *(not one for one in record["seen"][1:])]
        else:
            letters = list(record["choices"])
            wrong["gt_value"] = letters[letters.index(record["gt_value"]) - 1]
        assert judge_frames(wrong, rooms).wrong


# ---- pictures ------------------------------------------------------------------------------------


def rgb(color: str) -> np.ndarray:
    return np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)])


@pytest.mark.parametrize("task", TASKS)
def test_dots_are_where_the_fields_say_and_other_images_are_untouched(asked, raw, task):
    for split in SPLITS:
        path = record_path(asked, task, split, "v1_0")
        for record in read_jsonl(path):
            images = [path.parent / "images" / name for name in record["image"]]
            marked = images if task == ODD else images[:1]
            points = record["mark_points"] if task == ODD else [record["p1"]]
            assert len(record["mark_colors"]) == len(points) == len(marked)
            for image, place, color in zip(marked, points, record["mark_colors"], strict=True):
                pixels = jpeg.read(image, "")[..., ::-1].astype(int)
                height, width = pixels.shape[:2]
                x, y = round(place[0] * width / 1000), round(place[1] * height / 1000)
                around = pixels[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
                assert np.abs(np.median(around, axis=0) - rgb(color)).max() <= 12
            plain = asked / "data/scannet/posed_images" / scene_of(record)
            for image in images[len(marked) :]:
                assert image.read_bytes() == (plain / image.name).read_bytes()


@pytest.mark.parametrize("task", [NEAREST, ODD])
def test_the_folder_of_images_holds_those_of_records_and_no_other(asked, task):
    for split in SPLITS:
        folder = record_path(asked, task, split, "v1_0").parent
        named = {n for p in folder.glob("*.jsonl") for r in read_jsonl(p) for n in r["image"]}
        there = {p.relative_to(folder / "images").as_posix() for p in folder.rglob("*.jpg")}
        assert there == named


def test_a_frame_with_the_same_dot_is_one_picture_of_one_colour(asked):
    colors: dict[str, set[str]] = {}
    for record in records_of(asked, ODD):
        for name, color in zip(record["image"], record["mark_colors"], strict=True):
            colors.setdefault(name, set()).add(color)
    assert all(len(found) == 1 for found in colors.values())
    shared = sum(len(r["image"]) for r in records_of(asked, ODD)) - len(colors)
    assert shared > 0


# ---- what may change nothing ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def frames(asked) -> SceneFrames:
    scenes = SceneInfoHandler.load(asked, "train")
    tables = FrameTables(
        paths.pair_table_path(asked, "train"),
        paths.visibility_table_path(asked, "train"),
        paths.object_frames_dir(asked),
    )
    return SceneFrames(scenes, SCENE, tables, frozenset(scenes.image_ids(SCENE)))


def shuffled(rng: np.random.Generator, sets: np.ndarray) -> np.ndarray:
    return shuffle(rng, sets)


def sets_of(frames: SceneFrames, made: list[dict]) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers (n, 9), padded, and vertices (n,) of the records of one scene."""
    numbers = {image_id: k for k, image_id in enumerate(frames.image_ids)}
    mine = [record for record in made if scene_of(record) == SCENE]
    sets = np.full((len(mine), 9), NONE, np.int32)
    for row, record in zip(sets, mine, strict=True):
        row[: len(record["frames"])] = [numbers[name] for name in record["frames"]]
    return sets, np.array([record["point_id"] for record in mine])


def test_the_nearest_view_does_not_depend_on_the_order(asked, frames):
    rng, drops = np.random.default_rng(0), Counter()
    sets, points = sets_of(frames, records_of(asked, NEAREST))
    one = depth_views_questions.judge_nearest_views(frames, CONSTANTS, (sets, points), drops)
    other = shuffled(rng, sets)
    two = depth_views_questions.judge_nearest_views(frames, CONSTANTS, (other, points), drops)
    rows = np.arange(len(sets))
    assert len(one.sets) == len(two.sets) == len(sets) > 10 and (one.answers != two.answers).any()
    assert (one.sets[rows, one.answers] == two.sets[rows, two.answers]).all()


def test_a_frame_that_shows_the_point_farther_away_changes_no_nearest_view(asked, frames):
    """Without one of the others the nearest is the same."""
    sets, points = sets_of(frames, records_of(asked, NEAREST))
    drops: Counter[str] = Counter()
    one = depth_views_questions.judge_nearest_views(frames, CONSTANTS, (sets, points), drops)
    fewer = np.array(
        [
            np.append(np.delete(row, (answer + 1) % np.count_nonzero(row != NONE)), NONE)
            for row, answer in zip(sets, one.answers, strict=True)
        ]
    )
    two = depth_views_questions.judge_nearest_views(frames, CONSTANTS, (fewer, points), drops)
    rows = np.arange(len(sets))
    assert len(rows) > 10
    assert (sets[rows, one.answers] == fewer[rows, two.answers]).all()


def request_of(task: str) -> SceneRequest:
    return SceneRequest("train", SCENE, 0, {task: 50}, (3, 8), frozenset(), CONSTANTS, {})


def test_what_is_certain_of_a_point_does_not_depend_on_the_order(asked, frames):
    """The other frames of `seen_where` in any order: the same frames show the point; as many are
    the answer. An odd dot's point may be asked about in any order, too."""
    rng, drops = np.random.default_rng(1), Counter()
    sets, points = sets_of(frames, records_of(asked, WHERE))
    around = Surroundings(frames.views.points, 0.1)
    other = np.column_stack([sets[:, :1], shuffled(rng, sets[:, 1:])])
    one, two = (
        correspondence_views_questions.judge_seen_where(
            frames, around, request_of(WHERE), (some, points[:, None]), drops
        )
        for some in (sets, other)
    )
    assert len(one.sets) == len(sets) > 5 and (one.answers == two.answers).all()
    sets, points = sets_of(frames, records_of(asked, ODD))
    for some in (sets, shuffled(rng, sets)):
        assert correspondence_views_questions.are_certain(frames, 26.0, some, points).all()


def test_the_last_frame_of_a_hidden_depth_comes_last():
    sets = np.array([[9, 2, 7, 3, 5, NONE], [1, 8, 4, NONE, NONE, NONE]], np.int32)
    expected = [[9, 3, 5, 7, 2, NONE], [1, 4, 8, NONE, NONE, NONE]]
    assert depth_views_questions.last_behind(sets).tolist() == expected


# ---- bytes ---------------------------------------------------------------------------------------


def made_by(root: Path) -> dict[str, bytes]:
    return {name: data for name, data in data_files(root).items() if "_frames/" in name}


@pytest.mark.parametrize("command", [DEPTH, MATCH])
def test_two_workers_give_the_same_bytes(source, asked, tmp_path, command):
    root = link_root(source, tmp_path / "root")
    done = run_few(command, root, workers=2)
    assert done.returncode == 0, done.stdout + done.stderr
    mine, all_of = made_by(root), made_by(asked)
    assert len(mine) > 100 and {name: all_of[name] for name in mine} == mine


@pytest.mark.parametrize("command", [DEPTH, MATCH])
def test_killed_and_started_again_it_ends_with_the_same_bytes(source, asked, tmp_path, command):
    root = link_root(source, tmp_path / "root")
    line = [sys.executable, command, "--root", str(root), "--num-workers", "1", *FEW]
    line += LOOSER[command]
    process = subprocess.Popen(
        line, cwd=REPOSITORY, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and not list(root.glob("*_data/*_frames/**/*.jpg")):
        time.sleep(0.01)
    time.sleep(random.Random(command).uniform(0, 0.5))
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = run_few(command, root)
    assert done.returncode == 0, done.stdout + done.stderr
    mine, all_of = made_by(root), made_by(asked)
    assert mine and {name: all_of.get(name) for name in mine} == mine
    assert not list(root.rglob("*.parts")) and not list(root.rglob("*.partial"))


# ---- input that is wrong -------------------------------------------------------------------------


def test_a_missing_image_is_in_no_record(source, tmp_path):
    root = link_root(source, tmp_path / "root")
    (root / f"data/scannet/posed_images/{SCENE}/00010.jpg").unlink()
    done = run_few(MATCH, root, "--splits", "train")
    assert done.returncode == 0, done.stdout + done.stderr
    made = [r for task in (ODD, WHERE) for r in records_of(root, task) if scene_of(r) == SCENE]
    assert made and not [r for r in made if "00010" in r["frames"]]


def test_a_damaged_image_is_named_and_the_other_scenes_are_done(source, tmp_path):
    root = link_root(source, tmp_path / "root")
    for image in (root / f"data/scannet/posed_images/{SCENE}").glob("*.jpg"):
        data = own_file(image).read_bytes()
        image.write_bytes(data[: len(data) // 2])
    done = run_few(DEPTH, root, "--splits", "train")
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(f"failed: {SCENE}: "))
    assert ".jpg: could not read" in line and "extract_posed_images.py" in line
    assert {scene_of(r) for r in records_of(root, NEAREST)} == {"scene0001_00", "scene0704_00"}


@pytest.mark.parametrize("command", [DEPTH, MATCH])
def test_without_tables_the_commands_that_make_them_are_named(prepared_root, tmp_path, command):
    root = link_root(prepared_root, tmp_path / "root")
    done = run_few(command, root)
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert done.returncode == 2 and "calculate_frames_relations.py" in line


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (DEPTH, ("--num-frames", "2", "8")), (DEPTH, ("--num-frames", "6", "4")),
        (DEPTH, ("--min-hidden-m", "-1")), (MATCH, ("--min-odd-share", "x")),
        (MATCH, ("--min-hidden-m", "1")), (MATCH, ("--question-types", "nearest_view")),
    ],
)  # fmt: skip
def test_flags_that_make_no_sense_are_refused(source, command, flags):
    done = run_here(command, source, *flags)
    assert done.returncode == 2 and flags[0] in done.stderr


def test_few_frames_alone_and_one_type_alone(source, tmp_path):
    root = link_root(source, tmp_path / "root")
    flags = ("--num-frames", "3", "3", "--question-types", "seen_where", "--splits", "val")
    done = run_few(MATCH, root, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    made = records_of(root, WHERE)
    assert made and {len(record["image"]) for record in made} == {3}
    assert not record_path(root, ODD, "val", "v1_0").exists()
    meta = json.loads(Path(f"{record_path(root, WHERE, 'val', 'v1_0')}.meta.json").read_text())
    assert meta["settings"]["NUM_FRAMES"] == [3, 3]
