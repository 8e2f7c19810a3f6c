"""Checks questions about how objects lie to each other that three to eight frames show together.

How docs/spec.md was read where it leaves a choice, by section:
- 13.2 which of two objects is a does not matter for their distance.
- 13.2 distances_mm is a list in the order of the letters, or an object {letter: mm}.
- 13.2 angles are those of the centres of the boxes in plan; a vertex of c is in the sector by its
  own angle from facing, seen from the centre of a. Within 1e-6 degrees of a border it may be.
- 13.2 -180 and 180 are the same angle_deg.
- 13.2 three objects are all not absent in two frames where each is not absent in one of the two.
- 13.3 the texts of choices are the words front, left, back, right; labels; labels joined by ", ".
- 13.3 whose names a question holds is judged, not in which order it says them; names in the choices
  are enough for the objects that are choices.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement, pairwise
from typing import Any

import numpy as np

from spatial_engine.audit.oracles.frames.constants import ROUNDING
from spatial_engine.audit.oracles.frames.objects import (
    ShownObjects,
    check_apart,
    check_categories,
    check_each_seen,
    check_ids,
    check_named,
    check_names_differ,
    check_near_sides,
    check_seen_objects,
    check_unique,
    names_of,
    shown_objects,
)
from spatial_engine.audit.oracles.frames.shown import (
    check_answer,
    check_choices,
    check_letters,
    check_numbers,
    check_scene_record,
    is_choices,
)
from spatial_engine.audit.oracles.frames.states import distance, object_points
from spatial_engine.audit.oracles.visibility import SurfaceRule
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.fields import acceptable_integers
from spatial_engine.audit.records.texts import check_leak, check_unit

DISTANCE, NEAREST = "relation_object_distance", "relation_nearest_object"
DIRECTION, ORDER = "relation_direction", "relation_appearance_order"
OBJECTS = {DISTANCE: (2,), NEAREST: (4, 5), DIRECTION: (3,), ORDER: (3, 4)}  # of a record
SECTORS = {"front": 0.0, "left": 90.0, "back": 180.0, "right": -90.0}  # middle, degrees from facing
HALF_SECTOR = 45.0  # degrees


def check_relation_frames_record(
    record: dict,
    scene: PosedScene,
    split: str,
    rule: SurfaceRule | None,
    constants: dict[str, Any],
) -> list[str]:
    """Complaints about a record of one of the four tasks.

    rule: which vertices lie on the surface; constants: those of the file, by name.
    """

    def check_truth(frames: tuple[str, ...]) -> list[str]:
        shown = shown_objects(scene, frames, rule, constants)
        wrong = check_ids(record, shown, OBJECTS[record["task"]])
        if wrong:
            return wrong
        ids = record["object_ids"]
        complaints = check_categories(record, shown, ids) + check_seen_objects(record, shown, ids)
        complaints += check_each_seen(shown, ids) + check_unique(shown, ids)
        check = {
            DISTANCE: _check_distance,
            NEAREST: _check_nearest,
            DIRECTION: _check_direction,
            ORDER: _check_order,
        }[record["task"]]
        return complaints + check(record, shown, ids)

    return check_scene_record(
        record, scene, split, constants, lambda text: _check_question(text, record), check_truth
    )


def _check_question(text: str, record: dict) -> list[str]:
    """The question names its objects, and the unit of a length."""
    complaints = check_unit(text, "mm") if record["task"] == DISTANCE else []
    return (
        complaints
        + check_named(text, names_of(record))
        + check_leak(text, record.get("gt_value"), ())
    )


# ---- distances -----------------------------------------------------------------------------------


def _check_distance(record: dict, shown: ShownObjects, ids: Sequence[int]) -> list[str]:
    exact = distance(shown.scene, *ids)
    complaints = check_apart(shown, *ids) + check_near_sides(shown, *ids)
    least, most = shown.limit("MIN_DISTANCE_M"), shown.limit("MAX_DISTANCE_M")
    if not least - ROUNDING <= exact <= most + ROUNDING:
        complaints.append(
            f"object_ids: {exact:.6f} m between them, "
            f"MIN_DISTANCE_M is {least:g}, MAX_DISTANCE_M {most:g}"
        )
    return complaints + check_answer(record, 1000.0 * exact, "mm")


def _check_nearest(record: dict, shown: ShownObjects, ids: Sequence[int]) -> list[str]:
    one, others = ids[0], ids[1:]
    complaints = check_names_differ(shown, ids)
    for other in others:
        complaints += check_apart(shown, one, other) + check_near_sides(shown, one, other)
    distances = np.array([distance(shown.scene, one, other) for other in others])
    first, second = np.sort(distances)[:2]
    least = max(
        shown.limit("MIN_DISTANCE_GAP_M"), float(shown.limit("MIN_DISTANCE_GAP_SHARE") * first)
    )
    if second - first < least - ROUNDING:
        complaints.append(
            f"object_ids: distances {first:.6f} and {second:.6f} m differ by less than {least:g} m "
            "(MIN_DISTANCE_GAP_M, MIN_DISTANCE_GAP_SHARE)"
        )
    complaints += check_choices(record, [shown.label(other) for other in others])
    complaints += check_numbers(_listed(record), "distances_mm", 1000.0 * distances)
    return complaints + check_letters(record, ["ABCD"[int(distances.argmin())]])


def _listed(record: dict) -> dict:
    """The record with `distances_mm` as a list, where it is {letter: mm}."""
    found, choices = record.get("distances_mm"), record.get("choices")
    by_letter = isinstance(found, dict) and isinstance(choices, dict)
    if by_letter and list(found) == list(choices):
        return {**record, "distances_mm": list(found.values())}
    return record


# ---- directions ----------------------------------------------------------------------------------


def turn_from_facing(at: np.ndarray, facing: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) degrees in (-180, 180], left positive: where points (n, 2) are in plan for someone who
    stands at a point (2,) and faces another."""
    ahead, away = facing - at, points - at
    angles = np.arctan2(away[:, 1], away[:, 0]) - np.arctan2(ahead[1], ahead[0])
    wrapped = np.degrees(angles) % 360.0
    return np.where(wrapped > 180.0, wrapped - 360.0, wrapped)


