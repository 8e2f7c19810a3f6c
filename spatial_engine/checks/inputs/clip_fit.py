"""Whether what should stand still in a clip does, and what would make it. Pure functions.

Tracks are (T, N, 3) float64 metres in the camera of each frame, NaN where unknown; `visible` is
(T, N) bool; poses are (T, 4, 4) world_from_cam. In every place something stands still: where no
point does, poses or tracks are wrong, and the poses under which points stand still tell how.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from spatial_engine.utils.tables.suspects import Suspect

MOST_POINTS = 300  # looked at, evenly over the tracks
STILL_M = 0.02  # a point that strays less stands still; above, movement is asked about
LEAST_STILL = 0.05  # of the points: fewer are chance
MOST_STILL = 0.1  # of the points, under other poses: so many are none
LEAST_PART = 0.2  # of the points that drift or jitter, where none stands still
MOST_DRIFT_M = 0.6  # what errs more was not measured with these poses
MOST_SHIFT = 2  # frames
LEAST_FRAMES = 5  # in which a point is seen, and half of those of the clip
JITTER_LIMIT_M = 0.01  # of still points about their place: below 1 cm a point counts as still
MOST_JITTER_M = 0.1  # what strays more was not measured with these poses
DRIFT_REST = 0.15  # of its way, by which a point that drifts is off an even path
ROUGHNESS = 1.0  # of the step by the spread: sqrt(2) for noise, near 0 for what moves
SAME_POSE = 1e-6  # of all entries: a camera that moves has no two poses so alike
QUERY_LIMIT_PX = 1.5  # whole pixels and their centres round by less
CONSTANT, INVERTED, FOREIGN = "extrinsics identity", "extrinsics inverted", "extrinsics of another"


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
    def share_still(self) -> float:
        """Of the points."""
        return float(self.still.mean()) if len(self.stray) else 0.0

    @property
    def drifting(self) -> np.ndarray:
        """(k,) bool: points on an even path, and not far along it."""
        even = self.rest < DRIFT_REST * self.way
        return even & (self.way > STILL_M) & (self.way <= MOST_DRIFT_M)

    @property
    def jittering(self) -> np.ndarray:
        """(k,) bool: points that go to and fro about one place."""
        near = (self.spread > JITTER_LIMIT_M) & (self.spread <= MOST_JITTER_M)
        return near & (self.roughness > ROUGHNESS)

    @property
    def jitter(self) -> float:
        """Metres of the still points about their places, median; NaN where none stands still."""
        return float(np.median(self.spread[self.still])) if self.still.any() else np.nan


def find_clip_faults(
    tracks_cam: np.ndarray, visible: np.ndarray, poses: np.ndarray, camera_moves: bool
) -> tuple[Motions, list[Suspect]]:
    """How the points move, and what speaks against a clip. `camera_moves`: whether the cameras of
    its data set do."""
    motions = Motions.of(tracks_cam, visible, poses)
    if camera_moves and np.ptp(poses, axis=0).max() < SAME_POSE:
        kind = "the identity" if np.allclose(poses, np.eye(4)) else "the same"
        reason = f"extrinsics of all frames are {kind}, and cameras of this data set move"
        return motions, [_still(CONSTANT, motions, reason)]
    if not len(motions.stray):
        return motions, []
    if motions.share_still >= LEAST_STILL:
        if motions.jitter <= JITTER_LIMIT_M:
            return motions, []
        return motions, [_jitter(motions, motions.jitter)]
    for fault, reason, frames, other in _other_poses(poses) if camera_moves else ():
        share = Motions.of(tracks_cam[frames], visible[frames], other).share_still
        if share >= MOST_STILL:
            return motions, [_still(fault, motions, f"{reason} {share:.0%} of the points do")]
    drifting, jittering = motions.drifting, motions.jittering
    way = float(np.median(motions.way[drifting])) if drifting.any() else 0.0
    if drifting.mean() >= max(LEAST_PART, jittering.mean()):
        reason = f"no point stands still, and {drifting.mean():.0%} drift evenly, by {way:.2f} m"
        return motions, [Suspect("still points drift", way, STILL_M, "m", reason)]
    if jittering.mean() >= LEAST_PART:
        return motions, [_jitter(motions, float(np.median(motions.spread[jittering])))]
    if not camera_moves:  # whole clips are about people in motion
        return motions, []
    reason = "no point stands still, under none of the poses that were tried"
    return motions, [_still(FOREIGN, motions, reason)]


def _other_poses(poses: np.ndarray) -> Iterator[tuple[str, str, slice, np.ndarray]]:
    """(fault, what is done about it, frames, poses for them) of what all poses can have wrong."""
    every = slice(None)
    yield INVERTED, "with extrinsics inverted", every, np.linalg.inv(poses)
    turned = poses.copy()
    turned[:, :3, :3] = np.swapaxes(poses[:, :3, :3], 1, 2)
    yield "rotation transposed", "with rotations transposed", every, turned
    for shift in range(1, MOST_SHIFT + 1):
        text = f"with extrinsics of the frame {shift}"
        yield "time shift", f"{text} after", slice(None, -shift), poses[shift:]
        yield "time shift", f"{text} before", slice(shift, None), poses[:-shift]


def _still(fault: str, motions: Motions, reason: str) -> Suspect:
    return Suspect(
        fault, motions.share_still, LEAST_STILL, "share of points that stand still", reason
    )


def _jitter(motions: Motions, jitter: float) -> Suspect:
    reason = f"points that should stand still go to and fro by {jitter:.3f} m"
    return Suspect("still points jitter", jitter, JITTER_LIMIT_M, "m", reason)


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
