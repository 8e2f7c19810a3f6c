"""On which side of someone who stands at one object and faces another a third one is: sets of
frames that tell (SPEC 13).

No frame shows two of the three. Then no two frames show all three, as each shows one at most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from spatial_engine.object_relations.question import Question
from spatial_engine.utils.frames.scene_frames import SceneFrames
from spatial_engine.utils.frames.shown_objects import ShownObjects, refuse
from spatial_engine.utils.geometry.frame_sets.growth import grow_through
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.geometry.frame_sets.search import Candidates
from spatial_engine.utils.geometry.plan_directions import (
    SECTORS,
    border_distances,
    facing_angles,
    sector_shares,
    sectors_of,
)

UNKNOWN, NO, YES = -1, 0, 1  # whether an object lies within its sector


class DirectionSets:
    """What can be asked about one scene. A target is where one stands, what one faces, what is
    asked about."""

    def __init__(self, frames: SceneFrames, shown: ShownObjects, constants: Mapping[str, Any]):
        self.graph, self.shown, self.constants = frames.graph, shown, constants
        self.drops: Counter[str] = Counter()
        boxes = [frames.scenes.aligned_box(frames.scene_id, int(i)) for i in shown.ids]
        self.centers = np.array(boxes).reshape(-1, 7)[:, :2]
        states, points = frames.states, frames.views.points
        self.vertices = [points[states.instances == number, :2] for number in shown.numbers]
        # By standing place, faced object and third one: degrees, and the number of the sector.
        self.angles = facing_angles(self.centers)
        self.sectors = sectors_of(self.angles)
        apart = np.linalg.norm(self.centers[:, None] - self.centers, axis=2)
        close = apart < constants["MIN_STAND_M"]
        self.close = close[:, :, None] | close[:, None, :]
        self.at_border = border_distances(self.angles) < constants["MIN_BORDER_DEG"]
        self.within = np.full(self.angles.shape, UNKNOWN, np.int8)
        self.wanted = ~self.close & ~self.at_border & _different(len(self.centers))

    def draw(self, rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
        """Sets of sizes (m,), each around three objects and an answer, all answers alike; fewer
        where no frames show the three apart."""
        sectors = np.where(self.wanted & (self.within != NO), self.sectors, -1).ravel()
        known = [np.flatnonzero(sectors == number) for number in range(len(SECTORS))]
        known = [some for some in known if len(some)]
        if not known:
            return np.full((0, int(sizes.max())), NONE, np.int32)
        which = rng.integers(len(known), size=len(sizes))
        drawn = np.array([known[k][rng.integers(len(known[k]))] for k in which])
        triples = np.column_stack(np.unravel_index(drawn, self.angles.shape))
        there = self.shown.there[:-1].T[triples]  # (m, 3, n)
        others = self.shown.others[:-1].T[triples].any(axis=1)
        barred = others | (there.sum(axis=1) > 1)
        views = self.shown.seen[:-1].T[triples] & ~barred[:, None]
        goals = (views * rng.random(views.shape, dtype=np.float32)).argmax(axis=2)
        nowhere = ~views.any(axis=2).all(axis=1)
        barred |= nowhere[:, None]
        given_up = np.unique(drawn[nowhere])
        self.wanted.ravel()[given_up] = False
        self.drops["three objects of which no images show one each"] += len(given_up)
        return grow_through(rng, self.graph, sizes, goals, barred)

    def judge(self, rng: np.random.Generator, sets: np.ndarray, drops: Counter[str]) -> Candidates:
        """For each set (k, m) and two objects that no frame shows together a third one."""
        fit = self.shown.are_seen(sets) & self.shown.are_unique(sets)
        alone = fit[:, :, None] & fit[:, None] & ~self.shown.share_a_frame(sets)
        rows, one, two = np.nonzero(alone)
        thirds = alone[rows, one] & alone[rows, two]
        weights = thirds * rng.random(thirds.shape, dtype=np.float32)
        three = weights.argmax(axis=1) if thirds.size else np.zeros(len(rows), int)  # no objects
        targets = np.column_stack([one, two, three])
        reasons = {
            "no third object that no image shows with one of the two": ~thirds.any(axis=1),
            "objects too near to stand at one and face another": self.close[one, two, three],
            "directions near a border": self.at_border[one, two, three],
        }
        kept = np.flatnonzero(refuse(np.ones(len(rows), bool), reasons, drops))
        within = self._lie_within(targets[kept])
        kept = kept[refuse(np.ones(len(kept), bool), {"objects in two sectors": ~within}, drops)]
        answers = self.sectors[tuple(targets[kept].T)]
        return Candidates(sets[rows[kept]], targets[kept], answers)

    def _lie_within(self, targets: np.ndarray) -> np.ndarray:
        """Whether enough of the vertices of the last object of each target (k, 3) lie in the sector
        of its centre, (k,) bool. Measured once for each three objects."""
        least = self.constants["MIN_SECTOR_SHARE"]
        new = np.unique(targets[self.within[tuple(targets.T)] == UNKNOWN], axis=0)
        for third in np.unique(new[:, 2]).tolist():
            one, two = new[new[:, 2] == third, :2].T
            shares = sector_shares(
                self.centers[one], self.centers[two], self.vertices[third],
                self.sectors[one, two, third],
            )  # fmt: skip
            self.within[one, two, third] = np.where(shares >= least, YES, NO)
        return self.within[tuple(targets.T)] == YES

    def ask(self, rng: np.random.Generator, found: Candidates) -> Iterator[Question]:
        """The question of each candidate, with the four directions in random order."""
        angles = np.rint(self.angles[tuple(found.targets.T)]).astype(int)
        angles = np.where(angles == -180, 180, angles).tolist()
        orders = rng.permuted(np.tile(np.arange(len(SECTORS)), (len(angles), 1)), axis=1).tolist()
        for objects, answer, angle, order in zip(
            found.targets.tolist(), found.answers.tolist(), angles, orders, strict=True
        ):
            texts = [SECTORS[number] for number in order]
            yield Question.choice(objects, texts, order.index(answer), angle_deg=angle)


def _different(count: int) -> np.ndarray:
    """Which three of so many objects are three, (count, count, count) bool."""
    one, two, three = np.ogrid[:count, :count, :count]
    return (one != two) & (one != three) & (two != three)
