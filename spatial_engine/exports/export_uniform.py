"""Every file of records with one type for each field, for HF datasets and the other exports.

Reads  every file of records of training_data/ and evaluation_data/.
Writes {training,evaluation}_data/exports/uniform/<task>*.jsonl, one for each, lines in the same
       order (<data set>_<task>*.jsonl for scenes of another data set than ScanNet); with
       `--formats parquet` or `--formats jsonl parquet` also parquet of one schema.
       Fields: id, image (relative to --root), conversations (training) or text (evaluation),
       height_list, width_list, question_type, task, gt_value (JSON text), gt_unit, extra (JSON
       text: everything else).
Costs  docs/performance.md.

    load_dataset("json", data_files="training_data/exports/uniform/*.jsonl")
    load_dataset("parquet", data_files="training_data/exports/uniform/*.parquet")
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.json as pajson
import pyarrow.parquet as pq

from spatial_engine.errors import BadDataError
from spatial_engine.exports.export_files import (
    add_splits,
    by_output,
    export_name,
    exports_dir,
    numbered,
    obsolete,
)
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    find_record_files,
    read_records,
    relative_root,
    to_uniform,
)
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.running import cli, files, provenance
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step

FORMATS = ("jsonl",)
BATCH_RECORDS = 10_000  # in memory at a time, and in a row group of parquet: about 10 MB

_QUESTION = {
    "train": (
        "conversations",
        pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())])),
    ),
    "val": ("text", pa.string()),
}
_SHARE = {"jsonl": 1.2, "parquet": 0.3}  # of the bytes of the source, about


def parquet_schema(split: str) -> pa.Schema:
    """Fields of the uniform form of a split, of the types that they get when jsonl is loaded: so
    both can be concatenated."""
    texts = ("question_type", "task", "gt_value", "gt_unit", "extra")
    return pa.schema(
        [
            ("id", pa.string()),
            ("image", pa.list_(pa.string())),
            _QUESTION[split],
            ("height_list", pa.list_(pa.int64())),
            ("width_list", pa.list_(pa.int64())),
            *((name, pa.string()) for name in texts),
        ]
    )


def uniform_records(file: RecordFile, root: Path) -> Iterator[dict[str, Any]]:
    """Records of a file in uniform form; `BadDataError` names the line of anything else."""
    said = _QUESTION[file.split][0]

    def uniform(record: dict[str, Any]) -> dict[str, Any]:
        changed = to_uniform(record, file, root)
        if said not in changed:
            raise KeyError(said)
        return changed

    return numbered(file, read_records(file), uniform)


def write_parquet(path: Path, records: Iterator[dict[str, Any]], schema: pa.Schema) -> int:
    """Write uniform records, a batch of them at a time; return how many."""
    written = 0
    parse = pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(records, BATCH_RECORDS)):
            # By way of JSON, as pyarrow takes four times as long to read Python's objects.
            lines = b"\n".join(map(orjson.dumps, batch))
            read = pajson.ReadOptions(use_threads=False, block_size=len(lines) + 1)
            writer.write_table(pajson.read_json(pa.BufferReader(lines), read, parse))
            written += len(batch)
    return written


def export_file(arguments: tuple[RecordFile, Path, str], part_dir: Path) -> PartResult:
    """Write one file of records in uniform form as `part_dir/<name>`."""
    file, root, name = arguments
    records = uniform_records(file, root)
    if name.endswith(".jsonl"):
        return PartResult(counts={name: write_jsonl(part_dir / name, records)})
    try:
        written = write_parquet(part_dir / name, records, parquet_schema(file.split))
    except (pa.ArrowException, OverflowError) as error:
        raise BadDataError(f"{file.path}: a field of another type ({error})") from None
    return PartResult(counts={name: written})


def make_jobs(
    args: argparse.Namespace, found: Sequence[RecordFile], split: str
) -> dict[Path, SceneJob]:
    """A job for each file of the split and each format, by output."""
    folder = exports_dir(args.root, split, "uniform", args.version)
    jobs = []
    for file in (file for file in found if file.split == split):
        inputs = [
            provenance.file_fingerprint(file.path, args.root),
            relative_root(file.image_root, args.root),
        ]
        for form in args.formats:
            name = f"{export_name(file)}.{form}"
            num_bytes = int(_SHARE[form] * file.path.stat().st_size)
            job = SceneJob(name, (file, args.root, name), inputs, 1, num_bytes)
            jobs.append((folder / name, job))
    return by_output(jobs)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    add_splits(parser)
    text = "formats of the output (default: jsonl)"
    cli.add_choices(parser, "--formats", list(_SHARE), FORMATS, text)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("export_uniform", args, {}, __file__)
    every = find_record_files(args.root, args.splits, args.version)
    found = find_record_files(args.root, args.splits, args.version, args.datasets_of_scenes)
    folders = {s: exports_dir(args.root, s, "uniform", args.version) for s in args.splits}
    jobs = {split: make_jobs(args, found, split) for split in args.splits}
    gone = {
        split: obsolete(
            step, (p for f in args.formats for p in folder.glob(f"*.{f}")), jobs[split],
            {export_name(file) for file in every if file.split == split},
        )
        for split, folder in folders.items()
    }  # fmt: skip
    for split, folder in folders.items():
        parts = folder.with_name(f"{folder.name}{files.PARTS_SUFFIX}")
        step.make_files(jobs[split], export_file, parts)
        step.retire(gone[split])
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
