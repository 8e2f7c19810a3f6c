"""The pair table: how two frames of a scene relate (SPEC 5). This module owns its format.

Columns `scene_id`, `image_id1`, `image_id2` (id1 < id2), `overlap` (percent), `distance` (metres),
`yaw`, `pitch` (degrees, second minus first), one row group per scene.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.utils import sampling
from spatial_engine.utils.geometry import wrap_degrees, yaw_pitch
from spatial_engine.utils.records import FOLDERS
from spatial_engine.utils.scene_table import SceneTable, merge_parts, write_part

REMEDY = "run spatial_engine/camera_movement/calculate_frames_relations.py"
MIN_OVERLAP, MAX_OVERLAP = 6, 35  # percent; below, two images share too little to be compared
NUM_BINS = 1 + MAX_OVERLAP - MIN_OVERLAP  # one for no overlap, one for each percent in range
_NUMBERS = ("overlap", "distance", "yaw", "pitch")
_IDS = ("scene_id", "image_id1", "image_id2")
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in _IDS] + [(name, pa.float64()) for name in _NUMBERS]
)
_ENCODING = {"compression": "zstd", "compression_level": 1, "use_dictionary": list(_IDS)}


def pairs_path(root: Path, split: str) -> Path:
    """Place of a split's table."""
    return root / FOLDERS[split] / f"camera_movement/{split}_camera_info_D5.parquet"


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
    write_part(path, table, scene_id, facts)


def merge_pairs(parts: Sequence[Path], output: Path) -> None:
    """Join the scenes' parts into the table of a split."""
    merge_parts(parts, output, **_ENCODING)


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


@dataclass(frozen=True)
class PairCandidates:
    """The overlap bin of every pair, one byte each: by scene, (rows,) int8 as of `overlap_bin`;
    `available` (scenes, bins) int64 counts them, scenes in the same order."""

    bins: dict[str, np.ndarray]
    available: np.ndarray

    @classmethod
    def of(cls, bins: dict[str, np.ndarray]) -> PairCandidates:
        """Count the bins of all scenes."""
        counts = [np.bincount(mine + 1, minlength=NUM_BINS + 1)[1:] for mine in bins.values()]
        return cls(bins, np.array(counts, np.int64).reshape(len(bins), NUM_BINS))


def read_overlap_bins(table: SceneTable, scene_id: str) -> np.ndarray:
    """Bins of all pairs of a scene, (rows,) int8."""
    return overlap_bin(table.read(scene_id, ["overlap"])["overlap"].to_numpy())


def check_is_about(
    table: SceneTable, scene_id: str, geometry_hash: str, depth_sizes: str | None = None
) -> None:
    """Raise `BadDataError` unless the table holds the scene as the scene info has it now, and,
    where it is given, with depth images of this digest (`SceneTable.is_of_other_depth`)."""
    if scene_id not in table.scene_ids or table.facts(scene_id).get("geometry") != geometry_hash:
        raise BadDataError(
            f"{table.path}: without {scene_id}, or stale (the scene info has changed); {REMEDY}"
        )
    if table.is_of_other_depth(scene_id, depth_sizes):
        raise BadDataError(
            f"{table.path}: {scene_id} is stale, its depth images have changed since; {REMEDY}"
        )


def overlap_bin(overlap: np.ndarray) -> np.ndarray:
    """Bins of overlaps (n,), int8: 0 for 0; 1 for [6, 7]; 2 for (7, 8]; ... 29 for (34, 35]; and
    -1 for what is not asked about."""
    bins = np.maximum(np.ceil(overlap) - MIN_OVERLAP, 1)
    in_range = (overlap >= MIN_OVERLAP) & (overlap <= MAX_OVERLAP)
    return np.where(overlap == 0, 0, np.where(in_range, bins, -1)).astype(np.int8)


@dataclass(frozen=True)
class SampledPairs:
    """Rows drawn of each scene (ascending int32), and how many wanted pairs there were not."""

    rows_by_scene: dict[str, np.ndarray]
    unfilled: int


def sample_pairs(
    candidates: PairCandidates, wanted: int, wanted_without_overlap: int, rng: np.random.Generator
) -> SampledPairs:
    """Balanced draw over the overlap bins, without replacement (SPEC 5).

    `wanted` = -1 takes all. Pairs without overlap are asked for by a number of their own.
    """
    if wanted_without_overlap < 0:
        raise SettingsError(f"{wanted_without_overlap} pairs without overlap cannot be drawn")
    available = candidates.available.sum(axis=0)
    if wanted < 0:
        wanted = int(available[1:].sum())
    quotas = sampling.balanced_quotas(available[1:], wanted)
    quotas = np.concatenate([[min(wanted_without_overlap, available[0])], quotas])
    rows: dict[str, list[np.ndarray]] = {scene_id: [] for scene_id in candidates.bins}
    for number in np.flatnonzero(quotas):
        # The pairs of a bin are counted through all scenes; each scene has its share of the drawn.
        drawn = sampling.draw(rng, int(available[number]), int(quotas[number]))
        ends = np.cumsum(candidates.available[:, number])
        shares = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
        for (scene_id, bins), share, end in zip(candidates.bins.items(), shares, ends, strict=True):
            if len(share):
                members = np.flatnonzero(bins == number)
                rows[scene_id].append(members[share - (end - len(members))])
    by_scene = {
        scene_id: np.sort(np.concatenate(parts)).astype(np.int32)
        for scene_id, parts in rows.items()
        if parts
    }
    unfilled = wanted + wanted_without_overlap - int(quotas.sum())
    return SampledPairs(by_scene, max(unfilled, 0))
