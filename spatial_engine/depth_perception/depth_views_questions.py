"""How deep a point is in some of three to eight frames: searched, measured (SPEC 13).

`depth_nearest_view` asks in which frame a point is least deep, `depth_hidden_depth` how deep one
is in a frame that does not show it: a chain of other frames says where that frame is.
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
from spatial_engine.utils.frames.states import ABSENT
from spatial_engine.utils.frames.step import SceneRequest
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.geometry.frame_sets.growth import grow_around
from spatial_engine.utils.geometry.frame_sets.rows import NONE, sizes_of
from spatial_engine.utils.geometry.frame_sets.search import Candidates, search_sets
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

NEAREST_VIEW, HIDDEN_DEPTH = "depth_nearest_view", "depth_hidden_depth"
TASKS = (NEAREST_VIEW, HIDDEN_DEPTH)
TRIES = 8  # points tried for each pair of frames


# ---- the nearest view ----------------------------------------------------------------------------


def ask_nearest_views(
    rng: np.random.Generator, frames: SceneFrames, request: SceneRequest, drops: Counter[str]
) -> Asked:
    """In which of its frames a point is least deep."""
    size = dotted_points.mark_size(frames, request)
    shared = SharedPoints(
        frames, lambda f, points: dotted_points.have_room(frames, size, f, points[:, None])[:, 0]
    )
    found = search_sets(
        rng,
        lambda rng, sizes: shared.draw(rng, sizes, drops),
        partial(judge_nearest_views, frames, request.constants),
        request.wanted[NEAREST_VIEW],
        request.num_frames,
        drops,
    )
    points = found.targets[:, 0]
    deep = dotted_points.depths(frames, found.sets, points) * MM_PER_METRE
    rows = zip(points.tolist(), np.rint(deep), dotted_points.letters(found.sets), strict=True)
    facts = [
        {
            "point_id": point,
            "depths_mm": row[np.isfinite(row)].astype(int).tolist(),
            "choices": mine,
        }
        for point, row, mine in rows
    ]
    answers = ["ABCDEFGH"[place] for place in found.answers.tolist()]
    return _asked(found, answers, facts)


def judge_nearest_views(
    frames: SceneFrames,
    constants: dict[str, float],
    drawn: tuple[np.ndarray, np.ndarray],
    drops: Counter[str],
) -> Candidates:
    """Which sets (k, m) have one frame in which their point (k,) is nearest; the answer is its
    place."""
    sets, points = drawn
    deep = np.nan_to_num(dotted_points.depths(frames, sets, points), nan=np.inf)
    least, second = np.partition(deep, 1, axis=1)[:, :2].T
    gap = np.maximum(constants["MIN_DEPTH_GAP_M"], constants["MIN_DEPTH_GAP_SHARE"] * least)
    kept = second - least >= gap
    drops["points that are about as near in a second frame"] += int(np.count_nonzero(~kept))
    return Candidates(sets[kept], points[kept, None], deep[kept].argmin(axis=1))


# ---- hidden depth --------------------------------------------------------------------------------


def ask_hidden_depths(
    rng: np.random.Generator, frames: SceneFrames, request: SceneRequest, drops: Counter[str]
) -> Asked:
    """How deep a point of the first frame is in the last, which does not show it."""
    pairs = bridged_pairs(frames)
    found = search_sets(
        rng,
        lambda rng, sizes: draw_bridges(rng, frames, pairs, sizes, drops),
        partial(judge_hidden_depths, frames, request),
        request.wanted[HIDDEN_DEPTH],
        request.num_frames,
        drops,
    )
    points, sizes = found.targets[:, 0], sizes_of(found.sets)
    deep = _depths_in_last(frames, found.sets, points[:, None])[:, 0]
    answers = np.rint(deep * MM_PER_METRE).astype(int).tolist()
    slots = [{"image": f"Image-{size}"} for size in sizes.tolist()]
    return _asked(found, answers, [{"point_id": point} for point in points.tolist()], slots)


def bridged_pairs(frames: SceneFrames) -> np.ndarray:
    """Pairs of frames (k, 2), either first, that do not overlap, but both are linked to one."""
    graph = frames.graph
    linked = graph.linked.astype(np.float32)
    return np.argwhere((graph.overlap == 0) & ~graph.alike & (linked @ linked > 0))


def draw_bridges(
    rng: np.random.Generator,
    frames: SceneFrames,
    pairs: np.ndarray,
    sizes: np.ndarray,
    drops: Counter[str],
) -> tuple[np.ndarray, np.ndarray]:
    """Joined sets (k, longest) that begin with the one and end with the other frame of one of the
    `pairs`, the others between them by number, and points of the first (k, TRIES)."""
    graph, num_seen = frames.graph, frames.views.num_seen
    pairs = pairs[num_seen[pairs[:, 0]] > 0]
    if not len(pairs):
        drops["scenes without two apart frames that a third links"] = 1
        return np.zeros((0, sizes.max()), np.int32), np.zeros((0, TRIES), np.int32)
    first, last = pairs[rng.integers(len(pairs), size=len(sizes))].T
    between = graph.linked[first] & graph.linked[last]
    middle = (rng.random(between.shape, dtype=np.float32) * between).argmax(axis=1)
    starts = np.stack([first, last, middle], axis=1)
    sets, whole = grow_around(rng, graph, sizes, starts)
    drops["frames that too few others join"] += int(np.count_nonzero(~whole))
    sets = sets[whole]
    tries = frames.views.visibility.draw_points(rng, sets[:, 0], TRIES)
    return last_behind(sets), tries


def last_behind(sets: np.ndarray) -> np.ndarray:
    """The frames of sets (k, m): the first, those from the third on by number, the second."""
    rows, behind = np.arange(len(sets)), np.iinfo(sets.dtype).max
    others = np.sort(np.where(sets[:, 2:] == NONE, behind, sets[:, 2:]), axis=1)
    ordered = np.column_stack([sets[:, 0], others, np.full(len(sets), behind, sets.dtype)])
    ordered[rows, sizes_of(sets) - 1] = sets[:, 1]
    return np.where(ordered == behind, NONE, ordered)


def judge_hidden_depths(
    frames: SceneFrames,
    request: SceneRequest,
    drawn: tuple[np.ndarray, np.ndarray],
    drops: Counter[str],
) -> Candidates:
    """Which sets (k, m) have a point, among those tried (k, t), whose depth can be asked."""
    sets, tries = drawn
    deep = _depths_in_last(frames, sets, tries)
    fits = deep >= request.constants["MIN_HIDDEN_M"]
    fits &= frames.states.of_points(_last(sets), tries) == ABSENT
    size = dotted_points.mark_size(frames, request)
    fits &= dotted_points.have_room(frames, size, sets[:, 0], tries)
    number, kept = dotted_points.first_that_fits(fits)
    drops["no point that is certainly hidden in the last image"] += int(np.count_nonzero(~kept))
    points = tries[np.arange(len(tries)), number]
    return Candidates(sets[kept], points[kept, None], np.zeros(np.count_nonzero(kept), int))


def _last(sets: np.ndarray) -> np.ndarray:
    return sets[np.arange(len(sets)), sizes_of(sets) - 1]


def _depths_in_last(frames: SceneFrames, sets: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Depths, metres, of points (k, t) in the last frame of their set (k, m)."""
    return frames.views.measure(_last(sets), points)[1]


# ---- both ----------------------------------------------------------------------------------------


def _asked(found: Candidates, answers: list, facts: list, slots: list | tuple = ()) -> Asked:
    """Records whose point is marked in the first image."""
    dots = np.full(found.sets.shape, NONE)
    dots[:, 0] = found.targets[:, 0]
    targets = [str(point) for point in found.targets[:, 0].tolist()]
    return Asked(found.sets, answers, facts, targets, slots, dots)


def write_scene(
    arguments: tuple[SceneInfoHandler, FrameTables, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, a file for each task that was asked for, and their pictures."""
    asks = {NEAREST_VIEW: ask_nearest_views, HIDDEN_DEPTH: ask_hidden_depths}
    return scene_records.write_scene(lambda _: asks, arguments, part_dir)
