"""Reads the arrays of an `.npz` file, by an `.npy` reader of its own; no file can run code."""

from __future__ import annotations

import ast
import pickle
import re
import struct
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.raw.limits import RawDataError, is_sound
from spatial_engine.audit.raw.plain_unpickler import PlainUnpickler

# Sizes are claims of a file; beyond these nothing is read.
MAX_MEMBER_BYTES = 2**28  # of an array
MAX_VALUES = 2**26  # numbers of an array, eight bytes each
_NUMBERS = r"[<>=|]?(?:b1|\?|[iu][1248]|f[248])"


class Array(NamedTuple):
    """An `.npy` file: its type, whether it is in Fortran order, shape and bytes."""

    descr: str
    fortran: bool
    shape: tuple[int, ...]
    data: bytes


class NpzFile:
    """The arrays of an `.npz` file by name; errors name the file and the array."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """Names of the members, as "tracks_XYZ.npy"."""
        try:
            with zipfile.ZipFile(self.path) as archive:
                return archive.namelist()
        except Exception as err:  # a damaged archive can raise almost anything
            raise RawDataError(f"{self.path}: {str(err) or type(err).__name__}") from err

    def array(self, name: str) -> Array:
        content = self._member(name)
        try:
            return parse_npy(content)
        except ValueError as err:
            raise RawDataError(f"{self.path}: {name}: {err}") from err

    def numbers(self, name: str, dimensions: int) -> np.ndarray:
        """An array of numbers or truth values, as float64."""
        descr, fortran, shape, data = self.array(name)
        if not re.fullmatch(_NUMBERS, descr) or len(shape) != dimensions:
            raise RawDataError(f"{self.path}: {name} is {descr} {shape}")
        if np.prod([max(side, 1) for side in shape], dtype=object) > MAX_VALUES:
            raise RawDataError(f"{self.path}: {name} is {shape}, at most {MAX_VALUES} are read")
        dtype, count = np.dtype(descr), int(np.prod(shape, dtype=object))
        if len(data) != count * dtype.itemsize:
            raise RawDataError(f"{self.path}: {name} has {len(data)} bytes, {descr} {shape}")
        flat = np.frombuffer(data, dtype)
        return flat.reshape(shape, order="F" if fortran else "C").astype(np.float64)

    def byte_strings(self, name: str, count: int) -> list[bytes]:
        """A row of `count` byte strings, stored at a fixed width or as objects."""
        descr, _, shape, data = self.array(name)
        if shape != (count,):
            raise RawDataError(f"{self.path}: images {shape} of {count} frames")
        if descr == "|O":
            try:
                images = object_array(data)
            except RawDataError as err:
                raise RawDataError(f"{self.path}: {name}: {err}") from err
        elif match := re.fullmatch(r"\|S([0-9]{1,9})", descr):
            size = int(match.group(1))
            if len(data) != count * size:
                raise RawDataError(f"{self.path}: images of {len(data)} bytes, {descr} {shape}")
            images = [data[start * size : (start + 1) * size] for start in range(count)]
        else:
            raise RawDataError(f"{self.path}: {name} is {descr} {shape}")
        if len(images) != count:
            raise RawDataError(f"{self.path}: {len(images)} images of {count} frames")
        return images

    def check_shape(self, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
        if array.shape != shape:
            raise RawDataError(f"{self.path}: {name} is {array.shape}, expected {shape}")

    def check_sound(self, name: str, array: np.ndarray) -> None:
        if not is_sound(array):
            raise RawDataError(f"{self.path}: {name} is beyond all bounds")

    def _member(self, name: str) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(f"{name}.npy")
                if info.file_size > MAX_MEMBER_BYTES:
                    raise RawDataError(f"{self.path}: {name} has {info.file_size} bytes")
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise RawDataError(f"{self.path}: {name}: compression {info.compress_type}")
                with archive.open(info) as member:  # read(n) inflates no more than n bytes
                    return member.read(info.file_size)
        except KeyError:
            raise RawDataError(f"{self.path}: holds no {name}") from None
        except RawDataError:
            raise
        except Exception as err:  # a damaged archive can raise almost anything
            raise RawDataError(f"{self.path}: {name}: {str(err) or type(err).__name__}") from err


def parse_npy(content: bytes) -> Array:
    """The array of an `.npy` file; `ValueError` says what is wrong with it."""
    if content[:6] != b"\x93NUMPY" or len(content) < 12 or content[6] not in (1, 2, 3):
        raise ValueError("is not an .npy file")
    start = 10 if content[6] == 1 else 12
    (size,) = struct.unpack_from("<H" if content[6] == 1 else "<I", content, 8)
    if size > 10_000 or start + size > len(content):
        raise ValueError(f"a header of {size} bytes")
    try:
        header = ast.literal_eval(content[start : start + size].decode("utf-8").strip())
        descr, fortran, shape = header["descr"], header["fortran_order"], header["shape"]
    except (SyntaxError, ValueError, KeyError, TypeError, MemoryError, RecursionError) as err:
        raise ValueError(f"header: {err}") from err
    sizes = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not isinstance(descr, str) or type(fortran) is not bool or not sizes:
        raise ValueError(f"header: {header!r}")
    return Array(descr, fortran, shape, content[start + size :])


class _Named:
    """Stands for what a pickled array names (numpy's array and type), and keeps its state."""

    state: object = None

    def __init__(self, *_: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        self.state = state


class _ArrayUnpickler(PlainUnpickler):
    """Builds plain data and, for an array of objects, a `_Named`; runs nothing of any library."""

    dispatch = PlainUnpickler.allowing(pickle.REDUCE + pickle.BUILD)

    def find_class(self, module: str, name: str) -> type[_Named]:
        arrays = ("numpy.core.multiarray", "numpy._core.multiarray")
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")) or (
            module in arrays and name == "_reconstruct"
        ):
            return _Named
        raise pickle.UnpicklingError(f"holds {module}.{name}, which is no array")


def object_array(data: bytes) -> list[bytes]:
    """The bytes objects of a pickled one-dimensional array."""
    try:
        state = _ArrayUnpickler(data).load().state
        *_, shape, _, _, items = state
        if shape != (len(items),) or not all(type(item) is bytes for item in items):
            raise RawDataError("is no row of bytes objects")
        if sum(map(len, items)) > MAX_MEMBER_BYTES:  # one may stand there many times
            raise RawDataError(f"is of more than {MAX_MEMBER_BYTES} bytes")
    except RawDataError:
        raise
    except Exception as err:  # a damaged pickle can raise almost anything
        raise RawDataError(f"cannot be unpickled: {str(err) or type(err).__name__}") from err
    return list(items)
