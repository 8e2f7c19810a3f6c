"""The command `make_benchmark.py --debias`: a file of its own beside the plain one, of questions of
the evaluation files, with a table that says what was done."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from biased_questions import make_candidates
from conftest import REPOSITORY
from helpers import raises_one_line

from spatial_engine.errors import SettingsError
from spatial_engine.evaluation import make_benchmark, score_predictions
from spatial_engine.evaluation.debiasing.more_candidates import say_where_more_come_from
from spatial_engine.evaluation.debiasing.whole_file import most_complete
from spatial_engine.evaluation.results import chance_levels
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    find_record_files,
    read_records,
    record_path,
)
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.running.closing_table import NOT_AVAILABLE
from spatial_engine.utils.storage import provenance

FOLDER = Path("evaluation_data/multispa/v1_0")
NAMES = ("multispa_debiased.jsonl", "images_debiased.txt", "debias.json")
QUOTA = 20
TASKS_ASKED = ("camera_x_movement", "camera_yaw_angle", "depth_comparison_coor", "object_height")


def run(root: Path, *flags: str) -> None:
    line = ["--root", str(root), "--samples-per-subtask", str(QUOTA), "--rounds", "3", *flags]
    assert make_benchmark.main(line) == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A root with both benchmarks, of a few subtasks with known biases; not to be written to. Of
    its images only the names are looked at."""
    root = tmp_path_factory.mktemp("debiased")
    for task in TASKS_ASKED:
        records = make_candidates(task, 90, 12, seed=0)
        path = record_path(root, task, "val", "v1_0", k=2, most=-1)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(path, records)
        for name in {name for record in records for name in record["image"]}:
            image = root / "data/scannet/posed_images" / name
            image.parent.mkdir(parents=True, exist_ok=True)
            image.touch()
    run(root)
    run(root, "--debias")
    return root


@pytest.fixture(scope="module")
def records(made) -> list[dict]:
    return list(read_jsonl(made / FOLDER / NAMES[0]))


@pytest.fixture(scope="module")
def told(made) -> dict:
    return json.loads((made / FOLDER / "debias.json").read_bytes())


def test_which_commands_make_more_candidates_is_told(tmp_path, capsys):
    def line(candidates: int, why: str = "", score: float | None = 50.0) -> dict:
        return {"candidates": candidates, "questions": 300, "why": why, "after": {"score": score}}

    told = {
        "MAX_CANDIDATES": 5000,
        "subtasks": {
            "depth_comparison_dot": line(300),
            "depth_estimation_dot": line(700, "text alone is better than chance"),
            "object_height": line(310),
            "camera_x_movement": line(600),  # enough, as text alone does no better than chance
            "camera_yaw_angle": line(3000, "text alone is better than chance"),  # more do no good
            "movement_dot_distance_pstudio": line(900, "not tried: one recording", None),
            "correspondence_coor": line(300),
        },
    }
    files = []
    for task, step, dataset, drops in (
        ("depth_comparison_dot", "depth_comparison_dot_engine", "scannet", {}),
        ("depth_comparison_dot", "depth_comparison_dot_engine", "my_rooms", {}),
        ("depth_estimation_dot", "depth_estimation_dot_engine", "scannet", {}),
        ("object_height", "single_object_perception_engine", "scannet", {NOT_AVAILABLE: 9}),
        ("correspondence_coor", "", "scannet", {}),
    ):
        path = tmp_path / dataset / f"{task}.jsonl"
        path.parent.mkdir(exist_ok=True)
        if step:
            meta = provenance.meta_path(path)
            meta.write_text(json.dumps({"step": step, "drops": drops}))
        files.append(RecordFile(path, "val", task, tmp_path, dataset))
    say_where_more_come_from(told, files, Path("my root"), "v1_0")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(
        ": depth_comparison_dot 300 for 300, depth_estimation_dot 700 for 300, "
        "object_height 310 for 300, correspondence_coor 300 for 300"
    )
    folder, flags = "python spatial_engine/depth_perception", "--val-max-samples 5000"
    assert lines[1:] == [
        "make more, then start again:",
        f"  {folder}/depth_comparison_dot_engine.py --root 'my root' --dataset my_rooms {flags}",
        f"  {folder}/depth_comparison_dot_engine.py --root 'my root' {flags}",
        f"  {folder}/depth_estimation_dot_engine.py --root 'my root' {flags}",
        "all that can be asked is there; only more scenes give more: object_height",
        f"made elsewhere; make more with {flags} of their question scripts: correspondence_coor",
    ]
    assert all((REPOSITORY / line.split()[1]).is_file() for line in lines[2:5])
    told["subtasks"] = {"camera_x_movement": line(600)}
    say_where_more_come_from(told, files, Path(), "v1_0")
    assert capsys.readouterr().out == ""


