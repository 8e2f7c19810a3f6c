"""Row groups of parquet files, joined as bytes: nothing is decoded.

The bytes of a row group hold no place in the file; the footer says where each lies. So a row group
is copied as it is, and what its footer says of it goes into the new footer with other offsets.
pyarrow has no such function. Page indexes, bloom filters and encryption, which no table of ours
has, are refused, as they lie elsewhere in the file.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from spatial_engine.errors import BadDataError
from spatial_engine.utils.storage import os_errors
from spatial_engine.utils.tables.parquet import compact_protocol as thrift

MAX_GROUPS = 2**15 - 1  # their numbers in a footer are int16
_MAGIC = b"PAR1"
_BLOCK_BYTES = 2**20
_OFFSETS = ("data", "index", "dictionary")  # of the pages of a column, 0 = it has none
_COLUMN = {
    7: "bytes", 9: "data", 10: "index", 11: "dictionary", 14: "no bloom filter",
}  # fmt: skip
_CHUNK = {
    1: "no other file", 2: "file offset", 3: _COLUMN, 4: "no page index", 6: "no page index",
    8: "no encryption", 9: "no encryption",
}  # fmt: skip
_GROUP = {1: [_CHUNK], 3: "rows", 5: "file offset", 7: "ordinal"}
_VERSION, _SCHEMA, _ROWS, _GROUPS, _PAIRS, _LAST = 1, 2, 3, 4, 5, 7  # fields of a footer


@dataclass(frozen=True)
class Footer:
    """What the footer of a file says. `fields` has those that are copied (number -> kind, bytes),
    `groups` the bytes that tell of each row group, which all end before `end`."""

    path: Path
    fields: dict[int, tuple[int, bytes]]
    metadata: dict[bytes, bytes]
    groups: list[bytes]
    end: int


def read_footer(path: Path) -> Footer:
    """The footer of a file. Raises `BadDataError` for what is no parquet file, or is damaged."""
    with _named(path), os_errors.naming(path), open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 12 or file.read(4) != _MAGIC:
            raise ValueError("not a parquet file")
        file.seek(size - 8)
        length = int.from_bytes(file.read(4), "little")
        if file.read(4) != _MAGIC or length > size - 12:
            raise ValueError("cut off, or not a parquet file")
        file.seek(size - 8 - length)
        data = file.read(length)
        fields, stop = thrift.fields_of(data)
        if stop != len(data) or not {_VERSION, _SCHEMA, _GROUPS} <= fields.keys():
            raise thrift.Damaged
        if max(fields) > _LAST:
            raise ValueError("its encryption cannot be read")
        groups = list(thrift.structs_of(data, fields.pop(_GROUPS)))
        pairs = fields.pop(_PAIRS, None)
        metadata = dict(map(_pair, thrift.structs_of(data, pairs))) if pairs else {}
        fields.pop(_ROWS, None)
        kept = {number: (one.kind, data[one.start : one.stop]) for number, one in fields.items()}
        return Footer(path, kept, metadata, groups, size - 8 - length)


class RowGroupWriter:
    """Joins row groups of files to one file; a block of them is in memory, and what the footer is
    going to say."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._file.write(_MAGIC)
        self._at = len(_MAGIC)
        self._rows = 0
        self._told: list[bytes] = []
        self._first: Footer | None = None

    def add(self, footer: Footer, number: int, digest: str | None = None) -> None:
        """Copy a row group. Raises `BadDataError` where it is damaged or of other columns than the
        first, or its bytes do not have the digest that is given."""
        with _named(footer.path):
            self._first = self._first or footer
            if footer.fields[_SCHEMA] != self._first.fields[_SCHEMA]:
                raise ValueError(f"its columns are not those of {self._first.path}")
            if len(self._told) == MAX_GROUPS:
                raise ValueError(f"more than {MAX_GROUPS:,} row groups")
            group = _Group.of(footer, number)
            content = Digest()
            for block in _blocks(footer.path, group.start, group.stop):
                self._file.write(block)
                content.update(block)
            if digest is not None and content.text() != digest:
                raise ValueError(f"row group {number} is not as it was written")
            self._told.append(group.told_at(self._at, len(self._told)))
            self._at += group.stop - group.start
            self._rows += group.rows

    def finish(self, metadata: Mapping[bytes, bytes]) -> None:
        """Write the footer, with texts by name."""
        if self._first is None:
            raise ValueError("a file of no row group")
        pairs = [
            thrift.as_struct({k: (thrift.BINARY, thrift.as_text(text)) for k, text in pair})
            for pair in (enumerate(item, 1) for item in metadata.items())
        ]
        fields = {
            **self._first.fields,
            _ROWS: (thrift.I64, thrift.as_number(self._rows)),
            _GROUPS: (thrift.LIST, thrift.as_list(self._told)),
            _PAIRS: (thrift.LIST, thrift.as_list(pairs)),
        }
        told = thrift.as_struct(fields)
        self._file.write(told + len(told).to_bytes(4, "little") + _MAGIC)


