"""What each frame sees of each object: how many of its vertices, and from where to where; and how
its box stands to it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError


@dataclass(frozen=True)
class ObjectViews:
    """One entry for each frame and object of which it sees a vertex, by frame, then by object.

    `frames`, `objects`, `counts` (n,) int; `low`, `high` (n, 3): the least and the greatest
    coordinates of the vertices seen, metres, axis-aligned frame.
    """

    frames: np.ndarray
    objects: np.ndarray
    counts: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def where(self, kept: np.ndarray) -> ObjectViews:
        """Some of the entries, by a mask (n,)."""
        return ObjectViews(*(values[kept] for values in vars(self).values()))


def view_objects(
    point_lists: Sequence[np.ndarray], object_of_point: np.ndarray, points: np.ndarray
) -> ObjectViews:
    """What frames see of objects.

    `point_lists` holds the vertices that each frame sees; `object_of_point` (n,) the object of
    every vertex, -1 = none; `points` (n, 3) the vertices. The vertices of a frame are sorted by
    object once, and all its objects are measured together.
    """
    columns: list[list[np.ndarray]] = [[] for _ in range(5)]
    for frame, seen in enumerate(point_lists):
        mine = object_of_point[seen]
        seen, mine = seen[mine >= 0], mine[mine >= 0]
        order = np.argsort(mine, kind="stable")
        mine, seen_points = mine[order], points[seen[order]]
        starts = np.flatnonzero(np.diff(mine, prepend=-1))
        if not len(starts):
            continue
        parts = (
            np.full(len(starts), frame),
            mine[starts],
            np.diff(starts, append=len(mine)),
            np.minimum.reduceat(seen_points, starts),
            np.maximum.reduceat(seen_points, starts),
        )
        for column, part in zip(columns, parts, strict=True):
            column.append(part)
    if not columns[0]:
        nothing = np.zeros(0, np.int64)
        return ObjectViews(nothing, nothing, nothing, np.zeros((0, 3)), np.zeros((0, 3)))
    return ObjectViews(*(np.concatenate(column) for column in columns))


def count_others(views: ObjectViews, kinds: np.ndarray) -> np.ndarray:
    """(n,) vertices that the frame of each view sees of all other objects of its kind, however few
    they are; `kinds` (objects,) int, by object."""
    kind = kinds[views.objects]
    group = views.frames * (kinds.max(initial=0) + 1) + kind
    return np.bincount(group, weights=views.counts)[group].astype(int) - views.counts


def box_slack(points: np.ndarray) -> float:
    """By how much the axis-aligned box of points (n, 3) is larger, seen from above, than the
    smallest rectangle around them: the ratio of the areas, 1 for what stands along the axes.

    The smallest rectangle has a side along an edge of the convex hull (Freeman and Shapira,
    Determining the minimum-area encasing rectangle for an arbitrary closed curve, 1975).
    """
    flat = points[:, :2]
    try:
        hull = flat[ConvexHull(flat).vertices]
    except (QhullError, ValueError):  # all on a line, or too few
        return 1.0
    edges = np.roll(hull, -1, axis=0) - hull
    angles = np.arctan2(edges[:, 1], edges[:, 0])
    turned = np.stack([np.cos(angles), np.sin(angles), -np.sin(angles), np.cos(angles)], axis=1)
    sides = np.ptp(turned.reshape(-1, 2, 2) @ hull.T, axis=2)
    return float(np.ptp(hull, axis=0).prod() / sides.prod(axis=1).min())
