"""Faults that scans and clips of users have, put into prepared ones as they are read.

`SCENE_FAULTS` and `CLIP_FAULTS` hold by name what the input check has to call a fault, and the
function that puts it in. Sizes and places are drawn by the generator that is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.utils.preparation.fusion import PosedFrame, fuse
from spatial_engine.utils.preparation.up_axis import UPS, rotation_to_z_up
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

JUMP_M, JUMP_DEG = (0.2, 0.6), (8.0, 20.0)
DRIFT_M, DRIFT_DEG = (0.25, 0.6), (6.0, 15.0)  # from the first frame to the last
CAMERA_FACTOR, DEPTH_FACTOR = 1.05, 2.0
# Colour and depth of a Kinect that are not registered: focal lengths 525 and 585, and some pixels.
COLOR_SCALE, COLOR_SHIFT_PX = 0.9, 5.0
CLIP_DRIFT_M, CLIP_JITTER_M = (0.06, 0.3), 0.03
FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # to axes right, up, back


class FaultyScene(SceneInfoHandler):
    """A scene as `scenes` reads it but for what is given.

    poses: (n, 4, 4) world_from_cam, aligned, of the first n usable frames, the others have none;
    camera: factor of the focal length; depth_factor: of the measured depth; depth_lag, color_lag:
    by how many frames the depth or colour of a frame is late; color_scale, color_shift: colour is
    drawn so many times as large about its middle, and so many pixels of the depth image to the
    right; mesh_of: whose vertices it has; fused: its vertices are fused from what it says, so that
    they agree with whatever is wrong.
    """

    def __init__(
        self,
        scenes: SceneInfoHandler,
        *,
        poses: np.ndarray | None = None,
        camera: float = 1.0,
        depth_factor: float = 1.0,
        depth_lag: int = 0,
        color_lag: int = 0,
        color_scale: float = 1.0,
        color_shift: float = 0.0,
        mesh_of: str | None = None,
        fused: bool = False,
    ):
        vars(self).update(vars(scenes))
        self._fused = fused
        self._poses, self._mesh_of = poses, mesh_of
        self._camera, self._depth_factor = camera, depth_factor
        self._depth_lag, self._color_lag = depth_lag, color_lag
        self._color_scale, self._color_shift = color_scale, color_shift

    def valid_frames(self, scene_id: str) -> tuple[list[str], np.ndarray]:
        """As the reader gives them."""
        ids, poses = super().valid_frames(scene_id)
        poses = poses if self._poses is None else self._poses
        return ids[: len(poses)], poses

    def intrinsic(self, scene_id: str) -> np.ndarray:
        """As the reader gives it."""
        matrix = super().intrinsic(scene_id).copy()
        matrix[[0, 1], [0, 1]] *= self._camera
        return matrix

    def points(self, scene_id: str) -> np.ndarray:
        """As the reader gives them."""
        if self._fused:
            return fuse(lambda: self.posed_frames(scene_id))[:, :3]
        return super().points(self._mesh_of or scene_id)

    def object_ids(self, scene_id: str) -> list[int]:
        """As the reader gives them; fused points have none."""
        return [] if self._fused else super().object_ids(scene_id)

    def posed_frames(self, scene_id: str) -> Iterator[PosedFrame]:
        """What points are fused from."""
        K = self.intrinsic(scene_id)[:3, :3]
        for image_id, pose in zip(*self.valid_frames(scene_id), strict=True):
            depth, color = self.depth(scene_id, image_id), partial(self.color, scene_id, image_id)
            yield PosedFrame(pose, K, depth, self.color_size(scene_id), color)

    def depth(self, scene_id: str, image_id: str) -> np.ndarray:
        """As the reader gives it."""
        depth = super().depth(scene_id, self._before(scene_id, image_id, self._depth_lag))
        return np.minimum(depth * float(self._depth_factor), 65535).astype(np.uint16)

    def color(self, scene_id: str, image_id: str) -> np.ndarray:
        """As the reader gives it."""
        color = super().color(scene_id, self._before(scene_id, image_id, self._color_lag))
        size = np.array(self.color_size(scene_id))
        beside = (1 - self._color_scale) / 2 * size
        beside[0] += self._color_shift * size[0] / self.depth_size(scene_id)[0]
        matrix = np.column_stack([self._color_scale * np.eye(2), beside])
        return cv2.warpAffine(color, matrix, size.tolist(), borderMode=cv2.BORDER_REPLICATE)

    def _before(self, scene_id: str, image_id: str, lag: int) -> str:
        """The usable frame so many before another one; the first or last where there is none."""
        ids, _ = super().valid_frames(scene_id)
        return ids[min(max(ids.index(image_id) - lag, 0), len(ids) - 1)]


class SceneFault(NamedTuple):
    """named: what the check has to say; put(scenes, scene_id, other_id, rng): the scene with the
    fault, where `other_id` is another scene of the same handler."""

    named: str
    put: Callable[[SceneInfoHandler, str, str, np.random.Generator], SceneInfoHandler]


def of_poses(change: Callable[..., np.ndarray], named: str) -> SceneFault:
    """A fault of the poses alone: `change(aligned, alignment, rng)` gives them, all (., 4, 4)."""

    def put(scenes, scene_id, other_id, rng):
        _, poses = scenes.valid_frames(scene_id)
        changed = change(poses, scenes.axis_align_matrix(scene_id), rng)
        return FaultyScene(scenes, poses=changed)

    return SceneFault(named, put)


def of_files(named: str, **changed: float) -> SceneFault:
    """A fault of other files."""
    return SceneFault(named, lambda scenes, scene_id, other_id, rng: FaultyScene(scenes, **changed))


def in_files(change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """A change of the poses as files hold them, which are aligned afterwards."""
    return lambda poses, align, rng: align @ change(np.linalg.inv(align) @ poses)


def transposed(poses: np.ndarray) -> np.ndarray:
    """Poses (n, 4, 4) with rotations transposed."""
    turned = poses.copy()
    turned[:, :3, :3] = np.swapaxes(poses[:, :3, :3], 1, 2)
    return turned


def shifted(poses, align, rng, sizes, times) -> np.ndarray:
    """Poses shifted in a random direction by a size drawn between `sizes`, times `times` (n,)."""
    direction = rng.normal(size=3) * (1, 1, 0.5)
    moved = poses.copy()
    moved[:, :3, 3] += times[:, None] * rng.uniform(*sizes) * direction / np.linalg.norm(direction)
    return moved


def turned(poses, align, rng, sizes, times) -> np.ndarray:
    """Poses turned about a random axis through a place in the room, by a size times `times`."""
    axis = rng.normal(size=3)
    degrees = times * rng.uniform(*sizes)
    rotation = Rotation.from_rotvec(np.radians(degrees)[:, None] * axis / np.linalg.norm(axis))
    place = poses[:, :3, 3].mean(axis=0) + rng.normal(size=3) * (1.5, 1.5, 0.5)
    motion = np.tile(np.eye(4), (len(poses), 1, 1))
    motion[:, :3, :3] = rotation.as_matrix()
    motion[:, :3, 3] = place - motion[:, :3, :3] @ place
    return motion @ poses


def jump(move: Callable[..., np.ndarray], sizes, lasts: float, poses, align, rng) -> np.ndarray:
    """Poses are off from a frame on, in the middle half of the scene, for a share of the scene."""
    start = round(rng.uniform(0.25, 0.75) * len(poses))
    numbers = np.arange(len(poses))
    off = (numbers >= start) & (numbers < start + lasts * len(poses))
    return move(poses, align, rng, sizes, off.astype(float))


def drift(move: Callable[..., np.ndarray], sizes, poses, align, rng) -> np.ndarray:
    """Poses are off by more and more."""
    return move(poses, align, rng, sizes, np.linspace(0, 1, len(poses)))


def _foreign_poses(scenes, scene_id, other_id, rng) -> SceneInfoHandler:
    count = len(scenes.valid_frames(scene_id)[0])
    other = scenes.axis_align_matrix(scene_id) @ np.linalg.inv(scenes.axis_align_matrix(other_id))
    return FaultyScene(scenes, poses=(other @ scenes.valid_frames(other_id)[1])[:count])


def _of_jump(move, sizes, lasts=1.0) -> SceneFault:
    return of_poses(lambda *given: jump(move, sizes, lasts, *given), "jump")


def _of_drift(move, sizes) -> SceneFault:
    return of_poses(lambda *given: drift(move, sizes, *given), "drift")


SCENE_FAULTS = {
    "poses of another scene": SceneFault("poses of another scene", _foreign_poses),
    "mesh of another scene": SceneFault(
        "mesh of another scene",
        lambda scenes, scene_id, other_id, rng: FaultyScene(scenes, mesh_of=other_id),
    ),
    "rotations transposed": of_poses(in_files(transposed), "rotation transposed"),
    "poses inverted": of_poses(in_files(np.linalg.inv), "poses inverted"),
    "camera axes right, up, back": of_poses(in_files(lambda poses: poses @ FLIP), "camera axes"),
    "jump by a shift": _of_jump(shifted, JUMP_M),
    "jump there and back": _of_jump(shifted, JUMP_M, lasts=0.3),
    "jump by a turn": _of_jump(turned, JUMP_DEG),
    "drift by a shift": _of_drift(shifted, DRIFT_M),
    "drift by a turn": _of_drift(turned, DRIFT_DEG),
    "depth late": of_files("time shift", depth_lag=1),
    "depth early": of_files("time shift", depth_lag=-1),
    "colour late": of_files("time shift", color_lag=1),
    "colour beside depth": of_files("colour beside depth", color_shift=COLOR_SHIFT_PX),
    "colour drawn smaller": of_files("colour beside depth", color_scale=COLOR_SCALE),
    "focal length too large": of_files("intrinsics", camera=CAMERA_FACTOR),
    "focal length too small": of_files("intrinsics", camera=1 / CAMERA_FACTOR),
    "depth too large": of_files("depth scale", depth_factor=DEPTH_FACTOR),
    "depth too small": of_files("depth scale", depth_factor=1 / DEPTH_FACTOR),
}


def fused_faults() -> dict[str, SceneFault]:
    """Faults of a whole capture without a mesh: its points are fused from the faulty frames."""

    def of(named: str, change=lambda poses: poses, depth_factor: float = 1.0) -> SceneFault:
        def put(scenes, scene_id, other_id, rng):
            align = scenes.axis_align_matrix(scene_id)
            poses = align @ change(np.linalg.inv(align) @ scenes.valid_frames(scene_id)[1])
            return FaultyScene(scenes, poses=poses, depth_factor=depth_factor, fused=True)

        return SceneFault(named, put)

    def scaled(factor: float) -> SceneFault:
        return of("depth scale", depth_factor=factor)

    def with_up(axis: np.ndarray) -> SceneFault:
        motion = np.eye(4)
        motion[:3, :3] = rotation_to_z_up(axis).T
        return of("up is not z", lambda poses: motion @ poses)

    return {
        "fused: none": of(""),
        "fused: poses inverted": of("poses inverted", np.linalg.inv),
        "fused: camera axes right, up, back": of("camera axes", lambda poses: poses @ FLIP),
        "fused: rotations transposed": of("rotation transposed", transposed),
        "fused: depth 5 times too large": scaled(5),
        "fused: depth 5 times too small": scaled(1 / 5),
        "fused: depth 6.5 times too large": scaled(6.5535),
        "fused: depth 6.5 times too small": scaled(1 / 6.5535),
        "fused: metres taken for millimetres": scaled(1 / 1000),
        "fused: millimetres taken for metres": scaled(1000),
        **{f"fused: {name} is up": with_up(up) for name, up in UPS.items() if name != "z"},
        "fused: up is 35 degrees off": with_up(np.array([0.5, 0.287, 0.82])),
        "fused: all 5 times too large": _of_size(5.0),
        "fused: all 10 times too small": _of_size(0.1),
        "fused: all 40 times too small": _of_size(1 / 40),
    }


def _of_size(factor: float) -> SceneFault:
    def put(scenes, scene_id, other_id, rng):
        poses = scenes.valid_frames(scene_id)[1].copy()
        poses[:, :3, 3] *= factor
        return FaultyScene(scenes, poses=poses, depth_factor=factor, fused=True)

    return SceneFault("scale of the world", put)


FUSED_FAULTS = fused_faults()


class ClipFault(NamedTuple):
    """named: what the check has to say; put(tracks_cam, poses, other, rng): tracks (T, N, 3) and
    poses (T, 4, 4) world_from_cam with the fault, where `other` (T, 4, 4) are those of another
    clip; moves: only where the camera does."""

    named: str
    put: Callable[..., tuple[np.ndarray, np.ndarray]]
    moves: bool = True


def in_world(change: Callable[[np.ndarray, np.random.Generator], np.ndarray]):
    """A fault of what is tracked: `change(world, rng)` gives places (T, N, 3) in the world."""

    def put(tracks, poses, other, rng):
        world = tracks @ np.swapaxes(poses[:, :3, :3], 1, 2) + poses[:, None, :3, 3]
        return (change(world, rng) - poses[:, None, :3, 3]) @ poses[:, :3, :3], poses

    return put


def drifted(world: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All points drift along one line."""
    way = rng.normal(size=3)
    way *= rng.uniform(*CLIP_DRIFT_M) / np.linalg.norm(way)
    return world + np.linspace(0, 1, len(world))[:, None, None] * way


