"""Reads a sequence of TUM RGB-D: `rgb.txt`, `depth.txt`, `groundtruth.txt` and their images.

What was chosen where the format leaves a choice:
- A frame is a line of rgb.txt, numbered in order of time, those without depth or pose included.
- The depth and the pose of a frame are the nearest in time, at most 0.02 s away, each used once.
- The camera is that of the sequence by the name of its folder; intrinsics given by hand have no
  distortion, and a folder without a name has the 525.0 525.0 319.5 239.5 of the benchmark's page.
"""

from __future__ import annotations

import re

import numpy as np

from spatial_engine.audit.captures.formats.numbered import associated, rows_of
from spatial_engine.audit.captures.images import colour_of, depth_of, jpeg_of
from spatial_engine.audit.captures.rotations import by_quaternion, rigid
from spatial_engine.audit.captures.scan import SourceFrame, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree, floats, safe_name
from spatial_engine.audit.raw.limits import RawDataError

MOST_APART = 0.02  # s
UNITS_PER_METRE = 5000.0
CAMERAS = {  # fx fy cx cy, then k1 k2 p1 p2 k3
    "1": ((517.3, 516.5, 318.6, 255.3), (0.2624, -0.9531, -0.0054, 0.0026, 1.1633)),
    "2": ((520.9, 521.0, 325.1, 249.7), (0.2312, -0.7849, -0.0033, -0.0001, 0.9172)),
    "3": ((535.4, 539.2, 320.1, 247.6), None),
}
FACTORY = (525.0, 525.0, 319.5, 239.5)


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    colour_times, colours = _listed(tree, "rgb.txt")
    depth_times, depths = _listed(tree, "depth.txt")
    pose_times, poses = _poses(tree)
    depth_of_colour = associated(colour_times, depth_times, MOST_APART)
    pose_of_colour = associated(colour_times, pose_times, MOST_APART)
    K, lens = camera_of(source)
    mm = 1000.0 / UNITS_PER_METRE if source.depth_unit is None else 1000.0 * source.depth_unit
    frames = {}
    for number, name in enumerate(colours):
        if number in depth_of_colour and number in pose_of_colour:
            x, y, z, *quaternion = poses[pose_of_colour[number]]
            rotation = by_quaternion(*quaternion, what=tree.full("groundtruth.txt"))
            frames[number] = SourceFrame(
                number,
                rigid(rotation, (x, y, z)),
                K,
                colour_of(tree, name),
                depth_of(tree, depths[depth_of_colour[number]], mm),
                jpeg_of(tree, name),
                lens,
            )
    return SourceScan(frames)


def camera_of(source: Source) -> tuple[np.ndarray, np.ndarray | None]:
    """(3, 3) K and (8,) lens of a sequence."""
    told = source.camera()
    if told is not None:
        return told, None
    match = re.search("freiburg([123])", source.path.name)
    if not match:
        return camera_matrix(*FACTORY), None
    camera, lens = CAMERAS[match[1]]
    return camera_matrix(*camera), None if lens is None else np.array([*lens, 0.0, 0.0, 0.0])


def _listed(tree: Tree, name: str) -> tuple[list[float], list[str]]:
    """Times and names of files, in order of time."""
    rows = rows_of(tree, name)
    if any(len(row) < 2 for row in rows):
        raise RawDataError(f"{tree.full(name)}: a line without time and name")
    times = floats([row[0] for row in rows], tree.full(name))
    names = [safe_name(row[1], tree.full(name)) for row in rows]
    order = np.argsort(times, kind="stable")
    return times[order].tolist(), [names[k] for k in order]


def _poses(tree: Tree) -> tuple[list[float], np.ndarray]:
    """Times, and (n, 7) tx ty tz qx qy qz qw of the poses whose numbers are all finite."""
    rows = rows_of(tree, "groundtruth.txt")
    where = tree.full("groundtruth.txt")
    if any(len(row) != 8 for row in rows):
        raise RawDataError(f"{where}: a line that is not of 8 numbers")
    values = floats([word for row in rows for word in row], where).reshape(-1, 8)
    values = values[np.isfinite(values).all(axis=1)]
    return values[:, 0].tolist(), values[:, 1:]
