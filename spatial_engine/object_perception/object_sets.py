"""Sets of images that can be asked about: as merged, and whether they need a mark (SPEC 8.4).

A set is ambiguous when one of its images shows another object of the category.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.object_perception import object_questions
from spatial_engine.utils import paths
from spatial_engine.utils.running import provenance
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.tables import coverage_files, coverage_table, object_table
from spatial_engine.utils.tables.coverage_files import DIMENSIONS

Sets = dict[str, object_questions.SetsByOutput]  # by scene


def load_sets(args: argparse.Namespace, split: str, table: object_table.SceneTable) -> Sets:
    """The merged sets of images, which must have been found in the object table."""
    object_table.check_published(table.path, object_table.constants_of(table), args.published)
    sets: Sets = {}
    content = object_table.contents(table)
    chunks = coverage_files.find_chunks(args.dataset, split)
    for dimension in DIMENSIONS:
        path = paths.merged_coverage_path(args.dataset, split, dimension)
        coverage = coverage_table.load_coverage(path, coverage_files.MERGE_REMEDY)
        check_is_about(path, coverage, table)
        coverage_files.check_is_newest(path, chunks, dimension, content)
        object_table.check_published(path, coverage_files.constants_of(path), args.published)
        for scene_id, by_object in coverage.items():
            for object_id, by_count in by_object.items():
                for count, images in by_count.items():
                    name = object_questions.output_name(dimension, count)
                    sets.setdefault(scene_id, {}).setdefault(name, {})[object_id] = images
    return sets


def names_of(sets: Sets) -> set[str]:
    """The outputs that there are sets for."""
    return {name for by_name in sets.values() for name in by_name}


def without_ambiguous(step: Step, split: str, table: object_table.SceneTable, sets: Sets) -> Sets:
    """The sets without the outputs whose sets all show another object of the category; these are
    counted."""
    asked = askable(table, sets)
    for name in sorted(names_of(sets) - asked):
        left_out = [some for by_name in sets.values() for some in by_name.get(name, {}).values()]
        why = f"sets of {split} {name}, which all show another object of the category"
        step.table.absent[why] += sum(map(len, left_out))
    return {
        scene_id: {name: some for name, some in by_name.items() if name in asked}
        for scene_id, by_name in sets.items()
    }


def ambiguous(table: object_table.SceneTable, sets: Sets, scene_ids: Iterable[str]) -> Sets:
    """The sets of these scenes one of whose images shows another object of the category, by the
    outputs of marked objects. Scenes that cannot be read keep all: the workers name them."""
    found: Sets = {}
    for scene_id in sets.keys() & set(scene_ids):
        others: dict[int, set[str]] | None = None
        with suppress(BadDataError):
            objects = object_table.read_scene_objects(table, scene_id)
            others = {seen.object_id: object_questions.show_others(seen) for seen in objects}
        for name, by_object in sets[scene_id].items():
            dimension, _, count = name.partition("_k")
            name = object_questions.output_name(dimension, count, marked=True)
            for object_id, some in by_object.items():
                if others is not None:
                    some = [images for images in some if not others[object_id].isdisjoint(images)]
                if some:
                    found.setdefault(scene_id, {}).setdefault(name, {})[object_id] = some
    return found


def askable(table: object_table.SceneTable, sets: Sets) -> set[str]:
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
        path = paths.merged_coverage_path(args.dataset, split, DIMENSIONS[0])
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
        there = scene_id in coverage and scene_id in table
        if not there or made_from.get(scene_id) != object_table.content_digest(table, scene_id):
            raise BadDataError(
                f"{path}: stale in {scene_id}, the object visibility has changed since; "
                f"{coverage_files.FIND_REMEDY}, then {coverage_files.MERGE_REMEDY}"
            )
