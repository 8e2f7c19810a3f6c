"""How far each two objects of a scene are apart, and which two frames show their near sides
(SPEC 13). This module owns the format.

A file for each scene. Columns, one row for each pair of objects: `first_object`, `second_object`
(ids), `distance` in metres, `first_frames` and `second_frames`, the numbers of the frames that see
a near vertex of the one and of the other, ascending int32, and `near`, the bits of the table of
these frames by those, row by row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.object_distances import NearFrames
from spatial_engine.utils.tables.parquet.table_writer import write_part
from spatial_engine.utils.tables.scene_table import SceneTable
from spatial_engine.utils.tables.visibility_table import NUMBERS, list_column

FILE = "near.parquet"
REMEDY = "start again with --overwrite"
_SCHEMA = pa.schema(
    [
        pa.field("first_object", pa.int32(), nullable=False),
        pa.field("second_object", pa.int32(), nullable=False),
        pa.field("distance", pa.float64(), nullable=False),
        pa.field("first_frames", NUMBERS, nullable=False),
        pa.field("second_frames", NUMBERS, nullable=False),
        pa.field("near", pa.binary(), nullable=False),
    ]
)
_ENCODING = {"compression": "zstd", "compression_level": 1, "use_dictionary": False}
Pair = tuple[int, int]


def write_near(
    path: Path,
    scene_id: str,
    image_ids: Sequence[str],
    pairs: Mapping[Pair, tuple[float, NearFrames]],
) -> None:
    """Write the distance in metres of each pair of objects, by their ids, and its near frames;
    frames are numbered as in `image_ids`."""
    near = [frames for _, frames in pairs.values()]
    ids = np.array(list(pairs), np.int32).reshape(-1, 2)
    columns = [
        pa.array(ids[:, 0]),
        pa.array(ids[:, 1]),
        pa.array([distance for distance, _ in pairs.values()], pa.float64()),
        list_column([frames.first.astype(np.int32) for frames in near]),
        list_column([frames.second.astype(np.int32) for frames in near]),
        pa.array([np.packbits(frames.near).tobytes() for frames in near], pa.binary()),
    ]
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)
    write_part(path, table, scene_id, {"frames": list(image_ids)}, **_ENCODING)


def read_near(
    path: Path, scene_id: str, image_ids: Sequence[str]
) -> dict[Pair, tuple[float, NearFrames]]:
    """What `write_near` wrote; `BadDataError` where the file is damaged or about other frames."""
    table = SceneTable(path, REMEDY, schema=_SCHEMA)
    if table.facts(scene_id).get("frames") != list(image_ids):
        raise BadDataError(f"{path}: about other frames; {REMEDY}")
    rows = table.read(scene_id)
    pairs: dict[Pair, tuple[float, NearFrames]] = {}
    lists = [_lists(rows[name]) for name in ("first_frames", "second_frames")]
    for number, bits in enumerate(rows["near"].to_pylist()):
        first, second = lists[0][number], lists[1][number]
        size = len(first) * len(second)
        known = all(not len(f) or 0 <= f.min() <= f.max() < len(image_ids) for f in (first, second))
        if not known or len(bits) != -(-size // 8):
            raise BadDataError(f"{path}: names frames that are not there; {REMEDY}")
        near = np.unpackbits(np.frombuffer(bits, np.uint8), count=size).astype(bool)
        key = (rows["first_object"][number].as_py(), rows["second_object"][number].as_py())
        found = NearFrames(first, second, near.reshape(len(first), len(second)))
        pairs[key] = (rows["distance"][number].as_py(), found)
    return pairs


def _lists(column: pa.ChunkedArray) -> list[np.ndarray]:
    """The lists of a column of numbers."""
    whole = column.combine_chunks()
    ends = whole.offsets.to_numpy()
    values = whole.values.to_numpy()
    return [values[start:end] for start, end in pairwise(ends)]
