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
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from spatial_engine.exports.shared.export_files import add_splits
from spatial_engine.exports.shared.parquet_export import parquet_file
from spatial_engine.exports.shared.record_export import Form, export_records, write_lines
from spatial_engine.utils.questions.record_files import RecordFile
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step

FORMATS = ("jsonl",)  # what is written where nothing is said

_QUESTION = {
    "train": (
        "conversations",
        pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())])),
    ),
    "val": ("text", pa.string()),
}


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


def as_it_is(record: dict[str, Any]) -> dict[str, Any]:
    """The uniform form of a record is that of this export."""
    return record


def write_parquet(file: RecordFile, root: Path, path: Path) -> int:
    """Write a file of records as parquet; `BadDataError` where a field has another type."""
    return parquet_file(as_it_is, parquet_schema(file.split), file, root, path)


FORMS = {
    "jsonl": Form(".jsonl", partial(write_lines, as_it_is), 1.2),
    "parquet": Form(".parquet", write_parquet, 0.3),
}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    add_splits(parser)
    text = "formats of the output (default: jsonl)"
    cli.add_choices(parser, "--formats", list(FORMS), FORMATS, text)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("export_uniform", args, {}, __file__)
    export_records(step, "uniform", args.splits, [FORMS[form] for form in args.formats])
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
