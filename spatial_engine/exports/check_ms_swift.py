"""Checks that ms-swift can read the training files, and prints its command line.

Reads  training_data/exports/uniform/*.jsonl (export_uniform.py): the first records of each.
Writes nothing. Exit code 1 when a record breaks a rule.
Costs  little.

ms-swift takes `conversations` and `image` as they are. Its rules checked here: no column that has
another meaning there, turns by human and gpt, an `<image>` for each image, images found under
ROOT_IMAGE_DIR.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from spatial_engine.exports.export_files import find_uniform
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.running import cli

# Faults of a record that ms-swift stumbles over; the others are about what it says.
OF_FORM = {"field", "form", "image marks", "reserved field"}
CHECKED_RECORDS = 1000  # of each file, which has one form throughout; lines are in random order


def faults(record: Mapping[str, Any], root: Path) -> Iterator[str]:
    """What ms-swift would reject in a record; `root` will be its ROOT_IMAGE_DIR."""
    try:
        found = check_record(from_uniform(dict(record)), "train")
    except ValueError as error:
        yield f"not in uniform form ({error})"
        return
    yield from (cause for kind, cause in found if kind in OF_FORM)
    if any(kind == "field" for kind, _ in found):
        return
    for name in record["image"]:
        if not (root / name).is_file():
            yield f"{root / name}: no such image"


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_records_parser(__doc__, datasets=True)
    text = "records checked in each file, from its start"
    cli.add_constant(parser, "CHECKED_RECORDS", CHECKED_RECORDS, text, 1)
    args = parser.parse_args(argv)
    uniform = find_uniform(args.root, "train", args.version, args.datasets_of_scenes)
    bad = checked = 0
    for path in uniform:
        for number, record in enumerate(islice(read_jsonl(path), args.checked_records), 1):
            checked += 1
            for fault in faults(record, args.root):
                print(f"{path}:{number}: {fault}")
                bad += 1
    print(f"{checked:,} records of {len(uniform)} files checked, {bad:,} faults")
    names = " ".join(shlex.quote(str(path.absolute())) for path in uniform)
    root = shlex.quote(str(args.root.absolute()))
    print(f"ROOT_IMAGE_DIR={root} swift sft --dataset {names} --model MODEL")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
