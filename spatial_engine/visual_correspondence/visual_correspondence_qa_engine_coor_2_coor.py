"""Correspondence, by coordinates: where in Image-2 is the point at [ x , y ] of Image-1?

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points of
       each scene, {train,val}_camera_info_D5.parquet, names of posed_images/*/*.jpg, templates/.
Writes {training,evaluation}_data/visual_correspondence_coor_2_coor/v1_0/
       {train,val}_visual_correspondence_coor_2_coor.jsonl;
       images: data/scannet/posed_images.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  mostly opening the visibility of each scene (docs/performance.md).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spatial_engine.utils.running import cli
from spatial_engine.visual_correspondence import correspondence_engine

# Questions at most; -1 = all pairs in range. As published.
TRAIN_MAX_SAMPLES = 1_000_000
VAL_MAX_SAMPLES = 300
# What a frame is taken to see: the surface that it shows. The published rule also takes for seen
# what is hidden beside a silhouette.
SEEN_RULE = "surface"  # published: "published"
# Errors of poses move a match along its surface, the farther the flatter it is seen. It is asked
# about if they move it by at most this, in millimetres: then 1 label in 1,000 is off by 50 mm.
MAX_MATCH_ERROR_MM = 22.0  # published: 0, which asks about any


def main(argv: Sequence[str] | None = None) -> int:
    return correspondence_engine.run_task(
        "correspondence_coor",
        __doc__,
        argv,
        max_samples={"train": TRAIN_MAX_SAMPLES, "val": VAL_MAX_SAMPLES},
        constants={"SEEN_RULE": SEEN_RULE, "MAX_MATCH_ERROR_MM": MAX_MATCH_ERROR_MM},
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
