"""Rows of a file of json that holds records in any of the usual forms, read piece by piece.

A record a line (jsonl); a list of records; an object that holds one list of them; one object of
{id: prediction} or {id: record}; columns {"id": [...], "prediction": [...]}, or of objects, as
pandas writes them. A byte order mark is skipped, and `NaN`, which Python writes and json does not
know, is null.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import orjson

from spatial_engine.errors import BadDataError
from spatial_engine.utils.questions.records import MAX_LINE_BYTES, parse_json
from spatial_engine.utils.storage.files import has_half_characters

TEXT_FIELDS = ("prediction", "response", "text")  # of a record: what a model said
MAX_OBJECT_BYTES = 32 * 2**20  # of a file that is one object, which is read as a whole
BLOCK = 2**16  # characters of a list read at a time
_BETWEEN = re.compile(r"[\s,]*")  # what stands between the items of a list
# Excel saves text as UTF-16, or with a mark before UTF-8.
_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

Row = tuple[str, Mapping[str, Any]]  # where it stands, for messages; its fields


def encoding_of(path: Path) -> str:
    """Encoding of a file of text, by the mark at its start; UTF-8 without one."""
    with open(path, "rb") as file:
        start = file.read(3)
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")


def json_rows(path: Path) -> Iterator[Row]:
    """Rows of a file; `BadDataError`, naming file, place and cause, for anything else."""
    encoding = encoding_of(path)
    try:
        # Bytes that are no text become characters that json refuses where they stand.
        with open(path, encoding=encoding, errors="surrogateescape", newline="\n") as file:
            is_list = file.read(BLOCK).lstrip().startswith("[")
            file.seek(0)
            whole = None if is_list else _whole(path, file)
            if is_list:
                yield from _items(path, file)
            elif whole is None:
                yield from _lines(path, file)
            else:
                yield from _object_rows(path, _record(whole, f"{path}:1"))
    except UnicodeError as error:
        raise BadDataError(f"{path}: is not text in {encoding} ({error})") from None


def _whole(path: Path, file: TextIO) -> Any:
    """The value of a file that is a single JSON value; None for other files, with the file at its
    start."""
    value = None
    if path.stat().st_size <= MAX_OBJECT_BYTES:
        with suppress(ValueError, RecursionError):  # as of an object a line
            value = _parse(file.read())
        file.seek(0)
    return value


def _lines(path: Path, file: TextIO) -> Iterator[Row]:
    lines = iter(partial(file.readline, MAX_LINE_BYTES + 1), "")
    for number, line in enumerate(lines, 1):
        place = f"{path}:{number}"
        if len(line) > MAX_LINE_BYTES:
            raise BadDataError(f"{place}: over {MAX_LINE_BYTES >> 20} MiB, too long")
        if line.isspace():
            continue
        try:
            value = _parse(line)
        except (ValueError, RecursionError) as error:
            wanted = "expected a record a line (jsonl) or a list of records"
            raise BadDataError(f"{place}: not json ({error}); {wanted}") from None
        yield place, _record(value, place)


def _items(path: Path, file: TextIO) -> Iterator[Row]:
    """Rows of a list, read piece by piece."""
    decoder = json.JSONDecoder(parse_constant=_constant)
    text, number = file.read(BLOCK), 0
    at = text.index("[") + 1
    while True:
        if has_half_characters(text):
            raise BadDataError(f"{path}: is not text in UTF-8")
        at = _BETWEEN.match(text, at).end()
        if text.startswith("]", at):
            break
        try:
            item, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:  # often because it goes on in the next piece
            more = file.read(max(BLOCK, len(text) - at))
            if not more or len(text) - at > MAX_LINE_BYTES:
                cause = f"item {number + 1} of the list is not json or not whole ({error})"
                raise BadDataError(f"{path}: {cause}") from None
            text, at = text[at:] + more, 0
            continue
        number += 1
        if not isinstance(item, dict):
            raise BadDataError(f"{path}:1: item {number} of the list is not a record")
        yield f"{path}: item {number}", item
    if (text[at + 1 :] + file.read(BLOCK)).strip():
        raise BadDataError(f"{path}: there is more text behind the list")


def _object_rows(path: Path, whole: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of a file that is one object: a record, columns, an object by id, or a list in it."""
    lists = [name for name, held in whole.items() if _are_records(held)]
    keys = whole.get("id", whole.get("index"))
    if isinstance(keys, list | dict):
        yield from _column_rows(path, whole, list(keys) if isinstance(keys, dict) else None)
    elif keys is not None or not whole or any(name in whole for name in TEXT_FIELDS):
        yield f"{path}:1", whole
    elif len(lists) > 1:
        raise BadDataError(f"{path}: holds several lists of records ({', '.join(lists)}); keep one")
    elif lists:
        for number, item in enumerate(whole[lists[0]], 1):
            yield f"{path}: item {number}", item
    else:
        for name, said in whole.items():
            row = said if isinstance(said, dict) else {"prediction": said}
            yield f"{path}: {name[:60]}", {"id": name, **row}


def _column_rows(path: Path, columns: Mapping[str, Any], keys: list[str] | None) -> Iterator[Row]:
    """Rows of columns as pandas writes them: of lists, or of objects by `keys`."""
    try:
        for number in range(len(keys if keys is not None else next(iter(columns.values())))):
            key: Any = number if keys is None else keys[number]
            yield f"{path}: row {number}", {name: held[key] for name, held in columns.items()}
    except (LookupError, TypeError):
        raise BadDataError(f"{path}: its columns have different lengths") from None


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, dict) for v in value)


def _record(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadDataError(f"{place}: not a record")
    return value


def _parse(text: str) -> Any:
    """The value of a JSON text; `ValueError` for anything else. Accepts NaN, which Python writes
    and JSON does not know."""
    try:
        return parse_json(text)
    except orjson.JSONDecodeError:
        if "NaN" not in text and "Infinity" not in text:
            raise
        return json.loads(text, parse_constant=_constant)


def _constant(name: str) -> str | None:
    return None if name == "NaN" else name
