"""Reads a sequence of 7-Scenes: `frame-000000.{color.png|color.jpg,depth.png,pose.txt}`.

What was chosen where the format leaves a choice:
- The pose is that of the depth camera, and so are the intrinsics of `camera-intrinsics.txt`, or
  those given by hand; colour has f 525, c (320, 240). Where depth is registered already, they and
  the pose are those of colour.
- The rotation between the cameras is the identity, where nothing else is told.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.audit.captures.formats.numbered import by_number, matrix_of_text
from spatial_engine.audit.captures.images import colour_of, depth_of, jpeg_of
from spatial_engine.audit.captures.rotations import inverse, is_finite_pose, rigid
from spatial_engine.audit.captures.scan import DepthCamera, SourceFrame, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree
from spatial_engine.audit.raw.cameras import check_rigid

COLOUR_FROM_DEPTH = rigid(np.eye(3), (-0.0256, 0.0001, 0.0020))
DEPTH_CAMERA = camera_matrix(585, 585, 320, 240)
COLOUR_CAMERA = camera_matrix(525, 525, 320, 240)
NONE = 65535
INTRINSICS = "camera-intrinsics.txt"


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    names = tree.names()
    colours = by_number(names, r"frame-([0-9]+)\.color\.(?:png|jpg)")
    depths = by_number(names, r"frame-([0-9]+)\.depth\.png")
    poses = by_number(names, r"frame-([0-9]+)\.pose\.txt")
    told = source.camera()
    if told is None:
        told = _told(source)
    depth_camera = None
    K = COLOUR_CAMERA if told is None or not source.registered else told
    depth_from_colour = np.eye(4)
    if not source.registered:
        between = source.colour_from_depth
        between = COLOUR_FROM_DEPTH if between is None else between
        depth_camera = DepthCamera(DEPTH_CAMERA if told is None else told, between)
        depth_from_colour = inverse(between)
    frames = {}
    for number in colours.keys() & depths.keys() & poses.keys() & set(source.numbers):
        pose = matrix_of_text(tree, poses[number], (4, 4))
        if not is_finite_pose(pose):
            continue
        check_rigid(tree.full(poses[number]), pose)
        frames[number] = SourceFrame(
            number,
            pose @ depth_from_colour,
            K,
            colour_of(tree, colours[number]),
            depth_of(tree, depths[number], none=(NONE,)),
            jpeg_of(tree, colours[number]),
        )
    return SourceScan(frames, depth_camera=depth_camera)


def _told(source: Source) -> np.ndarray | None:
    """(3, 3) of the file of intrinsics in the folder, or in the one that holds it."""
    for folder in (source.path, source.path.parent):
        if (folder / INTRINSICS).is_file():
            return matrix_of_text(Tree(folder), INTRINSICS, (3, 3))
    return None
