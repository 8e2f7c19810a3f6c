"""One sample scene from its description to ScanNet's five raw files, frame by frame.

Memory does not grow with the number of frames: each is rendered, compressed, written, forgotten.
Costs docs/performance.md.
"""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from spatial_engine.sample_data.materials.atlas import build_atlas
from spatial_engine.sample_data.rendering.camera_path import camera_path, tracked
from spatial_engine.sample_data.rendering.lighting import bake
from spatial_engine.sample_data.rendering.mesh import Fusion
from spatial_engine.sample_data.rendering.render import Scene
from spatial_engine.sample_data.rendering.sensor import REAL, Sensor
from spatial_engine.sample_data.rendering.surfaces import RayCaster, Surfaces, gather
from spatial_engine.sample_data.rooms import rooms
from spatial_engine.sample_data.rooms.layouts import LAYOUTS
from spatial_engine.sample_data.rooms.solids import Thing
from spatial_engine.sample_data.scannet import scannet_files
from spatial_engine.sample_data.scannet.frames import frames
from spatial_engine.sample_data.scannet.quirks import NO_QUIRKS, Quirks
from spatial_engine.sample_data.scannet.scene_spec import LARGE_COLOR, SceneSpec
from spatial_engine.utils.scannet_utils.sens import SensHeader, write_sens
from spatial_engine.utils.storage import files


def write_scene(
    scans_dir: str | Path,
    scene_id: str,
    *,
    seed: int = 0,
    layout: str | None = None,
    num_frames: int = 85,
    color_size: tuple[int, int] = LARGE_COLOR,
    depth_size: tuple[int, int] = (640, 480),
    vertex_spacing: float = 0.05,
    frame_repeat: int = 1,
    quirks: Quirks = NO_QUIRKS,
    sensor: Sensor = REAL,
) -> Path:
    """Write `scans_dir/<scene_id>/`, whole or not at all, replacing what is there; its path.

    For benchmarks and tests: any id will do; `layout` names one of `LAYOUTS`, by default the id
    and the seed choose it. A scene of true size (300 frames after every 5th is kept, 1296x968,
    about 150,000 vertices) is `num_frames=300, frame_repeat=5, vertex_spacing=0.03`: a minute.
    `sensor=EXACT` gives a scan without faults.
    """
    names = list(LAYOUTS)
    chosen = layout or names[(zlib.crc32(scene_id.encode()) + seed) % len(names)]
    spec = SceneSpec(
        scene_id, chosen, seed, num_frames, color_size, depth_size, vertex_spacing, frame_repeat,
        quirks, sensor,
    )  # fmt: skip
    folder = Path(scans_dir) / scene_id
    with files.atomic_path(folder) as partial:
        partial.mkdir()
        write_scene_files(partial, spec)
        files.remove(folder)
    return folder


def write_scene_files(folder: Path, spec: SceneSpec) -> None:
    """Write the five files of a scene into an existing folder."""
    layout = LAYOUTS[spec.layout]
    things = rooms.furnish(layout, spec.generator("things"))
    scene = build_scene(layout, things, spec)
    poses = true_poses(spec)
    known = tracked(
        poses, spec.sensor.drift_metres, spec.sensor.drift_degrees, spec.generator("drift")
    )
    aligned_from_scan = _alignment(spec)
    scan_from_room = np.linalg.inv(aligned_from_scan)
    color, depth = spec.cameras()
    num_frames = spec.num_frames * spec.frame_repeat

    scannet_files.write_scene_text(
        folder / f"{spec.scene_id}.txt",
        color,
        depth,
        num_frames + spec.quirks.one_frame_more,
        layout.scene_type,
        None if spec.quirks.without_alignment else aligned_from_scan,
        "\r\n" if spec.quirks.crlf else "\n",
    )
    header = SensHeader(
        color_intrinsic=color.matrix(),
        color_extrinsic=np.eye(4, dtype=np.float32),
        depth_intrinsic=depth.matrix(),
        depth_extrinsic=np.eye(4, dtype=np.float32),
        color_size=color.size,
        depth_size=depth.size,
        num_frames=num_frames,
        depth_shift=spec.quirks.depth_shift,
        depth_compression="raw" if spec.quirks.raw_depth else "zlib",
    )
    path = folder / f"{spec.scene_id}.sens"
    fusion = Fusion(scene.surfaces, spec.vertex_spacing, not_scanned(layout, scene.surfaces))
    write_sens(path, header, frames(scene, spec, poses, known, scan_from_room, fusion))
    if spec.quirks.no_imu_tail:
        os.truncate(path, path.stat().st_size - 8)
    mesh = fusion.mesh(scene, spec.generator("mesh"))
    groups = scannet_files.segment_groups(mesh, [thing.label for thing in things], spec.quirks)
    scanned = replace(
        mesh, vertices=mesh.vertices @ scan_from_room[:3, :3].T + scan_from_room[:3, 3]
    )
    scannet_files.write_mesh(folder, spec.scene_id, scanned, groups, spec.quirks.old_aggregation)


def true_poses(spec: SceneSpec) -> np.ndarray:
    """(num_frames, 4, 4) world_from_cam of the frames that are rendered, in the room's frame."""
    return camera_path(LAYOUTS[spec.layout].path, spec.num_frames, spec.generator("path"))


def not_scanned(layout: rooms.Layout, surfaces: Surfaces) -> np.ndarray:
    """(Q,) bool: glass, and a ceiling that is not in the mesh."""
    if layout.scanned_ceiling:
        return surfaces.no_depth
    return surfaces.no_depth | (surfaces.thing == rooms.CEILING)


def build_scene(layout: rooms.Layout, things: list[Thing], spec: SceneSpec) -> Scene:
    """The room ready for rendering: materials painted, light baked."""
    atlas = build_atlas([quad.material for thing in things for quad in thing.quads], spec.seed)
    surfaces = gather(things, atlas)
    caster = RayCaster(surfaces)
    light = bake(surfaces, caster, layout.lamps, layout.height, spec.generator("light"))
    return Scene(surfaces, caster, atlas, light)


def _alignment(spec: SceneSpec) -> np.ndarray:
    """(4, 4) aligned_from_scan with six decimals, as the `.txt` holds it: a turn and a shift."""
    if spec.quirks.without_alignment:
        return np.eye(4)
    rng = spec.generator("alignment")
    angle = rng.uniform(0.2, 1.4) * rng.choice([-1, 1])
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = rng.uniform(-4, 4, 3) * (1, 1, 0.05)
    return matrix.round(6)
