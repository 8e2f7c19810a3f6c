"""Correspondence, by dots: which of four lettered dots in Image-2 marks the dot's point of Image-1?

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points of
       each scene, {train,val}_camera_info_D5.parquet, posed_images/*/*.jpg, templates/.
Writes {training,evaluation}_data/visual_correspondence_dot_2_multichoice/v1_0/
       {train,val}_visual_correspondence_dot_2_multichoice.jsonl;
       two marked pictures for each record under images/<scene>/ beside it.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  two marked pictures for each record (docs/performance.md).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spatial_engine.utils.running import cli
from spatial_engine.visual_correspondence import correspondence_engine

# Questions at most; -1 = all pairs in range. As published.
TRAIN_MAX_SAMPLES = 500_000
VAL_MAX_SAMPLES = 300
# Radius of a dot in pixels, as published; it grows with images wider than 1296 pixels.
DOT_RADIUS_PX = 10
# The wrong dots: "easy", anywhere in the image; "medium", on the surface of the match; "hard",
# close to it but not touching it. Published: "easy".
TRAIN_DIFFICULTY = "easy"
VAL_DIFFICULTY = "medium"
# What a frame is taken to see: the surface that it shows. The published rule also takes for seen
# what is hidden beside a silhouette.
SEEN_RULE = "surface"  # published: "published"
# Errors of poses move a match along its surface, the farther the flatter it is seen. It is asked
# about if they move it by at most this, in millimetres: then 1 label in 1,000 is off by 50 mm.
MAX_MATCH_ERROR_MM = 22.0  # published: 0, which asks about any


def main(argv: Sequence[str] | None = None) -> int:
    return correspondence_engine.run_task(
        "correspondence_multichoice",
        __doc__,
        argv,
        max_samples={"train": TRAIN_MAX_SAMPLES, "val": VAL_MAX_SAMPLES},
        constants={
            "SEEN_RULE": SEEN_RULE,
            "MAX_MATCH_ERROR_MM": MAX_MATCH_ERROR_MM,
            "DOT_RADIUS_PX": DOT_RADIUS_PX,
            "TRAIN_DIFFICULTY": TRAIN_DIFFICULTY,
            "VAL_DIFFICULTY": VAL_DIFFICULTY,
        },
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
