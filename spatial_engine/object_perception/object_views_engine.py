"""Objects through three to eight frames: how large is one, how many different ones are there?

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points and
       instances of every scene, the pair tables of calculate_frames_relations.py, depth images, the
       names of posed_images/*/*.jpg, templates/.
Writes {training,evaluation}_data/object_frames/v1_0/{joint_size,count_distinct}_{train,val}.jsonl
       (images: data/scannet/posed_images).
       In scannet_instance_data/: object_frames.cache/, where it is missing.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  docs/performance.md, section "Three to eight frames".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.object_perception import object_views_questions
from spatial_engine.utils.frames.step import FramesFamily, run_family
from spatial_engine.utils.running import cli

# Records of each type, at most; -1 = all that a search finds.
MAX_SAMPLES = {"train": 100_000, "val": 300}
NUM_FRAMES = (3, 8)  # images of a record, at least and at most
# Of smaller sides, the errors of a scan are too large a share.
MIN_SIDE_M = 0.05
# The box of a table that stands at an angle to the axes has other sides than a person sees: seen
# from above, the box may be so much larger than the smallest rectangle around the object.
MAX_BOX_SLACK = 1.15

FAMILY = FramesFamily(
    "object_views_engine",
    __file__,
    object_views_questions.TASKS,
    Path(__file__).parent / "templates",
    object_views_questions.write_scene,
    objects=True,
)


def main(argv: Sequence[str] | None = None) -> int:
    return run_family(
        FAMILY,
        __doc__,
        argv,
        max_samples=MAX_SAMPLES,
        num_frames=NUM_FRAMES,
        constants={
            "MIN_SIDE_M": (MIN_SIDE_M, "shortest side of an object that is asked about, in metres"),
            "MAX_BOX_SLACK": (
                MAX_BOX_SLACK,
                "greatest ratio of a box to the smallest rectangle around an object",
            ),
        },
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
