"""Checks which points and pairs of frames a file of movement questions asks about (SPEC 9.3).

The file must be one from which no maximum took records away.

How docs/spec.md was read where it leaves a choice, by section:
- 9.4 frames in which the point is outside the image, or the border cuts its dot off, are left out
  before pairs are drawn, not after: bins are over what can be asked.
- 9.3 the 5th bin is the fifth in ascending s. A pair within BIN_TIE of the edge of two bins may
  be in either. where all s are equal, one pair is of the moving ones.
- 9.3 of a group, min(points_per_group, its points) are drawn, some maybe without a pair to ask.
- 9.3 of a point whose records are all of still pairs it is not known that it was drawn, so that how
  many still pairs there were to draw from is known only where it was asked about.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.oracles.movement_dots import dot_margin
from spatial_engine.audit.oracles.movement_points import (
    NOT_JUDGED_M,
    Limits,
    MovementRule,
    matching_points,
    shown_images,
    usable,
)
from spatial_engine.audit.oracles.track_motions import groupings
from spatial_engine.audit.raw.clip import BORDER_TIE, RawClip
from spatial_engine.audit.raw.ids import ONE_BODY
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.records.lines import parse_line

BINS, LIMITING_BIN = 10, 4
BIN_TIE = 1e-6  # of a bin's width
HALF_TIE = 1e-9  # of a pair, at which the number of still pairs is rounded
SWAPPED_OF = 20  # one more pair, swapped, for so many


class Asked(NamedTuple):
    """A record as the balance sees it: its frames, and the points that it fits."""

    frame1: int
    frame2: int
    points: frozenset[int]


class Most(NamedTuple):
    """How much is drawn at most: points of a group, and of a point pairs of a bin, still pairs.

    still_share: of each point so large a share of `still`, or of its pairs where these are fewer,
    are drawn as still pairs, at least 1, where there are so many; None: the share is the clip's."""

    points: int
    of_bin: int
    still: int
    still_share: float | None = None


def check_balance(
    path: str | Path,
    root: str | Path,
    dataset: str,
    split: str,
    prompt: str,
    points_per_group: int,
    pairs_per_bin: int,
    rule: MovementRule = MovementRule(),  # noqa: B008  # cannot be changed
) -> list[str]:
    """Complaints about the choice of points and pairs in a file of which no maximum took any."""
    share = rule.static_share if split == "train" else 0.0
    most = Most(points_per_group, pairs_per_bin, BINS * pairs_per_bin if share else 1)
    if dataset in ONE_BODY:  # still pairs are of other clips than moving ones
        most, share = most._replace(still_share=share), 0.0
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
            limits = rule.limits(clip)
            asked = [_asked(record, clip, prompt, limits) for record in records]
            margin = dot_margin(clip.image_size[0]) if prompt == "dot" else 0
            found = _check_swapped(asked, split)
            found += _check_points(clip, asked, margin, most, limits, share)
        except RawDataError as err:
            found = [f"raw data: {err}"]
        complaints += [f"clip {clip_id}: {complaint}" for complaint in found]
    return complaints


def _asked(record: dict, clip: RawClip, prompt: str, limits: Limits) -> Asked:
    shown, points = shown_images(record, prompt), frozenset()
    if max(shown.frame1, shown.frame2) < len(clip.tracks) and usable(record):
        _, points = matching_points(clip, record, shown, limits)
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
    clip: RawClip, asked: list[Asked], margin: int, most: Most, limits: Limits, share: float
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
    clear = set(drawn) - unclear
    complaints, there = [], {p: pairs_of(clip.world[:, p], shown[:, p]) for p in sorted(clear)}
    for point, moved in there.items():
        found = check_pairs(moved, drawn[point], most, limits)
        complaints += [f"point {point}: {complaint}" for complaint in found]
    if share and clear == set(drawn):
        complaints += check_still_share(there, drawn, most, limits, share)
    # Points that need not be asked about: without moving pairs, none of their still ones may be
    # among the share; else without any pair.
    needed = limits.moves if share else 0.0
    results = []
    for groups in groupings(clip):
        found = []
        for group in groups:
            asked_of, doubtful = clear & group, unclear & group
            dead = sum(not _may_ask(clip, shown, point, needed, limits) for point in group)
            least = min(most.points, len(group)) - dead - len(doubtful)
            if not least <= len(asked_of) <= most.points:
                text = f"expected {max(least, 0)} to {most.points}"
                name = f"the group of {len(group)} with point {min(group)}"
                found.append(f"{len(asked_of)} points of {name} are asked about, {text}")
        strangers = clear - set().union(*groups)
        if strangers:
            found.append(f"points {sorted(strangers)} are in no group")
        results.append(found)
    return complaints + min(results, key=len)


