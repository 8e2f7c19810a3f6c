"""The benchmark: what is taken, in which form, with which images, and what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from conftest import run_command
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.evaluation import make_benchmark
from spatial_engine.utils.questions.record_files import (
    find_record_files,
    from_uniform,
    place_of,
    read_records,
)
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import NUMBER, SUBTASKS, TASKS, VECTOR

TYPES = {
    "id": str, "image": list, "text": str, "height_list": list, "width_list": list,
    "question_type": str, "task": str, "gt_value": str, "gt_unit": str, "extra": str,
}  # fmt: skip
FOLDER = Path("evaluation_data/multispa/v1_0")


def run(root: Path, *flags: str) -> list[dict]:
    """Make the benchmark; its records."""
    assert make_benchmark.main(["--root", str(root), *flags]) == 0
    return list(read_jsonl(root / FOLDER / "multispa.jsonl"))


@pytest.fixture(scope="module")
def questions(made_root, tmp_path_factory) -> Path:
    """A root with the questions of the sample data, without their pictures; not to be written."""
    root = tmp_path_factory.mktemp("questions")
    for folder in ("evaluation_data", "training_data"):
        for path in (made_root / folder).rglob("*.jsonl"):
            target = root / path.relative_to(made_root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        for path in (made_root / folder).rglob("images"):
            (root / path.relative_to(made_root)).symlink_to(path)
    (root / "data").symlink_to(made_root / "data")
    return root


@pytest.fixture
def root(questions, tmp_path) -> Path:
    """A copy of the questions, to be written to."""
    return shutil.copytree(questions, tmp_path / "root", symlinks=True)


@pytest.fixture(scope="module")
def made(questions, tmp_path_factory) -> Path:
    """A root with the benchmark made by the command; not to be written to."""
    root = tmp_path_factory.mktemp("made") / "root"
    shutil.copytree(questions, root, symlinks=True)
    done = run_command("spatial_engine/evaluation/make_benchmark.py", root)
    assert done.returncode == 0, done.stderr
    assert "none of" in done.stderr  # scenes is trained on
    return root


@pytest.fixture(scope="module")
def records(made) -> list[dict]:
    return list(read_jsonl(made / FOLDER / "multispa.jsonl"))


def evaluation_records(root: Path) -> dict[str, list[dict]]:
    """All evaluation records by subtask, object sets of two images first."""
    found: dict[str, list[dict]] = {task: [] for task in SUBTASKS}
    for file in find_record_files(root, ["val"]):
        if file.task in SUBTASKS:
            found[file.task] += read_records(file)
    return found


def file_of(root: Path, split: str, task: str) -> Path:
    return next(f.path for f in find_record_files(root, [split]) if f.task == task)


def test_each_subtask_has_all_questions_there_are_up_to_300(questions, records):
    there = {task: len(found) for task, found in evaluation_records(questions).items()}
    taken = Counter(record["task"] for record in records)
    assert taken == {task: min(300, number) for task, number in there.items()}
    assert set(taken) == set(SUBTASKS)
    assert len({record["id"] for record in records}) == len(records)


def test_no_more_than_300_of_a_subtask(root):
    path = file_of(root, "val", "camera_yaw_angle")
    some = list(read_jsonl(path))
    many = [{**some[n % len(some)], "id": f"q{n}"} for n in range(301)]
    write_jsonl(path, many)
    found = [r["id"] for r in run(root) if r["task"] == "camera_yaw_angle"]
    assert found == [f"q{n}" for n in range(300)]


@pytest.mark.parametrize("wanted", [1, 7])
def test_samples_per_subtask(root, wanted, capsys):
    found = run(root, "--samples-per-subtask", str(wanted))
    assert Counter(r["task"] for r in found) == dict.fromkeys(SUBTASKS, wanted)
    assert f"26 of 26 subtasks have {wanted} questions" in capsys.readouterr().out


def test_what_is_short_is_said(root, capsys):
    file_of(root, "val", "camera_yaw_angle").unlink()
    made = run(root)
    taken = Counter(r["task"] for r in made)
    out = capsys.readouterr().out
    told = re.findall(r"(\d+) (seen|heldout|plain)", out.splitlines()[-1])
    found = Counter(json.loads(r["extra"])["wording"] for r in made)
    assert {wording: int(number) for number, wording in told} == found
    short = [line for line in out.splitlines() if line.startswith("fewer: ")]
    assert len(short) == 1
    said = dict(part.rsplit(" ", 1) for part in short[0].removeprefix("fewer: ").split(", "))
    assert said == {task: str(taken[task]) for task in SUBTASKS if taken[task] < 300}
    assert said["camera_yaw_angle"] == "0"


@pytest.mark.parametrize("flags", [("--samples-per-subtask", "0"), ("--samples-per-subtask", "x")])
def test_number_of_samples_is_checked(root, flags, capsys):
    with pytest.raises(SystemExit) as caught:
        run(root, *flags)
    assert caught.value.code == 2
    assert "--samples-per-subtask" in capsys.readouterr().err


def test_sets_of_two_images_come_first(records):
    for task in SUBTASKS:
        numbers = [len(r["image"]) for r in records if r["task"] == task]
        if task.startswith("object_"):
            assert numbers == sorted(numbers, reverse=True)
            assert 2 in numbers
        else:
            assert set(numbers) == {TASKS[task].num_images}


def test_sets_of_one_image_only_fill_up(root):
    sets = {"k1": 5, "k2": 3}
    for k, number in sets.items():
        path = next(root.glob(f"evaluation_data/object_perception/*height_{k}_val_*.jsonl"))
        lines = list(read_jsonl(path))[:number]
        assert len(lines) == number
        write_jsonl(path, lines)
    found = run(root, "--samples-per-subtask", "4")
    assert [len(r["image"]) for r in found if r["task"] == "object_height"] == [2, 2, 2, 1]


def test_the_same_question_in_two_files_is_taken_once(root):
    """Files of another number of samples may lie beside each other."""
    before = run(root)
    for path in root.glob("evaluation_data/object_perception/*_val_3000.jsonl"):
        lines = list(read_jsonl(path))
        write_jsonl(path.with_name(path.name.replace("3000", "20")), lines[:20])
    after = run(root)
    assert Counter(r["task"] for r in after) == Counter(r["task"] for r in before)
    assert len({r["id"] for r in after}) == len(after)


def test_one_schema(records):
    for record in records:
        assert {name: type(value) for name, value in record.items()} == TYPES
        assert {type(name) for name in record["image"]} == {str}
        sizes = record["height_list"] + record["width_list"]
        assert {type(size) for size in sizes} == {int}
        images = len(record["image"])
        assert len(record["height_list"]) == len(record["width_list"]) == images
        assert record["text"].count("<image>") == images
        assert record["gt_unit"] == TASKS[record["task"]].unit
        truth, extra = json.loads(record["gt_value"]), json.loads(record["extra"])
        kind = {NUMBER: int, VECTOR: list}.get(TASKS[record["task"]].answer)
        assert kind is None or type(truth) is kind
        assert isinstance(extra, dict)


def test_records_are_the_evaluation_records_with_images_relative_to_the_root(questions, records):
    own = {r["id"]: r for found in evaluation_records(questions).values() for r in found}
    for record in records:
        plain, expected = from_uniform(record), own[record["id"]]
        for name, image in zip(plain.pop("image"), expected["image"], strict=True):
            assert name.endswith(f"/{image}")
        assert plain == {name: v for name, v in expected.items() if name != "image"}


def test_images_are_there_and_listed_once_and_sorted(made, records):
    listed = (made / FOLDER / "images.txt").read_text().splitlines()
    assert listed == sorted(set(listed))
    assert set(listed) == {name for record in records for name in record["image"]}
    for name in listed:
        assert not Path(name).is_absolute() and ".." not in Path(name).parts
        assert (made / name).is_file(), name


def test_second_start_finds_all_up_to_date(made, capsys):
    files = [made / FOLDER / name for name in ("multispa.jsonl", "images.txt")]
    before = [os.stat(file).st_mtime_ns for file in files]
    run(made)
    assert capsys.readouterr().out.count("up to date") == 2
    assert [os.stat(file).st_mtime_ns for file in files] == before


def test_same_bytes(made, root):
    run(root)
    for name in ("multispa.jsonl", "images.txt"):
        assert (root / FOLDER / name).read_bytes() == (made / FOLDER / name).read_bytes()


def test_changed_questions_are_noticed(root):
    run(root)
    path = file_of(root, "val", "depth_estimation_dot")
    write_jsonl(path, list(read_jsonl(path))[:3])
    assert Counter(r["task"] for r in run(root))["depth_estimation_dot"] == 3


# Held out


def plant(root: Path, task: str, scene: str | None = None) -> tuple[Path, str]:
    """Append an evaluation record, as if of `scene`, to the training file of its subtask."""
    record = dict(next(read_jsonl(file_of(root, "val", task))))
    own, _, name = record["image"][0].partition("/")
    scene = scene or own
    record["image"] = [f"{scene}/{name}"] * len(record["image"])
    path = file_of(root, "train", task)
    write_jsonl(path, [*read_jsonl(path), record])
    return path, own


def assert_refused(root: Path, *words: object) -> None:
    with raises_one_line(BadDataError, *words):
        run(root)
    assert not (root / FOLDER / "multispa.jsonl").exists()
    assert not (root / FOLDER / "images.txt").exists()


@pytest.mark.parametrize(
    "task", ["camera_z_movement", "depth_comparison_dot", "object_width", "movement_dot_vector_adt"]
)
def test_scene_that_is_trained_on_is_refused(root, task):
    path, scene = plant(root, task)
    assert_refused(root, path, place_of(task, f"{scene}/00000.jpg"))


def test_scene_trained_on_in_another_task_is_refused(root):
    """A scene of the camera questions, shown only in training files of object perception."""
    scene = next(read_jsonl(file_of(root, "val", "camera_x_movement")))["image"][0].split("/")[0]
    path, _ = plant(root, "object_length", scene)
    assert_refused(root, path, scene)


@pytest.mark.parametrize("task", ["movement_coord_distance_adt", "movement_dot_vector_pstudio"])
def test_another_chunk_of_an_evaluation_recording_is_refused(root, task):
    clip = next(read_jsonl(file_of(root, "val", task)))["image"][0].split("/")[0]
    recording, _, chunk = clip.rpartition("_")
    assert chunk.isdigit()
    path, _ = plant(root, task, f"{recording}_{int(chunk) + 50}")
    assert_refused(root, path, recording)


def test_another_recording_of_the_activity_is_no_leak(root):
    task = "movement_coord_distance_pstudio"
    plant(root, task, "elsewhere_1")
    assert run(root)


def test_leak_that_comes_later_is_found_though_the_benchmark_is_made(root):
    run(root)
    path, scene = plant(root, "camera_z_movement")
    with raises_one_line(BadDataError, path, scene):
        run(root)


def test_without_training_data_the_benchmark_is_made_and_the_gap_told(root, caplog):
    shutil.rmtree(root / "training_data")
    assert run(root)
    assert "no training data" in caplog.text


# What is missing or broken


def test_missing_image_is_refused(root):
    """The pictures are links here: one folder's is made real, less one picture."""
    path = file_of(root, "val", "depth_estimation_dot")
    name = next(read_jsonl(path))["image"][0]
    images = path.with_name("images")
    real = images.resolve()
    images.unlink()
    shutil.copytree(real, images)
    (images / name).unlink()
    with raises_one_line(MissingInputError, images / name):
        run(root)
    assert not (root / FOLDER / "images.txt").exists()


def test_no_questions_at_all_are_told(tmp_path):
    with raises_one_line(MissingInputError, tmp_path / "evaluation_data", "question scripts"):
        run(tmp_path)


@pytest.mark.parametrize("split", ["val", "train"])
@pytest.mark.parametrize("line", [b"{\n", b"[]\n", b'{"id":"x"}\n'])
def test_damaged_questions_are_told_with_their_line(root, split, line):
    path = file_of(root, split, "camera_yaw_angle")
    lines = len(path.read_bytes().splitlines())
    with open(path, "ab") as file:
        file.write(line)
    assert_refused(root, f"{path}:{lines + 1}")


def test_question_in_the_file_of_another_subtask_is_told(root):
    path = file_of(root, "val", "camera_yaw_angle")
    other = next(read_jsonl(file_of(root, "val", "camera_pitch_angle")))
    write_jsonl(path, [other])
    assert_refused(root, f"{path}:1", "camera_pitch_angle")
