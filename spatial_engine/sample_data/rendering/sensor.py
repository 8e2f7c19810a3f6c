"""What a handheld RGB-D camera makes of a perfect picture: noise, holes, exposure, soft focus.

The depth camera is a structured-light one, as ScanNet's: a projector beside a camera. What it gets
wrong and by how much is data (`Sensor`), so that a room can also be scanned without faults.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import ndtri

NATIVE_WIDTH = 640  # pixels of the depth image that sizes in pixels are given for
NEAREST, FARTHEST = 0.35, 6.5  # metres that the depth camera measures
JUMP = 0.05  # relative step between neighbours that is a depth discontinuity
GRAZING = 0.12  # cosine below which a surface sends too little light back
BLOB = 2.1  # level of the hole pattern above which nothing is measured
COLOR_NOISE = 1.6  # standard deviation in grey levels
BANK_SIDE = 1400  # pixels of the noise patterns that frames take windows of


@dataclass(frozen=True)
class Sensor:
    """Sizes of the faults of a scanner. Depths in metres; pixels are those of a depth image
    `NATIVE_WIDTH` wide, and shrink with smaller images: they stand for angles.

    noise_floor, noise_growth: standard deviation noise_floor + noise_growth (z - 0.4)^2 of the
    depth z, and lateral (pixels): of the place that a pixel measures. Nguyen, Izadi and Lovell,
    Modeling Kinect Sensor Noise for Improved 3D Reconstruction and Tracking (3DIMPVT 2012), fits
    of axial and lateral noise: 2 mm at 1 m, 6 mm at 2 m, 26 mm at 4 m. A depth taken between two
    pixels of which one shows the foreground lies in the air: a mixed pixel.
    lost_share: of the pixels at a discontinuity that are not measured; our choice.
    baseline: metres from camera to projector, whose light does not reach what lies behind the left
    edge of a thing. Khoshelham and Elberink, Accuracy and Resolution of Kinect Depth Data for
    Indoor Mapping Applications (Sensors 2012), calibrated parameters: 0.075 m.
    shift: least and greatest distance (pixels) of colour from depth, constant in a scene.
    drift_metres, drift_degrees: root mean square of the errors of stored poses. BundleFusion (Dai
    et al., TOG 2017) reports trajectory errors of 6 to 22 mm, its table on ICL-NUIM and TUM RGB-D.
    """

    noise_floor: float = 0.0012
    noise_growth: float = 0.0019
    lateral: float = 0.8
    lost_share: float = 0.5
    baseline: float = 0.075
    shift: tuple[float, float] = (1.0, 2.0)
    drift_metres: float = 0.005
    drift_degrees: float = 0.2

    def draw_shift(self, rng: np.random.Generator) -> tuple[float, float]:
        """Pixels (x, y) by which the depth of a scene lies beside its colour."""
        angle, length = rng.uniform(0, 2 * np.pi), rng.uniform(*self.shift)
        return float(length * np.cos(angle)), float(length * np.sin(angle))


REAL = Sensor()
EXACT = Sensor(0.0, 0.0, 0.0, 1.0, 0.0, (0.0, 0.0), 0.0, 0.0)  # what is measured is true


@dataclass(frozen=True)
class NoiseBank:
    """Patterns of noise, made once a scene; a frame uses a window of each at a random place.

    fine: (s, s) float32, features of 2-3 depth pixels; blobs: the same, features of about 25;
    grain: (s, s) int8 for colour.
    """

    fine: np.ndarray
    blobs: np.ndarray
    grain: np.ndarray

    @classmethod
    def of(cls, rng: np.random.Generator) -> NoiseBank:
        def pattern(cell: float) -> np.ndarray:
            side = round(BANK_SIDE / cell)
            coarse = rng.standard_normal((side, side)).astype(np.float32)
            image = cv2.resize(coarse, (BANK_SIDE, BANK_SIDE), interpolation=cv2.INTER_CUBIC)
            return image / image.std()

        grain = cv2.GaussianBlur(pattern(1.0), (3, 3), 0.6)
        grain = np.round(COLOR_NOISE * grain / grain.std()).astype(np.int8)
        return cls(pattern(2.5), pattern(25.0), grain)

    @staticmethod
    def window(pattern: np.ndarray, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
        """A random part of a pattern, (h, w); patterns are larger than any image of a sample."""
        top, left = (int(rng.integers(BANK_SIDE - side + 1)) for side in shape)
        return pattern[top : top + shape[0], left : left + shape[1]]


@dataclass(frozen=True)
class Exact:
    """What a depth camera looks at, (h, w) each: exact depth float32 in metres; cosine of the angle
    at which each surface is met; clear, glossy: bool, glass that is never measured and dark screens
    that are in places. focal: focal length in pixels."""

    depth: np.ndarray
    cosine: np.ndarray
    clear: np.ndarray
    glossy: np.ndarray
    focal: float


def measured_depth(
    exact: Exact,
    sensor: Sensor,
    shift: tuple[float, float],
    bank: NoiseBank,
    rng: np.random.Generator,
) -> np.ndarray:
    """(h, w) float32 depth in metres as a sensor gives it, 0 where it gives nothing.

    Pixel (u, v) shows what lies at (u + shift[0], v + shift[1]) of the exact image, and a little
    beside: at a silhouette it is a mean of both sides, or nothing.
    """
    shape = exact.depth.shape
    fine, beside_x, beside_y = (bank.window(bank.fine, shape, rng) for _ in range(3))
    blobs = bank.window(bank.blobs, shape, rng)
    lost = _unmeasured(exact, sensor) | (exact.glossy & (blobs > -0.3)) | (blobs > BLOB)
    pixel = shape[1] / NATIVE_WIDTH  # of the given sizes
    u = np.arange(shape[1], dtype=np.float32) + np.float32(shift[0] * pixel)
    v = np.arange(shape[0], dtype=np.float32)[:, None] + np.float32(shift[1] * pixel)
    place = (u + sensor.lateral * pixel * beside_x, v + sensor.lateral * pixel * beside_y)
    depth, missing = (
        cv2.remap(image, *place, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for image in (exact.depth, lost.astype(np.float32))
    )
    square = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(depth, square) - cv2.erode(depth, square) > JUMP * depth
    draw = bank.window(bank.fine, shape, rng)
    gone = (missing > 0.5) | (edge & (draw <= ndtri(sensor.lost_share)))
    gone |= (depth < NEAREST) | (depth > FARTHEST)
    away = np.maximum(depth - 0.4, 0)
    depth += fine * (sensor.noise_floor + sensor.noise_growth * away * away)
    return np.where(gone, 0, depth)


def _unmeasured(exact: Exact, sensor: Sensor) -> np.ndarray:
    """(h, w) bool: glass, surfaces met too flatly, and what the projector's light does not reach
    because something nearer stands to the right of it in the image."""
    lost = (exact.cosine < GRAZING) | exact.clear
    if sensor.baseline:
        near = np.maximum(exact.depth, NEAREST)
        column = np.arange(near.shape[1], dtype=np.float32) - exact.focal * sensor.baseline / near
        nearest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
        lost |= nearest < column - 0.5  # of the projector's columns
    return lost


def photograph(
    image: np.ndarray, gain: float, bank: NoiseBank, rng: np.random.Generator
) -> np.ndarray:
    """(h, w, 3) uint8 RGB from a perfect (h, w, 3) float32 one: soft focus, exposure, grain."""
    soft = cv2.GaussianBlur(image, (3, 3), 0.55)
    exposed = cv2.convertScaleAbs(soft, alpha=gain)
    grain = bank.window(bank.grain, image.shape[:2], rng)
    return cv2.add(exposed, cv2.merge([grain, grain, grain]), dtype=cv2.CV_8U)
