"""Reads a Record3D recording, an `.r3d` archive or the folder of it: `metadata`, `rgbd/0.jpg`,
`0.depth`, `0.conf`.

What was chosen where the format leaves a choice:
- Depth and confidence are LZFSE, or raw bytes where they are as long as the image is large.
- Without dw and dh the size of depth images is one of SIZES, by the number of bytes.
- The other export ("EXR + JPG") is not read.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from spatial_engine.audit.captures.formats.numbered import by_number
from spatial_engine.audit.captures.images import colour_of, confident, jpeg_of
from spatial_engine.audit.captures.packed import lzfse
from spatial_engine.audit.captures.rotations import FROM_OPENGL, by_quaternion, rigid
from spatial_engine.audit.captures.scan import SourceFrame, SourceScan
from spatial_engine.audit.captures.sources import Source, camera_matrix
from spatial_engine.audit.captures.tree import Tree, floats, matrix
from spatial_engine.audit.raw.limits import MAX_PIXELS, RawDataError
from spatial_engine.audit.raw.pictures import MAX_FILE_BYTES

SIZES = ((192, 256), (480, 640), (720, 960))  # (width, height)


def read(source: Source) -> SourceScan:
    tree = Tree(source.path)
    top = tree.within(("metadata",))
    told, where = tree.json(f"{top}metadata"), tree.full(f"{top}metadata")
    names = tree.names(f"{top}rgbd")
    colours = by_number(names, r"([0-9]+)\.jpg")
    depths = by_number(names, r"([0-9]+)\.depth")
    sure = by_number(names, r"([0-9]+)\.conf")
    poses = told.get("poses")
    if not isinstance(poses, list):
        raise RawDataError(f"{where}: no list poses")
    size = _depth_size(told, where)
    frames = {}
    for number in sorted(colours.keys() & depths.keys()):
        if number >= len(poses):
            continue
        pose = floats(poses[number], f"{where}: poses")
        if len(pose) != 7:
            raise RawDataError(f"{where}: pose {number} is not 7 numbers")
        if not np.isfinite(pose).all():
            continue
        rotation = by_quaternion(*pose[:4], what=f"{where}: pose {number}")
        K = source.camera()
        colour, depth = f"{top}rgbd/{colours[number]}", f"{top}rgbd/{depths[number]}"
        levels = None
        if number in sure:
            levels = _packed(tree, f"{top}rgbd/{sure[number]}", "|u1", size)
        metres = _packed(tree, depth, "<f4", size)
        frames[number] = SourceFrame(
            number,
            rigid(rotation, pose[4:]) @ FROM_OPENGL,
            _camera(told, number, where) if K is None else K,
            colour_of(tree, colour),
            confident(_mm(metres), levels, source.confidence, tree.full(depth)),
            jpeg_of(tree, colour),
        )
    return SourceScan(frames)


def _depth_size(told: dict, where: str) -> tuple[int, int] | None:
    """(width, height) of depth images, None where it is not told."""
    if told.get("dw") is None or told.get("dh") is None:
        return None
    width, height = (int(x) for x in np.nan_to_num(floats([told["dw"], told["dh"]], where)))
    if not (width > 0 and height > 0 and width * height <= MAX_PIXELS):
        raise RawDataError(f"{where}: depth images of {width}x{height} pixels")
    return width, height


def _camera(told: dict, number: int, where: str) -> np.ndarray:
    """(3, 3) of a frame; that of the first one where frames have none of their own."""
    by_frame = told.get("perFrameIntrinsicCoeffs")
    if isinstance(by_frame, list) and number < len(by_frame):
        values = floats(by_frame[number], f"{where}: perFrameIntrinsicCoeffs")
        if len(values) != 4:
            raise RawDataError(f"{where}: perFrameIntrinsicCoeffs of {number} are not 4 numbers")
        return camera_matrix(*values)
    return matrix(told.get("K"), (3, 3), f"{where}: K").T  # column by column


def _packed(
    tree: Tree, name: str, code: str, size: tuple[int, int] | None
) -> Callable[[], np.ndarray]:
    """(h, w) of a file, when asked for. size: (width, height), None where it is to be guessed."""

    def read() -> np.ndarray:
        data, bytes_of = tree.read(name, MAX_FILE_BYTES), np.dtype(code).itemsize
        refused = ""
        for width, height in SIZES if size is None else (size,):
            wanted = width * height * bytes_of
            content = data
            if data[:3] == b"bvx":
                try:
                    content = lzfse(data, wanted)
                except RawDataError as err:
                    refused = str(err)
                    continue
            if len(content) == wanted:
                return np.frombuffer(content, code).reshape(height, width).astype(np.float64)
        raise RawDataError(f"{tree.full(name)}: {refused or f'{len(data)} bytes'}")

    return read


def _mm(metres: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    return lambda: 1000.0 * metres()
