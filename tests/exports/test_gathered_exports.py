"""Exports, training mix and smaller copy of the records of several data sets together."""

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from conftest import link_root
from helpers import raises_one_line

from spatial_engine.checks import check_records
from spatial_engine.errors import MissingInputError
from spatial_engine.evaluation import make_benchmark
from spatial_engine.exports import (
    export_llama_factory,
    export_lmms_eval,
    export_ms_swift,
    export_uniform,
    export_vlmevalkit,
    make_training_mix,
    resize_images,
)
from spatial_engine.exports.mix.files import full_set
from spatial_engine.exports.mix.shares import GROUP_RECORDS, MixFile
from spatial_engine.exports.shared import export_files
from spatial_engine.utils.paths import datasets_below
from spatial_engine.utils.questions.record_files import (
    count_lines,
    dataset_shown,
    find_record_files,
    to_uniform,
)
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS

NAMES = ["scannet", "arkitscenes", "my_rooms"]


@pytest.fixture(scope="module")
def root(gathered_root, tmp_path_factory) -> Path:
    """A root with uniform files and benchmark of all data sets; exports go to other roots."""
    root = link_root(gathered_root, tmp_path_factory.mktemp("gathered") / "root")
    flags = ["--root", str(root)]
    assert export_uniform.main([*flags, "--num-workers", "1"]) == 0
    assert make_benchmark.main(flags) == 0
    return root


def uniform(root: Path, split: str) -> list[Path]:
    return export_files.find_uniform(root, split, "v1_0")


def test_all_data_sets_are_found_and_told_apart(root):
    assert [dataset.name for dataset in datasets_below(root)] == NAMES
    found = find_record_files(root)
    assert {file.dataset for file in found} == set(NAMES)
    assert {f.dataset for f in found if TASKS[f.task].of_clips} == {"scannet"}
    for split in ("train", "val"):
        mine = [file for file in found if file.split == split]
        paths = {export_files.export_name(file): file for file in mine}
        assert len(paths) == len(mine)
        assert sorted(paths) == [path.stem for path in uniform(root, split)]
        for path in uniform(root, split):
            file = paths[path.stem]
            records = list(read_jsonl(path))
            assert records == [to_uniform(r, file, root) for r in read_jsonl(file.path)]
            images = {name for record in records for name in record["image"]}
            assert all((root / name).is_file() for name in images)
            if not TASKS[file.task].of_clips:
                shown = {dataset_shown(root, {"task": file.task}, root / name) for name in images}
                assert shown == {file.dataset}, path


def test_uniform_files_of_scannet_are_as_without_the_others(root, made_root, tmp_path):
    alone = link_root(made_root, tmp_path / "alone")
    assert export_uniform.main(["--root", str(alone), "--num-workers", "1"]) == 0
    for split in ("train", "val"):
        of_all = {path.name: path for path in uniform(root, split)}
        for path in uniform(alone, split):
            assert of_all[path.name].read_bytes() == path.read_bytes()


def test_an_export_of_one_data_set_leaves_those_of_the_others(gathered_root, tmp_path):
    root = link_root(gathered_root, tmp_path / "root")
    flags = ["--root", str(root), "--num-workers", "1", "--splits", "train"]
    assert export_uniform.main([*flags, "--dataset", "my_rooms"]) == 0
    first = {path: path.stat().st_mtime_ns for path in uniform(root, "train")}
    assert any(path.stem.startswith("my_rooms_") for path in first)
    assert not any(path.stem.startswith("arkitscenes_") for path in first)
    assert export_uniform.main([*flags, "--dataset", "arkitscenes"]) == 0
    both = {path: path.stat().st_mtime_ns for path in uniform(root, "train")}
    assert first.items() < both.items()
    gone = root / "training_data/my_rooms/camera_movement/v1_0/x_movement_train.jsonl"
    gone.unlink()
    assert export_uniform.main([*flags, "--dataset", "arkitscenes"]) == 0
    names = {path.stem for path in both} - {path.stem for path in uniform(root, "train")}
    assert names == {"my_rooms_camera_x_movement"}  # of records that are gone


def test_hf_datasets_loads_all_data_sets_together(root, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path))
    for split in ("train", "val"):
        paths = uniform(root, split)
        loaded = datasets.load_dataset(
            "json", data_files=list(map(str, paths)), split="train", cache_dir=str(tmp_path)
        )
        assert len(loaded) == sum(map(count_lines, paths))
        assert len(set(loaded["id"])) == len(loaded), "ids are unique over data sets"


