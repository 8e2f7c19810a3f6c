"""The 3D box that a record about an object's size asks for, or those of the objects that a record
of many frames names, as lines in each of its images.

Scene infos are read only for records that are shown, each scene once; without them there are no
boxes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.object_perception.object_questions import measure_mm
from spatial_engine.report.frames_view import frames_of, known, named_objects
from spatial_engine.report.visible_text import escaped
from spatial_engine.utils.geometry.cameras import projection_matrix
from spatial_engine.utils.paths import FOLDERS, datasets_below, info_path
from spatial_engine.utils.questions.record_fields import MAX_COORDINATE
from spatial_engine.utils.questions.record_files import scene_of
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.coverage_files import DIMENSIONS

OBJECT_SIDES = {f"object_{side}{kind}": side for side in DIMENSIONS for kind in ("", "_marked")}
NEAR = 0.05  # metres before the camera: nearer, a line has no sensible place in the image
# Corners of a box of side 1 around 0, and its 12 edges as pairs of corners, 4 along each axis.
_CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
_EDGES = np.array([(i, i + 4 // 2**k) for k in range(3) for i in range(8) if not i & 4 // 2**k])


class Line(NamedTuple):
    """Part of an edge in the image number `image` (from 0): its ends, of 0 to 1000 over width and
    height. `measured` where the edge runs along the side that the record asks for. `number` is
    that of the object's colour among those of a record of many frames, else -1."""

    image: int
    measured: bool
    x1: float
    y1: float
    x2: float
    y2: float
    number: int = -1


class Label(NamedTuple):
    """The name of the object number `number`, at the top of its box in the image number `image`."""

    image: int
    number: int
    text: str
    x: float
    y: float


@dataclass(frozen=True)
class ObjectBox:
    """Lines of a box, or of several, in the images; facts about it, and where it contradicts the
    record; names, where there are several objects."""

    lines: list[Line]
    facts: list[str]
    contradictions: list[str]
    labels: list[Label] = field(default_factory=list)


def read_boxes(
    root: Path, records: Sequence[dict[str, Any]], faults: dict[str, str]
) -> list[ObjectBox | None]:
    """The box of each record; None where it asks for no object, or nothing is known of
    it. What cannot be read is added to `faults`."""
    found: list[ObjectBox | None] = [None] * len(records)
    by_scene: dict[str, list[int]] = {}
    for number, record in enumerate(records):
        if _asks_for_side(record) or (not TASKS[record["task"]].of_clips and named_objects(record)):
            by_scene.setdefault(scene_of(record["image"][0]), []).append(number)
    handlers = find_scenes(root, faults) if by_scene else {}
    for scene_id, numbers in sorted(by_scene.items()):
        if scene_id not in handlers:
            continue
        try:
            scene = _Scene(handlers[scene_id], scene_id)
            for number in numbers:
                record = records[number]
                asks = _asks_for_side(record)
                found[number] = scene.box_of(record) if asks else scene.boxes_of(record)
        except (BadDataError, np.linalg.LinAlgError) as error:
            faults[f"boxes of {scene_id}"] = str(error)
    return found


def find_scenes(root: Path, faults: dict[str, str]) -> dict[str, SceneInfoHandler]:
    """The scenes of all data sets by id, each with what knows about it. Infos that cannot be read
    are added to `faults`."""
    scenes: dict[str, SceneInfoHandler] = {}
    for handler in _load(root, faults):
        scenes = dict.fromkeys(handler.scene_ids, handler) | scenes
    return scenes


def _asks_for_side(record: dict[str, Any]) -> bool:
    return record["task"] in OBJECT_SIDES and type(record.get("object_id")) is int


