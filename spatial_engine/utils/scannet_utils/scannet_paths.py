"""Where ScanNet data lies below `--root`, and which scenes belong to which split."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.utils.files import read_id_list

log = logging.getLogger(__name__)

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


def read_split_lists(
    root: Path, splits: Sequence[str], only: Sequence[str] | None = None
) -> dict[str, list[str]]:
    """Sorted scene ids of each split that has a list; `only` keeps those of `--scenes`.

    Raises `MissingInputError` when no list is there or `--scenes` names a scene of no list, and
    `SettingsError` when a scene stands in both lists.
    """
    lists = {}
    for split in SPLITS:
        path = root / SCANNET / f"meta_data/scannetv2_{split}.txt"
        if path.exists():
            lists[split] = read_id_list(path, _README)
    both = set(lists.get("train", ())) & set(lists.get("val", ()))
    if both:
        raise SettingsError(
            f"{root / SCANNET / 'meta_data'}: {min(both)} is listed in scannetv2_train.txt and in "
            "scannetv2_val.txt; remove it from one"
        )
    chosen = {split: lists[split] for split in splits if split in lists}
    if not chosen:
        path = root / SCANNET / f"meta_data/scannetv2_{splits[0]}.txt"
        raise MissingInputError(f"{path}: no such list; {_README}")
    for split in splits:
        if split not in chosen:
            log.info("no list of %s scenes: the split is left out", split)
    if only:
        unknown = set(only) - {scene for ids in chosen.values() for scene in ids}
        if unknown:
            raise MissingInputError(f"--scenes {min(unknown)}: in none of the split lists")
        chosen = {split: [s for s in ids if s in set(only)] for split, ids in chosen.items()}
    return chosen
