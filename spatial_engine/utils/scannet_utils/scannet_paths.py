"""Where ScanNet data lies below `--root`, and which scenes belong to which split."""

from __future__ import annotations

import argparse
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.utils.files import read_id_list
from spatial_engine.utils.step import Step

SCANNET = Path("data/scannet")
SPLITS = ("train", "val")
_README = "get it as spatial_engine/utils/scannet_utils/README.md says"


def scan_dir(root: Path, scene_id: str) -> Path:
    """Raw files of a scene."""
    return root / SCANNET / "scans" / scene_id


def posed_images_dir(root: Path) -> Path:
    """Frames of all scenes, a folder each; the image root of most tasks."""
    return root / SCANNET / "posed_images"


def instance_data_dir(root: Path) -> Path:
    """Points, labels and boxes by scene, and the tables about all scenes."""
    return root / SCANNET / "scannet_instance_data"


def label_table_path(root: Path) -> Path:
    """The table of raw categories."""
    return root / SCANNET / "meta_data/scannetv2-labels.combined.tsv"


def info_path(root: Path, split: str, *, with_images: bool = True) -> Path:
    """Scene infos of "train", "val" or "train_val"."""
    suffix = "_i_D5" if with_images else ""
    return instance_data_dir(root) / f"scenes_{split}_info{suffix}.pkl"


def listed_scenes(args: argparse.Namespace, step: Step) -> list[str]:
    """Sorted ids of the scenes of `--splits`, or those of `--scenes` among them.

    A split without a list is counted; one whose list is empty is a failure. Neither takes anything
    away of what was made of the split before. Raises `MissingInputError` when no scene is listed,
    or one of `--scenes` is not.
    """
    lists = read_split_lists(args.root)
    for split in args.splits:
        path = list_path(args.root, split)
        if split not in lists:
            step.table.absent[f"{split}, no {path}"] += 1
        elif not lists[split]:
            step.table.failures[split] = f"{path}: the list is empty; {_README}"
        if not lists.get(split) and info_path(args.root, split).exists():
            step.guard.unlisted = f"{path}: no scene is listed there any more"
    scenes = sorted(scene for split in args.splits for scene in lists.get(split, ()))
    if not scenes:
        raise MissingInputError(
            f"{list_path(args.root, args.splits[0])}: lists no scene; {_README}"
        )
    unknown = set(args.scenes or ()) - set(scenes)
    if unknown:
        raise MissingInputError(f"--scenes {min(unknown)}: in none of the split lists")
    return [scene for scene in scenes if scene in args.scenes] if args.scenes else scenes


def list_path(root: Path, split: str) -> Path:
    """The list of a split's scenes."""
    return root / SCANNET / f"meta_data/scannetv2_{split}.txt"


def read_split_lists(root: Path) -> dict[str, list[str]]:
    """Sorted scene ids of each split that has a list; it may be empty.

    Raises `SettingsError` when a scene stands in both lists.
    """
    lists = {}
    for split in SPLITS:
        path = list_path(root, split)
        if path.exists():
            lists[split] = read_id_list(path, _README)
    both = set(lists.get("train", ())) & set(lists.get("val", ()))
    if both:
        raise SettingsError(
            f"{root / SCANNET / 'meta_data'}: {min(both)} is listed in scannetv2_train.txt and in "
            "scannetv2_val.txt; remove it from one"
        )
    return lists
