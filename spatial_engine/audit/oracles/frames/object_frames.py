"""Checks questions about the size of one object, and the number of objects of a category, that
three to eight frames show together.

How docs/spec.md was read where it leaves a choice, by section:
- 13.2 what the set sees of an object is every vertex that some frame sees, also where the frame
  does not see the object. Extents are along the axes of the box.
- 13.2 two linked frames give a size within 20 percent of the length of the vector: compared as an
  answer is, the longer horizontal extent with the length. A single frame does wherever it stands in
  a linked pair that does, and each stands in one; still it is looked at alone.
- 13.2 a proper subset that is joined: every subset is tried, by links that no tie undoes.
- 13.2 links may hold a pair that is linked by some way to break the ties.
- 13.2 bounds_mm holds six numbers for each image, in one list or in two of three; null where the
  frame sees nothing.
- 13.2 seen_objects of the size of one object may be missing; where it is there, it must be right.
- 13.2 a category is that of 8.1: without capitals and the blanks around it. Its word may have an s
  or es in a question about a number.
- 13.2 the question about a size names height, length and width in this order.
"""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any

import numpy as np

from spatial_engine.audit.oracles.frames.constants import ROUNDING
from spatial_engine.audit.oracles.frames.objects import (
    ShownObjects,
    check_category,
    check_named,
    check_seen_objects,
    check_unique,
    shown_objects,
)
from spatial_engine.audit.oracles.frames.shown import (
    check_scene_record,
    linked,
    overlap,
    surely_linked,
)
from spatial_engine.audit.oracles.frames.states import (
    Verdict,
    category_of,
    namesakes,
    seen_part,
)
from spatial_engine.audit.oracles.object_size import holds_words
from spatial_engine.audit.oracles.object_views import (
    LEFT_OUT,
    ObjectRules,
    RawObject,
    raw_objects,
    why_not,
)
from spatial_engine.audit.oracles.visibility import SurfaceRule
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.fields import ROUNDING_TIE, acceptable_integers
from spatial_engine.audit.records.texts import check_leak, check_unit

SIZE, COUNT = "object_joint_size", "object_count_distinct"
COVERED_SHARE = 0.1  # of a side that may be missing
NEAR_SHARE = 0.2  # of the length of the vector: nearer, an answer is right
Pair = tuple[int, int]
IN_ORDER = r"\b(height|high|tall)\b.*\b(length|long)\b.*\b(width|wide|broad)\b"


def check_object_frames_record(
    record: dict,
    scene: PosedScene,
    split: str,
    rule: SurfaceRule | None,
    constants: dict[str, Any],
) -> list[str]:
    """Complaints about a record of either task.

    rule: which vertices lie on the surface; constants: those of the file, by name.
    """

    def check_truth(frames: tuple[str, ...]) -> list[str]:
        check = _check_size if record["task"] == SIZE else _check_count
        return check(record, shown_objects(scene, frames, rule, constants))

    return check_scene_record(
        record, scene, split, constants, lambda text: _check_question(text, record), check_truth
    )


def _check_question(text: str, record: dict) -> list[str]:
    category, complaints = record.get("raw_category"), []
    if record["task"] == SIZE:
        complaints = check_unit(text, "mm") + check_named(text, [category])
        if not re.search(IN_ORDER, text.lower(), re.DOTALL):
            complaints.append("does not name height, length and width in this order")
    elif isinstance(category, str):
        words = category.strip()
        if not any(holds_words(text, words + end) for end in ("", "s", "es")):
            complaints = [f"the category {category!r} is not in the question"]
    return complaints + check_leak(text, record.get("gt_value"), ())


# ---- the size of one object ----------------------------------------------------------------------


def _check_size(record: dict, shown: ShownObjects) -> list[str]:
    object_id = record.get("object_id")
    reason = why_not(shown.scene, object_id)
    if reason:
        return [f"object_id: {reason}"]
    thing = raw_objects(shown.scene, _box_rules(shown))[object_id]
    complaints = check_category(record, shown, object_id) + check_unique(shown, [object_id])
    if "seen_objects" in record:
        complaints += check_seen_objects(record, shown, [object_id])
    least, side = shown.limit("MIN_SIDE_M"), float(min(thing.box[3:]))
    if side < least - ROUNDING:
        complaints.append(f"object_id: a side of {side:.6f} m, MIN_SIDE_M is {least:g}")
    if thing.is_askew("length"):
        complaints.append(f"object_id: object {object_id} stands askew to the axes")
    bounds = seen_bounds(shown, object_id)
    linked_pairs = _linked_pairs(shown)
    complaints += _check_links(record, shown, linked_pairs)
    complaints += _check_extents(shown.frames, bounds, thing.box[3:], linked_pairs)
    complaints += _check_bounds(record, bounds, thing.points.min(axis=0))
    return complaints + _check_sides(record, thing)


