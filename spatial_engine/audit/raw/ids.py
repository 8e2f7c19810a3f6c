"""Ids of frames, and the lists of the scenes and clips of each split.

Reads, under `root`:
    data/scannet/meta_data/scannetv2_<split>.txt           scene ids, one a line
    data/<dataset>/meta_data/<split>.txt                   of any other data set of scenes
    data/tapvid3d_dataset/meta_data/<set>/<split>.txt      clip ids; <set> of DATASETS

How docs/spec.md was read where it leaves a choice, by section:
- 3.2 a frame's name is its number in the `.sens` with any zeros before it ("5", "00005").
"""

from __future__ import annotations

import re
from pathlib import Path

from spatial_engine.audit.raw.limits import RawDataError

SCANNET = "scannet"
DATASETS = ("adt", "pstudio", "drivetrack")
STANDING_CAMERAS = ("pstudio",)
ONE_BODY = ("drivetrack",)  # all points of a clip lie on one thing
FRAME_STEP = 5  # "D5": every later step of the engine reads frames 0, 5, 10, ...
FRAME_PATTERN = "[0-9]{1,200}"  # name of a frame, within a regular expression


def frame_of(name: object) -> str | None:
    """The id ("00005") of the frame that a name means, which is its number with any zeros before
    it; None for anything that is not a number."""
    if not isinstance(name, str) or not re.fullmatch(FRAME_PATTERN, name):
        return None
    return f"{int(name):05d}"


def frame_or_name(name: object) -> object:
    """The id of the frame that a name means; of an object, or what is neither, the name itself."""
    return frame_of(name) or name


def split_list_path(root: str | Path, split: str, dataset: str = SCANNET) -> Path:
    """Where the ids of the scenes of a split stand."""
    name = f"scannetv2_{split}.txt" if dataset == SCANNET else f"{split}.txt"
    return Path(root) / "data" / dataset / "meta_data" / name


def read_split_list(root: str | Path, split: str, dataset: str = SCANNET) -> list[str]:
    """Scene ids of a split, in file order."""
    return read_ids(split_list_path(root, split, dataset))


def read_clip_list(root: str | Path, dataset: str, split: str) -> list[str]:
    """Clip ids of a split, in file order."""
    folder = Path(root) / "data" / "tapvid3d_dataset" / "meta_data" / dataset
    return read_ids(folder / f"{split}.txt")


def read_ids(path: Path) -> list[str]:
    """Ids of scenes or clips, one a line, in file order; each may be the name of a file."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except OSError as err:
        raise RawDataError(f"{path}: {err.strerror or err}") from err
    except UnicodeDecodeError as err:
        raise RawDataError(f"{path}: {err}") from err
    ids = [line.strip() for line in lines if line.strip()]
    for name in ids:
        if not re.fullmatch("[A-Za-z0-9_.+-]{1,200}", name) or name in (".", ".."):
            raise RawDataError(f"{path}: {name[:80]!r} is not an id")
    return ids
