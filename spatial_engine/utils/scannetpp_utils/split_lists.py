"""Which scenes ScanNet++'s lists name, and which of them have phone captures with depth on disk."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from spatial_engine.errors import MissingInputError
from spatial_engine.utils.scannetpp_utils.capture import DEPTH, MASK_VIDEO, MASKS, PHONE
from spatial_engine.utils.scannetpp_utils.depth_bin import FILE as DEPTH_BIN
from spatial_engine.utils.scannetpp_utils.poses import FILE as POSES
from spatial_engine.utils.scenes.split_lists import read_lists
from spatial_engine.utils.storage.input_files import missing, read_id_list
from spatial_engine.utils.storage.os_errors import is_there

README = "get it as spatial_engine/utils/scannetpp_utils/README.md says"
FOLDER = "data/scannetpp"  # below the root
LISTS = {"train": "nvs_sem_train.txt", "val": "nvs_sem_val.txt"}
# Of scenes without annotation or without phone depth; they are in neither of the two.
TEST_LISTS = (
    "nvs_test.txt", "sem_test.txt", "nvs_test_small.txt", "nvs_test_iphone.txt",
)  # fmt: skip
NO_DEPTH = f"listed, no depth of the phone ({PHONE}/{DEPTH_BIN} or {PHONE}/{DEPTH})"
_SCENE = re.compile(r"[0-9a-f]{10}")


def scene_folder(root: Path, scene: str) -> Path:
    return root / FOLDER / "data" / scene


def read_split_lists(root: Path) -> dict[str, list[str]]:
    """Sorted scene ids of each split that has a list.

    Raises `MissingInputError` where there is none at all, `SettingsError` when a scene stands in
    both.
    """
    folder = root / FOLDER / "splits"
    lists = read_lists({split: folder / name for split, name in LISTS.items()}, README)
    if not any(lists.values()):
        raise MissingInputError(missing(folder / LISTS["train"], README, "list with scenes"))
    return lists


def lacking(root: Path, scenes: Iterable[str]) -> dict[str, str]:
    """What is lacking of each scene that cannot be prepared, by id: its folder, its phone capture
    or its phone's depth. A link to nothing counts as there: whoever reads it names it."""
    found = {}
    for scene in scenes:
        phone = scene_folder(root, scene) / PHONE
        if not is_there(phone.parent):
            found[scene] = f"listed, no {FOLDER}/data/<scene>"
        elif not is_there(phone / POSES):
            found[scene] = f"listed, no {PHONE}/{POSES}"
        elif not is_there(phone / DEPTH) and not is_there(phone / DEPTH_BIN):
            found[scene] = NO_DEPTH
    return found


def without_masks(root: Path, scenes: Iterable[str]) -> list[str]:
    """The scenes that tell nothing of what is to be anonymised in their images."""
    return [
        scene
        for scene in scenes
        if not any(
            is_there(scene_folder(root, scene) / PHONE / name) for name in (MASKS, MASK_VIDEO)
        )
    ]


def unlisted(root: Path, lists: Mapping[str, Iterable[str]]) -> list[str]:
    """Scenes on disk that no list names: the lists of version 1 of the data set, left in `splits/`,
    hide the scenes of version 2."""
    folder = root / FOLDER
    known = {scene for scenes in lists.values() for scene in scenes}
    for name in TEST_LISTS:
        if (folder / "splits" / name).is_file():
            known.update(read_id_list(folder / "splits" / name, README))
    if not (folder / "data").is_dir():
        return []
    there = {entry.name for entry in (folder / "data").iterdir() if _SCENE.fullmatch(entry.name)}
    return sorted(there - known)
