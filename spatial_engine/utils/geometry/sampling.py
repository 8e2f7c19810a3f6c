"""Random draws that can be repeated: generators by name, balanced quotas. Pure functions."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """The generator of (seed, names), e.g. (seed, task, scene): independent of all others.

    Names go through SHA-256, so that neither the order of scenes nor the number of workers matters.
    """
    words = np.frombuffer(hashlib.sha256("\0".join(names).encode()).digest(), np.uint32)
    return np.random.default_rng([abs(seed), int(seed < 0), *words.tolist()])


def balanced_quotas(available: np.ndarray, wanted: int) -> np.ndarray:
    """How many to draw from each bin so that the bins are as even as they can be (SPEC 5).

    `available` is (n,) int: how many each bin holds, in ascending order of what is binned.
    `wanted` is divided evenly over the non-empty bins, the first `remainder` of them getting one
    more. Bins are visited from the emptiest to the fullest, ties in order; one that holds too few
    gives all it has and its unused quota goes to the next. Returns (n,) int64; the sum is
    min(wanted, available.sum()).
    """
    available = np.asarray(available, np.int64)
    quotas = np.zeros(len(available), np.int64)
    filled = np.flatnonzero(available)
    if not len(filled):
        return quotas
    share, remainder = divmod(wanted, len(filled))
    quotas[filled] = share
    quotas[filled[:remainder]] += 1
    carried = 0
    for index in filled[np.argsort(available[filled], kind="stable")]:
        target = quotas[index] + carried
        quotas[index] = min(target, available[index])
        carried = target - quotas[index]
    return quotas


def equal_share(available: np.ndarray, wanted: int) -> int:
    """The smallest share such that bins that give it, or all they hold (`available`, (n,) int)
    where that is less, give `wanted` together; the largest bin where all hold fewer."""
    held = np.sort(np.asarray(available, np.int64))
    before = np.cumsum(held) - held  # what the smaller bins give
    shares = -(-(wanted - before) // np.arange(len(held), 0, -1))
    enough = np.flatnonzero(shares <= held)
    return int(shares[enough[0]] if len(enough) else held.max(initial=0))


def draw(rng: np.random.Generator, population: int, count: int) -> np.ndarray:
    """`count` different numbers of range(population), ascending; (count,) int64."""
    return np.sort(rng.choice(population, size=count, replace=False, shuffle=False))


def draw_balanced(rng: np.random.Generator, strata: np.ndarray, wanted: int) -> np.ndarray:
    """Numbers of at most `wanted` candidates (-1 = all), ascending (k,) int64. `strata` (n, levels)
    int are theirs: of each stratum of the first level as many as of the others or all it has, and
    so within it for those of the next."""
    if wanted < 0 or wanted >= len(strata):
        return np.arange(len(strata))
    if not strata.shape[1]:
        return draw(rng, len(strata), wanted)
    kinds, counts = np.unique(strata[:, 0], return_counts=True)
    chosen = []
    for kind, quota in zip(kinds, _dealt(counts, wanted).tolist(), strict=True):
        mine = np.flatnonzero(strata[:, 0] == kind)
        chosen.append(mine[draw_balanced(rng, strata[mine, 1:], quota)])
    return np.sort(np.concatenate(chosen))


def _dealt(counts: np.ndarray, wanted: int) -> np.ndarray:
    """Quotas (n,) of bins that hold `counts`, dealt round; the first ones get what is over."""
    share = equal_share(counts, wanted)
    quotas = np.minimum(counts, share)
    full = np.flatnonzero(quotas == share)
    quotas[full[len(full) - (quotas.sum() - wanted) :]] -= 1
    return quotas
