"""The arrays of a clip's file, an `.npz` that may be hostile: nothing of it is run, and sizes are
checked before memory is taken.

Arrays that are stored as they are, as numpy stores them, are read at once, and their checksum is
made by ISA-L: zipfile takes several times as long for it.
"""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
from isal import isal_zlib

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.clips.clip_lists import REMEDY
from spatial_engine.utils.clips.object_array import read_bytes_array
from spatial_engine.utils.storage.input_files import check_content, missing
from spatial_engine.utils.storage.os_errors import naming

CLIP_REMEDY = "get the clip again"
MAX_BYTES = 256 * 2**20  # of one array; the largest real ones have some 30 MB
_ENCRYPTED = 1  # a flag of a file in an archive
_LOCAL_HEADER = struct.Struct("<26x2H")  # before the bytes of a file: lengths of name and extras


def open_npz(path: Path) -> zipfile.ZipFile:
    """The archive. Raises `MissingInputError` without the file, `BadDataError` for another one."""
    if not path.is_file():
        raise MissingInputError(missing(path, REMEDY, "clip"))
    check_content(path, CLIP_REMEDY, packed=True)
    try:
        with naming(path):
            return zipfile.ZipFile(path)
    except Exception as error:  # a damaged archive can raise almost anything
        raise bad(path, f"not an npz ({error})") from None


def has(archive: zipfile.ZipFile, key: str) -> bool:
    """Whether there is such an array."""
    return f"{key}.npy" in archive.namelist()


def read_array(archive: zipfile.ZipFile, path: Path, key: str, kind: str) -> np.ndarray:
    """An array of numbers, kind "f" (any float or integer), or of truth values, kind "b"."""
    with _member(archive, path, key) as file:
        shape, in_fortran, dtype = _read_header(file, path, key)
        if dtype.kind not in ("fiu" if kind == "f" else "b"):
            raise bad(path, f"{key} is of type {dtype}")
        head = file.tell()
    return _read_body(archive, path, key, head, shape, in_fortran, dtype)


def read_shape(archive: zipfile.ZipFile, path: Path, key: str) -> tuple[int, ...]:
    """The shape of an array, from its header alone."""
    with _member(archive, path, key) as file:
        return _read_header(file, path, key)[0]


def read_byte_strings(
    archive: zipfile.ZipFile, path: Path, key: str, most: int
) -> list[bytes | memoryview]:
    """The items of an array of bytes, at least one and at most so many: of fixed width, of which
    the zero bytes at the end are left out, or objects."""
    with _member(archive, path, key) as file:
        shape, in_fortran, dtype = _read_header(file, path, key)
        if len(shape) != 1 or not 0 < shape[0] <= most:
            raise bad(path, f"{key} has the shape {shape}")
        if dtype.kind == "S":
            array = _read_body(archive, path, key, file.tell(), shape, in_fortran, dtype)
            rows, lengths = memoryview(array.view(np.uint8)), np.char.str_len(array).tolist()
            starts = range(0, len(rows), dtype.itemsize)
            return [rows[at : at + n] for at, n in zip(starts, lengths, strict=True)]
        if dtype.kind != "O":
            raise bad(path, f"{key} is of type {dtype}")
        items = read_bytes_array(file, shape[0], f"{path}: {key}")
    if sum(map(len, items)) > MAX_BYTES:  # a pickle can hold one item many times over
        raise bad(path, f"{key} holds over {MAX_BYTES:,} bytes")
    return [item.rstrip(b"\0") for item in items]


def bad(path: Path, cause: str) -> BadDataError:
    """The error that says what is wrong with a clip."""
    return BadDataError(f"{path}: {cause}; {CLIP_REMEDY}")


def _member(archive: zipfile.ZipFile, path: Path, key: str) -> IO[bytes]:
    """A file of the archive, opened; never more than its stated size is read from it."""
    try:
        info = archive.getinfo(f"{key}.npy")
        if info.file_size > MAX_BYTES:
            raise bad(path, f"{key} claims {info.file_size:,} bytes")
        with naming(path):
            return archive.open(info)
    except KeyError:
        raise bad(path, f"has no {key}") from None
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise bad(path, f"{key} cannot be read ({error})") from None


def _read_header(file: IO[bytes], path: Path, key: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """(shape, whether in Fortran order, type) of an array; the file stands behind it then."""
    try:
        with naming(path):
            version = np.lib.format.read_magic(file)
            if version == (1, 0):
                header = np.lib.format.read_array_header_1_0(file)
            else:
                header = np.lib.format.read_array_header_2_0(file)
    except Exception as error:  # a damaged header can raise almost anything
        raise bad(path, f"{key} has no header that can be read ({error})") from None
    shape, _, dtype = header
    if not all(type(side) is int and side >= 0 for side in shape) or not dtype.itemsize:
        raise bad(path, f"{key} claims the shape {shape} of {dtype}")
    return header


def _read_body(
    archive: zipfile.ZipFile, path: Path, key: str, head: int, shape, in_fortran: bool, dtype
) -> np.ndarray:
    """An array whose header ends at byte `head`."""
    expected = dtype.itemsize
    for side in shape:
        expected *= side
    if expected > MAX_BYTES:
        raise bad(path, f"{key} claims the shape {shape}")
    try:
        with naming(path):
            data = memoryview(_content(archive, path, key))[head : head + expected]
    except BadDataError:
        raise
    except Exception as error:  # damaged compression
        raise bad(path, f"{key} cannot be read ({error})") from None
    if len(data) != expected:
        raise bad(path, f"{key} is truncated")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if in_fortran else "C")


def _content(archive: zipfile.ZipFile, path: Path, key: str) -> bytes:
    """All bytes of a file of the archive that was opened before, so that zipfile has looked at its
    header. Raises `ValueError` where they are not those that the archive tells of."""
    info = archive.getinfo(f"{key}.npy")
    stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
    if not stored or info.flag_bits & _ENCRYPTED:
        with _member(archive, path, key) as file:
            return file.read()
    with open(path, "rb") as file:
        file.seek(info.header_offset)
        file.seek(sum(_LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))), 1)
        data = file.read(info.file_size)
    if isal_zlib.crc32(data) != info.CRC:
        raise ValueError("its checksum does not fit")
    return data
