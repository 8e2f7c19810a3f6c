"""Object perception step 4: how high, long and wide is the object that these images show?

Reads  scenes_{train,val}_info_i_D5.parquet, {training,evaluation}_data/object_perception/
       object_visibility.parquet, merged_<split>_object_coverage_{height,length,width}.parquet
       there, the names of posed_images/*/*.jpg, templates/.
Writes object_perception_{height,length,width}_k<k>_<split>_<max>.jsonl in the same two folders,
       for sets of k images (images: data/scannet/posed_images); -1 stands for all.
Costs  docs/performance.md, row "object questions".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.object_perception import object_questions
from spatial_engine.utils import paths
from spatial_engine.utils.questions import records, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli, provenance
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import object_freshness
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.tables import coverage_files, coverage_table, object_table
from spatial_engine.utils.tables.coverage_files import DIMENSIONS

# Questions of each file at most; -1 = all. As published.
TRAIN_MAX_SAMPLES = -1
VAL_MAX_SAMPLES = 3000
# Leave out a set of images one of which shows another object of the same category: nobody could
# tell which of the two is meant.
REQUIRE_UNIQUE_CATEGORY = True  # published: False


def make_jobs(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    sentences: Mapping[str, Templates],
) -> tuple[list[SceneJob], list[str]]:
    """A job for each scene that has sets of images, and the names of the outputs."""
    table_path = paths.object_table_path(args.root, split)
    table = object_table.open_objects(table_path)
    object_table.check_published(table_path, object_table.constants_of(table), args.published)
    sets: dict[str, object_questions.SetsByOutput] = {}
    names = set()
    for dimension in DIMENSIONS:
        path = paths.merged_coverage_path(args.root, split, dimension)
        coverage = coverage_table.load_coverage(path, coverage_files.MERGE_REMEDY)
        check_is_about(path, coverage, table)
        chunks = coverage_files.find_chunks(args.root, split)
        coverage_files.check_is_newest(path, chunks, dimension, object_table.contents(table))
        object_table.check_published(path, coverage_files.constants_of(path), args.published)
        for scene_id, by_object in coverage.items():
            for object_id, by_count in by_object.items():
                for count, images in by_count.items():
                    name = object_questions.output_name(dimension, count)
                    names.add(name)
                    sets.setdefault(scene_id, {}).setdefault(name, {})[object_id] = images

    if args.require_unique_category:
        for name in sorted(names - askable(table, sets)):
            left_out = [
                some for by_name in sets.values() for some in by_name.pop(name, {}).values()
            ]
            why = f"sets of {split} {name}, which all show another object of the category"
            step.table.absent[why] += sum(map(len, left_out))
            names.remove(name)
    listed = step.ready(scenes.scene_ids, partial(object_freshness.check_is_about, table, scenes))
    jobs = []
    for scene_id, files in listed.items():
        if not sets.get(scene_id):
            continue
        request = object_questions.SceneRequest(
            split, scene_id, args.seed, sets[scene_id], files.ids, args.require_unique_category,
            sentences,
        )  # fmt: skip
        inputs = [
            object_table.content_digest(table, scene_id), scenes.objects_hash(scene_id),
            files.names, provenance.digest(sorted(map(repr, sets[scene_id].items()))),
        ]  # fmt: skip
        jobs.append(SceneJob(scene_id, (scenes.only(scene_id), table_path, request), inputs))
    return jobs, sorted(names)


def askable(
    table: object_table.SceneTable, sets: Mapping[str, object_questions.SetsByOutput]
) -> set[str]:
    """The outputs with a set whose images show no other object of the category; mostly the first
    scenes have one of each. Scenes that cannot be read are left to the workers, which name them."""
    missing = {name for by_name in sets.values() for name in by_name}
    found: set[str] = set()
    for scene_id, by_name in sets.items():
        if wanted := by_name.keys() & missing:
            try:
                seen = {s.object_id: s for s in object_table.read_scene_objects(table, scene_id)}
            except BadDataError:
                return missing | found
            for name in wanted:
                if any(
                    object_questions.show_others(seen[object_id]).isdisjoint(images)
                    for object_id, some in by_name[name].items()
                    for images in some
                ):
                    found.add(name)
            missing -= found
    return found


def found_with(args: argparse.Namespace) -> dict[str, Any]:
    """Constants that the sets of images of all splits were found with; `SettingsError` where the
    splits differ in them, as the records of a run tell of one value for each."""
    found: dict[str, Any] = {}
    for split in args.splits:
        path = paths.merged_coverage_path(args.root, split, DIMENSIONS[0])
        for name, value in coverage_files.constants_of(path).items():
            if found.setdefault(name, value) != value:
                raise SettingsError(
                    f"{path}: found with {name} {value}, that of {args.splits[0]} with "
                    f"{found[name]}; use --splits for one after the other"
                )
    return found


def check_is_about(
    path: Path, coverage: coverage_table.Coverage, table: object_table.SceneTable
) -> None:
    """Raise `BadDataError` unless the merged sets were found in this object table."""
    made_from = provenance.read_inputs(path).get("scenes")
    made_from = made_from if isinstance(made_from, dict) else {}
    for scene_id in sorted(coverage.keys() | set(table.scene_ids)):
        there = scene_id in coverage and scene_id in table.scene_ids
        if not there or made_from.get(scene_id) != object_table.content_digest(table, scene_id):
            raise BadDataError(
                f"{path}: stale in {scene_id}, the object visibility has changed since; "
                f"{coverage_files.FIND_REMEDY}, then {coverage_files.MERGE_REMEDY}"
            )


def output_path(args: argparse.Namespace, split: str, name: str) -> Path:
    """File of an output of `object_questions.output_name`."""
    dimension, _, count = name.partition("_k")
    constants = {"k": count, "most": args.max_samples[split]}
    return record_path(args.root, f"object_{dimension}", split, args.version, **constants)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, questions=True)
    text = "leave out sets of images if one of them shows another object of the same category"
    cli.add_constant(
        parser, "REQUIRE_UNIQUE_CATEGORY", REQUIRE_UNIQUE_CATEGORY, text, published=False
    )
    args = parser.parse_args(argv)
    args.max_samples = cli.max_samples_by_split(
        args, {"train": TRAIN_MAX_SAMPLES, "val": VAL_MAX_SAMPLES}
    )
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    sentences = object_questions.load_sentences(args.published)
    settings = {
        "seed": args.seed,
        "max_samples": args.max_samples,
        **found_with(args),
        **args.constants,
        "templates": templates.digest_of(sentences),
    }
    step = Step("single_object_perception_engine", args, settings, __file__)
    splits = dict(load_splits(args, step))
    for path_of, remedy in (
        (paths.object_table_path, object_table.REMEDY),
        (partial(paths.merged_coverage_path, dimension="height"), coverage_files.MERGE_REMEDY),
    ):
        there = step.present_inputs(list(splits), partial(path_of, args.root), remedy)
        splits = {split: splits[split] for split in there}
    for split, scenes in splits.items():
        most = args.max_samples[split]
        if not most:
            step.table.absent[f"{split}, 0 questions were asked for"] += 1
            continue
        jobs, names = make_jobs(args, step, split, scenes, sentences)
        if not names:
            step.table.empty.append(
                f"{split}: no images cover an object, or all show another object of its category; "
                f"see what the closing tables of find_object_coverage.sh and of this command count"
            )
            continue
        outputs = {name: output_path(args, split, name) for name in names}
        step.make(
            outputs,
            jobs,
            object_questions.write_scene,
            partial(records.join_parts, seed=args.seed, at_most=most),
            parts_name=f"object_perception_{split}",
            wanted=None if most < 0 else dict.fromkeys(names, most),
        )
        # Of another run, which had sets of a size that there are none of any more.
        patterns = [output_path(args, split, f"{dimension}_k*") for dimension in DIMENSIONS]
        others = {path for pattern in patterns for path in pattern.parent.glob(pattern.name)}
        step.retire(others - set(outputs.values()))
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
