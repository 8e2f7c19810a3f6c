"""Directions seen from above, for someone who stands at one point and faces another (SPEC 13).
Pure. Angles are degrees from facing, left positive."""

from __future__ import annotations

import numpy as np

SECTORS = ("front", "left", "back", "right")  # 90 degrees each, around 0, 90, 180 and -90
MOST_AT_ONCE = 1_000_000  # vertices that are turned together


def facing_angles(centers: np.ndarray) -> np.ndarray:
    """Of points (n, 2), x and y of a frame with z up: the angle of the third for someone at the
    first who faces the second, (n, n, n) in (-180, 180]; 0 where two of them are one."""
    away = centers[None] - centers[:, None]  # [stand, other]
    faced, third = away[:, :, None], away[:, None, :]
    across = faced[..., 0] * third[..., 1] - faced[..., 1] * third[..., 0]
    along = (faced * third).sum(axis=-1)
    angles = np.degrees(np.arctan2(across, along))
    return np.where(angles == -180, 180, angles)


def sectors_of(angles: np.ndarray) -> np.ndarray:
    """Number of the sector of each angle, of `SECTORS`."""
    return (np.floor((angles + 45) / 90).astype(int)) % len(SECTORS)


def border_distances(angles: np.ndarray) -> np.ndarray:
    """Degrees from each angle to the nearest border of a sector."""
    return 45 - np.abs((angles + 45) % 90 - 45)


def sector_shares(
    stands: np.ndarray, faced: np.ndarray, points: np.ndarray, sectors: np.ndarray
) -> np.ndarray:
    """The share of points (v, 2) in the sector of each place (k,), where someone stands at `stands`
    (k, 2) and faces `faced` (k, 2)."""
    ahead = faced - stands
    # Along the middle of the sector, and to the left of it.
    turns = np.array([[[1, 0], [0, 1]], [[0, 1], [-1, 0]], [[-1, 0], [0, -1]], [[0, -1], [1, 0]]])
    axes = turns[sectors] @ np.stack([ahead, np.column_stack([-ahead[:, 1], ahead[:, 0]])], axis=1)
    shares = np.zeros(len(stands))
    step = max(MOST_AT_ONCE // max(len(points), 1), 1)
    for start in range(0, len(stands), step):
        some = slice(start, start + step)
        turned = axes[some] @ points.T - (axes[some] @ stands[some, :, None])
        shares[some] = (turned[:, 0] >= np.abs(turned[:, 1])).mean(axis=1)
    return shares
