"""Reads vertices, faces and numbers of faces of a PLY, binary little-endian or ascii, in the
plainest way."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.captures.tree import Tree
from spatial_engine.audit.raw.limits import RawDataError, is_sound

MAX_HEADER = 2**20
MAX_CORNERS = 1000  # of a face
CODES = {
    "char": "b", "int8": "b", "uchar": "B", "uint8": "B",
    "short": "h", "int16": "h", "ushort": "H", "uint16": "H",
    "int": "i", "int32": "i", "uint": "I", "uint32": "I",
    "float": "f", "float32": "f", "double": "d", "float64": "d",
}  # fmt: skip


class Property(NamedTuple):
    """code: of struct; count: that of the length of a list, "" where there is one number."""

    name: str
    code: str
    count: str


class Element(NamedTuple):
    name: str
    number: int
    properties: list[Property]


Columns = dict[str, np.ndarray | list]


def read_elements(tree: Tree, name: str, wanted: tuple[str, ...]) -> dict[str, Columns]:
    """{element: {property: numbers, or a list of tuples}}, up to the last one wanted."""
    data, where = tree.read(name), tree.full(name)
    end = data.find(b"end_header")
    body = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or not 0 <= end <= MAX_HEADER or body == 0:
        raise RawDataError(f"{where}: not a PLY file")
    form, elements = _header(data[:end].decode("ascii", errors="replace"), where)
    if form not in ("ascii", "binary_little_endian"):
        raise RawDataError(f"{where}: format {form[:40]!r}")
    rest = _Words(data[body:]) if form == "ascii" else _Bytes(data, body)
    found: dict[str, Columns] = {}
    try:
        for element in elements:
            if not set(wanted) - set(found):
                break
            least = sum(struct.calcsize("<" + (p.count or p.code)) for p in element.properties)
            if element.number * (1 if form == "ascii" else max(1, least)) > len(data):
                raise RawDataError(f"{where}: {element.number} of {element.name} do not fit")
            found[element.name] = _columns(element, rest)
    except (struct.error, StopIteration) as err:
        raise RawDataError(f"{where}: ends early") from err
    except RawDataError:
        raise
    except (ValueError, OverflowError) as err:
        raise RawDataError(f"{where}: holds what is no number: {err}") from err
    for element_name in wanted:
        if element_name not in found:
            raise RawDataError(f"{where}: has no {element_name}")
    return found


def _header(text: str, where: str) -> tuple[str, list[Element]]:
    form, elements = "", []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["format"]:
            form = words[1] if len(words) > 1 else ""
        elif words[:1] == ["element"]:
            if len(words) != 3 or not re.fullmatch("[0-9]{1,18}", words[2]):
                raise RawDataError(f"{where}: header line {line[:80]!r}")
            elements.append(Element(words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            is_list = words[1:2] == ["list"]
            types = words[2:4] if is_list else words[1:2]
            if not elements or len(words) != (5 if is_list else 3) or not set(types) <= set(CODES):
                raise RawDataError(f"{where}: header line {line[:80]!r}")
            count = CODES[types[0]] if is_list else ""
            elements[-1].properties.append(Property(words[-1], CODES[types[-1]], count))
    return form, elements


class _Words:
    """The numbers of an ascii PLY, one after the other."""

    def __init__(self, text: bytes) -> None:
        self._words = iter(text.split())

    def take(self, code: str) -> float:
        return float(next(self._words)) if code in "fd" else int(next(self._words))


class _Bytes:
    """The numbers of a binary PLY, one after the other."""

    def __init__(self, data: bytes, start: int) -> None:
        self.data, self.place = data, start

    def take(self, code: str) -> float:
        (value,) = struct.unpack_from("<" + code, self.data, self.place)
        self.place += struct.calcsize("<" + code)
        return value


def _columns(element: Element, rest: _Words | _Bytes) -> Columns:
    if isinstance(rest, _Bytes) and not any(item.count for item in element.properties):
        dtype = np.dtype([(str(k), f"<{p.code}") for k, p in enumerate(element.properties)])
        if element.number * dtype.itemsize > len(rest.data) - rest.place:
            raise struct.error
        rows = np.frombuffer(rest.data, dtype, element.number, rest.place)
        rest.place += element.number * dtype.itemsize
        return {p.name: rows[str(k)] for k, p in enumerate(element.properties)}
    columns: dict[str, list] = {item.name: [] for item in element.properties}
    for _ in range(element.number):
        for item in element.properties:
            value: float | tuple = rest.take(item.count or item.code)
            if item.count:
                if not 0 <= value <= MAX_CORNERS:
                    raise RawDataError(f"a {element.name} with {value} of {item.name}")
                value = tuple(rest.take(item.code) for _ in range(int(value)))
            columns[item.name].append(value)
    lists = {item.name for item in element.properties if item.count}
    return {name: v if name in lists else np.array(v, float) for name, v in columns.items()}


def vertices_of(columns: Columns, where: str) -> np.ndarray:
    """(n, 3) float64 x, y, z of the vertices of a PLY."""
    if not {"x", "y", "z"} <= set(columns):
        raise RawDataError(f"{where}: vertices without x, y, z")
    vertices = np.stack([np.asarray(columns[axis], np.float64) for axis in "xyz"], axis=1)
    if not is_sound(vertices):
        raise RawDataError(f"{where}: a vertex is beyond all bounds")
    return vertices


def read_vertices(tree: Tree, name: str) -> np.ndarray:
    """(n, 3) float64 of the vertices of a PLY."""
    return vertices_of(read_elements(tree, name, ("vertex",))["vertex"], tree.full(name))
