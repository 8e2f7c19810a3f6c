"""In what the data sets of clips differ, each described once (SPEC 9)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ClipSet:
    """A data set of clips.

    camera_moves: its clips tell where the camera is; else it stands still. one_body: all tracks of
    a clip lie on one rigid thing, so that no other point tells how still the world is.
    """

    camera_moves: bool
    one_body: bool = False


CLIP_SETS = {  # those of `paths.CLIP_DATASETS`
    "adt": ClipSet(camera_moves=True),
    "pstudio": ClipSet(camera_moves=False),
    "drivetrack": ClipSet(camera_moves=True, one_body=True),
}
