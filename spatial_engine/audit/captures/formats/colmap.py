"""Reads a text model of COLMAP, `cameras.txt` and `images.txt`, with depth images from elsewhere.

What was chosen where the format leaves a choice:
- The model is in the folder, or in sparse/0, sparse or colmap of it; images are in `images`, or
  where their names lead from the folder; depth is in `depth` or `depths`, `.png` or `.npy` of the
  same name, and in metres of its own unit (0.001) whatever the unit of the poses.
- Frames are numbered in order of their names, those without depth included.
- Pixel centres are at integers + 0.5. Fisheye cameras are refused.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.audit.captures.images import colour_of, depth_of, jpeg_of
from spatial_engine.audit.captures.rotations import by_quaternion, inverse, rigid
from spatial_engine.audit.captures.scan import SourceFrame, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree, floats, safe_name
from spatial_engine.audit.raw.limits import MAX_FRAMES, RawDataError

MODELS = ("", "sparse/0/", "sparse/", "colmap/", "colmap/sparse/0/")
PARAMETERS = {  # places of fx fy cx cy, then names of the rest
    "SIMPLE_PINHOLE": ((0, 0, 1, 2), ()),
    "PINHOLE": ((0, 1, 2, 3), ()),
    "SIMPLE_RADIAL": ((0, 0, 1, 2), ("k1",)),
    "RADIAL": ((0, 0, 1, 2), ("k1", "k2")),
    "OPENCV": ((0, 1, 2, 3), ("k1", "k2", "p1", "p2")),
    "FULL_OPENCV": ((0, 1, 2, 3), ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
}
LENS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    for model in MODELS:
        if tree.has(f"{model}cameras.txt") and tree.has(f"{model}images.txt"):
            break
    else:
        raise RawDataError(f"{source.path}: no cameras.txt and images.txt")
    cameras = read_cameras(tree, f"{model}cameras.txt")
    images = read_images(tree, f"{model}images.txt")
    mm = 1.0 if source.depth_unit is None else 1000.0 * source.depth_unit
    frames = {}
    for number, (name, camera, pose) in enumerate(images):
        if camera not in cameras:
            raise RawDataError(f"{tree.full(f'{model}images.txt')}: no camera {camera[:40]}")
        K, lens = cameras[camera]
        told = source.camera()
        stem = name.rpartition(".")[0] or name
        colour = _first(tree, [f"images/{name}", name])
        depth = _first(
            tree,
            [
                f"{f}/{n}{e}"
                for f in ("depth", "depths")
                for n in (stem, name)
                for e in (".png", ".npy")
            ],
        )
        if colour is None or depth is None:
            continue
        frames[number] = SourceFrame(
            number,
            pose,
            K if told is None else told,
            colour_of(tree, colour),
            depth_of(tree, depth, mm),
            jpeg_of(tree, colour),
            lens,
        )
    return SourceScan(frames)


def _first(tree: Tree, names: list[str]) -> str | None:
    return next((name for name in names if tree.has(name)), None)


def read_cameras(tree: Tree, name: str) -> dict[str, tuple[np.ndarray, np.ndarray | None]]:
    """{camera id: (K in OpenCV's pixels, lens)}."""
    found, where = {}, tree.full(name)
    for line in tree.text(name).splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 5 or words[1] not in PARAMETERS:
            raise RawDataError(f"{where}: camera {line[:60]!r} is no pinhole that is read")
        (places, names), values = PARAMETERS[words[1]], floats(words[4:], where)
        if len(values) != max(places) + 1 + len(names):
            raise RawDataError(f"{where}: camera {line[:60]!r} has {len(values)} parameters")
        fx, fy, cx, cy = (values[k] for k in places)
        told = dict(zip(names, values[max(places) + 1 :], strict=True))
        lens = np.array([told.get(key, 0.0) for key in LENS])
        found[words[0]] = camera_matrix(fx, fy, cx - 0.5, cy - 0.5), lens if lens.any() else None
    return found


def read_images(tree: Tree, name: str) -> list[tuple[str, str, np.ndarray]]:
    """(name, camera id, world_from_cam) of each image, in order of names."""
    lines, where = tree.text(name).splitlines(), tree.full(name)
    lines = [line for line in lines if not line.startswith("#")]
    while lines and not lines[-1].strip():
        lines.pop()
    if len(lines) > 2 * MAX_FRAMES:
        raise RawDataError(f"{where}: {len(lines)} lines")
    found = []
    for line in lines[::2]:  # the points of each image are a line too, which may be empty
        words = line.split(maxsplit=9)
        if len(words) != 10:
            raise RawDataError(f"{where}: image {line[:60]!r} is not of 10 words")
        qw, qx, qy, qz, *shift = floats(words[1:8], where).tolist()
        rotation = by_quaternion(qx, qy, qz, qw, f"{where}: image {words[0][:20]}")
        pose = inverse(rigid(rotation, shift))
        found.append((safe_name(words[9].strip(), where), words[8], pose))
    return sorted(found, key=lambda image: image[0])
