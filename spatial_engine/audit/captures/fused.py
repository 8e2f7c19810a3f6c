"""Whether points that were fused from depth lie on surfaces that the raw depth measures.

What was chosen where the definitions leave a choice:
- surface agreement between frames: a point is supported by a frame in which a depth pixel within
  WINDOW of where the point is seen measures a place at most NEAR_M from it, and what a pixel's
  corner is off its centre there. Two frames are needed.
"""

from __future__ import annotations

import random
from itertools import product

import numpy as np

from spatial_engine.audit.captures.capture import RawCapture

NEAR_M = 0.03
NEEDED = 2  # frames
DRAWN = 5000  # points of a sample
WINDOW = 3  # depth pixels to each side


def supported(capture: RawCapture, points: np.ndarray) -> np.ndarray:
    """(n,) bool of points (n, 3) of the prepared scene."""
    frames = np.zeros(len(points), dtype=np.int64)
    for frame_id in capture.valid_frame_ids:
        missing = np.flatnonzero(frames < NEEDED)
        frames[missing] += _measured(capture, frame_id, points[missing])
    return frames >= NEEDED


def _measured(capture: RawCapture, frame_id: str, points: np.ndarray) -> np.ndarray:
    """(n,) bool: whether a frame measures a surface near each point (n, 3)."""
    cam_from_world = capture.cam_from_world(frame_id)
    points = points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]
    depth = capture.depth_mm(frame_id) / 1000.0
    height, width = depth.shape
    size = capture.colour_size
    K = np.diag([width / size[0], height / size[1], 1.0]) @ capture.camera_K(frame_id)
    found = np.zeros(len(points), dtype=bool)
    front = np.flatnonzero(points[:, 2] > 0)
    u, v = ((points[front] @ K.T)[:, :2] / points[front, 2:]).T
    inside = (u > -1) & (u < width) & (v > -1) & (v < height)
    front, u, v = front[inside], u[inside], v[inside]
    offsets = product(range(-WINDOW, WINDOW + 1), repeat=2)
    for down, right in sorted(offsets, key=lambda offset: offset[0] ** 2 + offset[1] ** 2):
        left = ~found[front]
        front, u, v = front[left], u[left], v[left]
        column, row = np.rint(u) + right, np.rint(v) + down
        there = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        column, row = (np.where(there, x, 0).astype(np.int64) for x in (column, row))
        z = depth[row, column]
        x, y = (column - K[0, 2]) / K[0, 0] * z, (row - K[1, 2]) / K[1, 1] * z
        apart = np.linalg.norm(np.stack([x, y, z], axis=1) - points[front], axis=1)
        found[front] |= there & (z > 0) & (apart <= NEAR_M + z / K[0, 0] / np.sqrt(2))
    return found


def check_fused(capture: RawCapture, seed: str | None = None) -> list[str]:
    """Complaints about the fused points of a scene; empty where it has a mesh. seed: of DRAWN of
    them that are looked at, None for all."""
    if not capture.is_fused:
        return []
    points = capture.vertices_aligned
    chosen = np.arange(len(points))
    if seed is not None and len(points) > DRAWN:
        chosen = np.array(sorted(random.Random(seed).sample(range(len(points)), DRAWN)))
    wrong = chosen[~supported(capture, points[chosen])]
    if not len(wrong):
        return []
    return [
        f"points: {len(wrong)} of {len(chosen)} fused points lie on no surface "
        f"that {NEEDED} frames measure, as {wrong[:3].tolist()}"
    ]
