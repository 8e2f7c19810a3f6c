"""Camera movement through three to eight frames: how long is its path, how far does it turn?

Reads  scenes_{train,val}_info_i_D5.parquet, the pair tables of calculate_frames_relations.py, the
       names of posed_images/*/*.jpg, templates/.
Writes {training,evaluation}_data/camera_frames/v1_0/{path_length,net_turn}_{train,val}.jsonl
       (images: data/scannet/posed_images).
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  docs/performance.md, section "Three to eight frames".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.camera_movement import camera_path_questions
from spatial_engine.utils.frames.step import FramesFamily, run_family
from spatial_engine.utils.running import cli

# Records of each type, at most; -1 = all that a search finds.
MAX_SAMPLES = {"train": 100_000, "val": 300}
NUM_FRAMES = (3, 8)  # images of a record, at least and at most
# A path is asked about if each of its steps is longer than poses are off, and the whole so much
# longer than the distance of any two of its cameras: no two images show it.
MIN_STEP_M = 0.1
MIN_DETOUR = 1.3
# A turn is asked about if the way that each of its parts goes can be seen, and no more than a part
# of the view is lost from one image to the next; steep views have no certain heading.
MIN_TURN_DEG = 5.0
MAX_TURN_DEG = 90.0
MAX_PITCH_DEG = 60.0
MIN_NET_TURN_DEG = 15.0

FAMILY = FramesFamily(
    "camera_path_engine",
    __file__,
    camera_path_questions.TASKS,
    Path(__file__).parent / "templates",
    camera_path_questions.write_scene,
    sees=False,
    states=False,
)


def main(argv: Sequence[str] | None = None) -> int:
    return run_family(
        FAMILY,
        __doc__,
        argv,
        max_samples=MAX_SAMPLES,
        num_frames=NUM_FRAMES,
        constants={
            "MIN_STEP_M": (MIN_STEP_M, "shortest step of a path, in metres"),
            "MIN_DETOUR": (MIN_DETOUR, "least length of a path by the distance of any two cameras"),
            "MIN_TURN_DEG": (MIN_TURN_DEG, "smallest turn from one image to the next, in degrees"),
            "MAX_TURN_DEG": (MAX_TURN_DEG, "largest turn from one image to the next, in degrees"),
            "MAX_PITCH_DEG": (MAX_PITCH_DEG, "steepest view of a question about turns, in degrees"),
            "MIN_NET_TURN_DEG": (MIN_NET_TURN_DEG, "smallest turn of all together, in degrees"),
        },
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
