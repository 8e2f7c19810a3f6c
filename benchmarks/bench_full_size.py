"""Memory and time of what touches the whole set at once, at its true size.

Makes tables of the full training split's shape in --folder (30 GB while they are made), with random
content: scene infos and pair table of 1,201 scenes with 371 or 372 frames (82.7 million pairs),
visibility of as many scenes (300 frames of 15,000 points of a mesh of 150,000). Then each in a
process of its own, with its peak memory: loading the infos, sampling 1 and 3 million pairs, three
million questions end to end, shuffling three million lines, opening one scene's visibility.

    python benchmarks/bench_full_size.py --folder /tmp/bench
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import MAXRSS_PER_MIB, REPOSITORY, machine, results_path, run_command

# isort: split
import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.utils import paths
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import info_table, pair_table, visibility_table

NUM_SCENES = 1201
NUM_OBJECTS = 30
SEEN = (300, 15_000, 150_000)  # frames, points that each sees, vertices
RELATED = 0.42  # share of pairs that overlap at all, as in the full set
ENGINE = "spatial_engine/camera_movement/camera_movement_engine_train_val.py"
NUM_QUESTIONS = 3_000_000

STAGES = {
    "loading the scene infos": "SceneInfoHandler.load(root, 'train')",
    "reading the overlaps of all pairs": "candidates()",
    "sampling 1,000,000 pairs": "sample(1_000_000)",
    "sampling 3,000,000 pairs": "sample(3_000_000)",
    "opening the first scene's visibility": "VisibilityInfoHandler(seen).load_scene(scenes[0])",
    "opening three more, each": "[VisibilityInfoHandler(seen).load_scene(s) for s in scenes[1:]]",
    "shuffling 3,000,000 lines": "shuffle()",
}
PROGRAM = """
import resource, sys, time
from functools import cache
from pathlib import Path
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions import records
from spatial_engine.utils.scenes import pair_balance
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils import paths
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.visibility_table import VisibilityInfoHandler
root, wanted = Path(sys.argv[1]), sys.argv[2]
seen = paths.visibility_table_path(root, "train")
scenes = ["scene0600_00", "scene0007_00", "scene0300_00", "scene0900_00"]
@cache
def candidates():
    table = pair_table.open_pairs(paths.pair_table_path(root, "train"))
    bins = {scene: pair_balance.read_overlap_bins(table, scene) for scene in table.scene_ids}
    return pair_balance.PairCandidates.of({scene: b[b > 0] for scene, b in bins.items()})
def sample(count):
    pair_balance.sample_pairs(candidates(), count, 0, sampling.generator(0))
def shuffle():
    made = root / "training_data/camera_movement/v1_0/total_distance_train.jsonl"
    records.shuffle_jsonl([made], root / "shuffled", sampling.generator(0))
if wanted.startswith("sample"):
    candidates()
if "scenes[1:]" in wanted:
    VisibilityInfoHandler(seen).load_scene(scenes[0])
