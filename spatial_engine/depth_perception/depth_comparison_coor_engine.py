"""Depth comparison, by coordinates: which of two points is closer, or farther?

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points of
       each scene, posed_images/*/*.jpg (names only), templates/.
Writes {training,evaluation}_data/depth_comparison_coor/v1_0/depth_comparison_coor.jsonl;
       images: data/scannet/posed_images.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  mostly opening the visibility of each scene (docs/performance.md).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spatial_engine.depth_perception import depth_engine
from spatial_engine.utils.running import cli

# Questions at most; -1 = every frame once. As published.
TRAIN_MAX_SAMPLES = 500_000
VAL_MAX_SAMPLES = 300
# What a frame is taken to see: the surface that it shows. The published rule also takes for seen
# what is hidden beside a silhouette.
SEEN_RULE = "surface"  # published: "published"
# Two points are compared when their depths differ by so many millimetres or by such a share of the
# nearer depth, whichever is more. Smaller differences are within the noise of the depth images.
MIN_DEPTH_GAP_MM = 50  # published: 1
MIN_DEPTH_GAP_SHARE = 0.02  # published: 0
# Questions about one frame at most, each about other points; -1 = no limit.
MAX_PER_FRAME = 10  # published: -1
# Whether the nearer point is the lower one in half of the questions, wherever in the image the two
# are. Else it is so in two of three, as floors are below, and the coordinates tell the answer.
BALANCE_LOWER = True  # published: False


def main(argv: Sequence[str] | None = None) -> int:
    return depth_engine.run_task(
        "depth_comparison_coor",
        __doc__,
        argv,
        max_samples={"train": TRAIN_MAX_SAMPLES, "val": VAL_MAX_SAMPLES},
        constants={
            "SEEN_RULE": SEEN_RULE,
            "MIN_DEPTH_GAP_MM": MIN_DEPTH_GAP_MM,
            "MIN_DEPTH_GAP_SHARE": MIN_DEPTH_GAP_SHARE,
            "MAX_PER_FRAME": MAX_PER_FRAME,
            "BALANCE_LOWER": BALANCE_LOWER,
        },
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
