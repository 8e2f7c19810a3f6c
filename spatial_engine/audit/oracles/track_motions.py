"""Which points of a clip move together, and how still it is, or its one body (SPEC 9.2, 9.3).

Cost of the groups: 1000 points in 300 frames take half a minute.

How docs/spec.md was read where it leaves a choice, by section:
- 9.2 the distances are those in camera coordinates, which no rigid motion of a camera changes.
  Two points of which no two frames in a row are known are 10 m apart. Points finite in no frame
  belong to no group. Clusters are merged while the least mean is at most 0.1.
- 9.2 which of several equal least means is merged first: any. `groupings` holds the groups of some
  orders, and what follows from one of them is right.
- 9.3 a point is seen where it is visible and its place known, in the image or not.
- 9.3 of one body: a window is four frames with numbers in a row, each of which sees the point.
- 9.3 the even path is the parabola of least squares over the numbers of the frames.
"""

from __future__ import annotations

import numpy as np

from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.kept import kept
from spatial_engine.audit.raw.limits import RawDataError

STILL_M = 0.01  # a change of distance up to this is noise
CUT = 0.1  # m, of the mean over two clusters
NEVER_KNOWN_M = 10.0
GROUP_OVER = 5  # points; larger groups are kept
MAX_GROUPED = 4000  # points of a clip whose groups are looked for: memory grows with the square
LEAST_FRAMES, MOST_POINTS = 5, 300
STANDS_M = 0.02  # strays and drifts no farther
TO_AND_FRO_M = (0.01, 0.1)
LEAST_STANDING, LEAST_TO_AND_FRO = 0.05, 0.2  # of the points looked at
PARKED_M, PARKED_SHARE = 0.1, 0.9  # strays and drifts no farther; of the points looked at


@kept
def groupings(clip: RawClip) -> list[list[frozenset[int]]]:
    """The kept groups, each a set of point numbers, the larger ones first; for some orders of
    merging what is equally near, which mostly give one result."""
    count = clip.tracks.shape[1]
    if count > MAX_GROUPED:
        raise RawDataError(f"{clip.path}: {count} points, at most {MAX_GROUPED} are grouped")
    known = np.flatnonzero(np.isfinite(clip.tracks).all(axis=2).any(axis=0))
    values = distance_changes(clip.tracks)
    orders = [known, known[::-1], np.random.default_rng(0).permutation(known)]
    found: list[list[frozenset[int]]] = []
    for order in orders:
        clusters = average_linkage(values, order)
        groups = [frozenset(cluster) for cluster in clusters if len(cluster) > GROUP_OVER]
        groups.sort(key=lambda group: (-len(group), min(group)))
        if groups not in found:
            found.append(groups)
    return found


def distance_changes(tracks: np.ndarray) -> np.ndarray:
    """(N, N) metres by which the distance of two points changes, summed over t-1 to t."""
    count = tracks.shape[1]
    finite = np.isfinite(tracks).all(axis=2)
    values = np.zeros((count, count))
    for a in range(count):
        for b in range(a + 1, count):
            known = finite[:, a] & finite[:, b]
            steps = known[1:] & known[:-1]
            if not steps.any():
                values[a, b] = values[b, a] = NEVER_KNOWN_M
                continue
            with np.errstate(invalid="ignore"):
                distance = np.sqrt(((tracks[:, a] - tracks[:, b]) ** 2).sum(axis=1))
                change = np.abs(distance[1:] - distance[:-1])[steps]
            values[a, b] = values[b, a] = change[change > STILL_M].sum()
    return values


def average_linkage(values: np.ndarray, order: np.ndarray) -> list[list[int]]:
    """Clusters of the points in `order`: the two of the least mean value are merged, up to CUT.

    values: (N, N) between points. Of equally near clusters the first in `order` are merged.
    """
    clusters = [[int(point)] for point in order]
    sums = values[np.ix_(order, order)].copy()  # over all pairs of points of two clusters
    while len(clusters) > 1:
        sizes = np.array([len(cluster) for cluster in clusters])
        means = sums / np.outer(sizes, sizes)
        np.fill_diagonal(means, np.inf)
        a, b = sorted(int(k) for k in np.unravel_index(means.argmin(), means.shape))
        if means[a, b] > CUT:
            break
        clusters[a] += clusters.pop(b)
        sums[a] += sums[b]
        sums[:, a] += sums[:, b]
        sums = np.delete(np.delete(sums, b, axis=0), b, axis=1)
    return clusters


