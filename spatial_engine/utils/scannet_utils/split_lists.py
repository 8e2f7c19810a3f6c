"""Which scenes ScanNet's split lists name, and which of them are on disk."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.errors import MissingInputError
from spatial_engine.utils.paths import info_path, scan_dir, scene_list_path
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.split_lists import asked_for, read_split_lists
from spatial_engine.utils.storage.input_files import found_instead, missing
from spatial_engine.utils.storage.os_errors import dangling_link, exists

SCANNET = Path("data/scannet")
# Where scans lie that are not where they belong, and what to do then.
_OTHER_PLACES = {
    "scans/scans": f"move them to {SCANNET}/scans",
    "scans_test": "test scenes have no annotation, take them off the split list",
}
_README = "get it as spatial_engine/utils/scannet_utils/README.md says"


def listed_scenes(args: argparse.Namespace, step: Step) -> list[str]:
    """Sorted ids of the scenes of `--splits`, or those of `--scenes` among them.

    A split without a list is counted; one whose list is empty is a failure. Neither takes anything
    away of what was made of the split before. Raises `MissingInputError` when no scene is listed,
    or one of `--scenes` is not.
    """
    lists = read_lists(args.root)
    for split in args.splits:
        path = scene_list_path(args.dataset, split)
        if split not in lists:
            step.table.absent[f"{split}, no {path}"] += 1
        elif not lists[split]:
            step.table.failures[split] = f"{path}: the list is empty; {_README}"
        if not lists.get(split) and info_path(args.dataset, split).exists():
            step.guard.unlisted = f"{path}: no scene is listed there any more"
    if not any(lists.get(split) for split in args.splits):
        path = scene_list_path(args.dataset, args.splits[0])
        raise MissingInputError(
            f"{path}: lists no scene; {_README}" if path.exists() else missing(path, _README)
        )
    return asked_for(args, lists)


def present_scans(root: Path, step: Step, scenes: Sequence[str], suffix: str = "") -> list[str]:
    """The scenes whose folder, or with a `suffix` whose file of that ending, is on disk; the others
    are counted. A link to nothing, a packed file and one of another case count as there: whoever
    reads it names it.

    Raises `MissingInputError` where the folder of all scans is such a link.
    """
    scans = root / SCANNET / "scans"
    if dangling_link(scans):
        raise MissingInputError(missing(scans, _README))
    paths = {scene: scan_dir(root, scene) for scene in scenes}
    what = f"listed, no {SCANNET}/scans/<scene>, or nothing in it"
    if suffix:
        paths = {scene: path / f"{scene}{suffix}" for scene, path in paths.items()}
        what = f"listed, no {SCANNET}/scans/<scene>/<scene>{suffix}"
    is_there = _is_file if suffix else _holds_anything
    there = {
        scene
        for scene, path in paths.items()
        if is_there(path) or dangling_link(path) or (suffix and found_instead(path))
    }
    for place, hint in _OTHER_PLACES.items():
        if any((root / SCANNET / place / scene).is_dir() for scene in paths.keys() - there):
            what += f" (some are in {SCANNET}/{place}: {hint})"
    return step.present_scenes(scenes, there.__contains__, what)


def _is_file(path: Path) -> bool:
    return exists(path) and path.is_file()


def _holds_anything(folder: Path) -> bool:
    return exists(folder) and folder.is_dir() and any(folder.iterdir())


def read_lists(root: Path) -> dict[str, list[str]]:
    """Sorted scene ids of each split that has a list (`scenes.split_lists`)."""
    return read_split_lists(root, _README)
