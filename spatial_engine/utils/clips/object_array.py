"""The one pickle that is read: numpy's array of objects, as some clips hold their images.

Nothing is unpickled. The operations of the file are walked through in the order in which numpy
writes them for a one-dimensional array of `bytes` (protocols 2 to 5); whatever else comes is
refused where it stands, so memory stays within a few times the bytes of the file.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from spatial_engine.errors import BadDataError

_CODES = {op.code.encode("latin-1"): op for op in pickletools.opcodes}
_PASSED_OVER = {"PROTO", "FRAME"}
_REMEMBER = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}
_RECALL = {"BINGET", "LONG_BINGET"}
_VALUES = {
    "BININT", "BININT1", "BININT2", "BINBYTES", "SHORT_BINBYTES", "BINUNICODE", "SHORT_BINUNICODE",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_STRUCTURE = {
    "MARK", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "REDUCE", "BUILD", "EMPTY_LIST",
    "APPEND", "APPENDS", "STACK_GLOBAL", "STOP",
}  # fmt: skip
# What is remembered: of protocol 2 a text, a tuple and bytes for each item, and some of the array.
_REMEMBERED_ITEM, _REMEMBERED_HEAD = 3, 40


class _Function(str):
    """The name of a function or class that a pickle may ask for; it is never looked up."""


_RECONSTRUCT, _NDARRAY = (
    _Function("numpy._core.multiarray _reconstruct"),
    _Function("numpy ndarray"),
)
_DTYPE = _Function("numpy dtype")
_ENCODE, _BYTES = _Function("_codecs encode"), _Function("__builtin__ bytes")  # of protocol 2
_FUNCTIONS = {str(name): name for name in (_RECONSTRUCT, _NDARRAY, _DTYPE, _ENCODE, _BYTES)}
_FUNCTIONS["numpy.core.multiarray _reconstruct"] = _RECONSTRUCT  # of numpy 1


class _Refused(Exception):
    """Something else than an array of bytes."""


def read_bytes_array(file: IO[bytes], count: int, source: str | Path) -> list[bytes]:
    """The `count` items of a pickled one-dimensional numpy array of `bytes`, and nothing else.

    `file` stands behind the header of a `.npy` of objects, and gives no more than its stated size.
    Raises `BadDataError` for anything but bytes.
    """
    try:
        return _Walk(file, count).array()
    except Exception as error:  # damaged compression can raise almost anything
        cause = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadDataError(f"{source}: not an array of bytes ({cause})") from None


class _Walk:
    """Takes the operations of a pickle one after the other, each as what it must be."""

    def __init__(self, file: IO[bytes], count: int):
        self._operations = _operations(file)
        self._count = count
        self._memo: dict[int, Any] = {}
        self._last: Any = None  # what is remembered, if the next operation says so

    def array(self) -> list[bytes]:
        """_reconstruct(ndarray, (0,), b"b"), and its state
        (1, (count,), dtype("O8", False, True), is_fortran, [item, ...])."""
        self.function(_RECONSTRUCT)
        self.function(_NDARRAY)
        self.values(0)
        self.structure("TUPLE1")
        if self.item(*self._next()) != b"b":
            raise _Refused("it is no array")
        self.structure("TUPLE3", "REDUCE", "MARK")
        self.values(1)
        self.values(self._count)
        self.structure("TUPLE1")
        self.function(_DTYPE)
        self.values("O8", False, True)
        self.structure("TUPLE3", "REDUCE", "MARK")
        self.values(3, "|", None, None, None, -1, -1, 63)
        self.structure("TUPLE", "BUILD")
        self.values(False)
        self.structure("EMPTY_LIST")
        items = self.items()  # to the end of the state
        self.structure("BUILD", "STOP")
        if len(items) != self._count:
            raise _Refused(f"{len(items)} items, not {self._count}")
        return items

    def items(self) -> list[bytes]:
        """Items, each appended alone or several behind a mark, up to the tuple that they end."""
        items: list[bytes] = []
        name, value = self._next()
        while name != "TUPLE" and len(items) <= self._count:
            if name == "MARK":
                name, value = self._next()
                while name != "APPENDS" and len(items) <= self._count:
                    items.append(self.item(name, value))
                    name, value = self._next()
            else:
                items.append(self.item(name, value))
                self.structure("APPEND")
            name, value = self._next()
        return items

    def item(self, name: str, value: Any) -> bytes:
        """Bytes that begin with this operation. Protocol 2 writes them as a call."""
        if type(value) is bytes:
            return value
        function = self._function(name, value)
        if function == _ENCODE:
            text = self._next()[1]
            self.values("latin1")
            self.structure("TUPLE2", "REDUCE")
            if type(text) is not str:
                raise _Refused("it encodes something else than a text")
            self._last = text.encode("latin-1")
        elif function == _BYTES:
            self.structure("EMPTY_TUPLE", "REDUCE")
            self._last = b""
        else:
            raise _Refused(f"it asks for {function}")
        return self._last

    def function(self, expected: _Function) -> None:
        """This function and no other."""
        if (function := self._function(*self._next())) != expected:
            raise _Refused(f"it asks for {function}")

    def values(self, *expected: Any) -> None:
        """These plain values."""
        for one in expected:
            _, value = self._next()
            if type(value) not in (str, int, bool, type(None)) or value != one:
                raise _Refused(f"{str(value)[:60]!r} where {one!r} must be")

    def structure(self, *expected: str) -> None:
        """These operations, which have no value of their own."""
        for one in expected:
            name, _ = self._next()
            if name != one:
                raise _Refused(f"{name} where {one} must be")

    def _function(self, name: str, value: Any) -> _Function:
        """The function that this operation names, or begins to name (by protocol 4)."""
        if type(value) is _Function:
            return value
        if type(value) is not str:
            raise _Refused(f"{name} where a function must be")
        text = value
        if name != "GLOBAL":
            text = f"{value} {self._next()[1]}"
            self.structure("STACK_GLOBAL")
        if text not in _FUNCTIONS:
            raise _Refused(f"it asks for {text[:60]!r}")
        self._last = _FUNCTIONS[text]
        return self._last

    def _next(self) -> tuple[str, Any]:
        """The next operation and its value; those that remember or recall are carried out."""
        for name, value in self._operations:
            if name in _REMEMBER:
                if len(self._memo) > _REMEMBERED_ITEM * self._count + _REMEMBERED_HEAD:
                    raise _Refused("it remembers more than it holds")
                self._memo[len(self._memo) if name == "MEMOIZE" else value] = self._last
            elif name not in _PASSED_OVER:
                if name in _RECALL and value not in self._memo:
                    raise _Refused(f"number {value} is not remembered")
                self._last = self._memo[value] if name in _RECALL else value
                return name, self._last
        raise _Refused("it is cut off")


def _operations(file: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """(name, value) of the operations; refused are those that no such array needs."""
    while code := file.read(1):
        op = _CODES.get(code)
        name = op.name if op else repr(code)
        if name in _CONSTANTS:
            yield name, _CONSTANTS[name]
        elif name in _STRUCTURE:
            yield name, None
        elif name in _VALUES | _PASSED_OVER | _REMEMBER | _RECALL | {"GLOBAL"}:
            yield name, op.arg.reader(file) if op.arg else None
        else:
            raise _Refused(f"{name} is nothing that an array of bytes needs")
