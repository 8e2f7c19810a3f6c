"""Pairs of frames to be asked about: drawn over all scenes of a split, balanced over overlap."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_engine.errors import SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.running import provenance
from spatial_engine.utils.scenes.scene_files import SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import Inputs
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils.tables.scene_table import SceneTable

MIN_OVERLAP, MAX_OVERLAP = 6, 35  # percent; below, two images share too little to be compared
NUM_BINS = 1 + MAX_OVERLAP - MIN_OVERLAP  # one for no overlap, one for each percent in range


@dataclass(frozen=True)
class PairDraws:
    """Rows of each scene's pair table by question, {scene: {question: (n,) int32}}; the files of
    its frames; how many pairs were not available, by question; and what else decides the draw."""

    rows: dict[str, dict[str, np.ndarray]]
    files: dict[str, SceneFiles]
    drops: dict[str, dict[str, int]]
    table_fingerprint: Any


def draw_pairs(
    args: argparse.Namespace,
    step: Inputs,
    split: str,
    scenes: SceneInfoHandler,
    wanted: Mapping[str, int],
    wanted_without_overlap: int = 0,
) -> PairDraws:
    """Draw `wanted` pairs for each question, with a generator for (seed, question, split).

    A scene that has changed since the pair table was made fails in the next `Step.make`.
    """
    table_path = paths.pair_table_path(args.root, split)
    table = pair_table.open_pairs(table_path)

    files: dict[str, SceneFiles] = {}

    def read_bins(scene_id: str) -> np.ndarray:
        files[scene_id] = listed = SceneFiles.of(scenes, scene_id)
        geometry = scenes.geometry_hash(scene_id)
        pair_table.check_is_about(table, scene_id, geometry, listed.depth_sizes)
        return read_overlap_bins(table, scene_id)

    candidates = PairCandidates.of(step.ready(scenes.scene_ids, read_bins))
    rows: dict[str, dict[str, np.ndarray]] = {}
    drops = {}
    for question, number in wanted.items():
        rng = sampling.generator(args.seed, question, split)
        drawn = sample_pairs(candidates, number, wanted_without_overlap, rng)
        drops[question] = {"requested but not available": drawn.unfilled}
        for scene_id, mine in drawn.rows_by_scene.items():
            rows.setdefault(scene_id, {})[question] = mine
    fingerprint = provenance.file_fingerprint(table_path, args.root)
    return PairDraws(dict(sorted(rows.items())), files, drops, fingerprint)


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


def overlap_bin(overlap: np.ndarray) -> np.ndarray:
    """Bins of overlaps (n,), int8: 0 for 0; 1 for [6, 7]; 2 for (7, 8]; ... 29 for (34, 35]; and
    -1 for what is not asked about."""
    bins = np.maximum(np.ceil(overlap) - MIN_OVERLAP, 1)
    in_range = (overlap >= MIN_OVERLAP) & (overlap <= MAX_OVERLAP)
    return np.where(overlap == 0, 0, np.where(in_range, bins, -1)).astype(np.int8)


@dataclass(frozen=True)
class SampledPairs:
    """Rows drawn of each scene (ascending int32), and how many requested pairs were not
    available."""

    rows_by_scene: dict[str, np.ndarray]
    unfilled: int


def sample_pairs(
    candidates: PairCandidates, wanted: int, wanted_without_overlap: int, rng: np.random.Generator
) -> SampledPairs:
    """Balanced draw over the overlap bins, without replacement (SPEC 5).

    `wanted` = -1 takes all. `wanted_without_overlap` is the number of pairs without overlap.
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
