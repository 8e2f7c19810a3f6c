"""Which clips of a data set are there, and which belong to which split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from spatial_engine.errors import BadDataError
from spatial_engine.utils.paths import clip_list_path, clips_dir, drive_segment
from spatial_engine.utils.storage.files import atomic_path, check_id, remove_left
from spatial_engine.utils.storage.input_files import read_id_list

REMEDY = "get the clips as spatial_engine/utils/tapvid3d_utils/README.md says"

# Activities held out for evaluation, whole: no recording of them is trained on.
HELD_OUT = {
    "adt": (
        "Apartment_release_work*",  # and Apartment_release_work_skeleton*
        "Lite_release_recognition_Mug*",
        "Lite_release_recognition_WoodenBoxSmall*",
        "Lite_release_recognition_WoodenFork*",
    ),
    "pstudio": ("basketball*",),
}
# Of the segments of drivetrack, one of so many is held out: those whose SHA-256 it divides.
HELD_OUT_SEGMENTS = 10


def clips_on_disk(root: Path, dataset: str) -> list[str]:
    """Sorted ids of the clips that are there; folders (`tmp`) hold none."""
    folder = clips_dir(root, dataset)
    if not folder.is_dir():
        return []
    paths = sorted(path for path in folder.glob("*.npz") if path.is_file())
    return [check_id(path.stem, path) for path in paths]


def read_lists(root: Path, dataset: str) -> dict[str, list[str]]:
    """Sorted clips of both splits.

    Raises `MissingInputError` without the lists and `BadDataError` for a clip in both.
    """
    remedy = "run spatial_engine/utils/tapvid3d_utils/make_split_lists.py"
    paths = {split: clip_list_path(root, dataset, split) for split in ("train", "val")}
    lists = {split: read_id_list(path, remedy) for split, path in paths.items()}
    both = sorted(set(lists["train"]) & set(lists["val"]))
    if both:
        raise BadDataError(f"{paths['val']}: {both[0]} is in {paths['train']} too; remove one")
    return lists


def split_of(dataset: str, clip_id: str) -> str:
    """Split of a clip by the name of its activity, or of its segment of Waymo.

    Raises `BadDataError` for a name of drivetrack that does not tell its segment.
    """
    if dataset == "drivetrack":
        segment = drive_segment(clip_id)
        if segment is None:
            raise BadDataError(
                f"{clip_id}.npz: not a name of DriveTrack (tapvid3d_<segment>_<camera>_<object>), "
                "so its segment is not known; give it the name that it was published with"
            )
        number = int.from_bytes(hashlib.sha256(segment.encode()).digest(), "big")
        return "train" if number % HELD_OUT_SEGMENTS else "val"
    held_out = any(fnmatchcase(clip_id, pattern) for pattern in HELD_OUT[dataset])
    return "val" if held_out else "train"


def write_missing_lists(root: Path, dataset: str) -> list[Path]:
    """Write the lists of a data set that are not there, from the clips on disk; return them.

    A list that is there is left as it is, and its clips go into no other.
    """
    clips = clips_on_disk(root, dataset)
    if not clips:
        return []
    written = []
    for split in ("train", "val"):
        path = clip_list_path(root, dataset, split)
        if path.exists():
            remove_left(path)
            continue
        _write_list(path, (clip for clip in clips if split_of(dataset, clip) == split))
        written.append(path)
    return written


def _write_list(path: Path, clips: Iterable[str]) -> None:
    with atomic_path(path) as partial:
        partial.write_text("".join(f"{clip}\n" for clip in clips), encoding="utf-8")
