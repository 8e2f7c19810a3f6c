"""Pairs of frames to be asked about: drawn over all scenes of a split, balanced over overlap and,
where a question has two answers, over these.

A pair can be shown in two orders, which may have the same answer: two cameras that face each other
are both in front of the other one. So in each bin of overlap as many pairs are drawn that have one
answer in either order as pairs that have the other, and of those that have both, half are shown for
each answer. Then neither the file nor what two images have in common, without their order, tells
the answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from spatial_engine.errors import SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.scenes.scene_files import SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import Inputs
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils.tables.scene_table import SceneTable

MIN_OVERLAP, MAX_OVERLAP = 6, 35  # percent; below, two images share too little to be compared
NUM_BINS = 1 + MAX_OVERLAP - MIN_OVERLAP  # one for no overlap, one for each percent in range
# What the two orders of a pair can answer: nothing; both answers, by the order; one of them alone.
NOTHING, EITHER, PLUS, MINUS = -1, 0, 1, 2
NUM_KINDS = 3
_ANSWERS = np.array([0, 1, -1], np.int8)  # by kind
TOO_SMALL, SURPLUS = "too small a motion", "pairs of the more frequent answer"  # drops

# Kinds of pairs by question, (n,) int8 each, of some rows (n,) of a scene's pair table.
Judge = Callable[[SceneTable, str, np.ndarray], Mapping[str, np.ndarray]]


class DrawnPairs(NamedTuple):
    """Pairs of a scene for one question: `rows` of its pair table (n,) int32, ascending; `answers`
    (n,) int8, +1 or -1, which the order of the images is to give, or 0 for any order."""

    rows: np.ndarray
    answers: np.ndarray


@dataclass(frozen=True)
class PairPool:
    """The scenes of a split whose pairs can be drawn, with the files of their frames. The pair
    table at `path` is about them as they are now; a scene that it is not about fails in the next
    `Step.make` of the `step`."""

    step: Inputs
    scenes: SceneInfoHandler
    split: str
    path: Path
    fingerprint: Any  # of the table
    files: dict[str, SceneFiles]

    @classmethod
    def of(
        cls,
        args: argparse.Namespace,
        step: Inputs,
        split: str,
        scenes: SceneInfoHandler,
        sampled: Sequence[str] = (),
    ) -> PairPool:
        """Those of a handler; `sampled` is that of `SceneFiles.of`."""
        path = paths.pair_table_path(args.dataset, split)
        table = pair_table.open_pairs(path)

        def list_files(scene_id: str) -> SceneFiles:
            listed = SceneFiles.of(scenes, scene_id, *sampled)
            geometry = scenes.geometry_hash(scene_id)
            pair_table.check_is_about(table, scene_id, geometry, listed.depth_sizes)
            return listed

        files = step.ready(scenes.scene_ids, list_files)
        fingerprint = provenance.file_fingerprint(path, args.root)
        return cls(step, scenes, split, path, fingerprint, files)

    @property
    def digest(self) -> str:
        """Digest of all that decides, with the settings of a step, which pairs are drawn and what
        is asked about them: so much is known without a look at any pair."""
        scenes = {
            scene_id: [self.scenes.geometry_hash(scene_id), files.names, files.colors]
            for scene_id, files in self.files.items()
        }
        return provenance.digest([self.fingerprint, scenes])

    def draw(
        self,
        seed: int,
        wanted: Mapping[str, int],
        wanted_without_overlap: int = 0,
        judge: Judge | None = None,
    ) -> PairDraws:
        """Draw `wanted` pairs for each question, with a generator for (seed, question, split).

        `judge` tells which pairs can be asked about and what they answer, for questions where that
        matters; what it excludes is counted over all pairs in range of overlap.
        """
        table = pair_table.open_pairs(self.path)

        def read_scene(scene_id: str) -> _ScenePairs:
            bins = read_overlap_bins(table, scene_id)
            rows = np.flatnonzero(bins >= (0 if wanted_without_overlap else 1)).astype(np.int32)
            kinds = judge(table, scene_id, rows) if judge else {}
            return _ScenePairs(rows, bins[rows], kinds)

        ready = self.step.ready(self.files, read_scene)
        pairs: dict[str, dict[str, DrawnPairs]] = {}
        drops = {}
        for question, number in wanted.items():
            bins = {scene_id: scene.bins for scene_id, scene in ready.items()}
            kinds = {scene_id: scene.kinds.get(question) for scene_id, scene in ready.items()}
            judged = {scene_id: kind for scene_id, kind in kinds.items() if kind is not None}
            candidates = PairCandidates.of(bins, judged or None)
            rng = sampling.generator(seed, question, self.split)
            drawn = sample_pairs(candidates, number, wanted_without_overlap, rng)
            drops[question] = {reason: number for reason, number in drawn.drops.items() if number}
            for scene_id, (numbers, answers) in drawn.by_scene.items():
                mine = DrawnPairs(ready[scene_id].rows[numbers], answers)
                pairs.setdefault(scene_id, {})[question] = mine
        return PairDraws(self, dict(sorted(pairs.items())), drops)


@dataclass(frozen=True)
class PairDraws:
    """Drawn pairs of each scene of a pool, by question; what was left out, by question and
    reason."""

    pool: PairPool
    pairs: dict[str, dict[str, DrawnPairs]]
    drops: dict[str, dict[str, int]]

    def inputs(self, scene_id: str) -> list[Any]:
        """What decides the records of a scene, beside its images (`SceneJob.inputs`)."""
        pairs = provenance.digest(self.pairs[scene_id])
        return [self.pool.scenes.geometry_hash(scene_id), self.pool.fingerprint, pairs]


class _ScenePairs(NamedTuple):
    """Pairs of a scene in range: rows of its table, bins of overlap, kinds by question, (n,)."""

    rows: np.ndarray
    bins: np.ndarray
    kinds: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class PairCandidates:
    """Pairs that may be drawn for a question: by scene the stratum of each, (n,) int8, which is
    `NUM_KINDS` * bin + kind, or -1. `available` (scenes, strata) int64 counts them, scenes in the
    same order; `excluded` are those in range without an answer. `is_judged`: whether
    it is known which pairs can be asked about and what they answer, to be balanced."""

    strata: dict[str, np.ndarray]
    available: np.ndarray
    excluded: int
    is_judged: bool

    @classmethod
    def of(
        cls, bins: dict[str, np.ndarray], kinds: Mapping[str, np.ndarray] | None = None
    ) -> PairCandidates:
        """Of the bins of overlap (`overlap_bin`) and the kinds of all pairs of each scene."""
        strata, counts, excluded = {}, [], 0
        for scene_id, mine in bins.items():
            kind = kinds[scene_id] if kinds is not None else np.full(len(mine), EITHER, np.int8)
            asked = (mine >= 0) & (kind != NOTHING)
            strata[scene_id] = np.where(asked, NUM_KINDS * mine + kind, -1).astype(np.int8)
            found = np.bincount(strata[scene_id] + 1, minlength=NUM_BINS * NUM_KINDS + 1)
            counts.append(found[1:])
            excluded += int(np.count_nonzero((mine >= 0) & (kind == NOTHING)))
        available = np.array(counts, np.int64).reshape(len(bins), NUM_BINS * NUM_KINDS)
        return cls(strata, available, excluded, kinds is not None)


def kinds_of(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Kinds of pairs (n,) int8 by the answers of their two orders, (n,) each: +1, -1, or 0 for
    none."""
    plus, minus = (one > 0) | (other > 0), (one < 0) | (other < 0)
    kinds = np.select([plus & minus, plus, minus], [EITHER, PLUS, MINUS], NOTHING)
    return kinds.astype(np.int8)


