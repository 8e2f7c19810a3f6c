"""Commands about three to eight frames as typed: same bytes always, restartable, sound records."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from conftest import FEWER, FRAME_COMMANDS, data_files, link_root, run_command, run_here
from kill_runs import WRITES, written_by

from spatial_engine.utils.questions.record_files import find_record_files
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.questions.tasks import FRAME_TASKS

SPLITS = ("train", "val")
EACH = pytest.mark.parametrize("command", FRAME_COMMANDS, ids=lambda command: Path(command).stem)


def files_of(command: str, root: Path) -> list[Path]:
    """The command's files of records."""
    return sorted(path for folder in written_by(command, root) for path in folder.rglob("*.jsonl"))


def records_of(command: str, root: Path) -> list[dict]:
    return [record for path in files_of(command, root) for record in read_jsonl(path)]


@pytest.fixture
def own_root(framed_root, tmp_path) -> Path:
    return link_root(framed_root, tmp_path)


@EACH
def test_one_worker_and_two_give_the_same_bytes(command, framed_root, own_root):
    """As typed with one; with two they ran in a test process."""
    assert written_by(command, own_root), WRITES
    for folder in written_by(command, own_root):
        shutil.rmtree(folder)
    done = run_command(command, own_root, "--num-workers", "1", *FEWER[command])
    assert done.returncode == 0, done.stdout + done.stderr
    one, two = data_files(own_root), data_files(framed_root)
    assert sorted(one) == sorted(two)
    assert [name for name in one if one[name] != two[name]] == []


@EACH
def test_a_second_start_writes_nothing(command, framed_root):
    before = {path: path.stat().st_mtime_ns for path in files_of(command, framed_root)}
    done = run_here(command, framed_root, *FEWER[command])
    assert done.returncode == 0 and "up to date" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_every_task_of_these_commands_has_records_of_both_splits(framed_root):
    files = [file for file in find_record_files(framed_root) if file.task in FRAME_TASKS]
    assert len(files) == len({(file.task, file.split) for file in files})
    tasks = {json.loads(line)["task"] for f in files for line in f.path.read_bytes().splitlines()}
    assert tasks == {file.task for file in files} and len(files) == 4 * len(FRAME_COMMANDS)


@EACH
def test_records_are_sound_and_of_one_split(command, framed_root):
    scenes: dict[str, set[str]] = {split: set() for split in SPLITS}
    ids: Counter[str] = Counter()
    for file in find_record_files(framed_root):
        if file.path not in files_of(command, framed_root):
            continue
        sets = Counter()
        for record in read_jsonl(file.path):
            assert check_record(record, file.split, file.task) == []
            assert all((file.image_root / name).is_file() for name in record["image"])
            assert 3 <= len(record["image"]) <= 8
            scene = record["image"][0].split("/")[0]
            frames = record["frames"]
            assert [Path(name).parent.name for name in record["image"]] == [scene] * len(frames)
            assert record["id"].startswith(f"{file.task}_{file.split}_{scene}_{'_'.join(frames)}")
            scenes[file.split].add(scene)
            ids[record["id"]] += 1
            about = (record.get(name) for name in ("point_id", "object_ids", "raw_category"))
            sets[(scene, *sorted(frames), json.dumps(list(about)))] += 1
        assert max(sets.values()) == 1, "no set of frames is asked about the same thing twice"
    assert max(ids.values()) == 1
    assert scenes["train"] and scenes["val"] and not scenes["train"] & scenes["val"]


@EACH
def test_numbers_of_frames_and_types_can_be_chosen(command, framed_root, own_root):
    names = sorted({path.stem.rpartition("_")[0] for path in files_of(command, own_root)})
    for folder in written_by(command, own_root):
        shutil.rmtree(folder)
    flags = ("--num-frames", "3", "3", "--question-types", names[0], "--num-workers", "1")
    done = run_here(command, own_root, *flags, *FEWER[command])
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    there = files_of(command, own_root)
    assert there and {path.stem.rpartition("_")[0] for path in there} == {names[0]}
    assert {len(record["image"]) for record in records_of(command, own_root)} == {3}


@EACH
def test_one_type_alone_has_the_records_that_it_has_beside_the_other(command, own_root):
    before = {path: path.read_bytes() for path in files_of(command, own_root)}
    name = min(path.stem.rpartition("_")[0] for path in before)
    done = run_here(
        command, own_root, "--question-types", name, "--num-workers", "1", *FEWER[command]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "up to date" not in done.stdout
    assert {path: path.read_bytes() for path in files_of(command, own_root)} == before
    for file in find_record_files(own_root):  # pictures of the other type are there still
        for record in read_jsonl(file.path) if file.path in before else ():
            assert all((file.image_root / image).is_file() for image in record["image"])


@EACH
def test_the_least_number_of_frames_comes_first(command, framed_root):
    done = run_here(command, framed_root, "--num-frames", "5", "3")
    assert done.returncode == 2
    assert "--num-frames 5 3: the least comes first" in done.stderr


@EACH
def test_a_scene_that_is_not_there_is_named(command, framed_root):
    done = run_here(command, framed_root, "--scenes", "nosuch", "--num-workers", "1")
    assert done.returncode == 2 and "--scenes nosuch: " in done.stderr


@EACH
def test_a_trial_of_one_scene_does_not_replace_what_is_there(command, framed_root, own_root):
    before = {path: path.read_bytes() for path in files_of(command, own_root)}
    scene = next(read_jsonl(next(iter(before))))["image"][0].split("/")[0]
    done = run_here(command, own_root, "--scenes", scene, "--num-workers", "1", *FEWER[command])
    assert done.returncode == 2, done.stdout + done.stderr
    assert {path: path.read_bytes() for path in files_of(command, own_root)} == before
    for folder in written_by(command, own_root):
        shutil.rmtree(folder)
    done = run_here(command, own_root, "--scenes", scene, "--num-workers", "1", *FEWER[command])
    assert {r["image"][0].split("/")[0] for r in records_of(command, own_root)} == {scene}


@EACH
def test_where_nothing_is_asked_for_nothing_is_made(command, own_root):
    for folder in written_by(command, own_root):
        shutil.rmtree(folder)
    flags = (*FEWER[command][4:], "--train-max-samples", "0", "--val-max-samples", "5")
    done = run_here(command, own_root, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "train, 0 questions were asked for" in done.stdout
    files = files_of(command, own_root)
    assert files and all(path.stem.endswith("_val") for path in files)
    assert all(len(path.read_bytes().splitlines()) <= 5 for path in files)
