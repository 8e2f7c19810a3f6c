"""The lists of a data set: which scenes are for training, which for evaluation."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.utils.paths import SPLITS, Place, scene_list_path
from spatial_engine.utils.storage.input_files import read_id_list
from spatial_engine.utils.storage.os_errors import is_there


def read_split_lists(place: Place, remedy: str) -> dict[str, list[str]]:
    """Sorted scene ids of each split of a data set that has a list; it may be empty.

    Raises `SettingsError` when a scene stands in both lists.
    """
    return read_lists({split: scene_list_path(place, split) for split in SPLITS}, remedy)


def read_lists(paths: Mapping[str, Path], remedy: str) -> dict[str, list[str]]:
    """The same of the lists at `paths`, by split."""
    lists = {split: read_id_list(path, remedy) for split, path in paths.items() if is_there(path)}
    if both := set(lists.get("train", ())) & set(lists.get("val", ())):
        raise SettingsError(
            f"{paths['train'].parent}: {min(both)} is listed in {paths['train'].name} and in "
            f"{paths['val'].name}; remove it from one"
        )
    return lists


def asked_for(args: argparse.Namespace, lists: Mapping[str, Sequence[str]]) -> list[str]:
    """Sorted ids of the scenes of `--splits`, or those of `--scenes` among them; raises
    `MissingInputError` where one of `--scenes` is not listed."""
    scenes = sorted(scene for split in args.splits for scene in lists.get(split, ()))
    if unknown := set(args.scenes or ()) - set(scenes):
        raise MissingInputError(f"--scenes {min(unknown)}: in none of the split lists")
    return [scene for scene in scenes if scene in args.scenes] if args.scenes else scenes
