"""How a point moves through three to eight frames: searched, measured, phrased, written (SPEC 13).

How long is its path, and between which two images does it move most?
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np

from spatial_engine.object_movement import point_sightings
from spatial_engine.object_movement.movement_pairs import Limits, MovementRule
from spatial_engine.object_movement.movement_questions import can_be_asked, limits_of, read_bodies
from spatial_engine.object_movement.point_sightings import Sightings
from spatial_engine.utils.clips import clips
from spatial_engine.utils.clips.clip_sets import CLIP_SETS
from spatial_engine.utils.clips.clips import Clip
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.cameras import MM_PER_METRE, permille
from spatial_engine.utils.geometry.frame_sets.paths import longest_distances, step_lengths
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.geometry.frame_sets.search import Candidates, search_sets
from spatial_engine.utils.paths import clip_frame_name
from spatial_engine.utils.questions import records
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running.scene_runner import PartResult

POINT_PATH, FASTEST_STEP = "movement_point_path", "movement_fastest_step"
TASKS = (POINT_PATH, FASTEST_STEP)
MAX_POINTS = 100  # of a clip that are asked about
TRIED = 100  # paths of a point, before those whose paths are straight are left out


@dataclass(frozen=True)
class PathRequest:
    """What is asked about one clip of the set `dataset`, whose rigid bodies are in a folder: so
    many records `wanted` of each task, with the least and the most frames of `num_frames`, under
    the `constants` of the script, of which `rule` says what counts as moved, in these `sentences`
    by task."""

    dataset: str
    split: str
    clip_id: str
    bodies: Path
    seed: int
    wanted: Mapping[str, int]
    num_frames: tuple[int, int]
    constants: Mapping[str, Any]
    rule: MovementRule
    sentences: Mapping[str, Templates]


@dataclass(frozen=True)
class ClipPoints:
    """The points of a clip: their `bodies`, in which frames they can be asked about, `askable`
    (T, N) bool, where they are in the `world` (T, N, 3), and the `limits` of what counts as
    moved."""

    bodies: list[np.ndarray]
    askable: np.ndarray
    world: np.ndarray
    limits: Limits

    def reach(self, points: np.ndarray) -> np.ndarray:
        """Diagonals of the boxes around the places of `points` (p,), each of which can be asked
        about in some frame, metres: none is seen to move farther."""
        there = self.askable[:, points, None]
        highest = np.where(there, self.world[:, points], -np.inf).max(axis=0)
        lowest = np.where(there, self.world[:, points], np.inf).min(axis=0)
        return np.linalg.norm(highest - lowest, axis=1)


def write_clip(arguments: tuple[Path, PathRequest], part_dir: Path) -> PartResult:
    """Write one clip's records, a file for each task that was asked for."""
    path, request = arguments
    clip = clips.read_clip(path, camera_moves=CLIP_SETS[request.dataset].camera_moves)
    found_drops: dict[str, int] = {}
    notes: dict[str, int] = {}
    points = points_of(clip, request, found_drops, notes)
    result = PartResult()
    for task, wanted in request.wanted.items():
        rng = sampling.generator(request.seed, task, request.split, request.clip_id)
        drops = Counter(found_drops)
        sightings = draw_sightings(rng, points, request, drops)
        if task == POINT_PATH:
            sightings = only_winding(rng, sightings, points, request, drops)
        found = search(rng, task, sightings, points.limits, wanted, request, drops)
        lines = phrase(rng, clip, task, sightings, found, request)
        result.counts[task] = records.write_jsonl(part_dir / f"{task}.jsonl", lines)
        result.drops[task], result.notes[task] = dict(drops), notes
    return result


