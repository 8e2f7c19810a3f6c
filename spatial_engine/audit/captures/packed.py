"""Compressed bytes of captures: LZ4 blocks, raw DEFLATE, LZFSE streams; never more than wanted.

LZFSE (Apple): blocks `bvx-` (stored), `bvxn` (LZVN), `bvx2` (finite state entropy) up to `bvx$`.
Errors are `RawDataError` without a name, which the caller adds.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from spatial_engine.audit.raw.limits import RawDataError


def lz4_block(data: bytes, size: int) -> bytes:
    """The `size` bytes of an LZ4 block without frame or size."""
    out, place = bytearray(), 0
    while place < len(data):
        token = data[place]
        literals, place = _lz4_length(data, place + 1, token >> 4)
        if place + literals > len(data):
            raise RawDataError("an LZ4 block that ends inside literals")
        out += data[place : place + literals]
        place += literals
        if place == len(data):
            break
        if place + 2 > len(data):
            raise RawDataError("an LZ4 block that ends inside an offset")
        (distance,) = struct.unpack_from("<H", data, place)
        length, place = _lz4_length(data, place + 2, token & 15)
        _copy(out, distance, length + 4, size)
    if len(out) != size:
        raise RawDataError(f"an LZ4 block of {len(out)} bytes, not {size}")
    return bytes(out)


def _lz4_length(data: bytes, place: int, length: int) -> tuple[int, int]:
    """(length, place behind it) of a length whose first four bits are given."""
    if length == 15:
        while True:
            if place >= len(data):
                raise RawDataError("an LZ4 block that ends inside a length")
            length, place = length + data[place], place + 1
            if data[place - 1] != 255:
                break
    return length, place


def _copy(out: bytearray, distance: int, length: int, most: int) -> None:
    """Repeat what was there `distance` bytes ago; it may overlap with itself."""
    if not 0 < distance <= len(out) or len(out) + length > most:
        raise RawDataError("compressed bytes that refer beyond their bounds")
    for _ in range(length):
        out.append(out[-distance])


def raw_deflate(data: bytes, size: int) -> bytes:
    """The `size` bytes of a DEFLATE stream without header."""
    try:
        stream = zlib.decompressobj(-15)
        out = stream.decompress(data, size + 1)  # one more is enough to notice a longer one
    except zlib.error as err:
        raise RawDataError(str(err)) from err
    if len(out) != size or not stream.eof:
        raise RawDataError(f"a DEFLATE stream that is not of {size} bytes")
    return out


# ---- LZFSE ---------------------------------------------------------------------------------------


def lzfse(data: bytes, size: int) -> bytes:
    """The `size` bytes of an LZFSE stream."""
    out, place = bytearray(), 0
    try:
        while (magic := data[place : place + 4]) != b"bvx$":
            (count,) = struct.unpack_from("<I", data, place + 4)
            if len(out) + count > size:
                raise RawDataError(f"an LZFSE stream of over {size} bytes")
            end = len(out) + count
            if magic == b"bvx-":
                out += data[place + 8 : place + 8 + count]
                place += 8 + count
            elif magic == b"bvxn":
                (length,) = struct.unpack_from("<I", data, place + 8)
                _lzvn(data[place + 12 : place + 12 + length], out, end)
                place += 12 + length
            elif magic == b"bvx2":
                place = _fse_block(data, place, out, end)
            else:
                raise RawDataError(f"an LZFSE block {magic!r}, which is unknown")
            if len(out) != end:
                raise RawDataError("an LZFSE block that is not as long as it says")
    except (struct.error, IndexError) as err:
        raise RawDataError("an LZFSE stream that ends early") from err
    if len(out) != size:
        raise RawDataError(f"an LZFSE stream of {len(out)} bytes, not {size}")
    return bytes(out)


def _lzvn(data: bytes, out: bytearray, most: int) -> None:
    """Append what an LZVN payload holds, up to `most` bytes in all."""
    place, distance = 0, 0
    while True:
        op = data[place]
        literals, length = op >> 6, 0
        if op == 0x06:
            return
        if op in (0x0E, 0x16):
            place += 1
            continue
        if op >= 0xF0:  # match alone, of the distance before
            literals, width = 0, 2 if op == 0xF0 else 1
            length = data[place + 1] + 16 if op == 0xF0 else op & 15
        elif op >= 0xE0:  # literals alone
            width = 2 if op == 0xE0 else 1
            literals = data[place + 1] + 16 if op == 0xE0 else op & 15
        elif 0xA0 <= op < 0xC0:
            (pair,) = struct.unpack_from("<H", data, place + 1)
            literals, width = op >> 3 & 3, 3
            length, distance = ((op & 7) << 2 | pair & 3) + 3, pair >> 2
        elif op >> 4 in (7, 13) or (op & 7 == 6 and op < 0x40):
            raise RawDataError(f"an LZVN operation {op:#x}, which is none")
        else:
            length, width = (op >> 3 & 7) + 3, 1
            if op & 7 == 7:
                (distance,) = struct.unpack_from("<H", data, place + 1)
                width = 3
            elif op & 7 < 6:
                distance, width = (op & 7) << 8 | data[place + 1], 2
        place += width
        if place + literals > len(data) or len(out) + literals > most:
            raise RawDataError("LZVN literals beyond their bounds")
        out += data[place : place + literals]
        place += literals
        if length:
            _copy(out, distance, length, most)


class _Step(NamedTuple):
    """An entry of a table of states: bits to read for the next state, and what the state means."""

    bits: int
    symbol: int
    delta: int


class _Bits:
    """Bits of a payload, read from its end; `spare` of the last byte (0 to 7) are not used."""

    def __init__(self, data: bytes, spare: int) -> None:
        self._data, self._left = data, 8 * len(data) - spare

    def pull(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise RawDataError("an LZFSE payload that ends early")
        first = self._left >> 3
        window = int.from_bytes(self._data[first : first + 8], "little")
        return window >> (self._left & 7) & ((1 << count) - 1)


_STATES = (64, 64, 256, 1024)  # of lengths of literals, of matches, of distances, of literals
_SYMBOLS = (20, 20, 64, 256)
_EXTRA = (
    [0] * 16 + [2, 3, 5, 8],
    [0] * 16 + [3, 5, 8, 11],
    [k // 4 for k in range(64)],
)
_BASE = [[sum(1 << bits for bits in extra[:k]) for k in range(len(extra))] for extra in _EXTRA]
_SHORT = {0: (2, 0), 2: (2, 1), 1: (3, 2), 5: (3, 3)}  # low bits: how many, the number
_MEDIUM = {3: 4, 11: 5, 19: 6, 27: 7}  # five bits: the number


def _frequencies(data: bytes) -> list[list[int]]:
    """How often each symbol is among the states, of the four tables."""
    bits, place = int.from_bytes(data, "little"), 0

    def number() -> int:
        nonlocal place
        low = bits >> place & 31
        for width, key in ((2, low & 3), (3, low & 7)):
            if key in _SHORT and _SHORT[key][0] == width:
                place += width
                return _SHORT[key][1]
        if low in _MEDIUM:
            place += 5
            return _MEDIUM[low]
        if low & 15 == 7:
            place += 8
            return 8 + (bits >> place - 4 & 15)
        place += 14
        return 24 + (bits >> place - 10 & 1023)

    found = [[number() for _ in range(count)] for count in _SYMBOLS]
    if place > 8 * len(data) or any(sum(f) > n for f, n in zip(found, _STATES, strict=True)):
        raise RawDataError("an LZFSE header whose frequencies are none")
    return found


def _table(frequencies: list[int], states: int) -> list[_Step]:
    table = []
    for symbol, often in enumerate(frequencies):
        if not often:
            continue
        bits = states.bit_length() - often.bit_length()
        split = (2 * states >> bits) - often
        for k in range(often):
            if k < split:
                table.append(_Step(bits, symbol, (often + k << bits) - states))
            else:
                table.append(_Step(bits - 1, symbol, k - split << bits - 1))
    return table


def _fse_block(data: bytes, start: int, out: bytearray, most: int) -> int:
    """Append what a `bvx2` block holds; the place behind it."""
    one, two, three = struct.unpack_from("<3Q", data, start + 8)

    def field(word: int, first: int, count: int) -> int:
        return word >> first & ((1 << count) - 1)

    literals_count, literal_bytes, matches = (field(one, 20 * k, 20) for k in range(3))
    states = [field(two, 10 * k, 10) for k in range(4)]
    lmd_bytes = field(two, 40, 20)
    head = start + field(three, 0, 32)
    if not start + 32 <= head <= start + 32 + 2 * sum(_SYMBOLS):
        raise RawDataError("an LZFSE header of an impossible size")
    frequencies = _frequencies(data[start + 32 : head])
    tables = [_table(often, count) for often, count in zip(frequencies, _STATES, strict=True)]
    middle, end = head + literal_bytes, head + literal_bytes + lmd_bytes
    if end > len(data):
        raise RawDataError("an LZFSE stream that ends early")

    stream, literals = _Bits(data[head:middle], 7 - field(one, 60, 3)), bytearray()
    for k in range(literals_count):
        step = tables[3][states[k % 4]]
        states[k % 4] = step.delta + stream.pull(step.bits)
        literals.append(step.symbol)

    stream = _Bits(data[middle:end], 7 - field(two, 60, 3))
    at = [field(three, first, 10) for first in (32, 42, 52)]
    distance = used = 0
    for _ in range(matches):
        values = []
        for k in range(3):
            step = tables[k][at[k]]
            extra = _EXTRA[k][step.symbol]
            pulled = stream.pull(step.bits + extra)
            at[k] = step.delta + (pulled >> extra)
            values.append(_BASE[k][step.symbol] + (pulled & ((1 << extra) - 1)))
        count, length, new = values
        distance = new or distance
        if used + count > len(literals) or len(out) + count > most:
            raise RawDataError("LZFSE literals beyond their bounds")
        out += literals[used : used + count]
        used += count
        if length:
            _copy(out, distance, length, most)
    return end
