"""The `.sens` container of ScanNet (version 4), read and written as a stream.

Layout (little-endian): a header with the camera intrinsics, then one record per frame (pose, two
time stamps, two sizes, colour bytes, depth bytes), then optional IMU records that nobody reads.
Source: the SensReader/SensorData code of the ScanNet project; see also docs/formats.md.

A frame's bytes are touched only when they are asked for: `SensReader.frames` seeks past the
others, so memory does not grow with the length of the scan. No size found in a file is trusted
before it has been compared with the bytes that the file really has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from isal import isal_zlib

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.geometry.cameras import camera_fault, is_valid_pose, pose_fault
from spatial_engine.utils.pictures.png import MAX_SIDE
from spatial_engine.utils.storage.input_files import check_content, missing
from spatial_engine.utils.storage.os_errors import naming

REMEDY = "download the scene again"
SENS_VERSION = 4
COLOR_COMPRESSIONS = {0: "raw", 1: "png", 2: "jpeg"}
DEPTH_COMPRESSIONS = {0: "raw", 1: "zlib", 2: "occi"}
BYTES_OF_NO_IMAGE = 2**16  # headers and tables of a compressed image, generously

_CAMERAS = struct.Struct("<64f")
_FORMAT = struct.Struct("<iiIIIIfQ")
_FRAME = struct.Struct("<16fQQQQ")


@dataclass(frozen=True)
class SensHeader:
    """What the header says. Matrices are (4, 4) float32; sizes are (width, height) in pixels.

    `depth_shift` is the number of depth units in a metre (1000 in ScanNet).
    """

    color_intrinsic: np.ndarray
    color_extrinsic: np.ndarray
    depth_intrinsic: np.ndarray
    depth_extrinsic: np.ndarray
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    num_frames: int
    depth_shift: float = 1000.0
    color_compression: str = "jpeg"
    depth_compression: str = "zlib"
    sensor_name: str = "StructureSensor"


@dataclass(frozen=True)
class SensFrame:
    """One frame as stored: (4, 4) float32 camera-to-world pose and the two compressed images."""

    camera_to_world: np.ndarray
    color_bytes: bytes
    depth_bytes: bytes
    color_time: int = 0
    depth_time: int = 0
    number: int = 0  # in its file, for messages


class SensReader:
    """Reads the header at once and frames on demand; use as a context manager.

    Raises `BadDataError` naming the file for anything that the format does not allow.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            check_content(self.path, REMEDY)
            self._file: BinaryIO = open(self.path, "rb")  # noqa: SIM115 (closed by __exit__)
        except FileNotFoundError:
            raise MissingFileError(missing(self.path, REMEDY)) from None
        try:
            with naming(self.path):
                self._size = self._file.seek(0, 2)
                self._file.seek(0)
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> SensReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self.header.num_frames

    def frames(self, step: int = 1) -> Iterator[tuple[int, SensFrame]]:
        """Every `step`-th frame with its number, in order; the others are skipped unread.

        All frame records, the skipped ones too, are checked to lie within the file. A pose that
        can be used (`is_valid_pose`) is a rigid motion.
        """
        self._file.seek(self._first_frame)
        for number in range(self.header.num_frames):
            where = f"frame {number} of {self.header.num_frames}"
            *pose, color_time, depth_time, color_size, depth_size = _FRAME.unpack(
                self._take(_FRAME.size, where)
            )
            if color_size + depth_size > self._size - self._file.tell():
                raise self._bad(f"truncated in {where}")
            if color_size > self._most_color or depth_size > self._most_depth:
                raise self._bad(f"images of {color_size} and {depth_size} bytes in {where}")
            if number % step:
                self._file.seek(color_size + depth_size, 1)
                continue
            color_bytes = self._take(color_size, where)
            depth_bytes = self._take(depth_size, where)
            matrix = np.array(pose, np.float32).reshape(4, 4)
            times = (color_time, depth_time)
            if is_valid_pose(matrix) and (fault := pose_fault(matrix)):
                raise self._bad(f"the pose of frame {number} is not a rigid motion: {fault}")
            yield number, SensFrame(matrix, color_bytes, depth_bytes, *times, number)

    def depth_image(self, frame: SensFrame) -> np.ndarray:
        """Depth of a frame in the file's own units, (height, width) uint16; 0 = not measured.

        A frame without depth bytes gives all zeros.
        """
        width, height = self.header.depth_size
        if not frame.depth_bytes:
            return np.zeros((height, width), np.uint16)
        expected = 2 * width * height
        raw, name = frame.depth_bytes, f"the depth image of frame {frame.number}"
        if self.header.depth_compression == "zlib":
            inflater = isal_zlib.decompressobj()  # half the time of zlib
            try:
                raw = inflater.decompress(raw, expected + 1)  # one more byte shows a bomb
            except isal_zlib.error as error:
                raise self._bad(f"{name} cannot be inflated ({error})") from None
            if not inflater.eof:
                raise self._bad(f"{name} does not end with its {expected} bytes")
        if len(raw) != expected:
            raise self._bad(f"{name} holds {len(raw)} bytes or more, {expected} expected")
        return np.frombuffer(raw, "<u2").reshape(height, width)

    def _read_header(self) -> SensHeader:
        version, name_size = struct.unpack("<IQ", self._take(12, "the header"))
        if version != SENS_VERSION:
            raise self._bad(f"version {version}, only version {SENS_VERSION} is known")
        name = self._take(name_size, "the header").decode("utf-8", "replace").rstrip("\0")
        matrices = np.frombuffer(self._take(_CAMERAS.size, "the header"), "<f4").reshape(4, 4, 4)
        (color_code, depth_code, *sides, shift, num_frames) = _FORMAT.unpack(
            self._take(_FORMAT.size, "the header")
        )
        if color_code not in COLOR_COMPRESSIONS:
            raise self._bad(f"unknown colour compression {color_code}")
        if depth_code not in DEPTH_COMPRESSIONS:
            raise self._bad(f"unknown depth compression {depth_code}")
        if DEPTH_COMPRESSIONS[depth_code] == "occi":
            remedy = "write the file again with zlib depth, or take the scene off the split list"
            raise self._bad("depth is occi-compressed, which cannot be read", remedy)
        if not all(0 < side <= MAX_SIDE for side in sides):
            raise self._bad(f"image sizes {sides[:2]} and {sides[2:]} are not plausible")
        if not (np.isfinite(shift) and shift > 0):
            raise self._bad(f"depth shift {shift} is not a positive number")
        if fault := camera_fault(matrices[0], (sides[0], sides[1])):
            raise self._bad(f"the colour camera does not fit its images: {fault}")
        self._first_frame = self._file.tell()
        # Compressed is hardly larger than raw, which has 3 and 2 bytes a pixel; twice is ample.
        self._most_color = 6 * sides[0] * sides[1] + BYTES_OF_NO_IMAGE
        self._most_depth = 4 * sides[2] * sides[3] + BYTES_OF_NO_IMAGE
        room = (self._size - self._first_frame) // _FRAME.size
        if num_frames > room:
            raise self._bad(f"the header claims {num_frames} frames, {room} at most can be there")
        return SensHeader(
            *matrices,
            color_size=(sides[0], sides[1]),
            depth_size=(sides[2], sides[3]),
            num_frames=num_frames,
            depth_shift=shift,
            color_compression=COLOR_COMPRESSIONS[color_code],
            depth_compression=DEPTH_COMPRESSIONS[depth_code],
            sensor_name=name,
        )

    def _take(self, count: int, where: str) -> bytes:
        if count > self._size - self._file.tell():
            raise self._bad(f"truncated in {where}")
        with naming(self.path):
            return self._file.read(count)

    def _bad(self, cause: str, remedy: str = REMEDY) -> BadDataError:
        return BadDataError(f"{self.path}: {cause}; {remedy}")


