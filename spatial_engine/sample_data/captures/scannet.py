"""The room as a ScanNet scan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from spatial_engine.sample_data.captures.room import CaptureRoom
from spatial_engine.sample_data.rendering.mesh import Mesh
from spatial_engine.sample_data.rendering.render import Camera
from spatial_engine.sample_data.scannet import scannet_files
from spatial_engine.sample_data.scannet.frames import compressed_depth, encode_jpeg
from spatial_engine.sample_data.scannet.quirks import NO_QUIRKS
from spatial_engine.utils.scannet_utils.sens import SensFrame, SensHeader, write_sens

DEPTH_SHIFT = 1000.0  # units in a metre
SCENE_TYPE = "Bedroom / Hotel"


def write(room: CaptureRoom, scans_dir: Path, scene_id: str) -> None:
    """Write the five files of `scans_dir/<scene_id>/`. All frames get the median of their
    intrinsics: the format has one camera. The scan is already aligned."""
    folder = Path(scans_dir) / scene_id
    folder.mkdir(parents=True)
    K = np.median([frame.K for frame in room.frames], axis=0)
    color = Camera(K, room.color_size)
    depth = color.resized(room.depth_size)
    scannet_files.write_scene_text(
        folder / f"{scene_id}.txt", color, depth, len(room.frames), SCENE_TYPE, np.eye(4), "\n"
    )
    header = SensHeader(
        color_intrinsic=color.matrix(),
        color_extrinsic=np.eye(4, dtype=np.float32),
        depth_intrinsic=depth.matrix(),
        depth_extrinsic=np.eye(4, dtype=np.float32),
        color_size=color.size,
        depth_size=depth.size,
        num_frames=len(room.frames),
        depth_shift=DEPTH_SHIFT,
    )
    write_sens(folder / f"{scene_id}.sens", header, _frames(room))
    mesh = _mesh(room)
    labels = [room.labels[number] for number in sorted(room.labels)]
    groups = scannet_files.segment_groups(mesh, labels, NO_QUIRKS)
    scannet_files.write_mesh(folder, scene_id, mesh, groups, old=False)


def _frames(room: CaptureRoom) -> Iterator[SensFrame]:
    for frame in room.frames:
        microseconds = round(frame.time * 1e6)
        yield SensFrame(
            frame.pose.astype(np.float32),
            encode_jpeg(frame.image),
            compressed_depth(frame.depth, DEPTH_SHIFT),
            microseconds,
            microseconds,
        )


def _mesh(room: CaptureRoom) -> Mesh:
    """The mesh with one segment for each object, and one for all that is not annotated."""
    _, first, inverse = np.unique(room.instances, return_index=True, return_inverse=True)
    return Mesh(
        vertices=room.vertices,
        colors=room.colors,
        faces=room.faces,
        thing=room.instances - 1,
        segment=first[inverse],
        missed=room.instances == 0,
    )
