"""Reads `depth.bin` of ScanNet++ in its three encodings, frame by frame.

(a) one raw DEFLATE stream of float32 metres; (b) for each frame a size and an LZ4 block of uint16
millimetres; (c) for each frame a size and a raw DEFLATE stream of float32 metres. All have 192 rows
of 256.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.audit.captures.packed import lz4_block, raw_deflate
from spatial_engine.audit.raw.limits import MAX_FRAMES, RawDataError

WIDTH, HEIGHT = 256, 192
MM_BYTES, METRES_BYTES = 2 * WIDTH * HEIGHT, 4 * WIDTH * HEIGHT
CHUNK = 2**16


class DepthBin:
    """Depth by number of frame from 0. frames: how many there are, None where only reading to the
    end would tell. in_metres: whether they are floats."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            size = path.stat().st_size
            self._blocks = self._walk(size)
            self.frames = None if self._blocks is None else len(self._blocks)
            self.in_metres = not self._blocks or self._is_float()
        except OSError as err:
            raise RawDataError(f"{path}: {err.strerror or err}") from err
        self._next, self._stream = 0, None

    def _walk(self, size: int) -> list[tuple[int, int]] | None:
        """(first byte, bytes) of each frame; None where the sizes do not end with the file."""
        blocks, place = [], 0
        with open(self.path, "rb") as f:
            while place < size and len(blocks) <= MAX_FRAMES:
                f.seek(place)
                head = f.read(4)
                if len(head) < 4:
                    return None
                (count,) = struct.unpack("<I", head)
                if not 0 < count <= size - place - 4:
                    return None
                blocks.append((place + 4, count))
                place += 4 + count
        if len(blocks) > MAX_FRAMES:
            raise RawDataError(f"{self.path}: over {MAX_FRAMES} frames")
        return blocks if blocks else None

    def _is_float(self) -> bool:
        data = self._block(0)
        try:
            lz4_block(data, MM_BYTES)
        except RawDataError:
            return True
        return False

    def _block(self, number: int) -> bytes:
        first, count = self._blocks[number]
        if count > 2 * METRES_BYTES:
            raise RawDataError(f"{self.path}: frame {number} takes {count} bytes")
        with open(self.path, "rb") as f:
            f.seek(first)
            return f.read(count)

    def depth_mm(self, number: int) -> np.ndarray:
        """(192, 256) float64 millimetres, exact."""
        try:
            data = self._of_stream(number) if self._blocks is None else self._of_block(number)
        except OSError as err:
            raise RawDataError(f"{self.path}: {err.strerror or err}") from err
        if len(data) == MM_BYTES:
            return np.frombuffer(data, "<u2").reshape(HEIGHT, WIDTH).astype(np.float64)
        return np.frombuffer(data, "<f4").reshape(HEIGHT, WIDTH).astype(np.float64) * 1000.0

    def _of_block(self, number: int) -> bytes:
        if not 0 <= number < len(self._blocks):
            raise RawDataError(f"{self.path}: no frame {number} of {len(self._blocks)}")
        data = self._block(number)
        try:
            return lz4_block(data, MM_BYTES)
        except RawDataError:
            pass
        try:
            return raw_deflate(data, METRES_BYTES)
        except RawDataError as err:
            raise RawDataError(f"{self.path}: frame {number}: {err}") from err

    def _of_stream(self, number: int) -> bytes:
        """A frame of the one stream, which is read from its start where it went too far."""
        if self._stream is None or number < self._next:
            self._next, self._stream = 0, _Stream(self.path)
        while True:
            data = self._stream.read(METRES_BYTES)
            self._next += 1
            if len(data) != METRES_BYTES:
                self._stream = None
                raise RawDataError(f"{self.path}: ends before frame {number}")
            if self._next > number:
                return data


class _Stream:
    """What a raw DEFLATE file holds, piece by piece."""

    def __init__(self, path: Path) -> None:
        self._path, self._place = path, 0
        self._inflate: Any = zlib.decompressobj(-15)
        self._waiting = b""

    def read(self, count: int) -> bytes:
        """The next bytes; fewer at the end."""
        parts, missing = [], count
        with open(self._path, "rb") as f:
            f.seek(self._place)
            while missing and not self._inflate.eof:
                data = self._waiting or f.read(CHUNK)
                try:
                    out = self._inflate.decompress(data, missing)
                except zlib.error as err:
                    raise RawDataError(f"{self._path}: {err}") from err
                self._waiting = self._inflate.unconsumed_tail
                if not out and not data:
                    break
                parts.append(out)
                missing -= len(out)
            self._place = f.tell()
        return b"".join(parts)
