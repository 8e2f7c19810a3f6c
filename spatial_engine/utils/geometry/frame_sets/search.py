"""The search for sets of frames that can be asked about. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.frame_sets.rows import sizes_of

SETS_AT_ONCE = 1000  # grown and judged in a round
MAX_ROUNDS = 30  # of a search, where few sets can be asked about
SPARE = 3  # candidates found for each that is wanted, so that they can be balanced


@dataclass(frozen=True)
class Candidates:
    """What can be asked: of each of k candidates the set of frames `sets` (k, m), what it is asked
    about, `targets` (k, t) int, and its answer `answers` (k,) int where there are few, else 0."""

    sets: np.ndarray
    targets: np.ndarray
    answers: np.ndarray

    def where(self, kept: np.ndarray) -> Candidates:
        """Some of them, by a mask or by numbers."""
        return Candidates(self.sets[kept], self.targets[kept], self.answers[kept])

    def distinct(self) -> Candidates:
        """Without those that ask about the same thing in the same frames again."""
        keys = np.concatenate([np.sort(self.sets, axis=1), self.targets], axis=1)
        _, first = np.unique(keys, axis=0, return_index=True)
        return self.where(np.sort(first))

    def balanced(self, rng: np.random.Generator, wanted: int) -> Candidates:
        """At most `wanted` of them (-1 = all), as even as they can be over numbers of frames, and
        of each number over answers."""
        strata = np.stack([sizes_of(self.sets), self.answers], axis=1)
        return self.where(sampling.draw_balanced(rng, strata, wanted))

    @classmethod
    def joined(cls, parts: list[Candidates]) -> Candidates:
        """All of them, in turn."""
        columns = zip(*((part.sets, part.targets, part.answers) for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))


# What is judged: sets (k, longest), with what is asked about them where that is drawn with them.
Drawn = TypeVar("Drawn")


def search_sets(
    rng: np.random.Generator,
    draw: Callable[[np.random.Generator, np.ndarray], Drawn],
    judge: Callable[[Drawn, Counter[str]], Candidates],
    wanted: int,
    num_frames: tuple[int, int],
    drops: Counter[str],
) -> Candidates:
    """At most `wanted` candidates, balanced over numbers of frames, from the least to the most of
    `num_frames`, and over answers. `draw` grows sets of the sizes (m,); `judge` says what can be
    asked of them, and counts what cannot in `drops`, by reason."""
    least, most = num_frames
    found: Candidates | None = None
    for _ in range(MAX_ROUNDS):
        sizes = rng.integers(least, most + 1, size=SETS_AT_ONCE)
        sizes[0] = most  # so that all rounds have as many columns
        new = judge(draw(rng, sizes), drops)
        found = Candidates.joined([found, new] if found else [new]).distinct()
        if len(found.sets) >= SPARE * wanted:
            break
    return found.balanced(rng, wanted)
