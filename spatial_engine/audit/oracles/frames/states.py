"""What frames show of vertices and objects, and what holds in a set of frames (SPEC 13.1).

Cost: for each frame that is asked about, a look at every vertex of the scene; what is kept of it
are the vertices that it sees, and a few numbers for each object.

How docs/spec.md was read where it leaves a choice, by section:
- 13.1 the ties of section 4 are those of the borders and depths of `absent` too: 0.001 px of the
  widened border, 0.1 mm of the depth and ABSENT_BEHIND_M. What the ties decide is not judged.
- 13.1 m is a share of the width for columns and rows.
- 13.1 beyond 3.3 m a vertex can be both on the surface and ABSENT_BEHIND_M behind its depth: it
  counts as seen, not as absent.
- 13.1 the least number of seen vertices is that of the exact product of the decimal and n.
- 13.1 one final s is taken from each word. A category without words is of
  one name with any. Blanks and capitals do not make another category.
- 13.1 an annotated object without vertices is absent everywhere.
- 13.1 near sides: D is over the vertices of the two objects that some frame of the set sees, also
  where the frame does not see the object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from spatial_engine.audit.oracles.frames.constants import USUAL, limit
from spatial_engine.audit.oracles.frames.shown import overlap
from spatial_engine.audit.oracles.visibility import (
    DEPTH_TIE_M,
    PIXEL_TIE,
    SurfaceRule,
    on_surface,
    project_points,
    surface_answers,
)
from spatial_engine.audit.raw.kept import kept
from spatial_engine.audit.raw.posed import PosedScene

GREY, SEEN, ABSENT = range(3)
# True, False, or None where it depends on ties.
Verdict = bool | None


class StateRules(NamedTuple):
    """When frames show vertices and objects. seen: the surface rule; absent_margin_share: of the
    width, beyond the border; absent_behind_m: behind the measured depth; an object is seen from so
    many vertices, and from such a share of its own, on."""

    seen: SurfaceRule = SurfaceRule()
    absent_margin_share: float = USUAL["ABSENT_MARGIN_SHARE"]
    absent_behind_m: float = USUAL["ABSENT_BEHIND_M"]
    min_seen_vertices: float = USUAL["MIN_SEEN_VERTICES"]
    min_seen_share: float = USUAL["MIN_SEEN_SHARE"]


USUAL_STATES = StateRules()


def state_rules(rule: SurfaceRule | None, constants: dict[str, Any]) -> StateRules:
    """When frames show vertices and objects, by the constants that a file was made with."""
    return StateRules(
        rule or SurfaceRule(),
        limit(constants, "ABSENT_MARGIN_SHARE"),
        limit(constants, "ABSENT_BEHIND_M"),
        limit(constants, "MIN_SEEN_VERTICES"),
        limit(constants, "MIN_SEEN_SHARE"),
    )


# ---- vertices ------------------------------------------------------------------------------------


class Answers(NamedTuple):
    """Of points in a frame, each (n,) bool. must: by every admissible computation; may: by some.
    What is certainly seen is not absent."""

    seen_must: np.ndarray
    seen_may: np.ndarray
    absent_must: np.ndarray
    absent_may: np.ndarray


def vertex_answers(
    scene: PosedScene, frame_id: str, points: np.ndarray, rules: StateRules = USUAL_STATES
) -> Answers:
    """Whether points (n, 3) of the aligned world, metres, are seen and absent in a frame."""
    seen = surface_answers(scene, frame_id, points, rules.seen)
    return _answers(*seen, *_hidden_answers(scene, frame_id, points, rules))


def _answers(
    seen_must: np.ndarray, seen_may: np.ndarray, hidden_must: np.ndarray, hidden_may: np.ndarray
) -> Answers:
    return Answers(seen_must, seen_may, hidden_must & ~seen_may, hidden_may & ~seen_must)


def vertex_states(
    scene: PosedScene, frame_id: str, points: np.ndarray, rules: StateRules = USUAL_STATES
) -> np.ndarray:
    """SEEN, ABSENT or GREY, (n,) int64, of points (n, 3) of the aligned world, metres. What ties
    decide is GREY."""
    answers = vertex_answers(scene, frame_id, points, rules)
    return np.where(answers.seen_must, SEEN, np.where(answers.absent_must, ABSENT, GREY))


def _hidden_answers(
    scene: PosedScene, frame_id: str, points: np.ndarray, rules: StateRules
) -> tuple[np.ndarray, np.ndarray]:
    """Which points are out of view or behind what was measured, (n,) bool: by every admissible
    computation, and by some."""
    u, v, z = project_points(scene, frame_id, points)
    width, height = scene.colour_size
    margin, e = rules.absent_margin_share * width, PIXEL_TIE
    low, high = (mm / 1000.0 for mm in scene.depth_mm_bounds(frame_id))

    def beyond(most: float) -> np.ndarray:
        return (u < -most) | (u >= width + most) | (v < -most) | (v >= height + most)

    must, may = (z <= 0) | beyond(margin + e), (z <= 0) | beyond(margin - e)
    near = np.flatnonzero((z > 0) & ~beyond(e))
    surely_inside = ~((z <= 0) | beyond(-e))[near]
    x, y = u[near] * low.shape[1] / width, v[near] * low.shape[0] / height
    behind_must, behind_may = np.ones(len(near), dtype=bool), np.zeros(len(near), dtype=bool)
    for shift_x, shift_y in product((-e, 0, e), repeat=2):
        column = np.clip(np.rint(x + shift_x), 0, low.shape[1] - 1).astype(np.int64)
        row = np.clip(np.rint(y + shift_y), 0, low.shape[0] - 1).astype(np.int64)
        least, most = low[row, column], high[row, column]
        behind = z[near] - rules.absent_behind_m
        behind_must &= (least > 0) & (behind >= most + DEPTH_TIE_M)
        behind_may |= (most > 0) & (behind >= least - DEPTH_TIE_M)
    must[near] |= behind_must & surely_inside
    may[near] |= behind_may
    return must, may


def _scene_answers(scene: PosedScene, frame_id: str, rules: StateRules) -> Answers:
    """The answers about every vertex of a scene."""
    must, ties = on_surface(scene, frame_id, rules.seen)
    points = scene.vertices_aligned
    seen_must, seen_may = np.zeros((2, len(points)), dtype=bool)
    seen_must[must] = True
    seen_may[must] = seen_may[ties] = True
    return _answers(seen_must, seen_may, *_hidden_answers(scene, frame_id, points, rules))


# ---- objects -------------------------------------------------------------------------------------


class ObjectState(NamedTuple):
    """What a frame shows of an object: seen vertices, without and with ties, and what follows."""

    seen_least: int
    seen_most: int
    seen: Verdict
    absent: Verdict

    @property
    def state(self) -> int:
        """SEEN, ABSENT or GREY; what ties decide is GREY."""
        if self.seen:
            return SEEN
        return ABSENT if self.absent else GREY


@kept
def object_vertices(scene: PosedScene) -> dict[int, np.ndarray]:
    """{object id: vertex numbers, ascending}, of every annotated object."""
    return {i: np.flatnonzero(scene.instance_ids == i + 1) for i in scene.raw_categories}


def object_points(scene: PosedScene, object_id: int) -> np.ndarray:
    """(n, 3) vertices of an object, aligned world, metres."""
    return scene.vertices_aligned[object_vertices(scene)[object_id]]


@kept
def object_states(
    scene: PosedScene, frame_id: str, rules: StateRules = USUAL_STATES
) -> dict[int, ObjectState]:
    """{object id: what a frame shows of it}, of every annotated object."""
    answers = _scene_answers(scene, frame_id, rules)
    return {
        object_id: _object_state(Answers(*(some[mine] for some in answers)), rules)
        for object_id, mine in object_vertices(scene).items()
    }


def _object_state(answers: Answers, rules: StateRules) -> ObjectState:
    """What the answers about its vertices say of an object."""
    least, most = int(answers.seen_must.sum()), int(answers.seen_may.sum())
    share = Fraction(str(rules.min_seen_share)) * len(answers.seen_must)
    needed = max(Fraction(str(rules.min_seen_vertices)), share)
    seen = True if least >= needed else None if most >= needed else False
    absent = True if answers.absent_must.all() else None if answers.absent_may.all() else False
    return ObjectState(least, most, seen, absent)


def seen_part(
    scene: PosedScene, object_id: int, frames: Iterable[str], rules: StateRules = USUAL_STATES
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices of an object, each (n, 3) metres, that some frame sees: certainly, and with ties."""
    mine = object_vertices(scene)[object_id]
    must, may = np.zeros(len(mine), dtype=bool), np.zeros(len(mine), dtype=bool)
    for frame in frames:
        certain, ties = (np.isin(mine, some) for some in on_surface(scene, frame, rules.seen))
        must |= certain
        may |= certain | ties
    points = scene.vertices_aligned[mine]
    return points[must], points[may]


