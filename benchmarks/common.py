"""What the benchmarks share: a scene of true size, commands measured, stage and floor in turns."""

# ruff: noqa: E402 (the number of threads is set before numpy is imported)
from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # one core, also for the libraries

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from spatial_engine.sample_data import write_scene
from spatial_engine.sample_data.scannet.labels import label_table
from spatial_engine.utils import paths
from spatial_engine.utils.running import processes
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import files
from spatial_engine.utils.tables import info_table, pair_table, visibility_table

cv2.setNumThreads(1)
processes.keep_freed_memory()  # stages are timed in this process as in one that works on scenes

SCENE = "scene0000_00"
NUM_FRAMES = 300  # D5 frames of a usual scan
VERTEX_SPACING = 0.0241  # metres; gives about 150,000 vertices
NUM_COPIES = 256  # scenes for some questions: the true one under other names
# Fewer scenes than the full set has are treated as its are: what was found of their files is kept.
LARGE = "from spatial_engine.utils.storage import looks\nlooks.MANY_FILES, looks.MANY_SCENES = 0, 1"
REPOSITORY = Path(__file__).parent.parent
SCANNET_UTILS = "spatial_engine/utils/scannet_utils"


def make_data(root: Path) -> None:
    """Raw files of the scene, lists and label table; prepared by our commands."""
    meta = paths.label_table_path(root).parent
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
        paths.label_table_path(root).write_text(label_table(), encoding="utf-8")
        (meta / "scannetv2_train.txt").write_text(SCENE + "\n")


