"""How the camera of a scene moves, and which way is up. Pure functions on poses and points.

Poses are (n, 4, 4) world_from_cam in the aligned frame, z up; camera axes are x right, y down,
z forward.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.utils.geometry.cameras import projection_matrix

AXES = {"x": (1, 0, 0), "-x": (-1, 0, 0), "y": (0, 1, 0), "-y": (0, -1, 0), "-z": (0, 0, -1)}
UP_LIMIT = 0.5  # mean of the image's upward direction along z; people hold a camera upright
SLAB_M = 0.1  # thickness in which the vertices of a floor lie
OUTLIER_M, OUTLIER_TIMES = 0.3, 8  # from the middle between its neighbours; times the usual
MOST_OUTLIERS = 3
USUAL_DEPTH_M = 2.0
SEEN_POINTS = 2_000  # vertices by which it is told whether a frame looks at the mesh at all


def outliers(poses: np.ndarray) -> list[int]:
    """The frames that stand farthest from the middle of the frames before and after, where that is
    many times the usual: the camera jumps there and back, or its path does."""
    if len(poses) < 5:
        return []
    positions = poses[:, :3, 3]
    apart = np.linalg.norm(positions[1:-1] - (positions[:-2] + positions[2:]) / 2, axis=1)
    least = max(OUTLIER_M, OUTLIER_TIMES * float(np.median(apart)))
    order = np.argsort(-apart, kind="stable")[:MOST_OUTLIERS]
    return sorted(int(number) + 1 for number in order if apart[number] > least)


def image_motion(poses: np.ndarray, focal: float) -> np.ndarray:
    """(n + 1,) pixels by which the image moves before each of n frames, and after the last one,
    about, of what lies two metres away: 0 at both ends."""
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1) / USUAL_DEPTH_M
    turns = (poses[:-1, :3, 2] * poses[1:, :3, 2]).sum(axis=1)
    return np.pad(focal * (steps + np.arccos(np.clip(turns, -1, 1))), 1)


def way_up(poses: np.ndarray, points: np.ndarray) -> tuple[float, str]:
    """How much of the image's upward direction is along z, mean over the frames (-1 to 1), and
    which axis is up instead, empty for z.

    The camera may be held in any way; so an axis is named only where the floor is below it, too.
    """
    upward = -poses[:, :3, 1].mean(axis=0)
    name, axis = max(AXES.items(), key=lambda item: float(upward @ item[1]))
    if upward[2] >= UP_LIMIT or upward @ np.array(axis) < UP_LIMIT:
        return float(upward[2]), ""
    floor = _floor_share(points, poses[:, :3, 3], np.array(axis, float))
    floor_of_z = _floor_share(points, poses[:, :3, 3], np.array([0.0, 0.0, 1.0]))
    return float(upward[2]), name if floor > floor_of_z else ""


def _floor_share(points: np.ndarray, positions: np.ndarray, axis: np.ndarray) -> float:
    """Share of the points in the fullest slab across an axis that lies below every camera."""
    heights = (points @ axis)[points @ axis < (positions @ axis).min()]
    if not len(heights):
        return 0.0
    counts = np.bincount(((heights - heights.min()) / SLAB_M).astype(int))
    return float((counts + np.append(counts[1:], 0)).max() / len(points))


def blind_frames(points: np.ndarray, cameras: np.ndarray, size, poses: np.ndarray) -> np.ndarray:
    """(n,) bool: frames in whose image of `size` (width, height) there is no vertex at all.

    `cameras` (n, 3, 3) in pixels of that image; a few thousand of the points (m, 3) are looked at.
    """
    few = points[:: max(len(points) // SEEN_POINTS, 1)]
    blind = np.ones(len(poses), bool)
    for number, matrix in enumerate(projection_matrix(cameras, poses)):
        x, y, z = matrix[:, :3] @ few.T + matrix[:, 3:]
        inside = (z > 0) & (x >= 0) & (y >= 0) & (x < size[0] * z) & (y < size[1] * z)
        blind[number] = not inside.any()
    return blind
