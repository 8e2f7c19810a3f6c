"""Where the files of a video of ARKitScenes are, in both downloads, and what its frames are called.

`3dod/<split>/<id>/` keeps the frames in `<id>_frames/`, `raw/<split>/<id>/` has the same folders
directly in it. A frame is `<id>_<seconds with 3 decimals>.png` in each of them, on the clock of the
device. Names are compared as milliseconds, as numbers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.input_files import missing
from spatial_engine.utils.storage.looks import Looks

REMEDY = "download the video again"
COLOR, DEPTH, CAMERAS = "lowres_wide", "lowres_depth", "lowres_wide_intrinsics"
TRAJECTORY = "lowres_wide.traj"

# What a folder of something else holds, and what it is then.
_OTHERS = {
    "highres_depth": "a video for depth upsampling, which has no poses",
    "vga_wide": "a raw video of which lowres_wide was not downloaded",
    "ultrawide": "a raw video of which lowres_wide was not downloaded",
    "color.traj": "an old sample of ARKitScenes, whose files are called differently",
    "iphone": "a scene of ScanNet++",
    "keyframes": "a capture of Polycam",
    "transforms.json": "a capture in nerfstudio's form (transforms.json)",
    "rgb.txt": "a sequence of TUM RGB-D",
    "odometry.csv": "a recording of Stray Scanner",
    "seq-01": "a scene of 7-Scenes",
    "Training": "the folder of all videos",
    "Validation": "the folder of all videos",
}


@dataclass(frozen=True)
class VideoFiles:
    """A video's files; `folder` is that of the video, `frames` the one with its frames."""

    video_id: str
    folder: Path
    frames: Path

    @property
    def trajectory(self) -> Path:
        return self.frames / TRAJECTORY

    @property
    def mesh(self) -> Path:
        return self.folder / f"{self.video_id}_3dod_mesh.ply"

    @property
    def annotation(self) -> Path:
        return self.folder / f"{self.video_id}_3dod_annotation.json"

    def path(self, kind: str, milliseconds: int) -> Path:
        """A file of a frame in the folder `kind`."""
        ending = "pincam" if kind == CAMERAS else "png"
        return self.frames / kind / f"{self.video_id}_{milliseconds / 1000:.3f}.{ending}"

    def times(self, kind: str) -> list[int]:
        """Milliseconds of the files in the folder `kind`, ascending; empty where it is not there.
        What has another name is no frame."""
        ending = "pincam" if kind == CAMERAS else "png"
        name = re.compile(rf"{re.escape(self.video_id)}_(\d{{1,9}})\.(\d{{3}})\.{ending}")
        try:
            found = (name.fullmatch(entry) for entry in os.listdir(self.frames / kind))
        except FileNotFoundError:
            return []
        return sorted(int(match[1]) * 1000 + int(match[2]) for match in found if match)


def find_files(folder: Path, video_id: str) -> VideoFiles:
    """The files of the video whose folder this is, of either download.

    Raises `BadDataError` for a folder of something else, naming what it looks like.
    """
    if not folder.is_dir():
        raise MissingFileError(missing(folder, REMEDY, "folder"))
    for frames in (folder / f"{video_id}_frames", folder):
        if (frames / COLOR).is_dir():
            return VideoFiles(video_id, folder, frames)
    names = {*os.listdir(folder), *_names_in(folder / f"{video_id}_frames")}
    looks = next((f": it looks like {what}" for name, what in _OTHERS.items() if name in names), "")
    if not looks and any(name.endswith(".sens") for name in names):
        looks = ": it looks like a scan of ScanNet"
    raise BadDataError(
        f"{folder}: no video of ARKitScenes, as {COLOR} is neither in it nor in "
        f"{video_id}_frames{looks}; {REMEDY}"
    )


def _names_in(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.is_dir() else []


def fingerprint(files: VideoFiles, root: Path, looks: Looks) -> list:
    """What decides a prepared video: its files, of images and intrinsics names and sizes of all,
    and the content of some images; of a large set as it was found before (`looks`)."""
    singles = (files.trajectory, files.mesh, files.annotation)
    folders = [files.frames / kind for kind in (COLOR, DEPTH, CAMERAS)]

    def look() -> tuple[list, int]:
        found = _fingerprint(files, root, singles)
        return found, sum(folder[1] for folder in found[len(singles) :])

    return looks.at(files.video_id, "source", [*singles, *folders], look)


def _fingerprint(files: VideoFiles, root: Path, singles: Sequence[Path]) -> list:
    cameras = provenance.folder_entries(files.frames / CAMERAS, (".pincam",))
    return [
        *(provenance.file_fingerprint(path, root) for path in singles),
        *(
            provenance.folder_fingerprint(files.frames / kind, root, (".png",))
            for kind in (COLOR, DEPTH)
        ),
        [CAMERAS, len(cameras), provenance.digest(cameras)],
    ]
