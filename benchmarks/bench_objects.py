"""Times object perception at true size: object visibility, coverage, questions.

Uses the folder of bench_scannet.py (and makes what is missing of it): one scene of 150,000 vertices
and 300 frames. Object visibility is compared with opening the scene's visibility table, coverage
with an exhaustive search over all subsets of few images, in turns; the questions are a whole
command over 256 scenes, which are the true one under other names.

    python benchmarks/bench_objects.py --folder /tmp/bench [--turns 5]
"""

from __future__ import annotations

import shutil
import time
from itertools import combinations
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import SCENE, Bench, make_copies, make_parser, prepare, results_path, run_command

# isort: split
import numpy as np

from spatial_engine.object_perception import compute_object_visibility as objects
from spatial_engine.object_perception import single_object_coverage_finder as finder
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.coverage import covers, minimal_sets
from spatial_engine.utils.running.outputs import Part
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import object_table, visibility_table
from spatial_engine.utils.tables.coverage_files import DIMENSIONS
from spatial_engine.utils.tables.object_table import SeenObject

PERCEPTION = "spatial_engine/object_perception"
FEW_IMAGES = 10  # for the exhaustive search: 1,023 subsets of each object


def search_all(low: np.ndarray, high: np.ndarray, target: float) -> list[tuple[int, ...]]:
    """All minimal sets, by trying every subset from the smallest on."""
    found: list[tuple[int, ...]] = []
    for count in range(1, len(low) + 1):
        for subset in combinations(range(len(low)), count):
            if any(set(smaller) <= set(subset) for smaller in found):
                continue
            extent = max(high[list(subset)]) - min(low[list(subset)])
            if covers(extent, target, finder.TOLERANCE):
                found.append(subset)
    return found


class ObjectsBench(Bench):
    """The stages, each with what it is compared with."""

    def visibility(self) -> None:
        _, memory = run_command(f"{PERCEPTION}/compute_object_visibility.py", self.root)
        scenes = SceneInfoHandler.load(self.root, "train")
        table = paths.visibility_table_path(self.root, "train")
        constants = objects.parse_args([]).constants

        def see(out: Path) -> None:
            objects.see_objects((scenes, table, SCENE, constants), out)
            outputs = {"table": out / "table", objects.OUTPUT: out / "pickle"}
            objects.join_parts([Part(SCENE, out, {})], outputs)

        def open_scene(_: Path) -> None:
            visibility_table.VisibilityInfoHandler(table).load_scene(SCENE)

        self.add("object visibility", "scenes", 1, *self.compare(see, open_scene), memory,
                 "opening the scene's visibility")  # fmt: skip

    def coverage(self) -> None:
        _, memory = run_command(f"{PERCEPTION}/single_object_coverage_finder.py", self.root)
        table = paths.object_table_path(self.root, "train")
        seen = object_table.read_scene_objects(object_table.open_objects(table), SCENE)
        constants = finder.parse_args([]).constants

        def cover(out: Path) -> None:
            finder.cover_scene((table, "train", SCENE, 0, constants), out)

        def read(_: Path) -> None:
            object_table.read_scene_objects(object_table.open_objects(table), SCENE)

        self.add("coverage of all objects", "scenes", 1, *self.compare(cover, read),
                 memory, "reading the scene's objects")  # fmt: skip
        cases = [case for one in seen for case in self._few_images(one)]

        def arrays(_: Path) -> None:
            for low, high, target in cases:
                minimal_sets(low, high, target, finder.TOLERANCE)

        def exhaustive(_: Path) -> None:
            for low, high, target in cases:
                search_all(low, high, target)

        for low, high, target in cases:
            single, pairs = minimal_sets(low, high, target, finder.TOLERANCE)
            ours = [(int(i),) for i in single] + [tuple(map(int, pair)) for pair in pairs]
            if ours != search_all(low, high, target):
                raise SystemExit("the two ways do not find the same sets")
        self.add(f"minimal sets, {FEW_IMAGES} images", "sizes", len(cases),
                 *self.compare(arrays, exhaustive), 0, "exhaustive search of the same")  # fmt: skip

    def _few_images(self, seen: SeenObject) -> list[tuple[np.ndarray, np.ndarray, float]]:
        cases = []
        for dimension in DIMENSIONS:
            axis = finder.axis_of(dimension, seen.size)
            if seen.size[axis] >= finder.MIN_SIZE_M:
                few = slice(None, None, max(len(seen.image_ids) // FEW_IMAGES, 1))
                low, high = seen.low[few, axis][:FEW_IMAGES], seen.high[few, axis][:FEW_IMAGES]
                cases.append((low, high, float(seen.size[axis])))
        return cases

    def questions(self) -> None:
        root = self.root / "points"
        if not paths.visibility_table_path(root, "train").exists():
            make_copies(self.root, root)
        run_command(f"{PERCEPTION}/compute_object_visibility.py", root)
        run_command(f"{PERCEPTION}/single_object_coverage_finder.py", root)
        run_command(f"{PERCEPTION}/merge_object_coverage.py", root, "--splits", "train")
        seconds, memory = run_command(
            f"{PERCEPTION}/single_object_perception_engine.py", root, "--splits", "train"
        )
        made = sorted(paths.objects_dir(root, "train").glob("*.jsonl"))
        count = sum(path.read_bytes().count(b"\n") for path in made)
        start = time.process_time()
        for path in made:
            shutil.copyfile(path, root / "copy")
        floor = time.process_time() - start
        self.add("object questions", "records", count, seconds, floor,
                 seconds / floor, memory, "copying the jsonl (time: whole command)")  # fmt: skip


def main() -> None:
    args = make_parser(__doc__, turns=5).parse_args()
    prepare(args.folder)
    bench = ObjectsBench(args.folder, args.turns)
    bench.visibility()
    bench.coverage()
    bench.questions()
    bench.show(results_path(args.folder, __file__))


if __name__ == "__main__":
    main()
