"""Pickles of dictionaries that are read item by item: no more than one is in memory.

A file is a pickle like any other. Behind its end, where no reader of pickles looks, stands where
each item is.
"""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError
from spatial_engine.utils.running.files import naming
from spatial_engine.utils.tables.plain_pickle import unpickle

_INDEX_MARK = b"items of this pickle\n"  # the last bytes of a file of `dump_items`


def dump_items(items: Iterable[tuple[str, Any]], path: Path) -> None:
    """Write a dictionary as a pickle item by item: no more than one is in memory.

    Behind the end of the pickle, where no reader of pickles looks, stands where each item is, so
    that `IndexedItems` reads one without the others. Protocol 3 numbers what it remembers
    explicitly, so that the pickles of single keys and values, without their first two bytes (the
    protocol) and their last (the end), can stand in a row.
    """
    spans: dict[str, tuple[int, int]] = {}
    with open(path, "wb") as file:
        file.write(pickle.PROTO + bytes([3]) + pickle.EMPTY_DICT)
        for key, value in items:
            file.write(pickle.dumps(key, 3)[2:-1])
            start = file.tell()
            file.write(pickle.dumps(value, 3)[2:-1])
            spans[key] = (start, file.tell())
            file.write(pickle.SETITEM)
        file.write(pickle.STOP)
        index = json.dumps(spans).encode()
        file.write(index + len(index).to_bytes(8, "little") + _INDEX_MARK)


class IndexedItems(Mapping[str, Any]):
    """The items of a pickle by `dump_items`, read one at a time; the last one stays in memory.

    Small enough to be sent to a worker. Raises `BadDataError` for an item that is damaged, or when
    the file has changed since.
    """

    def __init__(self, path: Path, spans: Mapping[str, tuple[int, int]], remedy: str):
        self._path, self._remedy = path, remedy
        self._spans = dict(spans)
        self._state = _state_of(path)
        self._last: tuple[str, Any] | None = None

    @classmethod
    def open(cls, path: Path, remedy: str) -> IndexedItems | None:
        """The items of a file; None for a pickle without an index."""
        spans = _read_index(path)
        return None if spans is None else cls(path, spans, remedy)

    def only(self, keys: Iterable[str]) -> IndexedItems:
        """A few of the items."""
        few = IndexedItems.__new__(IndexedItems)
        few.__dict__ = {**self.__dict__, "_spans": {k: self._spans[k] for k in keys}, "_last": None}
        return few

    def __getitem__(self, key: str) -> Any:
        if self._last is None or self._last[0] != key:
            start, end = self._spans[key]
            self._last = None  # its memory is free before the next is read
            self._last = (key, self._read(start, end))
        return self._last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def __contains__(self, key: object) -> bool:
        return key in self._spans

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_last": None}

    def _read(self, start: int, end: int) -> Any:
        if _state_of(self._path) != self._state:
            raise BadDataError(f"{self._path}: has changed since it was opened; start again")
        with naming(self._path), open(self._path, "rb") as file:
            file.seek(start)
            item = pickle.PROTO + bytes([3]) + file.read(end - start) + pickle.STOP
        return unpickle(io.BytesIO(item), len(item), self._path, self._remedy)


def _state_of(path: Path) -> tuple[int, int] | None:
    """(size, mtime in ns) of a file, None without it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def _read_index(path: Path) -> dict[str, tuple[int, int]] | None:
    """Where the items are; None without a valid index."""
    tail = len(_INDEX_MARK) + 8
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(size - tail, 0))
            length, mark = file.read(8), file.read()
            start = size - tail - int.from_bytes(length, "little")
            if mark != _INDEX_MARK or start < 0:
                return None
            file.seek(start)
            spans = json.loads(file.read(size - tail - start))
        spans = {key: (int(first), int(end)) for key, (first, end) in spans.items()}
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return spans if all(0 < first <= end <= start for first, end in spans.values()) else None
