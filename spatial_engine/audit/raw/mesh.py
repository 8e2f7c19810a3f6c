"""Reads the vertices of a scan's mesh, `<scene>_vh_clean_2.ply`, without a library."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np

from spatial_engine.audit.raw.limits import RawDataError, is_sound

MAX_PLY_HEADER = 2**20
_PLY_CODES = {
    "char": "b", "int8": "b", "uchar": "B", "uint8": "B",
    "short": "h", "int16": "h", "ushort": "H", "uint16": "H",
    "int": "i", "int32": "i", "uint": "I", "uint32": "I",
    "float": "f", "float32": "f", "double": "d", "float64": "d",
}  # fmt: skip


def read_ply_vertices(path: str | Path) -> np.ndarray:
    """(N, 3) float64 x, y, z of a binary little-endian PLY whose first element is `vertex`."""
    try:
        data = Path(path).read_bytes()
    except OSError as err:
        raise RawDataError(f"{path}: {err.strerror or err}") from err
    end = data.find(b"end_header")
    body = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or not 0 <= end <= MAX_PLY_HEADER or body == 0:
        raise RawDataError(f"{path}: not a PLY file")
    count, element, names, codes = 0, None, [], "<"
    for line in data[:end].decode("ascii", errors="replace").splitlines():
        words = line.split()
        if words[:1] in (["element"], ["property"]) and len(words) < 3:
            raise RawDataError(f"{path}: header line {line!r}")
        if words[:1] == ["format"] and words[1:2] != ["binary_little_endian"]:
            raise RawDataError(f"{path}: format {' '.join(words[1:])}")
        if words[:1] == ["element"]:
            if element is None and words[1] != "vertex":
                raise RawDataError(f"{path}: first element is {words[1]}, not vertex")
            element = words[1]
            if element == "vertex":
                if not re.fullmatch("[0-9]{1,18}", words[2]):
                    raise RawDataError(f"{path}: {words[2][:80]!r} vertices")
                count = int(words[2])
        if words[:1] == ["property"] and element == "vertex":
            if words[1] not in _PLY_CODES:
                raise RawDataError(f"{path}: vertex property of type {words[1]}")
            codes += _PLY_CODES[words[1]]
            names.append(words[2])
    if not {"x", "y", "z"} <= set(names):
        raise RawDataError(f"{path}: vertices without x, y, z")
    stop = body + count * struct.calcsize(codes)
    if stop > len(data):
        raise RawDataError(f"{path}: {count} vertices do not fit in {len(data)} bytes")
    ix, iy, iz = names.index("x"), names.index("y"), names.index("z")
    rows = struct.iter_unpack(codes, data[body:stop])
    values = (value for r in rows for value in (r[ix], r[iy], r[iz]))
    vertices = np.fromiter(values, dtype=np.float64, count=3 * count).reshape(-1, 3)
    if not is_sound(vertices):
        raise RawDataError(f"{path}: a vertex is beyond all bounds")
    return vertices
