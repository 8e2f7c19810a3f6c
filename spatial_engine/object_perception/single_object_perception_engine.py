"""Object perception step 4: how high, long and wide is the object that these images show?

Reads  scenes_{train,val}_info_i_D5.parquet, {training,evaluation}_data/object_perception/
       object_visibility.parquet, merged_<split>_object_coverage_{height,length,width}.parquet
       there, the names of posed_images/*/*.jpg, templates/. With --mark-objects also
       {train,val}_visibility_info_D5.parquet, the images and the instances of the scenes.
Writes object_perception_{height,length,width}_k<k>_<split>_<max>.jsonl in the same two folders,
       for sets of k images (images: data/scannet/posed_images); -1 stands for all. With
       --mark-objects also object_perception_{height,length,width}_marked_k<k>_<split>_<max>.jsonl
       (images: images/ beside them).
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  docs/performance.md, row "object questions".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spatial_engine.errors import SettingsError
from spatial_engine.object_perception import object_questions, object_sets
from spatial_engine.object_perception.object_marks import DotRule
from spatial_engine.object_perception.object_sets import Sets, names_of
from spatial_engine.utils import paths
from spatial_engine.utils.questions import marked_images, records, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import object_freshness, posed_images
from spatial_engine.utils.scenes.scene_files import COLORS, SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.storage import files, provenance
from spatial_engine.utils.tables import coverage_files, object_table, visibility_table
from spatial_engine.utils.tables.coverage_files import DIMENSIONS

# Questions of each file at most; -1 = all. As published.
TRAIN_MAX_SAMPLES = -1
VAL_MAX_SAMPLES = 3000
# Leave out a set of images one of which shows another object of the same category: nobody could
# tell which of the two is meant.
REQUIRE_UNIQUE_CATEGORY = True  # published: False
# Ask about the sets that are left out, too: with a dot on the object, in files of their own.
MARK_OBJECTS = False
DOT_RADIUS_PX = 10  # in images up to 1296 px wide, in proportion in wider ones


@dataclass(frozen=True)
class Split:
    """What the questions of a split are made of: the scenes of the object table, their files."""

    name: str
    scenes: SceneInfoHandler
    table: object_table.SceneTable
    files: Mapping[str, SceneFiles]


def make_jobs(
    args: argparse.Namespace,
    split: Split,
    sets: Sets,
    sentences: Mapping[str, Templates],
    dots: DotRule | None = None,
) -> list[SceneJob]:
    """A job for each scene that has sets of images, which are marked where `dots` are given."""
    unique, picture_bytes, visibility = args.require_unique_category, 0, []
    if dots:
        unique, first = False, [there.first() for there in split.files.values() if there.ids]
        picture_bytes = marked_images.estimate_bytes(first, posed_images.REMEDY)
        visibility = [provenance.file_fingerprint(dots.table, args.root)]
    jobs = []
    for scene_id, there in split.files.items():
        if not (mine := sets.get(scene_id)):
            continue
        request = object_questions.SceneRequest(
            split.name, scene_id, args.seed, mine, there.ids, unique, sentences, dots
        )
        inputs = [
            object_table.content_digest(split.table, scene_id), split.scenes.objects_hash(scene_id),
            there.names, provenance.digest(sorted(map(repr, mine.items()))), *visibility,
        ]  # fmt: skip
        pictures = 0
        if dots:
            inputs.append(there.colors)
            pictures = len(object_questions.views_of(mine))
        arguments = (split.scenes.only(scene_id), split.table.path, request)
        jobs.append(SceneJob(scene_id, arguments, inputs, pictures, pictures * picture_bytes))
    return jobs


def output_path(args: argparse.Namespace, split: str, name: str) -> Path:
    """File of an output of `object_questions.output_name`."""
    constants = {"k": name.partition("_k")[2], "most": args.max_samples[split]}
    task = object_questions.task_of(name)
    return record_path(args.dataset, task, split, args.version, **constants)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True, questions=True)
    text = "leave out sets of images if one of them shows another object of the same category"
    cli.add_constant(
        parser, "REQUIRE_UNIQUE_CATEGORY", REQUIRE_UNIQUE_CATEGORY, text, published=False
    )
    text = "ask about the sets that --require-unique-category leaves out, with a dot on the object"
    cli.add_constant(parser, "MARK_OBJECTS", MARK_OBJECTS, text, published=False)
    cli.add_constant(parser, "DOT_RADIUS_PX", DOT_RADIUS_PX, "radius of the dots, in pixels", 1)
    args = parser.parse_args(argv)
    if args.mark_objects and not args.require_unique_category:
        raise SettingsError(
            "--mark-objects asks about the sets that --require-unique-category leaves out; use it "
            "without --no-require-unique-category"
        )
    args.max_samples = cli.max_samples_by_split(
        args, {"train": TRAIN_MAX_SAMPLES, "val": VAL_MAX_SAMPLES}
    )
    return args


def list_scenes(
    args: argparse.Namespace,
    step: Step,
    scenes: SceneInfoHandler,
    table: object_table.SceneTable,
    dots: DotRule | None,
) -> dict[str, SceneFiles]:
    """The files of the scenes that the object table holds as they are now, and the visibility table
    too where objects are marked."""
    views = visibility_table.VisibilityInfoHandler(dots.table) if dots else None

    def list_files(scene_id: str) -> SceneFiles:
        sampled = [COLORS] if dots else []
        there = object_freshness.check_is_about(table, scenes, scene_id, *sampled)
        if views:
            views.check_is_about(scene_id, scenes.geometry_hash(scene_id), there.depth_sizes)
        return there

    return step.ready(scenes.scene_ids, list_files)


def make_questions(
    args: argparse.Namespace,
    step: Step,
    name: str,
    scenes: SceneInfoHandler,
    sentences: Mapping[str, Templates],
    dots: DotRule | None,
) -> None:
    """Make the files of a split: of sets of images that need no mark, then of marked objects where
    `dots` are given. Files of sets that there are none of any more are removed."""
    table = object_table.open_objects(paths.object_table_path(args.dataset, name))
    merged = object_sets.open_sets(args, name, table)
    split = Split(name, scenes, table, list_scenes(args, step, scenes, table, dots))
    made_from, rules = digest_of(args, split, merged, dots), [None, dots] if dots else [None]
    made = {rule: finished_files(args, step, name, made_from, bool(rule)) for rule in rules}
    if not all(made.values()):
        sets = plain = object_sets.load_sets(merged)
        left_out: dict[str, int] = {}
        if args.require_unique_category:
            plain, left_out = object_sets.without_ambiguous(name, table, sets)
        if not names_of(plain):
            step.table.absent.update(left_out)
        by_rule = {None: plain}
        if dots:
            by_rule[dots] = object_sets.ambiguous(table, sets, split.files)
        if not any(map(names_of, by_rule.values())):
            step.table.empty.append(
                f"{name}: no images cover an object, or all show another object of its category; "
                f"see what the closing tables of find_object_coverage.sh and of this command count"
            )
            return
        for rule, some in by_rule.items():
            outputs = {output: output_path(args, name, output) for output in sorted(names_of(some))}
            if outputs and not made[rule]:
                jobs = make_jobs(args, split, some, sentences, rule)
                drops = {} if rule else {next(iter(outputs)): left_out}
                make_files(args, step, name, outputs, jobs, made_from, drops, bool(rule))
                made[rule] = set(outputs.values())
    retire_others(args, step, name, set().union(*made.values()))


def digest_of(
    args: argparse.Namespace,
    split: Split,
    merged: Mapping[str, object_table.SceneTable],
    dots: DotRule | None,
) -> str:
    """Digest of all that decides, with the settings of the step, which files of a split there are
    and what is in them: so much is known without a look at any set of images."""
    visibility = provenance.file_fingerprint(dots.table, args.root) if dots else None
    content = {
        scene_id: [
            object_table.content_digest(split.table, scene_id),
            split.scenes.objects_hash(scene_id), there.names, there.colors,
        ]
        for scene_id, there in split.files.items()
    }  # fmt: skip
    return provenance.digest([object_sets.digest_of(merged), visibility, content])


def finished_files(
    args: argparse.Namespace, step: Step, split: str, made_from: str, is_marked: bool
) -> set[Path]:
    """The files of a split, of marked objects or of others, where all are there and up to date;
    else none. Which there are is told by those that are there: each knows the others."""
    outputs = {}
    for dimension in DIMENSIONS:
        output = object_questions.output_name(dimension, "{}", is_marked)
        pattern = output_path(args, split, output)
        start, end = pattern.name.split("{}")
        for path in pattern.parent.glob(f"{start}*{end}"):
            outputs[output.format(path.name[len(start) : -len(end)])] = path
    outputs = dict(sorted(outputs.items()))
    if not outputs:
        return set()
    is_current = step.is_up_to_date(outputs_of(outputs, split, made_from, is_marked))
    return set(outputs.values()) if is_current else set()


def outputs_of(
    paths_by_name: Mapping[str, Path], split: str, made_from: str, is_marked: bool
) -> Outputs:
    """Files that are made together, and the folder of their pictures where objects are marked."""
    first = next(iter(paths_by_name.values()))
    pictures = marked_images.folder_beside(first) if is_marked else {}
    parts_name = f"object_perception{'_marked' * is_marked}_{split}"
    return Outputs(paths_by_name, pictures, made_from, parts_name)


def retire_others(args: argparse.Namespace, step: Step, split: str, made: set[Path]) -> None:
    """Remove files of an earlier run with sets of a size that there are none of any more. With
    --mark-objects also those of marked objects, of other limits too, as all share their pictures;
    without it these are not of this run, and stay."""

    def find(patterns: Sequence[Path]) -> set[Path]:
        return {path for pattern in patterns for path in pattern.parent.glob(pattern.name)}

    names = [object_questions.output_name(dimension, "*") for dimension in DIMENSIONS]
    others = find([output_path(args, split, name) for name in names]) - made
    if not args.mark_objects:
        step.retire(others)
        return
    tasks = [f"object_{dimension}_marked" for dimension in DIMENSIONS]
    marked = [record_path(args.dataset, task, split, args.version) for task in tasks]
    before = find(marked)
    step.retire(others | (before - made))
    if before and not find(marked):
        files.remove(marked[0].parent / marked_images.FOLDER)


def make_files(
    args: argparse.Namespace,
    step: Step,
    split: str,
    outputs: Mapping[str, Path],
    jobs: Sequence[SceneJob],
    made_from: str,
    drops: Mapping[str, Mapping[str, int]],
    is_marked: bool,
) -> None:
    """Make the outputs, and the folder of their pictures where objects are marked."""
    most = args.max_samples[split]
    join = marked_images.join_parts if is_marked else records.join_parts
    step.make(
        outputs_of(outputs, split, made_from, is_marked),
        jobs,
        object_questions.write_scene,
        partial(join, seed=args.seed, at_most=most),
        drops=drops,
        wanted=dict.fromkeys(outputs, most),
    )


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    sentences = object_questions.load_sentences(args.published)
    found = object_sets.found_with(args)
    settings = templates.settings_of(args, sentences, **found)
    step = Step("single_object_perception_engine", args, settings, __file__)
    sets_of = partial(paths.merged_coverage_path, dimension="height")
    tables = {paths.object_table_path: object_table.REMEDY, sets_of: coverage_files.MERGE_REMEDY}
    if args.mark_objects:
        tables[paths.visibility_table_path] = visibility_table.REMEDY
    seen_rule = found.get("SEEN_RULE", visibility_table.SURFACE)
    for split, scenes in load_splits(args, step, tables, args.max_samples):
        dots = None
        if args.mark_objects:
            table = paths.visibility_table_path(args.dataset, split)
            dots = DotRule(table, seen_rule, args.dot_radius_px)
        make_questions(args, step, split, scenes, sentences, dots)
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
