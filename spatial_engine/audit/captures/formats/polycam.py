"""Reads a raw export of Polycam, an archive or a folder: `keyframes/` with images, cameras, depth.

What was chosen where the format leaves a choice:
- Frames are numbered in order of time (their stem) among all images, with or without depth.
- A confidence of 0, 1 or 2 that is asked for stands for 0, 127 and 255.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spatial_engine.audit.captures.images import colour_of, confident, depth_of, grey, jpeg_of
from spatial_engine.audit.captures.rotations import FROM_OPENGL, is_finite_pose, rigid
from spatial_engine.audit.captures.scan import SourceFrame, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree, floats

CONFIDENCES = {0: 0, 1: 127, 2: 255}


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    top = f"{tree.within(('keyframes',))}keyframes/"
    better = all(tree.names(f"{top}corrected_{what}") for what in ("images", "cameras"))
    images, cameras = (
        f"{top}{'corrected_' if better else ''}{what}" for what in ("images", "cameras")
    )
    of_stem = {what: _by_stem(tree, f"{top}{what}") for what in ("depth", "confidence")}
    camera_of, least = _by_stem(tree, cameras), source.confidence
    if least is not None:
        least = CONFIDENCES.get(least, least)
    frames, wanted = {}, set(source.numbers)
    stems = _by_stem(tree, images)
    for number, stem in enumerate(sorted(stems, key=_in_time)):
        if number not in wanted or stem not in camera_of or stem not in of_stem["depth"]:
            continue
        camera = f"{cameras}/{camera_of[stem]}"
        K, pose = _camera(tree, camera)
        if not is_finite_pose(pose):
            continue
        depth = f"{top}depth/{of_stem['depth'][stem]}"
        levels = None
        if stem in of_stem["confidence"]:
            levels = _grey(tree, f"{top}confidence/{of_stem['confidence'][stem]}")
        colour = f"{images}/{stems[stem]}"
        frames[number] = SourceFrame(
            number,
            pose @ FROM_OPENGL,
            K if source.intrinsics is None else source.camera(),
            colour_of(tree, colour),
            confident(depth_of(tree, depth), levels, least, tree.full(depth)),
            jpeg_of(tree, colour),
        )
    return SourceScan(frames)


def _by_stem(tree: Tree, folder: str) -> dict[str, str]:
    """{stem: name} of the files of a folder."""
    return {name.rpartition(".")[0]: name for name in tree.names(folder) if "." in name[1:]}


def _in_time(stem: str) -> tuple[int, str]:
    return (int(stem) if stem.isdecimal() and len(stem) < 40 else 0), stem


def _camera(tree: Tree, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(3, 3) K and (4, 4) pose of a camera file."""
    told, where = tree.json(name), tree.full(name)
    keys = [f"t_{row}{column}" for row in range(3) for column in range(4)]
    rows = floats([told.get(key) for key in keys], where).reshape(3, 4)
    intrinsics = floats([told.get(key) for key in ("fx", "fy", "cx", "cy")], where)
    return camera_matrix(*intrinsics), rigid(rows[:, :3], rows[:, 3])


def _grey(tree: Tree, name: str) -> Callable[[], np.ndarray]:
    return lambda: grey(tree, name)
