"""Pickles of plain data: written for users, read back without trusting them.

Only containers, numbers, strings and numeric numpy arrays are rebuilt, the arrays by us from their
bytes: numpy's own unpickling believes what a file says about its types, down to the addresses of
Python objects. Memory is bounded in proportion to the file, where the system allows.
"""

from __future__ import annotations

import pickle
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import mmengine
import numpy as np

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.running.files import atomic_path, naming
from spatial_engine.utils.running.input_files import missing
from spatial_engine.utils.running.memory import bounded_memory

PROTOCOL = 4  # of what we write
MEMORY_FACTOR = 64  # loading a file may take so many times its size ...
BYTES_FACTOR = 4  # the same of an array of bytes
MEMORY_FLOOR = 128 * 2**20  # ... and so many bytes in any case
MAX_REMEMBERED = 2**28  # things in one pickle that are referred to again
WRITTEN_FLOOR = 10**6  # the same of its data written out, with what is shared at every place
_PLAIN_DTYPE = re.compile(r"(b1|[iuf][1248]|f16|c8|c16|[SU][0-9]{1,6})")


def dump_pickle(value: Any, path: str | Path) -> None:
    """Write plain data as a pickle, whole or not at all."""
    with atomic_path(path) as partial, open(partial, "wb") as file:
        mmengine.dump(value, file, file_format="pkl", protocol=PROTOCOL)


def load_pickle(path: str | Path, remedy: str) -> Any:
    """Load a pickle of plain data (containers, numbers, strings, numeric numpy arrays).

    Never runs code of the file. Raises `MissingInputError` when there is no such file and
    `BadDataError` when it is damaged or asks for anything but plain data.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInputError(missing(path, remedy))
    with open(path, "rb") as file:
        return unpickle(file, path.stat().st_size, path, remedy)


def unpickle(file: IO[bytes], size: int, path: Path, remedy: str) -> Any:
    """Plain data of an open pickle of `size` bytes, or `BadDataError`."""
    try:
        with naming(path), bounded_memory(MEMORY_FLOOR + MEMORY_FACTOR * size):
            value = _with_arrays(_PlainUnpickler(file).load(), {})
        if _written_out(value, {}) > MEMORY_FACTOR * size + WRITTEN_FLOOR:
            raise pickle.UnpicklingError("it expands to far more data than its size")
        return value
    except OSError as error:
        raise BadDataError(f"{path}: cannot be read ({error})") from None
    except Exception as error:  # a damaged pickle can raise almost anything
        cause = str(error) or type(error).__name__
        raise BadDataError(f"{path}: not a pickle of plain data ({cause}); {remedy}") from None


def load_bytes_array(file: IO[bytes], size: int, source: str | Path) -> list[bytes]:
    """The items of a pickled one-dimensional numpy array of `bytes` objects, and nothing else.

    `file`, of `size` bytes, begins behind the header of a `.npy` of objects, which numpy itself
    would read by running the pickle. Raises `BadDataError` for anything but bytes.
    """
    try:
        with bounded_memory(MEMORY_FLOOR + BYTES_FACTOR * size):
            items = _BytesUnpickler(file).load().value
        if not isinstance(items, list) or not all(type(item) is bytes for item in items):
            raise pickle.UnpicklingError("it holds something other than bytes")
    except Exception as error:  # a damaged pickle can raise almost anything
        cause = str(error) or type(error).__name__
        raise BadDataError(f"{source}: not an array of bytes ({cause})") from None
    return items


class _Dtype:
    """Replaces `numpy.dtype` while a pickle is loaded: a plain numeric type, or refused."""

    def __init__(self, name: str, *_: Any):
        if not (isinstance(name, str) and _PLAIN_DTYPE.fullmatch(name)):
            raise pickle.UnpicklingError(f"an array of type {name!r} is not plain data")
        self.value = np.dtype(name)

    def __setstate__(self, state: tuple) -> None:
        _, byte_order, *structure = state
        if any(part is not None for part in structure[:3]) or byte_order not in (
            "<",
            ">",
            "|",
            "=",
        ):
            raise pickle.UnpicklingError("an array type with parts is not plain data")
        self.value = self.value.newbyteorder(byte_order)


class _Array:
    """Placeholder for an array while a pickle is loaded, until its bytes are read."""

    def __init__(self, *_: Any):
        self.value = np.zeros(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, is_fortran, data = state
        self.value = _array_of(data, dtype, shape, "F" if is_fortran else "C")


def _array_of(data: Any, dtype: _Dtype, shape: tuple, order: str) -> np.ndarray:
    return np.frombuffer(data, dtype.value).reshape(shape, order=order).copy(order)


def _latin1(text: str, encoding: str) -> bytes:
    """How protocols before 3 write bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin-1")


def _scalar_of(dtype: _Dtype, data: bytes) -> Any:
    return np.frombuffer(data, dtype.value, 1)[0]


# What a pickle of plain data may ask for, under the module names of numpy 1 and 2.
_STAND_INS: dict[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _latin1,
    ("__builtin__", "set"): lambda items=(): set(_hashable(items)),
    ("__builtin__", "frozenset"): lambda items=(): frozenset(_hashable(items)),
    ("builtins", "set"): lambda items=(): set(_hashable(items)),
    ("builtins", "frozenset"): lambda items=(): frozenset(_hashable(items)),
} | {
    (f"{package}.{module}", name): stand_in
    for package in ("numpy.core", "numpy._core")
    for module, name, stand_in in (
        ("multiarray", "_reconstruct", _Array),
        ("multiarray", "scalar", _scalar_of),
        ("numeric", "_frombuffer", _array_of),
    )
}


