"""Put the pictures of MultiSPA where VLMEvalKit looks for them.

    python scripts/multispa_fill_in.py --root ROOT $LMUData/MultiSPA.tsv

ROOT is the folder in which you have made the pictures with the spatial data engine: it holds data/,
training_data/ and evaluation_data/. Each picture is compared with its digest in the table and
linked (copied, to another disk) into images/<name of the table>/ beside the table, which holds
none. Needs nothing but Python. A run that was stopped goes on where it was.
"""

# This file is copied, and imports nothing of the engine.

from __future__ import annotations

import argparse
import ast
import csv
import hashlib
import os
import shutil
import sys
from pathlib import Path

SHOWN = 3  # missing pictures that are named
REMEDY = "make the pictures with the spatial data engine, same version and seed"


class Fault(Exception):
    """What the user has to know, in one line."""


def fill_in(root: Path, table: Path, output: Path) -> int:
    """Put the pictures of a table below `output`; return how many.

    Raises `Fault` for a table that is none, and for pictures that are missing or others.
    """
    digests = pictures_of(table)
    missing = [name for name in digests if not (root / name).is_file()]
    if missing:
        first = ", ".join(missing[:SHOWN])
        more = f" and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else ""
        raise Fault(f"{root}: {len(missing):,} pictures are missing: {first}{more}; {REMEDY}")
    for name, digest in digests.items():
        if hashlib.sha256((root / name).read_bytes()).hexdigest() != digest:
            raise Fault(f"{root / name}: is another picture than that of the table; {REMEDY}")
        place(root / name, output / name)
    return len(digests)


def pictures_of(table: Path) -> dict[str, str]:
    """Paths and digests of all pictures of a table."""
    digests: dict[str, str] = {}
    try:
        with open(table, encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                names, of = listed(row["image_path"]), listed(row["image_sha256"])
                digests.update(zip(names, of, strict=True))
    except (KeyError, ValueError, TypeError, SyntaxError, csv.Error) as error:
        raise Fault(f"{table}: is no table of MultiSPA ({error!r}); get it again") from None
    for name in digests:
        if not name or {"", ".", ".."} & set(name.split("/")) or {"\\", "\0"} & set(name):
            raise Fault(f"{table}: {name!r} is no path below the root; get it again")
    return digests


def listed(text: str) -> list[str]:
    """A cell that holds one text, or a list of them."""
    return list(ast.literal_eval(text)) if text.startswith("[") else [text]


def place(source: Path, target: Path) -> None:
    """Link a picture, or copy it where no link can be made."""
    if target.is_file() and os.path.samefile(source, target):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    partial.unlink(missing_ok=True)
    try:
        os.link(os.path.realpath(source), partial)
    except OSError:
        shutil.copyfile(source, partial)
    os.replace(partial, target)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, metavar="TABLE")
    parser.add_argument("--root", type=Path, required=True, metavar="ROOT")
    args = parser.parse_args()
    output = args.table.parent / "images" / args.table.stem
    csv.field_size_limit(2**31 - 1)  # a cell may hold all pictures of a record
    try:
        number = fill_in(args.root, args.table, output)
    except Fault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {error.filename or output}: {error.strerror}", file=sys.stderr)
        return 2
    print(f"{number:,} pictures: {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
