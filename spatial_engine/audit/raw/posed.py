"""What scenes of all data sets offer to the oracles, made of what each reads in its own way."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.audit.raw.ids import frame_of
from spatial_engine.audit.raw.limits import RawDataError, is_sound


class PosedScene:
    """One scene: its frames, their cameras, its points and objects.

    Attributes that each kind of scene sets (float64 throughout):
        root, dataset, scene_id. colour_size, depth_size: (width, height).
        frame_step: 1 of so many frames can be in a table.
        vertices_aligned: (N, 3) in the world of the prepared scene, metres, z up.
        instance_ids: (N,) int64 object id + 1, 0 = none. raw_categories: {object id: label}.
    """

    root: Path
    dataset: str
    scene_id: str
    frame_step: int
    colour_size: tuple[int, int]
    depth_size: tuple[int, int]
    vertices_aligned: np.ndarray
    instance_ids: np.ndarray
    raw_categories: dict[int, str]

    # ---- what each kind of scene reads in its own way ------------------------------------------

    def frame_ids(self) -> list[str]:
        """Ids of the frames that can be in a table, in order."""
        raise NotImplementedError

    def is_valid(self, frame_id: str) -> bool:
        """Whether the frame's pose can be used: all entries finite, rotation not singular."""
        raise NotImplementedError

    def world_from_cam(self, frame_id: str) -> np.ndarray:
        """(4, 4) camera-to-world pose in the world of the prepared scene, E of SPEC 4 and 5."""
        raise NotImplementedError

    def camera_K(self, frame_id: str) -> np.ndarray:
        """(3, 3) intrinsics of a frame's colour image, pixels."""
        raise NotImplementedError

    def depth_mm(self, frame_id: str) -> np.ndarray:
        """(H, W) int64 depth in whole millimetres; 0 = not measured."""
        raise NotImplementedError

    def depth_mm_bounds(self, frame_id: str) -> tuple[np.ndarray, np.ndarray]:
        """The least and the most that each depth may be, (H, W) float64 mm."""
        raise NotImplementedError

    def picture(self, frame_id: str) -> np.ndarray:
        """(H, W, 3) int64 RGB of a frame."""
        raise NotImplementedError

    def why_not_stored(self, frame_id: str, content: bytes) -> str:
        """Why the file of an image cannot be that of the frame, "" if it can."""
        raise NotImplementedError

    # ---- what follows from that ----------------------------------------------------------------

    @property
    def valid_frame_ids(self) -> list[str]:
        """The frames that can be in a table, that were extracted and whose pose can be used."""
        there = self._extracted
        ids = [frame_id for frame_id in self.frame_ids() if there is None or frame_id in there]
        return [frame_id for frame_id in ids if self.is_valid(frame_id)]

    @property
    def posed_images(self) -> Path:
        """The folder of the extracted frames, which may not be there."""
        return self.root / "data" / self.dataset / "posed_images" / self.scene_id

    @cached_property
    def _extracted(self) -> set[str | None] | None:
        """Ids of the frames in posed_images; None where the scene has no folder there."""
        try:
            names = os.listdir(self.posed_images)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as err:
            raise RawDataError(f"{self.posed_images}: {err.strerror or err}") from err
        return {frame_of(name[:-4]) for name in names if name.endswith(".jpg")}

    def cam_from_world(self, frame_id: str) -> np.ndarray:
        """(4, 4) inverse of `world_from_cam`: a true inverse (SPEC 4), not a transpose.

        float32 rotations are not quite orthonormal; a transpose would be off by micrometres.
        """
        if not self.is_valid(frame_id):
            raise RawDataError(f"{self.scene_id}: frame {frame_id} has no valid pose")
        world_from_cam = self.world_from_cam(frame_id)
        try:
            cam_from_world = np.linalg.inv(world_from_cam)
        except np.linalg.LinAlgError as err:
            raise RawDataError(f"{self.scene_id}: pose of frame {frame_id} is singular") from err
        if not (is_sound(world_from_cam) and is_sound(cam_from_world)):
            raise RawDataError(f"{self.scene_id}: pose of frame {frame_id} is beyond all bounds")
        return cam_from_world

    @cached_property
    def object_boxes(self) -> dict[int, np.ndarray]:
        """{objectId: (6,) cx cy cz dx dy dz}, aligned world, metres; zeros without vertices."""
        boxes = {}
        for object_id in self.raw_categories:
            points = self.vertices_aligned[self.instance_ids == object_id + 1]
            if len(points) == 0:
                boxes[object_id] = np.zeros(6)
            else:
                low, high = points.min(axis=0), points.max(axis=0)
                boxes[object_id] = np.concatenate([(low + high) / 2, high - low])
        return boxes

    @property
    def nyu40_ids(self) -> dict[int, int]:
        """{objectId: NYU40 id of its label}; 0 where a data set has no such table."""
        return dict.fromkeys(self.raw_categories, 0)

    @property
    def semantic_ids(self) -> np.ndarray:
        """(N,) int64 NYU40 id per vertex; 0 = unannotated or label not in the table."""
        semantic = np.zeros(len(self.instance_ids), dtype=np.int64)
        for object_id, nyu40_id in self.nyu40_ids.items():
            semantic[self.instance_ids == object_id + 1] = nyu40_id
        return semantic