def read_overlap_bins(table: SceneTable, scene_id: str) -> np.ndarray:
    """Bins of all pairs of a scene, (rows,) int8."""
    return overlap_bin(table.read(scene_id, ["overlap"])["overlap"].to_numpy())


def overlap_bin(overlap: np.ndarray) -> np.ndarray:
    """Bins of overlaps (n,), int8: 0 for 0; 1 for [6, 7]; 2 for (7, 8]; ... 29 for (34, 35]; and
    -1 for what is not asked about."""
    bins = np.full(len(overlap), -1, np.int8)
    bins[overlap == 0] = 0
    in_range = np.flatnonzero((overlap >= MIN_OVERLAP) & (overlap <= MAX_OVERLAP))
    bins[in_range] = np.maximum(np.ceil(overlap[in_range]) - MIN_OVERLAP, 1)
    return bins


class SampledPairs(NamedTuple):
    """Of each scene the candidates drawn (`rows` are their numbers), and how many pairs were left
    out, by reason."""

    by_scene: dict[str, DrawnPairs]
    drops: dict[str, int]


def sample_pairs(
    candidates: PairCandidates, wanted: int, wanted_without_overlap: int, rng: np.random.Generator
) -> SampledPairs:
    """Balanced draw over the overlap bins, and in each over the answers, without replacement
    (SPEC 5).

    `wanted` = -1 takes as many as can be balanced. `wanted_without_overlap` is the number of pairs
    without overlap.
    """
    if wanted_without_overlap < 0:
        raise SettingsError(f"{wanted_without_overlap} pairs without overlap cannot be drawn")
    available = candidates.available.sum(axis=0).reshape(NUM_BINS, NUM_KINDS)
    balanced = available[:, EITHER] + 2 * available[:, PLUS:].min(axis=1)
    if wanted < 0:
        wanted = int(balanced[1:].sum())
    totals = sampling.balanced_quotas(balanced[1:], wanted)
    totals = np.concatenate([[min(wanted_without_overlap, balanced[0])], totals])
    quotas = _quotas_of_kinds(available, totals).ravel()
    parts: dict[str, list[np.ndarray]] = {scene_id: [] for scene_id in candidates.strata}
    for number in np.flatnonzero(quotas):
        # The pairs of a stratum are counted through all scenes; each scene has its share of the
        # drawn.
        ends = np.cumsum(candidates.available[:, number])
        drawn = sampling.draw(rng, int(ends[-1]), int(quotas[number]))
        shares = np.split(drawn, np.searchsorted(drawn, ends[:-1]))
        scenes = zip(candidates.strata.items(), shares, ends, strict=True)
        for (scene_id, strata), share, end in scenes:
            if len(share):
                members = np.flatnonzero(strata == number)
                parts[scene_id].append(members[share - (end - len(members))])
    rows = {s: np.sort(np.concatenate(p)).astype(np.int32) for s, p in parts.items() if p}
    unfilled = wanted + wanted_without_overlap - int(quotas.sum())
    drops = {
        "requested but not available": max(unfilled, 0),
        TOO_SMALL: candidates.excluded,
        SURPLUS: int(available.sum() - balanced.sum()),
    }
    return SampledPairs(_answer(candidates, rows, rng), drops)


