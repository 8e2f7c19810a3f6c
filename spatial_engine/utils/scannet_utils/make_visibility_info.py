"""Visibility: which mesh vertices each frame sees.

Reads  scenes_{train,val}_info_i_D5.parquet, the points and the depth images of every scene.
Writes data/scannet/scannet_instance_data/{train,val}_visibility_info_D5.parquet.
Costs  little more than decoding each depth image once (docs/performance.md).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from spatial_engine.utils import paths
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_visibility import see_points, visibility_inputs
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.tables import visibility_table

PART = "visibility.arrow"


def measure_scene(arguments: tuple[SceneInfoHandler, str], part_dir: Path) -> PartResult:
    """Write the visibility of one scene."""
    scenes, scene_id = arguments
    image_ids, seen, num_points, warnings = see_points(scenes, scene_id)
    visibility_table.write_scene_visibility(
        part_dir / PART, scene_id, image_ids, seen, num_points, scenes.geometry_hash(scene_id)
    )
    invalid = len(scenes.image_ids(scene_id)) - len(image_ids)
    blind = sum(not len(points) for points in seen)
    return PartResult(
        counts={"frames": len(image_ids)},
        drops={"frames": {"without a valid pose": invalid}},
        notes={"frames": {"see no vertex": blind}},
        warnings=warnings,
    )


def make_job(scenes: SceneInfoHandler, scene_id: str) -> SceneJob:
    """Job of one scene."""
    inputs = visibility_inputs(scenes, scene_id)
    return SceneJob(scene_id, (scenes.only(scene_id), scene_id), inputs)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    return cli.make_parser(__doc__).parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("make_visibility_info", args, {}, __file__)
    for split, scenes in load_splits(args, step):
        step.make(
            {"frames": paths.visibility_table_path(args.root, split)},
            list(step.ready(scenes.scene_ids, partial(make_job, scenes)).values()),
            measure_scene,
            lambda parts, paths: visibility_table.merge_visibility(
                [part / PART for part in parts], paths["frames"]
            ),
        )
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
