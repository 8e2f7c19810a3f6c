"""One furnished room scanned by an RGB-D camera: what the writers of all formats start from.

It is scanned without faults unless a `Sensor` is given, so that readers of different formats must
find the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from spatial_engine.sample_data.rendering.camera_path import tracked
from spatial_engine.sample_data.rendering.mesh import Fusion, Mesh
from spatial_engine.sample_data.rendering.render import Camera
from spatial_engine.sample_data.rendering.scanner import CameraPair
from spatial_engine.sample_data.rendering.sensor import EXACT, Sensor
from spatial_engine.sample_data.rooms import rooms
from spatial_engine.sample_data.rooms.layouts import LAYOUTS
from spatial_engine.sample_data.rooms.solids import Thing
from spatial_engine.sample_data.scannet.frames import make_scanner
from spatial_engine.sample_data.scannet.scene_spec import SceneSpec
from spatial_engine.sample_data.scannet.scene_truth import SceneTruth
from spatial_engine.sample_data.scannet.scene_writer import build_scene, not_scanned, true_poses

LAYOUT = "bedroom"
VERTEX_SPACING = 0.12  # metres
FOCAL = 0.9  # image widths
CENTER = (0.51, 0.48)  # image widths and heights: beside the middle, so that a mix-up shows


@dataclass(frozen=True)
class RoomFrame:
    """A frame of the scan. Depth has the field of view of the image."""

    number: int
    time: float  # seconds
    image: np.ndarray  # (h, w, 3) uint8 RGB
    depth: np.ndarray  # (dh, dw) float32 metres along the viewing direction, 0 = none
    pose: np.ndarray  # (4, 4) float64 world_from_cam, OpenCV axes, metres, z up
    K: np.ndarray  # (3, 3) float64 of the image


@dataclass(frozen=True)
class CaptureRoom:
    """A scanned room: frames, mesh, and what is annotated of it. Sizes are (width, height)."""

    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    vertices: np.ndarray  # (n, 3) float64 metres, z up
    colors: np.ndarray  # (n, 3) uint8 RGB
    faces: np.ndarray  # (m, 3) int32
    instances: np.ndarray  # (n,) int32 object id + 1, 0 = none
    labels: dict[int, str]  # by object id; ids run from 0 on
    frames: list[RoomFrame]


def make_room(
    color_size: tuple[int, int],
    depth_size: tuple[int, int],
    *,
    num_frames: int = 20,
    seed: int = 0,
    rate: float = 10.0,
    focus: float = 0.0,
    layout: str = LAYOUT,
    sensor: Sensor = EXACT,
) -> CaptureRoom:
    """A scan of one of `LAYOUTS`, `rate` frames a second; the focal length goes up and down by the
    share `focus`. The route is the same for any number of frames."""
    spec = _spec(color_size, depth_size, num_frames, seed, layout, sensor)
    plan = LAYOUTS[layout]
    things = rooms.furnish(plan, spec.generator("things"))
    scene = build_scene(plan, things, spec)
    poses = true_poses(spec)
    known = tracked(poses, sensor.drift_metres, sensor.drift_degrees, spec.generator("drift"))
    fusion = Fusion(scene.surfaces, spec.vertex_spacing, not_scanned(plan, scene.surfaces))
    scanner = make_scanner(scene, spec)
    frames = []
    for number, color in enumerate(_color_cameras(color_size, num_frames, focus)):
        cameras = CameraPair.of(color, color.resized(depth_size))
        shot = scanner.shot(cameras, poses[number], spec.generator("frame", number))
        fusion.add(shot.depth, shot.quads, cameras.depth, known[number])
        time = number / rate
        frames.append(RoomFrame(number, time, shot.image, shot.depth, known[number], color.K))
    mesh = fusion.mesh(scene, spec.generator("mesh"))
    instances, labels = _annotated(mesh, things)
    return CaptureRoom(
        color_size, depth_size, mesh.vertices, mesh.colors, mesh.faces, instances, labels, frames
    )


def room_truth(
    color_size: tuple[int, int],
    *,
    num_frames: int = 20,
    seed: int = 0,
    focus: float = 0.0,
    layout: str = LAYOUT,
) -> SceneTruth:
    """What the images of `make_room` with the same arguments truly show."""
    spec = _spec(color_size, color_size, num_frames, seed, layout, EXACT)
    cameras = tuple(_color_cameras(color_size, num_frames, focus))
    return replace(SceneTruth.of(spec), cameras=cameras)


def _spec(
    color_size: tuple[int, int],
    depth_size: tuple[int, int],
    num_frames: int,
    seed: int,
    layout: str,
    sensor: Sensor,
) -> SceneSpec:
    return SceneSpec(
        "capture", layout, seed, num_frames, color_size, depth_size, VERTEX_SPACING, sensor=sensor
    )


def _color_cameras(size: tuple[int, int], num_frames: int, focus: float) -> list[Camera]:
    """A camera for each frame; pixels are square."""
    width, height = size
    phase = 1 + 2 * np.pi * np.arange(num_frames) / num_frames  # 1: no two frames alike
    return [
        Camera(np.array([[f, 0, CENTER[0] * width], [0, f, CENTER[1] * height], [0, 0, 1.0]]), size)
        for f in FOCAL * width * (1 + focus * np.sin(phase))
    ]


def _annotated(mesh: Mesh, things: list[Thing]) -> tuple[np.ndarray, dict[int, str]]:
    """Instances (n,) of the vertices, and labels by object id: of things with a label that have
    vertices, in their order."""
    instances = np.zeros(len(mesh.vertices), np.int32)
    labels: dict[int, str] = {}
    for number, thing in enumerate(things):
        own = (mesh.thing == number) & ~mesh.missed
        if thing.label is not None and own.any():
            labels[len(labels)] = thing.label
            instances[own] = len(labels)
    return instances, labels
