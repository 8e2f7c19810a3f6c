"""The compact protocol of Thrift, in which the footer of a parquet file is written.

Read without knowing the structures: where fields begin and end, and the numbers of those that are
asked for. `Damaged` or `IndexError` for bytes that are no such thing; what is read takes time and
memory by the bytes there are, whatever sizes they claim.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

BINARY, LIST, STRUCT, I64 = 8, 9, 12, 6  # kinds of values
_NUMBERS = (4, 5, I64)  # int16, int32, int64
_FIXED = {1: 0, 2: 0, 3: 1, 7: 8, 13: 16}  # bytes of a value: true, false, int8, double, uuid
_MAX_DEPTH = 12  # of structures in each other; parquet needs 6
_MAX_DIGITS = 10  # bytes of a number


class Damaged(ValueError):
    """Bytes that are not of this protocol, or not of these structures."""

    def __init__(self) -> None:
        super().__init__("its footer is damaged")


# Name and value of a number, and where in the bytes it stands (start, stop); with the name `BEGIN`
# where a structure of a list begins. A plain tuple: there are a million.
Number = tuple[str, int, int, int]
BEGIN = "["


class Field(NamedTuple):
    """The value of a field, and where in the bytes it stands."""

    kind: int
    start: int
    stop: int


def fields_of(data: bytes) -> tuple[dict[int, Field], int]:
    """The fields of the structure at the start of the bytes, by their number, and where it ends."""
    found, number, at = {}, 0, 0
    while head := data[at]:
        number += _step(head)
        stop = _skip(data, at + 1, head & 15, 0)
        found[number] = Field(head & 15, at + 1, stop)
        at = stop
    return found, at + 1


def structs_of(data: bytes, field: Field) -> Iterator[bytes]:
    """The structures of a list."""
    for at in _begins(data, field.kind, field.start):
        yield data[at : _skip(data, at, STRUCT, 0)]


def text_of(data: bytes, field: Field) -> bytes:
    """A text."""
    if field.kind != BINARY:
        raise Damaged
    return data[_unsigned(data, field.start)[1] : field.stop]


def numbers_of(data: bytes, wanted: Mapping[int, Any]) -> list[Number]:
    """The numbers that are wanted of a structure, in the order of the bytes.

    `wanted` has a name by the number of a field; for a structure, what is wanted of it; the same in
    a list for a list of structures. A name that begins with "no " is of a field that must not be
    there (`ValueError`).
    """
    found: list[Number] = []
    if _walk(data, 0, wanted, found) != len(data):
        raise Damaged
    return found


def as_struct(fields: Mapping[int, tuple[int, bytes]]) -> bytes:
    """A structure of fields (number -> kind, value)."""
    pieces, before = [], 0
    for number, (kind, value) in sorted(fields.items()):
        pieces += [bytes([(number - before) << 4 | kind]), value]
        before = number
    return b"".join([*pieces, b"\x00"])


def as_list(structs: Sequence[bytes]) -> bytes:
    """A list of structures."""
    size = len(structs)
    head = bytes([size << 4 | STRUCT]) if size < 15 else bytes([15 << 4 | STRUCT]) + _digits(size)
    return b"".join([head, *structs])


def as_number(value: int) -> bytes:
    """A number that is not negative."""
    return _digits(value << 1)


def as_text(text: bytes) -> bytes:
    """A text."""
    return _digits(len(text)) + text


def _walk(data: bytes, at: int, wanted: Mapping[int, Any], found: list[Number]) -> int:
    """Note what is wanted of the structure at a place; return where it ends."""
    number = 0
    while head := data[at]:
        number += head >> 4 or _step(head)
        kind, at = head & 15, at + 1
        what = wanted.get(number)
        if what is None:
            if 4 <= kind <= 6 and data[at] < 128:
                at += 1
            else:
                at = _skip(data, at, kind, 0)
        elif isinstance(what, str):
            if what.startswith("no "):
                raise ValueError(f"its {what[3:]} cannot be copied")
            if kind not in _NUMBERS:
                raise Damaged
            value, stop = _unsigned(data, at)
            found.append((what, at, stop, (value >> 1) ^ -(value & 1)))
            at = stop
        elif isinstance(what, dict):
            if kind != STRUCT:
                raise Damaged
            at = _walk(data, at, what, found)
        else:
            size, at = _size_of(data, kind, at)
            for _ in range(size):
                found.append((BEGIN, at, at, 0))
                at = _walk(data, at, what[0], found)
    return at + 1


def _step(head: int) -> int:
    """By how much the number of a field is more than that of the one before."""
    if head < 16:
        raise Damaged  # in a longer form, for structures of over 15 fields
    return head >> 4


def _begins(data: bytes, kind: int, at: int) -> Iterator[int]:
    """Where each structure of a list begins."""
    size, at = _size_of(data, kind, at)
    for _ in range(size):
        yield at
        at = _skip(data, at, STRUCT, 0)


def _size_of(data: bytes, kind: int, at: int) -> tuple[int, int]:
    """How many structures a list has, and where the first begins."""
    if kind != LIST:
        raise Damaged
    size, kind, at = _list_head(data, at)
    if size and kind != STRUCT:
        raise Damaged
    return size, at


def _skip(data: bytes, at: int, kind: int, depth: int) -> int:
    """Where a value ends."""
    if 4 <= kind <= 6:  # the most frequent
        while data[at] > 127:
            at += 1
        return at + 1
    if kind == BINARY:
        size, at = _unsigned(data, at)
        return _within(data, at + size)
    if kind in _FIXED:
        return _within(data, at + _FIXED[kind])
    if depth > _MAX_DEPTH:
        raise Damaged
    if kind == STRUCT:
        while head := data[at]:
            kind = head & 15
            if head < 16:
                raise Damaged
            if 4 <= kind <= 6 and data[at + 1] < 128:
                at += 2
            else:
                at = _skip(data, at + 1, kind, depth + 1)
        return at + 1
    if kind != LIST:
        raise Damaged
    size, kind, at = _list_head(data, at)
    if kind in _FIXED:
        return _within(data, at + size * max(_FIXED[kind], 1))
    for _ in range(size):  # each takes a byte at least
        at = _skip(data, at, kind, depth + 1)
    return at


def _within(data: bytes, at: int) -> int:
    if at > len(data):
        raise IndexError
    return at


def _list_head(data: bytes, at: int) -> tuple[int, int, int]:
    """Size of a list, kind of its values, where they begin."""
    head, at = data[at], at + 1
    size = head >> 4
    if size == 15:
        size, at = _unsigned(data, at)
    return size, head & 15, at


def _unsigned(data: bytes, at: int) -> tuple[int, int]:
    value = data[at]
    if value < 128:
        return value, at + 1
    value &= 127
    for digit in range(1, _MAX_DIGITS):
        byte = data[at + digit]
        value |= (byte & 127) << 7 * digit
        if byte < 128:
            return value, at + digit + 1
    raise Damaged


def _digits(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    found.append(value)
    return bytes(found)
