"""Reads a `.sens` file: poses, camera, and the colour and depth of each frame.

Headers are read at once, stepping over the images; colour and depth frame by frame, by seeking.

How docs/spec.md was read where it leaves a choice, by section:
- 3.2 rescaled: value * 1000 / shift, rounded to the nearest whole millimetre, at most 65535. An
  exact half may go either way: `depth_mm` goes to even, `depth_mm_bounds` gives both.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from spatial_engine.audit.raw.cameras import check_camera
from spatial_engine.audit.raw.ids import FRAME_STEP, frame_of
from spatial_engine.audit.raw.limits import MAX_FRAMES, MAX_PIXELS, RawDataError

MAX_SIDE = 8192  # of a picture
MAX_PNG_MM = 65535
_FRAME_HEADER_BYTES = 64 + 4 * 8  # pose, then four u64: two times, two sizes


class FrameRecord(NamedTuple):
    """Where one frame's data lies in the `.sens` file, in bytes from its start."""

    colour_offset: int
    colour_bytes: int
    depth_offset: int
    depth_bytes: int


class SensFile:
    """The frames of a scan.

    Attributes (float64 throughout):
        poses: (F, 4, 4) camera-to-world as recorded, NOT axis-aligned; may hold inf or NaN.
        colour_intrinsics: (3, 3), pixels. colour_size, depth_size: (width, height).
        depth_shift: units of a stored depth value per metre.
    """

    def __init__(self, path: Path) -> None:
        self._sens = path
        try:
            with open(path, "rb") as f:
                self._read_headers(f, path.stat().st_size)
        except OSError as err:
            raise RawDataError(f"{path}: {err.strerror or err}") from err

    def _read_headers(self, f: BinaryIO, size: int) -> None:
        (version,) = self._read(f, "<I")
        if version != 4:
            raise RawDataError(f"{self._sens}: version {version}, expected 4")
        (name_bytes,) = self._read(f, "<Q")
        if name_bytes > size:
            raise RawDataError(f"{self._sens}: sensor name of {name_bytes} bytes")
        f.seek(name_bytes, 1)
        intrinsics, *_ = [self._read_matrix(f) for _ in range(4)]
        self.colour_intrinsics = intrinsics[:3, :3]
        self._colour_compression, self._depth_compression = self._read(f, "<ii")
        colour_w, colour_h, depth_w, depth_h = self._read(f, "<IIII")
        self.colour_size = (colour_w, colour_h)
        self.depth_size = (depth_w, depth_h)
        for w, h in (self.colour_size, self.depth_size):
            if not (0 < w <= MAX_SIDE and 0 < h <= MAX_SIDE and w * h <= MAX_PIXELS):
                raise RawDataError(f"{self._sens}: pictures of {w}x{h} pixels")
        check_camera(self._sens, intrinsics, self.colour_size)
        (self.depth_shift,) = self._read(f, "<f")
        self._read_frame_headers(f, size)

    def _read_frame_headers(self, f: BinaryIO, size: int) -> None:
        (num_frames,) = self._read(f, "<Q")
        if num_frames > MAX_FRAMES or num_frames * _FRAME_HEADER_BYTES > size:
            raise RawDataError(f"{self._sens}: {num_frames} frames do not fit in {size} bytes")
        poses = []
        self._frames: list[FrameRecord] = []
        for index in range(num_frames):
            poses.append(self._read_matrix(f))
            _, _, colour_bytes, depth_bytes = self._read(f, "<QQQQ")
            start = f.tell()
            if start + colour_bytes + depth_bytes > size:
                raise RawDataError(f"{self._sens}: ends inside frame {index}")
            depth_start = start + colour_bytes
            self._frames.append(FrameRecord(start, colour_bytes, depth_start, depth_bytes))
            f.seek(depth_start + depth_bytes)
        self.poses = np.array(poses, dtype=np.float64).reshape(-1, 4, 4)

    def _read(self, f: BinaryIO, fmt: str) -> tuple:
        data = f.read(struct.calcsize(fmt))
        if len(data) != struct.calcsize(fmt):
            raise RawDataError(f"{self._sens}: ends inside a header at byte {f.tell()}")
        return struct.unpack(fmt, data)

    def _read_matrix(self, f: BinaryIO) -> np.ndarray:
        return np.array(self._read(f, "<16f"), dtype=np.float64).reshape(4, 4)

    def _index(self, frame_id: str) -> int:
        """Frame number of an id such as "00005"."""
        scene_id = self._sens.stem
        if frame_of(frame_id) is None:
            raise RawDataError(f"{scene_id}: {frame_id!r} is not a frame id")
        if int(frame_id) >= len(self._frames):
            raise RawDataError(
                f"{scene_id}: no frame {frame_id}, the .sens has {len(self._frames)}"
            )
        return int(frame_id)

    def _read_bytes(self, offset: int, count: int) -> bytes:
        with open(self._sens, "rb") as f:
            f.seek(offset)
            data = f.read(count)
        if len(data) != count:
            raise RawDataError(f"{self._sens}: {len(data)} of {count} bytes at {offset}")
        return data

    def frame_ids(self, step: int = FRAME_STEP) -> list[str]:
        """Ids of every `step`-th frame: "00000", "00005", ..."""
        return [f"{index:05d}" for index in range(0, len(self._frames), step)]

    def jpeg_bytes(self, frame_id: str) -> bytes:
        """The stored JPEG of a frame, byte for byte."""
        if self._colour_compression != 2:
            raise RawDataError(f"{self._sens}: colour compression {self._colour_compression}")
        frame = self._frames[self._index(frame_id)]
        return self._read_bytes(frame.colour_offset, frame.colour_bytes)

    def depth_mm(self, frame_id: str) -> np.ndarray:
        """(H, W) int64 depth in whole millimetres as SPEC 3.2 stores it; 0 = not measured."""
        exact = self._exact_depth_mm(frame_id)
        return np.clip(np.rint(exact), 0, MAX_PNG_MM).astype(np.int64)

    def depth_mm_bounds(self, frame_id: str) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that rounding may make of each depth, (H, W) float64 mm.

        They differ only where rescaling to millimetres met an exact half.
        """
        exact = self._exact_depth_mm(frame_id)
        low, high = np.ceil(exact - 0.5), np.floor(exact + 0.5)
        return np.clip(low, 0, MAX_PNG_MM), np.clip(high, 0, MAX_PNG_MM)

    def _exact_depth_mm(self, frame_id: str) -> np.ndarray:
        """(H, W) float64 depth in millimetres before rounding; 0 = not measured."""
        width, height = self.depth_size
        expected = width * height * 2
        frame = self._frames[self._index(frame_id)]
        if frame.depth_bytes == 0:
            return np.zeros((height, width), dtype=np.float64)
        data = self._read_bytes(frame.depth_offset, frame.depth_bytes)
        if self._depth_compression == 1:
            try:  # one byte more than wanted is enough to notice a frame that is too long
                data = zlib.decompressobj().decompress(data, expected + 1)
            except zlib.error as err:
                raise RawDataError(f"{self._sens}: depth of frame {frame_id}: {err}") from err
        elif self._depth_compression != 0:
            raise RawDataError(f"{self._sens}: depth compression {self._depth_compression}")
        if len(data) != expected:
            raise RawDataError(
                f"{self._sens}: depth of frame {frame_id} has {len(data)} bytes, not {expected}"
            )
        if not (np.isfinite(self.depth_shift) and self.depth_shift > 0):
            raise RawDataError(f"{self._sens}: depth shift {self.depth_shift}")
        stored = np.frombuffer(data, "<u2").reshape(height, width).astype(np.float64)
        return stored * 1000.0 / self.depth_shift