# ---- names ---------------------------------------------------------------------------------------


def category_of(scene: PosedScene, object_id: int) -> str:
    """The label of an object, without capitals and the blanks around it."""
    return scene.raw_categories[object_id].strip().lower()


def is_one_name(category: str, other: str) -> bool:
    """Whether one ends with all words of the other: chair, office chairs."""
    one, two = ([w.removesuffix("s") or w for w in words(c)] for c in (category, other))
    least = min(len(one), len(two))
    return one[len(one) - least :] == two[len(two) - least :]


def words(category: str) -> list[str]:
    """Runs of letters, digits and underscores, without capitals."""
    return re.findall(r"\w+", category.lower())


def namesakes(scene: PosedScene, category: str) -> list[int]:
    """Ids of all annotated objects whose names could mean a category."""
    return [i for i, other in scene.raw_categories.items() if is_one_name(category, other)]


def shown_namesake(
    scene: PosedScene, object_id: int, frames: Iterable[str], rules: StateRules = USUAL_STATES
) -> tuple[int, str] | None:
    """Another object of its name that is certainly not absent in a frame, and the frame; None
    where the object is unique."""
    others = [i for i in namesakes(scene, scene.raw_categories[object_id]) if i != object_id]
    for frame in frames:
        states = object_states(scene, frame, rules)
        for other in others:
            if states[other].absent is False:
                return other, frame
    return None


