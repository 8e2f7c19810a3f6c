"""The constants that a file of records was made with, as the provenance beside it tells them.

Some decide what may be asked at all (by which rule a frame sees a vertex, how small a motion): what
is told is what the records are held against. A file of other files' records (benchmark, exports)
has the constants that all of those have alike. Where nothing is told, the usual ones are taken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def read_provenance(path: Path) -> dict[str, Any]:
    """What `<path>.meta.json` tells; empty where there is none or it cannot be read."""
    try:
        told = json.loads(path.with_name(path.name + ".meta.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def constants_of(path: Path, root: Path) -> dict[str, Any]:
    """Constants of a file of records, by name."""
    told = read_provenance(path)
    own = told.get("settings")
    found = [own if isinstance(own, dict) else {}]
    for name in sorted(set(_record_files(told.get("inputs")))):
        settings = read_provenance(root / name).get("settings")
        found.append(settings if isinstance(settings, dict) else {})
    alike: dict[str, Any] = {}
    for name in set().union(*found):
        values = [settings[name] for settings in found if name in settings]
        if all(value == values[0] for value in values):
            alike[name] = values[0]
    return alike


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
    return value if type(value) in (int, float) and math.isfinite(value) else usual


def found_with(path: Path) -> dict[str, Any]:
    """Constants that the sets of images of a merged file were found with; empty where nothing is
    told."""
    inputs = read_provenance(path).get("inputs")
    told = inputs.get("found with") if isinstance(inputs, dict) else None
    return told if isinstance(told, dict) else {}
