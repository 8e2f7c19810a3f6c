"""A room of six walls and a box that can be seen exactly from any camera: depth of every pixel is
that of the planes, at once for a colour camera and for a depth camera beside it."""

from __future__ import annotations

import numpy as np

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame

SIZE = np.array([5.0, 4.0, 2.6])  # metres; one corner is the origin
BOX = np.array([[2.2, 1.6, 0.0], [3.0, 2.3, 0.9]])


def camera(f: float, cx: float, cy: float, fy: float | None = None) -> np.ndarray:
    return np.array([[f, 0, cx], [0, fy or f, cy], [0, 0, 1]], np.float64)


def look(position: np.ndarray, target: np.ndarray, roll: float = 0.0) -> np.ndarray:
    """(4, 4) world_from_cam at a position, looking at a target, its -y as far up as can be."""
    forward = (target - position) / np.linalg.norm(target - position)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([c * right + s * down, c * down - s * right, forward], axis=1)
    pose[:3, 3] = position
    return pose


def view(K: np.ndarray, pose: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Image (h, w, 3) uint8 and depth (h, w) float32 of a camera in the room."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(K).T
    directions, start = rays @ pose[:3, :3].T, pose[:3, 3]
    with np.errstate(all="ignore"):
        walls = np.where(directions > 0, (SIZE - start) / directions, -start / directions)
        near, far = np.sort([(side - start) / directions for side in BOX], axis=0)
    depth, entry, leave = np.nanmin(walls, -1), np.nanmax(near, -1), np.nanmin(far, -1)
    depth = np.where((entry > 0) & (entry < leave), np.minimum(depth, entry), depth)
    points = start + depth[..., None] * directions
    waves = [np.sin(2.1 * points @ axis) for axis in ([1, 0.4, 0], [0.2, 1, 0.5], [0.3, 0.1, 1.2])]
    image = np.rint(128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)
    return image, depth.astype(np.float32)


def path(count: int) -> list[np.ndarray]:
    """Poses of a camera that walks around the box."""
    angles = np.linspace(0.3, 1.5, count)
    middle = BOX.mean(0)
    return [
        look(middle + 1.9 * np.array([-np.cos(a), -np.sin(a) / 2, 0.5]), middle, np.sin(5 * a) / 9)
        for a in angles
    ]


def scaled(K: np.ndarray, size: tuple[int, int], to: tuple[int, int]) -> np.ndarray:
    return np.diag([to[0] / size[0], to[1] / size[1], 1.0]) @ K


def make_plain_room(
    color_size: tuple[int, int] = (160, 120),
    depth_size: tuple[int, int] = (80, 60),
    *,
    K: np.ndarray | None = None,
    num_frames: int = 7,
) -> CaptureRoom:
    """The room, seen by a camera of intrinsics `K` (default: one whose parts all differ). A corner
    of each depth image is not measured."""
    if K is None:
        K = camera(1.02 * color_size[0], 0.51 * color_size[0], 0.47 * color_size[1], color_size[0])
    frames = []
    for number, pose in enumerate(path(num_frames)):
        image, _ = view(K, pose, color_size)
        _, depth = view(scaled(K, color_size, depth_size), pose, depth_size)
        depth[: depth_size[1] // 8, : depth_size[0] // 6] = 0
        frames.append(RoomFrame(number, 0.1 * number, image, depth, pose, K))
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)]) * SIZE
    return CaptureRoom(
        color_size,
        depth_size,
        corners,
        np.full((8, 3), 128, np.uint8),
        np.array([[0, 1, 2]], np.int32),
        np.zeros(8, np.int32),
        {},
        frames,
    )


def points_of(capture, wanted=None) -> np.ndarray:
    """(n, 3) world points of all measured depth pixels, by the rule of `Picture`, and how far each
    is from the room's nearest surface when the capture's world is the room's."""
    clouds = []
    numbers = capture.numbers.tolist()
    for picture in capture.images(numbers if wanted is None else wanted):
        at = numbers.index(picture.number)
        height, width = picture.depth_mm.shape
        K = scaled(capture.intrinsics[at], capture.color_size, (width, height))
        rows, columns = np.nonzero(picture.depth_mm)
        z = picture.depth_mm[rows, columns] / 1000.0
        rays = np.stack([columns, rows, np.ones_like(rows)], -1) @ np.linalg.inv(K).T
        pose = capture.poses[at]
        clouds.append((rays * z[:, None]) @ pose[:3, :3].T + pose[:3, 3])
    return np.concatenate(clouds)


def off_surfaces(points: np.ndarray) -> np.ndarray:
    """(n,) metres of points to the nearest wall, or face of the box."""
    walls = np.minimum(np.abs(points), np.abs(points - SIZE)).min(-1)
    outside = np.maximum(np.maximum(BOX[0] - points, points - BOX[1]), 0)
    inside = np.minimum(points - BOX[0], BOX[1] - points).min(-1)
    box = np.where(inside > 0, inside, np.linalg.norm(outside, axis=-1))
    return np.minimum(walls, box)
