"""Counts how often the input check names a fault that was put in, and its false alarms.

Makes sample scenes and clips of several seeds with a real sensor's faults, prepares them, checks
each as it is and with each fault (spatial_engine/sample_data/input_faults.py). Prints how often a
fault was found and how often it was named rightly, and writes the same to
FOLDER/<images>/results/input_faults.json. The table is in docs/inputs.md.

    python benchmarks/input_faults.py --folder /tmp/faults [--seeds 20] [--images full]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import SCANNET_UTILS, machine, results_path, run_command

# isort: split
import numpy as np
from rich.console import Console
from rich.table import Table

from spatial_engine.checks.check_inputs import SURFACE_WINDOW_PX
from spatial_engine.checks.inputs.clip_fit import find_clip_faults
from spatial_engine.checks.inputs.scene_check import check_scene
from spatial_engine.sample_data import write_clip, write_scene
from spatial_engine.sample_data.input_faults import CLIP_FAULTS, FUSED_FAULTS, SCENE_FAULTS
from spatial_engine.sample_data.rooms.layouts import LAYOUTS
from spatial_engine.sample_data.scannet.labels import label_table
from spatial_engine.utils import paths
from spatial_engine.utils.clips.clips import Clip, read_clip
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import files

# By kind of images; of the frames, every fifth is kept: 10, 15 and 40.
SCENE_SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "num_frames": 50,
        "color_size": (324, 242),
        "depth_size": (160, 120),
        "vertex_spacing": 0.12,
    },
    "full": {
        "num_frames": 15,
        "frame_repeat": 5,
        "color_size": (640, 480),
        "depth_size": (640, 480),
        "vertex_spacing": 0.05,
    },
    "capture": {
        "num_frames": 40,
        "frame_repeat": 5,
        "color_size": (324, 242),
        "depth_size": (160, 120),
        "vertex_spacing": 0.12,
    },
}
CLIP_SIZES = {"num_frames": 10, "num_points": 60, "picture_repeat": 10}
CLIP_IMAGES = {"adt": (128, 128), "pstudio": (160, 90)}
PREPARATION = ("batch_load_scannet_data", "extract_posed_images", "update_info_file_with_images")
NO_FAULT = "none"
Row = tuple[str, str, str]  # kind, fault that was put in, what it has to be called


def make_scenes(root: Path, count: int, sizes: dict[str, Any]) -> SceneInfoHandler:
    """One prepared scene for each seed, the rooms in turns; made where they are missing."""
    names = [f"scene{seed:04d}_00" for seed in range(count)]
    scans = root / "data/scannet/scans"
    for seed, name in enumerate(names):
        if not (scans / name).exists():
            layout = list(LAYOUTS)[seed % len(LAYOUTS)]
            write_scene(scans, name, seed=seed, layout=layout, **sizes)
    listed = paths.scene_list_path(root, "train")
    listed.parent.mkdir(parents=True, exist_ok=True)
    paths.label_table_path(root).write_text(label_table(), encoding="utf-8")
    text = "".join(f"{name}\n" for name in names)
    if not listed.exists() or listed.read_text() != text:
        listed.write_text(text)
        for command in PREPARATION:
            run_command(f"{SCANNET_UTILS}/{command}.py", root)
    return SceneInfoHandler.load(root, "train")


def make_clips(root: Path, count: int) -> dict[str, list[Clip]]:
    """One clip of each data set for each seed, made where they are missing."""
    clips = defaultdict(list)
    for kind, size in CLIP_IMAGES.items():
        for seed in range(count):
            path = paths.clip_path(root, kind, f"clip_{seed}")
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                write_clip(path, seed=seed, kind=kind, image_size=size, **CLIP_SIZES)
            clips[kind].append(read_clip(path, camera_moves=kind == "adt"))
    return clips


def check_scenes(scenes: SceneInfoHandler, ids: Sequence[str], most: int, chosen) -> Iterator:
    """(row, what the check named) of all scenes as they are, and of some with each fault."""
    if NO_FAULT in chosen:
        for name in ids:
            checked = check_scene(scenes, name, SURFACE_WINDOW_PX)
            yield ("scene", NO_FAULT, ""), faults_of(checked.suspects), name
    for seed, name in enumerate(ids[:most]):
        for fault, (named, put) in (SCENE_FAULTS | FUSED_FAULTS).items():
            if fault in chosen:
                rng = np.random.default_rng([seed, *fault.encode()])
                faulty = put(scenes, name, ids[seed - 1], rng)
                found = faults_of(check_scene(faulty, name, SURFACE_WINDOW_PX).suspects)
                yield ("scene", fault, named), found, name


def check_clips(clips: dict[str, list[Clip]], chosen) -> Iterator:
    """The same of clips."""
    for kind, several in clips.items():
        moves = kind == "adt"
        for seed, clip in enumerate(several):
            tracks, poses = clip.tracks_cam, clip.world_from_cam
            other = several[seed - 1].world_from_cam
            if NO_FAULT in chosen:
                found = find_clip_faults(tracks, clip.visible, poses, moves)[1]
                yield (kind, NO_FAULT, ""), faults_of(found), str(seed)
            for fault, (named, put, only_moving) in CLIP_FAULTS.items():
                if fault in chosen and (moves or not only_moving):
                    rng = np.random.default_rng([seed, *fault.encode()])
                    changed = put(tracks, poses, other, rng)
                    found = find_clip_faults(changed[0], clip.visible, changed[1], moves)[1]
                    yield (kind, fault, named), faults_of(found), str(seed)


def faults_of(suspects) -> tuple[str, ...]:
    return tuple(suspect.fault for suspect in suspects)


def show(counts: dict[Row, Counter[tuple[str, ...]]]) -> None:
    """The table: of every fault, how often it was found, and named rightly."""
    table = Table(title="faults that were put in, and what the input check said of them")
    for heading in ("what", "fault", "tried", "found", "named rightly", "other names"):
        table.add_column(heading, no_wrap=True)
    for (kind, fault, named), found in counts.items():
        right = (named,) if named else ()
        others = [f"{', '.join(k) or 'nothing'} ({n})" for k, n in found.items() if k != right]
        tried, rightly = found.total(), str(found[right]) if named else ""
        suspect = str(tried - found[()])
        table.add_row(kind, fault, str(tried), suspect, rightly, "; ".join(others))
    Console(width=150).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--seeds", type=int, default=20, help="of scenes and clips")
    parser.add_argument("--fault-seeds", type=int, default=20, help="of them that get the faults")
    every = [NO_FAULT, *dict.fromkeys([*SCENE_FAULTS, *FUSED_FAULTS, *CLIP_FAULTS])]
    parser.add_argument("--faults", nargs="+", choices=every, default=every)
    parser.add_argument("--images", choices=list(SCENE_SIZES), default="small", help="of scenes")
    args = parser.parse_args()
    folder = args.folder / args.images
    scenes = make_scenes(folder, args.seeds, SCENE_SIZES[args.images])
    clips = make_clips(folder, args.seeds)
    counts: dict[Row, Counter[tuple[str, ...]]] = defaultdict(Counter)
    ids = [f"scene{seed:04d}_00" for seed in range(args.seeds)]
    for checks in (check_clips(clips, args.faults),
                   check_scenes(scenes, ids, args.fault_seeds, args.faults)):  # fmt: skip
        for row, found, name in checks:
            counts[row][found] += 1
            if found != ((row[2],) if row[2] else ()):
                print(f"{name}: {row[1]} is called {', '.join(found) or 'nothing'}", flush=True)
    show(counts)
    results = results_path(folder, __file__)
    results.parent.mkdir(parents=True, exist_ok=True)
    rows = [[*row, [[*k, n] for k, n in found.items()]] for row, found in counts.items()]
    with files.atomic_path(results) as partial:
        partial.write_text(json.dumps({**machine(), "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
