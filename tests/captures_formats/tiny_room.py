"""An empty room of 4 x 5 x 2.6 metres, ray-cast by formula: small and exact."""

from __future__ import annotations

import numpy as np

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame

SIDES = np.array([4.0, 5.0, 2.6])


def tiny_room(
    color_size=(96, 128), depth_size=(24, 32), num_frames=8, focus=0.0, turned=False
) -> CaptureRoom:
    """Cameras in a ring look outwards and a little down; `turned`: images on their side, as of a
    phone that is held upright; `focus`: the focal length differs by frame by this share."""
    frames = []
    for number in range(num_frames):
        angle = 0.35 * number
        forward = np.array([np.cos(angle), np.sin(angle), -0.25])
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0, 0, 1])
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(forward, right), forward], axis=1)
        if turned:  # the image's x axis points down, its y axis left
            axes = np.stack([axes[:, 1], -axes[:, 0], axes[:, 2]], axis=1)
        pose = np.eye(4)
        pose[:3, :3] = axes
        pose[:3, 3] = [2 + 0.6 * np.cos(0.9 * number), 2.5 + 0.8 * np.sin(0.7 * number), 1.5]
        w, h = color_size
        f = 0.8 * max(w, h) * (1 + focus * number / num_frames)
        K = np.array([[f, 0, w / 2 - 1.25], [0, 1.01 * f, h / 2 + 0.75], [0, 0, 1]])
        scale = np.diag([depth_size[0] / w, depth_size[1] / h, 1])
        depth, _ = cast(scale @ K, depth_size, pose)
        image = cast(K, color_size, pose)[1]
        frames.append(RoomFrame(number, number / 10, image, depth, pose, K))
    corners = np.array([[x, y, z] for x in (0, 4) for y in (0, 5) for z in (0, 2.6)], float)
    return CaptureRoom(
        color_size, depth_size, corners, np.full((8, 3), 128, np.uint8),
        np.array([[0, 1, 2]], np.int32), np.zeros(8, np.int32), {}, frames,
    )  # fmt: skip


def cast(K, size, pose) -> tuple[np.ndarray, np.ndarray]:
    """(h, w) float32 depth and (h, w, 3) uint8 RGB of the walls from within."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(K).T
    return cast_rays(rays[..., :2], pose)


def cast_rays(rays, pose) -> tuple[np.ndarray, np.ndarray]:
    """The same by x and y (h, w, 2) of rays whose z is 1."""
    rays = np.concatenate([rays, np.ones_like(rays[..., :1])], axis=-1)
    rays = rays @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        steps = np.where(rays > 0, SIDES - pose[:3, 3], -pose[:3, 3]) / rays
    depth = steps.min(axis=-1)
    points = pose[:3, 3] + rays * depth[..., None]
    return depth.astype(np.float32), np.clip(40 * points + 40, 0, 255).astype(np.uint8)


def check_pictures(capture, room, *, numbers=None, poses=None, tolerance_mm=1.5, exact=True):
    """Pictures of a capture are those of the room: `numbers` of its frames, in order."""
    import cv2

    frames = [room.frames[n] for n in (range(len(room.frames)) if numbers is None else numbers)]
    poses = np.stack([f.pose for f in frames]) if poses is None else poses
    np.testing.assert_allclose(capture.poses, poses, atol=2e-5)
    np.testing.assert_allclose(capture.intrinsics, [f.K for f in frames], atol=2e-3)
    assert capture.color_size == room.color_size
    pictures = list(capture.images([int(n) for n in capture.numbers]))
    assert [p.number for p in pictures] == capture.numbers.tolist()
    alone = list(capture.depth_images(capture.numbers.tolist()))
    np.testing.assert_array_equal(alone, [picture.depth_mm for picture in pictures])
    for picture, frame in zip(pictures, frames, strict=True):
        assert picture.depth_mm.dtype == np.uint16
        if exact:
            assert picture.depth_mm.shape == frame.depth.shape
            np.testing.assert_allclose(picture.depth_mm, frame.depth * 1000, atol=tolerance_mm)
        image = picture.color
        if isinstance(image, bytes):
            image = cv2.imdecode(np.frombuffer(image, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape[1::-1] == room.color_size
        assert np.abs(image[..., ::-1].astype(int) - frame.image).mean() < 6
    return pictures
