"""Pickles for users: what the tables hold, as plain Python objects. They are written, never read.

The same objects give the same bytes. Two values that are one object are stored once, so what makes
the objects (`info_table`, `coverage_table`) decides the bytes, too.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def dump_items(items: Iterable[tuple[Any, Any]], path: Path) -> None:
    """Write a dictionary as a pickle item by item: no more than one is in memory.

    Protocol 3 numbers what it remembers explicitly, so that the pickles of single keys and values,
    without their first two bytes (the protocol) and their last (the end), can stand in a row.
    """
    with open(path, "wb") as file:
        file.write(pickle.PROTO + bytes([3]) + pickle.EMPTY_DICT)
        for key, value in items:
            file.write(pickle.dumps(key, 3)[2:-1])
            file.write(pickle.dumps(value, 3)[2:-1])
            file.write(pickle.SETITEM)
        file.write(pickle.STOP)
