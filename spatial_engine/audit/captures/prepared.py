"""Whether the images and poses of a prepared scene are those that its source gives.

Reads `{id}.jpg`, `{id}.png` and `{id}.txt` of `posed_images`; what is not there is not judged.

What was chosen where the definitions leave a choice:
- every depth pixel is one that `depths` allows. Poses may differ by POSE_ERROR, as they are
  written with fewer digits than they have.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spatial_engine.audit.captures.capture import RawCapture
from spatial_engine.audit.captures.tree import Tree, floats
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.pictures import MAX_FILE_BYTES, PictureError, read_grey_png

POSE_ERROR = 1e-5  # metres, and of a direction


def check_prepared(capture: RawCapture, frame_ids: Iterable[str]) -> list[str]:
    """Complaints about the files of frames of a prepared scene."""
    if not capture.posed_images.is_dir():
        return []
    tree, complaints = Tree(capture.posed_images), []
    checks = (("jpg", _check_picture), ("png", _check_depth), ("txt", _check_pose))
    for frame_id in frame_ids:
        for end, check in checks:
            name = f"{frame_id}.{end}"
            wrong = check(capture, frame_id, tree, name) if tree.has(name) else ""
            complaints += [f"image {name}: {wrong}"] if wrong else []
    return complaints


def _check_picture(capture: RawCapture, frame_id: str, tree: Tree, name: str) -> str:
    return capture.why_not_stored(frame_id, tree.read(name, MAX_FILE_BYTES))


def _check_depth(capture: RawCapture, frame_id: str, tree: Tree, name: str) -> str:
    try:
        found = read_grey_png(tree.read(name, MAX_FILE_BYTES))
    except PictureError as err:
        return str(err)
    low, high = capture.depth_mm_bounds(frame_id)
    if found.shape != low.shape:
        return f"depth of {found.shape}, the source's is {low.shape}"
    wrong = np.argwhere((found < low) | (found > high))
    if not len(wrong):
        return ""
    row, column = wrong[0]
    truth = f"{found[row, column]} mm at ({column}, {row}), expected {low[row, column]:g}"
    truth += f" to {high[row, column]:g}" if low[row, column] != high[row, column] else ""
    return f"{len(wrong)} of {found.size} depths are wrong, as {truth}"


def _check_pose(capture: RawCapture, frame_id: str, tree: Tree, name: str) -> str:
    try:
        words = floats(tree.text(name).split(), tree.full(name))
    except RawDataError as err:
        return str(err)
    if len(words) != 16:
        return f"{len(words)} numbers, not 16"
    truth = capture.world_from_cam(frame_id)
    off = np.abs(words.reshape(4, 4) - truth).max()
    return "" if off <= POSE_ERROR else f"a pose that differs by {off:.6g} from the source's"
