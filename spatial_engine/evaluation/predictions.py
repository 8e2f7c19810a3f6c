"""Predictions of a model, read from jsonl or from the table that an evaluation kit writes.

jsonl    `{"id": ..., "prediction": ...}` a line; `text` or `response` may stand for `prediction`
table    .tsv, .csv or .xlsx with columns `id` (or `index`, the line of the benchmark from 0) and
         `prediction`; VLMEvalKit writes such
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.records import read_jsonl

TEXT_FIELDS = ("prediction", "response", "text")
MAX_TABLE_BYTES = 256 * 2**20  # unpacked; 7,800 predictions take a few MB
MAX_ROWS, MAX_COLUMNS = 100_000, 100  # of a sheet; one cell far away would make it millions
_SEPARATORS = {".tsv": "\t", ".csv": ","}


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
        raise MissingInputError(f"{path}: no such file; give predictions as .jsonl, .tsv or .xlsx")
    is_table = path.suffix.lower() in (*_SEPARATORS, ".xlsx")
    pairs = _from_table(path, ids) if is_table else _from_jsonl(path)
    known, found = set(ids), Predictions()
    for record_id, text in pairs:
        if record_id not in known:
            found.unknown += 1
        elif record_id in found.texts:
            found.duplicates[record_id] = found.duplicates.get(record_id, 0) + 1
        else:
            found.texts[record_id] = text
    if not found.texts:
        raise BadDataError(f"{path}: no prediction for any of the benchmark's {len(known)} ids")
    return found


def _from_jsonl(path: Path) -> Iterator[tuple[str, str]]:
    for number, record in enumerate(read_jsonl(path), 1):
        place = f"{path}:{number}"
        name = _text_field(record, place)
        if not isinstance(record.get("id"), str):
            raise BadDataError(f"{place}: no `id`, or one that is no text")
        yield record["id"], _said(record[name])


def _text_field(names: Iterable[str] | Mapping[str, Any], place: str) -> str:
    """Which field holds what the model said; `text` beside `gt_value` is the question."""
    for name in TEXT_FIELDS:
        if name in names and not (name == "text" and "gt_value" in names):
            return name
    raise BadDataError(f"{place}: no field `prediction` (there are {', '.join(map(str, names))})")


def _said(value: Any) -> str:
    """A prediction as text: evaluation kits write numbers as such, and nothing for none."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return "" if value is None else str(value)


def _from_table(path: Path, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    table = _read_table(path)
    name = _text_field(list(table.columns), str(path))
    if "id" in table.columns:
        keys = table["id"].tolist()
    elif "index" in table.columns:
        keys = [_id_of(index, ids, path) for index in table["index"]]
    else:
        raise BadDataError(f"{path}: neither a column `id` nor `index`")
    yield from zip(keys, map(_said, table[name].tolist()), strict=True)


def _id_of(index: str, ids: Sequence[str], path: Path) -> str:
    """The id of a line of the benchmark."""
    try:
        number = int(index.removesuffix(".0"))  # tables like to make them floats
    except ValueError:
        raise BadDataError(f"{path}: index {index[:30]!r} is no whole number") from None
    return ids[number] if 0 <= number < len(ids) else ""


def _read_table(path: Path) -> pd.DataFrame:
    """A table as text; a cell without anything is an empty text."""
    num_bytes = path.stat().st_size
    try:
        if path.suffix.lower() == ".xlsx":
            with zipfile.ZipFile(path) as archive:
                num_bytes = sum(member.file_size for member in archive.infolist())
        if num_bytes > MAX_TABLE_BYTES:
            raise BadDataError(
                f"{path}: {num_bytes / 1e9:.1f} GB are no table of predictions; use .jsonl"
            )
        if path.suffix.lower() == ".xlsx":
            return _read_sheet(path)
        separator = _SEPARATORS[path.suffix.lower()]
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, index_col=False)
    except BadDataError:
        raise
    except Exception as error:  # of zip, XML, csv and text encodings, each with its own
        cause = " ".join(str(error).split())[:200]
        raise BadDataError(f"{path}: cannot be read as a table ({cause})") from None


def _read_sheet(path: Path) -> pd.DataFrame:
    """The first sheet of a workbook as text, without empty rows and far columns."""
    with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size may be wrong
        cells = sheet.iter_rows(max_col=MAX_COLUMNS, values_only=True)
        rows = [row if any(v is not None for v in row) else () for row in islice(cells, MAX_ROWS)]
        if next(cells, None) is not None:
            raise BadDataError(f"{path}: over {MAX_ROWS} rows are no table of predictions")
    header, *rows = [[_cell(value) for value in row] for row in rows if row]
    table = pd.DataFrame(rows, columns=header)
    return table.loc[:, ~table.columns.duplicated() & (table.columns != "")]


def _cell(value: Any) -> str:
    """A cell as text; sheets hold whole numbers as 5 or as 5.0."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return "" if value is None else str(value)
