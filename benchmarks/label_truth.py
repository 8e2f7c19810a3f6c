"""Counts the labels that are wrong against the exact room.

Makes sample rooms with a real sensor's faults, runs the steps on them, and asks the ray caster
what each label should be (spatial_engine/sample_data/label_truth.py says what counts as wrong).
Writes FOLDER/results/label_truth.json and FOLDER/wrong/<rule>_<family>.jsonl, the wrong records
with their error, which docs/make_pictures.py draws. Costs some minutes of one core.

    python benchmarks/label_truth.py --folder /tmp/labels [--records 10000] [--rules published]
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import SCANNET_UTILS, machine, results_path, run_command

# isort: split
import numpy as np
from rich.console import Console
from rich.table import Table

from spatial_engine.sample_data import write_scene
from spatial_engine.sample_data.label_truth import Room, Verdict, judge, judge_size
from spatial_engine.sample_data.rooms.layouts import LAYOUTS
from spatial_engine.sample_data.scannet.labels import label_table
from spatial_engine.sample_data.scannet.scene_spec import SceneSpec
from spatial_engine.sample_data.scannet.scene_truth import SceneTruth
from spatial_engine.utils import paths
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

# Flags that make the scripts ask by each rule for what a frame sees.
RULES: dict[str, tuple[str, ...]] = {"surface": (), "published": ("--published",)}
SIZES: dict[str, Any] = {
    "num_frames": 40,
    "frame_repeat": 5,  # so that each frame is kept
    "color_size": (648, 484),
    "vertex_spacing": 0.04,
}
CAMERA = "spatial_engine/camera_movement/calculate_frames_relations.py"
DEPTH = "spatial_engine/depth_perception/depth_{}_coor_engine.py"
CORRESPONDENCE = "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_{}.py"
MULTICHOICE = CORRESPONDENCE.format("dot_2_multichoice")
OBJECTS = "spatial_engine/object_perception/{}.py"
MERGE = OBJECTS.format("merge_object_coverage")
PREPARATION = (
    *(f"{SCANNET_UTILS}/{name}.py" for name in (
        "batch_load_scannet_data", "extract_posed_images", "update_info_file_with_images",
        "make_visibility_info",
    )),
    CAMERA,
)  # fmt: skip
TRAIN = ("--splits", "train")


@dataclass(frozen=True)
class Family:
    """Records of one kind: the commands that make them, with their flags, and where they are under
    training_data. A run asks about each frame or pair of frames once, so there are runs of as many
    seeds as it takes; `once`: a run asks all there is to ask."""

    commands: tuple[tuple[str, ...], ...]
    output: str
    once: bool = False


OBJECTS_FAMILY = "object extents"
FAMILIES = {
    "depth estimation": Family(
        ((DEPTH.format("estimation"), *TRAIN),), "depth_estimation_coor/v1_0/*.jsonl"
    ),
    "depth comparison": Family(
        ((DEPTH.format("comparison"), *TRAIN),), "depth_comparison_coor/v1_0/*.jsonl"
    ),
    "correspondence, coordinates": Family(
        ((CORRESPONDENCE.format("coor_2_coor"), *TRAIN),),
        "visual_correspondence_coor_2_coor/v1_0/*.jsonl",
    ),
    **{
        f"correspondence, {difficulty}": Family(
            ((MULTICHOICE, *TRAIN, "--train-difficulty", difficulty),),
            "visual_correspondence_dot_2_multichoice/v1_0/*.jsonl",
        )
        for difficulty in ("easy", "medium", "hard")
    },
    OBJECTS_FAMILY: Family(
        (
            (OBJECTS.format("compute_object_visibility"), *TRAIN),
            (OBJECTS.format("single_object_coverage_finder"),),
            (MERGE, *TRAIN),
            (OBJECTS.format("single_object_perception_engine"), *TRAIN),
        ),
        "object_perception/object_perception_*_train_-1.jsonl",
        once=True,
    ),
}


def make_scenes(root: Path, rooms: int) -> dict[str, SceneTruth]:
    """The scenes with their tables, made where they are missing; the truth about each. A layout
    that comes again is another scan of the room: another path of the camera, other errors."""
    layouts = list(LAYOUTS)
    specs = [
        SceneSpec(f"scene{number:04d}_00", layouts[number % len(layouts)], **SIZES)
        for number in range(rooms)
    ]
    listed = paths.scene_list_path(root, "train")
    if not listed.exists():
        for spec in specs:
            write_scene(root / "data/scannet/scans", spec.scene_id, layout=spec.layout, **SIZES)
        listed.parent.mkdir(parents=True, exist_ok=True)
        paths.label_table_path(root).write_text(label_table(), encoding="utf-8")
        listed.write_text("".join(f"{spec.scene_id}\n" for spec in specs))
    if not paths.pair_table_path(root, "train").exists():
        for command in PREPARATION:
            run_command(command, root, *TRAIN)
    return {spec.scene_id: SceneTruth.of(spec) for spec in specs}


def ask(root: Path, family: Family, rule: tuple[str, ...], wanted: int) -> Iterator[dict[str, Any]]:
    """At least `wanted` records of a family, or all there are."""
    count = seed = 0
    while count < wanted:
        for command, *flags in family.commands:
            if not family.once:
                flags += ["--train-max-samples", str(wanted - count)]
            rules = () if command == MERGE else rule  # it joins what there is
            run_command(command, root, "--seed", str(seed), *flags, *rules)
        before = count
        for path in sorted((root / "training_data").glob(family.output)):
            for record in read_jsonl(path):
                count += 1
                yield record
        if family.once or count == before:
            return
        seed += 1


def count_wrong(
    records: Iterable[dict[str, Any]],
    verdict_of: Callable[..., Verdict | None],
    rooms: Mapping[str, Room],
    wrong_path: Path,
) -> dict[str, float]:
    """How many labels are wrong, and the errors that 50, 99 and 99.9 percent stay below."""
    counts: Counter[str] = Counter()
    errors = []
    wrong_path.parent.mkdir(parents=True, exist_ok=True)
    with open(wrong_path, "w", encoding="utf-8") as file:
        for record in records:
            verdict = verdict_of(record, rooms)
            counts["records" if verdict else "not judged"] += 1
            if verdict is None:
                continue
            errors.append(verdict.error)
            if verdict.wrong:
                counts["wrong"] += 1
                file.write(json.dumps({**record, "error": verdict.error}) + "\n")
    quantiles = np.quantile(errors, [0.5, 0.99, 0.999]).tolist() if errors else [0.0] * 3
    names = ("median", "p99", "p99.9")
    found = {name: counts[name] for name in ("records", "wrong", "not judged")}
    return {**found, **dict(zip(names, quantiles, strict=True))}


def show(figures: dict[str, dict[str, dict[str, float]]]) -> None:
    """The table of all families and rules."""
    table = Table(title="labels that are wrong against the exact room", title_justify="left")
    for heading in ("family", "rule", "records", "wrong", "share", "error: median", "99 %"):
        table.add_column(heading, no_wrap=True)
    for rule, families in figures.items():
        for name, found in families.items():
            share = found["wrong"] / max(found["records"], 1)
            table.add_row(
                name, rule, f"{found['records']:,.0f}", f"{found['wrong']:,.0f}",
                f"{100 * share:.2f} %", f"{found['median']:.3f}", f"{found['p99']:.3f}",
            )  # fmt: skip
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--records", type=int, default=10_000, help="of each family, about")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--rooms", type=int, default=len(LAYOUTS), help="of a new folder")
    args = parser.parse_args()
    truths = make_scenes(args.folder, args.rooms)
    scenes = SceneInfoHandler.load(args.folder, "train")
    rooms = {name: Room(name, truth, scenes) for name, truth in truths.items()}
    results = results_path(args.folder, __file__)  # of other starts, too
    figures = json.loads(results.read_text())["rules"] if results.exists() else {}
    for rule in args.rules:
        for name in args.families:
            records: Iterable[dict[str, Any]] = ask(
                args.folder, FAMILIES[name], RULES[rule], args.records
            )
            path = (
                args.folder / "wrong" / f"{rule}_{name.replace(', ', '_').replace(' ', '_')}.jsonl"
            )
            found = figures.setdefault(rule, {})
            if name == OBJECTS_FAMILY:
                records = list(records)
                found["object sizes"] = count_wrong(
                    records, judge_size, rooms, path.with_name(f"{rule}_object_sizes.jsonl")
                )
            found[name] = count_wrong(records, judge, rooms, path)
            results.parent.mkdir(parents=True, exist_ok=True)
            results.write_text(json.dumps({**machine(), "rules": figures}, indent=1))
    show(figures)


if __name__ == "__main__":
    main()