def points_of(
    clip: Clip, request: PathRequest, drops: dict[str, int], notes: dict[str, int]
) -> ClipPoints:
    """The points of a clip; counts what is left out."""
    limits = limits_of(clip, request.dataset, request.rule, drops, notes)
    askable = can_be_asked(clip, "coord")
    drops["frames that show a point outside the image or at its border"] = int(
        np.count_nonzero(clip.visible & ~askable)
    )
    bodies = []
    if np.isfinite(limits.moved_m):
        bodies = read_bodies(clip, request.bodies)
        drops["clips without a rigid body"] = int(not bodies)
    else:
        drops["clips of a body that is parked, or that nobody knows to have moved"] = 1
    return ClipPoints(bodies, askable, clip.tracks_world(), limits)


def draw_sightings(
    rng: np.random.Generator, points: ClipPoints, request: PathRequest, drops: Counter[str]
) -> Sightings:
    """The sightings of points drawn from each rigid body."""
    often = np.count_nonzero(points.askable, axis=0) >= request.num_frames[0]
    drawn = [np.zeros(0, int)]
    for body in points.bodies:
        seen = body[often[body]]
        count = min(request.constants["POINTS_PER_GROUP"], len(seen))
        drawn.append(rng.choice(seen, size=count, replace=False))
    chosen = rng.permutation(np.concatenate(drawn))
    moving = chosen[points.reach(chosen) >= points.limits.moved_m]
    drops["points that are not seen to move"] += len(chosen) - len(moving)
    drops["points of a clip that has enough of them"] += len(moving[MAX_POINTS:])
    moving = np.sort(moving[:MAX_POINTS])
    return Sightings.of(points.world, points.askable, moving, points.limits.moved_m)


def only_winding(
    rng: np.random.Generator,
    sightings: Sightings,
    points: ClipPoints,
    request: PathRequest,
    drops: Counter[str],
) -> Sightings:
    """The sightings of those points of whose paths some, of a few that are tried, are much longer
    than they reach: most things that move go one way."""
    moving, limits = np.unique(sightings.points), points.limits
    least, most = request.num_frames
    sizes = rng.integers(least, most + 1, size=TRIED * len(moving))
    sets = point_sightings.grow_paths(rng, sightings, sizes)
    found = judge_paths(sightings.positions, request.constants, limits.moved_m, sets, Counter())
    winding = np.unique(sightings.points[found.sets[:, 0]])
    drops["points that are not seen to turn back"] += len(moving) - len(winding)
    return Sightings.of(points.world, points.askable, winding, limits.moved_m)


def search(
    rng: np.random.Generator,
    task: str,
    sightings: Sightings,
    limits: Limits,
    wanted: int,
    request: PathRequest,
    drops: Counter[str],
) -> Candidates:
    """Sets of sightings that a task can ask about."""

    def draw(rng: np.random.Generator, sizes: np.ndarray) -> np.ndarray:
        if task == POINT_PATH:
            return point_sightings.grow_paths(rng, sightings, sizes)
        return point_sightings.even_steps(rng, sightings, sizes, drops)

    judge = {POINT_PATH: judge_paths, FASTEST_STEP: judge_steps}[task]
    judged = partial(judge, sightings.positions, request.constants, limits.moved_m)
    return search_sets(rng, draw, judged, wanted, request.num_frames, drops)


def judge_paths(
    positions: np.ndarray,
    constants: Mapping[str, Any],
    moved_m: float,
    sets: np.ndarray,
    drops: Counter[str],
) -> Candidates:
    """Which sets (k, m) of sightings at `positions` (s, 3) have a path that can be asked about."""
    steps, there = step_lengths(positions, sets), sets[:, 1:] != NONE
    least = max(constants["MIN_POINT_STEP_M"], moved_m)
    short = ((steps < least) & there).any(axis=1)
    direct = steps.sum(axis=1) < constants["MIN_DETOUR"] * longest_distances(positions, sets)
    kept = _kept(
        drops,
        {
            "paths with a step that is too short": short,
            "paths that are nearly as short as the way between two places": direct,
        },
    )
    return _candidates(sets[kept], np.zeros(np.count_nonzero(kept), int))


