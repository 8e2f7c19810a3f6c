"""What each image sees of each object of a scene, which images show its size, and whether a dot is
on it (SPEC 8.1, 8.2, 8.4).

Cost: the visibility of every frame of a scene; of a dot that of `marks`.

How docs/spec.md was read where it leaves a choice, by section:
- 8.1 a category is left out when it is wall, object, floor, ceiling or window after stripping and
  lower-casing. n counts the vertices an object keeps after 3.1 the later one wins.
- 8.1 floor(0.05 n) is that of the exact product of the decimal and n.
- 8.2 an image shows a share of the object when it sees so many of its n vertices, of the exact
  product; it must see the object by 8.1 too.
- 8.2 length is the side along x where dx >= dy, width the other one; where both are within 1e-9 m
  of each other either axis will do, and a set on which the two axes differ is not judged.
- 8.2 an extent is that of the seen vertices themselves; one seen vertex has extent 0. It cannot
  exceed the target, so a larger set covers what a smaller one covers, and a set is minimal when
  leaving out any one image uncovers it.
- 4 ties: counts may be anything between |must| and |must| + |ties|. Whether an image sees, or a
  set covers, is not judged where it differs between must alone and must with ties; nor within
  1e-9 m of the boundary of 10 percent or of 0.02 m.
- 8.4 a dot is on a vertex of the object that the image sees; ties count as seen. Of several
  vertices at the same coordinates any will do. Another thing's vertex that the image certainly sees
  is under the dot when it is nearer to the centre than the radius, less what `marks` allows the
  centre to be off. Which of the vertices has the dot, and whether the set needs one, is not judged.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from math import ceil, floor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spatial_engine.audit.oracles.marks import (
    CENTRE_TOLERANCE,
    Mark,
    check_marked_picture,
    mark_radius,
    marked_picture,
    parse_colour,
)
from spatial_engine.audit.oracles.visibility import SurfaceRule, seen, seen_vertices
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.constants import number
from spatial_engine.audit.records.fields import is_coordinate, rounds_to

DIMENSIONS = ("height", "length", "width")
LEFT_OUT = {"wall", "object", "floor", "ceiling", "window"}
MAX_IMAGES = 25  # of an object
NOT_JUDGED_M = 1e-9
SLACK_NOT_JUDGED = 0.01  # what the steps of the angle may hide
# True, False, or None where it depends on ties or is too near a boundary to be judged.
Verdict = bool | None


class ObjectRules(NamedTuple):
    """What decides which sets of images are asked about, as published. seen: by which rule images
    see vertices, None as published; shares of the object's vertices that an image must see to see
    it, and to show it; covered: share of the target that may be missing; unique: no image shows
    another object of the category; max_slack: of a box, 0 = any."""

    seen: SurfaceRule | None = None
    min_visible_share: float = 0.05
    min_object_seen: float = 0.0
    covered: float = 0.1
    min_size_m: float = 0.02
    unique: bool = False
    max_slack: float = 0.0


AS_PUBLISHED = ObjectRules()


def object_rules(constants: dict[str, Any], seen: SurfaceRule | None) -> ObjectRules:
    """What decides which sets of images are asked about objects."""
    return ObjectRules(
        seen,
        number(constants, "MIN_VISIBLE_SHARE", 0.05),
        number(constants, "MIN_OBJECT_SEEN", 0.2),
        number(constants, "TOLERANCE", 0.1),
        number(constants, "MIN_SIZE_M", 0.2),
        constants.get("REQUIRE_UNIQUE_CATEGORY") is not False,
        number(constants, "MAX_BOX_SLACK", 1.15),
    )


class Views(NamedTuple):
    """Vertices of one object in one image: certainly seen, and seen or not by a tie."""

    must: np.ndarray
    ties: np.ndarray


class RawObject:
    """One object of a scene: its vertices, box and what every image sees of it.

    vertices (n,) vertex numbers; points (n, 3) aligned metres; box (6,) cx cy cz dx dy dz.
    """

    def __init__(
        self, scene: PosedScene, object_id: int, rules: ObjectRules = AS_PUBLISHED
    ) -> None:
        self.object_id = object_id
        self.scene, self.category = scene, scene.raw_categories[object_id]
        self.rules = rules
        self.vertices = np.flatnonzero(scene.instance_ids == object_id + 1)
        self.points = scene.vertices_aligned[self.vertices]
        self.box = scene.object_boxes[object_id]
        self._slack: float | None = None
        self._views: dict[str, Views] = {}
        self._covers: dict[tuple[str, frozenset[str]], Verdict] = {}

    @property
    def left_out(self) -> str:
        """Why nothing is asked about this object, or ""."""
        if self.category.strip().lower() in LEFT_OUT:
            return f"of category {self.category!r}"
        return "" if len(self.vertices) else "without vertices"

    def views(self, image: str) -> Views:
        """Rows of `points` that an image sees."""
        if image not in self._views:
            both = seen(self.scene, image, self.rules.seen)
            self._views[image] = Views(
                *(np.flatnonzero(np.isin(self.vertices, some)) for some in both)
            )
        return self._views[image]

    def counts(self, image: str) -> tuple[int, int]:
        """The least and the most vertices that an image sees."""
        must, ties = self.views(image)
        return len(must), len(must) + len(ties)

    @property
    def needed(self) -> int:
        """Vertices that an image must see to see the object."""
        share = Fraction(str(self.rules.min_visible_share))
        return max(1, floor(share * len(self.vertices)))

    @property
    def shown_from(self) -> int:
        """Vertices that an image must see to show enough of the object."""
        share = Fraction(str(self.rules.min_object_seen))
        return max(self.needed, ceil(share * len(self.vertices)))

    def sees(self, image: str) -> Verdict:
        return self._at_least(self.needed, image)

    def shows(self, image: str) -> Verdict:
        """Whether the image may be in a set."""
        return self._at_least(self.shown_from, image)

    def _at_least(self, needed: int, image: str) -> Verdict:
        least, most = self.counts(image)
        if least >= needed:
            return True
        return None if most >= needed else False

    def axes(self, dimension: str) -> list[int]:
        """The axis of a dimension; both horizontal ones where their sides are equal."""
        dx, dy = self.box[3], self.box[4]
        if dimension == "height":
            return [2]
        if abs(dx - dy) <= NOT_JUDGED_M:
            return [0, 1]
        return [0] if (dx > dy) == (dimension == "length") else [1]

    def target(self, dimension: str) -> float:
        """The side of the aligned box, metres."""
        dx, dy, dz = (float(side) for side in self.box[3:])
        return {"height": dz, "length": max(dx, dy), "width": min(dx, dy)}[dimension]

    def is_askew(self, dimension: str) -> Verdict:
        """Whether the box is larger, seen from above, than the smallest rectangle around the object
        by more than may be; of its horizontal sides. Looks at it turned by each twentieth degree.
        """
        most = self.rules.max_slack
        if dimension == "height" or not most:
            return False
        if self._slack is None:
            angles = np.radians(np.arange(0, 90, 0.05))
            corners = self.points[:, :2] - self.points[:, :2].mean(axis=0)
            areas = [
                float(np.ptp(corners @ (np.cos(a), np.sin(a))))
                * float(np.ptp(corners @ (-np.sin(a), np.cos(a))))
                for a in angles
            ]
            self._slack = areas[0] / min(areas) if min(areas) > 0 else 1.0
        return None if abs(self._slack - most) < SLACK_NOT_JUDGED else self._slack > most

    def covers(self, images: Iterable[str], dimension: str) -> Verdict:
        """Whether what the images see together is near enough to the target."""
        key = dimension, frozenset(images)
        if key not in self._covers:
            axes = self.axes(dimension)
            verdicts = {self._covers_along(axis, key[1], dimension) for axis in axes}
            self._covers[key] = verdicts.pop() if len(verdicts) == 1 else None
        return self._covers[key]

    def _covers_along(self, axis: int, images: frozenset[str], dimension: str) -> Verdict:
        least, most = self.extents(axis, images)
        target = self.target(dimension)
        missing = self.rules.covered * target
        if abs(least - target) <= missing - NOT_JUDGED_M:
            return True
        return False if abs(most - target) >= missing + NOT_JUDGED_M else None

    def extents(self, axis: int, images: Iterable[str]) -> tuple[float, float]:
        """Extent in metres of what the images see: of the certain vertices, and with all ties."""
        views = [self.views(image) for image in images]
        certain = [view.must for view in views]
        extents = []
        for parts in (certain, certain + [view.ties for view in views]):
            along = self.points[np.concatenate(parts), axis]
            extents.append(float(along.max() - along.min()) if len(along) else 0.0)
        return extents[0], extents[1]

    def is_minimal(self, images: Iterable[str], dimension: str) -> Verdict:
        """Whether the images cover and no proper subset does; the empty set never covers."""
        images = frozenset(images)
        whole = self.covers(images, dimension)
        parts = [self.covers(images - {one}, dimension) for one in images if len(images) > 1]
        if whole is False or True in parts:
            return False
        return None if whole is None or None in parts else True


@lru_cache(maxsize=1)
def raw_objects(scene: PosedScene, rules: ObjectRules = AS_PUBLISHED) -> dict[int, RawObject]:
    """{object id: what the raw data say}, of all objects of a scene, kept for one scene."""
    return {object_id: RawObject(scene, object_id, rules) for object_id in scene.raw_categories}


def shown_beside(thing: RawObject, images: Iterable[str]) -> tuple[str, int] | None:
    """An image that certainly shows another object of the category, and its id; None where none
    does. A single vertex is enough."""
    word = thing.category.strip().lower()
    for object_id, other in raw_objects(thing.scene, thing.rules).items():
        if other.category.strip().lower() == word and other.object_id != thing.object_id:
            for image in images:
                if other.counts(image)[0]:
                    return image, object_id
    return None


def why_not(scene: PosedScene, object_id: object) -> str:
    """Why nothing may be said about this object of the scene, or ""."""
    if type(object_id) is not int or object_id not in scene.raw_categories:
        return f"object {object_id!r}: the scene has none of this id"
    reason = RawObject(scene, object_id).left_out
    return f"object {object_id}: {reason}, is left out" if reason else ""


# ---- marked objects ------------------------------------------------------------------------------


def check_dots(record: dict, thing: RawObject, frames: list[str], pictures: Path) -> list[str]:
    """Complaints about the dots of a record, one in each picture; pictures: the folder that its
    image paths are relative to."""
    points, texts = record.get("mark_points"), record.get("mark_colors")
    if not _is_list(points, len(frames)) or not all(map(is_coordinate, points)):
        return [f"mark_points: {points!r} is not a list of {len(frames)} [x, y] from 0 to 1000"]
    colours = [parse_colour(text) for text in texts] if _is_list(texts, len(frames)) else [None]
    if any(colour is None for colour in colours):
        return [f"mark_colors: {texts!r} is not a list of {len(frames)} #rrggbb"]
    complaints = []
    rows = zip(record["image"], frames, points, colours, strict=True)
    for k, (name, frame, point, colour) in enumerate(rows):
        found = _check_dot(thing, frame, point, colour, pictures / name)
        complaints += [f"mark_points[{k}]: {complaint}" for complaint in found]
    return complaints


def _is_list(value: object, length: int) -> bool:
    return isinstance(value, list) and len(value) == length


def _check_dot(
    thing: RawObject, frame: str, point: list[int], colour: np.ndarray, path: Path
) -> list[str]:
    """Complaints about the dot in one picture: where it should be, and whether it is there."""
    scene, rule = thing.scene, thing.rules.seen
    views = seen_vertices(scene, frame, rule)
    is_mine = np.isin(views.index, thing.vertices)
    here = is_mine & rounds_to(views.thousandths, point).all(axis=1)
    if not here.any():
        return [f"no vertex of object {thing.object_id} that image {frame} sees is at {point}"]
    complaints = []
    certain = np.isin(views.index, seen(scene, frame, rule).must)
    others, centres = views.pixels[~is_mine & certain], views.pixels[here]
    reach = mark_radius(scene.colour_size[0]) - CENTRE_TOLERANCE
    apart = np.linalg.norm(others[:, None] - centres, axis=2)
    if (apart < reach).any(axis=0).all():
        complaints.append(f"the dot at {point} covers a vertex of another thing in image {frame}")
    picture = marked_picture(path, scene.colour_size)
    if isinstance(picture, str):
        return [*complaints, picture]
    mark = Mark("mark", colour, centres, np.zeros(2), lettered=False)
    return complaints + check_marked_picture(picture, scene.picture(frame), [mark])[0]