def test_each_question_is_one_of_the_evaluation_files_and_there_once(made, records):
    there = {r["id"]: r for file in find_record_files(made, ["val"]) for r in read_records(file)}
    ids = [record["id"] for record in records]
    assert len(set(ids)) == len(ids)
    for record in records:
        source = there[record["id"]]
        assert record["text"] == source["text"] and record["task"] == source["task"]
        assert json.loads(record["gt_value"]) == source["gt_value"]


def test_the_quota_is_kept_and_choices_are_balanced(made, records):
    plain = Counter(r["task"] for r in read_jsonl(made / FOLDER / "multispa.jsonl"))
    assert Counter(record["task"] for record in records) == plain
    assert set(plain.values()) == {QUOTA} and set(plain) == set(TASKS_ASKED)
    said = Counter(json.loads(r["gt_value"]) for r in records if r["task"] == "camera_x_movement")
    assert said == {"left": QUOTA / 2, "right": QUOTA / 2}


def test_the_table_is_of_the_file(made, records, told):
    plain = list(read_jsonl(made / FOLDER / "multispa.jsonl"))
    assert set(told["subtasks"]) == {record["task"] for record in records}
    for when, file in (("before", plain), ("after", records)):
        for task, chance in chance_levels(file).items():
            line = told["subtasks"][task]
            assert line[when]["chance"] == pytest.approx(chance)
            assert line["questions"] == sum(record["task"] == task for record in file)
    before = {record["id"] for record in plain}
    for task, line in told["subtasks"].items():
        new = [r for r in records if r["task"] == task and r["id"] not in before]
        assert sum(line["pruned"].values()) == len(new)
        after = line["after"]
        assert line["why"] or after["low"] <= after["chance"]
    assert any(line["pruned"] for line in told["subtasks"].values())


def test_images_and_provenance_are_its_own(made, records):
    listed = (made / FOLDER / "images_debiased.txt").read_text().split()
    assert listed == sorted({name for record in records for name in record["image"]})
    meta = provenance.read_meta(made / FOLDER / NAMES[0])
    assert meta["settings"]["seed"] == 0 and meta["settings"]["FOLDS"] == make_benchmark.FOLDS
    assert "FOLDS" not in provenance.read_meta(made / FOLDER / "multispa.jsonl")["settings"]


def test_the_same_bytes_twice_and_the_plain_one_is_left(made, tmp_path):
    root = shutil.copytree(made, tmp_path / "root", symlinks=True)
    kept = (root / FOLDER / "multispa.jsonl").stat()
    for name in NAMES:
        (root / FOLDER / name).unlink()
    run(root, "--debias")
    for name in NAMES:
        assert (root / FOLDER / name).read_bytes() == (made / FOLDER / name).read_bytes()
    assert (root / FOLDER / "multispa.jsonl").stat() == kept
    (root / FOLDER / "debias.json").unlink()  # a file without its table is not whole
    run(root, "--debias")
    assert (root / FOLDER / "debias.json").is_file()


def test_the_scorer_takes_it(made, records, tmp_path):
    answers = tmp_path / "truth.jsonl"
    said = ({"id": r["id"], "prediction": f"`{json.loads(r['gt_value'])}`"} for r in records)
    write_jsonl(answers, said)
    benchmark = str(made / FOLDER / NAMES[0])
    line = ["--root", str(made), "--benchmark", benchmark, str(answers)]
    assert score_predictions.main(line) == 0
    scores = json.loads((tmp_path / "truth.scores.json").read_text())["subtasks"]
    assert {one["score"] for one in scores if one["questions"]} == {100.0}


def test_the_benchmark_of_more_frames_is_refused(made):
    with raises_one_line(SettingsError, "--debias", "multispa_frames"):
        run(made, "--debias", "--name", "multispa_frames")


def test_smaller_sets_of_images_are_taken_only_where_larger_ones_are_few():
    two = make_candidates("object_width", 5, 2, seed=0)
    one = [{**record, "image": record["image"][:1]} for record in two]
    assert most_complete([*two, *one], 5) == two
    assert most_complete([*two, *one], 6) == [*two, *one]
    assert most_complete([], 3) == []
