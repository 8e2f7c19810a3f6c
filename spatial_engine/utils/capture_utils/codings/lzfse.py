"""Decompression of LZFSE, the format of Apple in which Record3D stores depth.

A stream is a row of blocks, each beginning with four letters: `bvx-` raw bytes, `bvxn` LZVN (small
inputs), `bvx1` and `bvx2` LZ77 with finite state entropy coding (`bvx2` has packed tables), `bvx$`
the end. Written for this engine from the layout of the reference implementation (Apple, BSD): the
packages that wrap that one take as much memory as a stream claims. Nothing here takes more than
`limit`, whatever a stream says.

A depth image of 256x192 takes some hundredths of a second. What is per byte is in Python, so its
loops work on local names and on tables of tuples.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np

MAX_LITERALS, MAX_MATCHES = 40_000, 10_000  # of a block
L_STATES, M_STATES, D_STATES, LITERAL_STATES = 64, 64, 256, 1024
# A length or distance is the base of its symbol and so many further bits.
L_BITS = [0] * 16 + [2, 3, 5, 8]
M_BITS = [0] * 16 + [3, 5, 8, 11]
D_BITS = [n for n in range(16) for _ in range(4)]
_BLOCK_V1 = struct.Struct("<7Ii4Hi3H")
_COUNTS = (20, 20, 64, 256)  # symbols of L, M, D and literals


class LzfseError(ValueError):
    """A stream that is damaged, or that holds more than it may."""


def _bases(bits: list[int], first: int) -> list[int]:
    """Least value of each symbol: the one after the last value of the symbol before."""
    bases = [first]
    for number in bits[:-1]:
        bases.append(bases[-1] + (1 << number))
    return bases


L_BASES, M_BASES, D_BASES = (_bases(bits, 0) for bits in (L_BITS, M_BITS, D_BITS))


@dataclass(frozen=True)
class _Header:
    """Of a block of either version."""

    num_literals: int
    num_matches: int
    literal_bytes: int
    match_bytes: int
    literal_bits: int  # -7 to 0: bits of the last byte that are not used
    match_bits: int
    literal_states: tuple[int, ...]
    match_states: tuple[int, ...]
    frequencies: list[list[int]]  # of the symbols of L, M, D and literals


def decompress(data: bytes, limit: int) -> bytes:
    """What a stream holds, at most `limit` bytes. Raises `LzfseError` for any other stream."""
    out = bytearray()
    place = 0
    try:
        while (magic := data[place : place + 4]) != b"bvx$":
            if magic == b"bvx-":
                (size,) = struct.unpack_from("<I", data, place + 4)
                place += 8
                _check(size <= len(data) - place, "it is truncated")
                _check(len(out) + size <= limit, f"it holds more than {limit} bytes")
                out += data[place : place + size]
                place += size
            elif magic == b"bvxn":
                _, size = struct.unpack_from("<II", data, place + 4)
                place += 12
                _check(size <= len(data) - place, "it is truncated")
                _add_lzvn(out, data[place : place + size], limit)
                place += size
            elif magic in (b"bvx1", b"bvx2"):
                read = _header_v1 if magic == b"bvx1" else _header_v2
                header, place = read(data, place)
                middle = place + header.literal_bytes
                end = middle + header.match_bytes
                _check(end <= len(data), "it is truncated")
                literals = _literals(header, data[place:middle])
                _add_matches(out, header, data[middle:end], literals, limit)
                place = end
            else:
                raise LzfseError("it is truncated" if not magic else f"unknown block {magic!r}")
    except (struct.error, IndexError):
        raise LzfseError("it is damaged") from None
    return bytes(out)


def _check(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise LzfseError(otherwise)


def _header_v1(data: bytes, place: int) -> tuple[_Header, int]:
    values = _BLOCK_V1.unpack_from(data, place)
    _, _, _, num_literals, num_matches, literal_bytes, match_bytes, literal_bits = values[:8]
    place += _BLOCK_V1.size
    counts = struct.unpack_from(f"<{sum(_COUNTS)}H", data, place)
    place += 2 * sum(_COUNTS)
    header = _Header(
        num_literals, num_matches, literal_bytes, match_bytes, literal_bits, values[12],
        values[8:12], values[13:16], _split(list(counts)),
    )  # fmt: skip
    return _checked(header), place


def _header_v2(data: bytes, place: int) -> tuple[_Header, int]:
    first, second, third = struct.unpack_from("<3Q", data, place + 8)
    size = third & 0xFFFFFFFF
    _check(32 <= size <= 32 + 2 * sum(_COUNTS) and place + size <= len(data), "it is damaged")
    header = _Header(
        num_literals=first & 0xFFFFF,
        literal_bytes=first >> 20 & 0xFFFFF,
        num_matches=first >> 40 & 0xFFFFF,
        literal_bits=(first >> 60 & 7) - 7,
        literal_states=tuple(second >> shift & 0x3FF for shift in (0, 10, 20, 30)),
        match_bytes=second >> 40 & 0xFFFFF,
        match_bits=(second >> 60 & 7) - 7,
        match_states=tuple(third >> shift & 0x3FF for shift in (32, 42, 52)),
        frequencies=_split(_packed_frequencies(data[place + 32 : place + size])),
    )
    return _checked(header), place + size


def _packed_frequencies(packed: bytes) -> list[int]:
    """Frequencies of all symbols: small numbers in few bits, from the lowest bit on."""
    if not packed:
        return [0] * sum(_COUNTS)
    bits, left = int.from_bytes(packed, "little"), 8 * len(packed)
    found = []
    for _ in range(sum(_COUNTS)):
        if bits & 1 == 0:
            used, value = 2, bits >> 1 & 1
        elif bits & 3 == 1:
            used, value = 3, 2 + (bits >> 2 & 1)
        elif bits & 7 == 3:
            used, value = 5, 4 + (bits >> 3 & 3)
        elif bits & 15 == 7:
            used, value = 8, 8 + (bits >> 4 & 15)
        else:
            used, value = 14, 24 + (bits >> 4 & 1023)
        bits >>= used
        left -= used
        found.append(value)
    _check(0 <= left < 8, "its tables are damaged")
    return found


def _split(counts: list[int]) -> list[list[int]]:
    ends = np.cumsum(_COUNTS)
    return [counts[end - number : end] for number, end in zip(_COUNTS, ends, strict=True)]


def _checked(header: _Header) -> _Header:
    states = (L_STATES, M_STATES, D_STATES, LITERAL_STATES)
    _check(
        header.num_literals <= MAX_LITERALS
        and header.num_matches <= MAX_MATCHES
        and header.literal_bytes <= 2 * MAX_LITERALS  # ten bits each at most
        and header.match_bytes <= 8 * MAX_MATCHES
        and min(header.literal_bits, header.match_bits) >= -7
        and max(header.literal_bits, header.match_bits) <= 0
        and all(sum(f) <= n for f, n in zip(header.frequencies, states, strict=True)),
        "a block of it is damaged",
    )
    return header


def _transitions(frequencies: list[int], states: int) -> list[tuple[int, int, int]]:
    """(symbol, bits to read, what to add to them for the next state) of each state in use."""
    table = []
    for symbol, number in enumerate(frequencies):
        if not number:
            continue
        bits = states.bit_length() - number.bit_length()  # number << bits is in [states, 2 states)
        longer = (2 * states >> bits) - number
        for j in range(number):
            if j < longer:
                table.append((symbol, bits, (number + j << bits) - states))
            else:
                table.append((symbol, bits - 1, j - longer << bits - 1))
    return table


def _windows(data: bytes) -> memoryview:
    """For each bit of little-endian data the 25 bits or more from it on, as an integer."""
    padded = np.frombuffer(data + bytes(3), np.uint8).astype(np.uint32)
    words = padded[:-3] | padded[1:-2] << 8 | padded[2:-1] << 16 | padded[3:] << 24
    return memoryview((words[:, None] >> np.arange(8, dtype=np.uint32)).ravel())


def _literals(header: _Header, data: bytes) -> bytes:
    """Literal bytes of a block: four interleaved states that read one row of bits from its end."""
    transitions = _transitions(header.frequencies[3], LITERAL_STATES)
    symbols = np.array([symbol for symbol, _, _ in transitions] or [0], np.uint8)
    table = [(bits, (1 << bits) - 1, add) for _, bits, add in transitions]
    windows = _windows(data)
    place = 8 * len(data) + header.literal_bits
    a, b, c, d = header.literal_states
    states: list[int] = []
    for _ in range((header.num_literals + 3) // 4):
        states += (a, b, c, d)
        bits, mask, add = table[a]
        place -= bits
        a = add + (windows[place] & mask) if bits else add
        bits, mask, add = table[b]
        place -= bits
        b = add + (windows[place] & mask) if bits else add
        bits, mask, add = table[c]
        place -= bits
        c = add + (windows[place] & mask) if bits else add
        bits, mask, add = table[d]
        place -= bits
        d = add + (windows[place] & mask) if bits else add
    _check(place >= 0, "its literals are damaged")  # a negative place reads elsewhere until here
    if not states:
        return b""
    return symbols[np.array(states)].tobytes()


def _value_table(frequencies: list[int], states: int, extra: list[int], bases: list[int]) -> list:
    """(bits to read, their mask, bits of the value among them, mask of these, base, what to add for
    the next state) of each state."""
    return [
        (bits + (n := extra[symbol]), (1 << bits + n) - 1, n, (1 << n) - 1, bases[symbol], add)
        for symbol, bits, add in _transitions(frequencies, states)
    ]


def _add_matches(out: bytearray, header: _Header, data: bytes, literals: bytes, limit: int) -> None:
    """Carry out the matches of a block: L literals, then M bytes from D before."""
    of_l, of_m, of_d, _ = header.frequencies
    l_table = _value_table(of_l, L_STATES, L_BITS, L_BASES)
    m_table = _value_table(of_m, M_STATES, M_BITS, M_BASES)
    d_table = _value_table(of_d, D_STATES, D_BITS, D_BASES)
    l_state, m_state, d_state = header.match_states
    windows = _windows(data)
    place = 8 * len(data) + header.match_bits
    used = distance = 0
    for _ in range(header.num_matches):
        bits, mask, extra, low, base, add = l_table[l_state]
        place -= bits
        value = windows[place] & mask if bits else 0
        l_state, length = add + (value >> extra), base + (value & low)
        bits, mask, extra, low, base, add = m_table[m_state]
        place -= bits
        value = windows[place] & mask if bits else 0
        m_state, match = add + (value >> extra), base + (value & low)
        bits, mask, extra, low, base, add = d_table[d_state]
        place -= bits
        value = windows[place] & mask if bits else 0
        d_state, new = add + (value >> extra), base + (value & low)
        distance = new or distance
        _check(place >= 0, "its matches are damaged")
        if length:
            out += literals[used : used + length]
            used += length
        if match:
            _repeat(out, distance, match)
        _check(len(out) <= limit, f"it holds more than {limit} bytes")
    _check(used <= len(literals), "its literals are damaged")


def _repeat(out: bytearray, distance: int, length: int) -> None:
    """Append `length` bytes from `distance` before the end, which may run into themselves."""
    start = len(out) - distance
    if not distance or start < 0:
        raise LzfseError("a match of it reaches before its start")
    if length <= distance:
        out += out[start : start + length]
    else:
        piece = bytes(out[start:])
        out += (piece * (length // distance + 1))[:length]


def _add_lzvn(out: bytearray, data: bytes, limit: int) -> None:
    """Carry out a block of LZVN: operations of one to three bytes, each with literals behind it."""
    place = distance = 0
    while True:
        _check(len(out) <= limit, f"it holds more than {limit} bytes")
        op = data[place]
        low, high = op & 7, op >> 4
        literals, match = op >> 6, (op >> 3 & 7) + 3
        if op == 0x06:  # the end
            return
        if op in (0x0E, 0x16):  # nothing
            place += 1
            continue
        if high == 0xF:  # a match alone, at the distance of the last
            literals, match, place = 0, op & 15, place + 1
            if not match:
                match, place = data[place] + 16, place + 1
        elif high == 0xE:  # literals alone
            literals, match, place = op & 15, 0, place + 1
            if not literals:
                literals, place = data[place] + 16, place + 1
        elif high in (0xA, 0xB):  # a medium distance
            more = data[place + 1] | data[place + 2] << 8
            literals, match, distance = op >> 3 & 3, (low << 2 | more & 3) + 3, more >> 2
            place += 3
        elif high in (0x7, 0xD):
            raise LzfseError("an operation of it is unknown")
        elif low == 7:  # a large distance
            distance, place = data[place + 1] | data[place + 2] << 8, place + 3
        elif low == 6:  # the distance of the last
            _check(literals > 0, "an operation of it is unknown")
            place += 1
        else:  # a small distance
            distance, place = low << 8 | data[place + 1], place + 2
        _check(literals <= len(data) - place, "it is truncated")
        out += data[place : place + literals]
        place += literals
        if match:
            _repeat(out, distance, match)
