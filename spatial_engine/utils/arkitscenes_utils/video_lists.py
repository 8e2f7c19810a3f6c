"""Which videos of ARKitScenes are of which split, and where they are on the disk."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.utils.arkitscenes_utils.video_files import COLOR
from spatial_engine.utils.storage.files import check_id
from spatial_engine.utils.storage.input_files import missing, read_text
from spatial_engine.utils.storage.os_errors import dangling_link

SOURCE = Path("data/arkitscenes")
FOLDS = {"Training": "train", "Validation": "val"}
DOWNLOADS = ("3dod", "threedod", "raw")  # where a video is in two, the first is taken
LISTS = ("3dod_train_val_splits.csv", "raw_train_val_splits.csv")
README = "get it as spatial_engine/utils/arkitscenes_utils/README.md says"
LIST_REMEDY = "get it again"
MAX_LIST_BYTES = 2**24  # real ones take 150 thousand


def scene_lists(root: Path) -> dict[str, list[str]]:
    """Sorted ids of the videos of "train" and "val".

    They are those of the owners' lists where one is there (of either download, beside the videos or
    in the folder of the download), else of the folders. Raises `SettingsError` for a video of both
    splits.
    """
    source = root / SOURCE
    if not source.is_dir():
        raise MissingInputError(missing(source, README, "folder"))
    places = [source / place / name for name in LISTS for place in ("", *DOWNLOADS)]
    tables = [path for path in places if path.is_file() or dangling_link(path)]
    fold_of: dict[str, tuple[str, Path]] = {}
    named = [(path, *row) for path in tables for row in read_split_table(path).items()]
    if not tables:
        named = [
            (folder, check_id(video.name, folder), fold)
            for fold in FOLDS
            for folder in (source / download / fold for download in DOWNLOADS)
            if folder.is_dir()
            for video in sorted(folder.iterdir())
            if video.is_dir() and video.name.isdecimal()
        ]
    for place, video_id, fold in named:
        other, first = fold_of.setdefault(video_id, (fold, place))
        if other != fold:
            raise SettingsError(
                f"{place}: {video_id} is of {fold}, {first} has it in {other}; remove it from one"
            )
    if not fold_of:
        raise MissingInputError(
            f"{source}: no video is there, in {DOWNLOADS[0]}/{'|'.join(FOLDS)}/<id> nor in "
            f"{DOWNLOADS[-1]}/{'|'.join(FOLDS)}/<id>; {README}"
        )
    return {
        split: sorted(video_id for video_id, (of, _) in fold_of.items() if of == fold)
        for fold, split in FOLDS.items()
    }


def read_split_table(path: Path) -> dict[str, str]:
    """ "Training" or "Validation" by video id, of one of the owners' lists of videos."""
    text = read_text(path, LIST_REMEDY, MAX_LIST_BYTES)
    folds: dict[str, str] = {}
    try:
        rows = csv.DictReader(io.StringIO(text, ""))
        lacking = {"video_id", "fold"} - set(rows.fieldnames or ())
        if lacking:
            raise ValueError(f"no column {min(lacking)}")
        for row in rows:
            video_id, fold = row["video_id"], row["fold"]
            if fold not in FOLDS:
                raise ValueError(f"{str(fold)[:40]!r} is neither of {' and '.join(FOLDS)}")
            if folds.setdefault(check_id(video_id, path), fold) != fold:
                raise ValueError(f"{video_id} is of both")
    except (ValueError, TypeError, csv.Error) as error:
        raise BadDataError(f"{path}: not a list of videos ({error}); {LIST_REMEDY}") from None
    return folds


def find_video(root: Path, video_id: str) -> Path | None:
    """The folder of a video: the first, by `DOWNLOADS`, that holds frames, else the first that is
    there; None where none is. A video may be in the folder of either fold."""
    places = [root / SOURCE / download / fold for download in DOWNLOADS for fold in FOLDS]
    there = [place / video_id for place in places if _is_there(place / video_id)]
    for folder in there:
        if any((frames / COLOR).is_dir() for frames in (folder / f"{video_id}_frames", folder)):
            return folder
    return there[0] if there else None


def is_packed(root: Path, video_id: str) -> bool:
    """Whether the archive of a video is where the download leaves it."""
    places = (root / SOURCE / download / fold for download in DOWNLOADS for fold in FOLDS)
    return any((place / f"{video_id}.zip").is_file() for place in places)


def _is_there(folder: Path) -> bool:
    """Whether something is in a folder; a link to nothing counts, whoever reads it names it."""
    return bool(dangling_link(folder)) or (folder.is_dir() and any(folder.iterdir()))