def judge_steps(
    positions: np.ndarray,
    constants: Mapping[str, Any],
    moved_m: float,
    sets: np.ndarray,
    drops: Counter[str],
) -> Candidates:
    """Which sets (k, m) of sightings at `positions` (s, 3) have a step that is larger than the
    others for certain; the answer is its number."""
    steps = step_lengths(positions, sets)
    second, largest = np.sort(steps, axis=1)[:, -2:].T
    gap = np.maximum(constants["MIN_STEP_GAP_M"], constants["MIN_STEP_GAP_SHARE"] * largest)
    kept = _kept(
        drops,
        {
            "the point has not moved for certain in any step": largest < moved_m,
            "the two largest steps are too nearly the same": largest - second < gap,
        },
    )
    return _candidates(sets[kept], steps[kept].argmax(axis=1))


def _kept(drops: Counter[str], faults: Mapping[str, np.ndarray]) -> np.ndarray:
    """Which of k sets have none of the `faults` (k,) bool; each other is counted by its first."""
    kept = ~np.zeros_like(next(iter(faults.values())))
    for reason, wrong in faults.items():
        drops[reason] += int(np.count_nonzero(kept & wrong))
        kept &= ~wrong
    return kept


def _candidates(sets: np.ndarray, answers: np.ndarray) -> Candidates:
    return Candidates(sets, np.zeros((len(sets), 0), int), answers)


def phrase(
    rng: np.random.Generator,
    clip: Clip,
    task: str,
    sightings: Sightings,
    found: Candidates,
    request: PathRequest,
) -> Iterator[dict[str, Any]]:
    """Records of one task about sets of sightings."""
    sentences = request.sentences[task].draw(rng, request.split, len(found.sets))
    lengths = step_lengths(sightings.positions, found.sets).sum(axis=1) * MM_PER_METRE
    answers = np.rint(lengths).astype(int).tolist()
    points = sightings.points[found.sets[:, 0]]
    frames = np.where(found.sets == NONE, NONE, sightings.frames[found.sets])
    named = permille(clip.project()[frames[:, 0], points], clip.image_size).tolist()
    places = positions_mm(clip, sightings, found.sets)
    rows = zip(
        frames.tolist(), points.tolist(), named, places.tolist(), answers,
        found.answers.tolist(), sentences, strict=True,
    )  # fmt: skip
    for numbers, point, p1, positions, length, fastest, phrase in rows:
        shown = [clip_frame_name(frame) for frame in numbers if frame != NONE]
        ids = [Path(name).stem for name in shown]
        extra = {"frames": ids, "clip_set": request.dataset, "p1": p1, "point_id": point}
        extra["positions_mm"] = positions[: len(shown)]
        answer: int | str = length
        if task == FASTEST_STEP:
            answer, extra["choices"] = ascii_uppercase[fastest], intervals(len(shown))
        yield records.make_record(
            request.split,
            f"{task}_{request.split}_{request.clip_id}_{'_'.join(ids)}_{point}",
            [f"{request.clip_id}/{name}" for name in shown],
            [clip.image_size] * len(shown),
            task,
            phrase.filled({"point": format_value(p1)}),
            answer,
            extra,
        )


@cache
def intervals(images: int) -> dict[str, str]:
    """The intervals from each of so many images to the next, by letter."""
    letters = ascii_uppercase[: images - 1]
    return {
        letter: f"from Image-{number} to Image-{number + 1}"
        for number, letter in enumerate(letters, 1)
    }


def positions_mm(clip: Clip, sightings: Sightings, sets: np.ndarray) -> np.ndarray:
    """Where the point of each set (k, m) is, (k, m, 3) whole millimetres, in the axes of the
    camera of its first frame (right, down, forward)."""
    first = clip.world_from_cam[sightings.frames[sets[:, 0]]]
    moved = sightings.positions[sets] - first[:, None, :3, 3]
    local = np.einsum("kji,kmj->kmi", first[:, :3, :3], moved)
    return np.rint(local * MM_PER_METRE).astype(int)
