"""Decoding and encoding of 16-bit grey PNG images: depth, of which every frame has one.

Written are images of one form, which take a third of OpenCV's time to write and less than half to
read (docs/performance.md): every row as its difference to the one above ("up"), deflated by ISA-L.
They are PNGs as any other, and all others are read too, by OpenCV.

Source: the PNG specification, third edition, sections 5 (chunks), 9 (filters) and 10 (deflate).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from itertools import islice, pairwise

import cv2
import numpy as np
from isal import isal_zlib

MAX_SIDE = 8_192  # pixels; a larger image side means a damaged header

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LEVEL = 2  # of ISA-L's 0 to 3: noise leaves deflate no repeats to find
_UP = 2  # the filter, a byte before each row


def encode(image: np.ndarray) -> bytes:
    """PNG of a (height, width) uint16 image. Raises `ValueError` for values of another kind."""
    if image.dtype.kind != "u" or image.dtype.itemsize != 2 or not image.size:
        raise ValueError(f"depth of {image.dtype} {image.shape}, uint16 pixels are expected")
    height, width = image.shape
    values = np.ascontiguousarray(image, ">u2").view(np.uint8).reshape(height, 2 * width)
    rows = np.empty((height, 2 * width + 1), np.uint8)
    rows[:, 0] = _UP
    rows[0, 1:] = values[0]  # above the first row is nothing
    np.subtract(values[1:], values[:-1], out=rows[1:, 1:])
    deflated = isal_zlib.compress(rows, _LEVEL)
    return _head((width, height)) + _chunk(b"IDAT", deflated) + _chunk(b"IEND", b"")


def decode(data: bytes, size: tuple[int, int]) -> np.ndarray | None:
    """(height, width) uint16 of a PNG of this (width, height); None where it is damaged, or no such
    image."""
    if not is_whole(data, size):
        return None
    image = _decode_own(data, size)
    if image is None:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    return None if image is None or image.dtype != np.uint16 or image.ndim != 2 else image


def is_whole(data: bytes, size: tuple[int, int]) -> bool:
    """Whether a PNG is of this (width, height), which a camera can have, and ends with its last
    chunk.

    To be asked before OpenCV decodes it, which takes what memory a size or a chunk claims, and
    decodes a truncated image as far as it goes.
    """
    header = struct.pack(">I4sII", 13, b"IHDR", *size)
    if not 0 < min(size) <= max(size) <= MAX_SIDE or data[8 : 8 + len(header)] != header:
        return False
    for kind, _, end in _chunks(data):
        if kind == b"IEND":
            return end + 4 == len(data)  # its checksum
    return False


def _decode_own(data: bytes, size: tuple[int, int]) -> np.ndarray | None:
    """What `decode` gives, of an image of the form that `encode` writes; None of any other. The
    checksum of the pixels counts, those of chunks do not."""
    width, height = size
    if not data.startswith(_head(size)):
        return None
    pieces = []  # OpenCV cuts one stream into many
    for kind, begin, end in islice(_chunks(data), 1, None):
        if kind == b"IEND":
            break
        if kind != b"IDAT" or begin == end:  # a million empty ones would take memory
            return None
        pieces.append(data[begin:end])
    deflated = b"".join(pieces)
    expected = height * (2 * width + 1)
    inflater = isal_zlib.decompressobj()
    try:
        inflated = inflater.decompress(deflated, expected + 1)  # one more byte shows a bomb
    except isal_zlib.error:
        return None
    if not inflater.eof or inflater.unused_data or len(inflated) != expected:
        return None
    rows = np.frombuffer(inflated, np.uint8).reshape(height, 2 * width + 1)
    if (rows[:, 0] != _UP).any():
        return None
    values = rows[:, 1:].copy()
    for above, row in pairwise(values):  # twice as fast as accumulate
        row += above
    return values.view(">u2").astype(np.uint16)


def _head(size: tuple[int, int]) -> bytes:
    """The signature and the first chunk: 16 bits, grey, not interlaced."""
    return _SIGNATURE + _chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 16, 0, 0, 0, 0))


def _chunk(kind: bytes, body: bytes) -> bytes:
    checksum = zlib.crc32(body, zlib.crc32(kind))
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", checksum)))


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind of each chunk, and where its content begins and ends, as far as lengths can be read."""
    place = len(_SIGNATURE)
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        yield kind, place + 8, place + 8 + length
        place += 12 + length
