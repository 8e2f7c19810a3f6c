"""The frames of a scene as the scanner stores them, one at a time."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import cv2
import numpy as np

from spatial_engine.sample_data.rendering import render
from spatial_engine.sample_data.rendering.mesh import Fusion
from spatial_engine.sample_data.rendering.scanner import CameraPair, Scanner
from spatial_engine.sample_data.rendering.sensor import NoiseBank
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
    cameras = CameraPair.of(*spec.cameras())
    scanner = make_scanner(scene, spec)
    for number, world_from_cam in enumerate(poses):
        shot = scanner.shot(cameras, world_from_cam, spec.generator("frame", number))
        fusion.add(shot.depth, shot.quads, cameras.depth, tracked[number])
        jpeg = encode_jpeg(shot.image)
        for stored in range(number * spec.frame_repeat, (number + 1) * spec.frame_repeat):
            yield SensFrame(
                _stored_pose(scan_from_room @ tracked[number], stored, spec.quirks),
                jpeg,
                _stored_depth(shot.depth, stored, spec.quirks),
                stored * FRAME_MICROSECONDS,
                stored * FRAME_MICROSECONDS,
            )


def make_scanner(scene: render.Scene, spec: SceneSpec) -> Scanner:
    """The scanner of a scene, with the noise that its seed gives."""
    shift = spec.sensor.draw_shift(spec.generator("shift"))
    return Scanner(scene, spec.sensor, shift, NoiseBank.of(spec.generator("noise")))


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
    if number == quirks.zero_depth:
        metres = np.zeros_like(metres)
    return compressed_depth(metres, quirks.depth_shift, raw=quirks.raw_depth)


def compressed_depth(metres: np.ndarray, depth_shift: float, *, raw: bool = False) -> bytes:
    """Depth in uint16, `depth_shift` units a metre, as a `.sens` holds it."""
    units = np.clip(np.round(metres * depth_shift), 0, 65535).astype("<u2").tobytes()
    return units if raw else zlib.compress(units, ZLIB_LEVEL)
