"""The frames of a scene as the scanner stores them, one at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from spatial_engine.sample_data.rendering import render
from spatial_engine.sample_data.rendering.mesh import Fusion
from spatial_engine.sample_data.rendering.sensor import (
    Exact,
    NoiseBank,
    measured_depth,
    photograph,
)
from spatial_engine.sample_data.scannet.quirks import Quirks
from spatial_engine.sample_data.scannet.scene_spec import SceneSpec
from spatial_engine.utils.scannet_utils.sens import SensFrame

JPEG_QUALITY = 90
ZLIB_LEVEL = 1  # noise hardly packs better at more effort
FRAME_MICROSECONDS = 33_333  # 30 frames a second


def frames(
    scene: render.Scene,
    spec: SceneSpec,
    poses: np.ndarray,
    tracked: np.ndarray,
    scan_from_room: np.ndarray,
    fusion: Fusion,
) -> Iterator[SensFrame]:
    """Every frame of a scan along `poses` (n, 4, 4), world_from_cam in the room's frame; each
    `spec.frame_repeat` times. Stored are the poses `tracked` (n, 4, 4), in the frame that
    `scan_from_room` (4, 4) leads to. What each measures is added to `fusion`."""
    color, depth = spec.cameras()
    color_rays, depth_rays = color.rays(), depth.rays()
    bank = NoiseBank.of(spec.generator("noise"))
    shift = spec.sensor.draw_shift(spec.generator("shift"))
    for number, world_from_cam in enumerate(poses):
        rng = spec.generator("frame", number)
        quads = render.first_quads(scene, depth_rays, world_from_cam)
        exact = _exact(scene, depth, depth_rays, world_from_cam, quads)
        metres = measured_depth(exact, spec.sensor, shift, bank, rng)
        fusion.add(metres, quads, depth, tracked[number])
        quads = render.upsample_quads(scene, quads, color, color_rays, world_from_cam)
        image = render.color_image(scene, color, world_from_cam, quads)
        jpeg = encode_jpeg(photograph(image, rng.uniform(0.95, 1.05), bank, rng))
        for stored in range(number * spec.frame_repeat, (number + 1) * spec.frame_repeat):
            yield SensFrame(
                _stored_pose(scan_from_room @ tracked[number], stored, spec.quirks),
                jpeg,
                _stored_depth(metres, stored, spec.quirks),
                stored * FRAME_MICROSECONDS,
                stored * FRAME_MICROSECONDS,
            )


def _exact(
    scene: render.Scene,
    camera: render.Camera,
    rays: np.ndarray,
    world_from_cam: np.ndarray,
    quads: np.ndarray,
) -> Exact:
    """What the depth camera looks at."""
    maps = render.pixel_maps(scene.surfaces, camera, world_from_cam)
    depth = render.depth_image(maps, quads)
    cosine = render.cosines(scene, rays, world_from_cam, depth, quads)
    clear, glossy = scene.surfaces.no_depth[quads], scene.surfaces.patchy[quads]
    return Exact(depth, cosine, clear, glossy, float(camera.K[0, 0]))


def encode_jpeg(picture: np.ndarray) -> bytes:
    """JPEG of an (h, w, 3) uint8 RGB picture."""
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
