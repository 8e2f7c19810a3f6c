"""Where the points of a clip can be asked about, and sets of such frames of one point. Pure.

A sighting is a point in a frame. Sets are rows of numbers of sightings of one point, in order of
time, padded with `NONE` behind, as sets of frames are (`geometry/frame_sets/`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from spatial_engine.utils.geometry.frame_sets.rows import NONE

# Frames of a clip at most, evenly spread: which sightings of a point it has moved between is held
# for each two. The clips of TAPVid-3D have 300 frames.
MAX_FRAMES = 500
# Random sets hardly ever follow a point there and back. So many next sightings are offered, and
# with this probability the one that makes the path longest by its reach is taken, else the first.
OFFERED = 4
TURNING = 0.7


@dataclass(frozen=True)
class Sightings:
    """The sightings of points that move, numbered by point, then by frame, s of p points.

    `points` (s,) and `frames` (s,) int are those of the clip; `positions` (s, 3) metres in the
    world; `numbers` (p, f) of the sighting of a point in each of the frames that are looked at,
    `NONE` where there is none. `later` (n,) are the sightings to which a point has moved, those of
    sighting k from `starts[k]` to `starts[k + 1]`, ascending.
    """

    points: np.ndarray
    frames: np.ndarray
    positions: np.ndarray
    numbers: np.ndarray
    later: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(
        cls, world: np.ndarray, askable: np.ndarray, points: np.ndarray, moved_m: float
    ) -> Sightings:
        """Of `points` (p,) at `world` (T, N, 3) in the frames in which they are `askable` (T, N);
        those that move by `moved_m` metres, which counts as moved."""
        every = -(-len(world) // MAX_FRAMES) or 1
        parts, later = [], []
        for point in points.tolist():
            frames = np.flatnonzero(askable[::every, point]) * every
            positions = world[frames, point]
            follows = np.triu(cdist(positions, positions) >= moved_m)
            if follows.any():
                parts.append((np.full(len(frames), point), frames, positions))
                later.append(follows)
        if not parts:
            none = np.zeros(0, int)
            return cls(none, none, np.zeros((0, 3)), np.zeros((0, 0), int), none, np.zeros(1, int))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        sizes = np.array([len(follows) for follows in later])
        first = np.cumsum(sizes) - sizes
        numbers = np.full((len(later), -(-len(world) // every)), NONE)
        numbers[np.repeat(np.arange(len(later)), sizes), columns[1] // every] = np.arange(
            sizes.sum()
        )
        counts = np.concatenate([np.count_nonzero(follows, axis=1) for follows in later])
        reached = [np.nonzero(f)[1].astype(np.int32) + k for f, k in zip(later, first, strict=True)]
        starts = np.concatenate([[0], np.cumsum(counts)])
        return cls(*columns, numbers, np.concatenate(reached), starts)

    @property
    def num_later(self) -> np.ndarray:
        """How many later sightings there are to which a point has moved, (s,) int."""
        return np.diff(self.starts)


def grow_paths(rng: np.random.Generator, sightings: Sightings, sizes: np.ndarray) -> np.ndarray:
    """For each of the `sizes` (m,) a set (k, longest) from each of whose sightings the point has
    moved to the next; fewer where a start leads nowhere."""
    sets = np.full((len(sizes), int(sizes.max(initial=1))), NONE, np.int64)
    counts = sightings.num_later
    leading = np.flatnonzero(counts)
    if not len(leading) or not len(sizes):
        return sets[:0]
    sets[:, 0] = _first(rng, sightings, leading, sizes)
    whole = np.ones(len(sizes), bool)
    length, widest = np.zeros(len(sizes)), np.zeros(len(sizes))
    for place in range(1, sets.shape[1]):
        rows = np.flatnonzero(whole & (place < sizes))
        last, rest = sets[rows, place - 1], sizes[rows] - place
        offers = np.floor(_least_of(rng, rest, OFFERED) * counts[last][:, None]).astype(int)
        offered = sightings.later[sightings.starts[last][:, None] + offers]
        leads_on = (counts[offered] > 0) | (rest == 1)[:, None]
        away = _distances(sightings.positions, sets[rows, :place], offered)
        lengths = length[rows, None] + away[:, :, -1]
        reach = np.maximum(widest[rows, None], away.max(axis=2))
        turning = (rng.random(len(rows)) < TURNING)[:, None] & (place > 1)
        worth = np.where(turning, lengths / reach, -np.arange(OFFERED))
        best = (np.arange(len(rows)), np.where(leads_on, worth, -np.inf).argmax(axis=1))
        sets[rows, place] = offered[best]
        length[rows], widest[rows] = lengths[best], reach[best]
        whole[rows] = leads_on[best]
    return sets[whole]


def even_steps(
    rng: np.random.Generator, sightings: Sightings, sizes: np.ndarray, drops: Counter[str]
) -> np.ndarray:
    """For each of the `sizes` (m,) a set (k, longest) of sightings at equal intervals of time, all
    intervals and all first frames that fit between a point's first and last sighting; fewer where
    the point cannot be asked about in between, which is counted in `drops`."""
    numbers = sightings.numbers
    if not len(numbers) or not len(sizes):
        return np.zeros((0, int(sizes.max(initial=1))), np.int64)
    there = numbers != NONE
    first, last = there.argmax(axis=1), there.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
    rows = rng.integers(len(numbers), size=len(sizes))
    span = (last - first)[rows]
    fits = span >= sizes - 1
    drops["points that are seen for too short a time"] += int(np.count_nonzero(~fits))
    rows, sizes, span, longest = rows[fits], sizes[fits], span[fits], int(sizes.max())
    interval = rng.integers(1, span // (sizes - 1) + 1)
    start = first[rows] + rng.integers(span - interval * (sizes - 1) + 1)
    places = np.arange(longest)
    wanted = places < sizes[:, None]
    frames = np.where(wanted, start[:, None] + interval[:, None] * places, first[rows, None])
    sets = np.where(wanted, numbers[rows[:, None], frames], NONE)
    whole = ((sets != NONE) == wanted).all(axis=1)
    drops["sets with a frame in which the point cannot be asked about"] += int(
        np.count_nonzero(~whole)
    )
    return sets[whole]


def _first(
    rng: np.random.Generator, sightings: Sightings, leading: np.ndarray, sizes: np.ndarray
) -> np.ndarray:
    """First sightings of sets, (m,): of any point as often as of the others."""
    _, starts, counts = np.unique(sightings.points[leading], return_index=True, return_counts=True)
    points = rng.integers(len(starts), size=len(sizes))
    share = _least_of(rng, sizes, 1)[:, 0]
    return leading[starts[points] + np.floor(share * counts[points]).astype(int)]


def _least_of(rng: np.random.Generator, numbers: np.ndarray, count: int) -> np.ndarray:
    """(m, count) in [0, 1), each the least of so many uniform `numbers` (m,): where the first of
    that many frames drawn blindly would lie."""
    return 1 - (1 - rng.random((len(numbers), count))) ** (1 / numbers[:, None])


def _distances(positions: np.ndarray, sets: np.ndarray, offered: np.ndarray) -> np.ndarray:
    """Metres from each of the sightings `offered` (m, k) to each of those of sets (m, q),
    (m, k, q)."""
    x, y, z = (positions[offered][:, :, None] - positions[sets][:, None]).transpose(3, 0, 1, 2)
    return np.sqrt(x * x + y * y + z * z)
