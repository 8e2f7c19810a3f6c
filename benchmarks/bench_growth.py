"""Times commands over 1, 2, 4 and 8 scenes of true size, and over 8 with two workers.

The scenes are the one of bench_scannet.py under other names (links to its raw files), so that all
cost the same: what a further scene costs must not grow with the scenes there are, nor must memory.
Clips likewise, for object movement. Times are those of whole commands.

    python benchmarks/bench_growth.py --folder /tmp/bench
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import (
    NUM_FRAMES,
    SCANNET_UTILS,
    SCENE,
    machine,
    make_data,
    results_path,
    run_timed,
)

# isort: split
from rich.console import Console
from rich.table import Table

from spatial_engine.sample_data import write_clip
from spatial_engine.utils import paths
from spatial_engine.utils.storage import files

COUNTS = (1, 2, 4, 8)
# Command, and flags that make each scene give about what it gives in the full set.
SCENE_COMMANDS = {
    "points and labels": (f"{SCANNET_UTILS}/batch_load_scannet_data.py", 0),
    "extraction": (f"{SCANNET_UTILS}/extract_posed_images.py", 0),
    "infos": (f"{SCANNET_UTILS}/update_info_file_with_images.py", 0),
    "visibility": (f"{SCANNET_UTILS}/make_visibility_info.py", 0),
    "frame relations": ("spatial_engine/camera_movement/calculate_frames_relations.py", 0),
    "camera questions": (
        "spatial_engine/camera_movement/camera_movement_engine_train_val.py", 840,
    ),
    "depth estimation dot": (
        "spatial_engine/depth_perception/depth_estimation_dot_engine.py", NUM_FRAMES,
    ),
    "correspondence coor": (
        "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_coor_2_coor.py", 833,
    ),
    "object visibility": ("spatial_engine/object_perception/compute_object_visibility.py", 0),
    "object coverage": ("spatial_engine/object_perception/single_object_coverage_finder.py", 0),
}  # fmt: skip
MOVEMENT = "spatial_engine/object_movement/single_object_movement_engine_coord.py"


def link_scenes(source: Path, root: Path, count: int) -> None:
    """Raw files of so many scenes: links to those of the true one."""
    meta = paths.label_table_path(root).parent
    meta.mkdir(parents=True, exist_ok=True)
    table = paths.label_table_path(source)
    paths.label_table_path(root).write_bytes(table.read_bytes())
    names = [f"scene{number:04d}_00" for number in range(count)]
    (meta / "scannetv2_train.txt").write_text("".join(f"{name}\n" for name in names))
    raw = paths.scan_dir(source, SCENE)
    for name in names:
        folder = paths.scan_dir(root, name)
        files.remove(folder)
        folder.mkdir(parents=True)
        for path in raw.iterdir():
            target = folder / path.name.replace(SCENE, name)
            if path.suffix == ".json":  # says of which scene it is
                target.write_text(path.read_text().replace(SCENE, name))
            else:
                target.symlink_to(path.absolute())


def link_clips(source: Path, root: Path, count: int) -> None:
    """So many clips of 300 frames and 1,000 points."""
    original = paths.clip_path(source, "adt", "clip")
    if not original.exists():
        write_clip(original, seed=0, kind="adt", num_frames=300, num_points=1000)
    for number in range(count):
        name = f"Apartment_release_meal_seq136_{number}"
        path = paths.clip_path(root, "adt", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        files.remove(path)
        path.symlink_to(original.absolute())


def measure(folder: Path) -> list[dict[str, object]]:
    """Seconds and peak memory of each command over more and more scenes."""
    found: dict[str, dict[str, list[float]]] = {}
    for count, workers in [*((count, 1) for count in COUNTS), (COUNTS[-1], 2)]:
        root = folder / "growth"
        files.remove(root)
        link_scenes(folder, root, count)
        link_clips(folder, root, count)
        commands = {
            name: (command, ("--train-max-samples", str(each * count)) if each else ())
            for name, (command, each) in SCENE_COMMANDS.items()
        }
        commands["movement coord"] = (MOVEMENT, ("--datasets", "adt"))
        for name, (command, flags) in commands.items():
            if name == "object coverage":
                flags = ("--split", "train")
            elif name not in ("points and labels", "extraction", "infos"):
                flags = ("--splits", "train", *flags)
            cost = run_timed(command, root, *flags, "--overwrite", num_workers=workers)
            seconds, peak = cost.seconds, cost.peak_mib
            one = found.setdefault(name, {"seconds": [], "peak_mib": []})
            one["seconds"].append(seconds)
            one["peak_mib"].append(peak)
            print(f"{count} scenes, {workers} workers: {name} {seconds:.2f} s, {peak:.0f} MiB")
    files.remove(folder / "growth")
    return [{"stage": name, **figures, **judge(figures)} for name, figures in found.items()]


def judge(figures: dict[str, list[float]]) -> dict[str, float]:
    """What a scene more costs at 4 to 8 scenes, as a ratio to what it costs at 1 to 4 (1 = as
    much); what two workers gain at 8; memory at 8 over that at 1."""
    one, _, four, eight, two_workers = figures["seconds"]
    return {
        "cost_growth": ((eight - four) / 4) / ((four - one) / 3),
        "two_workers_gain": eight / two_workers,
        "memory_growth": figures["peak_mib"][3] / figures["peak_mib"][0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    args = parser.parse_args()
    make_data(args.folder)
    stages = measure(args.folder)
    path = results_path(args.folder, __file__)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**machine(), "stages": stages}, indent=1))
    table = Table("stage", *(f"{count} s" for count in COUNTS), "8, 2 workers", "growth", "MiB")
    for stage in stages:
        seconds = [f"{value:.2f}" for value in stage["seconds"]]
        table.add_row(
            stage["stage"], *seconds, f"{stage['cost_growth']:.2f}",
            " ".join(f"{value:.0f}" for value in stage["peak_mib"]),
        )  # fmt: skip
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
