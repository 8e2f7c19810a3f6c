"""How tracked points move in the world, and how still what stands still is (SPEC 9.3). Pure.

Tracks are (T, N, 3) float64 metres in the camera of each frame, NaN where unknown; `visible` is
(T, N) bool; poses are (T, 4, 4) world_from_cam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_POINTS = 300  # looked at, evenly over the tracks
LEAST_FRAMES = 5  # in which a point is seen, and half of those of the clip
STILL_M = 0.02  # a point that strays less stands still: the data tell no smaller motion
LEAST_STILL = 0.05  # of the points: fewer are chance
JITTER_M = (0.01, 0.1)  # a point that strays less is still, one that strays more moves
ROUGHNESS = 1.0  # of the step by the spread: sqrt(2) for noise, near 0 for what moves
LEAST_JITTERING = 0.2  # of the points


@dataclass(frozen=True)
class Motions:
    """How points move in the world, (k,) each, of those that are seen often enough.

    stray: metres from the median place, exceeded in a tenth of the frames; spread: median of the
    same; way: metres along an even path from the first to the last frame; rest: median distance
    from that path; roughness: median step by `spread`.
    """

    stray: np.ndarray
    spread: np.ndarray
    way: np.ndarray
    rest: np.ndarray
    roughness: np.ndarray

    @classmethod
    def of(cls, tracks_cam: np.ndarray, visible: np.ndarray, poses: np.ndarray) -> Motions:
        """Measure tracks under poses."""
        world = tracks_cam @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
        seen = visible & np.isfinite(world).all(axis=2)
        often = seen.sum(axis=0) >= max(LEAST_FRAMES, len(world) / 2)
        rows = [_motion(world[seen[:, k], k], np.flatnonzero(seen[:, k])) for k in _numbers(often)]
        return cls(*np.array(rows, float).reshape(-1, 5).T)

    @property
    def still(self) -> np.ndarray:
        """(k,) bool: points that stand still."""
        return (self.stray <= STILL_M) & (self.way <= STILL_M)

    @property
    def jittering(self) -> np.ndarray:
        """(k,) bool: points that go to and fro about one place."""
        least, most = JITTER_M
        return (self.spread > least) & (self.spread <= most) & (self.roughness > ROUGHNESS)

    @property
    def share_still(self) -> float:
        """Of the points."""
        return float(self.still.mean()) if len(self.stray) else 0.0

    @property
    def jitter(self) -> float:
        """Metres of the still points about their places, median.

        Where fewer than `LEAST_STILL` stand still, those that go to and fro are taken instead, if
        they are `LEAST_JITTERING` or more: noise can be so large that nothing seems to stand still.
        NaN where nothing tells.
        """
        for chosen, least in ((self.still, LEAST_STILL), (self.jittering, LEAST_JITTERING)):
            if len(chosen) and chosen.mean() >= least:
                return float(np.median(self.spread[chosen]))
        return np.nan


def _motion(track: np.ndarray, frames: np.ndarray) -> list[float]:
    """(stray, spread, way, rest, roughness) of the places (t, 3) of a point in these frames."""
    away = np.linalg.norm(track - np.median(track, axis=0), axis=1)
    times = (frames - frames.mean()) / max(np.ptp(frames), 1)
    path = np.polynomial.polynomial.polyfit(times, track, 2)
    fitted = np.vander(times, 3, increasing=True) @ path
    rest = float(np.median(np.linalg.norm(track - fitted, axis=1)))
    step = float(np.median(np.linalg.norm(np.diff(track, axis=0), axis=1)))
    spread = float(np.median(away))
    way = float(np.linalg.norm(fitted[-1] - fitted[0]))
    return [float(np.quantile(away, 0.9)), spread, way, rest, step / max(spread, 1e-9)]


def _numbers(chosen: np.ndarray) -> np.ndarray:
    """Numbers of at most `MOST_POINTS` of the chosen points, evenly."""
    found = np.flatnonzero(chosen)
    return found[:: max(-(-len(found) // MOST_POINTS), 1)]
