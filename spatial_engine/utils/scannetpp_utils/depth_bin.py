"""`iphone/depth.bin`: depth images of a phone, 256x192, one after the other, frame 0 first.

Three encodings, little-endian, which no header tells apart:

- stream: the file is one raw DEFLATE stream of float32 metres, frame after frame;
- lz4: for each frame a u32 size, then an LZ4 block (no header) of uint16 millimetres;
- deflate: for each frame a u32 size, then raw DEFLATE of float32 metres.

Where sizes lead from the start exactly to the end of the file, it is one of the latter two: LZ4 and
DEFLATE refuse each other's data, so the first frame tells which. The file is never held whole, and
nothing is inflated beyond the one frame that it must be.

LZ4 is read by pyarrow, which is there for the tables; a package of its own would add nothing.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.scannetpp_utils.json_files import REMEDY
from spatial_engine.utils.storage.input_files import check_content, missing
from spatial_engine.utils.storage.os_errors import naming

FILE = "depth.bin"
SIZE = (256, 192)  # (width, height)
_PIXELS = SIZE[0] * SIZE[1]
_MM_BYTES, _METRE_BYTES = 2 * _PIXELS, 4 * _PIXELS
# Of one frame. LZ4 packs to 1/255 and DEFLATE to 1/1032 at best; what cannot be packed grows by
# 1/255 and by less.
_MIN_BLOCK, _MAX_BLOCK = 128, 2**18
_RAW_DEFLATE = -15  # zlib: no header, window of 32 KiB
_CHUNK = 2**20  # bytes read at once
_LZ4 = "lz4_raw"


class DepthBin:
    """Depth images of a `depth.bin`. `count` is how many it holds, None where only reading it
    through would tell (a stream).

    Raises `BadDataError` for a missing file and for one in none of the three encodings.
    """

    size = SIZE

    def __init__(self, path: Path):
        self.path = path
        try:
            with naming(path), open(path, "rb") as file:
                self._blocks, fault = _walk(file)
                self._decode = self._decoder(file, fault)
        except FileNotFoundError:
            raise MissingFileError(missing(path, REMEDY)) from None
        self.count = None if self._blocks is None else len(self._blocks)

    def read(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """Depth of frames (ascending numbers), each (192, 256) uint16 millimetres, 0 = not
        measured."""
        with naming(self.path), open(self.path, "rb") as file:
            yield from (
                self._from_stream(file, numbers)
                if self._decode is None
                else (self._frame(file, number) for number in numbers)
            )

    def _decoder(self, file: BinaryIO, fault: str) -> Callable[[bytes], np.ndarray] | None:
        """What decodes a block of this file; None for a stream."""
        if self._blocks is None:
            try:
                if next(_inflated(file), None) is None:
                    raise EOFError("it holds no frame")
            except (zlib.error, EOFError) as error:
                check_content(self.path, REMEDY)  # not before: a size may look like what it seeks
                raise self._bad(f"{fault}, and it is no DEFLATE stream ({error})") from None
            return None
        start, size = self._blocks[0]
        block = os.pread(file.fileno(), size, start)
        for decode in (_from_lz4, _from_deflate):
            try:
                decode(block)
            except ValueError:
                continue
            return decode
        raise self._bad(f"frame 0 is neither LZ4 nor DEFLATE of {SIZE[0]}x{SIZE[1]} pixels")

    def _frame(self, file: BinaryIO, number: int) -> np.ndarray:
        if number >= len(self._blocks):
            raise self._bad(f"holds {len(self._blocks)} frames, and not frame {number}")
        start, size = self._blocks[number]
        try:
            return self._decode(os.pread(file.fileno(), size, start))
        except ValueError as error:
            raise self._bad(f"frame {number} cannot be read ({error})") from None

    def _from_stream(self, file: BinaryIO, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        frames = enumerate(_inflated(file))
        for wanted in numbers:
            try:
                yield next(_to_mm(data) for number, data in frames if number == wanted)
            except StopIteration:
                raise self._bad(f"ends before frame {wanted}") from None
            except (zlib.error, EOFError) as error:
                raise self._bad(f"cannot be inflated up to frame {wanted} ({error})") from None

    def _bad(self, cause: str) -> BadDataError:
        return BadDataError(f"{self.path}: {cause}; {REMEDY}")


def _walk(file: BinaryIO) -> tuple[np.ndarray | None, str]:
    """Start and size of each block, (n, 2) int64; or None and where the sizes lead to nothing."""
    end = os.fstat(file.fileno()).st_size
    if not end:
        return None, "is empty"
    blocks, place = [], 0
    while place < end:
        head = os.pread(file.fileno(), 4, place)
        size = int.from_bytes(head, "little")
        where = f"frame {len(blocks)} claims {size} bytes"
        if len(head) < 4 or not _MIN_BLOCK <= size <= _MAX_BLOCK:
            return None, f"{where}, which no block of a frame has"
        if size > end - place - 4:
            return None, f"{where} and {end - place - 4} are there (was the file cut off?)"
        blocks.append((place + 4, size))
        place += 4 + size
    return np.array(blocks, np.int64), ""


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """Frames of a stream, each `_METRE_BYTES`. Raises `zlib.error`, or `EOFError` where the file or
    the stream ends within a frame."""
    file.seek(0)
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    frame, ahead = bytearray(), b""
    while not inflater.eof:
        ahead = ahead or file.read(_CHUNK)
        data = inflater.decompress(ahead, _METRE_BYTES - len(frame))
        if not ahead and not data and not inflater.eof:
            raise EOFError("the file is cut off")
        frame += data
        ahead = inflater.unconsumed_tail
        if len(frame) == _METRE_BYTES:
            yield bytes(frame)
            frame.clear()
    if frame:
        raise EOFError("it ends within a frame")


def _from_lz4(block: bytes) -> np.ndarray:
    codec = pa.Codec(_LZ4)
    try:
        data = codec.decompress(block, _MM_BYTES, asbytes=True)
    except OSError as error:
        raise ValueError(error) from None
    # The codec does not tell of a block that holds less. Of those that fit, only one that holds all
    # does not fit into a byte less.
    try:
        codec.decompress(block, _MM_BYTES - 1, asbytes=True)
    except OSError:
        return np.frombuffer(data, "<u2").astype(np.uint16).reshape(SIZE[::-1])
    raise ValueError(f"it holds less than {_MM_BYTES} bytes")


def _from_deflate(block: bytes) -> np.ndarray:
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    try:
        data = inflater.decompress(block, _METRE_BYTES + 1)  # one more byte shows a bomb
    except zlib.error as error:
        raise ValueError(error) from None
    if len(data) != _METRE_BYTES or not inflater.eof or inflater.unused_data:
        raise ValueError(f"it does not hold {_METRE_BYTES} bytes")
    return _to_mm(data)


def _to_mm(data: bytes) -> np.ndarray:
    """(192, 256) uint16 millimetres from float32 metres, cut off as the owners' tool does; what is
    not finite or below zero is not measured, what is beyond 16 bits is as far as they reach."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.frombuffer(data, "<f4").reshape(SIZE[::-1]) * np.float32(MM_PER_METRE)
    top = np.float32(np.iinfo(np.uint16).max)
    return np.where(np.isfinite(scaled), np.clip(scaled, 0, top), 0).astype(np.uint16)
