"""A small room without furniture, whose colour at every point is known."""

from __future__ import annotations

import numpy as np

from spatial_engine.sample_data.captures import arkitscenes
from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame

LOW, HIGH = np.array([-2.0, -1.5, 0.0]), np.array([2.0, 1.5, 2.4])  # walls, floor, ceiling
SIZE = (32, 24)
EYE = np.array([0.3, -0.2, 1.4])
NUM_FRAMES = 12
VIDEO = arkitscenes.VIDEO


def color_at(points: np.ndarray) -> np.ndarray:
    """(..., 3) uint8 RGB of points (..., 3) of the room."""
    return np.rint(30 + 200 * (points - LOW) / (HIGH - LOW)).astype(np.uint8)


def looking(yaw: float, pitch: float, place: np.ndarray) -> np.ndarray:
    """(4, 4) world_from_cam of an upright camera, angles in radians."""
    forward = np.array([np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = place
    return pose


def seen(K: np.ndarray, pose: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Depth (h, w) in metres along the viewing direction, and the points (h, w, 3) seen."""
    u, v = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1], np.ones_like(u)], axis=-1)
    rays = rays @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        depth = np.where(rays > 0, (HIGH - pose[:3, 3]) / rays, (LOW - pose[:3, 3]) / rays).min(-1)
    return depth, pose[:3, 3] + rays * depth[..., None]


def make_room(size: tuple[int, int] = SIZE, num_frames: int = NUM_FRAMES) -> CaptureRoom:
    """Two objects: a box, and a smaller one on and in it; the focal length differs by frame."""
    frames = []
    for k in range(num_frames):
        focal = 0.9 * max(size) * (1 + 0.01 * k)
        K = np.array([[focal, 0, 0.52 * size[0]], [0, focal * 1.01, 0.47 * size[1]], [0, 0, 1]])
        pose = looking(0.5 * k, -0.2, EYE + 0.02 * k)
        depth, points = seen(K, pose, size)
        frames.append(RoomFrame(k, k / 10, color_at(points), depth.astype(np.float32), pose, K))
    grid = np.stack(np.meshgrid(*[np.linspace(-0.25, 0.25, 6)] * 3), axis=-1).reshape(-1, 3)
    large, small = grid * (2, 1, 1) + (1, 0.5, 0.25), grid * 0.4 + (1, 0.5, 0.55)
    walls = np.random.default_rng(0).uniform(LOW, HIGH, (200, 3))
    walls[:, 0] = LOW[0]
    vertices = np.concatenate([walls, large, small])
    instances = np.repeat([0, 1, 2], [len(walls), len(large), len(small)]).astype(np.int32)
    faces = np.arange(3 * (len(vertices) // 3), dtype=np.int32).reshape(-1, 3)
    labels = {0: "side table", 1: "tv/monitor-set"}
    return CaptureRoom(size, size, vertices, color_at(vertices), faces, instances, labels, frames)


def write_video(root, room, *, download="3dod", fold="Training", video_id=VIDEO, **odd):
    """Write the room as a video below a root; returns its folder. `odd` is that of `Quirks`."""
    quirks = arkitscenes.Quirks(**odd)
    folder = root / "data/arkitscenes"
    return arkitscenes.write(
        room, folder, video_id=video_id, download=download, fold=fold, quirks=quirks
    )
