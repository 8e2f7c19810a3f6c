"""How far two objects are apart, and which is nearest to one: sets of frames that tell (SPEC 13).

Both are asked of objects that no frame, and no two that overlap, show together, and of which the
frames show the near sides. Few sets do: they are grown from two frames that do not overlap and see
the near sides of two objects.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from spatial_engine.object_relations.question import Question
from spatial_engine.utils.frames.object_distances import ObjectDistances
from spatial_engine.utils.frames.scene_frames import SceneFrames
from spatial_engine.utils.frames.shown_objects import ShownObjects, refuse
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.geometry.frame_sets.growth import grow_through
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.geometry.frame_sets.search import Candidates

OTHERS = "another object of the name in an image"
TOGETHER = "objects in one image, or in two that overlap"
UNSEEN = "near sides that the images do not show"
VIEWS_OF_PAIR = 1000  # two frames that show the near sides of two objects: so many are held
STARTS_OF_OBJECT = 64  # frames of an object from which sets are grown
LEAST, MOST = 2, 3  # objects that are farther than the nearest


class _DistanceSets:
    """What the frames of one scene show of distances."""

    def __init__(self, frames: SceneFrames, shown: ShownObjects, constants: Mapping[str, Any]):
        """Raises `BadDataError` where the table of distances is damaged or another's."""
        self.graph, self.shown, self.constants = frames.graph, shown, constants
        self.distances = ObjectDistances.of(frames.scenes, frames.scene_id, shown.ids)
        self.drops: Counter[str] = Counter()  # of what no two frames can show

    @cached_property
    def alone(self) -> np.ndarray:
        """Frames that can be used, that see an object and show no other of its name, (n, q)."""
        usable = np.zeros(len(self.graph.alike), bool)
        usable[self.graph.usable] = True
        return self.shown.seen[:-1] & ~self.shown.others[:-1] & usable[:, None]

    def views_of(self, one: int, two: int) -> np.ndarray:
        """Which frames (n, n) see the one and the other object, each alone of its name, show their
        near sides and do not overlap."""
        there, others = self.shown.there[:-1], self.shown.others[:-1]
        first = self.alone[:, one] & ~there[:, two] & ~others[:, two]
        second = self.alone[:, two] & ~there[:, one] & ~others[:, one]
        apart = ~self.shown.overlapping[:-1, :-1]
        return self.distances.frames_of(one, two) & apart & first[:, None] & second

    def near_sides(self, first: np.ndarray, second: np.ndarray, sets: np.ndarray) -> np.ndarray:
        """Whether sets (k, m) show the near sides of their objects (k,): bool."""
        return self.distances.are_seen(first, second, sets)


