"""Preparation of a user's captures: started again, stopped, added to, split, refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import PATIENCE, REPOSITORY, data_files, made_once, run_here

from spatial_engine.sample_data.captures import transforms
from spatial_engine.sample_data.captures.room import make_room
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.scenes.split_lists import read_split_lists

COMMAND = "spatial_engine/utils/capture_utils/prepare_captures.py"
STEPS = (
    "spatial_engine/utils/scannet_utils/make_visibility_info.py",
    "spatial_engine/camera_movement/calculate_frames_relations.py",
    "spatial_engine/camera_movement/camera_movement_engine_train_val.py",
)
NAMES = ("kitchen", "office", "studio")
FRAMES = 24


@pytest.fixture(scope="session")
def captures(shared_folder) -> Path:
    """Three captures of 24 frames, `transforms`, and one of 9; not to be written to."""

    def make(folder: Path) -> None:
        for seed, name in enumerate(NAMES):
            transforms.write(
                make_room((64, 48), (64, 48), num_frames=FRAMES, seed=seed), folder / name
            )
        transforms.write(make_room((64, 48), (64, 48), num_frames=9), folder / "short")

    return made_once(shared_folder / "captures", make)


def prepare(root: Path, captures: Path, *names: str, dataset: str = "mine", flags=()):
    given = ("--format", "transforms", "--input", *(str(captures / name) for name in names))
    workers = () if "--num-workers" in flags else ("--num-workers", "1")
    return run_here(COMMAND, root, *given, "--dataset", dataset, *workers, *flags)


def prepared(root: Path, captures: Path, *names: str, **more):
    done = prepare(root, captures, *names, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def refused(done, *words: str) -> None:
    """Ended by itself, with a line that has these words."""
    assert done.returncode not in (0, None)
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if all(word in line for word in words)]
    assert lines, said


def frames(root: Path, scene: str, dataset: str = "mine") -> set[str]:
    return {path.stem for path in (root / f"data/{dataset}/posed_images/{scene}").glob("*.jpg")}


def times(root: Path) -> dict[str, int]:
    """When each file was written, but for the provenance of folders, which tells of each start."""
    paths = (path for path in root.rglob("*") if path.is_file())
    return {str(p): p.stat().st_mtime_ns for p in paths if not p.name.endswith(".meta.json")}


@pytest.fixture(scope="session")
def mine_root(shared_folder, captures) -> Path:
    """A root with the three captures as the data set `mine`, asked about; not to be written to."""

    def make(folder: Path) -> None:
        folder.mkdir()
        prepared(folder, captures, *NAMES)
        for step in STEPS:
            assert run_here(step, folder, "--dataset", "mine", "--num-workers", "1").returncode == 0

    return made_once(shared_folder / "mine", make)


def test_bytes_do_not_depend_on_workers(captures, mine_root, tmp_path):
    prepared(tmp_path, captures, *NAMES[::-1], flags=("--num-workers", "2"))
    for step in STEPS:
        assert run_here(step, tmp_path, "--dataset", "mine", "--num-workers", "2").returncode == 0
    assert data_files(tmp_path) == data_files(mine_root)
    assert list((tmp_path / "training_data/mine/camera_movement/v1_0").glob("*.jsonl"))


def test_a_second_start_does_nothing_and_says_so(captures, mine_root, tmp_path):
    """Where the root was moved, too."""
    root = shutil.copytree(mine_root, tmp_path / "root")
    before = times(root)
    done = prepared(root, captures, *NAMES)
    assert "up to date" in done.stdout, done.stdout
    assert times(root) == before


def test_captures_below_the_root_move_with_it(captures, tmp_path):
    shutil.copytree(captures, tmp_path / "here/raw")
    prepared(tmp_path / "here", tmp_path / "here/raw", "kitchen")
    (tmp_path / "here").rename(tmp_path / "there")
    done = prepared(tmp_path / "there", tmp_path / "there/raw", "kitchen")
    assert "again" not in done.stdout + done.stderr
    told = json.loads((tmp_path / "there/data/mine/meta_data/sources.json").read_text())
    assert told["kitchen"]["path"] == "raw/kitchen"


def test_captures_that_were_moved_are_told_anew(captures, tmp_path):
    (tmp_path / "root").mkdir()
    shutil.copytree(captures, tmp_path / "raw")
    prepared(tmp_path / "root", tmp_path / "raw", "kitchen")
    (tmp_path / "raw").rename(tmp_path / "moved")
    done = prepared(tmp_path / "root", tmp_path / "moved", "kitchen")
    assert "done again: inputs changed" in done.stdout
    told = json.loads((tmp_path / "root/data/mine/meta_data/sources.json").read_text())
    assert told["kitchen"]["path"] == (tmp_path / "moved/kitchen").as_posix()


@pytest.mark.parametrize("files_there, workers", [(2, 1), (40, 2), (75, 1)])
def test_a_killed_preparation_continues_to_the_same_bytes(
    files_there, workers, captures, mine_root, tmp_path
):
    """Killed when so many pictures are there; 72 are written in all, so the last one is killed in
    its end or not at all."""
    line = [sys.executable, COMMAND, "--root", str(tmp_path), "--format", "transforms", "--input"]
    line += [*(str(captures / name) for name in NAMES), "--dataset", "mine"]
    started = subprocess.Popen(
        [*line, "--num-workers", str(workers)], cwd=REPOSITORY, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    end = time.monotonic() + PATIENCE
    while started.poll() is None and time.monotonic() < end:
        # A folder may go while it is listed: os.walk takes that as empty, glob raises.
        listed = (names for _, _, names in os.walk(tmp_path / "data/mine"))
        if sum(name.endswith(".jpg") for names in listed for name in names) >= files_there:
            break
        time.sleep(0.005)
    if started.poll() is None:
        os.killpg(started.pid, signal.SIGKILL)
    started.wait(PATIENCE)
    prepared(tmp_path, captures, *NAMES)
    wanted = {n: b for n, b in data_files(mine_root).items() if n.startswith("data/")}
    wanted = {n: b for n, b in wanted.items() if "visibility_info" not in n}
    assert data_files(tmp_path) == wanted


def test_what_is_there_stays_when_others_are_added_or_fail(captures, tmp_path):
    prepared(tmp_path, captures, "kitchen", "office")
    lists = read_split_lists(Dataset(tmp_path, "mine"), "")

    def earlier() -> dict[str, bytes]:
        return {
            name: content
            for name, content in data_files(tmp_path).items()
            if any(f"/{scene}/" in name for scene in ("kitchen", "office"))
        }

    before = earlier()
    prepared(tmp_path, captures, "studio", flags=("--frame-skip", "2", "--up", "z"))
    assert earlier() == before and len(frames(tmp_path, "studio")) == FRAMES // 2
    assert len(frames(tmp_path, "kitchen")) == FRAMES
    now = read_split_lists(Dataset(tmp_path, "mine"), "")
    assert all(set(lists[split]) <= set(now[split]) for split in lists)
    told = json.loads((tmp_path / "data/mine/meta_data/sources.json").read_text())
    assert [told[name]["frame_skip"] for name in NAMES] == [1, 1, 2]

    refused(prepare(tmp_path, captures, "short"), "short", "at least 10 are needed")
    assert earlier() == before and len(frames(tmp_path, "studio")) == FRAMES // 2
    for step in STEPS:
        done = run_here(step, tmp_path, "--dataset", "mine", "--num-workers", "1")
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_short_capture_among_others_fails_alone(captures, tmp_path):
    done = prepare(tmp_path, captures, "kitchen", "short", "office")
    refused(done, "short", "9 frames", "at least 10 are needed")
    assert len(frames(tmp_path, "kitchen")) == len(frames(tmp_path, "office")) == FRAMES
    assert not frames(tmp_path, "short")
    done = run_here(STEPS[0], tmp_path, "--dataset", "mine", "--num-workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_scene_of_another_data_set_is_refused(captures, mine_root, tmp_path):
    root = shutil.copytree(mine_root, tmp_path / "root")
    before = data_files(root)
    done = prepare(root, captures, "office", dataset="yours")
    refused(done, "office", "mine", "rename")
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert data_files(root) == before


def test_a_capture_is_split_by_time(captures, tmp_path):
    prepared(tmp_path, captures, "kitchen", flags=("--split-by-time", "--val-share", "0.5"))
    lists = read_split_lists(Dataset(tmp_path, "mine"), "")
    assert {split: list(ids) for split, ids in lists.items()} == {
        "train": ["kitchen_begin"],
        "val": ["kitchen_end"],
    }
    begin, end = frames(tmp_path, "kitchen_begin"), frames(tmp_path, "kitchen_end")
    assert not begin & end and max(begin) < min(end) and len(begin | end) == FRAMES
    for step in STEPS:
        done = run_here(step, tmp_path, "--dataset", "mine", "--num-workers", "1")
        assert done.returncode == 0, done.stdout + done.stderr
    asked = (tmp_path / "evaluation_data/mine/camera_movement/v1_0").glob("*.jsonl")
    assert all("kitchen_begin" not in path.read_text() for path in asked)


@pytest.mark.parametrize("share, number", [("0", 0), ("0.2", 1), ("0.7", 2)])
def test_a_share_of_the_scenes_is_for_evaluation(share, number, captures, tmp_path):
    prepared(tmp_path, captures, *NAMES, flags=("--val-share", share))
    lists = read_split_lists(Dataset(tmp_path, "mine"), "")
    assert len(lists.get("val", ())) == number
    assert sorted([*lists["train"], *lists.get("val", ())]) == list(NAMES)


def test_a_split_without_scenes_asks_for_scenes(captures, tmp_path):
    prepared(tmp_path, captures, "kitchen")
    done = run_here(STEPS[0], tmp_path, "--dataset", "mine", "--num-workers", "1")
    assert done.returncode == 0
    assert "prepare scenes of mine for it" in done.stdout
    assert "update_info_file_with_images" not in done.stdout


def test_some_scenes_alone(captures, tmp_path):
    prepared(tmp_path, captures, *NAMES, flags=("--scenes", "office"))
    assert len(frames(tmp_path, "office")) == FRAMES and not frames(tmp_path, "kitchen")
    refused(prepare(tmp_path, captures, *NAMES, flags=("--scenes", "attic")), "attic")
    prepared(tmp_path, captures, *NAMES)
    assert len(frames(tmp_path, "kitchen")) == FRAMES
