"""The input check of one clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spatial_engine.checks.inputs.body_fit import find_body_faults
from spatial_engine.checks.inputs.clip_fit import QUERY_LIMIT_PX, find_clip_faults
from spatial_engine.utils.clips.clip_sets import ClipSet
from spatial_engine.utils.clips.clips import Clip, read_clip, read_queries
from spatial_engine.utils.tables.suspects import Checked, Suspect


def check_clip(path: Path, clip_set: ClipSet) -> Checked:
    """Look at a clip. Raises `BadDataError` for what its reader refuses."""
    clip = read_clip(path, camera_moves=clip_set.camera_moves)
    arrays = clip.tracks_cam, clip.visible, clip.world_from_cam
    figures: dict[str, float | None]
    figures = {"frames": len(clip.images), "points": clip.visible.shape[1]}
    if clip_set.one_body:
        motion, suspects = find_body_faults(*arrays)
        figures |= {"farthest_m": motion.farthest, "jump_m": motion.jump, "noise_m": motion.noise}
    else:
        motions, suspects = find_clip_faults(*arrays, clip_set.camera_moves)
        figures["points_looked_at"] = len(motions.stray)
        figures |= {"share_still": motions.share_still, "jitter_m": motions.jitter}
    figures["query_p90_px"] = None
    apart = query_distances(clip, read_queries(path))
    if len(apart):
        figures["query_p90_px"] = p90 = float(np.quantile(apart, 0.9))
        if p90 > QUERY_LIMIT_PX:
            reason = f"a tenth of the queries lie over {p90:.1f} pixels beside their tracks"
            suspects = [
                *suspects,
                Suspect("queries beside tracks", p90, QUERY_LIMIT_PX, "px", reason),
            ]
    return Checked(figures, tuple(suspects))


def query_distances(clip: Clip, queries: np.ndarray | None) -> np.ndarray:
    """(k,) pixels between queries and their tracks, where a point is visible in its frame."""
    if queries is None:
        return np.empty(0)
    asked = np.flatnonzero(np.isfinite(queries).all(axis=1))
    frames = np.rint(queries[asked, 2]).astype(np.intp)
    seen = clip.visible[frames, asked]
    asked, frames = asked[seen], frames[seen]
    return np.hypot(*(clip.project()[frames, asked] - queries[asked, :2]).T)
