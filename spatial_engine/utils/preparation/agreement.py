"""Whether frames of a capture agree with each other, as they are and under the usual mistakes.

A surface that one frame measures has to lie where another frame measures it. Under a wrong
convention it does not, and under the right one it does: so what is wrong is told without points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.preparation.fusion import is_usable

MOST_PAIRS = 10
MOST_APART = 20  # frames between those of a pair
TURN_DEG = 25.0  # between the frames of a pair at most, if there is one: they show the same
POINTS = 1_500  # of a frame, up to four times that
AGREE_M, AGREE_SHARE = 0.02, 0.03  # of the depth
LEAST_LANDING = 0.1  # of the points of a frame that have to lie in the other one

# A convention explains a pair of which so large a share agrees with it. It is the right one where
# it explains so many of the pairs (others do not overlap), so much better than what is given.
# Pairs of ray-cast rooms with a real sensor's noise that overlap reach 0.9 to 1 as they are, and in
# the mean 0.1 under another convention, 0.66 at most with depth five times as large.
LEAST_SHARE, LEAST_PAIRS, CLEARLY = 0.6, 1 / 3, 0.2
# Depth in thousands of metres, or metres taken for millimetres: no scale is told by so few steps.
# Only where frames agree as they are, and not with depth divided by `OTHER_FACTOR`, the whole world
# is too small or large.
LEAST_DEPTH_M, MOST_DEPTH_M = 0.1, 30.0  # median of a capture
OTHER_FACTOR = 3.0
# A smaller world is compared as if its median depth were so large: 2 cm say nothing in a world that
# is ten times too small.
TOLERANT_M = AGREE_M / AGREE_SHARE

FLIP = np.diag([1.0, -1.0, -1.0, 1.0])  # OpenGL's camera axes (right, up, back) and back
_USUAL = (2.0, 4.0, 5.0, 6.5535, 10.0, 100.0, 1000.0)
USUAL_FACTORS = (*_USUAL, *(1 / factor for factor in _USUAL))
FACTORS = (*USUAL_FACTORS, *np.geomspace(0.05, 20, 119))  # of depth, that are tried
AS_GOOD = 0.03  # of the share: by which a usual factor may be worse than the best one
INVERTED, AXES, TRANSPOSED = "poses inverted", "camera axes", "rotation transposed"
DEPTH_SCALE, WORLD_SCALE = "depth scale", "scale of the world"
LOOK_LIKE = {
    INVERTED: "poses look like world-to-camera; invert them",
    AXES: "poses look like OpenGL's, whose camera axes are right, up and back; turn y and z round",
    TRANSPOSED: "rotations of poses look transposed; transpose them back",
}


class DepthView(NamedTuple):
    """world_from_cam (4, 4) as given; K (3, 3) of the depth image; depth_mm (h, w) uint16."""

    world_from_cam: np.ndarray
    K: np.ndarray
    depth_mm: np.ndarray


class Convention(NamedTuple):
    """What is wrong: the name of the fault; a sentence; the share of points on which the frames
    that it explains agree as given, and with the fault undone; or the depth in metres, where that
    alone tells it."""

    fault: str
    sentence: str
    before: float = 0.0
    after: float = 0.0
    depth_m: float | None = None


def choose_pairs(poses: np.ndarray, most: int = MOST_PAIRS) -> list[tuple[int, int]]:
    """Pairs of frames, evenly over a capture, that overlap: the camera turns by `TURN_DEG` at most
    from one to the other and on the way. Angles between poses are the same under every wrong
    convention."""
    pairs: list[tuple[int, int]] = []
    if len(poses) < 2:
        return pairs
    for start in np.unique(np.linspace(0, len(poses) - 2, most).round().astype(int)):
        later = poses[start + 1 : start + 1 + MOST_APART, :3, :3]
        cosines = (np.einsum("nij,ij->n", later, poses[start, :3, :3]) - 1) / 2
        far = np.flatnonzero(cosines < np.cos(np.radians(TURN_DEG)))
        apart = far[0] if len(far) else len(later)
        pairs.append((int(start), int(start + max(apart, 1))))
    return pairs


def wrong_convention(
    views: Mapping[int, DepthView], pairs: Sequence[tuple[int, int]]
) -> tuple[float | None, Convention | None]:
    """Share of points on which the frames of the pairs agree as they are, None where that is not
    known, and what is wrong with them, if that is clear. Frames that disagree under all
    conventions have other faults."""
    if not pairs:
        return None, None
    depths = [view.depth_mm[view.depth_mm > 0].astype(np.float64) for view in views.values()]
    typical = [np.median(depth) for depth in depths if len(depth)]
    metres = float(np.median(typical)) / MM_PER_METRE if typical else 1.0
    size = max(TOLERANT_M / metres, 1.0)
    seen = {number: _Seen.of(view, size) for number, view in views.items()}
    poses = {number: _enlarged(view.world_from_cam, size) for number, view in views.items()}
    given = pair_shares(seen, poses, pairs)
    if not LEAST_DEPTH_M <= metres <= MOST_DEPTH_M:
        other = pair_shares(seen, poses, pairs, OTHER_FACTOR)
        return float(given.mean()), _of_impossible_depth(metres, given, other)
    if given.mean() + CLEARLY >= 1:
        return float(given.mean()), None
    tried = []
    for fault, change in CHANGES.items():
        changed = {number: change(pose) for number, pose in poses.items()}
        tried.append((fault, LOOK_LIKE[fault], pair_shares(seen, changed, pairs)))
    factor, shares = best_factor(seen, poses, pairs)
    unit = f"depth divided by {factor:.4g} fits the poses; is its unit another, or that of poses?"
    tried.append((DEPTH_SCALE, unit, shares))
    fault, sentence, shares = max(tried, key=lambda one: one[2].mean())
    explained = shares >= LEAST_SHARE
    if explained.mean() < LEAST_PAIRS:
        return float(given.mean()), None
    before, after = float(given[explained].mean()), float(shares[explained].mean())
    clear = after >= before + CLEARLY
    wrong = Convention(fault, sentence, before, after) if clear else None
    return float(given.mean()), wrong


def _of_impossible_depth(metres: float, given: np.ndarray, other: np.ndarray) -> Convention:
    """What is wrong where the median depth is so many `metres`, which cannot be, by the shares of
    the pairs as given and with another scale of depth."""
    sentence = f"half of the measured depth is below {metres:.3g} m"
    agree = (given >= LEAST_SHARE) & (given >= other + CLEARLY)
    if agree.mean() < LEAST_PAIRS:
        return Convention(DEPTH_SCALE, f"{sentence}; is its unit another?", depth_m=metres)
    size = "small" if metres < LEAST_DEPTH_M else "large"
    sentence = f"{sentence}, and fits the poses: all is too {size}; are the units of both others?"
    return Convention(WORLD_SCALE, sentence, depth_m=metres)


def refuse_wrong_convention(
    views: Mapping[int, DepthView], pairs: Sequence[tuple[int, int]], source: str
) -> float | None:
    """Share of points on which frames agree. Raises `BadDataError` where they are wrong."""
    before, wrong = wrong_convention(views, pairs)
    if wrong is None:
        return before
    if wrong.depth_m is not None:
        both = " (prepare_captures.py takes --depth-unit and --metres-per-unit)"
        raise BadDataError(f"{source}: {wrong.sentence}{both * (wrong.fault == WORLD_SCALE)}")
    shares = f" (frames then agree on {wrong.after:.0%} of their depth, now on {wrong.before:.0%})"
    raise BadDataError(f"{source}: {wrong.sentence}{shares}")


def transposed(pose: np.ndarray) -> np.ndarray:
    """A pose (4, 4) with its rotation transposed."""
    turned = pose.copy()
    turned[:3, :3] = pose[:3, :3].T
    return turned


def _enlarged(pose: np.ndarray, factor: float) -> np.ndarray:
    """A pose (4, 4) in a world that is so many times as large."""
    pose = np.array(pose, np.float64)
    pose[:3, 3] *= factor
    return pose


CHANGES = {INVERTED: np.linalg.inv, AXES: lambda pose: pose @ FLIP, TRANSPOSED: transposed}


def best_factor(
    seen: Mapping[int, _Seen], poses: Mapping[int, np.ndarray], pairs: Sequence[tuple[int, int]]
) -> tuple[float, np.ndarray]:
    """The factor by which depth is too large where frames agree best, a usual one where that is
    as good, and the shares of the pairs then."""
    shares = {factor: pair_shares(seen, poses, pairs, factor) for factor in FACTORS}
    best = max(shares, key=lambda factor: shares[factor].mean())
    shares |= {f: pair_shares(seen, poses, pairs, f) for f in best * np.arange(0.95, 1.055, 0.01)}
    best = max(shares, key=lambda factor: shares[factor].mean())
    usual = max(USUAL_FACTORS, key=lambda factor: shares[factor].mean())
    as_good = shares[usual].mean() >= shares[best].mean() - AS_GOOD
    factor = float(usual if as_good else best)
    return factor, shares[factor]


def pair_shares(
    seen: Mapping[int, _Seen],
    poses: Mapping[int, np.ndarray],
    pairs: Sequence[tuple[int, int]],
    factor: float = 1.0,
) -> np.ndarray:
    """(2 p,) shares of points on which the frames of pairs agree, both ways."""
    shares = []
    for one, other in pairs:
        other_from_one = np.linalg.inv(poses[other]) @ poses[one]
        shares.append(_pair_share(seen[one], seen[other], other_from_one, factor))
        back = np.linalg.inv(other_from_one)
        shares.append(_pair_share(seen[other], seen[one], back, factor))
    return np.array(shares)


class _Seen(NamedTuple):
    """Points of a frame: `rays` (3, n) in the camera with z = 1, `depth` (n,) metres; its depth
    `image` (h, w) in metres, 0 where it is not usable, and camera K (3, 3)."""

    rays: np.ndarray
    depth: np.ndarray
    image: np.ndarray
    K: np.ndarray

    @classmethod
    def of(cls, view: DepthView, size: float) -> _Seen:
        """A frame in a world that is `size` times as large."""
        metres = view.depth_mm / MM_PER_METRE * size
        image = np.where(is_usable(view.depth_mm), metres, 0.0)
        step = max(int(np.sqrt(image.size / POINTS)), 1)
        rows, columns = np.nonzero(image[::step, ::step])
        rows, columns = rows * step, columns * step
        rays = np.linalg.inv(view.K) @ np.array([columns, rows, np.ones(len(rows))])
        return cls(rays, image[rows, columns], image, view.K)


def _pair_share(one: _Seen, other: _Seen, other_from_one: np.ndarray, factor: float) -> float:
    """Share of the points of a frame in the view of another, which that frame measures where they
    are; 0 where too few are in view. Depth is divided by `factor`."""
    depth = one.depth / factor
    x, y, z = other.K @ (other_from_one[:3, :3] @ (one.rays * depth) + other_from_one[:3, 3:])
    height, width = other.image.shape
    inside = (z > 0) & (x >= 0) & (y >= 0) & (x < width * z) & (y < height * z)
    x, y, z = x[inside], y[inside], z[inside]
    rows = np.minimum(np.rint(y / z), height - 1).astype(np.intp)
    columns = np.minimum(np.rint(x / z), width - 1).astype(np.intp)
    measured = other.image[rows, columns]
    known = measured > 0
    apart = np.abs(measured - z * factor)[known]  # in metres as measured: less depth, less error
    if len(apart) < LEAST_LANDING * len(depth) or not len(apart):
        return 0.0
    tolerance = np.maximum(AGREE_M, AGREE_SHARE * measured[known])
    return float((apart <= tolerance).mean())
