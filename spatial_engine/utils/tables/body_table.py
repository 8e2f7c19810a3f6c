"""Which points of a clip move as one body (SPEC 9.2). This module owns the format.

A file for each clip. Column `body`, a row for each point of the clip: the number of its body, which
count from 0 in the order of their first points, -1 for a point of none.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables.parquet.table_writer import write_part
from spatial_engine.utils.tables.scene_table import SceneTable

FILE = "bodies.parquet"
REMEDY = "start again with --overwrite"
NO_BODY = -1
_SCHEMA = pa.schema([pa.field("body", pa.int32(), nullable=False)])


def write_bodies(path: Path, clip_id: str, bodies: Sequence[np.ndarray], num_points: int) -> None:
    """Write the bodies of a clip, each the numbers (k,) of its points."""
    numbers = np.full(num_points, NO_BODY, np.int32)
    for number, points in enumerate(bodies):
        numbers[points] = number
    table = pa.Table.from_arrays([pa.array(numbers)], schema=_SCHEMA)
    write_part(path, table, clip_id, {}, compression="zstd")


def read_bodies(path: Path, clip_id: str, num_points: int) -> list[np.ndarray]:
    """What `write_bodies` wrote, points ascending; `BadDataError` where the file is damaged or
    about other points."""
    numbers = SceneTable(path, REMEDY, schema=_SCHEMA).read(clip_id)["body"].to_numpy()
    if len(numbers) != num_points:
        raise BadDataError(f"{path}: about {len(numbers)} points, not {num_points}; {REMEDY}")
    found = np.unique(numbers[numbers != NO_BODY])
    if not np.array_equal(found, np.arange(len(found))):
        raise BadDataError(f"{path}: its bodies do not count from 0; {REMEDY}")
    return [np.flatnonzero(numbers == number) for number in found]
