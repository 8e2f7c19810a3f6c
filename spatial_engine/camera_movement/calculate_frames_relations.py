"""Camera step 1: how every two frames of a scene relate.

Reads  scenes_{train,val}_info_i_D5.parquet and the visibility table. Where ScanNet's is missing or
       stale, the depth images, from which the same is computed.
Writes training_data/camera_movement/train_camera_info_D5.parquet and
       evaluation_data/camera_movement/val_camera_info_D5.parquet, one row for each pair of frames.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  little where the visibility table is there (docs/performance.md).
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from spatial_engine.errors import MissingInputError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.point_bits import bit_words
from spatial_engine.utils.geometry.visibility import intersection_counts, overlap_percent
from spatial_engine.utils.paths import SCANNET, Dataset
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_visibility import see_points, visibility_inputs
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import pair_table, visibility_table

log = logging.getLogger(__name__)

PART = "pairs.parquet"


def relate_scene(
    arguments: tuple[SceneInfoHandler, str, Path | None], part_dir: Path
) -> PartResult:
    """Write the relations of all pairs of valid frames of one scene."""
    scenes, scene_id, table = arguments
    image_ids, poses = scenes.valid_frames(scene_id)
    geometry = scenes.geometry_hash(scene_id)
    rule = overlap_rule(scenes.dataset)
    if table is None:
        sight = see_points(scenes, scene_id)
        seen = bit_words(sight.visible, sight.num_points)
    else:
        handler = visibility_table.VisibilityInfoHandler(table, rule)
        handler.check_is_about(scene_id, geometry)
        seen = handler.load_scene(scene_id).bits
    overlap = overlap_percent(intersection_counts(seen))
    columns = pair_table.relate_frames(image_ids, poses, overlap)
    pair_table.write_scene_pairs(part_dir / PART, scene_id, image_ids, columns, geometry)

    rows = len(columns["overlap"])
    blind = int(np.count_nonzero(~seen.any(axis=1)))
    text = f"{blind} frames see no vertex; the overlap of two of them is taken as 0"
    warnings = [text] if blind >= 2 else []
    notes = {"with overlap": int(np.count_nonzero(columns["overlap"]))}
    return PartResult(counts={"pairs": rows}, notes={"pairs": notes}, warnings=warnings)


def overlap_rule(dataset: Dataset) -> str:
    """By which rule vertices are seen in both frames. ScanNet's overlap is the published one. By
    it, points that were fused from depth, which lie on what was measured, are seen by chance."""
    return visibility_table.PUBLISHED if dataset.name == SCANNET else visibility_table.SURFACE


def made_from(table: Path) -> dict[str, list[str]]:
    """Inputs of each scene that the visibility table holds; empty without a table."""
    if not table.is_file():
        return {}
    held = provenance.read_meta(table).get("scenes", [])  # a scene that failed is not in it
    inputs = provenance.read_inputs(table)
    return {scene: inputs[scene] for scene in held if scene in inputs}


def make_job(
    scenes: SceneInfoHandler, table: Path, table_inputs: dict[str, list[str]], scene_id: str
) -> SceneJob:
    """Job of one scene, from the table if that holds the scene as it is now."""
    inputs = visibility_inputs(scenes, scene_id)
    usable = table_inputs.get(scene_id) == inputs
    if not usable and overlap_rule(scenes.dataset) != visibility_table.PUBLISHED:
        raise MissingInputError(
            f"{table}: does not hold {scene_id} as it is now; {visibility_table.REMEDY}"
        )
    if not usable and scene_id in table_inputs:
        log.warning("%s: %s is stale, depth is used; %s", scene_id, table, visibility_table.REMEDY)
    return SceneJob(scene_id, (scenes.only(scene_id), scene_id, table if usable else None), inputs)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    return cli.make_parser(__doc__, dataset=True).parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("calculate_frames_relations", args, {}, __file__)
    for split, scenes in load_splits(args, step):
        table = paths.visibility_table_path(args.dataset, split)
        jobs = step.ready(scenes.scene_ids, partial(make_job, scenes, table, made_from(table)))
        step.make(
            Outputs({"pairs": paths.pair_table_path(args.dataset, split)}),
            list(jobs.values()),
            relate_scene,
            lambda parts, paths: pair_table.merge_pairs(
                [part.source("pairs", PART) for part in parts], paths["pairs"]
            ),
            takes_over=True,
        )
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
