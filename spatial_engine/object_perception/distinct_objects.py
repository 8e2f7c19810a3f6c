"""How many objects of a category several images show: sets of frames that tell (SPEC 13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_engine.utils.frames.scene_frames import SceneFrames
from spatial_engine.utils.frames.shown_objects import ShownObjects, refuse
from spatial_engine.utils.frames.states import ABSENT
from spatial_engine.utils.geometry.frame_sets.growth import grow_through
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.geometry.frame_sets.search import Candidates, search_sets

GOALS = 3  # frames that see an object of the category each, around which sets are grown


@dataclass(frozen=True)
class _Category:
    """A category of which there are several objects: their numbers among `ShownObjects`, and in
    which frames (n + 1,) an object of its name is there that is of no category or of another."""

    word: str
    members: np.ndarray
    strangers: np.ndarray


class DistinctObjects:
    """What can be asked about one scene. A target is the number of a category, an answer how many
    objects of it are seen."""

    def __init__(self, frames: SceneFrames, shown: ShownObjects, constants: Mapping[str, Any]):
        self.graph, self.shown = frames.graph, shown
        self.categories = list(_categories(frames, shown))

    def find(
        self, rng: np.random.Generator, wanted: int, num_frames: tuple[int, int]
    ) -> tuple[Candidates, Counter[str]]:
        """What can be asked, at most `wanted`, and what cannot, by reason."""
        drops: Counter[str] = Counter()
        found = search_sets(rng, self.draw, self.judge, wanted, num_frames, drops)
        if not self.categories:
            drops["scenes without two objects of one category"] += 1
        return found, drops

    def draw(self, rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
        """Sets of sizes (m,), each around some objects of a category; fewer where these fail."""
        if not self.categories:
            return np.full((0, int(sizes.max())), NONE, np.int32)
        goals = np.full((len(sizes), GOALS), NONE)
        barred = np.ones((len(sizes), len(self.graph.alike)), bool)
        drawn = rng.integers(len(self.categories), size=len(sizes))
        usable = np.isin(np.arange(len(self.graph.alike)), self.graph.usable)
        for number, category in enumerate(self.categories):
            rows = np.flatnonzero(drawn == number)
            fit = usable & ~category.strangers[:-1]
            barred[rows] = ~fit
            views = (self.shown.seen[:-1, category.members] & fit[:, None]).T
            members = np.flatnonzero(views.any(axis=1))
            if len(members):
                order = rng.random((len(rows), len(members))).argsort(axis=1)[:, :GOALS]
                chosen = views[members[order]]
                weights = chosen * rng.random(chosen.shape, dtype=np.float32)
                goals[rows, : order.shape[1]] = weights.argmax(axis=2)
        barred[goals[:, 0] == NONE] = True
        goals[:, 0] = np.maximum(goals[:, 0], 0)
        return grow_through(rng, self.graph, sizes, goals, barred)

    def judge(self, sets: np.ndarray, drops: Counter[str]) -> Candidates:
        """For each set (k, m) all categories of which it tells how many objects there are."""
        parts = [Candidates(sets[:0], np.zeros((0, 1), int), np.zeros(0, int))]
        for number, category in enumerate(self.categories):
            seen = self.shown.seen[:, category.members][sets].astype(np.float32)  # (k, m, members)
            there = self.shown.there[:, category.members][sets]
            counted = seen.any(axis=1)
            counts = counted.sum(axis=1)
            held = (there & counted[:, None]).astype(np.float32)
            each = held.sum(axis=2)
            both = each[:, :, None] + each[:, None] - held @ held.transpose(0, 2, 1)
            strange = category.strangers[sets].any(axis=1)
            grey = (there.any(axis=1) & ~counted).any(axis=1)
            reasons = {
                "fewer than two objects of a category": counts < 2,
                "an object of the name that is of another category": strange,
                "an object that no image shows for certain": grey,
                "two images that may show all": (both >= counts[:, None, None]).any(axis=(1, 2)),
                "no object that two images show": (seen.sum(axis=1) < 2).all(axis=1),
            }
            kept = refuse(counts > 0, reasons, drops)
            targets = np.full((np.count_nonzero(kept), 1), number)
            parts.append(Candidates(sets[kept], targets, counts[kept]))
        return Candidates.joined(parts)

    def ask(self, found: Candidates) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Category, answer and fields of each candidate."""
        for row, (number,), count in zip(
            found.sets, found.targets.tolist(), found.answers.tolist(), strict=True
        ):
            category = self.categories[number]
            fields = {
                "raw_category": category.word,
                "seen_objects": self.shown.seen_ids(row[row != NONE], category.members),
            }
            yield str(self.shown.ids[category.members[0]]), count, fields


def _categories(frames: SceneFrames, shown: ShownObjects) -> Iterator[_Category]:
    states, words = frames.states, np.array(shown.categories)
    there = np.pad(states.states != ABSENT, ((0, 1), (0, 0)))
    for word in np.unique(words).tolist():
        members = np.flatnonzero(words == word)
        if len(members) < 2:
            continue
        numbers = shown.numbers[members]
        strangers = states.same_name[numbers].any(axis=0)
        strangers[numbers] = False
        yield _Category(word, members, there[:, strangers].any(axis=1))
