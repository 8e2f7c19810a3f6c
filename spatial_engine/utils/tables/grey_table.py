"""Which vertices each frame of a scene leaves grey: neither seen nor certainly absent (SPEC 13).

A file for each scene, beside nothing else; this module owns its format. Columns `image_id` and
`grey_index`, ascending int32, one row per valid frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables.parquet.table_writer import write_part
from spatial_engine.utils.tables.scene_table import SceneTable
from spatial_engine.utils.tables.visibility_table import NUMBERS, SceneVisibility, list_column

FILE = "grey.parquet"
REMEDY = "start again with --overwrite"
_SCHEMA = pa.schema(
    [
        pa.field("image_id", pa.string(), nullable=False),
        pa.field("grey_index", NUMBERS, nullable=False),
    ]
)
_ENCODING = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": False,
    "column_encoding": {"image_id": "PLAIN", "grey_index.list.element": "DELTA_BINARY_PACKED"},
}


def write_grey(
    path: Path, scene_id: str, image_ids: Sequence[str], grey: Sequence[np.ndarray], num_points: int
) -> None:
    """Write the vertices that each image leaves grey, ascending int32 each."""
    columns = [pa.array(list(image_ids), pa.string()), list_column(grey)]
    table = pa.Table.from_arrays(columns, schema=_SCHEMA)
    write_part(path, table, scene_id, {"num_points": num_points}, **_ENCODING)


def read_grey(path: Path, scene_id: str, image_ids: Sequence[str]) -> SceneVisibility:
    """What frames leave grey, to be asked as what they see is; `BadDataError` where the file is
    damaged or about other frames."""
    table = SceneTable(path, REMEDY, schema=_SCHEMA)
    rows = table.read(scene_id, ["image_id", "grey_index"])
    if rows["image_id"].to_pylist() != list(image_ids):
        raise BadDataError(f"{path}: about other frames; {REMEDY}")
    column = rows["grey_index"].combine_chunks()
    values, ends = column.values.to_numpy(), column.offsets.to_numpy()
    num_points = table.facts(scene_id)["num_points"]
    if len(values) and not 0 <= values.min() <= values.max() < num_points:
        raise BadDataError(f"{path}: names vertices that are not there; {REMEDY}")
    if not np.isin(1 + np.flatnonzero(values[1:] <= values[:-1]), ends).all():
        raise BadDataError(f"{path}: is out of order; {REMEDY}")
    lists = np.split(values, ends[1:-1]) if len(column) else []
    return SceneVisibility.of_lists(list(image_ids), lists, num_points)
