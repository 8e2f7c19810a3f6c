"""Predictions of a model, read from json or from the table that an evaluation kit writes.

json     records of `id` and `prediction` (or `response`, `text`), a line each, as a list, or in
         another usual form (json_rows.py)
table    .tsv, .csv or the first sheet of an .xlsx, with columns of these names

Instead of `id` there may be `index`, the line of the benchmark from 0, as VLMEvalKit writes it.

A cell is taken as text. What begins with "=" in a sheet is text as well: pandas writes it as a
formula, without the value that a spreadsheet program would compute. A cell of a date or an error
(`1-2` and `=x` become such when a sheet is edited) no longer holds what was written: it is empty.
"""

from __future__ import annotations

import csv
import datetime
import logging
import math
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.formula import ArrayFormula, DataTableFormula

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.evaluation.json_rows import TEXT_FIELDS, Row, encoding_of, json_rows

log = logging.getLogger(__name__)

MAX_TABLE_BYTES = 256 * 2**20  # unpacked; 7,800 predictions take a few MB
MAX_ROWS, MAX_COLUMNS = 100_000, 100  # of a sheet; one cell far away would make it millions
MAX_FIELD = 16 * 2**20  # characters
_READ_FIELDS = (*TEXT_FIELDS, "id", "index")
_SEPARATORS = {".tsv": "\t", ".csv": ","}
_OTHERS = (
    datetime.datetime, datetime.date, datetime.time, datetime.timedelta, DataTableFormula,
)  # fmt: skip
_NO_TEXT = {  # starts of files that are neither text nor a workbook
    b"\x1f\x8b": "compressed; unpack it first (gunzip)",
    b"\x28\xb5\x2f\xfd": "compressed; unpack it first (zstd -d)",
    b"BZh": "compressed; unpack it first (bunzip2)",
    b"\xfd7zXZ": "compressed; unpack it first (unxz)",
    b"PK\x03\x04": "an archive or a workbook; unpack it, or give it the ending .xlsx",
    b"PAR1": "a parquet file; save it as .jsonl",
    b"\xd0\xcf\x11\xe0": "an old or a locked workbook; save it as .xlsx without a password",
}


@dataclass
class Predictions:
    """What a model said, by record id, and what was odd about the file."""

    texts: dict[str, str] = field(default_factory=dict)  # the first for each id
    duplicates: dict[str, int] = field(default_factory=dict)  # further ones by id
    unknown: int = 0  # ids that the benchmark does not have


def read_predictions(path: Path, ids: Sequence[str]) -> Predictions:
    """The predictions of a file for a benchmark's ids, in its order.

    Of several for one id the first counts; the others are counted. Raises `MissingInputError` when
    there is no file and `BadDataError`, naming file and cause, when it holds no predictions.
    """
    if not path.is_file():
        raise MissingInputError(
            f"{path}: no such file; give predictions as .jsonl, .json, .tsv or .xlsx"
        )
    _check_kind(path)
    known, found = set(ids), Predictions()
    is_table = path.suffix.lower() in (*_SEPARATORS, ".xlsx")
    for place, row in _table_rows(path) if is_table else json_rows(path):
        text = _said(row[_text_field(row, place)])
        record_id = _id_of(row, ids, place)
        if record_id not in known:
            found.unknown += 1
        elif record_id in found.texts:
            found.duplicates[record_id] = found.duplicates.get(record_id, 0) + 1
        else:
            found.texts[record_id] = text
    if not found.texts:
        raise BadDataError(
            f"{path}: no prediction for any of the benchmark's {len(known)} ids; "
            "--name says which benchmark it is for"
        )
    return found


def _check_kind(path: Path) -> None:
    """Raise `BadDataError` for a file that is neither text nor a workbook with that ending."""
    with open(path, "rb") as file:
        start = file.read(8)
    for mark, what in _NO_TEXT.items():
        if start.startswith(mark) and not (mark[:2] == b"PK" and path.suffix.lower() == ".xlsx"):
            raise BadDataError(f"{path}: is {what}")


def _text_field(row: Iterable[str], place: str) -> str:
    """Which field holds what the model said; `text` beside `gt_value` is the question."""
    for name in TEXT_FIELDS:
        if name in row and not (name == "text" and "gt_value" in row):
            return name
    names = [str(name)[:40] for name in row]
    there = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    raise BadDataError(f"{place}: no field `prediction` (there are {there})")