def test_trainers_find_every_entry_and_image(root, tmp_path, capsys):
    copy = link_root(root, tmp_path / "copy")
    assert export_llama_factory.main(["--root", str(copy)]) == 0
    folder = copy / "training_data/exports/llama_factory"
    entries = json.loads((folder / "dataset_info.json").read_text())
    assert list(entries) == [path.stem for path in uniform(copy, "train")]
    for name, entry in entries.items():
        path = (folder / entry["file_name"]).resolve()
        assert path.stem == name and path in {p.resolve() for p in uniform(copy, "train")}
    capsys.readouterr()
    assert export_ms_swift.main(["--root", str(copy), "--checked-records", "100000"]) == 0
    said = capsys.readouterr().out
    assert " 0 faults" in said and "my_rooms_camera_x_movement.jsonl" in said


def test_trainers_take_the_data_sets_that_are_named(root, tmp_path, capsys):
    copy = link_root(root, tmp_path / "copy")
    mine = copy / "training_data/exports/uniform/mine.jsonl"
    mine.write_bytes(next(p for p in uniform(root, "train")).read_bytes())
    assert mine in uniform(copy, "train")
    of_clips = {path.stem for path in uniform(root, "train") if path.stem.startswith("movement_")}
    flags = ["--root", str(copy), "--dataset", "my_rooms"]
    assert export_llama_factory.main(flags) == 0
    info = copy / "training_data/exports/llama_factory/dataset_info.json"
    names = set(json.loads(info.read_text()))
    rooms = {path.stem for path in uniform(root, "train") if path.stem.startswith("my_rooms_")}
    assert names == rooms | of_clips and len(rooms) > 10
    flags[-1] = "scannet"
    assert export_llama_factory.main(flags) == 0
    names = set(json.loads(info.read_text()))
    assert names > of_clips and "object_height_k2_-1" in names and "camera_x_movement" in names
    assert not any(name.startswith(("my_rooms", "arkitscenes", "mine")) for name in names)
    assert export_ms_swift.main(flags) == 0
    assert "my_rooms_" not in capsys.readouterr().out.partition("ROOT_IMAGE_DIR=")[2]
    with raises_one_line(MissingInputError, "of the data set my_romms"):
        export_ms_swift.main(["--root", str(copy), "--dataset", "my_romms"])


def test_evaluators_read_the_benchmark_of_all(root, tmp_path):
    copy = link_root(root, tmp_path / "copy")
    records = list(read_jsonl(make_benchmark.benchmark_path(copy, "v1_0")))
    for main in (export_vlmevalkit.main, export_lmms_eval.main):
        assert main(["--root", str(copy)]) == 0
    table = pd.read_csv(copy / "evaluation_data/exports/vlmevalkit/MultiSPA.tsv", sep="\t")
    assert table["id"].tolist() == [record["id"] for record in records]
    for text, record in zip(table["image_path"], records, strict=True):
        paths = ast.literal_eval(text) if text.startswith("[") else [text]
        assert paths == [str(copy / name) for name in record["image"]]
        assert all(Path(path).is_file() for path in paths)


def test_the_check_of_records_takes_uniform_files_of_all(root, capsys):
    paths = [str(p) for split in ("train", "val") for p in uniform(root, split)]
    paths = [path for path in paths if re.search("my_rooms_|arkitscenes_", path)]
    report = root.parent / "check.json"
    flags = ["--root", str(root), "--report", str(report), "--num-workers", "1"]
    assert check_records.main([*flags, *paths]) == 0, capsys.readouterr().out


# The training mix


def mix(root: Path, *flags: str) -> dict:
    output = root.parent / "mix.json"
    assert make_training_mix.main(["--root", str(root), "--output", str(output), *flags]) == 0
    return json.loads(output.read_text())


def taken(entry: dict) -> int:
    repeat = entry["repeat_time"]
    return int(entry["length"] * repeat) if repeat < 1 else entry["length"] * repeat


