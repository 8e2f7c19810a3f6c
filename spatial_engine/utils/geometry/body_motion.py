"""How the one body of a clip moves in the world, where all tracks lie on it (SPEC 9.3). Pure.

Nothing else in such a clip tells how still the world is. What nothing on a road can do tells of
errors instead: at some ten frames a second, a road user's path is all but straight and even over
four frames, so that the third difference of its places is error of poses and tracks.

Tracks are (T, N, 3) float64 metres in the camera of each frame, NaN where unknown; `visible` is
(T, N) bool; poses are (T, 4, 4) world_from_cam.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from spatial_engine.utils.geometry.point_motions import Motions

PARKED_M = 0.1  # a body that strays less in a whole clip is parked
PARKED_SHARE = 0.9  # of its points
TOLD_M = 0.5  # a body that moves less may be a parked one: poses are known to drift by so much
# A real change of speed gives 0.1 m at most (10 m/s2 from one frame to the next); the known fault
# of DriveTrack is 0.5 m.
JUMP_M = 0.3
THIRD = 4  # frames of a third difference p3 - 3 p2 + 3 p1 - p0
NOISE_GAIN = 20**0.5  # of a third difference, for noise that is another in each frame


@dataclass(frozen=True)
class BodyMotion:
    """How a body moves.

    parked: it stays within `PARKED_M` of its place, and drifts by no more; farthest: metres from
    its place, exceeded in a tenth of the frames, median of its points. jump: metres of the greatest
    jump between two frames, and `jump_frame` the second of them; noise: metres that its places are
    off in a frame, median, as `Motions.jitter`. Without four frames running that show a point,
    jump and noise are NaN, and nothing is known.
    """

    parked: bool
    farthest: float
    jump: float
    jump_frame: int
    noise: float

    @classmethod
    def of(cls, tracks_cam: np.ndarray, visible: np.ndarray, poses: np.ndarray) -> BodyMotion:
        """Measure tracks under poses."""
        motions = Motions.of(tracks_cam, visible, poses)
        near = (motions.stray <= PARKED_M) & (motions.way <= PARKED_M)
        parked = bool(len(near)) and bool(near.mean() >= PARKED_SHARE)
        farthest = float(np.median(motions.stray)) if len(near) else np.nan
        thirds = third_differences(tracks_cam, visible, poses)
        if np.isnan(thirds).all():
            return cls(parked, farthest, np.nan, 0, np.nan)
        worst = int(np.nanargmax(thirds))
        noise = float(np.nanmedian(thirds)) / NOISE_GAIN
        return cls(parked, farthest, float(thirds[worst]) / 2, worst + THIRD // 2, noise)

    @property
    def jumps(self) -> bool:
        """Whether places jump, or nobody knows: nothing can be said about its motion."""
        return not self.jump <= JUMP_M  # NaN neither

    def moved_from(self, least: float, noise_times: float) -> float:
        """Metres from which the body has moved for sure: `TOLD_M`, `least`, and so many times the
        noise, whichever is most; infinite where it is parked or jumps."""
        if self.parked or self.jumps:
            return np.inf
        return max(TOLD_M, least, noise_times * self.noise)

    @property
    def still_below(self) -> float:
        """Metres below which a displacement is that of something that stands still."""
        return PARKED_M if self.parked and not self.jumps else 0.0


def third_differences(tracks_cam: np.ndarray, visible: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """(T - 3,) metres: third difference of the places in four frames running, median of the points
    that are seen in all of them; NaN where none is.

    A jump by j between two frames gives 2 j where it is in the middle of the four.
    """
    world = tracks_cam @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
    if len(world) < THIRD:
        return np.full(0, np.nan)
    seen = visible & np.isfinite(world).all(axis=2)
    world = np.where(seen[:, :, None], world, np.nan)
    sizes = np.linalg.norm(np.diff(world, n=THIRD - 1, axis=0), axis=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of frames without any
        return np.nanmedian(sizes, axis=1)