# ---- jitter --------------------------------------------------------------------------------------


@kept
def jitter(clip: RawClip) -> float | None:
    """Metres by which still points stray from their places, median; None where none tells."""
    seen, looked_at = _looked_at(clip)
    standing, to_and_fro = [], []
    for point in looked_at:
        numbers = np.flatnonzero(seen[:, point])
        places = clip.world[numbers, point]
        spread, stray, step = _spread(places)
        if stray <= STANDS_M and _way(places, numbers) <= STANDS_M:
            standing.append(spread)
        if TO_AND_FRO_M[0] < spread <= TO_AND_FRO_M[1] and step > spread:
            to_and_fro.append(spread)
    if standing and len(standing) >= LEAST_STANDING * len(looked_at):
        return float(np.median(standing))
    if to_and_fro and len(to_and_fro) >= LEAST_TO_AND_FRO * len(looked_at):
        return float(np.median(to_and_fro))
    return None


def _looked_at(clip: RawClip) -> tuple[np.ndarray, list[int]]:
    """(T, N) bool, which frames see a point whose place is known; the points that are looked at."""
    seen = clip.visibility & np.isfinite(clip.world).all(axis=2)
    frames = len(seen)
    points = [
        point
        for point in range(seen.shape[1])
        if seen[:, point].sum() >= LEAST_FRAMES and 2 * seen[:, point].sum() >= frames
    ]
    return seen, points[:: int(np.ceil(len(points) / MOST_POINTS)) or 1]


def _spread(places: np.ndarray) -> tuple[float, float, float]:
    """(median, ninth tenth) of the distances of places (t, 3) from the median place, and the median
    distance from one to the next."""
    middle = np.array([np.median(axis) for axis in places.T])
    away = np.sqrt(((places - middle) ** 2).sum(axis=1))
    steps = np.sqrt(((places[1:] - places[:-1]) ** 2).sum(axis=1))
    return float(np.median(away)), float(np.percentile(away, 90)), float(np.median(steps))


def _way(places: np.ndarray, numbers: np.ndarray) -> float:
    """Distance between the ends of the even path."""
    since = (numbers - numbers[0]) / (numbers[-1] - numbers[0])
    powers = np.stack([np.ones_like(since), since, since**2], axis=1)
    path = powers @ np.linalg.lstsq(powers, places, rcond=None)[0]
    return float(np.sqrt(((path[-1] - path[0]) ** 2).sum()))


# ---- one body ------------------------------------------------------------------------------------


@kept
def is_parked(clip: RawClip) -> bool:
    """Whether the one thing that a clip is about stands still from its first frame to its last."""
    seen, looked_at = _looked_at(clip)
    near = 0
    for point in looked_at:
        numbers = np.flatnonzero(seen[:, point])
        places = clip.world[numbers, point]
        near += _spread(places)[1] <= PARKED_M and _way(places, numbers) <= PARKED_M
    return bool(looked_at) and near >= PARKED_SHARE * len(looked_at)


@kept
def jump_and_noise(clip: RawClip) -> tuple[float, float] | None:
    """Metres by which the one thing of a clip jumps at most, and by which its places are off; None
    where no four frames running see a point."""
    seen = clip.visibility & np.isfinite(clip.world).all(axis=2)
    by_window = []
    for frame in range(len(seen) - 3):
        bends = []
        for point in np.flatnonzero(seen[frame : frame + 4].all(axis=0)):
            p0, p1, p2, p3 = clip.world[frame : frame + 4, point]
            bends.append(float(np.sqrt((((p3 - p0) - 3 * (p2 - p1)) ** 2).sum())))
        if bends:
            by_window.append(float(np.median(bends)))
    if not by_window:
        return None
    return max(by_window) / 2, float(np.median(by_window)) / np.sqrt(1 + 9 + 9 + 1)