class ObjectDistanceSets(_DistanceSets):
    """Sets for the distance of two objects. A target is the two, by number."""

    @cached_property
    def views(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs of objects (p, 2) in the wanted range; their views (v, 2), two frames each; where
        those of each pair start, (p + 1,)."""
        pairs, views = [], []
        least, most = self.constants["MIN_DISTANCE_M"], self.constants["MAX_DISTANCE_M"]
        metres = self.distances.metres
        for pair in np.argwhere(np.triu((metres >= least) & (metres <= most), 1)):
            found = np.argwhere(self.views_of(*pair))
            if not len(found):
                self.drops["pairs of objects whose near sides no two images apart show"] += 1
            else:
                pairs.append(pair)
                views.append(found[:: -(-len(found) // VIEWS_OF_PAIR)])
        starts = np.cumsum([0, *map(len, views)])
        whole = np.concatenate([np.zeros((0, 2), int), *views])
        return np.array(pairs, int).reshape(-1, 2), whole, starts

    def draw(self, rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
        """Sets of sizes (m,), each around the near sides of two objects; fewer where these fail."""
        pairs, views, starts = self.views
        if not len(pairs):
            return np.full((0, int(sizes.max())), NONE, np.int32)
        chosen = rng.integers(len(pairs), size=len(sizes))
        counts = np.diff(starts)[chosen]
        goals = views[starts[chosen] + rng.integers(counts)]
        one, two = pairs[chosen].T
        there, others = self.shown.there[:-1].T, self.shown.others[:-1].T
        sharing = self.shown.overlapping[goals, :-1]
        barred = others[one] | others[two] | (there[one] & there[two])
        barred |= (there[one] & sharing[:, 1]) | (there[two] & sharing[:, 0])
        return grow_through(rng, self.graph, sizes, goals, barred)

    def judge(self, rng: np.random.Generator, sets: np.ndarray, drops: Counter[str]) -> Candidates:
        """For each set (k, m) all pairs of objects whose distance it tells."""
        seen, unique = self.shown.are_seen(sets), self.shown.are_unique(sets)
        metres = self.distances.metres
        least, most = self.constants["MIN_DISTANCE_M"], self.constants["MAX_DISTANCE_M"]
        pairs = np.triu(seen[:, :, None] & seen[:, None], 1)
        reasons = {
            OTHERS: ~(unique[:, :, None] & unique[:, None]),
            TOGETHER: self.shown.meet(sets),
            "objects that are too near or too far apart": ((metres < least) | (metres > most))[
                None
            ],
        }
        rows, one, two = np.nonzero(refuse(pairs, reasons, drops))
        near = self.near_sides(one, two, sets[rows])
        kept = refuse(np.ones(len(rows), bool), {UNSEEN: ~near}, drops)
        targets = np.column_stack([one, two])[kept]
        return Candidates(sets[rows[kept]], targets, np.zeros(len(targets), int))

    def ask(self, rng: np.random.Generator, found: Candidates) -> Iterator[Question]:
        """The question of each candidate; which object comes first is drawn."""
        metres = self.distances.metres[found.targets[:, 0], found.targets[:, 1]]
        answers = np.rint(metres * MM_PER_METRE).astype(int).tolist()
        for objects, answer in zip(rng.permuted(found.targets, axis=1), answers, strict=True):
            yield Question(objects.tolist(), answer)


class NearestObjectSets(_DistanceSets):
    """Sets for the nearest of three or four objects. A target is the object from which is measured,
    so that no set is asked about it twice; the others are drawn when it is asked."""

    @cached_property
    def starts(self) -> tuple[np.ndarray, np.ndarray]:
        """From which object and which frame of it sets can be grown, (s, 2); and which objects each
        frame shows beside these, near sides and all: the bits of (s, q, n)."""
        starts, tables = [], []
        for one in range(len(self.shown.ids)):
            table = np.array([self.views_of(one, two) for two in range(len(self.shown.ids))])
            first = np.flatnonzero(np.count_nonzero(table.any(axis=2), axis=0) > LEAST)
            if not len(first):
                self.drops["objects of which no three others are shown in images apart"] += 1
                continue
            first = first[:: -(-len(first) // STARTS_OF_OBJECT)]
            starts += [(one, int(frame)) for frame in first]
            tables.append(np.packbits(table[:, first].transpose(1, 0, 2), axis=2))
        return np.array(starts, int).reshape(-1, 2), np.concatenate(tables or [np.zeros(0)])

    def draw(self, rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
        """Sets of sizes (m,), each around the near sides of an object and of three others; fewer
        where these fail."""
        starts, tables = self.starts
        if not len(starts):
            return np.full((0, int(sizes.max())), NONE, np.int32)
        chosen = rng.integers(len(starts), size=len(sizes))
        one, first = starts[chosen].T
        count = len(self.graph.alike)
        shows = np.unpackbits(tables[chosen], axis=2, count=count).astype(bool)  # (m, q, n)
        second, kept = self._others(rng, shows)
        there, others = self.shown.there[:-1].T, self.shown.others[:-1].T
        goals = np.column_stack([first, second])
        barred = others[one] | others[kept].any(axis=1) | (second[:, :1] == NONE)
        barred |= there[one] & self.shown.overlapping[second, :-1].any(axis=1)
        barred |= there[kept].any(axis=1) & self.shown.overlapping[first, :-1]
        return grow_through(rng, self.graph, sizes, goals, barred)

    def _others(self, rng: np.random.Generator, shows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Three objects for each start, (m, 3), of those that frames show, `shows` (m, q, n), and
        one to three frames that show them, (m, 3) padded with `NONE`; no frame where there are not
        so many."""
        rows, others = np.arange(len(shows)), self.shown.others[:-1]
        frames = np.full((len(shows), MOST), NONE)
        covered, left = np.zeros(shows.shape[:2], bool), shows
        for place in range(MOST):
            gain = (left & ~covered[:, :, None]).sum(axis=1) ** 2
            frame = (gain * rng.random(gain.shape)).argmax(axis=1)
            wanted = (gain[rows, frame] > 0) & (np.count_nonzero(covered, axis=1) <= LEAST)
            frames[wanted, place] = frame[wanted]
            ambiguous = others[frame] & wanted[:, None]
            covered = (covered | (shows[rows, :, frame] & wanted[:, None])) & ~ambiguous
            left = left & ~ambiguous[:, :, None]
        weights = covered * rng.random(covered.shape)
        few = np.count_nonzero(covered, axis=1) <= LEAST
        frames[few] = NONE
        return frames, np.argsort(-weights, axis=1, kind="stable")[:, : LEAST + 1]

    def judge(self, rng: np.random.Generator, sets: np.ndarray, drops: Counter[str]) -> Candidates:
        """For each set (k, m) all objects of which it tells the nearest of some others."""
        sets_of, one = np.nonzero(self.shown.are_seen(sets))
        unique, meet = self.shown.are_unique(sets), self.shown.meet(sets)
        fit = self.shown.are_seen(sets)[sets_of] & unique[sets_of]
        apart = fit & ~meet[sets_of, one]
        reasons = {
            OTHERS: ~unique[sets_of, one],
            "fewer than three others, alone of their name": _few(fit),
            "fewer than three others in images apart": _few(apart),
        }
        rows = np.flatnonzero(refuse(np.ones(len(one), bool), reasons, drops))
        sets_of, one = sets_of[rows], one[rows]
        told = self._with_near_sides(apart[rows], one, sets[sets_of])
        farther = self._farther(told, one)
        reasons = {
            "fewer than three others whose near sides are shown": _few(told),
            "distances that are nearly the same": ~(told & (farther >= LEAST)).any(axis=1),
        }
        kept = refuse(np.ones(len(rows), bool), reasons, drops)
        return Candidates(sets[sets_of[kept]], one[kept, None], np.zeros(kept.sum(), int))

    def _with_near_sides(self, others: np.ndarray, one: np.ndarray, sets: np.ndarray) -> np.ndarray:
        """Those of the `others` (k, q) bool of objects `one` (k,) of which sets (k, m) show the
        near sides, (k, q) bool."""
        told = np.zeros_like(others)
        rows, two = np.nonzero(others)
        told[rows, two] = self.near_sides(one[rows], two, sets[rows])
        return told

    def _farther(self, told: np.ndarray, one: np.ndarray) -> np.ndarray:
        """How many of the objects that can be asked about, `told` (k, q) bool, are so much farther
        from `one` (k,) than each that it can be asked which is nearest, (k, q) int."""
        metres = np.where(told, self.distances.metres[one], np.inf)
        order = np.sort(metres, axis=1)
        limit = metres + self._gap(metres)
        farther = np.zeros(metres.shape, int)
        for place in range(metres.shape[1]):
            farther += (order[:, place, None] >= limit) & np.isfinite(order[:, place, None])
        return farther

    def _gap(self, metres: np.ndarray) -> np.ndarray:
        """By how much farther than these distances another must be."""
        share = self.constants["MIN_DISTANCE_GAP_SHARE"] * metres
        return np.maximum(self.constants["MIN_DISTANCE_GAP_M"], share)

    def ask(self, rng: np.random.Generator, found: Candidates) -> Iterator[Question]:
        """The question of each candidate: which of three or four objects is nearest."""
        one = found.targets[:, 0]
        fit = self.shown.are_seen(found.sets) & self.shown.are_unique(found.sets)
        fit &= ~self.shown.meet(found.sets)[np.arange(len(one)), one]
        told = self._with_near_sides(fit, one, found.sets)
        farther = self._farther(told, one)
        for row, number in enumerate(one.tolist()):
            metres = self.distances.metres[number]
            first = int(rng.choice(np.flatnonzero(told[row] & (farther[row] >= LEAST))))
            rest = np.flatnonzero(told[row] & (metres >= metres[first] + self._gap(metres[first])))
            count = min(int(rng.integers(LEAST, MOST + 1)), len(rest))
            others = rng.permutation([first, *rng.choice(rest, count, replace=False)])
            yield Question.choice(
                [number, *others.tolist()],
                [self.shown.names[other] for other in others],
                int(np.flatnonzero(others == first)[0]),
                distances_mm=np.rint(metres[others] * MM_PER_METRE).astype(int).tolist(),
            )


def _few(others: np.ndarray) -> np.ndarray:
    """Whether there are fewer than an answer and `LEAST` others, of (k, q) bool."""
    return np.count_nonzero(others, axis=1) <= LEAST
