"""Records about objects in several frames, held against the exact room that the frames show: what
is wrong by it is wrong whatever the definitions say."""

from __future__ import annotations

from functools import cache, cached_property
from itertools import product

import numpy as np
from scipy.spatial import cKDTree

from spatial_engine.sample_data.label_truth import Room

# An object of which a frame truly shows so much is there to be seen: less is a sliver beside
# something else.
SHOWN_SHARE = 0.02
LENGTH_SHARE = 0.1  # a length that is off by more is wrong
RAYS = 400  # towards points of a thing in a frame, at most
WORDS = ("front", "left", "back", "right")


class RoomTruth:
    """What the pictures of a room truly show of its things."""

    def __init__(self, room: Room):
        self.room = room

    @cached_property
    def things(self) -> dict[int, np.ndarray]:
        return self.room.things

    @cache  # noqa: B019
    def share(self, frame: str, number: int) -> float:
        """The share of a thing's surface, seen from all sides, that a frame shows."""
        points = self.things[number]
        some = points[:: -(-len(points) // RAYS)]
        return float(self.room.truth.sees(frame, some).mean())

    def shows(self, frame: str, number: int) -> bool:
        return self.share(frame, number) >= SHOWN_SHARE

    @cache  # noqa: B019 (as many as there are rooms)
    def scanned(self, number: int) -> np.ndarray:
        """Points of a thing that some frame of the scan truly shows: nothing can be known of the
        end of a rug that lies under a bed."""
        points = self.things[number][::3]
        shown = np.zeros(len(points), bool)
        for frame in self.room.scenes.valid_frames(self.room.scene_id)[0]:
            shown[~shown] = self.room.truth.sees(frame, points[~shown])
        return points[shown]

    @cache  # noqa: B019
    def distance(self, one: int, two: int) -> float:
        return float(cKDTree(self.scanned(one)).query(self.scanned(two))[0].min())

    @cache  # noqa: B019
    def center(self, number: int) -> np.ndarray:
        points = self.things[number]
        return (points.min(axis=0) + points.max(axis=0)) / 2

    def is_wrong(self, record: dict) -> bool | None:
        """None where a thing is not known."""
        objects = record.get("object_ids")
        if objects is not None and not set(objects) <= self.things.keys():
            return None
        return getattr(self, f"_{record['question_type']}")(record)

    def _object_distance(self, record: dict) -> bool:
        true = self.distance(*record["object_ids"])
        return abs(record["gt_value"] / 1000 - true) > LENGTH_SHARE * true

    def _nearest_object(self, record: dict) -> bool:
        one, *others = record["object_ids"]
        nearest = int(np.argmin([self.distance(one, other) for other in others]))
        return record["gt_value"] != "ABCD"[nearest]

    def _direction(self, record: dict) -> bool:
        stand, faced, third = (self.center(i)[:2] for i in record["object_ids"])
        heading, away = (np.degrees(np.arctan2(*(p - stand)[::-1])) for p in (faced, third))
        word = WORDS[int(((away - heading + 45) % 360) // 90)]
        return record["choices"][record["gt_value"]] != word

    def _appearance_order(self, record: dict) -> bool:
        first = []
        for number in record["object_ids"]:
            shown = [self.shows(frame, number) for frame in record["frames"]]
            first.append(shown.index(True) if any(shown) else np.inf)
        return first != sorted(set(first))

    def _count_distinct(self, record: dict) -> bool | None:
        scenes, scene_id = self.room.scenes, self.room.scene_id
        members = [
            i for i in scenes.object_ids(scene_id)
            if scenes.category(scene_id, i) == record["raw_category"]
        ]  # fmt: skip
        if not set(members) <= self.things.keys():
            return None
        shown = {i for f, i in product(record["frames"], members) if self.shows(f, i)}
        return len(shown) != record["gt_value"]
