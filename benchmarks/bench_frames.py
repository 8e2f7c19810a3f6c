"""Times questions about three to eight frames at true size, and how many a scene has.

Uses the folder of bench_scannet.py (and makes what is missing of it): one scene of 150,000 vertices
and 300 frames. Of each type the command is run for one record and for many; the difference is what
the records take, pictures of the dot tasks included. What is made once for each scene (what frames
show for certain) is a row of its own. Clips are not timed: there it is the rigid bodies that take
time (bench_movement.py).

    python benchmarks/bench_frames.py --folder /tmp/bench [--turns 3]
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable

# First, as it sets the number of threads before numpy is imported.
from common import SCENE, Bench, make_parser, prepare, results_path, run_command

# isort: split
from spatial_engine.camera_movement import camera_path_engine
from spatial_engine.depth_perception import depth_views_engine
from spatial_engine.object_perception import object_views_engine
from spatial_engine.object_relations import object_relations_engine
from spatial_engine.utils import paths
from spatial_engine.utils.frames import states
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.questions.tasks import FIRST_VERSION, FRAME_COUNTS, TASKS
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.visual_correspondence import correspondence_views_engine

WANTED, WANTED_PICTURES = 1000, 100  # records of a type, of one scene
SCRIPTS = {
    "camera_movement/camera_path_engine": camera_path_engine,
    "depth_perception/depth_views_engine": depth_views_engine,
    "visual_correspondence/correspondence_views_engine": correspondence_views_engine,
    "object_perception/object_views_engine": object_views_engine,
    "object_relations/object_relations_engine": object_relations_engine,
}


def seconds_of(work: Callable[[], object], turns: int) -> float:
    """Processor seconds, the median of so many turns after one that is not counted."""
    work()
    times = []
    for _ in range(turns):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


class FramesBench(Bench):
    """What a scene costs once, and each type of each script."""

    def once(self) -> None:
        scenes = SceneInfoHandler.load(self.root, "train")
        table = paths.visibility_table_path(self.root, "train")
        grey = seconds_of(
            lambda: states.write_scene((scenes, table, SCENE, states.RULE), self.scratch), 1
        )
        self.add("what frames show for certain", "scenes", 1, grey, grey, 1.0, 0, "once a scene")

    def types(self, name: str) -> None:
        """A row for each type that the scene has records of."""
        for task in SCRIPTS[name].FAMILY.tasks:
            kind = task.partition("_")[2]
            many = WANTED_PICTURES if TASKS[task].marked else WANTED
            try:
                one, _ = self._run(name, kind, 1)
                all_of_them, memory = self._run(name, kind, many)
            except SystemExit:
                print(f"{task}: the scene has no records")
                continue
            path = record_path(self.root, task, "train", FIRST_VERSION)
            sizes = Counter(len(record["image"]) for record in read_jsonl(path))
            shown = ", ".join(f"{sizes[size]} of {size}" for size in FRAME_COUNTS)
            self.add(task, "records", sizes.total(), max(all_of_them - one, 1e-3), one, 0.0,
                     memory, f"opening the scene; records: {shown} frames")  # fmt: skip

    def _run(self, name: str, kind: str, wanted: int) -> tuple[float, float]:
        """Median seconds of the command, and its peak memory."""
        flags = ("--splits", "train", "--question-types", kind, "--train-max-samples", str(wanted))
        command = f"spatial_engine/{name}.py"
        runs = [run_command(command, self.root, *flags) for _ in range(self.turns)]
        return statistics.median(seconds for seconds, _ in runs), max(peak for _, peak in runs)


def main() -> None:
    args = make_parser(__doc__, turns=3).parse_args()
    prepare(args.folder)
    bench = FramesBench(args.folder, args.turns)
    bench.once()
    for name in SCRIPTS:
        bench.types(name)
    bench.show(results_path(args.folder, __file__))


if __name__ == "__main__":
    main()
