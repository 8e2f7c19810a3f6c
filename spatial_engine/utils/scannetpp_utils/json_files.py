"""Json of ScanNet++, and the bounds of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spatial_engine.utils.preparation import plain_json

REMEDY = "download the scene again"
MAX_BYTES = 2**27  # real ones take 30 million
MAX_ITEMS = 8_000_000  # real ones hold 3 million


def read_object(path: Path) -> dict[str, Any]:
    """The object that a json file holds (`plain_json.read`)."""
    return plain_json.read(path, REMEDY, MAX_BYTES, MAX_ITEMS)