# Hashed in no time; a frozenset, whose items were looked at, remembers its hash.
_FLAT = (str, int, float, bool, type(None), bytes, frozenset)


def _hashable(keys: Any) -> Any:
    """The same keys, if they are hashed in no time: tuples of one tuple twice, forty deep, take 200
    bytes and would be hashed for ever."""
    for key in keys:
        of_tuple = type(key) is tuple and all(type(item) in _FLAT for item in key)
        if type(key) not in _FLAT and not of_tuple and not isinstance(key, np.generic):
            raise pickle.UnpicklingError(f"a key of type {type(key).__name__} is not plain data")
    return keys


def _checking_keys(operation: bytes, place: slice) -> Callable[[Any], None]:
    """An operation that hashes what stands at that place of the stack, after a look at it."""
    work = pickle._Unpickler.dispatch[operation[0]]

    def checked(unpickler: Any) -> None:
        _hashable(unpickler.stack[place])  # since the last mark: what the operation takes
        work(unpickler)

    return checked


def _whole_frame(unpickler: Any) -> None:
    """A frame must be as long as it says; Python's own unpickler reads on where it is cut off."""
    (size,) = struct.unpack("<Q", unpickler.read(8))
    unpickler._unframer.load_frame(size)
    if unpickler._unframer.current_frame.getbuffer().nbytes < size:
        raise pickle.UnpicklingError("it is cut off")


def _remembered(unpickler: Any) -> None:
    """Numbers of what is remembered count up from 0: a larger one is of a damaged file."""
    (number,) = struct.unpack("<I", unpickler.read(4))
    if number > MAX_REMEMBERED:
        raise pickle.UnpicklingError(f"it remembers something as number {number}")
    unpickler.memo[number] = unpickler.stack[-1]


class _PlainUnpickler(pickle._Unpickler):
    """Knows nothing but the stand-ins above, and keys that are short. Python's own unpickler in
    Python: the one in C asks nobody before it hashes a key."""

    dispatch = pickle._Unpickler.dispatch | {
        operation[0]: _checking_keys(operation, place)
        for operation, place in (
            (pickle.DICT, slice(None, None, 2)),
            (pickle.SETITEM, slice(-2, -1)),
            (pickle.SETITEMS, slice(None, None, 2)),
            (pickle.ADDITEMS, slice(None)),
            (pickle.FROZENSET, slice(None)),
        )
    }
    dispatch |= {pickle.FRAME[0]: _whole_frame, pickle.LONG_BINPUT[0]: _remembered}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which plain data does not need")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it holds a persistent id")


class _ObjectDtype:
    """Replaces the type of an array of objects."""

    def __init__(self, name: str, *_: Any):
        if name not in ("O", "O8"):
            raise pickle.UnpicklingError(f"an array of type {name!r}")

    def __setstate__(self, _: tuple) -> None:
        pass


class _ObjectArray:
    """Replaces an array of objects: the list of its items."""

    value: Any = None

    def __init__(self, *_: Any):
        pass

    def __setstate__(self, state: tuple) -> None:
        self.value = state[4]


class _BytesUnpickler(_PlainUnpickler):
    """The same for an array of objects, which may hold bytes."""

    def find_class(self, module: str, name: str) -> Any:
        stand_in = super().find_class(module, name)
        return {_Dtype: _ObjectDtype, _Array: _ObjectArray}.get(stand_in, stand_in)


def _with_arrays(value: Any, done: dict[int, tuple[Any, Any]]) -> Any:
    """The same data with arrays in place of their stand-ins; `done` keeps what is shared, shared.

    Raises `UnpicklingError` for a stand-in left alone, `RecursionError` for data within itself.
    """
    kind = type(value)
    if kind is _Array:
        return value.value
    if kind in (_Dtype, type) or callable(value):
        raise pickle.UnpicklingError("it holds something that is not data")
    if kind not in (dict, list, tuple, set, frozenset):
        return value
    if id(value) in done:
        return done[id(value)][1]
    if kind is dict:
        pairs = value.items()
        result = {_with_arrays(key, done): _with_arrays(item, done) for key, item in pairs}
    else:
        result = kind([_with_arrays(item, done) for item in value])
    done[id(value)] = (value, result)  # the original is kept, so that its id stays its own
    return result


def _written_out(value: Any, done: dict[int, int]) -> int:
    """Approximate size of plain data when shared parts count each time they occur.

    Lists of one list twice, forty deep, take 200 bytes, and a terabyte as text.
    """
    if isinstance(value, (str, bytes)):
        return 1 + len(value)
    if isinstance(value, np.ndarray):
        return 1 + value.size
    if not isinstance(value, (dict, list, tuple, set, frozenset)):
        return 1
    if id(value) not in done:
        total = 1 + sum(_written_out(item, done) for item in value)
        if isinstance(value, dict):
            total += sum(_written_out(item, done) for item in value.values())
        done[id(value)] = total
    return done[id(value)]
