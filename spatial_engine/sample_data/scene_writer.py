"""One sample scene from its description to ScanNet's five raw files, frame by frame.

Memory does not grow with the number of frames: each is rendered, compressed, written, forgotten.
Costs about 0.25 s of one core a frame of 1296x968, and 2 s for the room.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.sample_data import render, scannet_files
from spatial_engine.sample_data.atlas import build_atlas
from spatial_engine.sample_data.camera_path import camera_path
from spatial_engine.sample_data.layouts import LAYOUTS
from spatial_engine.sample_data.lighting import bake
from spatial_engine.sample_data.mesh import reconstruct
from spatial_engine.sample_data.quirks import NO_QUIRKS, Quirks
from spatial_engine.sample_data.rooms import Layout, furnish
from spatial_engine.sample_data.sensor import NoiseBank, measured_depth, photograph
from spatial_engine.sample_data.solids import Thing
from spatial_engine.sample_data.surfaces import RayCaster, gather
from spatial_engine.utils import files
from spatial_engine.utils.scannet_utils.sens import SensFrame, SensHeader, write_sens

JPEG_QUALITY = 90
ZLIB_LEVEL = 1  # noise hardly packs better at more effort
FRAME_MICROSECONDS = 33_333  # 30 frames a second
SCAN_POSITIONS = 48  # places along the path from which the mesh was seen
# Intrinsics fx, fy, cx, cy in pixels, for images of 1296x968 and for scans in 640x480.
LARGE_COLOR = (1296, 968)
LARGE_K = (1170.187988, 1170.187988, 647.75, 483.75)
SMALL_COLOR = (640, 480)
SMALL_K = (577.590698, 578.729797, 318.905426, 242.683609)


@dataclass(frozen=True)
class SceneSpec:
    """All that decides the bytes of a scene. Sizes are (width, height) in pixels, `vertex_spacing`
    in metres. Every rendered frame is stored `frame_repeat` times."""

    scene_id: str
    layout: str
    seed: int = 0
    num_frames: int = 85
    color_size: tuple[int, int] = LARGE_COLOR
    depth_size: tuple[int, int] = (640, 480)
    vertex_spacing: float = 0.05
    frame_repeat: int = 1
    quirks: Quirks = NO_QUIRKS


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
) -> Path:
    """Write `scans_dir/<scene_id>/`, whole or not at all, replacing what is there; its path.

    For benchmarks and tests: any id will do; `layout` names one of `LAYOUTS`, by default the id
    and the seed choose it. A scene of true size (300 frames after every 5th is kept, 1296x968,
    about 150,000 vertices) is `num_frames=300, frame_repeat=5, vertex_spacing=0.03`; it costs about a minute.
    """
    names = list(LAYOUTS)
    chosen = layout or names[(zlib.crc32(scene_id.encode()) + seed) % len(names)]
    spec = SceneSpec(
        scene_id, chosen, seed, num_frames, color_size, depth_size, vertex_spacing, frame_repeat,
        quirks,
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
    things = furnish(layout, _generator(spec, "things"))
    scene = _build(layout, things, spec)
    color = _color_camera(spec.color_size)
    depth = color.resized(spec.depth_size)
    poses = camera_path(layout.path, spec.num_frames, _generator(spec, "path"))
    aligned_from_scan = _alignment(spec)
    scan_from_room = np.linalg.inv(aligned_from_scan)
    stored = spec.num_frames * spec.frame_repeat

    _write_mesh(folder, spec, scene, things, poses, scan_from_room)
    scannet_files.write_scene_text(
        folder / f"{spec.scene_id}.txt",
        color,
        depth,
        stored + spec.quirks.one_frame_more,
        layout.scene_type,
        None if spec.quirks.without_alignment else aligned_from_scan,
        "\r\n" if spec.quirks.crlf else "\n",
    )
    header = SensHeader(
        color_intrinsic=_matrix(color),
        color_extrinsic=np.eye(4, dtype=np.float32),
        depth_intrinsic=_matrix(depth),
        depth_extrinsic=np.eye(4, dtype=np.float32),
        color_size=color.size,
        depth_size=depth.size,
        num_frames=stored,
        depth_shift=spec.quirks.depth_shift,
        depth_compression="raw" if spec.quirks.raw_depth else "zlib",
    )
    path = folder / f"{spec.scene_id}.sens"
    write_sens(path, header, _frames(scene, spec, color, depth, poses, scan_from_room))
    if spec.quirks.no_imu_tail:
        os.truncate(path, path.stat().st_size - 8)


def _generator(spec: SceneSpec, purpose: str) -> np.random.Generator:
    """A stream of its own for every purpose, so that one more draw here changes nothing there."""
    words = (zlib.crc32(text.encode()) for text in (spec.scene_id, purpose))
    return np.random.default_rng([spec.seed, *words])


def _build(layout: Layout, things: list[Thing], spec: SceneSpec) -> render.Scene:
    atlas = build_atlas([quad.material for thing in things for quad in thing.quads], spec.seed)
    surfaces = gather(things, atlas)
    caster = RayCaster(surfaces)
    light = bake(surfaces, caster, layout.lamps, layout.height, _generator(spec, "light"))
    return render.Scene(surfaces, caster, atlas, light)


def _color_camera(size: tuple[int, int]) -> render.Camera:
    """ScanNet's camera at a size: of the two real sizes the one of like shape, scaled."""
    native, (fx, fy, cx, cy) = min(
        ((LARGE_COLOR, LARGE_K), (SMALL_COLOR, SMALL_K)),
        key=lambda known: abs(known[0][0] / known[0][1] - size[0] / size[1]),
    )
    K = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return render.Camera(K, native).resized(size)


