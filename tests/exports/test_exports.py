"""The exports in the programs that read them, or by the rules of those that are too heavy here."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pandas as pd
import pyarrow.json
import pyarrow.parquet as pq
import pytest
import yaml
from conftest import REPOSITORY
from helpers import USUAL_TASKS, raises_one_line
from PIL import Image

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.evaluation import make_benchmark
from spatial_engine.exports import (
    export_llama_factory,
    export_lmms_eval,
    export_ms_swift,
    export_uniform,
    export_vlmevalkit,
)
from spatial_engine.exports.ms_swift.faults import faults as ms_swift_faults
from spatial_engine.exports.shared import export_files, parquet_export
from spatial_engine.utils.questions import plain_record
from spatial_engine.utils.questions.record_files import (
    UNIFORM_FIELDS,
    RecordFile,
    count_lines,
    find_record_files,
    from_uniform,
    to_uniform,
)
from spatial_engine.utils.questions.records import RESERVED_FIELDS, format_value, read_jsonl
from spatial_engine.utils.questions.tasks import ROWS
from spatial_engine.utils.running import cli
from spatial_engine.utils.storage import provenance

SAID = {"train": "conversations", "val": "text"}
SPLITS = ("train", "val")


@pytest.fixture(scope="module")
def root(made_root, tmp_path_factory) -> Path:
    """Records and images of the sample data, with every export; links spare the copying."""
    root = tmp_path_factory.mktemp("exports") / "root"
    for name in ("data", "training_data", "evaluation_data"):
        shutil.copytree(made_root / name, root / name, copy_function=link)
    for main, *flags in (
        (export_uniform.main, "--formats", "jsonl", "parquet", "--num-workers", "2"),
        (make_benchmark.main,),
        (export_llama_factory.main,),
        (export_vlmevalkit.main,),
        (export_lmms_eval.main,),
    ):
        assert main(["--root", str(root), *flags]) == 0
    return root


def link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


def uniform(root: Path, split: str, form: str = "jsonl") -> list[str]:
    folder = export_files.exports_dir(root, split, "uniform", "v1_0")
    return sorted(map(str, folder.glob(f"*.{form}")))


def benchmark_of(root: Path) -> list[dict]:
    return list(read_jsonl(make_benchmark.benchmark_path(root, "v1_0")))


# Uniform files


def test_each_file_of_records_has_one_export_with_the_same_records_in_the_same_order(root):
    found = find_record_files(root)
    for split in SPLITS:
        mine = [file for file in found if file.split == split]
        assert len(mine) > 20
        names = [export_files.export_name(file) for file in mine]
        assert sorted(names) == [Path(path).stem for path in uniform(root, split)]
        for file, name in zip(mine, names, strict=True):
            path = export_files.exports_dir(root, split, "uniform", "v1_0") / f"{name}.jsonl"
            plain = list(read_jsonl(file.path))
            made = list(read_jsonl(path))
            assert made == [to_uniform(record, file, root) for record in plain]
            assert all(set(record) == {*UNIFORM_FIELDS, SAID[split]} for record in made)
            back = [from_uniform(record) for record in made]
            prefix = f"{file.image_root.relative_to(root)}/"
            assert [{**r, "image": [prefix + i for i in r["image"]]} for r in plain] == back
            assert pq.read_table(path.with_suffix(".parquet")).to_pylist() == made
            assert all((root / image).is_file() for record in made for image in record["image"])


def test_names_tell_files_of_one_task_apart(tmp_path):
    def name(task: str, stem: str, split: str = "train") -> str:
        return export_files.export_name(
            RecordFile(tmp_path / f"{stem}.jsonl", split, task, tmp_path)
        )

    stem = "object_perception_height"
    assert name("object_height", f"{stem}_k2_train_-1") == "object_height_k2_-1"
    assert name("object_height", f"{stem}_k1_val_3000", "val") == "object_height_k1_3000"
    stem = "adt_tapvid3d_total_distance_train_15points_30pairs"
    task = "movement_dot_distance_adt"
    assert name(task, stem) == f"{task}_15points_30pairs"
    assert name(task, "adt_tapvid3d_total_distance_val", "val") == task
    assert name("camera_x_movement", "x_movement_train") == "camera_x_movement"
    stem = "train_visual_correspondence_coor_2_coor"
    assert name("correspondence_coor", stem) == "correspondence_coor"


def test_any_number_of_workers_gives_the_same_bytes(root, tmp_path):
    copy = tmp_path / "root"
    shutil.copytree(
        root / "evaluation_data", copy / "evaluation_data", ignore=shutil.ignore_patterns("*.jpg")
    )
    shutil.rmtree(copy / "evaluation_data/exports")
    flags = ["--root", str(copy), "--formats", "parquet", "jsonl", "--splits", "val"]
    assert export_uniform.main([*flags, "--num-workers", "1"]) == 0
    for form in ("jsonl", "parquet"):
        one, two = uniform(copy, "val", form), uniform(root, "val", form)
        assert len(one) == len(two) > 20
        for mine, other in zip(one, two, strict=True):
            assert Path(mine).name == Path(other).name
            assert Path(mine).read_bytes() == Path(other).read_bytes()


def one_file(root: Path, lines: str) -> Path:
    """A root with one file of records."""
    path = root / "training_data/camera_movement/v1_0/x_movement_train.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines)
    return path


def a_record(root: Path, task: str = "camera_x_movement") -> dict:
    file = next(file for file in find_record_files(root, ["train"]) if file.task == task)
    return next(iter(read_jsonl(file.path)))


def test_what_is_current_is_left_alone_and_what_is_not_is_made_again(root, tmp_path, capsys):
    text = json.dumps(a_record(root)) + "\n"
    source = one_file(tmp_path, text * 2)
    flags = ["--root", str(tmp_path), "--splits", "train", "--num-workers", "1"]
    output = tmp_path / "training_data/exports/uniform/camera_x_movement.jsonl"
    assert export_uniform.main(flags) == 0
    before = output.stat()
    assert export_uniform.main(flags) == 0
    assert output.stat() == before and "up to date" in capsys.readouterr().out
    source.write_text(text * 3)
    assert export_uniform.main(flags) == 0
    assert count_lines(output) == 3
    output.write_text("damaged")
    assert export_uniform.main(flags) == 0
    assert count_lines(output) == 3
    assert list(output.parent.parent.iterdir()) == [output.parent], "parts were left behind"


def test_a_killed_run_goes_on_from_its_finished_files(root, tmp_path, monkeypatch):
    one_file(tmp_path, json.dumps(a_record(root)) + "\n")
    flags = ["--root", str(tmp_path), "--splits", "train", "--num-workers", "1"]

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            provenance, "write_meta", killed
        )  # the file is made, and not yet in its place
        with pytest.raises(KeyboardInterrupt):
            export_uniform.main(flags)
    folder = tmp_path / "training_data/exports"
    assert not list(folder.glob("uniform/*"))
    made = next(folder.glob("uniform.parts/*/*/camera_x_movement.jsonl")).stat().st_ino
    assert export_uniform.main(flags) == 0
    assert (folder / "uniform/camera_x_movement.jsonl").stat().st_ino == made
    assert not (folder / "uniform.parts").exists()


def test_an_export_goes_when_its_file_of_records_is_gone(root, tmp_path):
    source = one_file(tmp_path, json.dumps(a_record(root)) + "\n")
    other = source.with_name("y_movement_train.jsonl")
    other.write_text(json.dumps(a_record(root, "camera_y_movement")) + "\n")
    flags = ["--root", str(tmp_path), "--splits", "train", "--num-workers", "1"]
    assert export_uniform.main(flags) == 0
    mine = tmp_path / "training_data/exports/uniform/mine.jsonl"
    mine.write_text("{}\n")
    other.unlink()
    assert export_uniform.main(flags) == 0
    assert sorted(path.name for path in mine.parent.glob("*.jsonl")) == [
        "camera_x_movement.jsonl",
        "mine.jsonl",
    ]


@pytest.mark.parametrize(
    ("field", "value", "form"),
    [
        ("image", None, "jsonl"),
        ("height_list", "gone", "jsonl"),
        ("conversations", "gone", "jsonl"),
        ("height_list", ["high", "low"], "parquet"),
    ],
)
def test_a_bad_record_is_named_and_nothing_is_written(root, tmp_path, capsys, field, value, form):
    record = a_record(root)
    bad = {**record, field: value}
    if value == "gone":
        del bad[field]
    source = one_file(tmp_path, f"{json.dumps(record)}\n{json.dumps(bad)}\n")
    flags = ["--root", str(tmp_path), "--splits", "train", "--formats", form, "--num-workers", "1"]
    assert export_uniform.main(flags) == 1
    said = capsys.readouterr().out
    assert f"{source}:2" in said if form == "jsonl" else str(source) in said
    assert not list(tmp_path.rglob("exports/uniform/*"))


def test_two_files_for_one_export_raises_one_line(tmp_path):
    with raises_one_line(BadDataError, "x.jsonl", "two"):
        export_files.by_output([(tmp_path / "x.jsonl", None), (tmp_path / "x.jsonl", None)])


@pytest.mark.parametrize(
    ("main", "remedy"),
    [
        (export_uniform.main, "question scripts"),
        (export_llama_factory.main, "export_uniform.py"),
        (export_ms_swift.main, "export_uniform.py"),
        (export_vlmevalkit.main, "make_benchmark.py"),
        (export_lmms_eval.main, "make_benchmark.py"),
    ],
)
def test_without_input_each_raises_one_line_with_the_remedy(tmp_path, main, remedy, capsys):
    with raises_one_line(MissingInputError, remedy):
        main(["--root", str(tmp_path)])
    assert cli.run(main, ["--root", str(tmp_path)]) == 2
    assert not list(tmp_path.iterdir())


# HF datasets, pandas, pyarrow


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_hf_datasets_loads_all_files_of_a_split_together(root, datasets, split, form):
    paths = uniform(root, split, form)
    builder = {"jsonl": "json"}.get(form, form)
    expected = sum(count_lines(Path(path)) for path in uniform(root, split))
    loaded = datasets.load_dataset(builder, data_files=paths, split="train")
    assert len(loaded) == expected
    assert set(loaded.column_names) == {*UNIFORM_FIELDS, SAID[split]}
    assert set(loaded["task"]) == USUAL_TASKS
    features = loaded.features
    assert all(features[name].dtype == "string" for name in ("id", "gt_value", "gt_unit", "extra"))
    streamed = datasets.load_dataset(builder, data_files=paths, split="train", streaming=True)
    assert [row["id"] for row in streamed] == list(loaded["id"])
    assert len(set(loaded["id"])) == expected


def test_hf_datasets_loads_by_the_globs_of_the_docstring(root, datasets, monkeypatch):
    monkeypatch.chdir(root)
    lines = re.findall(r"load_dataset\((.*)\)", export_uniform.__doc__)
    assert len(lines) == 2
    for line in lines:
        loaded = eval(f"load({line})", {"load": datasets.load_dataset})["train"]
        assert len(loaded) == sum(count_lines(Path(path)) for path in uniform(root, "train"))


def test_hf_datasets_loads_native_files_one_at_a_time(root, datasets):
    for file in find_record_files(root):
        loaded = datasets.load_dataset("json", data_files=str(file.path), split="train")
        assert loaded["id"][:] == [record["id"] for record in read_jsonl(file.path)]


def test_hf_datasets_loads_the_benchmark(root, datasets):
    path = str(make_benchmark.benchmark_path(root, "v1_0"))
    for streaming in (False, True):
        loaded = datasets.load_dataset("json", data_files=path, split="train", streaming=streaming)
        assert [dict(row) for row in loaded] == benchmark_of(root)


@pytest.mark.parametrize("split", SPLITS)
def test_pandas_and_pyarrow_read_each_uniform_file(root, split):
    schema = export_uniform.parquet_schema(split)
    for path in uniform(root, split):
        ids = [record["id"] for record in read_jsonl(Path(path))]
        assert pd.read_json(path, lines=True)["id"].tolist() == ids
        table = pyarrow.json.read_json(path)
        assert table["id"].to_pylist() == ids and set(table.column_names) == set(schema.names)
        parquet = path.replace(".jsonl", ".parquet")
        assert pd.read_parquet(parquet)["id"].tolist() == ids
        assert pq.read_schema(parquet).equals(schema)


@pytest.mark.parametrize("split", SPLITS)
def test_what_is_loaded_of_jsonl_and_of_parquet_can_be_concatenated(root, datasets, split):
    loaded = [
        datasets.load_dataset(builder, data_files=uniform(root, split, form), split="train")
        for builder, form in (("json", "jsonl"), ("parquet", "parquet"))
    ]
    assert loaded[0].features == loaded[1].features
    both = datasets.concatenate_datasets(loaded)
    assert len(both) == 2 * len(loaded[0])
    assert both[0] == both[len(loaded[0])]


def test_parquet_is_written_in_batches_of_one_schema(root, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet_export, "BATCH_RECORDS", 7)
    records = list(read_jsonl(Path(uniform(root, "train")[0])))[:25]
    path, schema = tmp_path / "x.parquet", export_uniform.parquet_schema("train")
    assert parquet_export.write_parquet(path, iter(records), schema) == 25
    assert pq.ParquetFile(path).num_row_groups == 4
    assert pq.read_table(path).to_pylist() == records


# Trainers


def test_internvl_finds_as_many_images_as_marks_and_turns_that_alternate(root):
    for file in find_record_files(root, ["train"]):
        for record in read_jsonl(file.path):
            assert isinstance(record["image"], list)
            human, gpt = record["conversations"]
            assert (human["from"], gpt["from"]) == ("human", "gpt")
            assert human["value"].count("<image>") == len(record["image"])
            assert "length" not in record


def test_llama_factory_resolves_every_entry(root):
    folder = root / "training_data/exports/llama_factory"
    entries = json.loads((folder / "dataset_info.json").read_text())
    assert len(entries) == len(uniform(root, "train"))
    for entry in entries.values():
        assert entry["formatting"] == "sharegpt"
        path = folder / entry["file_name"]
        assert str(path.resolve()) in [str(Path(p).resolve()) for p in uniform(root, "train")]
        turns, images = (entry["columns"][name] for name in ("messages", "images"))
        for record in read_jsonl(path):
            said = "".join(turn["value"] for turn in record[turns])
            assert said.count("<image>") == len(record[images])
            assert all((root / image).is_file() for image in record[images])
            assert [turn["from"] for turn in record[turns]] == ["human", "gpt"]


def test_ms_swift_would_take_every_record_as_meant(root, capsys):
    flags = ["--root", str(root), "--checked-records", "1000000"]
    assert export_ms_swift.main(flags) == 0
    said = capsys.readouterr().out
    assert " 0 faults" in said and f"ROOT_IMAGE_DIR={root} swift sft" in said
    assert all(path in said for path in uniform(root, "train"))
    for path in uniform(root, "train"):
        assert all(RESERVED_FIELDS.isdisjoint(record) for record in read_jsonl(Path(path)))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"objects": []}, "objects"),
        ({"label": "left"}, "label"),
        ({"image": "one.jpg"}, "image"),
        ({"image": []}, "image"),
        ({"image": ["gone/1.jpg"]}, "2 <image> for 1 images"),
        ({"image": ["gone/1.jpg", "gone/2.jpg"]}, "no such image"),
        ({"conversations": [{"from": "gpt", "value": "<image><image>"}]}, "conversations"),
        ({"conversations": []}, "conversations"),
        ({"gt_value": "left"}, "uniform form"),
    ],
)
def test_ms_swift_check_finds_a_planted_fault(root, change, fault):
    path = root / "training_data/exports/uniform/camera_x_movement.jsonl"
    record = next(iter(read_jsonl(path)))
    assert not list(ms_swift_faults(record, root))
    assert fault in " ".join(ms_swift_faults({**record, **change}, root))


def test_ms_swift_check_fails_when_it_finds_something(root, tmp_path, capsys):
    folder = tmp_path / "training_data/exports/uniform"
    folder.mkdir(parents=True)
    shutil.copy(root / "training_data/exports/uniform/camera_x_movement.jsonl", folder)
    assert export_ms_swift.main(["--root", str(tmp_path)]) == 1  # no image is there
    assert "camera_x_movement.jsonl:1: " in capsys.readouterr().out


# VLMEvalKit


def read_as_vlmevalkit(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t")


def one_or_list(text: str) -> list[str]:
    """Its own rule: a text in brackets is a list literal."""
    return ast.literal_eval(text) if text.startswith("[") and text.endswith("]") else [text]


def test_vlmevalkit_reads_the_benchmark_with_its_images(root):
    path = root / "evaluation_data/exports/vlmevalkit/MultiSPA.tsv"
    assert not re.search("mmbench|ccbench|circular|mmcr", path.stem.lower())
    table = read_as_vlmevalkit(path)
    expected = benchmark_of(root)
    assert list(table.columns) == [*export_vlmevalkit.COLUMNS]
    assert table["index"].tolist() == list(range(len(expected)))
    assert table["id"].tolist() == [record["id"] for record in expected]
    assert not table.isna().any().any()
    for row, record in zip(table.to_dict("records"), expected, strict=True):
        paths = one_or_list(row["image_path"])
        assert paths == [str(root / name) for name in record["image"]]
        assert all(Path(path).is_file() for path in paths)
        assert "<image>" not in row["question"] and row["question"] in record["text"]
        assert row["question"].count("\n") <= 1, "a convention, or none, and a question"
        assert row["answer"] == format_value(json.loads(record["gt_value"]))


def test_vlmevalkit_gets_the_files_as_base64(root, tmp_path):
    records = benchmark_of(root)
    some = [records[0], *(record for record in records if len(record["image"]) > 1)][:4]
    path = tmp_path / "x.tsv"
    assert export_vlmevalkit.write_tsv(path, export_vlmevalkit.rows(iter(some), root, True), True)
    table = read_as_vlmevalkit(path)
    assert list(table.columns) == ["index", "id", "question", "answer", "task", "image"]
    for row, record in zip(table.to_dict("records"), some, strict=True):
        encoded = one_or_list(row["image"])
        files = [(root / name).read_bytes() for name in record["image"]]
        assert [base64.b64decode(text, validate=True) for text in encoded] == files
        assert all(len(text) > 64 for text in encoded), "shorter ones stand for another row"


def test_vlmevalkit_base64_names_a_missing_image(root, tmp_path):
    record = benchmark_of(root)[0]
    with raises_one_line(BadDataError, record["image"][0]):
        list(export_vlmevalkit.rows(iter([record]), tmp_path, True))


def test_base64_flag_changes_the_table(root, tmp_path):
    records = benchmark_of(root)[:3]
    small = tmp_path / "root"
    path = make_benchmark.benchmark_path(small, "v1_0")
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    for name in {name for record in records for name in record["image"]}:
        (small / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, small / name)
    output = small / "evaluation_data/exports/vlmevalkit/MultiSPA.tsv"
    assert export_vlmevalkit.main(["--root", str(small), "--base64"]) == 0
    assert "image" in read_as_vlmevalkit(output)
    assert output.stat().st_size <= export_vlmevalkit.base64_bytes(path, small) + 10_000
    assert export_vlmevalkit.main(["--root", str(small)]) == 0
    assert "image" not in read_as_vlmevalkit(output)


def test_image_marks_go_and_the_words_stay():
    text = "Image-1: <image>\nImage-2: <image>\nIn Image-1, where?\nSay `x`."
    assert plain_record.without_image_marks(text) == "In Image-1, where?\nSay `x`."
    assert plain_record.without_image_marks("<image>\nHow far?") == "How far?"


# lmms-eval


def load_task(folder: Path) -> dict:
    """The yaml as lmms-eval loads it: `!function utils.x` is x of the utils.py beside it."""
    spec = importlib.util.spec_from_file_location("multispa_utils", folder / "utils.py")
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)

    class Loader(yaml.SafeLoader):
        pass

    def function(loader, node):
        module, name = node.value.split(".")
        assert module == "utils"
        return getattr(utils, name)

    Loader.add_constructor("!function", function)
    return yaml.load((folder / "multispa.yaml").read_text(encoding="utf-8"), Loader)


@pytest.fixture
def task(root) -> dict:
    return load_task(root / "evaluation_data/exports/lmms_eval")


def test_lmms_eval_loads_the_task_and_its_data(root, task, datasets):
    assert task["task"] == "multispa" and task["output_type"] == "generate_until"
    kwargs = task["dataset_kwargs"]
    loaded = datasets.load_dataset(path=task["dataset_path"], **kwargs)[task["test_split"]]
    assert [dict(doc) for doc in loaded] == benchmark_of(root)
    names = [metric["metric"] for metric in task["metric_list"]]
    assert len(names) == len(set(names)) == len(ROWS) + 1
    assert all(callable(metric["aggregation"]) for metric in task["metric_list"])
    assert all(metric["higher_is_better"] is True for metric in task["metric_list"])


def test_lmms_eval_messages_hold_each_image_where_its_mark_stood(root, task):
    records = benchmark_of(root)
    for record in (records[0], next(r for r in records if len(r["image"]) == 2)):
        visual = task["doc_to_visual"](record)
        assert [image.mode for image in visual] == ["RGB"] * len(record["image"])
        assert [image.height for image in visual] == record["height_list"]
        assert [image.width for image in visual] == record["width_list"]
        (message,) = task["doc_to_messages"](record, None)
        assert message["role"] == "user"
        kinds = [part["type"] for part in message["content"]]
        names = {1: ["image", "text"], 2: ["text", "image", "text", "image", "text"]}
        assert kinds == names[len(visual)]
        images = iter(visual)
        text = "".join(
            part["text"] if part["type"] == "text" else same(part["url"], next(images))
            for part in message["content"]
        )
        assert text == record["text"]
        asked = task["doc_to_text"](record, None)
        assert "<image>" not in asked and record["text"].endswith(asked)


def same(shown: Image.Image, expected: Image.Image) -> str:
    assert shown.tobytes() == expected.tobytes()
    return "<image>"


def test_lmms_eval_scores_the_truth_100_and_nonsense_0(root, task):
    records = benchmark_of(root)
    metrics = {metric["metric"]: metric["aggregation"] for metric in task["metric_list"]}
    for say, expected in ((lambda r: f"`{task['doc_to_target'](r)}`", 100), (lambda r: "?", 0)):
        results = [task["process_results"](record, [say(record)]) for record in records]
        assert all(set(result) == set(metrics) for result in results)
        for name, aggregate in metrics.items():
            assert aggregate([result[name] for result in results]) == expected, name


def test_lmms_eval_rows_are_means_over_subtasks(task):
    metrics = {metric["metric"]: metric["aggregation"] for metric in task["metric_list"]}
    verdicts = [{"task": "depth_estimation_dot", "correct": True}]
    verdicts += [{"task": "depth_estimation_coor", "correct": right} for right in (1, 0, 0, 0)]
    verdicts += [{"task": "object_height", "correct": False}]
    assert metrics["multispa_depth_value"](verdicts) == 62.5
    assert metrics["multispa_object_size"](verdicts) == 0
    assert metrics["multispa_mean"](verdicts) == 31.25
    assert math.isnan(metrics["multispa_depth_comparison"](verdicts))
    assert math.isnan(metrics["multispa_mean"]([]))


BLOCKED = (
    "mmengine", "numpy", "cv2", "PIL", "pandas", "pyarrow", "tqdm", "scipy", "openpyxl", "rich",
    "matplotlib", "jinja2", "plyfile", "simplejpeg", "isal",
)  # fmt: skip


def test_lmms_eval_task_and_rewards_need_orjson_and_the_standard_library_alone(root):
    code = f"""
