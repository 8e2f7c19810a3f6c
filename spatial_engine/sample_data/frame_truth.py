"""Which labels about points in three to eight frames are wrong: records held against the exact room
as in `label_truth`, by the dots that they tell of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

import numpy as np

from spatial_engine.sample_data.label_truth import (
    DEPTH_SHARE,
    POINT_METRES,
    Record,
    Room,
    Verdict,
)

ODD_METRES = 0.2  # an odd dot that shows a place nearer to that of the others is not odd


def judge_frames(record: Record, rooms: Mapping[str, Room]) -> Verdict:
    """Hold a record of one of `JUDGES` against its scene. `error` is a share of the true depth, the
    distance of places that are told to be one in metres, or how many frames are told wrongly."""
    return JUDGES[record["task"]](record, rooms[PurePosixPath(record["image"][0]).parts[-2]])


def _marked(record: Record, room: Room) -> np.ndarray:
    """(1, 3) what the dot of the first image is on."""
    places, _ = room.truth.shown(record["frames"][0], room.pixels([record["p1"]]))
    return places


def _depth(room: Room, image_id: str, place: np.ndarray) -> float:
    """Depth of a place (1, 3) in a frame, whether it shows it or not."""
    return float(room.truth.pixels(image_id, place)[1][0])


def _judge_nearest(record: Record, room: Room) -> Verdict:
    """Wrong: another frame is nearest, or a depth is off by more than `DEPTH_SHARE`."""
    place = _marked(record, room)
    true = np.array([_depth(room, image_id, place) for image_id in record["frames"]])
    error = float((np.abs(np.array(record["depths_mm"]) / 1000 - true) / true).max())
    nearest = record["choices"][record["gt_value"]]
    return Verdict(error > DEPTH_SHARE or nearest != f"Image-{true.argmin() + 1}", error)


def _judge_hidden(record: Record, room: Room) -> Verdict:
    """Wrong: the depth is off by more than `DEPTH_SHARE`, or the last frame shows the place."""
    place, last = _marked(record, room), record["frames"][-1]
    true = _depth(room, last, place)
    error = abs(record["gt_value"] / 1000 - true) / abs(true)
    return Verdict(error > DEPTH_SHARE or bool(room.truth.sees(last, place)[0]), error)


def _judge_odd(record: Record, room: Room) -> Verdict:
    """Wrong: dots that are told to be on one place are more than `POINT_METRES` apart, or the odd
    one is within `ODD_METRES` of another."""
    marks = zip(record["frames"], record["mark_points"], strict=True)
    places = [room.truth.shown(frame, room.pixels([mark]))[0][0] for frame, mark in marks]
    odd = places.pop(list(record["choices"]).index(record["gt_value"]))
    apart = [float(np.linalg.norm(one - two)) for one in places for two in places]
    away = min(float(np.linalg.norm(odd - place)) for place in places)
    return Verdict(not max(apart) <= POINT_METRES or away <= ODD_METRES, max(apart))


def _judge_seen(record: Record, room: Room) -> Verdict:
    """Wrong: a frame that is told to show the place does not, or the other way round."""
    place = _marked(record, room)
    true = [bool(room.truth.sees(image_id, place)[0]) for image_id in record["frames"][1:]]
    wrong = sum(one != two for one, two in zip(true, record["seen"][1:], strict=True))
    return Verdict(wrong > 0, float(wrong))


JUDGES: dict[str, Callable[[Record, Room], Verdict]] = {
    "depth_nearest_view": _judge_nearest,
    "depth_hidden_depth": _judge_hidden,
    "correspondence_odd_dot": _judge_odd,
    "correspondence_seen_where": _judge_seen,
}