def _box_rules(shown: ShownObjects) -> ObjectRules:
    return ObjectRules(shown.rules.seen, max_slack=shown.limit("MAX_BOX_SLACK"))


def _check_sides(record: dict, thing: RawObject) -> list[str]:
    """gt_value is [height, length, width] of the box in whole mm."""
    found = record.get("gt_value")
    sides = [1000.0 * thing.target(name) for name in ("height", "length", "width")]
    known = isinstance(found, list) and [type(one) for one in found] == [int, int, int]
    if known and all(a in acceptable_integers(side) for a, side in zip(found, sides, strict=True)):
        return []
    said = ", ".join(f"{side:.6f}" for side in sides)
    return [f"gt_value: {str(found)[:80]}, the box is [{said}] mm"]


def seen_bounds(shown: ShownObjects, object_id: int) -> np.ndarray:
    """(frames, 2, 2, 3) metres, the least and the greatest x, y, z of what each frame sees of an
    object: [:, 0] of what it certainly sees, [:, 1] with ties; inf and -inf of nothing."""
    bounds = np.full((len(shown.frames), 2, 2, 3), np.inf)
    bounds[:, :, 1] = -np.inf
    for k, frame in enumerate(shown.frames):
        for i, points in enumerate(seen_part(shown.scene, object_id, [frame], shown.rules)):
            if len(points):
                bounds[k, i] = points.min(axis=0), points.max(axis=0)
    return bounds


def extents(bounds: np.ndarray) -> np.ndarray:
    """(2, 3) metres: along x, y, z of what frames see together, without ties and with them."""
    return np.maximum(bounds[:, :, 1].max(axis=0) - bounds[:, :, 0].min(axis=0), 0)


def gives_all(bounds: np.ndarray, size: np.ndarray) -> Verdict:
    """Whether what frames see together is within 10 percent of the box (3,) along each axis."""
    least, most = extents(bounds)
    needed = (1 - COVERED_SHARE) * size
    if (least >= needed + ROUNDING).all():
        return True
    return False if (most < needed - ROUNDING).any() else None


def _linked_pairs(shown: ShownObjects) -> set[Pair]:
    """The numbers from 0 of frames that are linked however ties are broken, the lower first."""
    return {
        (i, j)
        for i, j in combinations(range(len(shown.frames)), 2)
        if surely_linked(shown.scene, shown.frames[i], shown.frames[j], shown.constants)
    }


def _check_links(record: dict, shown: ShownObjects, pairs: set[Pair]) -> list[str]:
    """`links` holds the numbers from 1 of the images that are linked, ascending."""
    found, count = record.get("links"), len(shown.frames)
    if not isinstance(found, list) or not all(_is_pair(one, count) for one in found):
        return [f"links: {str(found)[:200]} is not a list of pairs of images"]
    if found != sorted(found) or len({*map(tuple, found)}) < len(found):
        return [f"links: {str(found)[:200]} is not in ascending order"]
    said = {(i - 1, j - 1) for i, j in found}
    complaints = [f"links: images {i + 1} and {j + 1} are missing" for i, j in sorted(pairs - said)]
    for i, j in sorted(said - pairs):
        one, two = shown.frames[i], shown.frames[j]
        if not linked(shown.scene, one, two, shown.constants):
            share = overlap(shown.scene, one, two).value
            complaints.append(f"links: images {i + 1} and {j + 1} overlap by {share:.6f} percent")
    return complaints


def _is_pair(value: object, count: int) -> bool:
    is_two = isinstance(value, list) and [type(one) for one in value] == [int, int]
    return is_two and 1 <= value[0] < value[1] <= count


def _check_extents(
    frames: tuple[str, ...], bounds: np.ndarray, size: np.ndarray, pairs: set[Pair]
) -> list[str]:
    """All frames give the three sides; no joined part does, and no frame and no linked two give the
    vector nearly."""
    complaints = []
    if gives_all(bounds, size) is False:
        said = ", ".join(f"{extent:.6f}" for extent in extents(bounds)[1])
        complaints.append(f"image: the frames show only [{said}] m along x, y, z of {size}")
    if fewer := _fewer_that_give_all(bounds, size, pairs):
        names = ", ".join(frames[k] for k in fewer)
        complaints.append(f"image: is not minimal, all sides are shown by {names} alone")
    sides = _as_told(size)
    for few in [*((k,) for k in range(len(frames))), *sorted(pairs)]:
        off = float(np.linalg.norm(_as_told(extents(bounds[list(few)])[0]) - sides))
        if off <= NEAR_SHARE * np.linalg.norm(size) - ROUNDING:
            share, names = 100 * off / np.linalg.norm(size), " and ".join(frames[k] for k in few)
            complaints.append(f"image: {names} alone give the size within {share:.3f} percent")
    return complaints


