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


class ExactView(NamedTuple):
    """What a frame shows without any fault. K (3, 3) of the images, which are of one size;
    depth_mm (H, W); things (H, W): the thing that each pixel shows, -1 = none."""

    world_from_cam: np.ndarray
    K: np.ndarray
    depth_mm: np.ndarray
    things: np.ndarray


@cache
def exact_views(
    layout: str, num_frames: int, size: tuple[int, int] = (162, 121), seed: int = 0
) -> tuple[ExactView, ...]:
    """The frames of a room of `LAYOUTS`, as a ray through each pixel finds them."""
    spec = SceneSpec("scene", layout, seed, num_frames, size, size)
    scene, camera = _room(layout, seed), spec.cameras()[1]
    rays, views = camera.rays(), []
    for pose in scene_writer.true_poses(spec):
        quads = render.first_quads(scene, rays, pose)
        depth = render.depth_image(render.pixel_maps(scene.surfaces, camera, pose), quads)
        things = np.where(quads >= 0, scene.surfaces.thing[quads], -1)
        views.append(ExactView(pose, camera.K, np.rint(1000 * depth).astype(np.int64), things))
    return tuple(views)


@cache
def thing_points(layout: str, spacing: float, seed: int = 0) -> tuple[tuple[str, np.ndarray], ...]:
    """(label, (n, 3) points on its faces, metres) of each thing of a room; "" without a label."""
    things = rooms.furnish(LAYOUTS[layout], SceneSpec("scene", layout, seed).generator("things"))
    surfaces = _room(layout, seed).surfaces
    points: list[list[np.ndarray]] = [[] for _ in things]
    for number, extent in enumerate(surfaces.extent):
        along, above = (
            np.linspace(*ends, max(2, int(np.ceil((ends[1] - ends[0]) / spacing)) + 1))
            for ends in (extent[:2], extent[2:])
        )
        places = np.stack(np.meshgrid(along, above), axis=-1).reshape(-1, 2)
        points[surfaces.thing[number]].append(surfaces.points(np.full(len(places), number), places))
    return tuple(
        (thing.label or "", np.concatenate(parts))
        for thing, parts in zip(things, points, strict=True)
    )


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