start = time.perf_counter()
eval(wanted)
seconds = time.perf_counter() - start
status = Path("/proc/self/status")  # what getrusage tells is inherited from whoever started this
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if status.exists():
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0])
print(seconds, peak)
"""


def make_infos(root: Path, rng: np.random.Generator) -> SceneInfoHandler:
    """Scene infos of random poses."""
    infos = {}
    for number in range(NUM_SCENES):
        scene = f"scene{number:04d}_00"
        frames = 372 if number < 604 else 371
        poses = np.tile(np.eye(4), (frames, 1, 1))
        poses[:, :3, :3] = Rotation.random(frames, random_state=number).as_matrix()
        poses[:, :3, 3] = rng.normal(size=(frames, 3))
        ids = [f"{5 * frame:05d}" for frame in range(frames)]
        infos[scene] = {
            **{
                number: {"aligned_bbox": rng.random(7), "unaligned_bbox": rng.random(7),
                         "raw_category": "chair"}
                for number in range(NUM_OBJECTS)
            },
            "axis_align_matrix": np.eye(4), "intrinsic_matrix": np.eye(4),
            "num_objects": NUM_OBJECTS, "num_posed_images": frames, "points_digest": scene,
            "color_size": (1296, 968), "depth_size": (640, 480),
            "images_info": {
                name: {
                    "image_path": f"posed_images/{scene}/{name}.jpg",
                    "depth_image_path": f"posed_images/{scene}/{name}.png",
                    "extrinsic_matrix": pose.copy(),
                }
                for name, pose in zip(ids, poses, strict=True)
            },
        }  # fmt: skip
    info_table.write_infos(infos, paths.info_path(root, "train"))
    return SceneInfoHandler(root, infos)


def make_tables(root: Path) -> None:
    """Infos, pair table and visibility table, where they are missing."""
    if paths.visibility_table_path(root, "train").exists():
        return
    rng = np.random.default_rng(0)
    scenes = make_infos(root, rng)
    parts = root / "parts"
    parts.mkdir(exist_ok=True)
    for scene in scenes.scene_ids:
        ids, poses = scenes.valid_frames(scene)
        overlap = 100 * rng.random((len(ids), len(ids))) ** 2
        overlap[rng.random(overlap.shape) > RELATED] = 0
        columns = pair_table.relate_frames(ids, poses, overlap)
        pair_table.write_scene_pairs(
            parts / scene, scene, ids, columns, scenes.geometry_hash(scene)
        )
    table = paths.pair_table_path(root, "train")
    table.parent.mkdir(parents=True, exist_ok=True)
    pair_table.merge_pairs([parts / scene for scene in scenes.scene_ids], table)
    shutil.rmtree(parts)
    parts.mkdir()
    frames, seen, vertices = SEEN
    for number, scene in enumerate(scenes.scene_ids):
        if number % 100 == 0:  # content of a hundred scenes is enough; making it is slow
            lists = [
                np.flatnonzero(rng.random(vertices) < seen / vertices).astype(np.int32)
                for _ in range(frames)
            ]
        visibility_table.write_scene_visibility(
            parts / scene, scene, scenes.image_ids(scene)[:frames],
            dict.fromkeys(visibility_table.RULES, lists), vertices,
            scenes.geometry_hash(scene),
        )  # fmt: skip
    output = paths.visibility_table_path(root, "train")
    output.parent.mkdir(parents=True, exist_ok=True)
    visibility_table.merge_visibility([parts / scene for scene in scenes.scene_ids], output)
    shutil.rmtree(parts)


def run_stage(root: Path, expression: str) -> tuple[float, float]:
    """Seconds of the stage itself, and peak memory of its process in MiB."""
    line = [sys.executable, "-c", PROGRAM, str(root.absolute()), expression]
    done = subprocess.run(line, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    seconds, peak = map(float, done.stdout.split())
    return seconds, peak / MAXRSS_PER_MIB


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    args = parser.parse_args()
    root = args.folder / "full"
    make_tables(root)
    rows = pair_table.open_pairs(paths.pair_table_path(root, "train"))
    count = sum(rows.num_rows(scene) for scene in rows.scene_ids)
    stages = []
    flags = ("--splits", "train", "--question-types", "total_distance",
             "--train-max-samples", str(NUM_QUESTIONS))  # fmt: skip
    for workers in (1, 2):
        seconds, peak = run_command(ENGINE, root, *flags, num_workers=workers)
        name = f"{NUM_QUESTIONS:,} camera questions, {workers} workers, whole command"
        stages.append({"stage": name, "seconds": seconds, "peak_mib": peak})
    for name, expression in STAGES.items():
        seconds, peak = run_stage(root, expression)
        seconds /= 3 if "each" in name else 1
        stages.append({"stage": name, "seconds": seconds, "peak_mib": peak})
    path = results_path(args.folder, __file__)
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {**machine(), "pairs": count, "pair_table_bytes": rows.path.stat().st_size}
    path.write_text(json.dumps({**facts, "stages": stages}, indent=1))
    print(f"{count:,} pairs")
    for stage in stages:
        print(f"{stage['stage']:<60} {stage['seconds']:8.3f} s {stage['peak_mib']:6.0f} MiB")


if __name__ == "__main__":
    main()
