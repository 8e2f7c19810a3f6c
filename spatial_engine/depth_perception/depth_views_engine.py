"""Depth over three to eight frames: in which one is a point nearest, how deep is it where it is
hidden?

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points and
       objects of each scene, {train,val}_camera_info_D5.parquet, posed_images/, templates/.
Writes {training,evaluation}_data/depth_frames/v1_0/{nearest_view,hidden_depth}_{train,val}.jsonl,
       and the images of the records, of which the first has a dot, under images/<scene>/ beside it;
       what frames show, object_frames.cache/, where it is not there.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  docs/performance.md, section "Three to eight frames".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.depth_perception import depth_views_questions
from spatial_engine.utils.frames.step import FramesFamily, run_family
from spatial_engine.utils.running import cli

# Records of each type, at most; -1 = all that a search finds.
MAX_SAMPLES = {"train": 100_000, "val": 300}
NUM_FRAMES = (3, 8)  # images of a record, at least and at most
# Radius of a dot in pixels, as published; it grows with images wider than 1296 pixels.
DOT_RADIUS_PX = 10
# In the nearest image a point is by so much nearer than in any other, in metres and as a share of
# its depth: what can be seen, and far more than depths are off.
MIN_DEPTH_GAP_M = 0.1
MIN_DEPTH_GAP_SHARE = 0.1
# A hidden point is so deep at least, metres: nearer ones are beside the camera.
MIN_HIDDEN_M = 0.5

FAMILY = FramesFamily(
    "depth_views_engine",
    __file__,
    depth_views_questions.TASKS,
    Path(__file__).parent / "templates",
    depth_views_questions.write_scene,
)


def main(argv: Sequence[str] | None = None) -> int:
    return run_family(
        FAMILY,
        __doc__,
        argv,
        max_samples=MAX_SAMPLES,
        num_frames=NUM_FRAMES,
        constants={
            "DOT_RADIUS_PX": (DOT_RADIUS_PX, "radius of a dot, in pixels"),
            "MIN_DEPTH_GAP_M": (MIN_DEPTH_GAP_M, "by how much a point is nearest, in metres"),
            "MIN_DEPTH_GAP_SHARE": (MIN_DEPTH_GAP_SHARE, "and by what share of its least depth"),
            "MIN_HIDDEN_M": (MIN_HIDDEN_M, "least depth of a hidden point, in metres"),
        },
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
