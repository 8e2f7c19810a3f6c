"""What a raw ScanNet scan says, read in the plainest way there is.

Reads, under `root`:
    data/scannet/scans/<scene>/<scene>.sens                           frames, poses, cameras
    data/scannet/scans/<scene>/<scene>.txt                            axis alignment
    data/scannet/scans/<scene>/<scene>_vh_clean_2.ply                 mesh vertices
    data/scannet/scans/<scene>/<scene>_vh_clean_2.0.010000.segs.json  segment of each vertex
    data/scannet/scans/<scene>/<scene>.aggregation.json               segments of each object
    data/scannet/meta_data/scannetv2-labels.combined.tsv              NYU40 ids, if asked for
    data/scannet/posed_images/<scene>/                                names of frames, if there
Writes nothing. Readers of its own, so that a bug in a library or in the engine's readers shows as
a difference.

Frames of reference: `world` is the axis-aligned scene frame (metres, z up); `cam` is x right,
y down, z forward. `world_from_cam = axis_align @ pose`.

How docs/spec.md was read where it leaves a choice, by section:
- 3.4 impossible input: a D5 pose that can be used, or an axis alignment, that is no rigid motion,
  and a camera that its images cannot have, end the reading of the scene. Other frames are not read.
- 3.1 identity where the file has none: a `.txt` without the key; a missing `.txt` is an error.
- 3.1 a label that the table has only without its capitals, or the blanks around it, has that id.
- 3.1 boxes are taken of the vertices that an object keeps when "the later one wins".
- 3.2 frames that posed_images does not hold, as of a larger FRAME_SKIP, are in no table.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.audit.raw.annotations import (
    Group,
    read_groups,
    read_instance_ids,
    read_label_table,
)
from spatial_engine.audit.raw.cameras import check_rigid, has_rotation
from spatial_engine.audit.raw.ids import FRAME_STEP, SCANNET
from spatial_engine.audit.raw.limits import RawDataError, is_sound
from spatial_engine.audit.raw.mesh import read_ply_vertices
from spatial_engine.audit.raw.pictures import PictureError, jpeg_size, read_jpeg
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.raw.sens_file import SensFile


class RawScene(SensFile, PosedScene):
    """One scene as the raw files have it: its frames, alignment, mesh and objects.

    axis_align: (4, 4) float64 aligned-from-recorded world; identity where the `.txt` has none.
    The mesh and the annotations are read on first use.
    """

    def __init__(self, root: str | Path, scene_id: str) -> None:
        self.root = Path(root)
        self.dataset, self.scene_id, self.frame_step = SCANNET, scene_id, FRAME_STEP
        if not re.fullmatch(r"[A-Za-z0-9_-]+", scene_id):
            raise RawDataError(f"{scene_id!r} is not a scene id")
        self._folder = self.root / "data" / "scannet" / "scans" / scene_id
        self.axis_align = read_axis_alignment(self._folder / f"{scene_id}.txt")
        super().__init__(self._folder / f"{scene_id}.sens")
        for frame_id in self.valid_frame_ids:
            check_rigid(f"{self._sens}: pose of frame {frame_id}", self.poses[int(frame_id)])

    # ---- frames --------------------------------------------------------------------------------

    def is_valid(self, frame_id: str) -> bool:
        """Whether the frame's pose can be used: all entries finite, rotation not singular."""
        return has_rotation(self.poses[self._index(frame_id)])

    def world_from_cam(self, frame_id: str) -> np.ndarray:
        """(4, 4) axis-aligned camera-to-world pose, E of SPEC 4 and 5."""
        return self.axis_align @ self.poses[self._index(frame_id)]  # inf where the pose is

    def camera_K(self, frame_id: str) -> np.ndarray:
        """(3, 3) intrinsics of a frame's colour image, pixels: one for all frames."""
        return self.colour_intrinsics

    def why_not_stored(self, frame_id: str, content: bytes) -> str:
        """Why the file of an image cannot be that of the frame, "" if it can."""
        stored = self.jpeg_bytes(frame_id)
        return "" if content == stored else "is not the stored JPEG of its frame"

    def picture(self, frame_id: str) -> np.ndarray:
        """(H, W, 3) int64 RGB of a frame."""
        try:
            content = self.jpeg_bytes(frame_id)
            size = jpeg_size(content)
            if size != self.colour_size:
                raise RawDataError(f"{self.scene_id}: colour of frame {frame_id} is {size}")
            return read_jpeg(content)
        except PictureError as err:
            raise RawDataError(f"{self.scene_id}: colour of frame {frame_id}: {err}") from err

    # ---- mesh and annotations ------------------------------------------------------------------

    @cached_property
    def vertices(self) -> np.ndarray:
        """(N, 3) mesh vertices in the recorded frame, metres."""
        return read_ply_vertices(self._folder / f"{self.scene_id}_vh_clean_2.ply")

    @cached_property
    def vertices_aligned(self) -> np.ndarray:
        """(N, 3) mesh vertices in the axis-aligned world, metres."""
        with np.errstate(over="ignore", invalid="ignore"):
            aligned = self.vertices @ self.axis_align[:3, :3].T + self.axis_align[:3, 3]
        if not is_sound(aligned):
            raise RawDataError(f"{self.scene_id}: aligned vertices are beyond all bounds")
        return aligned

    @cached_property
    def _groups(self) -> list[Group]:
        return read_groups(self._folder / f"{self.scene_id}.aggregation.json")

    @cached_property
    def instance_ids(self) -> np.ndarray:
        """(N,) int64 per vertex: objectId + 1, 0 = unannotated; a later claim wins."""
        path = self._folder / f"{self.scene_id}_vh_clean_2.0.010000.segs.json"
        return read_instance_ids(path, self._groups, len(self.vertices))

    @property
    def raw_categories(self) -> dict[int, str]:
        """{objectId: label of the annotation}, objects without vertices included."""
        return {group.object_id: group.label for group in self._groups}

    @cached_property
    def nyu40_ids(self) -> dict[int, int]:
        """{objectId: NYU40 id of its label}; 0 for a label that the label table does not have."""
        path = self.root / "data/scannet/meta_data/scannetv2-labels.combined.tsv"
        table = read_label_table(path)
        return {
            object_id: table.get(label, table.get(label.strip().lower(), 0))
            for object_id, label in self.raw_categories.items()
        }


def read_axis_alignment(path: str | Path) -> np.ndarray:
    """(4, 4) axis alignment of a `<scene>.txt`; identity where the file has none."""
    try:
        text = Path(path).read_bytes().decode("utf-8", errors="replace")
    except OSError as err:
        raise RawDataError(f"{path}: {err.strerror or err}") from err
    lines = text.removeprefix("\ufeff").splitlines()  # takes LF and CRLF
    for line in lines:
        key, _, value = line.partition("=")
        if key.strip() == "axisAlignment":
            try:
                matrix = np.array([float(word) for word in value.split()]).reshape(4, 4)
            except ValueError as err:
                raise RawDataError(f"{path}: axisAlignment is not 16 numbers") from err
            check_rigid(f"{path}: axisAlignment", matrix)
            return matrix
    if not any(re.match(r"\s*\w+\s*=", line) for line in lines):
        raise RawDataError(f"{path}: no line `key = value`")
    return np.eye(4)