def _said(value: Any) -> str:
    """A prediction as text: evaluation kits write numbers as numbers, and a missing answer as
    nothing."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).encode("utf-8", "replace").decode()  # halves of surrogate pairs


def _id_of(row: Mapping[str, Any], ids: Sequence[str], place: str) -> str:
    """The id of a row, by `id` or by its line of the benchmark; empty if there is no such line."""
    if "id" in row:
        if not isinstance(row["id"], str):
            raise BadDataError(f"{place}: `id` is {row['id']!s:.30}, which is not text")
        return row["id"]
    if "index" not in row:
        raise BadDataError(f"{place}: neither `id` nor `index`")
    index = str(row["index"])
    try:
        number = int(index.removesuffix(".0"))  # tables like to make them floats
    except ValueError:
        raise BadDataError(f"{place}: index {index[:30]!r} is not a whole number") from None
    return ids[number] if 0 <= number < len(ids) else ""


# ---- tables --------------------------------------------------------------------------------------


def _table_rows(path: Path) -> Iterator[Row]:
    """Rows below the header; of columns of one name the first counts, those without are left out.

    Raises `BadDataError`, naming file and cause, for anything that is not a table.
    """
    is_sheet = path.suffix.lower() == ".xlsx"
    try:
        num_bytes = path.stat().st_size
        if is_sheet:
            with zipfile.ZipFile(path) as archive:
                num_bytes = sum(member.file_size for member in archive.infolist())
        if num_bytes > MAX_TABLE_BYTES:
            raise BadDataError(
                f"{path}: {num_bytes / 1e9:.1f} GB are too much for predictions; use .jsonl"
            )
        yield from _by_column(path, _sheet(path) if is_sheet else _lines(path))
    except BadDataError:
        raise
    except Exception as error:  # of zip, XML, csv and text encodings, each with its own
        cause = " ".join(str(error).split())[:200]
        raise BadDataError(f"{path}: cannot be read as a table ({cause})") from None


def _by_column(path: Path, rows: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    _, header = next(rows, (0, []))
    if not any(header):
        raise BadDataError(f"{path}: cannot be read as a table (it is empty)")
    names: dict[str, int] = {}
    for k, name in enumerate(header):
        if name:
            names.setdefault(name, k)
    needed = max((names[name] for name in _READ_FIELDS if name in names), default=0)
    for number, cells in rows:
        if any(cells[len(header) :]) or len(cells) <= needed:
            raise BadDataError(
                f"{path}:{number}: {len(cells)} cells, the header has {len(header)}; put a text "
                "that holds separators or line ends between quotes"
            )
        yield f"{path}:{number}", {n: cells[k] if k < len(cells) else "" for n, k in names.items()}


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of a table of text, without empty lines."""
    with open(path, encoding=encoding_of(path), newline="") as file:
        reader = csv.reader(file, delimiter=_SEPARATORS[path.suffix.lower()], strict=True)
        try:
            while (cells := _next_line(reader)) is not None:
                if cells:
                    yield reader.line_num, cells
        except csv.Error as error:
            raise BadDataError(
                f"{path}:{reader.line_num}: cannot be read as a table ({error}); write a text that "
                "holds quotes between quotes, its own quotes doubled"
            ) from None


def _next_line(reader: Iterator[list[str]]) -> list[str] | None:
    """The next cells, of any length. The limit is that of all readers of the process: it is raised
    for one line, since who reads lines may leave before the last, or read two tables by turns."""
    before = csv.field_size_limit(MAX_FIELD)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _sheet(path: Path) -> Iterator[tuple[int, list[str]]]:
    """(row, cells) of the first sheet of a workbook, without empty rows and far columns."""
    header: list[str] = []
    lost: list[str] = []
    with closing(openpyxl.load_workbook(path, read_only=True)) as book:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size may be wrong
        rows = sheet.iter_rows(max_col=MAX_COLUMNS)
        for number, row in enumerate(islice(rows, MAX_ROWS), 1):
            if all(cell.value is None for cell in row):
                continue
            header = header or [_text(cell) for cell in row]
            lost += [
                cell.coordinate
                for cell, name in zip(row, header, strict=False)
                if name in _READ_FIELDS and _is_lost(cell)
            ]
            missing = [""] * (len(header) - len(row))  # at the end of a row cells may be left out
            yield number, [_text(cell) for cell in row] + missing
        if next(rows, None) is not None:
            raise BadDataError(f"{path}: over {MAX_ROWS} rows are too many for predictions")
    if lost:
        log.warning(
            "%s: %d cells hold a date or an error, as %s does, and count as empty; format the "
            "column as text before writing to it", path, len(lost), lost[0],
        )  # fmt: skip


def _is_lost(cell: Any) -> bool:
    """Whether a cell no longer holds what was written into it."""
    return cell.value is not None and (isinstance(cell.value, _OTHERS) or cell.data_type == "e")


def _text(cell: Any) -> str:
    """A cell as text; sheets hold whole numbers as 5 or as 5.0."""
    value = cell.value
    if value is None or _is_lost(cell):
        return ""
    if isinstance(value, ArrayFormula):
        return f"{{={(value.text or '').removeprefix('=')}}}"  # as a spreadsheet shows it
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)