@pytest.mark.parametrize("flags", [("--total", "400"), ("--total", "4000", "--max-repeat", "9")])
def test_groups_keep_their_proportions_over_all_data_sets(root, flags, capsys):
    meta = mix(root, *flags)
    said = capsys.readouterr().out
    assert all(f" of {name}" in said for name in NAMES)
    names = {name.removesuffix("_rest") for name in meta}
    tasks = {re.sub("^(my_rooms|arkitscenes)_", "", name) for name in names}
    assert tasks == {file.task for file in find_record_files(root, ["train"])}
    assert {"camera_x_movement", "my_rooms_camera_x_movement", "arkitscenes_camera_x_movement",
            "arkitscenes_object_height"} <= names  # fmt: skip
    groups: Counter[str] = Counter()
    for name, entry in meta.items():
        task = re.sub("^(my_rooms|arkitscenes)_|_rest$", "", name)
        groups[TASKS[task].group] += taken(entry)
        assert count_lines(root / entry["annotation"]) == entry["length"]
        record = next(read_jsonl(root / entry["annotation"]))
        assert record["task"] == task
        assert all((root / entry["root"] / image).is_file() for image in record["image"])
    whole, total = sum(GROUP_RECORDS.values()), sum(groups.values())
    for group, number in groups.items():
        assert number == pytest.approx(total * GROUP_RECORDS[group] / whole, abs=len(names) + 1)


def test_absolute_paths_keep_the_entries_of_all_data_sets(root):
    plain, absolute = mix(root), mix(root, "--absolute-paths")
    assert list(plain) == list(absolute)
    for name, entry in absolute.items():
        assert entry["annotation"] == str(root.resolve() / plain[name]["annotation"])
        assert entry["root"] == str(root.resolve() / plain[name]["root"])


def test_a_mix_does_not_lose_a_file_of_another_data_set(root, tmp_path):
    copy = link_root(root, tmp_path / "copy")
    assert "my_rooms_camera_x_movement" in mix(copy)
    assert "my_rooms_camera_x_movement" not in mix(copy, "--dataset", "scannet")
    mix(copy)
    gone = copy / "training_data/my_rooms/camera_movement/v1_0/x_movement_train.jsonl"
    gone.unlink()
    with raises_one_line(MissingInputError, gone):
        mix(copy)


def test_no_name_of_a_data_set_makes_an_entry_of_another():
    for task in TASKS:
        for other in TASKS:
            assert not other.endswith(f"_{task}"), "a data set could be named the rest"
    of_rooms = MixFile("camera_x_movement", "", "", 1, 2, "", "my_rooms")
    assert of_rooms.name == "my_rooms_camera_x_movement"


def test_what_was_made_of_drivetrack_is_in_the_mix_and_not_in_the_benchmark(root):
    of_drives = {task for task in TASKS if task.endswith("_drivetrack")}
    assert len(of_drives) == 4 and not of_drives & set(SUBTASKS)
    names = {name.removesuffix("_rest") for name in mix(root)}
    assert of_drives <= names
    assert not of_drives & {file.task for file in full_set()}
    stems = {path.stem for path in uniform(root, "train")}
    assert all(any(stem.startswith(task) for stem in stems) for task in of_drives)
    benchmark = read_jsonl(make_benchmark.benchmark_path(root, "v1_0"))
    assert not of_drives & {record["task"] for record in benchmark}


# The smaller copy


def test_a_smaller_copy_holds_all_data_sets(root, tmp_path):
    output = tmp_path / "small"
    flags = ["--root", str(root), "--num-workers", "1", "--max-side", "96"]
    flags += ["--output", str(output), "--splits", "val"]
    assert resize_images.main([*flags, "--dataset", "my_rooms"]) == 0
    assert [dataset.name for dataset in datasets_below(output)] == ["scannet", "my_rooms"]
    assert {file.dataset for file in find_record_files(output)} == {"scannet", "my_rooms"}
    only = {file.path for file in find_record_files(output)}
    assert resize_images.main(flags) == 0
    found = find_record_files(output, ["val"])
    assert only < {file.path for file in found}
    assert [f.path.relative_to(output) for f in found] == [
        f.path.relative_to(root) for f in find_record_files(root, ["val"])
    ]
    report = tmp_path / "check.json"
    check = ["--root", str(output), "--report", str(report), "--num-workers", "1"]
    assert check_records.main(check) == 0
    assert resize_images.main([*flags, "--dataset", "my_rooms"]) == 0
    assert len(find_record_files(output, ["val"])) == len(found), "those of others stay"