def write_sens(path: str | Path, header: SensHeader, frames: Iterable[SensFrame]) -> None:
    """Write a `.sens` file; `frames` must yield `header.num_frames` frames, bytes as stored."""
    name = header.sensor_name.encode("utf-8")
    matrices = (
        header.color_intrinsic,
        header.color_extrinsic,
        header.depth_intrinsic,
        header.depth_extrinsic,
    )
    color_code = _code(COLOR_COMPRESSIONS, header.color_compression)
    depth_code = _code(DEPTH_COMPRESSIONS, header.depth_compression)
    with open(path, "wb") as file:
        file.write(struct.pack("<IQ", SENS_VERSION, len(name)) + name)
        file.write(np.stack(matrices).astype("<f4").tobytes())
        sides = (*header.color_size, *header.depth_size)
        file.write(
            _FORMAT.pack(color_code, depth_code, *sides, header.depth_shift, header.num_frames)
        )
        count = 0
        for frame in frames:
            pose = np.asarray(frame.camera_to_world, np.float32).ravel().tolist()
            times = (frame.color_time, frame.depth_time)
            sizes = (len(frame.color_bytes), len(frame.depth_bytes))
            file.write(_FRAME.pack(*pose, *times, *sizes))
            file.write(frame.color_bytes)
            file.write(frame.depth_bytes)
            count += 1
        file.write(struct.pack("<Q", 0))  # no IMU records
    if count != header.num_frames:
        raise ValueError(f"header says {header.num_frames} frames, {count} were given")


def _code(names: dict[int, str], name: str) -> int:
    return next(code for code, known in names.items() if known == name)
