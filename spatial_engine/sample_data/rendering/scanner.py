"""A scanner in a room: what its two cameras give from a pose, with the faults of a sensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatial_engine.sample_data.rendering import render
from spatial_engine.sample_data.rendering.sensor import (
    Exact,
    NoiseBank,
    Sensor,
    measured_depth,
    photograph,
)


@dataclass(frozen=True)
class CameraPair:
    """Colour and depth camera of one field of view, and their rays (h, w, 3) with z = 1."""

    color: render.Camera
    depth: render.Camera
    color_rays: np.ndarray
    depth_rays: np.ndarray

    @classmethod
    def of(cls, color: render.Camera, depth: render.Camera) -> CameraPair:
        return cls(color, depth, color.rays(), depth.rays())


@dataclass(frozen=True)
class Shot:
    """What a scanner gives from one pose: image (h, w, 3) uint8 RGB; depth (dh, dw) float32 metres
    along the viewing direction, 0 = none; quads (dh, dw), the face that each depth pixel truly
    shows."""

    image: np.ndarray
    depth: np.ndarray
    quads: np.ndarray


@dataclass(frozen=True)
class Scanner:
    """A room, and the sensor that scans it. `shift`: depth pixels (x, y) by which depth lies
    beside colour."""

    scene: render.Scene
    sensor: Sensor
    shift: tuple[float, float]
    bank: NoiseBank

    def shot(
        self, cameras: CameraPair, world_from_cam: np.ndarray, rng: np.random.Generator
    ) -> Shot:
        """What the cameras give from the true pose (4, 4) `world_from_cam`."""
        scene, color = self.scene, cameras.color
        quads = render.first_quads(scene, cameras.depth_rays, world_from_cam)
        exact = _exact(scene, cameras, world_from_cam, quads)
        depth = measured_depth(exact, self.sensor, self.shift, self.bank, rng)
        fine = render.upsample_quads(scene, quads, color, cameras.color_rays, world_from_cam)
        image = render.color_image(scene, color, world_from_cam, fine)
        return Shot(photograph(image, rng.uniform(0.95, 1.05), self.bank, rng), depth, quads)


def _exact(
    scene: render.Scene, cameras: CameraPair, world_from_cam: np.ndarray, quads: np.ndarray
) -> Exact:
    """What the depth camera looks at."""
    maps = render.pixel_maps(scene.surfaces, cameras.depth, world_from_cam)
    depth = render.depth_image(maps, quads)
    cosine = render.cosines(scene, cameras.depth_rays, world_from_cam, depth, quads)
    clear, glossy = scene.surfaces.no_depth[quads], scene.surfaces.patchy[quads]
    return Exact(depth, cosine, clear, glossy, float(cameras.depth.K[0, 0]))
