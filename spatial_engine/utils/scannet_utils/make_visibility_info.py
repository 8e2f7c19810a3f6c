"""Visibility: which mesh vertices each frame sees, and which lie on the surface that it shows.

Reads  scenes_{train,val}_info_i_D5.parquet, the points and the depth images of every scene.
Writes data/scannet/scannet_instance_data/{train,val}_visibility_info_D5.parquet.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  little more than decoding each depth image once (docs/performance.md).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from spatial_engine.utils import paths
from spatial_engine.utils.geometry.visibility import SurfaceRule
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_visibility import see_points, visibility_inputs
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.tables import visibility_table

# A vertex lies on the surface that a frame shows where all depths within the window are measured
# and agree with its own; at the silhouette of a thing they do not. (The table also holds what the
# published rule gives: vertices nearer than the depth of their pixel.)
SURFACE_WINDOW_PX = 2  # of the depth image, to each side: a registration error is below
DEPTH_TOLERANCE_M = 0.05  # noise of a depth camera near by
DEPTH_TOLERANCE_SHARE = 0.03  # of the depth: noise grows with it

PART = "visibility.parquet"


def measure_scene(
    arguments: tuple[SceneInfoHandler, str, SurfaceRule], part_dir: Path
) -> PartResult:
    """Write the visibility of one scene."""
    scenes, scene_id, rule = arguments
    sight = see_points(scenes, scene_id, rule)
    seen = {visibility_table.PUBLISHED: sight.visible, visibility_table.SURFACE: sight.surface}
    geometry = scenes.geometry_hash(scene_id)
    visibility_table.write_scene_visibility(
        part_dir / PART, scene_id, sight.image_ids, seen, sight.num_points, geometry
    )
    invalid = len(scenes.image_ids(scene_id)) - len(sight.image_ids)
    blind = {
        "see no vertex": sum(not len(points) for points in sight.visible),
        "show no vertex on their surface": sum(not len(points) for points in sight.surface),
    }
    return PartResult(
        counts={"frames": len(sight.image_ids)},
        drops={"frames": {"without a valid pose": invalid}},
        notes={"frames": blind},
    )


def make_job(scenes: SceneInfoHandler, rule: SurfaceRule, scene_id: str) -> SceneJob:
    """Job of one scene."""
    inputs = visibility_inputs(scenes, scene_id)
    return SceneJob(scene_id, (scenes.only(scene_id), scene_id, rule), inputs)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True)
    text = "all depths within so many pixels of the depth image must agree with a vertex's"
    cli.add_constant(parser, "SURFACE_WINDOW_PX", SURFACE_WINDOW_PX, text, 0, 100)
    text = "by how much they may differ, in metres"
    cli.add_constant(parser, "DEPTH_TOLERANCE_M", DEPTH_TOLERANCE_M, text, 0, 10)
    text = "or by what share of the depth, whichever is more"
    cli.add_constant(parser, "DEPTH_TOLERANCE_SHARE", DEPTH_TOLERANCE_SHARE, text, 0, 0.5)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    rule = SurfaceRule(args.surface_window_px, args.depth_tolerance_m, args.depth_tolerance_share)
    settings = {
        "SURFACE_WINDOW_PX": rule.window_px,
        "DEPTH_TOLERANCE_M": rule.tolerance_m,
        "DEPTH_TOLERANCE_SHARE": rule.tolerance_share,
    }
    step = Step("make_visibility_info", args, settings, __file__)
    for split, scenes in load_splits(args, step):
        step.make(
            Outputs({"frames": paths.visibility_table_path(args.dataset, split)}),
            list(step.ready(scenes.scene_ids, partial(make_job, scenes, rule)).values()),
            measure_scene,
            lambda parts, paths: visibility_table.merge_visibility(
                [part.source("frames", PART) for part in parts], paths["frames"]
            ),
            takes_over=True,
        )
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
