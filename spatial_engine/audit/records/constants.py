"""The constants that a file of records was made with, as the provenance beside it tells them.

Some decide what may be asked at all (by which rule a frame sees a vertex, how small a motion): what
is told is what the records are held against. The records of a benchmark or an export were made with
the constants of the files that it was made of. Where nothing is told, the usual ones are taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

LARGEST = 1e9  # no constant is larger; JSON can hold any number


def read_provenance(path: Path) -> dict[str, Any]:
    """What `<path>.meta.json` tells; empty where there is none or it cannot be read."""
    try:
        told = json.loads(path.with_name(path.name + ".meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def constants_of(path: Path) -> dict[str, Any]:
    """Constants of a file of records, by name."""
    told = read_provenance(path).get("settings")
    return told if isinstance(told, dict) else {}


def made_of(path: Path, root: Path) -> list[Path]:
    """The files of records that a file of records was made of."""
    return [root / name for name in sorted(set(_record_files(read_provenance(path).get("inputs"))))]


def _record_files(value: Any) -> Iterator[str]:
    """Files of records that are named in what a file was made from."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from _record_files(inner)
    elif isinstance(value, str) and value.endswith(".jsonl"):
        yield value


def number(constants: dict[str, Any], name: str, usual: float) -> float:
    """A constant that is a number; the usual one where none is told."""
    value = constants.get(name)
    return value if type(value) in (int, float) and abs(value) < LARGEST else usual  # NaN is not


def found_with(path: Path) -> dict[str, Any]:
    """Constants that the sets of images of a merged file were found with; empty where nothing is
    told."""
    inputs = read_provenance(path).get("inputs")
    told = inputs.get("found with") if isinstance(inputs, dict) else None
    return told if isinstance(told, dict) else {}
