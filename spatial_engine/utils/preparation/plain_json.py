"""Json of other programs: bounded, numbers checked, comments of instant-ngp left out."""

from __future__ import annotations

import json
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from spatial_engine.errors import BadDataError
from spatial_engine.utils.storage.input_files import read_bytes

MAX_BYTES = 2**25  # 34 megabytes: 20,000 frames of a transforms.json take 14
MAX_ITEMS = 4_000_000  # commas and brackets, each of which takes memory
_TEXT_OR_COMMENT = re.compile(rb'"(?:[^"\\\n]|\\.)*+"?|//[^\n]*+|/\*.*?(?:\*/|\Z)', re.DOTALL)


def read(
    path: Path, remedy: str, most_bytes: int = MAX_BYTES, most_items: int = MAX_ITEMS
) -> dict[str, Any]:
    """The object of a json file. Raises `BadDataError` for anything else, and for one that is
    larger than any real one."""
    return parse(read_bytes(path, remedy, most_bytes), str(path), remedy, most_items)


def parse(data: bytes, where: str, remedy: str, most_items: int = MAX_ITEMS) -> dict[str, Any]:
    """The same of bytes."""
    if sum(map(data.count, (b",", b"[", b"{"))) > most_items:
        raise BadDataError(f"{where}: has more than {most_items:,} items; {remedy}")
    try:
        value = _loads(data)
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadDataError(f"{where}: not json ({error}); {remedy}") from None
    if not isinstance(value, dict):
        raise BadDataError(f"{where}: holds no json object; {remedy}")
    return value


def _loads(data: bytes) -> Any:
    """Comments are left out only where a file is no json as it is. What orjson reads, which takes a
    third of the time, json reads the same, but for whole numbers of over 64 bits, which are none of
    any file here; json reads more, as NaN."""
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(data)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise
    except ValueError:
        plain = _TEXT_OR_COMMENT.sub(lambda m: m[0] if m[0][:1] == b'"' else b" ", data)
        return json.loads(plain.decode("utf-8-sig"))


def number(value: Any, what: str, where: str, remedy: str) -> float:
    """A finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise BadDataError(f"{where}: {what} is no number ({str(value)[:40]!r}); {remedy}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise BadDataError(f"{where}: {what} is not finite; {remedy}")
    return found


def side(value: Any, what: str, where: str, remedy: str) -> int:
    """A side of an image in pixels, which some programs write as 1080.0."""
    found = number(value, what, where, remedy)
    if not (0 < found < 2**15 and found == int(found)):
        raise BadDataError(f"{where}: {what} is {found:g}, not a number of pixels; {remedy}")
    return int(found)


def numbers(value: Any, count: int, what: str, where: str, remedy: str) -> np.ndarray:
    """(count,) float64 of a list of so many finite numbers."""
    if not isinstance(value, list) or len(value) != count:
        raise BadDataError(f"{where}: {what} is not a list of {count} numbers; {remedy}")
    return np.array([number(entry, what, where, remedy) for entry in value])


def matrix(value: Any, what: str, where: str, remedy: str) -> np.ndarray:
    """(4, 4) float64 of a list of three or four rows of four numbers; a missing last row is
    0 0 0 1."""
    if not isinstance(value, list) or len(value) not in (3, 4):
        raise BadDataError(f"{where}: {what} is not a matrix of 3x4 or 4x4 numbers; {remedy}")
    found = np.eye(4)
    found[: len(value)] = [numbers(row, 4, what, where, remedy) for row in value]
    return found


def entries(value: Any, what: str, where: str, remedy: str) -> list[Any]:
    """A list that is not empty."""
    if not isinstance(value, list) or not value:
        raise BadDataError(f"{where}: has no list of {what}; {remedy}")
    return value
