"""Times ScanNet preparation, visibility, frame relations and camera questions at true size.

Makes one scene of true size once (150,000 vertices, 300 D5 frames of 1296x968 colour and 640x480
depth, out of a `.sens` of 1,500 frames) in --folder, then times each stage on one core, each
against its floor in the same run: what must be read, decoded, encoded and written, and nothing
else. Stage and floor take turns, and the ratio is the median over the turns, since machines are
shared. Peak memory is that of the whole command in a process of its own.

    python benchmarks/bench_scannet.py --folder /tmp/bench [--turns 5] [--questions 1000000]
"""

# ruff: noqa: E402 (the number of threads is set before numpy is imported)
from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # one core, also for the libraries

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from spatial_engine.camera_movement import calculate_frames_relations as relations
from spatial_engine.camera_movement.camera_questions import QUESTION_TYPES
from spatial_engine.sample_data import write_scene
from spatial_engine.sample_data.labels import label_table
from spatial_engine.utils import files, pairs, visibility_table
from spatial_engine.utils.plain_pickle import dump_pickle, load_pickle
from spatial_engine.utils.scannet_utils import (
    annotations,
    batch_load_scannet_data,
    extract_posed_images,
    make_visibility_info,
    posed_images,
    scannet_paths,
)
from spatial_engine.utils.scannet_utils.scene_info import SceneInfoHandler
from spatial_engine.utils.scannet_utils.sens import SensReader

SCENE = "scene0000_00"
NUM_FRAMES = 300  # D5 frames of a usual scan
VERTEX_SPACING = 0.0241  # metres; gives about 150,000 vertices
NUM_COPIES = 64  # scenes for the questions: the true one under other names
REPOSITORY = Path(__file__).parent.parent
SCANNET_UTILS = "spatial_engine/utils/scannet_utils"


def make_data(root: Path) -> None:
    """Raw files of the scene, lists and label table; prepared by our commands."""
    meta = scannet_paths.label_table_path(root).parent
    if not (meta / "scannetv2_train.txt").exists():
        meta.mkdir(parents=True, exist_ok=True)
        write_scene(
            root / "data/scannet/scans",
            SCENE,
            seed=0,
            num_frames=NUM_FRAMES,
            vertex_spacing=VERTEX_SPACING,
            frame_repeat=5,
        )
        scannet_paths.label_table_path(root).write_text(label_table(), encoding="utf-8")
        (meta / "scannetv2_train.txt").write_text(SCENE + "\n")


# A process of its own starts the command: peak memory is inherited from the one that starts it.
MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""
MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10


def run_command(command: str, root: Path, *flags: str) -> tuple[float, float]:
    """Seconds and peak memory (MiB) of a command with one worker."""
    start = time.perf_counter()
    line = [sys.executable, command, "--root", str(root.absolute()), "--num-workers", "1", *flags]
    line.append("--overwrite")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *line], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"{command} failed; its messages stand above")
    return time.perf_counter() - start, int(done.stdout) / MAXRSS_PER_MIB


def take_turns(
    stage: Callable[[Path], object], floor: Callable[[Path], object], scratch: Path, turns: int
) -> tuple[float, float, float]:
    """Median seconds of the stage and of its floor, and the median of their ratios.

    Each is given an empty folder to write to.
    """
    times: list[list[float]] = []
    for _ in range(turns):
        turn = []
        for work in (stage, floor):
            files.remove(scratch)
            scratch.mkdir()
            start = time.perf_counter()
            work(scratch)
            turn.append(time.perf_counter() - start)
        times.append(turn)
    seconds, floors = zip(*times, strict=True)
    ratio = statistics.median(a / b for a, b in times)
    return statistics.median(seconds), statistics.median(floors), ratio


