"""Choices that are right equally often: over the file, and within each scene to within one."""

from __future__ import annotations

import numpy as np


def balance(chosen: np.ndarray, answers: np.ndarray, scenes: np.ndarray) -> np.ndarray:
    """(n,) bool: as many questions as `chosen` (n,) bool has, with its own as far as possible, of
    which each answer is right equally often. `answers` and `scenes` are (n,) int from 0.

    One question after the other is taken: one that leaves the answers of its scene equal to within
    one, if there is any; of those one with the answer that is rarest so far; of those one that was
    chosen; of others one of a scene that is asked about less than before; the first of equals.
    """
    kept = np.zeros(len(chosen), bool)
    counts = np.zeros((int(scenes.max()) + 1, int(answers.max()) + 1), int)
    np.add.at(counts, (scenes[chosen], answers[chosen]), 1)
    if np.ptp(counts, axis=1).max() <= 1 and np.ptp(counts.sum(axis=0)) <= 1:
        return chosen.copy()  # one after the other, some would give way to others as good
    counts[:] = 0
    before = np.bincount(scenes[chosen], minlength=len(counts))
    for _ in range(int(chosen.sum())):
        uneven = counts[scenes, answers] > counts.min(axis=1)[scenes]
        full = counts.sum(axis=1) >= before
        order = np.lexsort((full[scenes], ~chosen, counts.sum(axis=0)[answers], uneven, kept))
        taken = order[0]
        kept[taken] = True
        counts[scenes[taken], answers[taken]] += 1
    return kept