class Digest:
    """Of the bytes of a row group, which are the same wherever they lie."""

    def __init__(self) -> None:
        self._found = hashlib.sha256()

    def update(self, data: bytes) -> None:
        self._found.update(data)

    def text(self) -> str:
        """32 hexadecimal digits."""
        return self._found.hexdigest()[:32]


@dataclass(frozen=True)
class _Group:
    """A row group: its bytes in the file, and the numbers in what the footer tells of it."""

    told: bytes
    numbers: list[thrift.Number]
    start: int
    stop: int
    rows: int

    @classmethod
    def of(cls, footer: Footer, number: int) -> _Group:
        """Raises `ValueError` unless its columns lie one after the other before the footer."""
        told = footer.groups[number]
        numbers = thrift.numbers_of(told, _GROUP)
        rows, columns = 0, []
        for name, _, _, value in numbers:
            if value < 0:
                raise thrift.Damaged
            if name == thrift.BEGIN:
                columns.append({})
            elif name == "rows":
                rows = value
            elif columns:
                columns[-1][name] = value
        start = stop = 0
        for column in columns:
            offsets = [column[name] for name in _OFFSETS if column.get(name)]
            if not (size := column["bytes"]) and not offsets:
                continue  # of no rows
            first = min(offsets, default=0)
            start = start or first
            stop = stop or first
            if first != stop or max(offsets, default=0) > first + size:
                raise ValueError("its columns do not lie one after the other")
            stop += size
        if start and not len(_MAGIC) <= start <= stop <= footer.end:
            raise ValueError("its columns lie outside of it")
        return cls(told, numbers, start, stop, rows)

    def told_at(self, start: int, ordinal: int) -> bytes:
        """What the footer tells of it where it begins elsewhere in a file."""
        pieces, done = [], 0
        for name, first, last, value in self.numbers:
            if name == "ordinal":
                value = ordinal
            elif name in ("file offset", *_OFFSETS) and value:
                value += start - self.start
            else:
                continue
            pieces += [self.told[done:first], thrift.as_number(value)]
            done = last
        return b"".join([*pieces, self.told[done:]])


def _pair(data: bytes) -> tuple[bytes, bytes]:
    """Name and text, which is empty where there is none."""
    fields, _ = thrift.fields_of(data)
    return thrift.text_of(data, fields[1]), thrift.text_of(data, fields[2]) if 2 in fields else b""


def _blocks(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with os_errors.naming(path), open(path, "rb") as file:
        file.seek(start)
        for left in range(stop - start, 0, -_BLOCK_BYTES):
            block = file.read(min(left, _BLOCK_BYTES))
            if len(block) < min(left, _BLOCK_BYTES):
                raise ValueError("cut off")
            yield block


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in what is wrong with it."""
    try:
        yield
    except LookupError:
        raise BadDataError(f"{path}: {thrift.Damaged()}") from None
    except ValueError as error:
        raise BadDataError(f"{path}: {error}") from None
