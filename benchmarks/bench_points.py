"""Times the depth and correspondence questions at true image size.

Uses the folder of bench_scannet.py (and makes what is missing of it). Coordinate tasks run as whole
commands on one core, for 500,000 and 1,000,000 records: over 1,201 scenes, as many as the training
split has, and over 256, where opening the scenes weighs less. All are the true one under other
names. As in a set of more than 1,000 scenes, what an earlier command has found of their files is
known. Their floor is opening each scene's visibility once and copying the jsonl.
Dot tasks are timed for one scene with its share of records, in turns with their floor: decoding
and encoding, for each picture, the same JPEG by the same library.

    python benchmarks/bench_points.py --folder /tmp/bench [--turns 5]
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import (
    LARGE,
    NUM_COPIES,
    SCENE,
    Bench,
    make_copies,
    make_parser,
    prepare,
    results_path,
    run_command,
)

# isort: split
from spatial_engine.depth_perception import (
    depth_comparison_dot_engine,
    depth_engine,
    depth_questions,
)
from spatial_engine.utils import paths
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions import marked_images
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes import pair_balance, scene_files
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import files
from spatial_engine.utils.tables import pair_table, visibility_table
from spatial_engine.visual_correspondence import correspondence_questions

FULL_SCENES = 1201  # of the train split
DEPTH = "spatial_engine/depth_perception/depth_{}_engine.py"
CORRESPONDENCE = "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_{}.py"


class PointsBench(Bench):
    """The six tasks, each with the floor that it is compared with."""

    def coordinates(self) -> None:
        """Whole commands; their floor is what no way round them can leave out."""
        for label, num_copies in (("as in the full set", FULL_SCENES), ("", NUM_COPIES)):
            root = self.root / "points"
            files.remove(root)
            make_copies(self.root, root, num_copies)
            look = (DEPTH.format("estimation_coor"), root, "--splits", "train")
            run_command(*look, "--train-max-samples", "1000", program=LARGE)  # at all scenes, once
            for name, command, wanted in (
                ("depth estimation coor", DEPTH.format("estimation_coor"), 500_000),
                ("depth comparison coor", DEPTH.format("comparison_coor"), 500_000),
                ("correspondence coor", CORRESPONDENCE.format("coor_2_coor"), 1_000_000),
            ):
                if name == "depth estimation coor" and not label:
                    continue  # each frame is asked about once: there are no more
                for flags in ((), ("--published",)):
                    named = " ".join(filter(None, [name, label, *flags]))
                    self._command(root, named, command, wanted, *flags)

    def _command(self, root: Path, name: str, command: str, wanted: int, *flags: str) -> None:
        most = ("--splits", "train", "--train-max-samples", str(wanted))
        seconds, memory = run_command(command, root, *most, *flags, program=LARGE)
        folders = ("depth_*_coor", "visual_correspondence_coor_2_coor")
        made = [p for f in folders for p in (root / "training_data").glob(f"{f}/v1_0/*.jsonl")]
        output = max(made, key=lambda path: path.stat().st_mtime)
        count = output.read_bytes().count(b"\n")
        start = time.process_time()
        shutil.copyfile(output, root / "copy")
        table = paths.visibility_table_path(root, "train")
        for scene_id in visibility_table.VisibilityInfoHandler(table).scene_ids:
            visibility_table.VisibilityInfoHandler(table).load_scene(scene_id)
        floor = time.process_time() - start
        self.add(name, "records", count, seconds, floor, seconds / floor, memory,
                 "opening each scene's visibility, copying the jsonl")  # fmt: skip

    def dots(self) -> None:
        """One scene's share of the full set, in turns with decoding and encoding the same."""
        scenes = SceneInfoHandler.load(self.root, "train")
        images = paths.posed_images_dir(self.root) / SCENE
        ids = scene_files.SceneFiles.of(scenes, SCENE).ids
        visibility = paths.visibility_table_path(self.root, "train")
        table = paths.pair_table_path(self.root, "train")
        share = 500_000 // FULL_SCENES + 1
        constants = {
            name: getattr(depth_comparison_dot_engine, name) for name in depth_engine.FLAGS
        }
        for task in ("depth_estimation_dot", "depth_comparison_dot"):
            sentences = depth_questions.load_sentences(task)
            request = depth_questions.SceneRequest(
                task, "train", SCENE, 0, share, ids, constants, sentences
            )
            self._pictures(task, depth_questions.write_scene, (scenes, visibility, request), images)
        candidates = pair_balance.PairCandidates.of(
            {SCENE: pair_balance.read_overlap_bins(pair_table.open_pairs(table), SCENE)}
        )
        drawn = pair_balance.sample_pairs(candidates, share, 0, sampling.generator(0))
        rows = drawn.by_scene[SCENE].rows
        choices = correspondence_questions.SceneRequest(
            "correspondence_multichoice", "train", SCENE, 0, rows, ids, "surface", 22.0, 10,
            sentences=correspondence_questions.load_sentences("correspondence_multichoice"),
        )  # fmt: skip
        arguments = (scenes, visibility, table, choices)
        self._pictures(
            "correspondence multichoice", correspondence_questions.write_scene, arguments, images
        )

    def _pictures(
        self, name: str, work: Callable[..., PartResult], arguments: tuple, images: Path
    ) -> None:
        trial = self.scratch / name
        trial.mkdir()
        count = sum(work(arguments, trial).counts.values())
        sources = [
            images / f"{path.name.split('_')[0]}.jpg"
            for path in sorted((trial / marked_images.FOLDER).iterdir())
        ]

        def floor(out: Path) -> None:
            for number, path in enumerate(sources):
                (out / f"{number}.jpg").write_bytes(
                    jpeg.encode(jpeg.read(path, "", to_encode=True))
                )

        times = self.compare(lambda out: work(arguments, out), floor)
        what = f"decoding and encoding {len(sources)} JPEGs, writing them"
        self.add(name.replace("_", " "), "records", count, *times, 0, what)


def main() -> None:
    args = make_parser(__doc__, turns=5).parse_args()
    prepare(args.folder)
    bench = PointsBench(args.folder, args.turns)
    bench.coordinates()
    bench.dots()
    bench.show(results_path(args.folder, __file__))


if __name__ == "__main__":
    main()
