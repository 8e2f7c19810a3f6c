"""The benchmark, its baselines and its scores over several data sets of scenes."""

from collections import Counter
from pathlib import Path

import pytest
from conftest import link_root, own_file
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.evaluation import make_baselines, make_benchmark, score_predictions
from spatial_engine.evaluation.benchmark import gathering
from spatial_engine.evaluation.benchmark.gathering import gather
from spatial_engine.utils.paths import benchmark_path
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    dataset_shown,
    find_record_files,
    read_uniform,
)
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl
from spatial_engine.utils.questions.tasks import SUBTASKS


@pytest.fixture
def root(gathered_root, tmp_path) -> Path:
    return link_root(gathered_root, tmp_path / "root")


def make(root: Path, *flags: str) -> list[dict]:
    assert make_benchmark.main(["--root", str(root), *flags]) == 0
    return list(read_uniform(benchmark_path(root, "v1_0")))


def dataset_of(root: Path, record: dict) -> str:
    return dataset_shown(root, record, root / record["image"][0])


def test_data_sets_take_turns_and_nothing_else_changes(root, capsys):
    records = make(root)
    assert "about scenes: " in capsys.readouterr().out
    assert all((root / name).is_file() for record in records for name in record["image"])
    for task in SUBTASKS:
        mine = [record for record in records if record["task"] == task]
        files = [file for file in find_record_files(root, ["val"]) if file.task == task]
        there = Counter(file.dataset for file in files for _ in read_jsonl(file.path))
        assert len(mine) == min(300, sum(there.values()))
        if "my_rooms" not in there:
            continue
        turns = 2 * min(there.values())
        named = [dataset_of(root, record) for record in mine]
        assert named[:turns] == ["scannet", "my_rooms"] * (turns // 2)
        for dataset in there:
            (file,) = (file for file in files if file.dataset == dataset)
            ids = [record["id"] for record in read_jsonl(file.path)]
            taken = [r["id"] for r, n in zip(mine, named, strict=True) if n == dataset]
            assert taken == ids[: len(taken)]
    few = make(root, "--samples-per-subtask", "5")
    assert Counter(record["task"] for record in few) == dict.fromkeys(SUBTASKS, 5)
    asked = [r for r in few if r["task"] == "camera_x_movement"]
    assert [dataset_of(root, r) for r in asked] == ["scannet", "my_rooms"] * 2 + ["scannet"]


def test_of_one_data_set_all_is_as_without_the_others(root, made_root, tmp_path):
    alone = link_root(made_root, tmp_path / "alone")
    make(alone)
    make(root, "--dataset", "scannet")
    for name in ("multispa.jsonl", "images.txt"):
        paths = [benchmark_path(one, "v1_0").with_name(name) for one in (alone, root)]
        assert paths[0].read_bytes() == paths[1].read_bytes()
    captured = make(root, "--dataset", "my_rooms")
    scenes = {dataset_of(root, r) for r in captured if not SUBTASKS[r["task"]].of_clips}
    assert scenes == {"my_rooms"}


def test_larger_sets_of_images_of_all_data_sets_come_first(tmp_path, monkeypatch):
    def file(dataset: str, number: int, ids: list[str]) -> RecordFile:
        path = tmp_path / dataset / f"object_perception_height_k{number}_val_-1.jsonl"
        path.parent.mkdir(exist_ok=True)
        images = [f"s/{n}.jpg" for n in range(number)]
        write_jsonl(path, ({"id": i, "task": "object_height", "image": images} for i in ids))
        return RecordFile(path, "val", "object_height", tmp_path, dataset)

    monkeypatch.setattr(gathering, "to_uniform", lambda record, *_: record)
    files = [
        file("scannet", 2, ["a", "b", "c"]), file("scannet", 1, ["d"]),
        file("rooms", 2, ["e"]), file("rooms", 1, ["f", "a", "g"]),
    ]  # fmt: skip
    taken = [record["id"] for record in gather(files, tmp_path, 300)]
    assert taken == ["a", "e", "b", "c", "d", "f", "g"]
    assert [record["id"] for record in gather(files, tmp_path, 5)] == taken[:5]


def test_a_scene_that_any_data_set_trains_on_is_refused(root, capsys):
    make(root)
    said = "training files: none of"
    path = next(
        file.path
        for file in find_record_files(root, ["train"])
        if file.dataset == "my_rooms" and file.task == "camera_x_movement"
    )
    first, *rest = read_jsonl(own_file(path))
    scene = next(
        r["image"][0]
        for file in find_record_files(root, ["val"])
        if (file.dataset, file.task) == ("my_rooms", "camera_x_movement")
        for r in read_jsonl(file.path)
    )
    write_jsonl(path, [{**first, "image": [scene, scene]}, *rest])
    for flags in ([], ["--dataset", "my_rooms"]):
        with raises_one_line(BadDataError, path, scene.partition("/")[0]):
            make(root, *flags)
    assert said not in capsys.readouterr().out  # it is said in the log
    make(root, "--dataset", "scannet")  # whose scenes nobody trains on


def test_a_data_set_without_records_is_an_error(root):
    with raises_one_line(MissingInputError, "no records of the data set my_romms"):
        make(root, "--dataset", "scannet", "my_romms")
    with raises_one_line(MissingInputError, "no records of the data set arkitscenes"):
        make(root, "--dataset", "arkitscenes")  # it has training scenes alone
    assert not benchmark_path(root, "v1_0").exists()


def test_baselines_and_scores_are_by_subtask_as_of_one_data_set(root, capsys):
    records = make(root)
    assert make_baselines.main(["--root", str(root)]) == 0
    folder = benchmark_path(root, "v1_0").parent / "baselines"
    answers = {line["id"]: line["prediction"] for line in read_jsonl(folder / "truth.jsonl")}
    assert list(answers) == [record["id"] for record in records]
    capsys.readouterr()
    flags = ["--root", str(root), str(folder / "truth.jsonl")]
    assert score_predictions.main(flags) == 0
    counts = Counter(record["task"] for record in records)
    assert len(counts) == len(SUBTASKS) and capsys.readouterr().out
