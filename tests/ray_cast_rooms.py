"""Sample rooms as a depth camera sees them, and how far points lie from their surfaces."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from spatial_engine.sample_data.rendering import render
from spatial_engine.sample_data.rendering.camera_path import tracked
from spatial_engine.sample_data.rendering.scanner import CameraPair
from spatial_engine.sample_data.rendering.sensor import REAL, Sensor
from spatial_engine.sample_data.rendering.surfaces import Surfaces
from spatial_engine.sample_data.rooms import rooms
from spatial_engine.sample_data.rooms.layouts import LAYOUTS
from spatial_engine.sample_data.scannet import scene_writer
from spatial_engine.sample_data.scannet.frames import make_scanner
from spatial_engine.sample_data.scannet.scene_spec import SceneSpec
from spatial_engine.utils.preparation.fusion import PosedFrame


class Scanned(NamedTuple):
    surfaces: Surfaces
    frames: tuple[PosedFrame, ...]

    @property
    def poses(self) -> np.ndarray:
        return np.array([frame.world_from_cam for frame in self.frames])


@cache
def scan(
    layout: str,
    num_frames: int,
    sensor: Sensor = REAL,
    seed: int = 0,
    color_size: tuple[int, int] = (162, 121),
    depth_size: tuple[int, int] = (160, 120),
) -> Scanned:
    """A room of `LAYOUTS`; depth has the sensor's noise, poses its drift."""
    spec = SceneSpec("scene", layout, seed, num_frames, color_size, depth_size, sensor=sensor)
    scene = _room(layout, seed)
    poses = scene_writer.true_poses(spec)
    known = tracked(poses, sensor.drift_metres, sensor.drift_degrees, spec.generator("drift"))
    cameras = CameraPair.of(*spec.cameras())
    scanner = make_scanner(scene, spec)
    frames = []
    for number, pose in enumerate(poses):
        shot = scanner.shot(cameras, pose, spec.generator("frame", number))
        depth_mm = np.round(shot.depth * 1000).astype(np.uint16)
        image = shot.image[..., ::-1].copy()
        frames.append(
            PosedFrame(
                known[number], cameras.color.K, depth_mm, color_size, lambda image=image: image
            )
        )
    return Scanned(scene.surfaces, tuple(frames))


@cache
def _room(layout: str, seed: int) -> render.Scene:
    spec = SceneSpec("scene", layout, seed)
    things = rooms.furnish(LAYOUTS[layout], spec.generator("things"))
    return scene_writer.build_scene(LAYOUTS[layout], things, spec)


def distances(surfaces: Surfaces, points: np.ndarray) -> np.ndarray:
    """(n,) metres from points (n, 3) in the room to the nearest face."""
    nearest = np.full(len(points), np.inf)
    for number, extent in enumerate(surfaces.extent):
        from_corner = points - surfaces.corners[number, 0]
        along, above = from_corner @ surfaces.right[number], from_corner @ surfaces.up[number]
        beside = along - np.clip(along, *extent[:2]), above - np.clip(above, *extent[2:])
        away = from_corner @ surfaces.normal[number]
        nearest = np.minimum(nearest, np.sqrt(away**2 + beside[0] ** 2 + beside[1] ** 2))
    return nearest