def off_middle(angles: np.ndarray, sector: str) -> np.ndarray:
    """(n,) degrees from the middle of a sector, in size."""
    off = np.abs(angles - SECTORS[sector]) % 360.0
    return np.minimum(off, 360.0 - off)


def sector_of(angle: float) -> str:
    """The sector whose middle is nearest to an angle in degrees."""
    return min(SECTORS, key=lambda sector: float(off_middle(np.array([angle]), sector)[0]))


def _check_direction(record: dict, shown: ShownObjects, ids: Sequence[int]) -> list[str]:
    at, facing, there = (shown.scene.object_boxes[one][:2] for one in ids)
    complaints, least = _check_not_together(shown, ids), shown.limit("MIN_STAND_M")
    for name, centre in (("b", facing), ("c", there)):
        away = float(np.linalg.norm(centre - at))
        if away < least - ROUNDING:
            complaints.append(
                f"object_ids: {name} is {away:.6f} m from a in plan, MIN_STAND_M is {least:g}"
            )
    angle = float(turn_from_facing(at, facing, there[None])[0])
    sector = sector_of(angle)
    complaints += _check_sector(shown, angle, sector)
    points = object_points(shown.scene, ids[2])[:, :2]
    inside = off_middle(turn_from_facing(at, facing, points), sector) <= HALF_SECTOR + ROUNDING
    share = shown.limit("MIN_SECTOR_SHARE")
    if inside.mean() < share - ROUNDING:
        complaints.append(
            f"object_ids: {100 * inside.mean():.3f} percent of c lie in the sector {sector}, "
            f"MIN_SECTOR_SHARE is {share:g}"
        )
    return complaints + _check_direction_answer(record, angle, sector)


