"""A ScanNet scan as a capture, read without preparation."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from plyfile import PlyData

from spatial_engine.utils.preparation.capture import AnnotatedMesh, Capture, MeshObject, Picture
from spatial_engine.utils.scannet_utils import annotations
from spatial_engine.utils.scannet_utils.sens import SensReader

SCENE = "scene9000_00"


def open_scan(folder: Path) -> Capture:
    """A ScanNet scan as a capture."""
    with SensReader(folder / f"{SCENE}.sens") as reader:
        frames = [frame for _, frame in reader.frames()]
        depth = [reader.depth_image(frame) for frame in frames]

    def images(wanted) -> Iterator[Picture]:
        for number in wanted:
            yield Picture(number, frames[number].color_bytes, depth[number])

    vertex = PlyData.read(str(folder / f"{SCENE}_vh_clean_2.ply"))["vertex"]
    points = np.stack([vertex[k] for k in ("x", "y", "z", "red", "green", "blue")], 1).astype(float)
    objects = annotations.read_objects(folder / f"{SCENE}.aggregation.json")
    segments = annotations.read_segments(folder / f"{SCENE}_vh_clean_2.0.010000.segs.json")
    instances = np.zeros(len(points), np.int32)
    for item in objects:
        instances[np.isin(segments, item.segments)] = item.object_id + 1
    named = [MeshObject(item.object_id, item.raw_category) for item in objects]
    return Capture(
        numbers=np.arange(len(frames)),
        poses=np.stack([frame.camera_to_world for frame in frames]).astype(float),
        intrinsics=np.stack([reader.header.color_intrinsic[:3, :3].astype(float)] * len(frames)),
        color_size=reader.header.color_size,
        images=images,
        up=np.array([0.0, 0, 1]),
        mesh=lambda: AnnotatedMesh(points, instances, named),
    )