def _matrix(camera: render.Camera) -> np.ndarray:
    matrix = np.eye(4, dtype=np.float32)
    matrix[:3, :3] = camera.K
    return matrix


def _alignment(spec: SceneSpec) -> np.ndarray:
    """(4, 4) aligned_from_scan with six decimals, as the `.txt` holds it: a turn and a shift."""
    if spec.quirks.without_alignment:
        return np.eye(4)
    rng = _generator(spec, "alignment")
    angle = rng.uniform(0.2, 1.4) * rng.choice([-1, 1])
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, 3] = rng.uniform(-4, 4, 3) * (1, 1, 0.05)
    return matrix.round(6)


def _write_mesh(
    folder: Path,
    spec: SceneSpec,
    scene: render.Scene,
    things: list[Thing],
    poses: np.ndarray,
    scan_from_room: np.ndarray,
) -> None:
    layout = LAYOUTS[spec.layout]
    chosen = np.linspace(0, len(poses) - 1, min(SCAN_POSITIONS, len(poses))).round().astype(int)
    is_ceiling = np.array([quad.material == layout.ceiling for t in things for quad in t.quads])
    skip = scene.surfaces.no_depth | (is_ceiling & (not layout.scanned_ceiling))
    mesh = reconstruct(
        scene, poses[chosen, :3, 3], spec.vertex_spacing, skip, _generator(spec, "mesh")
    )
    name = f"{spec.scene_id}_vh_clean_2"
    vertices = mesh.vertices @ scan_from_room[:3, :3].T + scan_from_room[:3, 3]
    scannet_files.write_ply(folder / f"{name}.ply", vertices, mesh.colors, mesh.faces)
    scannet_files.write_segments(folder / f"{name}.0.010000.segs.json", spec.scene_id, mesh.segment)
    groups = scannet_files.segment_groups(mesh, [thing.label for thing in things], spec.quirks)
    scannet_files.write_aggregation(
        folder / f"{spec.scene_id}.aggregation.json",
        spec.scene_id,
        groups,
        spec.quirks.old_aggregation,
    )


def _frames(
    scene: render.Scene,
    spec: SceneSpec,
    color: render.Camera,
    depth: render.Camera,
    poses: np.ndarray,
    scan_from_room: np.ndarray,
) -> Iterator[SensFrame]:
    bank = NoiseBank.of(_generator(spec, "noise"))
    color_rays, depth_rays = color.rays(), depth.rays()
    for number, world_from_cam in enumerate(poses):
        rng = np.random.default_rng([spec.seed, zlib.crc32(spec.scene_id.encode()), 1, number])
        quads = render.first_quads(scene, depth_rays, world_from_cam)
        measured = _depth(scene, depth, depth_rays, world_from_cam, quads, bank, rng)
        large = render.upsample_quads(scene, quads, color, color_rays, world_from_cam)
        image = render.color_image(scene, color, world_from_cam, large)
        picture = photograph(image, rng.uniform(0.95, 1.05), bank, rng)
        jpeg = _jpeg(picture)
        for repeat in range(spec.frame_repeat):
            stored = number * spec.frame_repeat + repeat
            yield SensFrame(
                _stored_pose(scan_from_room @ world_from_cam, stored, spec.quirks),
                jpeg,
                _stored_depth(measured, stored, spec.quirks),
                stored * FRAME_MICROSECONDS,
                stored * FRAME_MICROSECONDS,
            )


def _depth(
    scene: render.Scene,
    camera: render.Camera,
    rays: np.ndarray,
    world_from_cam: np.ndarray,
    quads: np.ndarray,
    bank: NoiseBank,
    rng: np.random.Generator,
) -> np.ndarray:
    """(h, w) float32 metres, 0 where the sensor measures nothing."""
    maps = render.pixel_maps(scene.surfaces, camera, world_from_cam)
    exact = render.depth_image(maps, quads)
    cosine = render.cosines(scene, rays, world_from_cam, exact, quads)
    clear, glossy = scene.surfaces.no_depth[quads], scene.surfaces.patchy[quads]
    return measured_depth(exact, cosine, clear, glossy, bank, rng)


def _jpeg(picture: np.ndarray) -> bytes:
    flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)
    if not done:
        raise RuntimeError("the JPEG encoder failed")
    return data.tobytes()


def _stored_pose(scan_from_cam: np.ndarray, number: int, quirks: Quirks) -> np.ndarray:
    if number in quirks.lost_pose:
        return np.full((4, 4), -np.inf, np.float32)
    return scan_from_cam.astype(np.float32)


def _stored_depth(metres: np.ndarray, number: int, quirks: Quirks) -> bytes:
    if number == quirks.no_depth:
        return b""
    units = np.clip(np.round(metres * quirks.depth_shift), 0, 65535).astype("<u2")
    if number == quirks.zero_depth:
        units[:] = 0
    return units.tobytes() if quirks.raw_depth else zlib.compress(units.tobytes(), ZLIB_LEVEL)