def _quotas_of_kinds(available: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Split what is drawn of each bin, `totals` (bins,), over kinds in proportion to what can be
    balanced, as many PLUS as MINUS: (bins, kinds) int64. One pair less where only that is even."""
    either, alone = available[:, EITHER], available[:, PLUS:].min(axis=1)
    totals = totals - ((either == 0) & (totals % 2 == 1))
    each = totals * alone // np.maximum(either + 2 * alone, 1)
    each = np.maximum(each, -((either - totals) // 2))  # the others are no more than there are
    return np.stack([totals - 2 * each, each, each], axis=1)


def _answer(
    candidates: PairCandidates, rows_by_scene: Mapping[str, np.ndarray], rng: np.random.Generator
) -> dict[str, DrawnPairs]:
    """Choose the answer of each pair that can have both, half of them each."""
    if not candidates.is_judged:
        return {s: DrawnPairs(r, np.zeros(len(r), np.int8)) for s, r in rows_by_scene.items()}
    kinds = {s: candidates.strata[s][rows] % NUM_KINDS for s, rows in rows_by_scene.items()}
    free = {scene: int(np.count_nonzero(kind == EITHER)) for scene, kind in kinds.items()}
    signs = rng.permutation(np.resize(np.array([1, -1], np.int8), sum(free.values())))
    answered = {}
    for scene_id, rows in rows_by_scene.items():
        answers = _ANSWERS[kinds[scene_id]]
        answers[kinds[scene_id] == EITHER] = signs[: free[scene_id]]
        signs = signs[free[scene_id] :]
        answered[scene_id] = DrawnPairs(rows, answers)
    return answered
