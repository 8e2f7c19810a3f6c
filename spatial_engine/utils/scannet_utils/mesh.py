"""Vertices of a ScanNet mesh (`<scene>_vh_clean_2.ply`), read by plyfile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from plyfile import PlyData, PlyParseError

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.running.files import naming
from spatial_engine.utils.running.input_files import check_content, missing

REMEDY = "download the scene again"
MAX_HEADER_BYTES = 2**16  # real ones take 400
MAX_BYTES = 2**30  # real ones take 10 million


def read_vertices(path: Path) -> np.ndarray:
    """(n, 6) float64 x, y, z in metres (scan frame) and red, green, blue 0-255.

    Faces are not read. Raises `BadDataError` for a missing or damaged file.
    """
    try:
        # Memory-mapped: a header that claims more than the file holds fails before memory is taken.
        check_content(path, REMEDY)
        with naming(path):
            _check_counts(path)
            _read_through(path)
            known = {"face": {"vertex_indices": 3}}
            mesh = PlyData.read(str(path), mmap="c", known_list_len=known)
        vertices = mesh["vertex"].data
        columns = [vertices[name] for name in ("x", "y", "z", "red", "green", "blue")]
        points = np.stack([np.asarray(column, np.float64) for column in columns], axis=1)
    except FileNotFoundError:
        raise MissingFileError(missing(path, REMEDY)) from None
    except (PlyParseError, KeyError, ValueError, OverflowError, MemoryError, TypeError) as error:
        raise BadDataError(f"{path}: not a mesh that can be read ({error}); {REMEDY}") from None
    if not len(points):
        raise BadDataError(f"{path}: the mesh has no vertices; {REMEDY}")
    if not np.isfinite(points).all():
        raise BadDataError(f"{path}: some vertices are not finite; {REMEDY}")
    return points


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