class Bench:
    """The stages, each with the floor that it is compared with."""

    def __init__(self, root: Path, turns: int):
        self.root, self.turns = root, turns
        self.scratch = root / "scratch"
        self.rows: list[tuple[str, ...]] = []

    def add(self, name, unit, count, seconds, floor, ratio, memory, what) -> None:
        self.rows.append(
            (name, f"{seconds:.3f}", f"{count / seconds:,.0f} {unit}/s", f"{floor:.3f}",
             f"{ratio:.2f}", f"{memory:.0f}", what)
        )  # fmt: skip

    def compare(
        self, stage: Callable[[Path], object], floor: Callable[[Path], object]
    ) -> tuple[float, float, float]:
        return take_turns(stage, floor, self.scratch, self.turns)

    def points(self) -> None:
        scan = scannet_paths.scan_dir(self.root, SCENE)
        _, memory = run_command(f"{SCANNET_UTILS}/batch_load_scannet_data.py", self.root)
        labels = annotations.read_label_table(scannet_paths.label_table_path(self.root))
        arrays = sorted((scannet_paths.instance_data_dir(self.root) / SCENE).glob("*.npy"))

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
        sens_path = scannet_paths.scan_dir(self.root, SCENE) / f"{SCENE}.sens"
        _, memory = run_command(f"{SCANNET_UTILS}/extract_posed_images.py", self.root)

        def floor(out: Path) -> None:
            with SensReader(sens_path) as sens:
                width, height = sens.header.depth_size
                for number, frame in sens.frames(5):
                    depth = np.zeros(width * height, np.uint16)
                    if frame.depth_bytes:
                        raw = frame.depth_bytes
                        if sens.header.depth_compression == "zlib":
                            raw = zlib.decompress(raw)
                        depth = np.frombuffer(raw, np.uint16)
                    png = posed_images.encode_depth(depth.reshape(height, width))
                    (out / f"{number}.jpg").write_bytes(frame.color_bytes)
                    (out / f"{number}.png").write_bytes(png)

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
        images = scannet_paths.posed_images_dir(self.root) / SCENE
        image_ids, _ = scenes.valid_frames(SCENE)
        paths = [images / f"{image_id}.png" for image_id in image_ids]
        table = visibility_table.visibility_path(self.root, "train")

        def decode(_: Path) -> None:
            for path in paths:
                cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)

        def visibility(out: Path) -> None:
            make_visibility_info.measure_scene((scenes, SCENE), out)
            visibility_table.merge_visibility(
                [out / make_visibility_info.PART], out / "table.parquet"
            )

        def frame_relations(out: Path) -> None:
            relations.relate_scene((scenes, SCENE, table), out)
            pairs.merge_pairs([out / relations.PART], out / "table.parquet")

        def both(out: Path) -> None:
            visibility(out)
            frame_relations(out)

        for name, stage, memory in (
            ("visibility", visibility, memory_v),
            ("frame relations", frame_relations, memory_r),
            ("both together", both, max(memory_v, memory_r)),
        ):
            self.add(name, "frames", len(paths), *self.compare(stage, decode), memory,
                     "decoding the depth PNGs")  # fmt: skip

        default = [cv2.imencode(".png", scenes.depth(SCENE, image_id))[1] for image_id in image_ids]

        def decode_default(_: Path) -> None:
            for data in default:
                cv2.imdecode(data, cv2.IMREAD_UNCHANGED)

        self.add("decoding, if PNGs were OpenCV's default", "frames", len(paths),
                 *self.compare(decode_default, decode), 0, "decoding the depth PNGs")  # fmt: skip

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
        start = time.perf_counter()
        for path in made:
            shutil.copyfile(path, root / "copy")
        floor = time.perf_counter() - start
        self.add("camera questions", "records", count, seconds, floor, seconds / floor, memory,
                 "copying the jsonl; the time is that of the whole command")  # fmt: skip

    def show(self) -> None:
        title = f"{date.today()}, {platform.platform()}, Python {platform.python_version()}"
        table = Table(title=f"{title}, one core of {os.cpu_count()}", title_justify="left")
        for heading in ("stage", "s", "rate", "floor s", "ratio", "peak MiB", "the floor is"):
            table.add_column(heading, no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        Console(width=170).print(table)


def make_copies(source: Path, root: Path) -> None:
    """Scene infos and pair table of NUM_COPIES scenes: the true one's under other names."""
    scenes = SceneInfoHandler.load(source, "train")
    table = pairs.open_pairs(pairs.pairs_path(source, "train"))
    info = load_pickle(scannet_paths.info_path(source, "train"), "")[SCENE]
    names = [f"scene{number:04d}_00" for number in range(NUM_COPIES)]
    dump_pickle(dict.fromkeys(names, info), scannet_paths.info_path(root, "train"))
    image_ids, _ = scenes.valid_frames(SCENE)
    rows = table.read(SCENE)
    columns = {name: rows[name].to_numpy() for name in ("overlap", "distance", "yaw", "pitch")}
    both = pairs.read_scene_pairs(table, SCENE, image_ids)
    columns["image_id1"] = both["first"].astype(np.int32)
    columns["image_id2"] = both["second"].astype(np.int32)
    parts = []
    for name in names:
        part = root / "parts" / name
        part.parent.mkdir(parents=True, exist_ok=True)
        pairs.write_scene_pairs(part, name, image_ids, columns, scenes.geometry_hash(SCENE))
        parts.append(part)
    path = pairs.pairs_path(root, "train")
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs.merge_pairs(parts, path)
    files.remove(root / "parts")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--questions", type=int, default=1_000_000)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    make_data(args.folder)
    bench = Bench(args.folder, args.turns)
    bench.points()
    bench.extraction()
    bench.visibility_and_relations()
    bench.questions(args.questions)
    bench.show()


if __name__ == "__main__":
    main()