def _check_sector(shown: ShownObjects, angle: float, sector: str) -> list[str]:
    """The direction is clear of the borders between sectors."""
    to_border = HALF_SECTOR - float(off_middle(np.array([angle]), sector)[0])
    least = shown.limit("MIN_BORDER_DEG")
    if to_border >= least - ROUNDING:
        return []
    return [
        f"object_ids: {angle:.6f} degrees, {to_border:.6f} from a border, "
        f"MIN_BORDER_DEG is {least:g}"
    ]


def _check_direction_answer(record: dict, angle: float, sector: str) -> list[str]:
    near, found = acceptable_integers(angle), record.get("angle_deg")
    near |= {180, -180} if near & {180, -180} else set()
    complaints = []
    if type(found) is not int or found not in near:
        complaints.append(f"angle_deg: {str(found)[:80]}, the raw data say {angle:.6f}")
    complaints += check_choices(record, list(SECTORS), in_order=False)
    return complaints + check_letters(record, _letters(record, [sector]))


def _letters(record: dict, texts: Sequence[str]) -> list[str]:
    """The letters that stand for one of the texts."""
    choices = record.get("choices")
    if not is_choices(choices):
        return []
    return [letter for letter, text in choices.items() if text in texts]


def _check_not_together(shown: ShownObjects, ids: Sequence[int]) -> list[str]:
    """Neither one frame nor two show something of all the objects."""
    not_absent = [[state.absent is False for state in shown.states(one)] for one in ids]
    complaints = []
    for i, j in combinations_with_replacement(range(len(shown.frames)), 2):
        if all(of_one[i] or of_one[j] for of_one in not_absent):
            pair = sorted({shown.frames[i], shown.frames[j]})
            complaints.append(f"image: none of the objects {list(ids)} is absent in {pair}")
    return complaints


# ---- the order in which objects are seen first ---------------------------------------------------


def _check_order(record: dict, shown: ShownObjects, ids: Sequence[int]) -> list[str]:
    complaints = check_names_differ(shown, ids)
    firsts = [_first_seen(shown, one) for one in ids]
    for (one, (earliest, _)), (other, (_, latest)) in pairwise(zip(ids, firsts, strict=True)):
        if not earliest < latest:
            complaints.append(f"object_ids: object {one} is not seen before object {other}")
    for one, (_, latest) in zip(ids, firsts, strict=True):
        for frame, state in list(zip(shown.frames, shown.states(one), strict=True))[:latest]:
            if state.seen is False and state.absent is False:
                complaints.append(f"image: object {one} is neither seen nor absent in {frame}")
    names = [shown.label(one) for one in ids]
    complaints += _check_orders(record, names)
    return complaints + check_letters(record, _letters(record, [", ".join(names)]))


def _first_seen(shown: ShownObjects, object_id: int) -> tuple[int, int]:
    """The first image that may see an object, and the first that certainly does, counted from 0;
    the number of images where there is none."""
    states, end = shown.states(object_id), len(shown.frames)
    earliest = next((k for k, state in enumerate(states) if state.seen is not False), end)
    return earliest, next((k for k, state in enumerate(states) if state.seen), end)


def allowed_orders(names: Sequence[str]) -> list[set[str]]:
    """The sets of four orders that may be offered, where the names are in the right one."""

    def text(*places: int) -> str:
        return ", ".join(names[place] for place in places)

    if len(names) == 4:
        return [{text(0, 1, 2, 3), text(1, 0, 2, 3), text(0, 1, 3, 2), text(1, 0, 3, 2)}]
    circle = [
        text(0, 1, 2),
        text(1, 0, 2),
        text(1, 2, 0),
        text(2, 1, 0),
        text(2, 0, 1),
        text(0, 2, 1),
    ]
    return [{circle[(k - place) % 6] for k in range(4)} for place in range(4)]


def _check_orders(record: dict, names: Sequence[str]) -> list[str]:
    """The choices are four orders, none of which is nearer to the others than the rest."""
    choices, allowed = record.get("choices"), allowed_orders(names)
    if is_choices(choices) and set(choices.values()) in allowed and len(choices) == 4:
        return []
    expected = " or ".join(str(sorted(one)) for one in allowed)
    return [f"choices: {str(choices)[:300]}, expected the orders {expected}"]
