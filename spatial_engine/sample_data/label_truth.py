"""Which labels of sample scenes are wrong: records held against the exact room (`SceneTruth`).

A record is judged as a reader takes it: by the coordinates that it names, in its own images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from spatial_engine.sample_data.scannet.scene_truth import SceneTruth
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

DEPTH_SHARE = 0.05  # an estimated depth that is off by more of the true one is wrong
POINT_METRES = 0.05  # two pixels that show places farther apart do not show one point
# An object is not shown end to end if its images truly show less of it. Sets of images are chosen
# by 0.9 of the measured size; 0.05 is for what noise moves its ends by.
SHOWN_SHARE = 0.85
SIZE_SHARE = 0.1  # an object's size that is off by more of the true one is wrong
SPACING = 0.02  # metres between the points of an object that are looked for

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Whether a label is wrong, and by how much: `error` is a share of the true depth, metres
    between the two places shown, or the share of an object's size that is not shown."""

    wrong: bool
    error: float


@dataclass(frozen=True)
class Room:
    """A scene: the truth about it, and its objects as the engine knows them."""

    scene_id: str
    truth: SceneTruth
    scenes: SceneInfoHandler

    def pixels(self, places: list[list[int]]) -> np.ndarray:
        """(n, 2) pixels of coordinates from 0 to 1000."""
        return np.array(places, float) / 1000 * self.truth.cameras[0].size

    @cached_property
    def things(self) -> dict[int, np.ndarray]:
        """Points (n, 3) of the exact thing that each object is: of those with its label, the one
        whose box has most in common with the object's. Objects that are none of them are left out.
        """
        labels = self.truth.labels
        points = {
            thing: self.truth.thing_points(thing, SPACING)
            for thing, label in enumerate(labels)
            if label is not None
        }
        found = {}
        for number in self.scenes.object_ids(self.scene_id):
            box = self.scenes.aligned_box(self.scene_id, number)
            low, high = box[:3] - box[3:6] / 2, box[:3] + box[3:6] / 2
            category = self.scenes.category(self.scene_id, number)
            same = [thing for thing in points if labels[thing] == category]
            shares = [_common(low, high, points[thing]) for thing in same]
            if shares and max(shares) > 0:
                found[number] = points[same[int(np.argmax(shares))]]
        return found


def _common(low: np.ndarray, high: np.ndarray, points: np.ndarray) -> float:
    """Volume that a box has in common with that of the points, over that of both."""
    grow = 0.02  # metres: flat things have a volume, too
    mine, theirs = (low - grow, high + grow), (points.min(0) - grow, points.max(0) + grow)
    sides = np.minimum(mine[1], theirs[1]) - np.maximum(mine[0], theirs[0])
    both = np.maximum(sides, 0).prod()
    return float(both / ((mine[1] - mine[0]).prod() + (theirs[1] - theirs[0]).prod() - both))


def judge(record: Record, rooms: Mapping[str, Room]) -> Verdict | None:
    """Hold a record against its scene; None where it is not judged (other families, objects that
    are no thing of the room)."""
    task = record["task"]
    kind = next((kind for kind in _JUDGES if task.startswith(kind)), None)
    return None if kind is None else _JUDGES[kind](record, rooms[_frame(record, 0)[0]])


def _frame(record: Record, number: int) -> tuple[str, str]:
    """Scene and image id of an image; a marked picture is named after the frame it shows."""
    path = PurePosixPath(record["image"][number])
    return path.parts[-2], path.stem.split("_")[0]


def _depths(record: Record, room: Room) -> tuple[np.ndarray, np.ndarray]:
    """Depths of the points of a record, metres: as measured, and true."""
    told = record["points_info"]
    pixels = room.pixels([[point["x"], point["y"]] for point in told])
    _, true = room.truth.shown(_frame(record, 0)[1], pixels)
    return np.array([point["depth_mm"] for point in told]) / 1000, true


def _judge_estimation(record: Record, room: Room) -> Verdict:
    """Wrong: off by more than `DEPTH_SHARE` of the true depth."""
    measured, true = _depths(record, room)
    error = float(abs(measured[0] - true[0]) / true[0])
    return Verdict(error > DEPTH_SHARE, error)


def _judge_comparison(record: Record, room: Room) -> Verdict:
    """Wrong: what is nearer by the label is truly farther; by how much of its depth."""
    measured, true = _depths(record, room)
    near, far = true[np.argsort(measured, kind="stable")]
    return Verdict(bool(near > far), max(0.0, float((near - far) / near)))


def _judge_correspondence(record: Record, room: Room) -> Verdict:
    """Wrong: the places that the two images show are farther apart than `POINT_METRES`."""
    match = record["p2"] if "p2" in record else record["options"][record["gt_value"]]
    one, _ = room.truth.shown(_frame(record, 0)[1], room.pixels([record["p1"]]))
    two, _ = room.truth.shown(_frame(record, 1)[1], room.pixels([match]))
    apart = float(np.linalg.norm(one - two))
    return Verdict(not apart <= POINT_METRES, apart)


def _judge_object(record: Record, room: Room) -> Verdict | None:
    """Wrong: the images of a record, all together, truly show less than `SHOWN_SHARE` of the object
    from end to end along the asked axis, of its true size or the answer, whichever is less."""
    points = room.things.get(record["object_id"])
    if points is None:
        return None
    axis = _axis(record["task"], points)
    seen = np.zeros(len(points), bool)
    for number in range(len(record["image"])):
        seen |= room.truth.sees(_frame(record, number)[1], points)
    shown = float(np.ptp(points[seen, axis])) if seen.any() else 0.0
    missing = 1 - shown / min(record["gt_value"] / 1000, float(np.ptp(points[:, axis])))
    return Verdict(missing > 1 - SHOWN_SHARE, max(0.0, missing))


def judge_size(record: Record, rooms: Mapping[str, Room]) -> Verdict | None:
    """Hold the answer of an object's record against the true size of the thing, all of it, seen or
    not. Wrong: off by more than `SIZE_SHARE` of it. None: as `judge`."""
    points = rooms[_frame(record, 0)[0]].things.get(record["object_id"])
    if points is None:
        return None
    true = float(np.ptp(points[:, _axis(record["task"], points)]))
    error = abs(record["gt_value"] / 1000 - true) / true
    return Verdict(error > SIZE_SHARE, error)


def _axis(task: str, points: np.ndarray) -> int:
    """The axis along which a task asks for the size of an object."""
    long = int(np.argmax(np.ptp(points[:, :2], axis=0)))
    return {"object_height": 2, "object_length": long, "object_width": 1 - long}[task]


_JUDGES: dict[str, Callable[[Record, Room], Verdict | None]] = {
    "depth_estimation": _judge_estimation,
    "depth_comparison": _judge_comparison,
    "correspondence": _judge_correspondence,
    "object_": _judge_object,
}