def _fewer_that_give_all(bounds: np.ndarray, size: np.ndarray, pairs: set[Pair]) -> tuple[int, ...]:
    """Fewer frames that are certainly joined and certainly give the three sides, () for none."""
    for count in range(1, len(bounds)):
        for few in combinations(range(len(bounds)), count):
            if gives_all(bounds[list(few)], size) and _are_joined(few, pairs):
                return few
    return ()


def _are_joined(frames: tuple[int, ...], pairs: set[Pair]) -> bool:
    group_of = {frame: frame for frame in frames}
    for one, two in pairs:
        if one in group_of and two in group_of:
            old, new = group_of[one], group_of[two]
            group_of = {k: new if group == old else group for k, group in group_of.items()}
    return len({*group_of.values()}) == 1


def _as_told(extent: np.ndarray) -> np.ndarray:
    """(3,) height, length and width of extents along x, y and z."""
    x, y, z = extent
    return np.array([z, max(x, y), min(x, y)])


def _check_bounds(record: dict, bounds: np.ndarray, corner: np.ndarray) -> list[str]:
    """`bounds_mm`: the least and greatest x, y, z of what each frame sees, from a corner (3,)."""
    found = record.get("bounds_mm")
    if not isinstance(found, list) or len(found) != len(bounds):
        return [f"bounds_mm: {str(found)[:200]} is not a list of {len(bounds)}"]
    complaints = []
    for k, (certain, with_ties) in enumerate(1000.0 * (bounds - corner)):
        if found[k] is None and not np.isfinite(certain).all():
            continue
        flat = [one for part in _as_list(found[k]) for one in _as_list(part)]
        if len(flat) != 6 or not all(type(one) is int for one in flat):
            complaints.append(f"bounds_mm[{k}]: {str(found[k])[:80]} does not hold 6 int")
            continue
        low, high = np.array(flat, dtype=np.float64).reshape(2, 3)
        slack = 0.5 + ROUNDING_TIE
        right = (low >= with_ties[0] - slack) & (low <= certain[0] + slack)
        right &= (high >= certain[1] - slack) & (high <= with_ties[1] + slack)
        if not right.all():
            said = ", ".join(f"{one:.4f}" for one in certain.ravel())
            complaints.append(f"bounds_mm[{k}]: {flat}, the raw data say [{said}]")
    return complaints


def _as_list(value: object) -> list:
    return value if isinstance(value, list) else [value]


# ---- the number of objects -----------------------------------------------------------------------


def _check_count(record: dict, shown: ShownObjects) -> list[str]:
    category = record.get("raw_category")
    word = category.strip().lower() if isinstance(category, str) else ""
    if word in LEFT_OUT:
        return [f"raw_category: {category!r} is never asked about"]
    seen = {
        one: _seen_by_any(shown, one)
        for one in shown.scene.raw_categories
        if category_of(shown.scene, one) == word
    }
    if not seen:
        return [f"raw_category: {str(category)[:80]!r}, the scene has no such object"]
    certain = [one for one, verdict in seen.items() if verdict]
    counted = [one for one, verdict in seen.items() if verdict is not False]
    complaints, found = [], record.get("gt_value")
    if type(found) is not int or not len(certain) <= found <= len(counted):
        complaints.append(f"gt_value: {str(found)[:80]}, the frames see {len(certain)}: {certain}")
    if len(counted) < 2:
        complaints.append(f"image: the frames see {len(counted)} of the category, 2 are needed")
    complaints += check_seen_objects(record, shown, counted)
    complaints += _check_others(shown, word, counted)
    return complaints + _check_spread(shown, counted)


def _seen_by_any(shown: ShownObjects, object_id: int) -> Verdict:
    verdicts = {state.seen for state in shown.states(object_id)}
    return True if True in verdicts else None if None in verdicts else False


def _check_others(shown: ShownObjects, category: str, counted: list[int]) -> list[str]:
    """What else could be meant by the category is absent in each frame."""
    complaints = []
    for one in namesakes(shown.scene, category):
        shows = zip(shown.frames, shown.states(one), strict=True)
        where = [frame for frame, state in shows if state.absent is False]
        if where and one not in counted:
            complaints.append(
                f"image: object {one}, {shown.label(one)!r}, is not counted and "
                f"not absent in {where[0]}"
            )
    return complaints


def _check_spread(shown: ShownObjects, counted: list[int]) -> list[str]:
    """No two frames hold all the objects, and some object is seen twice."""
    complaints = []
    states = [shown.states(one) for one in counted]
    for i, j in combinations(range(len(shown.frames)), 2):
        if states and all(
            of_one[i].absent is False or of_one[j].absent is False for of_one in states
        ):
            pair = f"{shown.frames[i]} and {shown.frames[j]}"
            complaints.append(f"image: {pair} alone hold all {len(counted)} objects")
    if all(sum(state.seen is not False for state in of_one) < 2 for of_one in states):
        complaints.append("image: no object is seen in two frames")
    return complaints