# A process of its own starts the command: peak memory is inherited from the one that starts it.
MEASURE = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(status)
"""
MAXRSS_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10


class Cost(NamedTuple):
    """Seconds of the clock and of the processor, and the peak memory (MiB) of the largest of the
    processes of a command."""

    seconds: float
    cpu: float
    peak_mib: float


def run_timed(
    command: str,
    root: Path,
    *flags: str,
    num_workers: int | None = 1,
    program: str = "",
    codes: Collection[int] = (0,),
) -> Cost:
    """What a command costs that ends with one of `codes`; `program` is Python that runs before it,
    in its process."""
    start = time.perf_counter()
    line = [sys.executable, command, "--root", str(root.absolute()), *flags]
    if program:
        run = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
        line[1:1] = ["-c", f"{program}\n{run}"]
    line += [] if num_workers is None else ["--num-workers", str(num_workers)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *line], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    if done.returncode not in codes:
        raise SystemExit(f"{command} failed; see its messages above")
    cpu, peak = map(float, done.stdout.split())
    return Cost(time.perf_counter() - start, cpu, peak / MAXRSS_PER_MIB)


def run_command(
    command: str, root: Path, *flags: str, num_workers: int = 1, program: str = ""
) -> tuple[float, float]:
    """Processor seconds of a command that makes all anew, and its peak memory (`Cost`)."""
    flags = (*flags, "--overwrite")
    cost = run_timed(command, root, *flags, num_workers=num_workers, program=program)
    return cost.cpu, cost.peak_mib


def prepare(root: Path) -> None:
    """The true scene with its tables, made by our commands where they are missing."""
    make_data(root)
    if not paths.pair_table_path(root, "train").exists():
        for name in ("batch_load_scannet_data", "extract_posed_images",
                     "update_info_file_with_images", "make_visibility_info"):  # fmt: skip
            run_command(f"{SCANNET_UTILS}/{name}.py", root)
        run_command("spatial_engine/camera_movement/calculate_frames_relations.py", root)


def take_turns(
    stage: Callable[[Path], object],
    floor: Callable[[Path], object],
    scratch: Path,
    turns: int,
) -> tuple[float, float, float]:
    """Median processor seconds of the stage and of its floor, and the median of their ratios.

    Each is given an empty folder below `scratch` to write to. Whoever calls removes them, when all
    is measured: for a minute after many files were removed, ext4 takes up to 1 ms to make one, not
    0.04, as it passes over what was removed of late.
    """
    times: list[list[float]] = []
    for _ in range(turns):
        turn = []
        for work in (stage, floor):
            folder = Path(tempfile.mkdtemp(dir=scratch))
            start = time.process_time()
            work(folder)
            turn.append(time.process_time() - start)
        times.append(turn)
    seconds, floors = zip(*times, strict=True)
    ratio = statistics.median(a / b for a, b in times)
    return statistics.median(seconds), statistics.median(floors), ratio


def make_parser(docstring: str, turns: int) -> argparse.ArgumentParser:
    """Flags of a benchmark: where its data is, how often stage and floor take turns."""
    parser = argparse.ArgumentParser(
        description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--turns", type=int, default=turns)
    return parser


def machine() -> dict[str, str]:
    """What the figures of a run rest on."""
    return {
        "date": str(date.today()),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
    }


def results_path(folder: Path, script: str) -> Path:
    """Where a benchmark keeps its figures."""
    return folder / "results" / f"{Path(script).stem}.json"


class Bench:
    """Collects the stages, each with the floor that it is compared with."""

    def __init__(self, root: Path, turns: int):
        self.root, self.turns = root, turns
        root.mkdir(parents=True, exist_ok=True)
        self._written = tempfile.TemporaryDirectory(prefix="scratch_", dir=root)  # gone at the end
        self.scratch = Path(self._written.name)
        self.measured: list[dict[str, Any]] = []

    def add(self, name, unit, count, seconds, floor, ratio, memory, what) -> None:
        """Note a stage: `count` units in `seconds`, its floor and what that is, peak MiB."""
        self.measured.append({
            "stage": name, "unit": unit, "rate": count / seconds, "seconds": seconds,
            "floor_seconds": floor, "ratio": ratio, "peak_mib": memory, "floor": what,
        })  # fmt: skip

    def compare(
        self, stage: Callable[[Path], object], floor: Callable[[Path], object]
    ) -> tuple[float, float, float]:
        return take_turns(stage, floor, self.scratch, self.turns)

    def show(self, results: Path) -> None:
        """Print the table, and keep it in a file for `run_all.py`; remove what was written."""
        self._written.cleanup()
        results.parent.mkdir(parents=True, exist_ok=True)
        results.write_text(json.dumps({**machine(), "stages": self.measured}, indent=1))
        title = f"{date.today()}, {platform.platform()}, Python {platform.python_version()}"
        table = Table(title=f"{title}, one core of {os.cpu_count()}", title_justify="left")
        for heading in ("stage", "s", "rate", "floor s", "ratio", "peak MiB", "the floor is"):
            table.add_column(heading, no_wrap=True)
        for stage in self.measured:
            table.add_row(
                stage["stage"], f"{stage['seconds']:.3f}",
                f"{stage['rate']:,.0f} {stage['unit']}/s", f"{stage['floor_seconds']:.3f}",
                f"{stage['ratio']:.2f}", f"{stage['peak_mib']:.0f}", stage["floor"],
            )  # fmt: skip
        Console(width=170).print(table)


def make_copies(source: Path, root: Path, num_copies: int = NUM_COPIES) -> None:
    """Scene infos, points, images, visibility and pair table of many scenes: the true one's under
    other names."""
    scenes = SceneInfoHandler.load(source, "train")
    info = info_table.SceneInfos(paths.info_path(source, "train"), "")[SCENE]
    names = [f"scene{number:04d}_00" for number in range(num_copies)]
    info_table.write_infos(dict.fromkeys(names, info), paths.info_path(root, "train"))
    for folder_of in (paths.instance_data_dir, paths.posed_images_dir):
        folder_of(root).mkdir(parents=True, exist_ok=True)
        for name in names:
            files.remove(folder_of(root) / name)
            (folder_of(root) / name).symlink_to((folder_of(source) / SCENE).absolute())
    geometry = scenes.geometry_hash(SCENE)
    image_ids, _ = scenes.valid_frames(SCENE)
    table = pair_table.open_pairs(paths.pair_table_path(source, "train"))
    rows = table.read(SCENE)
    columns = {name: rows[name].to_numpy() for name in ("overlap", "distance", "yaw", "pitch")}
    both = pair_table.read_scene_pairs(table, SCENE, image_ids)
    columns["image_id1"] = both["first"].astype(np.int32)
    columns["image_id2"] = both["second"].astype(np.int32)
    seen = visibility_table.VisibilityInfoHandler(
        paths.visibility_table_path(source, "train")
    ).load_scene(SCENE)
    seen_by_rule = dict.fromkeys(visibility_table.RULES, seen.point_lists())
    num_points = seen.num_points
    for path, merge, write in (
        (
            paths.pair_table_path(root, "train"),
            pair_table.merge_pairs,
            lambda part, name: pair_table.write_scene_pairs(
                part, name, image_ids, columns, geometry
            ),
        ),
        (
            paths.visibility_table_path(root, "train"),
            visibility_table.merge_visibility,
            lambda part, name: visibility_table.write_scene_visibility(
                part, name, image_ids, seen_by_rule, num_points, geometry
            ),
        ),
    ):
        parts = root / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        for name in names:
            write(parts / name, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        merge([parts / name for name in names], path)
        files.remove(parts)
