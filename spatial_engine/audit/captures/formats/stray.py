"""Reads a recording of Stray Scanner: `rgb.mp4`, `depth/000000.{png,npy}`, `odometry.csv`,
`camera_matrix.csv`, `confidence/`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from spatial_engine.audit.captures.formats.numbered import by_number, matrix_of_text, rows_of
from spatial_engine.audit.captures.images import confident, depth_of, grey
from spatial_engine.audit.captures.rotations import by_quaternion, rigid
from spatial_engine.audit.captures.scan import SourceFrame, SourceScan
from spatial_engine.audit.captures.sources import MAX_NUMBER, Source
from spatial_engine.audit.captures.tree import Tree, floats
from spatial_engine.audit.captures.video import Video
from spatial_engine.audit.raw.limits import RawDataError

COLUMNS = ("frame", "x", "y", "z", "qx", "qy", "qz", "qw")


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    K = source.camera()
    if K is None:
        K = matrix_of_text(tree, "camera_matrix.csv", (3, 3), ",")
    video = Video(source.path / "rgb.mp4")
    depths = by_number(tree.names("depth"), r"([0-9]+)\.(?:png|npy)")
    sure = by_number(tree.names("confidence"), r"([0-9]+)\.png")
    frames = {}
    for number, pose in sorted(_poses(tree).items()):
        if number not in depths:
            continue
        depth = f"depth/{depths[number]}"
        levels = _grey(tree, f"confidence/{sure[number]}") if number in sure else None
        frames[number] = SourceFrame(
            number,
            pose,
            K,
            partial(video.picture, number),
            confident(depth_of(tree, depth), levels, source.confidence, tree.full(depth)),
            guess=partial(video.guess, number),
        )
    return SourceScan(frames)


def _poses(tree: Tree) -> dict[int, np.ndarray]:
    """{frame: (4, 4)} of the lines whose numbers are all finite."""
    rows, where = rows_of(tree, "odometry.csv", ","), tree.full("odometry.csv")
    head = [word.strip() for word in rows[0]] if rows else []
    if not set(COLUMNS) <= set(head):
        raise RawDataError(f"{where}: no columns {', '.join(COLUMNS)}")
    places = [head.index(name) for name in COLUMNS]
    found = {}
    for row in rows[1:]:
        if len(row) != len(head):
            raise RawDataError(f"{where}: a line that is not of {len(head)} columns")
        values = floats([row[k] for k in places], where)
        if not np.isfinite(values).all():
            continue
        number = int(values[0])
        if number != values[0] or not 0 <= number <= MAX_NUMBER:
            raise RawDataError(f"{where}: frame {values[0]:g}")
        rotation = by_quaternion(*values[4:], what=f"{where}: frame {number}")
        found[number] = rigid(rotation, values[1:4])
    return found


def _grey(tree: Tree, name: str) -> Callable[[], np.ndarray]:
    return lambda: grey(tree, name)
