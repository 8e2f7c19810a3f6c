"""The description of a sample scene, and what follows from it alone: cameras and generators."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from spatial_engine.sample_data.rendering.render import Camera
from spatial_engine.sample_data.rendering.sensor import REAL, Sensor
from spatial_engine.sample_data.scannet.quirks import NO_QUIRKS, Quirks

# Intrinsics fx, fy, cx, cy in pixels, for images of 1296x968 and for scans in 640x480.
LARGE_COLOR = (1296, 968)
LARGE_K = (1170.187988, 1170.187988, 647.75, 483.75)
SMALL_COLOR = (640, 480)
SMALL_K = (577.590698, 578.729797, 318.905426, 242.683609)


@dataclass(frozen=True)
class SceneSpec:
    """All that decides the bytes of a scene. Sizes are (width, height) in pixels, `vertex_spacing`
    in metres. Every rendered frame is stored `frame_repeat` times. `sensor` says how
    wrong the scan is; `EXACT` is for tests that need a room scanned without faults."""

    scene_id: str
    layout: str
    seed: int = 0
    num_frames: int = 85
    color_size: tuple[int, int] = LARGE_COLOR
    depth_size: tuple[int, int] = (640, 480)
    vertex_spacing: float = 0.05
    frame_repeat: int = 1
    quirks: Quirks = NO_QUIRKS
    sensor: Sensor = REAL

    def generator(self, purpose: str, *numbers: int) -> np.random.Generator:
        """A stream of its own for every purpose: one more draw here changes nothing there."""
        words = (zlib.crc32(text.encode()) for text in (self.scene_id, purpose))
        return np.random.default_rng([self.seed, *words, *numbers])

    def cameras(self) -> tuple[Camera, Camera]:
        """Colour and depth camera: ScanNet's intrinsics, of its two sizes the one of like shape,
        scaled to the sizes of the scene."""
        native, (fx, fy, cx, cy) = min(
            ((LARGE_COLOR, LARGE_K), (SMALL_COLOR, SMALL_K)),
            key=lambda known: abs(
                known[0][0] / known[0][1] - self.color_size[0] / self.color_size[1]
            ),
        )
        camera = Camera(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), native)
        return camera.resized(self.color_size), camera.resized(self.depth_size)