def shaken(world: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """All points go to and fro."""
    return world + rng.normal(0, CLIP_JITTER_M, world.shape)


def late(poses: np.ndarray, frames: int) -> np.ndarray:
    """Poses of so many frames before."""
    return poses[np.maximum(np.arange(len(poses)) - frames, 0)]


CLIP_FAULTS = {
    "extrinsics identity": ClipFault(
        "extrinsics identity", lambda t, poses, other, rng: (t, np.tile(np.eye(4), (len(t), 1, 1)))
    ),
    "extrinsics inverted": ClipFault(
        "extrinsics inverted", lambda t, poses, other, rng: (t, np.linalg.inv(poses))
    ),
    "rotations transposed": ClipFault(
        "rotation transposed", lambda t, poses, other, rng: (t, transposed(poses))
    ),
    "extrinsics of another": ClipFault(
        "extrinsics of another", lambda t, poses, other, rng: (t, other)
    ),
    "extrinsics 1 frame late": ClipFault(
        "time shift", lambda t, poses, other, rng: (t, late(poses, 1))
    ),
    "extrinsics 5 frames late": ClipFault(
        "time shift", lambda t, poses, other, rng: (t, late(poses, 5))
    ),
    "tracks drift": ClipFault("still points drift", in_world(drifted), moves=False),
    "tracks jitter": ClipFault("still points jitter", in_world(shaken), moves=False),
}