import importlib.util, json, sys
for name in {BLOCKED!r}:
    sys.modules[name] = None
spec = importlib.util.spec_from_file_location("multispa_utils", sys.argv[1])
utils = importlib.util.module_from_spec(spec)
spec.loader.exec_module(utils)
record = json.loads(sys.argv[2])
said = f"`{{utils.doc_to_target(record)}}`"
assert utils.doc_to_text(record) in record["text"]
assert utils.process_results(record, [said])[utils.MEAN]["correct"]
from spatial_engine.evaluation import rewards
assert rewards.reward(record, said) == rewards.format_reward(record, said) == 1
known = {{*sys.stdlib_module_names, "spatial_engine", "multispa_utils", "orjson", "__main__"}}
print(sorted({{name.split(".")[0] for name in sys.modules if sys.modules[name]}} - known))
"""
    task = root / "evaluation_data/exports/lmms_eval/utils.py"
    record = json.dumps(benchmark_of(root)[0])
    line = [sys.executable, "-S", "-c", code, str(task), record]
    orjson_folder = Path(orjson.__file__).parents[1]
    path = os.pathsep.join([str(REPOSITORY), str(orjson_folder)])
    done = subprocess.run(
        line, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_lmms_eval_task_is_filled_in_for_any_path(tmp_path):
    odd = tmp_path / "a 'b' \"c\" é"
    text = export_lmms_eval.fill_yaml(odd / "x.jsonl")
    plain = yaml.safe_load(re.sub(r"!function ", "", text))
    assert plain["dataset_kwargs"]["data_files"]["test"] == str(odd / "x.jsonl")
    scope = {}
    line = next(x for x in export_lmms_eval.fill_utils(odd).splitlines() if x.startswith("ROOT"))
    exec(line, {"Path": Path}, scope)
    assert scope["ROOT"] == odd


def test_the_templates_of_the_task_are_part_of_the_package():
    listed = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    assert "exports/lmms_eval_task/*" in listed
