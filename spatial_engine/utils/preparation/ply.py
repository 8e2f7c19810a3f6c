"""Meshes of all sources (`.ply`), read by plyfile: ascii or binary, of either byte order.

Properties go by their names: coordinates and colours of any numeric type, in any order, with
whatever else beside them. No count of a header is trusted before it was compared with the file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from plyfile import PlyData, PlyParseError

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.storage.input_files import check_content, missing
from spatial_engine.utils.storage.os_errors import naming

MAX_HEADER_BYTES = 2**16  # real ones take 400
MAX_BYTES = 2**30  # real ones take 100 million
COLORS = ("red", "green", "blue")
FACE_LISTS = ("vertex_indices", "vertex_index")  # what the corners of faces are called
CORNERS = (3, 4)  # of all faces of a file: triangles or quads

T = TypeVar("T")


def read_vertices(path: Path, remedy: str, *, colorless: int | None = None) -> np.ndarray:
    """(n, 6) float64 x, y, z in metres (as stored) and red, green, blue 0-255.

    `colorless` is the grey of a mesh without colours; without it such a mesh is refused. Raises
    `BadDataError` for a missing or damaged file; it ends with `remedy`.
    """

    def columns(mesh: PlyData) -> np.ndarray:
        vertices = mesh["vertex"].data
        grey = colorless is not None and not set(COLORS) & set(vertices.dtype.names)
        names = ("x", "y", "z") if grey else ("x", "y", "z", *COLORS)
        points = np.full((len(vertices), 6), colorless or 0, np.float64)
        for number, name in enumerate(names):
            points[:, number] = vertices[name]
        return points

    points = _read(path, remedy, columns)
    if not len(points):
        raise BadDataError(f"{path}: the mesh has no vertices; {remedy}")
    if not np.isfinite(points).all():
        raise BadDataError(f"{path}: some vertices are not finite; {remedy}")
    return points


def read_vertex_numbers(path: Path, remedy: str, name: str) -> np.ndarray:
    """(n,) int64 of a whole-numbered property of the vertices, as `label`."""
    return _read(path, remedy, lambda mesh: _whole_numbers(mesh["vertex"].data, name))


def read_faces(path: Path, remedy: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Corners of all faces, (m, 3) or (m, 4) int64 numbers of vertices, and (m,) int64 of a
    whole-numbered property of the faces, as `object_id`."""

    def corners_and_numbers(mesh: PlyData) -> tuple[np.ndarray, np.ndarray]:
        faces = mesh["face"].data
        own = [each for each in FACE_LISTS if each in faces.dtype.names]
        if not own:
            raise ValueError(f"faces without {FACE_LISTS[0]}")
        lists = faces[own[0]]
        # Text gives an array of arrays; lists of different lengths do not stack.
        corners = np.stack([*lists]) if lists.dtype == object and len(lists) else lists
        if corners.dtype.kind not in "iu":
            raise ValueError(f"{own[0]} are not whole numbers")
        corners = corners.reshape(len(faces), -1).astype(np.int64)
        if corners.size and not 0 <= corners.min() <= corners.max() < mesh["vertex"].count:
            raise ValueError(f"{own[0]} beyond the vertices")
        return corners, _whole_numbers(faces, name)

    return _read(path, remedy, corners_and_numbers)


def _whole_numbers(table: np.ndarray, name: str) -> np.ndarray:
    numbers = np.asarray(table[name])
    if numbers.dtype.kind not in "iu":
        raise ValueError(f"{name} is not a whole number")
    return numbers.astype(np.int64)


def _read(path: Path, remedy: str, take: Callable[[PlyData], T]) -> T:
    """What `take` makes of a mesh; whatever is wrong with the file is `BadDataError`."""
    try:
        # Memory-mapped: a header that claims more than the file holds fails before memory is taken.
        check_content(path, remedy)
        with naming(path):
            _check_counts(path)
            _read_through(path)
            mesh = _parse(path)
        return take(mesh)
    except FileNotFoundError:
        raise MissingFileError(missing(path, remedy)) from None
    except (PlyParseError, KeyError, ValueError, OverflowError, MemoryError, TypeError) as error:
        raise BadDataError(f"{path}: not a mesh that can be read ({error}); {remedy}") from None


def _parse(path: Path) -> PlyData:
    """The file, mapped: faces are mapped, too, where all have 3 or all have 4 corners."""
    try:
        return _parse_faces(path, CORNERS[0])
    except PlyParseError as error:
        if "unexpected list length" not in str(error):
            raise
        try:
            return _parse_faces(path, CORNERS[1])
        except PlyParseError:
            raise error from None


def _parse_faces(path: Path, corners: int) -> PlyData:
    known = {"face": dict.fromkeys(FACE_LISTS, corners)}
    return PlyData.read(str(path), mmap="c", known_list_len=known)


def _check_counts(path: Path) -> None:
    """Raise `ValueError` where the header claims more than the file can hold, a byte for each of an
    element: plyfile reads lists one by one, as many as are claimed."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{size:,} bytes, of {MAX_BYTES:,} at most")
    with open(path, "rb") as file:
        header, end, _ = file.read(MAX_HEADER_BYTES).partition(b"end_header")
    if not end:
        raise ValueError(f"no header in the first {MAX_HEADER_BYTES} bytes")
    for line in header.splitlines():
        words = line.decode("ascii", "replace").split()
        if words[:1] == ["element"] and len(words) == 3 and int(words[2]) > size:
            raise ValueError(f"the header claims {int(words[2]):,} of {words[1]}")


def _read_through(path: Path) -> None:
    """Read a file to its end. A disk that fails is an `OSError` here; under a mapping it would end
    the process without a word. What was read is in memory then, and mapped at once."""
    with open(path, "rb") as file:
        while file.read(2**20):
            pass
