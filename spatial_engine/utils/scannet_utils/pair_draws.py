"""Pairs of frames to be asked about, drawn over all scenes of a split for one or more questions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_engine.utils import pairs, provenance, sampling
from spatial_engine.utils.scannet_utils.scene_files import SceneFiles
from spatial_engine.utils.scannet_utils.scene_info import SceneInfoHandler
from spatial_engine.utils.step import Step


@dataclass(frozen=True)
class PairDraws:
    """Rows of each scene's pair table by question, {scene: {question: (n,) int32}}; the files of
    its frames; by question what fell short; and what decides the draw beside the rows."""

    rows: dict[str, dict[str, np.ndarray]]
    files: dict[str, SceneFiles]
    drops: dict[str, dict[str, int]]
    table_fingerprint: Any


def draw_pairs(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    wanted: Mapping[str, int],
    wanted_without_overlap: int = 0,
) -> PairDraws:
    """Draw `wanted` pairs for each question, with a generator for (seed, question, split).

    A scene that the pair table does not hold as it is now fails in the next `Step.make`.
    """
    table_path = pairs.pairs_path(args.root, split)
    table = pairs.open_pairs(table_path)

    files: dict[str, SceneFiles] = {}

    def read_bins(scene_id: str) -> np.ndarray:
        files[scene_id] = listed = SceneFiles.of(scenes, scene_id)
        geometry = scenes.geometry_hash(scene_id)
        pairs.check_is_about(table, scene_id, geometry, listed.depth_sizes)
        return pairs.read_overlap_bins(table, scene_id)

    candidates = pairs.PairCandidates.of(step.ready(scenes.scene_ids, read_bins))
    rows: dict[str, dict[str, np.ndarray]] = {}
    drops = {}
    for question, number in wanted.items():
        rng = sampling.generator(args.seed, question, split)
        drawn = pairs.sample_pairs(candidates, number, wanted_without_overlap, rng)
        drops[question] = {"wanted but no pair left": drawn.unfilled}
        for scene_id, mine in drawn.rows_by_scene.items():
            rows.setdefault(scene_id, {})[question] = mine
    fingerprint = provenance.file_fingerprint(table_path, args.root)
    return PairDraws(dict(sorted(rows.items())), files, drops, fingerprint)
