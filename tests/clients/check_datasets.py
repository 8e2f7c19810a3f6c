"""HF datasets: uniform files, the folder for the Hub and that of tar shards, every record.

Uniform files are loaded as jsonl and as parquet, and their columns must have the same types in all
files. The folder for the Hub is loaded whole and streamed, that of tar shards streamed, and one
task of it by the library's builder `webdataset`. Pictures are compared by pixels once in each
folder, and by bytes otherwise.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import datasets
import pyarrow.parquet as pq
from common import Expected, Report, arguments, differences, expected, uniform
from PIL import Image

EXPORTS = [
    "exports/export_uniform.py --formats jsonl parquet",
    "exports/export_hub.py",
    "exports/export_hub.py --only-benchmark",
    "exports/export_webdataset.py",
]
SPLITS = {"train": "train", "val": "validation"}  # ours, and as the folders call them
TASK = "camera_yaw_angle"  # whose tar shards are loaded by the builder
SAME = ("id", "task", "question_type", "gt_value", "gt_unit", "extra", "width_list", "height_list")
RAW = datasets.Sequence(datasets.Image(decode=False))


def main() -> int:
    args = arguments(__doc__)
    datasets.disable_progress_bars()
    report = Report("datasets", datasets.__version__)
    cache = args.work / "cache"
    asked = 0
    known: dict[str, dict[str, Expected]] = {}
    for split, name in SPLITS.items():
        paths = uniform(args.root, split)
        known[name] = {want.id: want for want in expected(paths, args.root)}
        asked += 2 * len(known[name])
        check_uniform(report, paths, known[name], cache)
        shutil.rmtree(cache)
    counts = {name: len(by_id) for name, by_id in known.items()}

    hub = args.root / "training_data/exports/hub"
    asked += 2 * sum(counts.values())
    loaded = datasets.load_dataset(str(hub), cache_dir=str(cache))
    if {name: len(rows) for name, rows in loaded.items()} != counts:
        report.fail(f"{hub}: {loaded.num_rows} for {counts}")
    for name, rows in loaded.items():
        compare(report, rows.cast_column("images", RAW), known[name], in_columns)
    del loaded
    shutil.rmtree(cache)
    for name, rows in datasets.load_dataset(str(hub), streaming=True).items():
        compare(report, rows, known[name], in_columns)

    benchmark = args.root / "evaluation_data/multispa/v1_0/multispa.jsonl"
    questions = {want.id: want for want in expected([benchmark], args.root)}
    asked += len(questions)
    hub = args.root / "evaluation_data/exports/hub/multispa"
    rows = datasets.load_dataset(str(hub), split="test", streaming=True)
    compare(report, rows.cast_column("images", RAW), questions, in_columns)

    tars = args.root / "training_data/exports/webdataset"
    asked += sum(counts.values())
    for name, rows in datasets.load_dataset(str(tars), streaming=True).items():
        compare(report, rows, known[name], in_parts)
    shards = str(tars / f"shards/train-{TASK}-*.tar")
    one = datasets.load_dataset(
        "webdataset", data_files=shards, split="train", cache_dir=str(cache)
    )
    of_task = {k: w for k, w in known["train"].items() if is_of_file(w, TASK)}
    asked += len(of_task)
    compare(report, one, of_task, in_parts)
    note = "uniform jsonl and parquet, Hub folder whole and streamed, benchmark, tar shards"
    return report.close(note, asked)


def check_uniform(
    report: Report, paths: list[Path], known: dict[str, Expected], cache: Path
) -> None:
    """Both forms of the uniform files: types of the columns, and every record."""
    loaded = {}
    for builder, ending in (("json", ".jsonl"), ("parquet", ".parquet")):
        files = [str(path.with_suffix(ending)) for path in paths]
        loaded[builder] = datasets.load_dataset(
            builder, data_files=files, split="train", cache_dir=str(cache)
        )
    types = loaded["json"].features.arrow_schema
    for path in paths:  # loading them together gives all the types of the first
        file = path.with_suffix(".parquet")
        own = datasets.Features.from_arrow_schema(pq.read_schema(file)).arrow_schema
        for field in types:
            index = own.get_field_index(field.name)
            if index < 0 or own.field(index).type != field.type:
                has = own.field(index).type if index >= 0 else "not there"
                report.fail(f"{file}: column {field.name} is {has}, of jsonl {field.type}")
    for rows in loaded.values():
        compare(report, rows, known, whole)


def compare(
    report: Report,
    rows: Iterable[dict[str, Any]],
    known: dict[str, Expected],
    find: Callable[[dict[str, Any], Expected], list[str]],
) -> None:
    """Report every row, and every record without a row."""
    left = set(known)
    for row in rows:
        record_id = row["json"]["id"] if "json" in row else row["id"]
        if record_id not in left:
            report.record(record_id, "there twice, or not a record of the files")
            continue
        left.remove(record_id)
        report.record(record_id, *find(row, known[record_id]))
    for record_id in sorted(left):
        report.record(record_id, replaced=True)


def whole(row: dict[str, Any], want: Expected) -> list[str]:
    """A row of the uniform files: the record itself."""
    return [] if dict(row) == want.record else [f"{row} for {want.record}"]


def in_columns(row: dict[str, Any], want: Expected) -> list[str]:
    """A row of the folder for the Hub."""
    found = [] if row["question"] == want.question else [f"question {row['question']!r}"]
    answer = want.answer if want.answer is not None else in_words(want.record["gt_value"])
    found += [] if row["answer"] == answer else [f"answer {row['answer']!r} for {answer!r}"]
    found += unlike(row, want)
    return found + pictures(row["images"], want)


def in_parts(row: dict[str, Any], want: Expected) -> list[str]:
    """A sample of the tar shards."""
    record, own = row["json"], want.record
    said = "conversations" if want.answer is not None else "text"
    found = [] if record[said] == own[said] else [f"{said} {record[said]!r} for {own[said]!r}"]
    found += unlike(record, want)
    more = [name for name, part in row.items() if name.startswith("img") and part is not None]
    if sorted(more) != sorted(record["images"]):
        found.append(f"parts {more} for {record['images']}")
    return found + pictures([row[name] for name in record["images"]], want)


def unlike(row: dict[str, Any], want: Expected) -> list[str]:
    """Fields that are not those of the record."""
    return [f"{name} {row[name]!r}" for name in SAME if row[name] != want.record[name]]


def pictures(got: list[Any], want: Expected) -> list[str]:
    """Pictures by pixels as the library has decoded them, else by their bytes."""
    if all(isinstance(one, Image.Image) for one in got):
        return differences(want, images=got)
    files = [path.read_bytes() for path in want.images]
    return [] if [one["bytes"] for one in got] == files else ["other bytes of a picture"]


def in_words(value: str) -> str:
    """A value as the answer to a question of evaluation."""
    plain = json.loads(value)
    return f"[ {' , '.join(map(str, plain))} ]" if isinstance(plain, list) else str(plain)


def is_of_file(want: Expected, task: str) -> bool:
    """Whether a record is in the shards `train-<task>-*`: names of other data sets than ScanNet
    stand before the task."""
    return want.record["task"] == task and "/scannet/" in want.record["image"][0]


if __name__ == "__main__":
    sys.exit(main())
