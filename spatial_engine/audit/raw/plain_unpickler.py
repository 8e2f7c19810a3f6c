"""Unpickles plain data of others, and nothing else, within bounds.

Python's own unpickler in Python, of which only the operations are left that plain data needs: the
faster one in C takes tens of gigabytes when a file of ten bytes numbers what it remembers so. No
sets and no keys but numbers and texts: what has to be hashed is short, while tuples of one tuple
twice, forty deep, would be hashed for ever. Costs some five times the time of the one in C, 20 s
for 100 MB.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from itertools import chain

WRITTEN_FACTOR, WRITTEN_FLOOR = 16, 10**6  # times the size of the file; that in any case
MAX_LEVELS = 100  # of containers within each other
MAX_BITS = 64  # of an int

_PLAIN = b"".join([
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.NONE,
    pickle.NEWTRUE, pickle.NEWFALSE, pickle.INT, pickle.BININT, pickle.BININT1, pickle.BININT2,
    pickle.LONG, pickle.LONG1, pickle.LONG4, pickle.FLOAT, pickle.BINFLOAT,
    pickle.UNICODE, pickle.BINUNICODE, pickle.SHORT_BINUNICODE, pickle.BINUNICODE8,
    pickle.STRING, pickle.BINSTRING, pickle.SHORT_BINSTRING,
    pickle.BINBYTES, pickle.SHORT_BINBYTES, pickle.BINBYTES8,
    pickle.EMPTY_LIST, pickle.LIST, pickle.APPEND, pickle.APPENDS,
    pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3,
    pickle.GET, pickle.BINGET, pickle.LONG_BINGET,
    pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE,
    pickle.GLOBAL, pickle.STACK_GLOBAL,  # so that what a file asks for can be named and refused
])  # fmt: skip
_KEYED = {  # operations that make keys, and where on the stack those are
    pickle.DICT: slice(None, None, 2),
    pickle.SETITEMS: slice(None, None, 2),
    pickle.SETITEM: slice(-2, -1),
}


class _Operations(dict):
    """Operations by their byte."""

    def __missing__(self, byte: int) -> Callable:
        raise pickle.UnpicklingError(f"holds the operation {bytes([byte])!r}, no plain data needs")


def _with_plain_keys(operation: bytes) -> Callable:
    work, place = pickle._Unpickler.dispatch[operation[0]], _KEYED[operation]

    def checked(self: pickle._Unpickler) -> None:
        # After a mark the stack holds what came since; it is taken by the operation itself.
        for key in self.stack[place]:
            if type(key) not in (str, int) or (type(key) is int and key.bit_length() > MAX_BITS):
                raise pickle.UnpicklingError(f"a key of type {type(key).__name__}, or too long")
        work(self)

    return checked


class PlainUnpickler(pickle._Unpickler):
    """Builds dict, list, tuple, str, bytes, int, float, bool and None."""

    dispatch = _Operations({byte: pickle._Unpickler.dispatch[byte] for byte in _PLAIN})
    dispatch[pickle.EMPTY_DICT[0]] = pickle._Unpickler.dispatch[pickle.EMPTY_DICT[0]]
    for _operation in _KEYED:
        dispatch[_operation[0]] = _with_plain_keys(_operation)

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))

    @classmethod
    def allowing(cls, operations: bytes) -> dict:
        """The operations of plain data, and some more."""
        more = {byte: pickle._Unpickler.dispatch[byte] for byte in operations}
        return _Operations(cls.dispatch | more)

    def find_class(self, module: str, name: str) -> object:
        raise pickle.UnpicklingError(f"holds {module}.{name}, which is no plain data")


def load(content: bytes) -> object:
    """The plain data of a pickle; raises almost anything for one that is damaged or hostile."""
    value = PlainUnpickler(content).load()
    written, _ = _measured(value, {}, 0)
    if written > WRITTEN_FACTOR * len(content) + WRITTEN_FLOOR:
        raise pickle.UnpicklingError("expands to far more data than its size")
    return value


def _measured(value: object, done: dict[int, tuple[int, int]], level: int) -> tuple[int, int]:
    """(about how long it is written out, containers within each other) of plain data.

    What is shared counts wherever it stands: a list of one list twice, forty deep, takes 200 bytes
    in a pickle, and a terabyte as text.
    """
    kind = type(value)
    if kind is str or kind is bytes:
        return 1 + len(value), 0
    if kind is int and value.bit_length() > MAX_BITS:
        raise pickle.UnpicklingError("an int that is too long")
    if kind not in (dict, list, tuple):
        return 1, 0
    if id(value) not in done:
        if level > MAX_LEVELS:
            raise pickle.UnpicklingError(f"over {MAX_LEVELS} levels")
        written, levels = 1, 0
        for item in chain(value, value.values()) if kind is dict else value:
            if type(item) is str:  # most are: a call for each would double the time
                written += 1 + len(item)
                continue
            more, deep = _measured(item, done, level + 1)
            written, levels = written + more, max(levels, deep)
        done[id(value)] = written, levels + 1
    written, levels = done[id(value)]
    if level + levels > MAX_LEVELS:
        raise pickle.UnpicklingError(f"over {MAX_LEVELS} levels")
    return written, levels
