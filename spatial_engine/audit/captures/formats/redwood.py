"""Reads images with a trajectory of Open3D: `.log` (Redwood) or `.json` (PinholeCameraTrajectory).

What was chosen where the format leaves a choice:
- The first pose belongs to the first colour image and the first depth image in order of their
  names, and so on; that place is the number of the frame.
- Intrinsics are those given by hand, else of the trajectory, else of a JSON with intrinsic_matrix
  beside it, else 525 525 319.5 239.5.
"""

from __future__ import annotations

import re

import numpy as np

from spatial_engine.audit.captures.images import colour_of, depth_of, jpeg_of
from spatial_engine.audit.captures.rotations import inverse, is_finite_pose
from spatial_engine.audit.captures.scan import SourceFrame, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree, floats, matrix
from spatial_engine.audit.raw.limits import MAX_FRAMES, RawDataError

COLOURS, DEPTHS = ("color", "colour", "image", "images", "rgb"), ("depth", "depths")
USUAL = (525.0, 525.0, 319.5, 239.5)


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    colour_folder, colours = _images(tree, COLOURS)
    depth_folder, depths = _images(tree, DEPTHS)
    poses, cameras = _trajectory(tree)
    if len(colours) != len(depths):
        raise RawDataError(f"{source.path}: {len(colours)} colour and {len(depths)} depth images")
    told = source.camera()
    usual = _camera_beside(tree)
    mm = 1.0 if source.depth_unit is None else 1000.0 * source.depth_unit
    frames = {}
    for number, (pose, K) in enumerate(zip(poses, cameras, strict=True)):
        if number >= len(colours) or not is_finite_pose(pose):
            continue
        colour = f"{colour_folder}/{colours[number]}"
        K = usual if K is None else K
        frames[number] = SourceFrame(
            number,
            pose,
            K if told is None else told,
            colour_of(tree, colour),
            depth_of(tree, f"{depth_folder}/{depths[number]}", mm),
            jpeg_of(tree, colour),
        )
    return SourceScan(frames)


def _images(tree: Tree, folders: tuple[str, ...]) -> tuple[str, list[str]]:
    """The folder and its images, in order of the numbers in their names."""
    for folder in folders:
        names = [n for n in tree.names(folder) if re.search(r"\.(png|jpg|jpeg)$", n.lower())]
        if names:
            return folder, sorted(
                names, key=lambda n: ([int(x) for x in re.findall("[0-9]{1,30}", n)], n)
            )
    raise RawDataError(f"{tree.path}: no folder {' nor '.join(folders)} with images")


def _trajectory(tree: Tree) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Poses, and the intrinsics of each where they are told."""
    names = tree.names()
    logs = [name for name in names if name.endswith(".log")]
    if logs:
        name = "trajectory.log" if "trajectory.log" in logs else logs[0]
        poses = _log(tree, name)
        return poses, [None] * len(poses)
    for name in names:
        if name.endswith(".json") and "parameters" in (told := tree.json(name)):
            return _parameters(told["parameters"], tree.full(name))
    raise RawDataError(f"{tree.path}: no trajectory, .log or .json")


def _log(tree: Tree, name: str) -> list[np.ndarray]:
    words = [line.split() for line in tree.text(name).splitlines() if line.strip()]
    where = tree.full(name)
    if len(words) % 5 or len(words) > 5 * MAX_FRAMES:
        raise RawDataError(f"{where}: {len(words)} lines, not five for each pose")
    if any(len(row) != (3 if k % 5 == 0 else 4) for k, row in enumerate(words)):
        raise RawDataError(f"{where}: a pose is not a line of 3 and four of 4 numbers")
    return [
        floats([word for row in words[k + 1 : k + 5] for word in row], where).reshape(4, 4)
        for k in range(0, len(words), 5)
    ]


def _parameters(told: object, where: str) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
        raise RawDataError(f"{where}: parameters are no list")
    poses, cameras = [], []
    for one in told:
        cam_from_world = matrix(one.get("extrinsic"), (4, 4), f"{where}: extrinsic").T
        finite = is_finite_pose(cam_from_world)
        poses.append(inverse(cam_from_world) if finite else cam_from_world)
        cameras.append(_intrinsic_matrix(one.get("intrinsic"), where))
    return poses, cameras


def _intrinsic_matrix(told: object, where: str) -> np.ndarray | None:
    if not isinstance(told, dict) or "intrinsic_matrix" not in told:
        return None
    return matrix(told["intrinsic_matrix"], (3, 3), f"{where}: intrinsic_matrix").T


def _camera_beside(tree: Tree) -> np.ndarray:
    for name in tree.names():
        if name.endswith(".json"):
            K = _intrinsic_matrix(tree.json(name), tree.full(name))
            if K is not None:
                return K
    return camera_matrix(*USUAL)