def _may_ask(clip: RawClip, shown: np.ndarray, point: int, at_least: float, limits: Limits) -> bool:
    """Whether a point has a pair to ask about, in which it moves by so much."""
    moved = _lengths(clip.world[shown[:, point], point])
    told = (moved < limits.still) | (moved >= limits.moves)
    return bool((told & (moved >= at_least)).any())


def pairs_of(world: np.ndarray, shown: np.ndarray) -> dict[tuple[int, int], float]:
    """How far a point at world (T, 3) moves, by the pair of frames; of those in which it is shown
    (T,)."""
    frames = np.flatnonzero(shown).tolist()
    pairs = [(i, j) for k, i in enumerate(frames) for j in frames[k + 1 :]]
    return dict(zip(pairs, _lengths(world[frames]).tolist(), strict=True))


def _lengths(places: np.ndarray) -> np.ndarray:
    """How far each of places (t, 3) is from those after it, one place after the other."""
    steps = [places[k + 1 :] - place for k, place in enumerate(places)]
    return np.sqrt((np.concatenate([np.zeros((0, 3)), *steps]) ** 2).sum(axis=1))


def check_still_share(
    there: dict[int, dict[tuple[int, int], float]],
    drawn: dict[int, list[tuple[int, int]]],
    most: Most,
    limits: Limits,
    share: float,
) -> list[str]:
    """Complaints about how many unswapped pairs of a clip are of still points.

    there: how far each point moves, by pair; drawn: the pairs that are asked about.
    """
    still, available, moving = 0, 0, 0
    for point, pairs in drawn.items():
        count = sum(there[point].get(pair, limits.moves) < limits.still for pair in pairs)
        still, moving = still + count, moving + len(pairs) - count
        here = sum(metres < limits.still for metres in there[point].values())
        available += min(here, most.still)
    expected = share / (1 - share) * moving
    least, greatest = (max(1, int(expected + 0.5 + tie)) for tie in (-HALF_TIE, HALF_TIE))
    if min(least, available) <= still <= greatest:
        return []
    return [
        f"{still} pairs of still points for {moving} of moving ones, expected {least}; there are "
        f"{available}"
    ]


def check_pairs(
    moved: dict[tuple[int, int], float], drawn: list[tuple[int, int]], most: Most, limits: Limits
) -> list[str]:
    """Complaints about the unswapped pairs drawn of one point. moved: how far it moves, by the
    pairs that may be drawn."""
    strangers = [pair for pair in drawn if pair not in moved]
    if strangers:
        return [f"the pair {strangers[0]} is of a frame that cannot be asked about"]
    if any(abs(s - limit) <= NOT_JUDGED_M for s in moved.values() for limit in limits):
        return []  # which pairs are moving cannot be judged
    still = sum(metres < limits.still for metres in moved.values())
    drawn_still = sum(moved[pair] < limits.still for pair in drawn)
    complaints = []
    enough = most.still
    if most.still_share is not None:
        enough = max(1, round(most.still_share * min(most.still, len(moved))))
    exact = most.still_share is not None or most.still == 1  # else the clip's share says how many
    enough = min(still, enough)
    least = enough if exact else 0
    if not least <= drawn_still <= enough:
        text = f"expected {least} to {enough}"
        complaints.append(f"{drawn_still} static pairs of {still}, {text}")
    between = sum(limits.still <= moved[pair] < limits.moves for pair in drawn)
    if between:
        complaints.append(f"{between} pairs in which it is neither still nor moves")
    there = np.array([metres for metres in moved.values() if metres >= limits.moves])
    chosen = np.array([moved[pair] for pair in drawn if moved[pair] >= limits.moves])
    if not len(there):
        return complaints
    low, high = there.min(), there.max()
    if high - low <= NOT_JUDGED_M:
        if not len(chosen) or (high == low and len(chosen) > 1):
            complaints.append(f"{len(chosen)} moving pairs, expected 1: all are {low:.6f} m")
        return complaints
    counts, drawn_counts = _in_bins(there, low, high), _in_bins(chosen, low, high)
    sizes = np.clip(counts[:, LIMITING_BIN], 1, most.of_bin)
    fewest, greatest = np.minimum(counts, sizes[:, None])
    wrong = (drawn_counts[1] < fewest) | (drawn_counts[0] > greatest)
    for k in np.flatnonzero(wrong):
        wanted = sorted({int(fewest[k]), int(greatest[k])})
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
