"""Where a point is in three to eight frames: searched, measured (SPEC 13).

`correspondence_odd_dot` marks a point in each frame, but in one of them another; which one?
`correspondence_seen_where` marks a point in the first frame; which of the others show it?
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from spatial_engine.utils.frames import dotted_points, scene_records
from spatial_engine.utils.frames.dotted_points import SharedPoints
from spatial_engine.utils.frames.scene_frames import FrameTables, SceneFrames
from spatial_engine.utils.frames.scene_records import Asked
from spatial_engine.utils.frames.states import ABSENT, SEEN
from spatial_engine.utils.frames.step import SceneRequest
from spatial_engine.utils.geometry.frame_sets.growth import grow_around
from spatial_engine.utils.geometry.frame_sets.rows import NONE, shuffle, sizes_of
from spatial_engine.utils.geometry.frame_sets.search import Candidates, search_sets
from spatial_engine.utils.geometry.surroundings import Surroundings, off_plane
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.visual_correspondence.correspondence_questions import squared_errors_mm

ODD_DOT, SEEN_WHERE = "correspondence_odd_dot", "correspondence_seen_where"
TASKS = (ODD_DOT, SEEN_WHERE)
TRIES_OF_ODD = 128  # points of the odd frame that are tried for its dot
DRAWN = 8  # points of the first frame; the first that it shows clearly is taken
SHARE_OF_EACH = 0.5  # of the square of what errors may be; no two frames are off by more then
FACES_ALIKE = np.cos(np.deg2rad(20))  # of the normals of two points on surfaces that look alike


# ---- the odd dot ---------------------------------------------------------------------------------


def ask_odd_dots(
    rng: np.random.Generator, frames: SceneFrames, request: SceneRequest, drops: Counter[str]
) -> Asked:
    """Which frame's dot is on another point than those of the others."""
    shared = SharedPoints(frames, partial(_shows_clearly, frames, request))
    found = search_sets(
        rng,
        lambda rng, sizes: draw_odd_frames(rng, shared, sizes, drops),
        partial(judge_odd_frames, frames, request),
        request.wanted[ODD_DOT],
        request.num_frames,
        drops,
    )
    others, there = draw_others(rng, frames, request, found)
    drops["no other point for the odd dot"] += int(np.count_nonzero(~there))
    found, others = found.where(there), others[there]
    dots = np.where(found.sets == NONE, NONE, found.targets)
    dots[np.arange(len(dots)), found.answers] = others
    points = found.targets[:, 0].tolist()
    facts = [
        {"point_id": point, "choices": choices}
        for point, choices in zip(points, dotted_points.letters(found.sets), strict=True)
    ]
    answers = ["ABCDEFGH"[place] for place in found.answers.tolist()]
    return Asked(found.sets, answers, facts, list(map(str, points)), dots=dots)


def _shows_clearly(
    frames: SceneFrames,
    request: SceneRequest,
    numbers: np.ndarray,
    points: np.ndarray,
    share: float = 1.0,
) -> np.ndarray:
    """Whether frames (n,) that see vertices (n,) have room for a dot there, and their poses leave
    no doubt which place it marks: the square of their error is at most this share of what two
    frames may have."""
    size = dotted_points.mark_size(frames, request)
    clear = dotted_points.have_room(frames, size, numbers, points[:, None])[:, 0]
    squares = squared_errors_mm(frames.views, numbers[:, None], points)[:, 0]
    return clear & (squares <= share * request.constants["MAX_MATCH_ERROR_MM"] ** 2)  # NaN is not


