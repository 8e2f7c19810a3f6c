"""Object movement, by coordinates: how far, and where to, does the point at [ x , y ] move?

Reads  data/tapvid3d_dataset/<set>/<clip>.npz and meta_data/<set>/{train,val}.txt of the sets adt,
       pstudio and drivetrack, where they are there
       (made by make_split_lists.py, and here where they are missing), templates/.
Writes data/my_tapvid3d_images/<clip>/{frame:05d}.jpg, once for both prompts;
       data/clip_bodies/<clip>/bodies.parquet, likewise;
       training_data/object_movement_coord/v1_0/<set>/
       <set>_<type>_train_15points_30pairs.jsonl and evaluation_data/.../<set>_<type>_val.jsonl;
       images: data/my_tapvid3d_images.
Costs  half of the time goes into rigid bodies (docs/performance.md).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spatial_engine.object_movement import movement_engine
from spatial_engine.object_movement.movement_pairs import MovementRule
from spatial_engine.utils.running import cli

# Questions of each file at most; -1 = all. As published.
TRAIN_MAX_SAMPLES = -1
VAL_MAX_SAMPLES = 300
# Points drawn from each rigid body.
TRAIN_POINTS_PER_GROUP = 15
VAL_POINTS_PER_GROUP = 1
# Pairs of frames of one point and one of its ten bins of displacement, at most.
TRAIN_PAIRS_PER_BIN = 30
VAL_PAIRS_PER_BIN = 1
# Metres: a point that moves less than STILL_M is still. It moved if it did so by MOVED_M and by
# JITTER_TIMES the jitter of its clip, which is measured. In between it is not asked about. Clips of
# drivetrack have limits of their own (SPEC 9.3).
STILL_M = 0.01  # published: 0.01
MOVED_M = 0.02  # published: 0.01, nothing lies between
JITTER_TIMES = 5.0  # published: 0
# Share of a clip's training records that are about still points. Published: 0, which stands for one
# pair of frames at most for each point.
STATIC_SHARE = 0.1


def main(argv: Sequence[str] | None = None) -> int:
    return movement_engine.run_prompt(
        "coord",
        __doc__,
        argv,
        max_samples={"train": TRAIN_MAX_SAMPLES, "val": VAL_MAX_SAMPLES},
        points_per_group={"train": TRAIN_POINTS_PER_GROUP, "val": VAL_POINTS_PER_GROUP},
        pairs_per_bin={"train": TRAIN_PAIRS_PER_BIN, "val": VAL_PAIRS_PER_BIN},
        rule=MovementRule(STILL_M, MOVED_M, JITTER_TIMES, STATIC_SHARE),
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
