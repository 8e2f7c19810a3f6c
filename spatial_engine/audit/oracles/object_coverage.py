"""Checks which sets of images are said to show an object from end to end (SPEC 8.2, 8.3).

Cost: for each object all pairs of the images that see it.

How docs/spec.md was read where it leaves a choice, by section:
- 8.2 objects that are left out, or have a size under `MIN_SIZE_M`, are absent; those without sets
  may be absent or have {}; so may sizes k without sets have []. Ids of a set stand in any order.
- 8.2 at most 25 are considered (drawn at random): 25 where more see the object, otherwise all.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import combinations

from spatial_engine.audit.oracles.object_views import (
    AS_PUBLISHED,
    MAX_IMAGES,
    NOT_JUDGED_M,
    ObjectRules,
    RawObject,
    raw_objects,
    why_not,
)
from spatial_engine.audit.raw.ids import frame_or_name
from spatial_engine.audit.raw.posed import PosedScene

TRIPLE_SAMPLE = 3  # objects per scene whose triples are searched too


def check_scene_coverage(
    entry: object,
    scene: PosedScene,
    dimension: str,
    chosen: Iterable[int] | None = None,
    rules: ObjectRules = AS_PUBLISHED,
) -> list[str]:
    """Complaints about one scene of a coverage pickle: {object id: {k: [(image id, ...)]}}.

    chosen: the objects whose sets are recomputed, by default all.
    """
    if not isinstance(entry, dict):
        return [f"is no dict but {entry!r:.80}"]
    reasons = [why_not(scene, object_id) for object_id in entry]
    complaints = [reason for reason in reasons if reason]
    objects = {i: thing for i, thing in raw_objects(scene, rules).items() if not thing.left_out}
    rng = random.Random(f"{scene.scene_id} {dimension}")
    triples = rng.sample(sorted(objects), min(TRIPLE_SAMPLE, len(objects)))
    for object_id in objects if chosen is None else chosen:
        if object_id not in objects:
            continue
        thing = objects[object_id]
        size = thing.target(dimension)
        found: list[str] = []
        if size < rules.min_size_m - NOT_JUDGED_M:
            if object_id in entry:
                found = [f"is there, its {dimension} is only {round(size, 6)} m"]
        elif askew := thing.is_askew(dimension):
            if object_id in entry:
                found = [f"is there, and its box is askew to it for its {dimension}"]
        elif object_id in entry or (askew is False and size > rules.min_size_m + NOT_JUDGED_M):
            sets, found = _read_sets(entry.get(object_id, {}), scene)
            for images in sets:
                wrong = check_set(images, thing, dimension)
                found += [f"{sorted(images)}: {wrong}"] if wrong else []
            found += _check_complete(set(sets), thing, dimension, 3 if object_id in triples else 2)
        complaints += [f"object {object_id}: {text}" for text in found]
    return complaints


def _read_sets(table: object, scene: PosedScene) -> tuple[list[frozenset[str]], list[str]]:
    """The sets of {k: [(image id, ...)]}, each once, and complaints about their form."""
    if not isinstance(table, dict):
        return [], [f"is no dict but {table!r:.80}"]
    known, complaints = set(scene.valid_frame_ids), []
    found: dict[frozenset[str], None] = {}  # in the order of the file
    for size, sets in table.items():
        if type(size) is not int or size < 1 or not isinstance(sets, list):
            complaints.append(f"{size!r}: {sets!r:.80} is not a size k: a list")
            continue
        if size > MAX_IMAGES and sets:
            complaints.append(f"{size!r}: sets of so many, at most {MAX_IMAGES} are considered")
            continue
        for images in sets:
            if not isinstance(images, tuple) or not all(type(image) is str for image in images):
                complaints.append(f"{images!r:.80} is no tuple of str")
                continue
            images = tuple(map(frame_or_name, images))
            if len(images) != size:
                complaints.append(f"{images} stands under k = {size}")
            elif len(set(images)) != size:
                complaints.append(f"{images} holds an image twice")
            elif not set(images) <= known:
                complaints.append(f"{images}: {sorted({*images} - known)} are no valid D5 frames")
            elif frozenset(images) in found:
                complaints.append(f"{images} is listed twice")
            else:
                found[frozenset(images)] = None
    return list(found), complaints


def check_set(images: frozenset[str], thing: RawObject, dimension: str) -> str:
    """Complaint about a set of images that is not a minimal covering set of an object, or ""."""
    for image in sorted(images):
        if thing.shows(image) is False:
            what = "see the object" if thing.sees(image) is False else "show enough of the object"
            seen = f"{thing.counts(image)[1]} of {thing.shown_from} vertices needed"
            return f"image {image} does not {what}, {seen}"
    if thing.covers(images, dimension) is False:
        extents = [thing.extents(axis, images)[1] for axis in thing.axes(dimension)]
        shown = " or ".join(f"{extent:.6f}" for extent in extents)
        return f"does not cover, extent {shown} m of {thing.target(dimension):.6f} m"
    for one in sorted(images):
        if len(images) > 1 and thing.covers(images - {one}, dimension):
            return f"is not minimal, covers without image {one}"
    return ""


def _check_complete(
    listed: set[frozenset[str]], thing: RawObject, dimension: str, largest: int
) -> list[str]:
    """Whether all minimal sets of up to `largest` of the considered images are listed."""
    may = [image for image in thing.scene.valid_frame_ids if thing.shows(image) is not False]
    must = [image for image in may if thing.shows(image)]
    named = sorted(frozenset().union(*listed))
    if len(named) > MAX_IMAGES:
        return [f"{len(named)} images are in its sets, at most {MAX_IMAGES} may be considered"]
    among = must if len(may) <= MAX_IMAGES else named
    complaints = [
        f"{list(images)} is a minimal set and is not listed"
        for size in range(1, largest + 1)
        for images in combinations(among, size)
        if frozenset(images) not in listed and thing.is_minimal(images, dimension)
    ]
    if len(may) > MAX_IMAGES and not complaints:
        room, expected = _most_considered(named, may, thing, dimension), min(MAX_IMAGES, len(must))
        if room < expected:
            complaints.append(f"no more than {room} images were considered, expected {expected}")
    return complaints


def _most_considered(named: list[str], may: list[str], thing: RawObject, dimension: str) -> int:
    """The most images that can have been considered, given that only `named` are in sets.

    Any other one covers neither alone nor with a named one; and of two others that cover together
    one was not considered: disjoint such pairs take away one image each.
    """

    def is_pair(one: str, other: str) -> bool:
        return thing.is_minimal((one, other), dimension) is True

    others = [
        image
        for image in may
        if image not in named
        and thing.covers([image], dimension) is not True
        and not any(is_pair(image, one) for one in named)
    ]
    room = len(named) + len(others)
    free = set(others)
    for one, other in combinations(others, 2):
        if one in free and other in free and is_pair(one, other):
            free -= {one, other}
            room -= 1
    return room
