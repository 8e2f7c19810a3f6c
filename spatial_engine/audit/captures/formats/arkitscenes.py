"""Reads a video of ARKitScenes, of the 3dod or the raw download.

What was chosen where the format leaves a choice:
- Images are `lowres_wide`, numbered in order of time, those without depth, camera or pose included.
- The pose of an image is the nearest in time, less than 0.005 s away; its camera is that of the
  same time, else of a millisecond less, else of one more. Times are compared in milliseconds.
- An object is an entry of `data`, by its place. A vertex is of the box that holds it, its sides
  included; of several of the one of least volume, of equal ones of the first. Any label is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from spatial_engine.audit.captures.formats.numbered import rows_of
from spatial_engine.audit.captures.images import colour_of, confident, depth_of, grey, jpeg_of
from spatial_engine.audit.captures.ply import read_vertices
from spatial_engine.audit.captures.rotations import by_axis_angle, inverse, rigid
from spatial_engine.audit.captures.scan import SourceFrame, SourceMesh, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree, floats
from spatial_engine.audit.raw.annotations import MAX_OBJECTS
from spatial_engine.audit.raw.limits import RawDataError, is_sound

MOST_APART = 0.005  # s
CONFIDENCE = "confidence"


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    video = source.path.name
    top = f"{video}_frames/" if tree.has(f"{video}_frames") else ""
    colours, depths, cameras, sure = (
        _by_time(tree, f"{top}{folder}", end)
        for folder, end in (
            ("lowres_wide", "png"),
            ("lowres_depth", "png"),
            ("lowres_wide_intrinsics", "pincam"),
            (CONFIDENCE, "png"),
        )
    )
    times, poses = _trajectory(tree, f"{top}lowres_wide.traj")
    frames, wanted = {}, set(source.numbers)
    for number, time in enumerate(sorted(colours)):
        if number not in wanted:
            continue
        camera = next((cameras[t] for t in (time, time - 1, time + 1) if t in cameras), None)
        if time not in depths or camera is None or not len(times):
            continue
        nearest = int(np.abs(times - time / 1000).argmin())
        if not abs(times[nearest] - time / 1000) < MOST_APART:
            continue
        levels = None
        if time in sure:
            levels = _levels(tree, f"{top}{CONFIDENCE}/{sure[time]}")
        depth = f"{top}lowres_depth/{depths[time]}"
        colour = f"{top}lowres_wide/{colours[time]}"
        K = source.camera()
        if K is None:
            K = _camera(tree, f"{top}lowres_wide_intrinsics/{camera}")
        frames[number] = SourceFrame(
            number,
            poses[nearest],
            K,
            colour_of(tree, colour),
            confident(depth_of(tree, depth), levels, source.confidence, tree.full(depth)),
            jpeg_of(tree, colour),
        )
    has_mesh = tree.has(f"{video}_3dod_mesh.ply") and tree.has(f"{video}_3dod_annotation.json")
    return SourceScan(frames, mesh=(lambda: _mesh(tree, video)) if has_mesh else None)


def _by_time(tree: Tree, folder: str, end: str) -> dict[int, str]:
    """{milliseconds: name} of `<id>_<seconds>.<end>`."""
    found = {}
    for name in tree.names(folder):
        match = re.fullmatch(rf".*_([0-9]{{1,12}})\.([0-9]{{3}})\.{end}", name)
        if match:
            found[int(match[1]) * 1000 + int(match[2])] = name
    return found


def _trajectory(tree: Tree, name: str) -> tuple[np.ndarray, list[np.ndarray]]:
    """Times in seconds (n,), and world_from_cam of the lines whose numbers are all finite."""
    rows, where = rows_of(tree, name), tree.full(name)
    if any(len(row) != 7 for row in rows):
        raise RawDataError(f"{where}: a line that is not of 7 numbers")
    values = floats([word for row in rows for word in row], where).reshape(-1, 7)
    values = values[np.isfinite(values).all(axis=1)]
    poses = [inverse(rigid(by_axis_angle(row[1:4], where), row[4:])) for row in values]
    return values[:, 0], poses


def _camera(tree: Tree, name: str) -> np.ndarray:
    words = tree.text(name).split()
    if len(words) != 6:
        raise RawDataError(f"{tree.full(name)}: {len(words)} numbers, expected 6")
    return camera_matrix(*floats(words[2:], tree.full(name)))


def _levels(tree: Tree, name: str) -> Callable[[], np.ndarray]:
    return lambda: grey(tree, name)


# ---- mesh and boxes ------------------------------------------------------------------------------


def _mesh(tree: Tree, video: str) -> SourceMesh:
    vertices = read_vertices(tree, f"{video}_3dod_mesh.ply")
    name = f"{video}_3dod_annotation.json"
    told, where = tree.json(name).get("data"), tree.full(name)
    if not isinstance(told, list) or len(told) > MAX_OBJECTS:
        raise RawDataError(f"{where}: no list data")
    owners, labels = np.zeros(len(vertices), dtype=np.int64), {}
    smallest = np.full(len(vertices), np.inf)
    for object_id, item in enumerate(told):
        if not isinstance(item, dict) or not isinstance(item.get("label"), str):
            raise RawDataError(f"{where}: data[{object_id}] has no label")
        labels[object_id] = re.sub("[ /-]", "_", item["label"])
        centre, lengths, axes = _box(item, f"{where}: data[{object_id}]")
        inside = (np.abs((vertices - centre) @ axes.T) <= lengths / 2).all(axis=1)
        volume = float(np.prod(lengths))
        won = inside & (volume < smallest)
        owners[won], smallest[won] = object_id + 1, volume
    return SourceMesh(vertices, owners, labels)


def _box(item: dict, where: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre (3,), full lengths (3,) and axes (3, 3), a row each, of an object's box."""
    segments = item.get("segments")
    box = segments.get("obbAligned") if isinstance(segments, dict) else None
    if not isinstance(box, dict):
        raise RawDataError(f"{where}: no obbAligned")
    keys = ("centroid", "axesLengths", "normalizedAxes")
    centre, lengths, axes = (floats(box.get(key), f"{where}: {key}") for key in keys)
    if (len(centre), len(lengths), len(axes)) != (3, 3, 9):
        raise RawDataError(f"{where}: obbAligned is not of 3, 3 and 9 numbers")
    if not all(is_sound(values) for values in (centre, lengths, axes)):
        raise RawDataError(f"{where}: obbAligned is beyond all bounds")
    return centre, lengths, axes.reshape(3, 3)
