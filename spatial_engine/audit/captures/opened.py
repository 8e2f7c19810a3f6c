"""The raw scene of any data set, and which data sets there are."""

from __future__ import annotations

import os
from pathlib import Path

from spatial_engine.audit.captures.capture import RawCapture
from spatial_engine.audit.captures.sources import is_dataset_name, read_sources, sources_path
from spatial_engine.audit.raw.ids import SCANNET, split_list_path
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.raw.scene import RawScene


def raw_scene(root: str | Path, dataset: str, scene_id: str) -> PosedScene:
    """A scene as its raw files have it; `RawDataError` names the one that is missing or damaged."""
    if dataset == SCANNET:
        return RawScene(root, scene_id)
    return RawCapture(root, dataset, scene_id)


def scene_datasets(root: Path) -> list[str]:
    """Data sets with scenes: ScanNet first, then those with lists of scenes, or of sources."""
    try:
        names = sorted(os.listdir(root / "data"))
    except OSError:
        names = []
    found = [SCANNET]
    for name in names:
        lists = [split_list_path(root, split, name) for split in ("train", "val")]
        known = any(path.is_file() for path in (sources_path(root, name), *lists))
        if known and name != SCANNET and is_dataset_name(name):
            found.append(name)
    return found


def scenes_on_disk(root: Path, dataset: str) -> set[str]:
    """Scenes whose raw files are there, by their folders or by what tells of their sources."""
    if dataset != SCANNET:
        told = sources_path(root, dataset).is_file()
        return set(read_sources(root, dataset)) if told else set()
    try:
        return set(os.listdir(root / "data" / "scannet" / "scans"))
    except OSError:
        return set()
