"""Times ScanNet preparation, visibility, frame relations and camera questions at true size.

Makes one scene of true size once (150,000 vertices, 300 D5 frames of 1296x968 colour and 640x480
depth, out of a `.sens` of 1,500 frames) in --folder, then times each stage on one core, each
against its floor in the same run: what must be read, decoded, encoded and written, and nothing
else. Stage and floor take turns, and the ratio is the median over the turns, since machines are
shared. Peak memory is that of the whole command in a process of its own.

    python benchmarks/bench_scannet.py --folder /tmp/bench [--turns 5] [--questions 1000000]
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import (
    NUM_FRAMES,
    SCANNET_UTILS,
    SCENE,
    Bench,
    make_copies,
    make_data,
    make_parser,
    results_path,
    run_command,
)

# isort: split
import cv2
import numpy as np
from isal import isal_zlib

from spatial_engine.camera_movement import calculate_frames_relations as relations
from spatial_engine.camera_movement.relative_motion import QUESTION_TYPES
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.visibility import SurfaceRule
from spatial_engine.utils.pictures import png
from spatial_engine.utils.scannet_utils import (
    annotations,
    batch_load_scannet_data,
    extract_posed_images,
    make_visibility_info,
)
from spatial_engine.utils.scannet_utils.sens import SensReader
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import pair_table, visibility_table


class ScannetBench(Bench):
    """The stages, each with the floor that it is compared with."""

    def points(self) -> None:
        scan = paths.scan_dir(self.root, SCENE)
        _, memory = run_command(f"{SCANNET_UTILS}/batch_load_scannet_data.py", self.root)
        labels = annotations.read_label_table(paths.label_table_path(self.root))
        arrays = sorted((paths.instance_data_dir(self.root) / SCENE).glob("*.npy"))

        def floor(out: Path) -> None:
            for path in scan.iterdir():
                if path.suffix != ".sens":
                    path.read_bytes()
            for path in arrays:
                (out / path.name).write_bytes(path.read_bytes())

        times = self.compare(
            lambda out: batch_load_scannet_data.load_scene((scan, SCENE, labels), out), floor
        )
        self.add("points and labels", "scenes", 1, *times, memory, "reading the raw files, "
                 "writing the arrays' bytes")  # fmt: skip

    def extraction(self) -> None:
        sens_path = paths.scan_dir(self.root, SCENE) / f"{SCENE}.sens"
        _, memory = run_command(f"{SCANNET_UTILS}/extract_posed_images.py", self.root)

        def floor(out: Path) -> None:
            with SensReader(sens_path) as sens:
                width, height = sens.header.depth_size
                for number, frame in sens.frames(5):
                    depth = np.zeros(width * height, np.uint16)
                    if frame.depth_bytes:
                        raw = frame.depth_bytes
                        if sens.header.depth_compression == "zlib":
                            raw = isal_zlib.decompress(raw)
                        depth = np.frombuffer(raw, np.uint16)
                    data = png.encode(depth.reshape(height, width))
                    (out / f"{number}.jpg").write_bytes(frame.color_bytes)
                    (out / f"{number}.png").write_bytes(data)

        times = self.compare(
            lambda out: extract_posed_images.extract_scene((sens_path, 5), out), floor
        )
        self.add("extraction", "frames", NUM_FRAMES, *times, memory,
                 "reading and inflating the .sens, one PNG encoding a frame, writing")  # fmt: skip

    def visibility_and_relations(self) -> None:
        run_command(f"{SCANNET_UTILS}/update_info_file_with_images.py", self.root)
        _, memory_v = run_command(f"{SCANNET_UTILS}/make_visibility_info.py", self.root)
        relate = "spatial_engine/camera_movement/calculate_frames_relations.py"
        _, memory_r = run_command(relate, self.root)
        scenes = SceneInfoHandler.load(self.root, "train")
        images = paths.posed_images_dir(self.root) / SCENE
        image_ids, _ = scenes.valid_frames(SCENE)
        pngs = [images / f"{image_id}.png" for image_id in image_ids]
        table = paths.visibility_table_path(self.root, "train")
        rule = SurfaceRule(
            make_visibility_info.SURFACE_WINDOW_PX,
            make_visibility_info.DEPTH_TOLERANCE_M,
            make_visibility_info.DEPTH_TOLERANCE_SHARE,
        )

        size = scenes.depth_size(SCENE)

        def decode(_: Path) -> None:
            for path in pngs:
                png.decode(path.read_bytes(), size)

        def decode_by_opencv(_: Path) -> None:
            for path in pngs:
                cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)

        def visibility(out: Path) -> None:
            make_visibility_info.measure_scene((scenes, SCENE, rule), out)
            visibility_table.merge_visibility(
                [out / make_visibility_info.PART], out / "table.parquet"
            )

        def frame_relations(out: Path) -> None:
            relations.relate_scene((scenes, SCENE, table), out)
            pair_table.merge_pairs([out / relations.PART], out / "table.parquet")

        def both(out: Path) -> None:
            visibility(out)
            frame_relations(out)

        for name, stage, memory in (
            ("visibility", visibility, memory_v),
            ("frame relations", frame_relations, memory_r),
            ("both together", both, max(memory_v, memory_r)),
        ):
            self.add(name, "frames", len(pngs), *self.compare(stage, decode), memory,
                     "decoding the depth PNGs")  # fmt: skip

        self.add("decoding by OpenCV", "frames", len(pngs),
                 *self.compare(decode_by_opencv, decode), 0, "decoding the depth PNGs")  # fmt: skip

        def open_scene(_: Path) -> None:
            visibility_table.VisibilityInfoHandler(table).load_scene(SCENE)

        times = self.compare(open_scene, lambda _: table.read_bytes())
        self.add("opening a scene", "scenes", 1, *times, 0, "reading the table's bytes")

    def questions(self, wanted: int) -> None:
        """All nine types over many scenes; the floor is writing the same bytes once."""
        root = self.root / "questions"
        make_copies(self.root, root)
        engine = "spatial_engine/camera_movement/camera_movement_engine_train_val.py"
        each = -(-wanted // len(QUESTION_TYPES))
        seconds, memory = run_command(
            engine, root, "--splits", "train", "--train-max-samples", str(each)
        )
        made = sorted((root / "training_data/camera_movement/v1_0").glob("*.jsonl"))
        count = sum(path.read_bytes().count(b"\n") for path in made)
        start = time.process_time()
        for path in made:
            shutil.copyfile(path, root / "copy")
        floor = time.process_time() - start
        self.add("camera questions", "records", count, seconds, floor, seconds / floor, memory,
                 "copying the jsonl; the time is that of the whole command")  # fmt: skip


def main() -> None:
    parser = make_parser(__doc__, turns=5)
    parser.add_argument("--questions", type=int, default=1_000_000)
    args = parser.parse_args()
    make_data(args.folder)
    bench = ScannetBench(args.folder, args.turns)
    bench.points()
    bench.extraction()
    bench.visibility_and_relations()
    bench.questions(args.questions)
    bench.show(results_path(args.folder, __file__))


if __name__ == "__main__":
    main()
