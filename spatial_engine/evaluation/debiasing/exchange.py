"""Questions that are solved without looking are exchanged for others that are not.

What has to be no better than chance are columns: for each way to answer (an answer that is always
given, a predictor) whether it is right. A question that is taken out is one that the worst column
solves, the one that comes in is not; of those, the two that differ most over all columns that are
too good. Both are of one scene where that can be; of choices always, and have the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def exchange(
    chosen: np.ndarray,
    solved: np.ndarray,
    chance: float,
    aim: float,
    strata: Sequence[np.ndarray],
) -> list[tuple[int, int, int]]:
    """(out, in, column) of each exchange, in order, until no column solves a larger share of the
    chosen questions than `chance` + `aim`, or nothing is left that helps.

    `chosen` (n,) bool is changed in place; `solved` (columns, n) is bool; `strata` are (n,) int,
    the narrowest first: a pair is of one stratum. Each exchange
    lessens the sum of the squares of what is too much.
    """
    values, number = solved.astype(np.float32), int(chosen.sum())
    sums = values[:, chosen].sum(axis=1, dtype=float)
    done: list[tuple[int, int, int]] = []
    while True:
        excess = np.clip(sums / number - chance - aim, 0, None)
        worst = int(excess.argmax())
        if excess[worst] <= 1e-9:
            return done
        scores = excess.astype(np.float32) @ values
        out, into = chosen & solved[worst], ~chosen & ~solved[worst]
        for stratum in strata:
            pair = _best_pair(scores, out, into, stratum)
            if pair is None:
                continue
            after = sums + values[:, pair[1]] - values[:, pair[0]]
            left = np.clip(after / number - chance - aim, 0, None)
            if left @ left < excess @ excess:
                break
        else:
            return done
        sums = after
        chosen[pair[0]], chosen[pair[1]] = False, True
        done.append((*pair, worst))


def _best_pair(
    scores: np.ndarray, out: np.ndarray, into: np.ndarray, stratum: np.ndarray
) -> tuple[int, int] | None:
    """The pair of one stratum whose scores differ most, the first of equals; None if none does."""
    highest = np.full(int(stratum.max()) + 1, -np.inf, np.float32)
    lowest = np.full(len(highest), np.inf, np.float32)
    np.maximum.at(highest, stratum[out], scores[out])
    np.minimum.at(lowest, stratum[into], scores[into])
    gains = highest - lowest
    best = int(gains.argmax())
    if not gains[best] > 0:
        return None
    mine = stratum == best
    return (
        int(np.flatnonzero(mine & out & (scores == highest[best]))[0]),
        int(np.flatnonzero(mine & into & (scores == lowest[best]))[0]),
    )
