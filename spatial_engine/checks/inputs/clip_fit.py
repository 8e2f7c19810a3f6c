"""Whether what should stand still in a clip does, and what would make it. Pure functions.

Tracks are (T, N, 3) float64 metres in the camera of each frame, NaN where unknown; `visible` is
(T, N) bool; poses are (T, 4, 4) world_from_cam. In every place something stands still: where no
point does, poses or tracks are wrong, and the poses under which points stand still tell how.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from spatial_engine.utils.geometry.point_motions import (
    LEAST_STILL,
    STILL_M,
    Motions,
)
from spatial_engine.utils.tables.suspects import Suspect

MOST_STILL = 0.1  # of the points, under other poses: so many are none
LEAST_DRIFTING = 0.2  # of the points, where none stands still
MOST_DRIFT_M = 0.6  # what errs more was not measured with these poses
MOST_SHIFT = 5  # frames, and half of those of the clip
JITTER_LIMIT_M = 0.01  # of still points about their place: below 1 cm a point counts as still
DRIFT_REST = 0.15  # of its way, by which a point that drifts is off an even path
SAME_POSE = 1e-6  # of all entries: a camera that moves has no two poses so alike
QUERY_LIMIT_PX = 1.5  # whole pixels and their centres round by less
CONSTANT, INVERTED, FOREIGN = "extrinsics identity", "extrinsics inverted", "extrinsics of another"


def find_clip_faults(
    tracks_cam: np.ndarray, visible: np.ndarray, poses: np.ndarray, camera_moves: bool
) -> tuple[Motions, list[Suspect]]:
    """How the points move, and what speaks against a clip. `camera_moves`: whether the cameras of
    its data set do."""
    motions = Motions.of(tracks_cam, visible, poses)
    if camera_moves and (constant := constant_poses(poses)):
        fault, reason = constant
        return motions, [_still(fault, motions, reason)]
    if not len(motions.stray):
        return motions, []
    if motions.share_still >= LEAST_STILL:
        if motions.jitter <= JITTER_LIMIT_M:
            return motions, []
        return motions, [_jitter(motions.jitter)]
    for fault, reason, frames, other in other_poses(poses) if camera_moves else ():
        share = Motions.of(tracks_cam[frames], visible[frames], other).share_still
        if share >= MOST_STILL:
            return motions, [_still(fault, motions, f"{reason} {share:.0%} of the points do")]
    drifting = _drifting(motions)
    if drifting.mean() >= max(LEAST_DRIFTING, motions.jittering.mean()):
        way = float(np.median(motions.way[drifting]))
        reason = f"no point stands still, and {drifting.mean():.0%} drift evenly, by {way:.2f} m"
        return motions, [Suspect("still points drift", way, STILL_M, "m", reason)]
    if not np.isnan(motions.jitter):
        return motions, [_jitter(motions.jitter)]
    if not camera_moves:  # whole clips are about people in motion
        return motions, []
    reason = "no point stands still, under none of the poses that were tried"
    return motions, [_still(FOREIGN, motions, reason)]


def constant_poses(poses: np.ndarray) -> tuple[str, str] | None:
    """(fault, reason) where all poses of a camera that moves are the same."""
    if np.ptp(poses, axis=0).max() >= SAME_POSE:
        return None
    kind = "the identity" if np.allclose(poses, np.eye(4)) else "the same"
    return CONSTANT, f"extrinsics of all frames are {kind}, and cameras of this data set move"


def other_poses(poses: np.ndarray) -> Iterator[tuple[str, str, slice, np.ndarray]]:
    """(fault, what is done about it, frames, poses for them) of what all poses can have wrong."""
    every = slice(None)
    yield INVERTED, "with extrinsics inverted", every, np.linalg.inv(poses)
    turned = poses.copy()
    turned[:, :3, :3] = np.swapaxes(poses[:, :3, :3], 1, 2)
    yield "rotation transposed", "with rotations transposed", every, turned
    for shift in range(1, min(MOST_SHIFT, len(poses) // 2) + 1):
        text = f"with extrinsics of the frame {shift}"
        yield "time shift", f"{text} after", slice(None, -shift), poses[shift:]
        yield "time shift", f"{text} before", slice(shift, None), poses[:-shift]


def _still(fault: str, motions: Motions, reason: str) -> Suspect:
    return Suspect(
        fault, motions.share_still, LEAST_STILL, "share of points that stand still", reason
    )


def _drifting(motions: Motions) -> np.ndarray:
    """(k,) bool: points on an even path, and not far along it."""
    even = motions.rest < DRIFT_REST * motions.way
    return even & (motions.way > STILL_M) & (motions.way <= MOST_DRIFT_M)


def _jitter(jitter: float) -> Suspect:
    reason = f"points that should stand still go to and fro by {jitter:.3f} m"
    return Suspect("still points jitter", jitter, JITTER_LIMIT_M, "m", reason)
