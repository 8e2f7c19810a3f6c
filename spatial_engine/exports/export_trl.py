"""The training records for TRL (SFT and GRPO) and Unsloth: images at their places.

Reads  every file of records of training_data/.
Writes training_data/exports/trl/<task>*.parquet, one for each, lines in the same order
       (<data set>_<task>*.parquet for scenes of another data set than ScanNet). Columns: prompt
       (the question as one message of the user, its images where they stand), completion (the
       answer as one message of the assistant), images (the paths of their files, which HF
       datasets opens as pictures), id, task, gt_value (JSON text), solution (JSON text: what
       trl_rewards.py grades an answer by).
Costs  docs/performance.md.

    load_dataset("parquet", data_files="training_data/exports/trl/*.parquet", split="train")

Paths are absolute, so that they hold wherever a trainer is started: run this again after moving
the root. Evaluation questions are not exported: ask_model.py asks them.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from spatial_engine.evaluation.rewards import solution_of
from spatial_engine.exports.hub_folder import fill_in
from spatial_engine.exports.shared.client_records import client_record
from spatial_engine.exports.shared.parquet_export import parquet_file
from spatial_engine.exports.shared.record_export import Form, export_records
from spatial_engine.utils.questions.record_files import RecordFile
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step

_MESSAGES = pa.list_(
    pa.struct(
        [
            ("role", pa.string()),
            # No field `image`: TRL would take the part for one that has its image already.
            ("content", pa.list_(pa.struct([("type", pa.string()), ("text", pa.string())]))),
        ]
    )
)
SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("prompt", _MESSAGES),
        ("completion", _MESSAGES),
        ("images", pa.list_(fill_in.IMAGE)),
        *((name, pa.string()) for name in ("task", "gt_value", "solution")),
    ]
)
SHARE = 0.3  # of the size of the records' file, about


def row(uniform: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """A record in uniform form as TRL reads it, its images below `root`."""
    record = client_record(uniform)
    asked = [_image() if isinstance(part, int) else _text(part) for part in record.parts]
    if not record.answer:
        raise ValueError("no answer to train on")
    return {
        "id": record.id,
        "prompt": [{"role": "user", "content": asked}],
        "completion": [{"role": "assistant", "content": [_text(record.answer)]}],
        "images": [{"path": os.path.join(root, name)} for name in record.images],
        "task": record.task,
        "gt_value": uniform["gt_value"],
        "solution": solution_of(uniform),
    }


def write_table(file: RecordFile, root: Path, path: Path) -> int:
    """Write a file of records as parquet."""
    change = partial(row, root=root.absolute())
    return parquet_file(change, fill_in.described(SCHEMA), file, root, path)


def _image() -> dict[str, str]:
    return {"type": "image"}


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    args = parser.parse_args(argv)
    # The path as given, not what links lead to: users link data/ to other disks.
    step = Step("export_trl", args, {"root": str(args.root.absolute())}, __file__)
    export_records(step, "trl", ["train"], [Form(".parquet", write_table, SHARE)])
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
