"""Object relations through three to eight frames: how far apart, which is nearest, where, when?

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points and
       instances of every scene, the pair tables of calculate_frames_relations.py, depth images, the
       names of posed_images/*/*.jpg, templates/.
Writes {training,evaluation}_data/relation_frames/v1_0/{object_distance,nearest_object,direction,
       appearance_order}_{train,val}.jsonl (images: data/scannet/posed_images).
       In scannet_instance_data/, where they are missing: object_frames.cache/,
       object_distances.cache/.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  docs/performance.md, section "Three to eight frames".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.object_relations import relation_questions
from spatial_engine.utils.frames.step import FramesFamily, run_family
from spatial_engine.utils.running import cli

# Records of each type, at most; -1 = all that a search finds.
MAX_SAMPLES = {"train": 100_000, "val": 300}
NUM_FRAMES = (3, 8)  # images of a record, at least and at most
# Distances that are asked for: below, errors of the scan are a large share; above, poses drift.
MIN_DISTANCE_M = 0.3
MAX_DISTANCE_M = 6.0
# The second nearest object is farther than the nearest by this, and by this share of its distance.
MIN_DISTANCE_GAP_M = 0.15
MIN_DISTANCE_GAP_SHARE = 0.15
# A direction is asked so far from where it becomes another one, of objects that lie in it by so
# much, and of those that are not at the feet of who stands there.
MIN_BORDER_DEG = 15.0
MIN_SECTOR_SHARE = 0.9
MIN_STAND_M = 0.8

FAMILY = FramesFamily(
    "object_relations_engine",
    __file__,
    relation_questions.TASKS,
    Path(__file__).parent / "templates",
    relation_questions.write_scene,
    objects=True,
    distances=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    return run_family(
        FAMILY,
        __doc__,
        argv,
        max_samples=MAX_SAMPLES,
        num_frames=NUM_FRAMES,
        constants={
            "MIN_DISTANCE_M": (MIN_DISTANCE_M, "smallest distance of two objects, in metres"),
            "MAX_DISTANCE_M": (MAX_DISTANCE_M, "largest distance of two objects, in metres"),
            "MIN_DISTANCE_GAP_M": (
                MIN_DISTANCE_GAP_M,
                "by how much the second nearest object is farther, in metres",
            ),
            "MIN_DISTANCE_GAP_SHARE": (
                MIN_DISTANCE_GAP_SHARE,
                "or by what share of the distance of the nearest, whichever is more",
            ),
            "MIN_BORDER_DEG": (MIN_BORDER_DEG, "degrees from a direction to the next, at least"),
            "MIN_SECTOR_SHARE": (MIN_SECTOR_SHARE, "share of an object that lies in its direction"),
            "MIN_STAND_M": (
                MIN_STAND_M,
                "metres from where one stands to the other objects, at least",
            ),
        },
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
