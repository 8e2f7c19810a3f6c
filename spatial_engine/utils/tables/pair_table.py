"""The pair table: how two frames of a scene relate (SPEC 5). This module owns its format.

Columns `scene_id`, `image_id1`, `image_id2` (id1 < id2), `overlap` (percent), `distance` (metres),
`yaw`, `pitch` (degrees, second minus first), one row group per scene. The engine reads overlap
alone: its answers are measured from the poses (`camera_movement/relative_motion.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import wrap_degrees, yaw_pitch
from spatial_engine.utils.tables.parquet.table_writer import Source, merge_parts, write_part
from spatial_engine.utils.tables.scene_table import SceneTable

REMEDY = "run spatial_engine/camera_movement/calculate_frames_relations.py"
_NUMBERS = ("overlap", "distance", "yaw", "pitch")
_IDS = ("scene_id", "image_id1", "image_id2")
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in _IDS] + [(name, pa.float64()) for name in _NUMBERS]
)
_ENCODING = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": list(_IDS),
    "write_statistics": ["scene_id"],
}


def relate_frames(
    image_ids: Sequence[str], world_from_cam: np.ndarray, overlap: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of all pairs i < j of n frames, (n * (n - 1) / 2,) each.

    `image_ids` ascend; `world_from_cam` is (n, 4, 4), aligned and valid; `overlap` (n, n) percent.
    """
    first, second = np.triu_indices(len(image_ids), k=1)
    yaw, pitch = yaw_pitch(world_from_cam)
    positions = world_from_cam[:, :3, 3]
    return {
        "image_id1": first.astype(np.int32),
        "image_id2": second.astype(np.int32),
        "overlap": overlap[first, second],
        "distance": np.linalg.norm(positions[second] - positions[first], axis=1),
        "yaw": wrap_degrees(yaw[second] - yaw[first]),
        "pitch": wrap_degrees(pitch[second] - pitch[first]),
    }


def write_scene_pairs(
    path: Path,
    scene_id: str,
    image_ids: Sequence[str],
    columns: dict[str, np.ndarray],
    geometry_hash: str,
) -> None:
    """Write one scene's part; `columns` as from `relate_frames`."""
    names = pa.array(list(image_ids), pa.string())
    rows = len(columns["overlap"])
    scenes = pa.repeat(pa.scalar(scene_id, pa.string()), rows)
    ids = [names.take(pa.array(columns[name])) for name in _IDS[1:]]
    numbers = [pa.array(columns[name], pa.float64()) for name in _NUMBERS]
    table = pa.Table.from_arrays([scenes, *ids, *numbers], schema=_SCHEMA)
    facts = {"geometry": geometry_hash, "seen_pairs": int(np.count_nonzero(columns["overlap"]))}
    write_part(path, table, scene_id, facts, **_ENCODING)


def merge_pairs(parts: Sequence[Source], output: Path) -> None:
    """Join the scenes' parts into the table of a split."""
    merge_parts(parts, output)


def open_pairs(path: Path) -> SceneTable:
    """The pair table of a split, to be read scene by scene."""
    return SceneTable(path, REMEDY, schema=_SCHEMA, dictionaries=_IDS)


def read_scene_pairs(
    table: SceneTable, scene_id: str, image_ids: Sequence[str]
) -> dict[str, np.ndarray]:
    """`first`, `second` (numbers in `image_ids`, int) and `overlap` of a scene's rows, (n,) each.

    Raises `BadDataError` when the table names other frames.
    """
    rows = table.read(scene_id, ["image_id1", "image_id2", "overlap"])
    number_of = {image_id: number for number, image_id in enumerate(image_ids)}
    columns = {}
    for name, column in (("first", "image_id1"), ("second", "image_id2")):
        encoded = rows[column].combine_chunks()
        numbers = [number_of.get(image_id, -1) for image_id in encoded.dictionary.to_pylist()]
        columns[name] = np.array(numbers, np.int64)[encoded.indices.to_numpy()]
        if (columns[name] < 0).any():
            raise BadDataError(f"{table.path}: {scene_id} has frames that are gone; {REMEDY}")
    columns["overlap"] = rows["overlap"].to_numpy()
    return columns


def check_is_about(
    table: SceneTable, scene_id: str, geometry_hash: str, depth_sizes: str | None = None
) -> None:
    """Raise `BadDataError` unless the table holds the scene as the scene info has it now, and,
    where it is given, with depth images of this digest (`SceneTable.is_of_other_depth`)."""
    if scene_id not in table or table.facts(scene_id).get("geometry") != geometry_hash:
        raise BadDataError(
            f"{table.path}: without {scene_id}, or stale (the scene info has changed); {REMEDY}"
        )
    if table.is_of_other_depth(scene_id, depth_sizes):
        raise BadDataError(
            f"{table.path}: {scene_id} is stale, its depth images have changed since; {REMEDY}"
        )
