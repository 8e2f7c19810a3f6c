"""The training mix: proportions, exact numbers by the trainer's own rule, the tracked full set."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import REPOSITORY, run_here
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_engine.exports.mix.files import full_set
from spatial_engine.exports.mix.shares import GROUP_RECORDS, MixFile, make_meta, plan_mix
from spatial_engine.utils.questions.record_files import find_record_files
from spatial_engine.utils.questions.tasks import FRAME_TASKS, SUBTASKS, TASKS
from spatial_engine.utils.storage.provenance import meta_path

COMMAND = "spatial_engine/exports/make_training_mix.py"
TRACKED = REPOSITORY / "data/configs/mix3M.json"


def taken(entry: dict) -> int:
    """Records that InternVL's trainer takes of an entry (docs/training.md)."""
    repeat = entry["repeat_time"]
    if repeat < 1:
        return int(entry["length"] * repeat)
    assert isinstance(repeat, int)
    return entry["length"] * repeat


def taken_by_group(meta: dict) -> dict[str, int]:
    groups = dict.fromkeys(GROUP_RECORDS, 0)
    for name, entry in meta.items():
        groups[TASKS[name.removesuffix("_rest")].group] += taken(entry)
    return groups


def file(task: str, length: int) -> MixFile:
    return MixFile(task, f"{task}.jsonl", "images", length, TASKS[task].num_images, task)


mixed = sorted(TASKS.keys() - FRAME_TASKS.keys())
lengths = st.dictionaries(st.sampled_from(mixed), st.integers(1, 10**7), min_size=1)


@settings(max_examples=200, deadline=None)
@given(lengths, st.integers(1, 10**7), st.integers(1, 4))
def test_the_trainer_takes_what_was_planned_and_no_record_too_often(lengths, total, max_repeat):
    files = [file(task, length) for task, length in lengths.items()]
    plan = plan_mix(files, total, max_repeat)
    meta = make_meta(files, plan.wanted)
    assert sum(map(taken, meta.values())) == sum(plan.wanted) <= total
    for mine, wanted in zip(files, plan.wanted, strict=True):
        assert 0 <= wanted <= max_repeat * mine.length
    if not plan.short:
        assert sum(plan.wanted) == total


@settings(max_examples=100, deadline=None)
@given(lengths, st.integers(10**4, 10**7), st.integers(1, 3))
def test_groups_keep_the_proportions_of_the_full_set(lengths, total, max_repeat):
    files = [file(task, length) for task, length in lengths.items()]
    plan = plan_mix(files, total, max_repeat)
    groups = dict.fromkeys(GROUP_RECORDS, 0)
    for mine, wanted in zip(files, plan.wanted, strict=True):
        groups[TASKS[mine.task].group] += wanted
    there = {TASKS[mine.task].group for mine in files}
    whole = sum(GROUP_RECORDS[group] for group in there)
    for group in there:
        share = sum(plan.wanted) * GROUP_RECORDS[group] / whole
        assert groups[group] == pytest.approx(share, abs=len(files) + 1)


def test_a_file_used_more_than_once_has_an_entry_for_the_rest():
    files = [file("camera_x_movement", 100)]
    assert make_meta(files, [250]) == {
        "camera_x_movement": {
            "root": "images", "annotation": "camera_x_movement.jsonl", "data_augment": False,
            "repeat_time": 2, "length": 100, "max_dynamic_patch": 12,
        },
        "camera_x_movement_rest": {
            "root": "images", "annotation": "camera_x_movement.jsonl", "data_augment": False,
            "repeat_time": 0.505, "length": 100, "max_dynamic_patch": 12,
        },
    }  # fmt: skip
    assert make_meta(files, [0]) == {}


def test_the_tracked_mix_is_what_the_command_writes(tmp_path):
    done = run_here(COMMAND, tmp_path, "--full-set")
    assert done.returncode == 0, done.stderr
    written = [path for path in (tmp_path / "data/configs").rglob("*") if path.is_file()]
    written.remove(meta_path(tmp_path / "data/configs/mix3M.json"))
    assert len(written) == 4  # for InternVL, two for LLaMA-Factory, for ms-swift
    for path in written:
        assert path.read_bytes() == (REPOSITORY / path.relative_to(tmp_path)).read_bytes()


def test_the_tracked_mix_is_three_million_of_26_files():
    meta = json.loads(TRACKED.read_text())
    assert set(meta) == set(SUBTASKS)
    assert sum(map(taken, meta.values())) == 3_000_000
    whole = sum(GROUP_RECORDS.values())
    assert whole == 30_600_000
    for group, number in taken_by_group(meta).items():
        assert number == pytest.approx(3_000_000 * GROUP_RECORDS[group] / whole, abs=10)
    for name, entry in meta.items():
        images = TASKS[name].num_images
        assert set(entry) == {
            "root", "annotation", "data_augment", "repeat_time", "length", "max_dynamic_patch",
        }  # fmt: skip
        assert entry["data_augment"] is False and entry["max_dynamic_patch"] == 6 * images
        assert entry["annotation"].endswith(".jsonl")


