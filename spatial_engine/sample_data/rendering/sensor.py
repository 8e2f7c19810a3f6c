"""What a handheld RGB-D camera makes of a perfect picture: noise, holes, exposure, soft focus."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

NOISE_AT_ZERO = 0.0007  # metres, standard deviation
NOISE_PER_SQUARE = 0.00035  # metres at 1 m distance, grows with its square: 6 mm at 4 m
NEAREST, FARTHEST = 0.35, 6.5  # metres that the depth camera measures
JUMP = 0.05  # relative step between neighbours that is a depth discontinuity
GRAZING = 0.12  # cosine below which a surface sends too little light back
BLOB = 2.1  # level of the hole pattern above which nothing is measured
COLOR_NOISE = 1.6  # standard deviation in grey levels
BANK_SIDE = 1400  # pixels of the noise patterns that frames take windows of


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


def measured_depth(
    exact: np.ndarray,
    cosine: np.ndarray,
    clear: np.ndarray,
    glossy: np.ndarray,
    bank: NoiseBank,
    rng: np.random.Generator,
) -> np.ndarray:
    """(h, w) float32 depth in metres as a sensor gives it, 0 where it gives nothing.

    exact: (h, w) float32 metres; cosine: of the angle at which each surface is met; clear, glossy:
    (h, w) bool, glass that is never measured and dark screens that are in places.
    """
    fine = bank.window(bank.fine, exact.shape, rng)
    blobs = bank.window(bank.blobs, exact.shape, rng)
    depth = exact + fine * (NOISE_AT_ZERO + NOISE_PER_SQUARE * exact * exact)
    square = np.ones((3, 3), np.uint8)
    jump = cv2.dilate(exact, square) - cv2.erode(exact, square) > JUMP * exact
    lost = jump & (fine > -1.0)
    lost |= (exact < NEAREST) | (exact > FARTHEST)
    lost |= (cosine < GRAZING) | clear | (glossy & (blobs > -0.3)) | (blobs > BLOB)
    return np.where(lost, 0, depth)


def photograph(
    image: np.ndarray, gain: float, bank: NoiseBank, rng: np.random.Generator
) -> np.ndarray:
    """(h, w, 3) uint8 RGB from a perfect (h, w, 3) float32 one: soft focus, exposure, grain."""
    soft = cv2.GaussianBlur(image, (3, 3), 0.55)
    exposed = cv2.convertScaleAbs(soft, alpha=gain)
    grain = bank.window(bank.grain, image.shape[:2], rng)
    return cv2.add(exposed, cv2.merge([grain, grain, grain]), dtype=cv2.CV_8U)