def clip_edges(ends: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The parts of edges that an image shows.

    `ends` (n, 2, 3) are world points in metres, `matrix` (3, 4) projects them into an image of
    (width, height) `size`. Returns (n, 2, 2) pixels; NaN for an edge that is not in the image.
    """
    seen = ends @ matrix[:, :3].T + matrix[:, 3]  # (n, 2, 3): u z, v z, z
    width, height = size
    # Inside means that all of these are positive, and each is linear along an edge.
    planes = np.array([[0, 0, 1], [1, 0, 0], [-1, 0, width], [0, 1, 0], [0, -1, height]])
    inside = seen @ planes.T - [NEAR, 0, 0, 0, 0]  # (n, 2, 5)
    first, last = inside[:, 0], inside[:, 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = first / (first - last)
        start = np.where(last > first, crossing, -np.inf).max(axis=1).clip(0, None)
        end = np.where(last < first, crossing, np.inf).min(axis=1).clip(None, 1)
    outside = ((first < 0) & (first == last)).any(axis=1) | ~(start < end)
    start, end = (np.where(outside, np.nan, place)[:, None] for place in (start, end))
    step = seen[:, 1] - seen[:, 0]
    clipped = np.stack([seen[:, 0] + place * step for place in (start, end)], axis=1)
    return clipped[..., :2] / clipped[..., 2:]


class _Scene:
    """What boxes of a scene need, read once."""

    def __init__(self, scenes: SceneInfoHandler, scene_id: str):
        self._scenes, self._id = scenes, scene_id
        ids, poses = scenes.valid_frames(scene_id)
        cameras = projection_matrix(scenes.intrinsics(scene_id, ids), poses)
        self._cameras = dict(zip(ids, cameras, strict=True))
        self._size = scenes.color_size(scene_id)
        self._categories = {i: scenes.category(scene_id, i) for i in scenes.object_ids(scene_id)}

    def box_of(self, record: dict[str, Any]) -> ObjectBox | None:
        """The box of the object whose side is asked for."""
        object_id, side = record["object_id"], OBJECT_SIDES[record["task"]]
        box = self._box(object_id)
        if box is None:
            return None
        size = box[3:6]
        axis = {"height": 2, "length": int(size[0] < size[1]), "width": int(size[0] >= size[1])}
        ends = _ends_of(box)
        measured = np.arange(len(_EDGES)) // 4 == axis[side]
        matrices = self._matrices(record)
        lines = []
        for number, matrix in matrices.items():
            parts = self._parts(ends, matrix)
            lines += [
                Line(number, bool(along), *part.ravel().tolist())
                for part, along in zip(parts, measured, strict=True)
                if np.isfinite(part).all()
            ]
        lines.sort(key=lambda line: line.measured)  # those are drawn over the others
        sides = {name: measure_mm(size, name) for name in DIMENSIONS}
        facts = ["box: " + ", ".join(f"{name} {mm} mm" for name, mm in sides.items())]
        if others := self._others_in_view(object_id, list(matrices.values())):
            facts.append(escaped(f"{others} more of this category in view, if not hidden"))
        wrong = ["the box and gt_value differ"] if sides[side] != record["gt_value"] else []
        return ObjectBox(lines, facts, wrong)

    def boxes_of(self, record: dict[str, Any]) -> ObjectBox:
        """The boxes of the objects that a record of many frames names, in the images that show
        them as it says, or in all where it does not say."""
        lines, labels = [], []
        shown = known(record, "seen_objects")
        for number, (object_id, name) in enumerate(named_objects(record).items()):
            box = self._box(object_id)
            if box is None:
                continue
            for image, matrix in self._matrices(record).items():
                if shown is not None and object_id not in (shown[image : image + 1] or [[]])[0]:
                    continue
                parts = self._parts(_ends_of(box), matrix)
                parts = parts[np.isfinite(parts).all(axis=(1, 2))]
                if not len(parts):
                    continue
                lines += [Line(image, False, *part.ravel().tolist(), number) for part in parts]
                top = parts.reshape(-1, 2)[parts[..., 1].argmin()].tolist()
                labels.append(Label(image, number, escaped(name), *top))
        return ObjectBox(lines, *self._judge_size(record), labels)

    def _judge_size(self, record: dict[str, Any]) -> tuple[list[str], list[str]]:
        """(facts, contradictions) about the box whose three sides are asked for, if any."""
        object_id = known(record, "object_id")
        box = None if object_id is None else self._box(object_id)
        if box is None:
            return [], []
        sides = [measure_mm(box[3:6], name) for name in DIMENSIONS]
        return [], ["the box and gt_value differ"] if sides != record["gt_value"] else []

    def _box(self, object_id: int) -> np.ndarray | None:
        """Centre and size of an object's box (6,); None without vertices, or without an object."""
        if object_id not in self._categories:
            return None
        box = self._scenes.aligned_box(self._id, object_id)[:6]
        return box if box[3:].any() else None

    def _parts(self, ends: np.ndarray, matrix: np.ndarray) -> np.ndarray:
        """What an image shows of edges (n, 2, 3): (n, 2, 2) of 0 to 1000, or NaN."""
        parts = clip_edges(ends, matrix, self._size) * MAX_COORDINATE / self._size
        return parts.round(1)

    def _matrices(self, record: dict[str, Any]) -> dict[int, np.ndarray]:
        """Projections (3, 4) of the record's images, by number, where their poses are known."""
        frames = frames_of(record) or [Path(name).stem for name in record["image"]]
        return {
            number: self._cameras[frame]
            for number, frame in enumerate(frames)
            if frame in self._cameras
        }

    def _others_in_view(self, object_id: int, matrices: Sequence[np.ndarray]) -> int:
        """How many other objects of the category have the centre of their box in an image."""
        mine = self._categories[object_id].strip()
        count = 0
        for other, category in self._categories.items():
            if other != object_id and category.strip() == mine:
                center = self._scenes.aligned_box(self._id, other)[:3]
                seen = [matrix @ [*center, 1.0] for matrix in matrices]
                count += any(
                    z > NEAR and 0 <= u < self._size[0] * z and 0 <= v < self._size[1] * z
                    for u, v, z in seen
                )
        return count


def _ends_of(box: np.ndarray) -> np.ndarray:
    """The ends (12, 2, 3) of the edges of a box, of which the first six numbers are centre and
    size."""
    return (_CORNERS * box[3:6] + box[:3])[_EDGES]


def _load(root: Path, faults: dict[str, str]) -> list[SceneInfoHandler]:
    handlers = []
    for dataset, split in product(datasets_below(root), FOLDERS):
        try:
            handlers.append(SceneInfoHandler.load(dataset, split))
        except MissingInputError:  # a root with records and images only
            continue
        except EngineError as error:
            faults[str(info_path(dataset, split))] = str(error)
    return handlers
