"""Checks which points and pairs of frames a file of movement questions asks about (SPEC 9.3).

The file must be one from which no maximum took records away.

How docs/spec.md was read where it leaves a choice, by section:
- 9.4 frames in which the point is outside the image, or the border cuts its dot off, are left out
  before pairs are drawn, not after: bins are over what can be asked.
- 9.3 the 5th bin is the fifth in ascending s. A pair within BIN_TIE of the edge of two bins may
  be in either. where all s are equal, one pair is of the moving ones.
- 9.3 of a group, min(points_per_group, its points) are drawn, some maybe without a pair to ask.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.oracles.movement_dots import dot_margin
from spatial_engine.audit.oracles.movement_points import (
    MOVES_M,
    NOT_JUDGED_M,
    matching_points,
    shown_images,
    usable,
    verdicts,
)
from spatial_engine.audit.oracles.rigid_groups import groupings
from spatial_engine.audit.raw.clip import BORDER_TIE, RawClip
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.records.lines import parse_line

BINS, LIMITING_BIN = 10, 4
BIN_TIE = 1e-6  # of a bin's width
SWAPPED_OF = 20  # one more pair, swapped, for so many


class Asked(NamedTuple):
    """A record as the balance sees it: its frames, and the points that it fits."""

    frame1: int
    frame2: int
    points: frozenset[int]


def check_balance(
    path: str | Path,
    root: str | Path,
    dataset: str,
    split: str,
    prompt: str,
    points_per_group: int,
    pairs_per_bin: int,
) -> list[str]:
    """Complaints about the choice of points and pairs in a file of which no maximum took any."""
    records_of: dict[str, list[dict]] = defaultdict(list)
    with open(path, "rb") as f:
        for record in map(parse_line, f):
            shown = record if isinstance(record, str) else shown_images(record, prompt)
            if not isinstance(shown, str):
                records_of[shown.clip_id].append(record)
    complaints = []
    for clip_id, records in sorted(records_of.items()):
        try:
            clip = RawClip(root, dataset, clip_id)
            asked = [_asked(record, clip, prompt) for record in records]
            margin = dot_margin(clip.image_size[0]) if prompt == "dot" else 0
            found = _check_swapped(asked, split)
            found += _check_points(clip, asked, margin, points_per_group, pairs_per_bin)
        except RawDataError as err:
            found = [f"raw data: {err}"]
        complaints += [f"clip {clip_id}: {complaint}" for complaint in found]
    return complaints


def _asked(record: dict, clip: RawClip, prompt: str) -> Asked:
    shown, points = shown_images(record, prompt), frozenset()
    if max(shown.frame1, shown.frame2) < len(clip.tracks) and usable(record):
        _, points = matching_points(clip, record, shown)
    return Asked(shown.frame1, shown.frame2, points)


def _check_swapped(asked: list[Asked], split: str) -> list[str]:
    """How many pairs are there swapped too, and that they are there unswapped."""
    complaints = []
    unknown = sum(not pair.points for pair in asked)
    if unknown:
        complaints.append(f"{unknown} records fit no point")
    unswapped = [pair for pair in asked if pair.frame1 < pair.frame2]
    swapped = [pair for pair in asked if pair.frame1 > pair.frame2]
    wanted = len(unswapped) // SWAPPED_OF if split == "train" else 0
    if len(swapped) != wanted:
        complaints.append(f"{len(swapped)} swapped of {len(unswapped)} pairs, expected {wanted}")
    points_of = defaultdict(set)
    for pair in unswapped:
        points_of[pair.frame1, pair.frame2] |= pair.points
    for frame1, frame2, points in swapped:
        if points and not points & points_of[frame2, frame1]:
            complaints.append(
                f"the swapped pair {frame1}, {frame2} of point {sorted(points)} is not there as "
                f"{frame2}, {frame1}"
            )
    return complaints


def _check_points(
    clip: RawClip, asked: list[Asked], margin: int, points_per_group: int, pairs_per_bin: int
) -> list[str]:
    """Which points are asked about, and about which of their pairs."""
    shown, surely = clip.shown(margin), clip.shown(margin, -BORDER_TIE)
    unclear = {int(point) for point in np.flatnonzero((shown != surely).any(axis=0))}
    for pair in asked:
        if len(pair.points) > 1:  # cannot be told apart
            unclear |= pair.points
    drawn: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for frame1, frame2, points in asked:
        if frame1 < frame2:
            for point in points:
                drawn[point].append((frame1, frame2))
    complaints = []
    for point in sorted(set(drawn) - unclear):
        frames = np.flatnonzero(shown[:, point])
        found = check_pairs(clip.world[:, point], frames, drawn[point], pairs_per_bin)
        complaints += [f"point {point}: {complaint}" for complaint in found]
    results = []
    for groups in groupings(clip):
        found = []
        for group in groups:
            there, doubtful = (set(drawn) - unclear) & group, unclear & group
            dead = sum(shown[:, point].sum() < 2 for point in group)
            least = min(points_per_group, len(group)) - dead - len(doubtful)
            if not least <= len(there) <= points_per_group:
                text = f"expected {max(least, 0)} to {points_per_group}"
                name = f"the group of {len(group)} with point {min(group)}"
                found.append(f"{len(there)} points of {name} are asked about, {text}")
        strangers = set(drawn) - unclear - set().union(*groups)
        if strangers:
            found.append(f"points {sorted(strangers)} are in no group")
        results.append(found)
    return complaints + min(results, key=len)


def check_pairs(
    world: np.ndarray, frames: np.ndarray, drawn: list[tuple[int, int]], pairs_per_bin: int
) -> list[str]:
    """Complaints about the unswapped pairs drawn of one point.

    world: (T, 3) metres. frames: those that may be drawn, ascending.
    """
    moved = {}
    for k, i in enumerate(frames):
        for j in frames[k + 1 :]:
            moved[int(i), int(j)] = float(np.linalg.norm(world[j] - world[i]))
    strangers = [pair for pair in drawn if pair not in moved]
    if strangers:
        return [f"the pair {strangers[0]} is of a frame that cannot be asked about"]
    if any(len(verdicts(metres)) == 2 for metres in moved.values()):
        return []  # which pairs are moving cannot be judged
    static = sum(metres < MOVES_M for metres in moved.values())
    drawn_static = sum(moved[pair] < MOVES_M for pair in drawn)
    complaints = []
    if drawn_static != min(static, 1):
        complaints.append(f"{drawn_static} static pairs of {static}, expected {min(static, 1)}")
    there = np.array([metres for metres in moved.values() if metres >= MOVES_M])
    chosen = np.array([moved[pair] for pair in drawn if moved[pair] >= MOVES_M])
    if not len(there):
        return complaints
    low, high = there.min(), there.max()
    if high - low <= NOT_JUDGED_M:
        if not len(chosen) or (high == low and len(chosen) > 1):
            complaints.append(f"{len(chosen)} moving pairs, expected 1: all are {low:.6f} m")
        return complaints
    counts, drawn_counts = _in_bins(there, low, high), _in_bins(chosen, low, high)
    limits = np.clip(counts[:, LIMITING_BIN], 1, pairs_per_bin)
    least, most = np.minimum(counts, limits[:, None])
    wrong = (drawn_counts[1] < least) | (drawn_counts[0] > most)
    for k in np.flatnonzero(wrong):
        wanted = sorted({int(least[k]), int(most[k])})
        complaints.append(
            f"{drawn_counts[1, k]} of {counts[1, k]} pairs drawn from bin {k + 1} of {BINS}, "
            f"expected {' to '.join(map(str, wanted))}"
        )
    return complaints


def _in_bins(metres: np.ndarray, low: float, high: float) -> np.ndarray:
    """(2, BINS) least and greatest number in each bin: who is at an edge may be on either side."""
    place = BINS * (metres - low) / (high - low)
    below = np.clip(np.floor(place - BIN_TIE), 0, BINS - 1).astype(int)
    above = np.clip(np.floor(place + BIN_TIE), 0, BINS - 1).astype(int)
    sure = np.bincount(below[below == above], minlength=BINS)
    tied = below != above
    doubtful = np.bincount(below[tied], minlength=BINS) + np.bincount(above[tied], minlength=BINS)
    return np.stack([sure, sure + doubtful])
