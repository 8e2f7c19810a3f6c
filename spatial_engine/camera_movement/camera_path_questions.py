"""What the camera did through three to eight frames: searched, measured, phrased, written
(SPEC 13).

Both types are asked of chains: frames in order, each sharing enough with the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.utils.frames import scene_records
from spatial_engine.utils.frames.scene_frames import FrameTables, SceneFrames
from spatial_engine.utils.frames.scene_records import Asked
from spatial_engine.utils.frames.step import SceneRequest
from spatial_engine.utils.geometry.cameras import MM_PER_METRE, wrap_degrees, yaw_pitch
from spatial_engine.utils.geometry.frame_sets.growth import grow_chains
from spatial_engine.utils.geometry.frame_sets.paths import longest_distances, step_lengths
from spatial_engine.utils.geometry.frame_sets.rows import NONE, sizes_of
from spatial_engine.utils.geometry.frame_sets.search import Candidates, search_sets
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler

PATH_LENGTH, NET_TURN = "camera_path_length", "camera_net_turn"
TASKS = (PATH_LENGTH, NET_TURN)


def write_scene(
    arguments: tuple[SceneInfoHandler, FrameTables, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, a file for each task that was asked for."""
    asks = {PATH_LENGTH: ask_paths, NET_TURN: ask_turns}
    return scene_records.write_scene(lambda _: asks, arguments, part_dir)


def ask_paths(
    rng: np.random.Generator, frames: SceneFrames, request: SceneRequest, drops: Counter[str]
) -> Asked:
    """How long the camera's path is."""
    sets = _find(PATH_LENGTH, judge_paths, rng, frames, request, drops)
    lengths = step_lengths(frames.centers, sets).sum(axis=1) * MM_PER_METRE
    facts = [{"positions_mm": positions} for positions in positions_mm(frames.poses, sets)]
    return Asked(sets, np.rint(lengths).astype(int).tolist(), facts)


def ask_turns(
    rng: np.random.Generator, frames: SceneFrames, request: SceneRequest, drops: Counter[str]
) -> Asked:
    """How far the camera turns from the first image to the last, all turns together."""
    sets = _find(NET_TURN, judge_turns, rng, frames, request, drops)
    turned, sizes = turns(frames.poses, sets), sizes_of(sets).tolist()
    whole = np.rint(turned).astype(int).tolist()
    facts = [{"turns_deg": row[: size - 1]} for row, size in zip(whole, sizes, strict=True)]
    return Asked(sets, np.rint(turned.sum(axis=1)).astype(int).tolist(), facts)


def _find(
    task: str,
    judge: Callable[..., Candidates],
    rng: np.random.Generator,
    frames: SceneFrames,
    request: SceneRequest,
    drops: Counter[str],
) -> np.ndarray:
    """Chains (k, m) that can be asked about."""
    found = search_sets(
        rng,
        lambda rng, sizes: grow_chains(rng, frames.graph, sizes),
        partial(judge, frames, request.constants),
        request.wanted[task],
        request.num_frames,
        drops,
    )
    return found.sets


def turns(poses: np.ndarray, sets: np.ndarray) -> np.ndarray:
    """Degrees by which the heading turns left from each frame of sets (k, m) to the next, in
    (-180, 180], (k, m - 1); 0 behind the last. `poses` (n, 4, 4) world_from_cam, aligned."""
    yaw, _ = yaw_pitch(poses)
    turned = wrap_degrees(yaw[sets[:, 1:]] - yaw[sets[:, :-1]])
    return np.where(sets[:, 1:] == NONE, 0.0, turned)


def judge_paths(
    frames: SceneFrames, constants: Mapping[str, Any], sets: np.ndarray, drops: Counter[str]
) -> Candidates:
    """Which chains (k, m) have a path that can be asked about."""
    steps = step_lengths(frames.centers, sets)
    short = ((steps < constants["MIN_STEP_M"]) & (sets[:, 1:] != NONE)).any(axis=1)
    widest = longest_distances(frames.centers, sets)
    direct = ~short & (steps.sum(axis=1) < constants["MIN_DETOUR"] * widest)
    drops["paths with a step that is too short"] += int(np.count_nonzero(short))
    drops["paths that are nearly as short as the way between two cameras"] += int(
        np.count_nonzero(direct)
    )
    return _candidates(sets[~short & ~direct], np.zeros(np.count_nonzero(~short & ~direct), int))


def judge_turns(
    frames: SceneFrames, constants: Mapping[str, Any], sets: np.ndarray, drops: Counter[str]
) -> Candidates:
    """Which chains (k, m) have a turn that can be asked about; the answer is its sign."""
    turned, there = turns(frames.poses, sets), sets[:, 1:] != NONE
    size = np.abs(turned)
    small = ((size < constants["MIN_TURN_DEG"]) & there).any(axis=1)
    large = ((size > constants["MAX_TURN_DEG"]) & there).any(axis=1)
    _, pitch = yaw_pitch(frames.poses)
    steep = ((np.abs(pitch[sets]) > constants["MAX_PITCH_DEG"]) & (sets != NONE)).any(axis=1)
    total = turned.sum(axis=1)
    little = np.abs(total) < constants["MIN_NET_TURN_DEG"]
    last = sets[np.arange(len(sets)), sizes_of(sets) - 1]
    shared = frames.graph.overlap[sets[:, 0], last] > 0
    kept = np.ones(len(sets), bool)
    for reason, wrong in (
        ("a turn from one image to the next is too small", small),
        ("a turn from one image to the next is too large", large),
        ("a view is too steep", steep),
        ("the turns together are too small", little),
        ("the first image and the last overlap", shared),
    ):
        drops[reason] += int(np.count_nonzero(kept & wrong))
        kept &= ~wrong
    return _candidates(sets[kept], np.sign(total[kept]).astype(int))


def _candidates(sets: np.ndarray, answers: np.ndarray) -> Candidates:
    return Candidates(sets, np.zeros((len(sets), 0), int), answers)


def positions_mm(poses: np.ndarray, sets: np.ndarray) -> list[list[list[int]]]:
    """Where the cameras of each set (k, m) stand, in whole millimetres, in the axes of its first
    camera (right, down, forward): a list for each set, of a position for each frame."""
    first = poses[sets[:, 0]]
    moved = poses[sets][:, :, :3, 3] - first[:, None, :3, 3]
    local = np.einsum("kji,kmj->kmi", first[:, :3, :3], moved) * MM_PER_METRE
    sizes = sizes_of(sets).tolist()
    rows = np.rint(local).astype(int).tolist()
    return [row[:size] for row, size in zip(rows, sizes, strict=True)]
