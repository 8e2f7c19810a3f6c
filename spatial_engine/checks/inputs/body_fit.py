"""Whether anything is known of how the one body of a clip moves. Pure functions.

Tracks are (T, N, 3) float64 metres in the camera of each frame, NaN where unknown; `visible` is
(T, N) bool; poses are (T, 4, 4) world_from_cam. All tracks lie on one body: nothing beside it tells
whether poses are right, so that a body that drifts slowly may as well be a parked one.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.checks.inputs.clip_fit import constant_poses, other_poses
from spatial_engine.utils.geometry.body_motion import JUMP_M, TOLD_M, BodyMotion
from spatial_engine.utils.tables.suspects import Suspect

# A body that stands still under other poses, and moves by so many times more under its own.
TIMES_STILLER = 3.0


def find_body_faults(
    tracks_cam: np.ndarray, visible: np.ndarray, poses: np.ndarray
) -> tuple[BodyMotion, list[Suspect]]:
    """How the body moves, and what speaks against a clip."""
    motion = BodyMotion.of(tracks_cam, visible, poses)
    if constant := constant_poses(poses):
        fault, reason = constant
        return motion, [_away(fault, motion, reason)]
    if np.isnan(motion.jump):
        reason = "no point is seen in four frames running, so that jumps are not known"
        return motion, [Suspect("motion not known", 0, 1, "times four frames", reason)]
    for fault, reason, frames, other in () if motion.parked else other_poses(poses):
        found = BodyMotion.of(tracks_cam[frames], visible[frames], other)
        if found.parked and motion.farthest >= TIMES_STILLER * found.farthest:
            return motion, [_away(fault, motion, f"{reason} all points stand still")]
    if motion.jumps:
        frame = motion.jump_frame
        reason = (
            f"all points jump by {motion.jump:.2f} m between frames {frame - 1} and {frame}, which "
            "nothing on a road can do"
        )
        return motion, [Suspect("points jump", motion.jump, JUMP_M, "m", reason)]
    if not motion.parked and motion.farthest < TOLD_M / 2:
        reason = (
            f"points stay within {motion.farthest:.2f} m of one place, which may be a slow motion "
            "or drift of a parked thing"
        )
        return motion, [Suspect("still or moving", motion.farthest, TOLD_M / 2, "m", reason)]
    return motion, []


def _away(fault: str, motion: BodyMotion, reason: str) -> Suspect:
    return Suspect(fault, motion.farthest, TOLD_M / 2, "m", reason)
