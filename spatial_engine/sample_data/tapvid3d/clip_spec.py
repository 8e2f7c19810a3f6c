"""The description of a sample clip, and what follows from it alone: camera, motions, generators."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data.rendering.render import Camera

# By kind of clip: image size (width, height) and fx, fy, cx, cy in pixels of that size.
CAMERAS = {
    "adt": ((512, 512), (280.0, 280.0, 256.0, 256.0)),
    "pstudio": ((640, 360), (536.4, 536.9, 321.3, 178.8)),
    "drivetrack": ((1920, 1280), (2082.68, 2082.68, 984.54, 643.28)),
}


@dataclass(frozen=True)
class Motion:
    """Where a moving thing is over a clip.

    Key rows: time (0 at the first frame, 1 at the last), x, y, z in metres in the room's frame,
    then yaw, pitch, roll in degrees around z, the turned y, the turned x. Between two equal keys
    nothing moves at all.
    """

    keys: tuple[tuple[float, ...], ...]

    def poses(self, times: np.ndarray) -> np.ndarray:
        """(T, 4, 4) room_from_body at times (T,) within 0..1."""
        keys = np.array(self.keys, float)
        values = PchipInterpolator(keys[:, 0], keys[:, 1:])(times)
        poses = np.tile(np.eye(4), (len(times), 1, 1))
        poses[:, :3, :3] = Rotation.from_euler("ZYX", values[:, 3:], degrees=True).as_matrix()
        poses[:, :3, 3] = values[:, :3]
        return poses


@dataclass(frozen=True)
class Body:
    """A rigid thing that moves: a builder of `moving_things`, and the motion that carries it.

    It stands at `at` (x, y, z metres), turned by `turn` degrees, in the frame that moves; two
    bodies with one motion move alike.
    """

    name: str
    kind: str
    motion: str
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
    turn: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Play:
    """What happens in a clip: the room, the bodies, their motions, the camera's key rows x, y, z
    in metres, yaw, pitch in degrees (one row: it stands still)."""

    room: str
    bodies: tuple[Body, ...]
    motions: dict[str, Motion]
    camera: tuple[tuple[float, float, float, float, float], ...]


@dataclass(frozen=True)
class ClipQuirks:
    """What is odd about a clip's file; by default nothing.

    object_array: pictures in an array of objects, which only unpickling reads (else fixed-width
    bytes); double: coordinates in float64 (else float32); compressed: a deflated npz;
    without_extrinsics: an adt clip as the official script leaves it; lost_point: one point that is
    never visible has no coordinates at all; hidden_queries: some queries are in frames that do not
    show their points; jumps: cameras jump by half a metre between frames, and only they do.
    """

    object_array: bool = False
    double: bool = False
    compressed: bool = False
    without_extrinsics: bool = False
    lost_point: bool = False
    hidden_queries: bool = False
    jumps: bool = False


NO_CLIP_QUIRKS = ClipQuirks()


@dataclass(frozen=True)
class ClipSpec:
    """All that decides the bytes of a clip. `image_size` is (width, height) in pixels; each
    rendered picture stands for `picture_repeat` frames, coordinates and visibility never do."""

    clip_id: str
    kind: str
    play: str
    seed: int = 0
    num_frames: int = 24
    image_size: tuple[int, int] = (512, 512)
    num_points: int = 120
    picture_repeat: int = 1
    quirks: ClipQuirks = NO_CLIP_QUIRKS

    def generator(self, purpose: str, *numbers: int) -> np.random.Generator:
        """A stream of its own for every purpose: one more draw here changes nothing there."""
        words = (zlib.crc32(text.encode()) for text in (self.clip_id, purpose))
        return np.random.default_rng([self.seed, *words, *numbers])

    def camera(self) -> Camera:
        """The camera of the clip's data set, scaled to the size of its images."""
        native, (fx, fy, cx, cy) = CAMERAS[self.kind]
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
        return Camera(matrix, native).resized(self.image_size)
