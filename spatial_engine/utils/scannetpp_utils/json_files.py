"""Json of ScanNet++, read within bounds: a few bytes of json can ask for many of memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.running.files import naming
from spatial_engine.utils.running.input_files import check_content, missing

REMEDY = "download the scene again"
MAX_BYTES = 2**27  # real ones take 30 million
# Values, lists and objects of a file take up to 72 bytes of memory each; real files hold 3 million.
MAX_VALUES = 8_000_000


def read_object(path: Path) -> dict[str, Any]:
    """The object that a json file holds; `NaN` and `Infinity` are numbers, as Python writes them.

    Raises `BadDataError` for a missing or damaged file, and for one larger than any real one.
    """
    try:
        check_content(path, REMEDY)
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES:,} bytes")
        with naming(path):
            data = path.read_bytes()
        if sum(map(data.count, (b",", b"[", b"{"))) > MAX_VALUES:
            raise ValueError(f"more than {MAX_VALUES:,} values")
        content = json.loads(data)
        if not isinstance(content, dict):
            raise ValueError("it holds no object")
        return content
    except FileNotFoundError:
        raise MissingFileError(missing(path, REMEDY)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadDataError(f"{path}: not json that can be read ({error}); {REMEDY}") from None
