"""Which objects sets of frames show, each set and object at once (SPEC 13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from spatial_engine.utils.frames.scene_frames import SceneFrames
from spatial_engine.utils.frames.states import ABSENT, SEEN


@dataclass(frozen=True)
class ShownObjects:
    """Of the q objects of a scene that can be asked about and that a frame sees, by ascending id.

    `numbers` (q,) are their numbers among all, `ids` (q,) their ids, `categories` (q) the words of
    the annotators, `names` (q) the same without blanks around them, as a sentence has them.
    By frame, (n + 1, q) bool each: `seen`; `there`, not certainly absent; `others`, where another
    object of the name is there. The last row is False, for what pads sets of frames. `overlapping`
    (n + 1, n + 1) bool says which two frames share anything, each with itself too.
    """

    numbers: np.ndarray
    ids: np.ndarray
    categories: list[str]
    names: list[str]
    seen: np.ndarray
    there: np.ndarray
    others: np.ndarray
    overlapping: np.ndarray

    @classmethod
    def of(cls, frames: SceneFrames) -> ShownObjects:
        """Of a scene; raises `BadDataError` as its tables do."""
        states, usable = frames.states, frames.graph.usable
        seen = states.states == SEEN
        numbers = np.flatnonzero(states.askable & seen[usable].any(axis=0))
        categories = [states.categories[number] for number in numbers]
        return cls(
            numbers,
            states.object_ids[numbers],
            categories,
            [category.strip() for category in categories],
            _padded(seen[:, numbers]),
            _padded(states.states[:, numbers] != ABSENT),
            _padded(states.others_shown()[:, numbers]),
            np.pad(frames.graph.overlap > 0, (0, 1)),
        )

    def are_seen(self, sets: np.ndarray) -> np.ndarray:
        """Whether a frame of each of the sets (k, m) sees each object, (k, q) bool."""
        return self.seen[sets].any(axis=1)

    def are_unique(self, sets: np.ndarray) -> np.ndarray:
        """Whether every other object of each one's name is absent in all frames, (k, q) bool."""
        return ~self.others[sets].any(axis=1)

    def meet(self, sets: np.ndarray) -> np.ndarray:
        """Whether two objects are there in one frame or in two that overlap, (k, q, q) bool: those
        that do not are apart."""
        there = self.there[sets].astype(np.float32)
        sharing = self.overlapping[sets[:, :, None], sets[:, None, :]].astype(np.float32)
        return there.transpose(0, 2, 1) @ (sharing @ there) > 0

    def share_a_frame(self, sets: np.ndarray) -> np.ndarray:
        """Whether two objects are there in one frame, (k, q, q) bool."""
        there = self.there[sets].astype(np.float32)
        return there.transpose(0, 2, 1) @ there > 0

    def seen_ids(self, frames: np.ndarray, objects: np.ndarray) -> list[list[int]]:
        """By frame (m,) the ids of those of `objects` (t,) that it sees, ascending."""
        mine = np.sort(objects)
        return [self.ids[mine[row]].tolist() for row in self.seen[np.ix_(frames, mine)]]


def refuse(kept: np.ndarray, reasons: Mapping[str, np.ndarray], drops: Counter[str]) -> np.ndarray:
    """The candidates that are `kept` (bool, any shape) and have none of the `reasons` (name ->
    bool, of that shape); each of the others is counted by its first."""
    for reason, wrong in reasons.items():
        drops[reason] += int(np.count_nonzero(kept & wrong))
        kept = kept & ~wrong
    return kept


def _padded(table: np.ndarray) -> np.ndarray:
    """A table by frame (n, q) with a last row that is False."""
    return np.pad(table, ((0, 1), (0, 0)))
