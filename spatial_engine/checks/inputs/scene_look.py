"""A look at some frames of a scene: how they agree with the mesh as they are, and moved to fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from spatial_engine.checks.inputs.scene_fit import Agreement, agreement, move_to_fit

MOST_POINTS = 40_000  # vertices compared: 5 cm apart in a room, as in the sample scenes
MOST_MATCHED = 8_000  # of them that frames are moved by
LEAST_MEASURED = 0.1  # of a depth image: less says nothing
FITS = 0.7  # score of a frame that agrees; frames of another scene have less than 0.6
# Of one that was moved until it agrees: in another room it reaches 0.83. Where others of the scene
# agree as they are, so much of their score is enough.
FOUND, FOUND_SHARE = 0.85, 0.9
# A frame that has to be moved so far to agree is off. Poses of real scans are within some cm.
OFF_M, OFF_DEG = 0.1, 4.0
FEWEST_FITTING = 3  # frames
LEAST_GAIN = 0.02  # of the score, by moving a frame that is off
CLEAR_GAIN = 0.1  # by which one frame alone is off, whatever else is in it


@dataclass
class Scene:
    """What was read of a scene. `poses` (n, 4, 4) scan_from_cam of all usable frames `image_ids`;
    `aligned_from_scan` (4, 4); `cameras` (n, 3, 3) their
    intrinsics in pixels of the depth images; `points` (m, 3)
    vertices in the aligned frame; `read_depth(k)` the depth image (h, w) of frame k in mm."""

    image_ids: Sequence[str]
    poses: np.ndarray
    aligned_from_scan: np.ndarray
    cameras: np.ndarray
    points: np.ndarray
    read_depth: Callable[[int], np.ndarray]
    gaps: bool = False  # whether points were fused from some of the frames, and miss what one sees
    least_found: float = FOUND  # score of a frame that was moved until it agrees
    _depths: dict[int, np.ndarray] = field(default_factory=dict)
    _views: dict[int, View] = field(default_factory=dict)

    def __post_init__(self) -> None:
        finite = self.points[np.isfinite(self.points).all(axis=1)]
        self.points = finite[:: max(-(-len(finite) // MOST_POINTS), 1)]

    @cached_property
    def intrinsic(self) -> np.ndarray:
        """(3, 3) the camera, the median where they differ by frame."""
        return np.median(self.cameras, axis=0)

    def depth(self, number: int) -> np.ndarray:
        """Depth image of a frame, read once."""
        if number not in self._depths:
            self._depths[number] = self.read_depth(number)
        return self._depths[number]

    def aligned(self, number: int) -> np.ndarray:
        """(4, 4) pose of a frame in the aligned frame."""
        return self.aligned_from_scan @ self.poses[number]

    @cached_property
    def places(self) -> np.ndarray:
        """(6, 3) places on both sides of the middle of the mesh, along each axis, about which
        errors of poses are told: whatever a pose is turned about, some of them move."""
        low, middle, high = np.quantile(self.points, [0.1, 0.5, 0.9], axis=0)
        ends = np.stack([low, high])[:, None]
        return np.where(np.eye(3, dtype=bool), ends, middle).reshape(-1, 3)

    def view(self, number: int) -> View:
        """How a frame agrees with the mesh."""
        if number not in self._views:
            self._views[number] = View.of(self, number, self.aligned(number))
        return self._views[number]

    def expect(self, numbers: Sequence[int]) -> None:
        """Ask of frames that are moved what those of these frames reach that agree as they are."""
        scores = [self.view(number).fit.score for number in numbers]
        fitting = [score for score in scores if score >= FITS]
        if len(fitting) >= FEWEST_FITTING:
            self.least_found = min(FOUND, max(FITS, FOUND_SHARE * float(np.median(fitting))))
            views = self._views.items()
            self._views = {n: replace(v, least_found=self.least_found) for n, v in views}

    def follow(self, number: int, neighbour: int) -> View:
        """The same, where the frame is looked for where its neighbour was found, if that helps."""
        view, other = self.view(number), self.view(neighbour)
        if view.measured and not view.found and other.found:
            start = other.moved @ np.linalg.inv(other.pose) @ view.pose
            again = View.of(self, number, start)
            if again.found:
                self._views[number] = again
        return self._views[number]


@dataclass(frozen=True)
class View:
    """A frame and the mesh. `fit` as it is; `moved` (4, 4) the pose at which it agrees best, and
    `moved_score` its score there, and `least_found` the one
    that it has to reach; `measured` whether its depth says anything."""

    fit: Agreement
    pose: np.ndarray
    moved: np.ndarray
    moved_score: float
    least_found: float
    measured: bool

    @classmethod
    def of(cls, scene: Scene, number: int, start: np.ndarray) -> View:
        """Look at a frame, and move it from the pose `start` (4, 4) on."""
        depth, pose, camera = scene.depth(number), scene.aligned(number), scene.cameras[number]
        fit = agreement(scene.points, camera, pose, depth, gaps=scene.gaps)
        if np.count_nonzero(depth) < LEAST_MEASURED * depth.size:
            return cls(fit, pose, pose, 0.0, scene.least_found, False)
        matched = scene.points[:: max(len(scene.points) // MOST_MATCHED, 1)]
        moved = move_to_fit(matched, camera, start, depth)
        score = agreement(scene.points, camera, moved, depth, gaps=scene.gaps).score
        return cls(fit, pose, moved, score, scene.least_found, True)

    @property
    def shift(self) -> np.ndarray:
        """(3,) metres that the camera is moved by to agree."""
        return self.moved[:3, 3] - self.pose[:3, 3]

    @property
    def turn(self) -> float:
        """Degrees that the camera is turned by to agree."""
        return turn_between(self.pose, self.moved)

    @property
    def found(self) -> bool:
        """Whether it agrees once it is moved."""
        return self.moved_score >= self.least_found

    @property
    def gain(self) -> float:
        """How much better it agrees once it is moved far."""
        far = np.linalg.norm(self.shift) > OFF_M or self.turn > OFF_DEG
        return self.moved_score - self.fit.score if far and self.found else 0.0

    @property
    def off(self) -> bool:
        """Whether it does not agree as it is."""
        return self.fit.score < FITS or self.gain > LEAST_GAIN

    def errors_at(self, places: np.ndarray) -> np.ndarray:
        """(3 k,) metres by which its pose is wrong about places (k, 3) in the world."""
        motion = self.moved @ np.linalg.inv(self.pose)
        return (places @ motion[:3, :3].T + motion[:3, 3] - places).ravel()


def turn_between(pose1: np.ndarray, pose2: np.ndarray) -> float:
    """Angle between the rotations of two poses, degrees."""
    cosine = (np.trace(pose1[:3, :3].T @ pose2[:3, :3]) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