def draw_odd_frames(
    rng: np.random.Generator, shared: SharedPoints, sizes: np.ndarray, drops: Counter[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sets (k, longest) in random order, the point that they share (k,), the place of the odd frame
    (k,)."""
    sets, points = shared.draw(rng, sizes, drops)
    return sets, points, (rng.random(len(sets)) * sizes_of(sets)).astype(int)


def judge_odd_frames(
    frames: SceneFrames,
    request: SceneRequest,
    drawn: tuple[np.ndarray, np.ndarray, np.ndarray],
    drops: Counter[str],
) -> Candidates:
    """Which sets show their point for certain; the answer is the place of the odd frame."""
    sets, points, odd = drawn
    certain = are_certain(frames, request.constants["MAX_MATCH_ERROR_MM"], sets, points)
    drops["points that errors of poses may move too far"] += int(np.count_nonzero(~certain))
    return Candidates(sets[certain], points[certain, None], odd[certain])


def are_certain(
    frames: SceneFrames, max_error_mm: float, sets: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Whether no two frames of a set (k, m) may show its point (k,) farther apart than this."""
    squares = squared_errors_mm(frames.views, sets, points)
    squares = np.where(sets == NONE, 0.0, squares)
    return np.sort(squares, axis=1)[:, -2:].sum(axis=1) <= max_error_mm**2


def draw_others(
    rng: np.random.Generator, frames: SceneFrames, request: SceneRequest, found: Candidates
) -> tuple[np.ndarray, np.ndarray]:
    """For each of the candidates (k) the point of its odd dot (k,), the best of some that are
    drawn, and whether there is one (k,)."""
    rows = np.arange(len(found.sets))
    odd_frames = found.sets[rows, found.answers]
    tries = frames.views.visibility.draw_points(rng, odd_frames, TRIES_OF_ODD)
    ranks = rank_odd(frames, request, odd_frames, found.targets[:, 0], tries)
    number = ranks.argmax(axis=1)
    return tries[rows, number], ranks[rows, number] > 0


def rank_odd(
    frames: SceneFrames,
    request: SceneRequest,
    odd_frames: np.ndarray,
    points: np.ndarray,
    tries: np.ndarray,
) -> np.ndarray:
    """How good each of the points that are tried (k, t) is for a dot that is not on `points` (k,):
    0 not at all, 1 far away, 2 near, 3 near and on a surface that faces the same way, (k, t)."""
    views, constants = frames.views, request.constants
    apart = np.linalg.norm(views.points[tries] - views.points[points][:, None], axis=2)
    pixels, _ = views.measure(odd_frames, np.column_stack([points, tries]))
    beside = np.linalg.norm(pixels[:, 1:] - pixels[:, :1], axis=2)
    fits = apart >= constants["MIN_ODD_M"]
    fits &= beside >= constants["MIN_ODD_SHARE"] * frames.image_size[0]
    size = dotted_points.mark_size(frames, request)
    fits &= size.is_inside(pixels[:, 1:], frames.image_size)
    facing = np.einsum("ktx,kx->kt", views.normals[tries], views.normals[points])
    near = apart <= constants["USUAL_ODD_M"]
    return fits * (1 + near + (near & (np.abs(facing) >= FACES_ALIKE)))


# ---- where a point is seen -----------------------------------------------------------------------


def ask_seen_where(
    rng: np.random.Generator, frames: SceneFrames, request: SceneRequest, drops: Counter[str]
) -> Asked:
    """Which frames after the first show a point of the first."""
    around = Surroundings(frames.views.points, request.constants["SURROUNDINGS_M"])
    found = search_sets(
        rng,
        lambda rng, sizes: draw_views(rng, frames, request, drops, sizes),
        partial(judge_seen_where, frames, around, request),
        request.wanted[SEEN_WHERE],
        request.num_frames,
        drops,
    )
    points = found.targets[:, 0]
    seen = states_in(frames, found.sets, points[:, None])[:, :, 0] == SEEN
    sizes = sizes_of(found.sets).tolist()
    rows = [row[:size].tolist() for row, size in zip(seen, sizes, strict=True)]
    choices = dotted_points.letters(found.sets, first=2)
    facts = [
        {"point_id": point, "seen": row, "choices": mine}
        for point, row, mine in zip(points.tolist(), rows, choices, strict=True)
    ]
    answers = [
        ", ".join(letter for letter, shows in zip(mine, row[1:], strict=True) if shows)
        for mine, row in zip(choices, rows, strict=True)
    ]
    dots = np.full(found.sets.shape, NONE)
    dots[:, 0] = points
    targets = [str(point) for point in points.tolist()]
    return Asked(found.sets, answers, facts, targets, dots=dots)


def draw_views(
    rng: np.random.Generator,
    frames: SceneFrames,
    request: SceneRequest,
    drops: Counter[str],
    sizes: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Points (k, 1), and joined sets (k, longest) of frames that each show their point clearly or
    certainly do not show it, the first of which does; the others in random order."""
    visibility, graph = frames.views.visibility, frames.graph
    firsts = graph.usable[frames.views.num_seen[graph.usable] > 0]
    if not len(firsts):
        return np.zeros((0, sizes.max()), np.int32), np.zeros((0, 1), np.int32)
    first = rng.choice(firsts, size=len(sizes))
    drawn = visibility.draw_points(rng, first, DRAWN)
    numbers = np.repeat(first, DRAWN)
    clear = _shows_clearly(frames, request, numbers, drawn.ravel(), SHARE_OF_EACH)
    points = drawn[np.arange(len(drawn)), clear.reshape(drawn.shape).argmax(axis=1)]
    shown, seen = _frames_that_show(frames, request, points)
    beside = shown & graph.linked[first]
    second = (rng.random(beside.shape, dtype=np.float32) * beside).argmax(axis=1)
    may_stand = shown | ~(seen | frames.states.grey.images_of(points))
    starts = np.stack([first, second], axis=1)
    sets, whole = grow_around(rng, graph, sizes, starts, may_stand)
    rows = np.arange(len(sets))
    whole &= beside.any(axis=1) & shown[rows, first]
    drops["points about which too few joined frames are certain"] += int(np.count_nonzero(~whole))
    sets[:, 1:] = shuffle(rng, sets[:, 1:])
    return sets[whole], points[whole, None]


def _frames_that_show(
    frames: SceneFrames, request: SceneRequest, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which frames show points (k,) clearly, and which see them at all, (k, n) bool each."""
    seen = frames.views.visibility.images_of(points)
    rows, numbers = np.nonzero(seen)
    shown = seen.copy()
    shown[rows, numbers] = _shows_clearly(frames, request, numbers, points[rows], SHARE_OF_EACH)
    return shown, seen


def states_in(frames: SceneFrames, sets: np.ndarray, points: np.ndarray) -> np.ndarray:
    """States of points (k, t) in the frames of their set (k, m): (k, m, t), ABSENT where there is
    no frame."""
    states = frames.states.of_points(sets.ravel(), np.repeat(points, sets.shape[1], axis=0))
    states = states.reshape(*sets.shape, points.shape[1])
    return np.where((sets == NONE)[:, :, None], ABSENT, states)


def judge_seen_where(
    frames: SceneFrames,
    around: Surroundings,
    request: SceneRequest,
    drawn: tuple[np.ndarray, np.ndarray],
    drops: Counter[str],
) -> Candidates:
    """Which sets have a point, among those tried, that some of the frames after the first show and
    some do not; the answer is how many do."""
    sets, tries = drawn
    states, there = states_in(frames, sets, tries), (sets != NONE)[:, :, None]
    seen = states == SEEN
    known = (seen | (states == ABSENT)).all(axis=1)
    some = seen[:, 1:].any(axis=1) & (~seen & there)[:, 1:].any(axis=1)
    clear = are_shown_clearly(frames, request, sets, tries, seen)
    fits = known & some & clear
    kept = np.ones(len(sets), bool)
    for reason, wanted in (
        ("no point that all images certainly show or do not", known),
        ("no such point that some images show and some do not", known & some),
        ("no such point that is clear in all images that show it", fits),
    ):
        drops[reason] += int(np.count_nonzero(kept & ~wanted.any(axis=1)))
        kept &= wanted.any(axis=1)
    rows, number = np.flatnonzero(kept), fits[kept].argmax(axis=1)
    sets, points, seen = sets[rows], tries[rows, number], seen[rows, :, number]
    sure = have_sure_surroundings(frames, around, request.constants["FLAT_M"], sets, points, seen)
    drops["points beside an edge"] += int(np.count_nonzero(~sure))
    return Candidates(sets[sure], points[sure, None], seen[sure, 1:].sum(axis=1))


def have_sure_surroundings(
    frames: SceneFrames,
    around: Surroundings,
    flat_m: float,
    sets: np.ndarray,
    points: np.ndarray,
    seen: np.ndarray,
) -> np.ndarray:
    """Whether what is around each of the points (k,) lies on a plane with it, to within `flat_m`
    metres, is absent, too, from the frames of its set (k, m) that do not see it by `seen` (k, m),
    and not from those that do: (k,). A pose that is slightly off shows what is around a point in
    its place."""
    views, others = frames.views, around.around(points)
    away = off_plane(views.points[points], views.normals[points], views.points[others])
    absent = states_in(frames, sets, others) == ABSENT
    same = np.where(seen, ~absent.any(axis=2), absent.all(axis=2))
    return (away <= flat_m).all(axis=1) & same.all(axis=1)


def are_shown_clearly(
    frames: SceneFrames,
    request: SceneRequest,
    sets: np.ndarray,
    points: np.ndarray,
    seen: np.ndarray,
) -> np.ndarray:
    """Whether all frames of a set (k, m) that see a point (k, t) by `seen` (k, m, t) show it inside
    the border, and no two of them apart by errors of their poses: (k, t)."""
    rows, places, numbers = np.nonzero(seen)
    shown, vertices = sets[rows, places], points[rows, numbers]
    size = dotted_points.mark_size(frames, request)
    room = np.ones(seen.shape, bool)
    room[seen] = dotted_points.have_room(frames, size, shown, vertices[:, None])[:, 0]
    squares = np.zeros(seen.shape)
    squares[seen] = squared_errors_mm(frames.views, shown[:, None], vertices)[:, 0]
    worst = np.sort(squares, axis=1)[:, -2:].sum(axis=1)
    return room.all(axis=1) & (worst <= request.constants["MAX_MATCH_ERROR_MM"] ** 2)


def write_scene(
    arguments: tuple[SceneInfoHandler, FrameTables, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, a file for each task that was asked for, and their pictures."""
    asks = {ODD_DOT: ask_odd_dots, SEEN_WHERE: ask_seen_where}
    return scene_records.write_scene(lambda _: asks, arguments, part_dir)
