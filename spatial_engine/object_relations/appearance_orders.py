"""In which order three or four objects are first seen: sets of frames that show one (SPEC 13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from spatial_engine.object_relations.order_choices import order_choices
from spatial_engine.object_relations.question import Question
from spatial_engine.utils.frames.scene_frames import SceneFrames
from spatial_engine.utils.frames.shown_objects import ShownObjects, refuse
from spatial_engine.utils.geometry.frame_sets.growth import grow_joined
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.geometry.frame_sets.search import Candidates

LEAST, MOST = 3, 4  # objects in order


class AppearanceOrders:
    """What can be asked about one scene. A target is its objects in the order of their first
    frames, padded with `NONE`."""

    def __init__(self, frames: SceneFrames, shown: ShownObjects, constants: Mapping[str, Any]):
        self.graph, self.shown = frames.graph, shown
        self.drops: Counter[str] = Counter()

    def draw(self, rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
        """Joined sets of sizes (m,)."""
        return grow_joined(rng, self.graph, sizes)

    def judge(self, rng: np.random.Generator, sets: np.ndarray, drops: Counter[str]) -> Candidates:
        """For each set (k, m) some of its objects that are first seen in different frames."""
        first, certain = first_seen(self.shown, sets)
        fit = self.shown.are_seen(sets) & self.shown.are_unique(sets)
        places = np.arange(sets.shape[1])[:, None]
        at_place = fit[:, None] & (first[:, None] == places)  # (k, m, q)
        sure = at_place & certain[:, None]
        few, few_sure = (np.count_nonzero(x.any(axis=2), axis=1) < LEAST for x in (at_place, sure))
        reasons = {
            "fewer than three objects, alone of their name, first seen in different images": few,
            "fewer than three of them certainly absent before": few_sure,
        }
        kept = np.flatnonzero(refuse(np.ones(len(sets), bool), reasons, drops))
        return Candidates(sets[kept], _draw_objects(rng, sure[kept]), np.zeros(len(kept), int))

    def ask(self, rng: np.random.Generator, found: Candidates) -> Iterator[Question]:
        """The question of each candidate."""
        for target in found.targets:
            right = tuple(target[target != NONE].tolist())
            orders = order_choices(rng, right)
            texts = [", ".join(self.shown.names[number] for number in order) for order in orders]
            yield Question.choice(right, texts, orders.index(right))


def first_seen(shown: ShownObjects, sets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of the first frame of each set (k, m) that sees each object, (k, q) int, 0 where none
    does; and whether the object is certainly absent in all frames before, (k, q) bool."""
    first = shown.seen[sets].argmax(axis=1)
    return first, shown.there[sets].argmax(axis=1) == first


def _draw_objects(rng: np.random.Generator, sure: np.ndarray) -> np.ndarray:
    """Of the objects that are first seen at each place of each set, `sure` (k, m, q) bool, three or
    four of different places, by place: (k, MOST) int, `NONE` for no fourth."""
    weights = np.where(sure, rng.random(sure.shape, dtype=np.float32), -1)
    objects, there = weights.argmax(axis=2), sure.any(axis=2)
    counts = np.minimum(rng.integers(LEAST, MOST + 1, size=len(sure)), there.sum(axis=1))
    ranks = np.where(there, rng.random(there.shape, dtype=np.float32), 2).argsort(1).argsort(1)
    chosen = ranks < counts[:, None]
    order = np.argsort(~chosen, axis=1, kind="stable")[:, :MOST]  # places, those chosen first
    order = np.pad(order, ((0, 0), (0, MOST - order.shape[1])))
    picked = np.take_along_axis(objects, order, axis=1)
    return np.where(np.arange(MOST) < counts[:, None], picked, NONE)
