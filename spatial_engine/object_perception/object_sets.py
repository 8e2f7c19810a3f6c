"""Sets of images that can be asked about: as merged, and whether they need a mark (SPEC 8.4).

A set is ambiguous when one of its images shows another object of the category.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.object_perception import object_questions
from spatial_engine.utils import paths
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import coverage_files, coverage_table, object_table
from spatial_engine.utils.tables.coverage_files import DIMENSIONS
from spatial_engine.utils.tables.scene_table import SceneTable

Sets = dict[str, object_questions.SetsByOutput]  # by scene


def open_sets(
    args: argparse.Namespace, split: str, table: object_table.SceneTable
) -> dict[str, SceneTable]:
    """The merged sets of images by dimension, which must have been found in the object table."""
    object_table.check_published(table.path, object_table.constants_of(table), args.published)
    merged = {}
    content = object_table.contents(table)
    chunks = coverage_files.find_chunks(args.dataset, split)
    for dimension in DIMENSIONS:
        path = paths.merged_coverage_path(args.dataset, split, dimension)
        merged[dimension] = coverage_table.open_sets(path, coverage_files.MERGE_REMEDY)
        check_is_about(merged[dimension], content)
        coverage_files.check_is_newest(path, chunks, dimension, content)
        object_table.check_published(path, coverage_files.constants_of(path), args.published)
    return merged


def digest_of(merged: Mapping[str, SceneTable]) -> str:
    """Digest of all sets, by those of the scenes of the tables: no set is read for it."""
    facts = [[[s, table.facts(s)] for s in table.scene_ids] for table in merged.values()]
    return provenance.digest(facts)


def load_sets(merged: Mapping[str, SceneTable]) -> Sets:
    """The sets of images by output."""
    sets: Sets = {}
    for dimension, table in merged.items():
        for scene_id in table.scene_ids:
            for object_id, by_count in coverage_table.read_scene_sets(table, scene_id).items():
                for count, images in by_count.items():
                    name = object_questions.output_name(dimension, count)
                    sets.setdefault(scene_id, {}).setdefault(name, {})[object_id] = images
    return sets


def names_of(sets: Sets) -> set[str]:
    """The outputs that there are sets for."""
    return {name for by_name in sets.values() for name in by_name}


def without_ambiguous(
    split: str, table: object_table.SceneTable, sets: Sets
) -> tuple[Sets, dict[str, int]]:
    """The sets without the outputs whose sets all show another object of the category, and how many
    sets these are, in words."""
    asked = askable(table, sets)
    left_out = {
        f"sets of {split} {name}, which all show another object of the category": sum(
            len(some) for by_name in sets.values() for some in by_name.get(name, {}).values()
        )
        for name in sorted(names_of(sets) - asked)
    }
    kept = {
        scene_id: {name: some for name, some in by_name.items() if name in asked}
        for scene_id, by_name in sets.items()
    }
    return kept, left_out


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


def check_is_about(merged: SceneTable, content: Mapping[str, str]) -> None:
    """Raise `BadDataError` unless the merged sets were found in the object table that holds this by
    scene (`object_table.contents`)."""
    made_from = provenance.read_inputs(merged.path).get("scenes")
    made_from = made_from if isinstance(made_from, dict) else {}
    for scene_id in sorted(set(merged.scene_ids) | content.keys()):
        there = scene_id in merged and scene_id in content
        if not there or made_from.get(scene_id) != content[scene_id]:
            raise BadDataError(
                f"{merged.path}: stale in {scene_id}, the object visibility has changed since; "
                f"{coverage_files.FIND_REMEDY}, then {coverage_files.MERGE_REMEDY}"
            )
