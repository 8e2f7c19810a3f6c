"""Faults planted into exported files, of which every client that reads them must take notice."""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import sys
import tarfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RECORDS = 4  # kept of each file and type of question: enough for two steps and for several tasks
GONE = "no_such_image.jpg"
PICTURES = (".jpg", ".jpeg", ".png")
IMAGE_COLUMNS = ("image", "image_path")  # of tables
MARKS = ("<image>", "<video>")

Change = Callable[[Any], tuple[Any, bool]]  # a value and whether it was changed, once


def without_image(value: Any) -> tuple[Any, bool]:
    """The value with its first image, a path or its bytes, replaced by a path of nothing."""
    if isinstance(value, str) and value.lower().endswith(PICTURES):
        return str(Path(value).with_name(GONE)), True
    if isinstance(value, dict) and {"bytes", "path"} <= set(value):
        return {"bytes": None, "path": GONE}, True
    return _within(value, without_image)


def without_mark(value: Any) -> tuple[Any, bool]:
    """The value with one place of an image less than it has images."""
    if isinstance(value, str):
        mark = next((mark for mark in MARKS if mark in value), None)
        return (value.replace(mark, "", 1), True) if mark else (value, False)
    if isinstance(value, list):
        for number, part in enumerate(value):
            if isinstance(part, dict) and part.get("type") in ("image", "video"):
                return value[:number] + value[number + 1 :], True
    return _within(value, without_mark)


def _within(value: Any, change: Change) -> tuple[Any, bool]:
    """Change the first thing within a dict or a list that can be changed."""
    if not isinstance(value, (dict, list)):
        return value, False
    for key in value if isinstance(value, dict) else range(len(value)):
        made, changed = change(value[key])
        if changed:
            copy = value.copy()
            copy[key] = made
            return copy, True
    return value, False


def plant_in_jsonl(path: Path, change: Change) -> bool:
    """Change the last record of a file: a client that looks at the first ones does not see it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if not lines:
        return False
    made, changed = change(json.loads(lines.pop()))
    if changed:
        lines.append(json.dumps(made, ensure_ascii=False))
        replace(path, "".join(f"{line}\n" for line in lines).encode())
    return changed


def plant_in_parquet(path: Path, change: Change) -> bool:
    """Change the last row; the schema with its metadata stays."""
    table = pq.read_table(path)
    *rows, last = table.to_pylist()
    made, changed = change(last)
    if changed:
        write_table(path, pa.Table.from_pylist([*rows, made], schema=table.schema))
    return changed


def plant_in_tar(path: Path, change: Change) -> bool:
    """Change the json of the last sample or, to take its first picture away, the picture's name.

    No byte moves, so indexes of the tar stay right.
    """
    with tarfile.open(path) as tar:
        members = tar.getmembers()
    last = [m for m in members if m.name.partition(".")[0] == members[-1].name.partition(".")[0]]
    content = bytearray(path.read_bytes())
    for member in last:
        start = member.offset_data
        if change is without_image and member.name.lower().endswith(PICTURES):
            member.name = f"{member.name.partition('.')[0]}.gone{Path(member.name).suffix}"
            header = member.tobuf(tarfile.USTAR_FORMAT)
            content[start - len(header) : start] = header
            replace(path, bytes(content))
            return True
        if change is without_mark and member.name.endswith(".json"):
            made, changed = change(json.loads(content[start : start + member.size]))
            text = json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()
            if changed and len(text) <= member.size:
                content[start : start + member.size] = text.ljust(member.size)
                replace(path, bytes(content))
                return True
    return False


def plant_in_tsv(path: Path, change: Change) -> bool:
    """Change the last row: a path of nothing for its first image, a path or its bytes as text; or,
    as such a table has no marks, an image less."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))
    finally:
        csv.field_size_limit(limit)
    column = next((rows[0].index(name) for name in IMAGE_COLUMNS if name in rows[0]), None)
    if column is None or len(rows) < 2:
        return False
    cell = rows[-1][column]
    first, *others = ast.literal_eval(cell) if cell.startswith("[") else [cell]
    if change is without_image:
        others.insert(0, str(Path(first).with_name(GONE)) if "." in first else GONE)
    rows[-1][column] = others[0] if len(others) == 1 else repr(others)
    text = io.StringIO()
    csv.writer(text, delimiter="\t", lineterminator="\n").writerows(rows)
    replace(path, text.getvalue().encode())
    return True


def as_int32(path: Path) -> bool:
    """Give a uniform parquet file another type of integers than the other files have."""
    table = pq.read_table(path)
    narrow = [
        field.with_type(pa.list_(pa.int32())) if field.type == pa.list_(pa.int64()) else field
        for field in table.schema
    ]
    if narrow == list(table.schema):
        return False
    write_table(path, table.cast(pa.schema(narrow)))
    return True


def write_table(path: Path, table: pa.Table) -> None:
    output = io.BytesIO()
    pq.write_table(table, output)
    replace(path, output.getvalue())


def replace(path: Path, content: bytes) -> None:
    """Put a file in the place of another, which may be a link that others share."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def exported(root: Path, pattern: str) -> Iterator[Path]:
    """Files that clients read, by name: of exports, and the jsonl of all records."""
    for folder in sorted(root.glob("*_data")):
        read = folder if pattern == "*.jsonl" else folder / "exports"
        yield from (path for path in sorted(read.rglob(pattern)) if "baselines" not in path.parts)


def plant_in_all(root: Path, change: Change) -> int:
    """Change the last record of every exported file; return how many were changed."""
    kinds = {"*.jsonl": plant_in_jsonl, "*.parquet": plant_in_parquet, "*.tar": plant_in_tar}
    kinds |= {"*.tsv": plant_in_tsv}
    return sum(
        plant(path, change) for kind, plant in kinds.items() for path in exported(root, kind)
    )


def plant_int32(root: Path) -> int:
    """Change the last uniform parquet file of each split."""
    folders = [root / name / "exports/uniform" for name in ("training_data", "evaluation_data")]
    last = [sorted(folder.glob("*.parquet"))[-1:] for folder in folders]
    return sum(as_int32(path) for found in last for path in found)


def reads_any(exports: Iterable[str]) -> bool:
    return bool(list(exports))


def reads_uniform_parquet(exports: Iterable[str]) -> bool:
    return any("export_uniform.py" in line and "parquet" in line for line in exports)


# What it is, how it is planted, and which clients read such a file, by the exports they ask for.
FAULTS: dict[str, tuple[Callable[[Path], int], Callable[[Iterable[str]], bool]]] = {
    "an image that is not there": (lambda root: plant_in_all(root, without_image), reads_any),
    "an <image> too few": (lambda root: plant_in_all(root, without_mark), reads_any),
    "int32 for int64": (plant_int32, reads_uniform_parquet),
}


def shorten(root: Path) -> None:
    """Keep a few records of each type of question in each file of records and each benchmark."""
    found = [path for folder in root.glob("*_data") for path in folder.rglob("*.jsonl")]
    for path in found:
        if "baselines" in path.parts or "exports" in path.parts:
            continue
        seen: Counter[str] = Counter()
        kept = []
        with open(path, encoding="utf-8") as file:
            for line in file:
                record = json.loads(line)
                kind = str(record.get("task") or record.get("question_type"))
                seen[kind] += 1
                if seen[kind] <= RECORDS:
                    kept.append(line)
        replace(path, "".join(kept).encode())