# ---- two objects ---------------------------------------------------------------------------------


def not_apart(
    scene: PosedScene, one: int, other: int, frames: Sequence[str], rules: StateRules = USUAL_STATES
) -> tuple[str, str] | None:
    """Two frames in which one object and the other are certainly not absent, and which overlap or
    are the same; None where the two are apart."""
    not_absent = [
        [frame for frame in frames if object_states(scene, frame, rules)[i].absent is False]
        for i in (one, other)
    ]
    for frame_i, frame_j in product(*not_absent):
        if frame_i == frame_j or overlap(scene, frame_i, frame_j).low > 0:
            return frame_i, frame_j
    return None


@kept
def distance(scene: PosedScene, one: int, other: int) -> float:
    """d(a, b): the least distance of a vertex of one object to one of the other, metres."""
    return least_distance(object_points(scene, one), object_points(scene, other))


def distance_seen(
    scene: PosedScene, one: int, other: int, frames: Sequence[str], rules: StateRules = USUAL_STATES
) -> tuple[float, float]:
    """D(a, b): the same over vertices that some frame sees, metres: the least and the most that
    ties allow; inf where none is seen."""
    (one_must, one_may), (other_must, other_may) = (
        seen_part(scene, i, frames, rules) for i in (one, other)
    )
    return least_distance(one_may, other_may), least_distance(one_must, other_must)


def least_distance(one: np.ndarray, other: np.ndarray) -> float:
    """The least distance of a point of one (n, 3) to one of the other (m, 3); inf without any."""
    if not len(one) or not len(other):
        return float("inf")
    return float(cKDTree(one).query(other)[0].min())
