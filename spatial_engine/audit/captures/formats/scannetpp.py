"""Reads a scene of ScanNet++: the phone's frames, and the annotated mesh of the scanner.

What was chosen where the format leaves a choice:
- Extracted `rgb/`, `depth/`, `rgb_masks/` are taken where they are there, each by itself, else
  `rgb.mkv` (or `rgb.mp4`), `depth.bin`, `rgb_mask.mkv`.
- Poses are `aligned_pose` of `pose_intrinsic_imu.json`; a frame without finite ones is none.
- Intrinsics are for images of 1920x1440, whatever the size of the pictures.
- An object has the id objectId - 1, of the group without `remove` as its label. Its vertices are
  those of its segments, by segIndices. Of several objects of a vertex the one with the fewest
  vertices has it, of equal ones the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

import numpy as np

from spatial_engine.audit.captures.depth_bin import DepthBin
from spatial_engine.audit.captures.formats.numbered import by_number
from spatial_engine.audit.captures.images import colour_of, depth_of, grey, jpeg_of
from spatial_engine.audit.captures.ply import read_vertices
from spatial_engine.audit.captures.scan import SourceFrame, SourceMesh, SourceScan
from spatial_engine.audit.captures.sources import Source
from spatial_engine.audit.captures.tree import Tree, matrix
from spatial_engine.audit.captures.video import MaskVideo, Video
from spatial_engine.audit.raw.annotations import MAX_OBJECTS
from spatial_engine.audit.raw.limits import RawDataError

TOLD_SIZE = 1920, 1440  # (width, height) of the images that intrinsics are for
KEPT, KEPT_OF_VIDEO = 255, 250  # of a mask; white loses a little in a video
DROPPED_LABEL = "remove"
MESH = "scans/mesh_aligned_0.05.ply"
Image = Callable[[], np.ndarray]


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    cameras = _cameras(tree)
    colours, jpegs, guesses, scale = _colours(tree, cameras)
    depths, truncated = _depths(tree, cameras)
    masks = _masks(tree, source.numbers)
    frames = {}
    for number in sorted(cameras.keys() & colours.keys() & depths.keys()):
        pose, K = cameras[number]
        frames[number] = SourceFrame(
            number, pose, scale @ K, colours[number], depths[number], jpegs.get(number),
            keep=masks.get(number), guess=guesses.get(number),
        )  # fmt: skip
    return SourceScan(
        frames, mesh=(lambda: _mesh(tree)) if tree.has(MESH) else None, truncated=truncated
    )


def _cameras(tree: Tree) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """{number: (world_from_cam, K)} of the frames whose numbers are all finite."""
    name = "iphone/pose_intrinsic_imu.json"
    told, where = tree.json(name), tree.full(name)
    found = {}
    for number, key in by_number(told, "frame_([0-9]+)").items():
        item = told[key]
        item = item if isinstance(item, dict) else {}
        if item.get("aligned_pose") is None:
            continue
        pose = matrix(item["aligned_pose"], (4, 4), f"{where}: {key}: aligned_pose")
        K = matrix(item.get("intrinsic"), (3, 3), f"{where}: {key}: intrinsic")
        if np.isfinite(pose).all() and np.isfinite(K).all():
            found[number] = pose, K
    return found


def _colours(
    tree: Tree, cameras: dict
) -> tuple[dict[int, Image], dict[int, Callable[[], bytes]], dict[int, Image], np.ndarray]:
    """Pictures, the bytes of those that are stored as JPEG, and quick guesses, by number; and the
    (3, 3) scaling of intrinsics to their size."""
    names = by_number(tree.names("iphone/rgb"), r"frame_([0-9]+)\.(?:jpg|png)")
    if names:
        paths = {number: f"iphone/rgb/{name}" for number, name in names.items()}
        jpegs = {number: jpeg_of(tree, path) for number, path in paths.items()}
        pictures = {number: colour_of(tree, path) for number, path in paths.items()}
        height, width, _ = pictures[min(pictures)]().shape
        jpegs = {number: jpeg for number, jpeg in jpegs.items() if jpeg}
        return pictures, jpegs, {}, _scaling((width, height))
    for name in ("rgb.mkv", "rgb.mp4"):
        if tree.has(f"iphone/{name}"):
            video = Video(tree.path / "iphone" / name)
            guesses = {number: partial(video.guess, number) for number in cameras}
            pictures = {number: partial(video.picture, number) for number in cameras}
            return pictures, {}, guesses, _scaling(video.size)
    raise RawDataError(f"{tree.path}/iphone: no rgb, rgb.mkv nor rgb.mp4")


def _scaling(size: tuple[int, int]) -> np.ndarray:
    """(3, 3) from pixels of the told size to those of images of `size`."""
    return np.diag([size[0] / TOLD_SIZE[0], size[1] / TOLD_SIZE[1], 1.0])


def _depths(tree: Tree, cameras: dict) -> tuple[dict[int, Image], bool]:
    """Depth in millimetres by number, and whether it is to be truncated."""
    names = by_number(tree.names("iphone/depth"), r"frame_([0-9]+)\.png")
    if names:
        folder = "iphone/depth"
        return {n: depth_of(tree, f"{folder}/{name}") for n, name in names.items()}, False
    stream = DepthBin(tree.path / "iphone" / "depth.bin")
    numbers = (n for n in cameras if stream.frames is None or n < stream.frames)
    return {number: partial(stream.depth_mm, number) for number in numbers}, stream.in_metres


def _masks(tree: Tree, numbers: list[int]) -> dict[int, Image]:
    """Where each picture may be shown, by number."""
    names = by_number(tree.names("iphone/rgb_masks"), r"frame_([0-9]+)\.png")
    if names:
        return {n: _kept(tree, f"iphone/rgb_masks/{name}") for n, name in names.items()}
    if tree.has("iphone/rgb_mask.mkv"):
        video = Video(tree.path / "iphone" / "rgb_mask.mkv")
        masks = MaskVideo(video, numbers, KEPT_OF_VIDEO)
        return {number: partial(masks.keep, number) for number in numbers}
    return {}


def _kept(tree: Tree, name: str) -> Image:
    return lambda: grey(tree, name) >= KEPT


# ---- mesh ----------------------------------------------------------------------------------------


def _mesh(tree: Tree) -> SourceMesh:
    vertices = read_vertices(tree, MESH)
    name, where = "scans/segments.json", tree.full("scans/segments.json")
    segments = tree.json(name).get("segIndices")
    if not isinstance(segments, list) or not all(type(s) is int for s in segments):
        raise RawDataError(f"{where}: segIndices are no list of int")
    if len(segments) != len(vertices):
        raise RawDataError(f"{where}: {len(segments)} segment ids, {len(vertices)} vertices")
    groups, labels = _groups(tree), {}
    vertices_of_segment = Counter(segments)
    sizes = [sum(vertices_of_segment[s] for s in set(of)) for _, _, of in groups]
    owner_of_segment: dict[int, int] = {}
    # from the largest to the smallest, and of equal ones the first last, which then has it
    for k in sorted(range(len(groups)), key=lambda k: (-sizes[k], -k)):
        object_id, label, of = groups[k]
        labels[object_id] = label
        for segment in of:
            owner_of_segment[segment] = object_id + 1
    owners = np.array([owner_of_segment.get(s, 0) for s in segments], dtype=np.int64)
    return SourceMesh(vertices, owners, dict(sorted(labels.items())))


def _groups(tree: Tree) -> list[tuple[int, str, list[int]]]:
    """(object id, label, segments) of each object that is not dropped, in order of the file."""
    name = "scans/segments_anno.json"
    told, where = tree.json(name).get("segGroups"), tree.full(name)
    if not isinstance(told, list) or len(told) > MAX_OBJECTS:
        raise RawDataError(f"{where}: no list segGroups")
    found, ids = [], set()
    for k, item in enumerate(told):
        item = item if isinstance(item, dict) else {}
        object_id, label, segments = (item.get(key) for key in ("objectId", "label", "segments"))
        if type(object_id) is not int or not 1 <= object_id <= MAX_OBJECTS:
            raise RawDataError(f"{where}: segGroups[{k}]: no objectId from 1 to {MAX_OBJECTS}")
        if not isinstance(label, str):
            raise RawDataError(f"{where}: segGroups[{k}]: no label")
        if not isinstance(segments, list) or not all(type(s) is int for s in segments):
            raise RawDataError(f"{where}: segGroups[{k}]: segments are no list of int")
        if object_id in ids:
            raise RawDataError(f"{where}: two objects have the objectId {object_id}")
        ids.add(object_id)
        if label != DROPPED_LABEL:
            found.append((object_id - 1, label, segments))
    return found
