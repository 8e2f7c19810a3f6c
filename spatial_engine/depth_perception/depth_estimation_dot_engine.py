"""Depth estimation, by a dot: how far is the marked point along the viewing direction?

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points of
       each scene, posed_images/*/*.jpg, templates/.
Writes {training,evaluation}_data/depth_estimation_dot/v1_0/depth_estimation_dot.jsonl;
       a marked picture for each record under images/<scene>/ beside it.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  decoding and encoding a JPEG for each record (docs/performance.md).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spatial_engine.depth_perception import depth_engine
from spatial_engine.utils.running import cli

# Questions at most; -1 = every frame once. As published.
TRAIN_MAX_SAMPLES = 500_000
VAL_MAX_SAMPLES = 300
# Radius of a dot in pixels, as published; it grows with images wider than 1296 pixels.
DOT_RADIUS_PX = 10
# What a frame is taken to see: the surface that it shows. The published rule also takes for seen
# what is hidden beside a silhouette.
SEEN_RULE = "surface"  # published: "published"


def main(argv: Sequence[str] | None = None) -> int:
    return depth_engine.run_task(
        "depth_estimation_dot",
        __doc__,
        argv,
        max_samples={"train": TRAIN_MAX_SAMPLES, "val": VAL_MAX_SAMPLES},
        constants={
            "SEEN_RULE": SEEN_RULE,
            "DOT_RADIUS_PX": DOT_RADIUS_PX,
        },
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
