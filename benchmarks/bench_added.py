"""Times each step up to the tables over 10, 100 and 1,000 small scenes, and again with one more.

What a scene more costs should not grow with the scenes there are: its own work is done, and the
rest is copied from the finished tables. The scenes are one small scene under other names (links to
its raw files). CPU seconds are of whole commands; `start` is that of a command that does nothing.

Then joins alone, of object tables (16 columns) with made-up content: all scenes encoded, parts
joined, and one scene added to a finished table; with `--only-tables` nothing else.

    python benchmarks/bench_added.py --folder /tmp/bench
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import REPOSITORY, SCANNET_UTILS, SCENE, machine, results_path

# isort: split
import numpy as np
from bench_growth import link_scenes
from rich.console import Console
from rich.table import Table

from spatial_engine.sample_data import write_scene
from spatial_engine.sample_data.scannet.labels import label_table
from spatial_engine.sample_data.scannet.sample_scenes import SMALL_SIZES
from spatial_engine.utils import paths
from spatial_engine.utils.running.finished_scenes import folder_of
from spatial_engine.utils.storage import files
from spatial_engine.utils.tables import object_table

COUNTS = (10, 100, 1000)
TABLE_COUNTS = (10, 100, 1000, 10_000)
NUM_FRAMES = 6  # D5 frames of a scene
OBJECTS = "spatial_engine/object_perception"
COMMANDS = {
    "points and labels": (f"{SCANNET_UTILS}/batch_load_scannet_data.py",),
    "extraction": (f"{SCANNET_UTILS}/extract_posed_images.py",),
    "infos": (f"{SCANNET_UTILS}/update_info_file_with_images.py",),
    "visibility": (f"{SCANNET_UTILS}/make_visibility_info.py",),
    "frame relations": ("spatial_engine/camera_movement/calculate_frames_relations.py",),
    "object visibility": (f"{OBJECTS}/compute_object_visibility.py",),
    "object coverage": (f"{OBJECTS}/single_object_coverage_finder.py", "--end", "100000"),
    "merged coverage": (f"{OBJECTS}/merge_object_coverage.py",),
}


def run_all(root: Path) -> dict[str, float]:
    """CPU seconds of each command, all its processes together."""
    found = {}
    for name, (command, *flags) in COMMANDS.items():
        line = [sys.executable, command, "--root", str(root.absolute()), "--num-workers", "1"]
        before = cpu_seconds()
        done = subprocess.run([*line, *flags], cwd=REPOSITORY, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{command} failed: {done.stdout}{done.stderr}")
        found[name] = cpu_seconds() - before
    return found


def cpu_seconds() -> float:
    """Of all processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(folder: Path, counts: tuple[int, ...]) -> list[dict[str, object]]:
    """By step and number of scenes: CPU seconds from scratch, of nothing, and of a scene more."""
    source, root = folder / "one", folder / "many"
    table = paths.label_table_path(source)
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(label_table(), encoding="utf-8")
    scans = paths.scan_dir(source, SCENE)
    if not scans.exists():
        small = {**SMALL_SIZES, "num_frames": NUM_FRAMES, "frame_repeat": 5}
        write_scene(scans.parent, SCENE, seed=0, **small)
    found: dict[str, dict[str, object]] = {
        name: {"stage": name, "scratch": {}, "start": {}, "added": {}} for name in COMMANDS
    }
    for count in counts:
        files.remove(root)
        for kind, number in (("scratch", count), ("start", count), ("added", count + 1)):
            link_scenes(source, root, number)
            for name, seconds in run_all(root).items():
                found[name][kind][count] = seconds
            print(f"{count} scenes, {kind}: {sum(found[n][kind][count] for n in COMMANDS):.1f} s")
    files.remove(root)
    return list(found.values())


def measure_tables(folder: Path) -> list[dict[str, float]]:
    """CPU seconds of encoding, joining and adding, by number of scenes."""
    files.remove(folder)
    parts_dir, found = folder / "table.parts", []
    for count in TABLE_COUNTS:
        parts = [folder_of(parts_dir, f"scene{number:05d}") for number in range(count + 1)]
        times = [time.process_time()]
        for part in parts:
            part.parent.mkdir(parents=True, exist_ok=True)
            object_table.write_scene_objects(part, part.name, made_up(part.name), {}, {})
        times.append(time.process_time())
        object_table.merge_objects(parts[:-1], folder / "finished")
        times.append(time.process_time())
        there = [(folder / "finished", part.name) for part in parts[:-1]]
        object_table.merge_objects([*there, parts[-1]], folder / "grown")
        times.append(time.process_time())
        object_table.merge_objects(parts, folder / "scratch")
        if (folder / "grown").read_bytes() != (folder / "scratch").read_bytes():
            raise SystemExit(f"{folder}: a grown table is not as from scratch")
        encoded, joined, added = np.diff(times).tolist()
        found.append({"scenes": count, "encoded": encoded, "joined": joined, "added": added})
    files.remove(folder)
    return found


def made_up(scene: str) -> list[object_table.SeenObject]:
    """Twenty objects in ten images each, with random numbers."""
    rng = np.random.default_rng(int(scene[5:]))
    ids = [f"{number:05d}" for number in range(10)]
    return [
        object_table.SeenObject(
            number, "chair", rng.random(3), 1.0, ids, rng.integers(0, 99, 10), rng.random(10),
            rng.integers(0, 99, 10), rng.random((10, 3)), rng.random((10, 3)),
        )
        for number in range(20)
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--only-tables", action="store_true")
    args = parser.parse_args()
    counts = () if args.only_tables else tuple(args.counts)
    stages = measure(args.folder / "added", counts) if counts else []
    tables = measure_tables(args.folder / "tables")
    path = results_path(args.folder, __file__)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**machine(), "stages": stages, "tables": tables}, indent=1))
    columns = [f"{kind} {n}" for n in counts for kind in ("scratch", "start", "added")]
    table = Table("stage, CPU s", *columns)
    for stage in stages:
        row = [stage[kind][n] for n in counts for kind in ("scratch", "start", "added")]
        table.add_row(stage["stage"], *(f"{seconds:.1f}" for seconds in row))
    sums = Table("tables, CPU s", *tables[0])
    for one in tables:
        sums.add_row("", *(f"{value:,.2f}" for value in one.values()))
    for shown in (table, sums):
        Console(width=150).print(shown)


if __name__ == "__main__":
    main()