def test_lengths_of_the_tracked_mix_are_those_of_the_full_set():
    by_group = dict.fromkeys(GROUP_RECORDS, 0)
    for task in SUBTASKS.values():
        by_group[task.group] += task.full_length
    assert by_group["camera orientation"] == 4_000_000
    assert by_group["camera translation"] == 9_000_000
    assert by_group["object movement"] == 13_000_000
    assert by_group["correspondence"] == 1_500_000
    assert by_group["depth"] == 331_295 + 337_523 + 1_000_000
    assert by_group["object perception"] == 457_409 + 667_299 + 425_229


def test_full_set_names_the_files_that_the_scripts_write(made_root):
    """Names of the full set, where sample data was made with fewer points and samples."""
    files = [f for f in find_record_files(made_root, ["train"]) if f.task in SUBTASKS]
    there = {file.path.relative_to(made_root).parent for file in files}
    assert {Path(mine.annotation).parent for mine in full_set()} == there
    annotations = [mine.annotation for mine in full_set()]
    assert (
        "training_data/object_perception/object_perception_height_k2_train_-1.jsonl" in annotations
    )
    name = "adt_tapvid3d_total_distance_train_15points_30pairs.jsonl"
    assert f"training_data/object_movement_dot/v1_0/adt/{name}" in annotations


@pytest.fixture
def root(made_root, tmp_path) -> Path:
    shutil.copytree(made_root / "training_data", tmp_path / "training_data")
    return tmp_path


def test_mix_of_what_is_on_disk(root, made_root):
    assert run_here(COMMAND, root, "--total", "300").returncode == 0
    meta = json.loads((root / "training_data/mix3M.json").read_text())
    assert sum(map(taken, meta.values())) == 300
    for entry in meta.values():
        lines = (root / entry["annotation"]).read_bytes().splitlines()
        assert entry["length"] == len(lines)
        record = json.loads(lines[0])
        assert entry["max_dynamic_patch"] == 6 * len(record["image"])
        for name in record["image"]:
            assert (made_root / entry["root"] / name).is_file()
    assert not any("_k1_" in entry["annotation"] for entry in meta.values())


def test_a_small_group_makes_the_mix_smaller_and_says_so(root):
    done = run_here(COMMAND, root)
    assert done.returncode == 0
    assert "to keep the proportions" in done.stdout
    meta = json.loads((root / "training_data/mix3M.json").read_text())
    groups = taken_by_group(meta)
    together = sum(groups.values())
    assert 100 < together < 3_000_000
    for group, number in groups.items():
        share = together * GROUP_RECORDS[group] / sum(GROUP_RECORDS.values())
        assert number == pytest.approx(share, abs=27)


def test_groups_that_are_not_there_are_named_and_left_out(root):
    shutil.rmtree(root / "training_data/camera_movement")
    done = run_here(COMMAND, root, "--total", "300")
    assert done.returncode == 0
    assert done.stdout.count("(no file)") == 2
    meta = json.loads((root / "training_data/mix3M.json").read_text())
    assert not any(name.startswith("camera") for name in meta)
    assert sum(map(taken, meta.values())) == 300


def test_absolute_paths_can_be_used_from_anywhere(root):
    output = root / "elsewhere.json"
    flags = ("--total", "200", "--absolute-paths", "--output", str(output))
    assert run_here(COMMAND, root, *flags).returncode == 0
    for entry in json.loads(output.read_text()).values():
        assert Path(entry["annotation"]).is_absolute() and Path(entry["annotation"]).is_file()
        assert Path(entry["root"]).is_absolute()


def test_of_two_files_of_a_subtask_the_longest_is_taken(root):
    folder = root / "training_data/object_perception"
    longest = folder / "object_perception_length_k2_train_-1.jsonl"
    lines = longest.read_bytes().splitlines(keepends=True)
    (folder / "object_perception_length_k2_train_9.jsonl").write_bytes(b"".join(lines[:9]))
    done = run_here(COMMAND, root, "--total", "100")
    assert done.returncode == 0
    assert "several files" in done.stderr
    meta = json.loads((root / "training_data/mix3M.json").read_text())
    assert meta["object_length"]["length"] == len(lines) > 9


def test_no_training_data_is_refused(tmp_path):
    done = run_here(COMMAND, tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and len(done.stderr.splitlines()) == 1
