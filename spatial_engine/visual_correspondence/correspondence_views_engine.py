"""Correspondence over three to eight frames: which dot is on another point, where is a point seen?

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points and
       objects of each scene, {train,val}_camera_info_D5.parquet, posed_images/, templates/.
Writes {training,evaluation}_data/correspondence_frames/v1_0/{odd_dot,seen_where}_{train,val}.jsonl,
       and the images of the records, with a dot in all or in the first, under images/<scene>/
       beside it; what frames show, object_frames.cache/, where it is not there.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  docs/performance.md, section "Three to eight frames".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.utils.frames.step import FramesFamily, run_family
from spatial_engine.utils.running import cli
from spatial_engine.visual_correspondence import correspondence_views_questions

# Records of each type, at most; -1 = all that a search finds.
MAX_SAMPLES = {"train": 100_000, "val": 300}
NUM_FRAMES = (3, 8)  # images of a record, at least and at most
# Radius of a dot in pixels, as published; it grows with images wider than 1296 pixels.
DOT_RADIUS_PX = 10
# Errors of poses move a point along its surface, the farther the flatter it is seen. It is asked
# about if they move it by at most this between any two frames that show it, in millimetres: less
# than where there are two frames alone (22), as up to 28 pairs can be off. With 22, the places of 1
# set in 270 are more than 50 mm apart.
MAX_MATCH_ERROR_MM = 18.0
# The odd dot is so far from the point of the others, in metres and, in its image, as a share of the
# width: farther than poses and dots are wide of it. It is no farther in metres than the third where
# there is such a point: beside the right place rather than anywhere.
MIN_ODD_M = 0.3
MIN_ODD_SHARE = 0.05
USUAL_ODD_M = 1.5
# Where a point is seen is asked about if the vertices so near to it, in metres, lie within so many
# metres of its plane, and frames that do not show it do not show them either. Beside an edge poses
# that are slightly off tell nothing: without this, 1 record in 100 is wrong.
SURROUNDINGS_M = 0.1
FLAT_M = 0.015

FAMILY = FramesFamily(
    "correspondence_views_engine",
    __file__,
    correspondence_views_questions.TASKS,
    Path(__file__).parent / "templates",
    correspondence_views_questions.write_scene,
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
            "MAX_MATCH_ERROR_MM": (MAX_MATCH_ERROR_MM, "by how much poses may move a match, in mm"),
            "MIN_ODD_M": (MIN_ODD_M, "least distance of the odd dot's point, in metres"),
            "MIN_ODD_SHARE": (MIN_ODD_SHARE, "the same in its image, as a share of the width"),
            "USUAL_ODD_M": (USUAL_ODD_M, "greatest distance of it where there is one, in metres"),
            "SURROUNDINGS_M": (SURROUNDINGS_M, "how far around a point is looked, in metres"),
            "FLAT_M": (FLAT_M, "how far what is there may be off its plane, in metres"),
        },
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
