"""What records of frames say of objects: which, by what names, and which frames see them.

How docs/spec.md was read where it leaves a choice, by section:
- 13.1 only objects that 8.1 does not leave out are asked about.
- 13.2 `categories`, `raw_category` and choices are the labels of the annotation; blanks around them
  may be there or not.
- 13.2 `seen_objects` is a list of ascending ids for each image. What ties decide may be there.
- 13.3 a question holds the category as whole words.
- 13.1, 13.2 a condition that some way to break the ties fulfils is fulfilled.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from spatial_engine.audit.oracles.frames.constants import ROUNDING, limit
from spatial_engine.audit.oracles.frames.states import (
    ObjectState,
    StateRules,
    distance,
    distance_seen,
    is_one_name,
    not_apart,
    object_states,
    shown_namesake,
    state_rules,
)
from spatial_engine.audit.oracles.object_size import holds_words
from spatial_engine.audit.oracles.object_views import why_not
from spatial_engine.audit.oracles.visibility import SurfaceRule
from spatial_engine.audit.raw.posed import PosedScene


class ShownObjects(NamedTuple):
    """A set of frames of a scene, in the order of the images, and by what rules they show things.
    constants: those that the file was made with, by name."""

    scene: PosedScene
    frames: tuple[str, ...]
    rules: StateRules
    constants: dict[str, Any]

    def states(self, object_id: int) -> list[ObjectState]:
        """What each frame shows of an object."""
        return [object_states(self.scene, frame, self.rules)[object_id] for frame in self.frames]

    def label(self, object_id: int) -> str:
        return self.scene.raw_categories[object_id].strip()

    def limit(self, name: str) -> float:
        return limit(self.constants, name)


def shown_objects(
    scene: PosedScene,
    frames: tuple[str, ...],
    rule: SurfaceRule | None,
    constants: dict[str, Any],
) -> ShownObjects:
    """rule: which vertices lie on the surface; constants: those of the file, by name."""
    return ShownObjects(scene, frames, state_rules(rule, constants), constants)


# ---- fields --------------------------------------------------------------------------------------


def check_ids(record: dict, shown: ShownObjects, counts: Sequence[int]) -> list[str]:
    """`object_ids` holds as many different objects as it may, all of which can be asked about."""
    ids = record.get("object_ids")
    if not isinstance(ids, list) or len(ids) not in counts:
        wanted = " or ".join(map(str, counts))
        return [f"object_ids: {str(ids)[:80]} is not a list of {wanted}"]
    reasons = [f"object_ids: {reason}" for one in ids if (reason := why_not(shown.scene, one))]
    if not reasons and len(set(ids)) < len(ids):
        return [f"object_ids: {ids} holds an object twice"]
    return reasons


def check_categories(record: dict, shown: ShownObjects, ids: Sequence[int]) -> list[str]:
    """`categories` are the labels of the objects, in their order."""
    found, expected = record.get("categories"), [shown.label(one) for one in ids]
    known = isinstance(found, list) and all(isinstance(one, str) for one in found)
    if known and [one.strip() for one in found] == expected:
        return []
    return [f"categories: {str(found)[:200]}, the annotation says {expected}"]


def check_category(record: dict, shown: ShownObjects, object_id: int) -> list[str]:
    """`raw_category` is the label of an object."""
    found, expected = record.get("raw_category"), shown.label(object_id)
    if isinstance(found, str) and found.strip() == expected:
        return []
    return [f"raw_category: {str(found)[:80]!r}, the annotation says {expected!r}"]


def check_seen_objects(record: dict, shown: ShownObjects, ids: Iterable[int]) -> list[str]:
    """`seen_objects` holds, for each image, those of the ids that it shows, ascending."""
    found = record.get("seen_objects")
    if not isinstance(found, list) or len(found) != len(shown.frames):
        return [f"seen_objects: {str(found)[:200]} is not a list of {len(shown.frames)} lists"]
    complaints = []
    for frame, listed in zip(shown.frames, found, strict=True):
        states = object_states(shown.scene, frame, shown.rules)
        must = sorted(one for one in ids if states[one].seen)
        may = {one for one in ids if states[one].seen is not False}
        known = isinstance(listed, list) and all(type(one) is int for one in listed)
        if not known or listed != sorted(set(listed)) or not set(must) <= set(listed) <= may:
            complaints.append(f"seen_objects: {listed!r} of frame {frame}, the raw data say {must}")
    return complaints


def check_named(text: str, names: Iterable[object]) -> list[str]:
    """A text names each of some categories in whole words."""
    return [
        f"the category {name!r} is not in the question"
        for name in names
        if isinstance(name, str) and not holds_words(text, name.strip())
    ]


def names_of(record: dict) -> list[object]:
    """What `categories` holds, [] where it is no list."""
    names = record.get("categories")
    return names if isinstance(names, list) else []


# ---- conditions ----------------------------------------------------------------------------------


def check_each_seen(shown: ShownObjects, ids: Iterable[int]) -> list[str]:
    """Some frame sees each object."""
    return [
        f"image: no frame sees object {one}"
        for one in ids
        if all(state.seen is False for state in shown.states(one))
    ]


def check_unique(shown: ShownObjects, ids: Iterable[int]) -> list[str]:
    """Every other object of the name of each is absent in each frame."""
    complaints = []
    for one in ids:
        found = shown_namesake(shown.scene, one, shown.frames, shown.rules)
        if found:
            other, frame = found
            complaints.append(
                f"image: object {one} is not unique, object {other}, "
                f"{shown.label(other)!r}, is not absent in {frame}"
            )
    return complaints


def check_names_differ(shown: ShownObjects, ids: Sequence[int]) -> list[str]:
    """No two of the objects are of one name."""
    return [
        f"object_ids: {one} and {other} are of one name"
        for one, other in combinations(ids, 2)
        if is_one_name(shown.label(one), shown.label(other))
    ]


def check_apart(shown: ShownObjects, one: int, other: int) -> list[str]:
    """No frame shows both objects, nor do two that overlap."""
    found = not_apart(shown.scene, one, other, shown.frames, shown.rules)
    if not found:
        return []
    where = found[0] if found[0] == found[1] else f"{found[0]} and {found[1]}, which overlap"
    return [f"image: objects {one} and {other} are not apart, by {where}"]


def check_near_sides(shown: ShownObjects, one: int, other: int) -> list[str]:
    """The frames see the vertices of two objects that are nearest to each other, or nearly so."""
    exact = distance(shown.scene, one, other)
    seen, _ = distance_seen(shown.scene, one, other, shown.frames, shown.rules)
    most = max(shown.limit("NEAR_SIDE_M"), shown.limit("NEAR_SIDE_SHARE") * exact)
    if seen - exact <= most + ROUNDING:
        return []
    return [
        f"image: the near sides of objects {one} and {other} are not seen: {seen:.6f} m of what "
        f"is seen, {exact:.6f} m of all (NEAR_SIDE_M, NEAR_SIDE_SHARE)"
    ]
