"""What one frame, or two, of a question about three to eight give away: solvers without a model.

A solver sees of a record what its text says, and what its fields say of the frames that were chosen
for it, nothing of the others. It answers with what these show, by a rule that adds nothing to it (a
path is no longer than what they show of it); where that leaves several answers it says which, and
one of them is drawn. Where it says nothing, a choice is drawn, or a number is answered
with the true answer to another question. Frames are chosen by rules that do not know the answer. Of
all ways to choose and to answer the best is reported, so that a task is called multi-frame only if
none of them helps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from math import dist
from typing import Any

import numpy as np

from spatial_engine.evaluation.baselines.wording_baseline import is_right
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions.frame_rules import union_sizes
from spatial_engine.utils.questions.plain_record import Value
from spatial_engine.utils.questions.tasks import LETTERS, TASKS

Record = Mapping[str, Any]
Frames = tuple[int, ...]  # numbers of images from 0, ascending
Solver = Callable[[Record, Frames], Sequence[Value]]  # the answers that it leaves open, [] for all
Chooser = Callable[[Record], Frames]


# ---- solvers -------------------------------------------------------------------------------------
def nothing(record: Record, frames: Frames) -> Sequence[Value]:
    """These frames alone say nothing."""
    return []


def camera_distance(record: Record, frames: Frames) -> Sequence[Value]:
    """The distance of the two positions."""
    positions = [record["positions_mm"][frame] for frame in frames]
    return [round(dist(*positions))] if len(positions) == 2 else []


def turn(record: Record, frames: Frames) -> Sequence[Value]:
    """The turn from one image to the next: those that do not follow each other may share nothing,
    and the first and the last do not."""
    follow = len(frames) == 2 and frames[1] == frames[0] + 1
    return [record["turns_deg"][frames[0]]] if follow else []


def less_deep(record: Record, frames: Frames) -> Sequence[Value]:
    """The one of the two in which the point is less deep."""
    nearest = min(frames, key=lambda frame: record["depths_mm"][frame])
    return [_letters(record)[nearest]] if len(frames) == 2 else []


def dots_differ(record: Record, frames: Frames) -> Sequence[Value]:
    """If the dots of the two are on different points, one of the two; else one of the others."""
    letters = _letters(record)
    shown = [letters[frame] for frame in frames]
    if len(frames) < 2:
        return []
    if record["gt_value"] in shown:
        return shown
    return [letter for letter in letters if letter not in shown]


def seen_in_second(record: Record, frames: Frames) -> Sequence[Value]:
    """Whether the second sees what the first marks; any of the others may see it, too."""
    letters = _letters(record)
    if frames[0] != 0:
        return []
    shown = {letters[frame - 1]: record["seen"][frame] for frame in frames[1:]}
    sets = (
        {letter for number, letter in enumerate(letters) if bits >> number & 1}
        for bits in range(1, 2 ** len(letters) - 1)
    )
    fitting = (one for one in sets if all((name in one) == seen for name, seen in shown.items()))
    return [", ".join(sorted(one)) for one in fitting]


def seen_size(record: Record, frames: Frames) -> Sequence[Value]:
    """The size of what they see together."""
    size = _size_of(record, frames)
    return [size] if any(size) else []


def seen_count(record: Record, frames: Frames) -> Sequence[Value]:
    """The number of what they see."""
    return [len(_seen(record, frames))]


def intervals_between(record: Record, frames: Frames) -> Sequence[Value]:
    """One of the intervals between them."""
    return _letters(record)[frames[0] : frames[-1]]


def distance_in_a_frame(record: Record, frames: Frames) -> Sequence[Value]:
    """The distance if one of them sees both objects: those in two frames that share nothing have
    no distance."""
    return [record["gt_value"]] if _together(record, frames, record["object_ids"]) else []


def nearest_in_frames(record: Record, frames: Frames) -> Sequence[Value]:
    """The nearest one if each is seen in one of them together with the object that it is near."""
    first, *others = record["object_ids"]
    known = all(_together(record, frames, [first, other]) for other in others)
    return [record["gt_value"]] if known else []


def direction_if_all_seen(record: Record, frames: Frames) -> Sequence[Value]:
    """The direction if the three objects are seen in them."""
    return [record["gt_value"]] if _seen(record, frames) >= {*record["object_ids"]} else []


def possible_orders(record: Record, frames: Frames) -> Sequence[Value]:
    """The orders that can be: none is seen first where it is not seen, nor after it was."""
    return [letter for letter, order in _orders(record) if _can_be(record, frames, order)]


def likely_orders(record: Record, frames: Frames) -> Sequence[Value]:
    """The orders in which what the first sees comes before what the second alone does."""
    first = _first_seen(record, frames)
    apart = [(one, other) for one, other in permutations(first, 2) if first[one] < first[other]]
    return [
        letter
        for letter, order in _orders(record)
        if all(order.index(one) < order.index(other) for one, other in apart)
    ]


SOLVERS: dict[str, tuple[Solver, ...]] = {
    "camera_path_length": (camera_distance,),
    "camera_net_turn": (turn,),
    "depth_nearest_view": (less_deep,),
    "depth_hidden_depth": (nothing,),
    "correspondence_odd_dot": (dots_differ,),
    "correspondence_seen_where": (seen_in_second,),
    "object_joint_size": (seen_size,),
    "object_count_distinct": (seen_count,),
    "movement_point_path": (camera_distance,),
    "movement_fastest_step": (intervals_between,),
    "relation_object_distance": (distance_in_a_frame,),
    "relation_nearest_object": (nearest_in_frames,),
    "relation_direction": (direction_if_all_seen,),
    "relation_appearance_order": (possible_orders, likely_orders),
}


# ---- frames --------------------------------------------------------------------------------------
def _first(record: Record) -> Frames:
    return (0,)


def _middle(record: Record) -> Frames:
    return (len(record["image"]) // 2,)


def _last(record: Record) -> Frames:
    return (_steps(record),)


def _sees_most(record: Record) -> Frames:
    return max(combinations(_all(record), 1), key=lambda frames: len(_seen(record, frames)))


def _first_and_last(record: Record) -> Frames:
    return 0, _steps(record)


def _first_two(record: Record) -> Frames:
    return 0, 1


def _last_two(record: Record) -> Frames:
    return _steps(record) - 1, _steps(record)


def _first_and_middle(record: Record) -> Frames:
    return 0, len(record["image"]) // 2


def _see_most(record: Record) -> Frames:
    return max(combinations(_all(record), 2), key=lambda frames: len(_seen(record, frames)))


def _farthest_apart(record: Record) -> Frames:
    positions = record["positions_mm"]
    return max(
        combinations(_all(record), 2),
        key=lambda frames: dist(*(positions[frame] for frame in frames)),
    )


def _see_largest(record: Record) -> Frames:
    return max(combinations(_all(record), 2), key=lambda frames: sum(_size_of(record, frames)))


# How frames are chosen, by kind; a name tells which field the choice needs, "" for none.
CHOOSERS: dict[str, dict[str, tuple[Chooser, str]]] = {
    "single": {
        "the first": (_first, ""),
        "the middle one": (_middle, ""),
        "the last": (_last, ""),
        "the one that sees most objects": (_sees_most, "seen_objects"),
    },
    "pair": {
        "first and last": (_first_and_last, ""),
        "the first two": (_first_two, ""),
        "the last two": (_last_two, ""),
        "first and middle": (_first_and_middle, ""),
        "the two that see most objects": (_see_most, "seen_objects"),
        "the two that see the largest part": (_see_largest, "bounds_mm"),
        "the two farthest apart": (_farthest_apart, "positions_mm"),
    },
}
# Of these the places of the point are the answer itself: no frames are chosen by them.
_NOT_BY_PLACE = ("movement_fastest_step",)


@dataclass(frozen=True)
class Way:
    """A way to answer the questions of a task: how frames are chosen, by which rule they are
    answered, and the answers."""

    frames: str
    rule: str
    answers: list[Value]
    right: int


def best_way(records: Sequence[Record], kind: str, seed: int) -> Way:
    """The way to answer from "single" frames or from a "pair" that is right most often."""
    task = TASKS[records[0]["task"]]
    ways = []
    for frames, (choose, field) in CHOOSERS[kind].items():
        if field and (field not in task.fields or task.name in _NOT_BY_PLACE):
            continue
        for solve in SOLVERS[task.name]:
            rng = sampling.generator(seed, task.name, kind, frames, solve.__name__)
            left = [solve(record, choose(record)) for record in records]
            answers = fill_in(records, left, rng)
            right = sum(map(is_right, records, answers))
            ways.append(Way(frames, " ".join((solve.__doc__ or "").split()), answers, right))
    return max(ways, key=lambda way: way.right)  # the first of equals


def fill_in(
    records: Sequence[Record], left: Sequence[Sequence[Value]], rng: np.random.Generator
) -> list[Value]:
    """One of the answers that are left of each question, else one drawn as at random."""
    drawn = draw_freely(records, rng)
    picks = rng.random(len(records))
    return [
        answers[int(pick * len(answers))] if answers else other
        for answers, pick, other in zip(left, picks, drawn, strict=True)
    ]


def draw_freely(records: Sequence[Record], rng: np.random.Generator) -> list[Value]:
    """Answers at random to questions of one task: a choice, a set of them that is neither empty nor
    full, or the true answer to another question."""
    task = TASKS[records[0]["task"]]
    if task.answer == LETTERS:
        return [_draw_set(_letters(record), rng) for record in records]
    if task.options:
        return [str(rng.choice(_letters(record))) for record in records]
    if len(records) < 2:
        return [0 if isinstance(r["gt_value"], int) else [0] * len(r["gt_value"]) for r in records]
    shifts = rng.integers(1, len(records), size=len(records))
    others = (np.arange(len(records)) + shifts) % len(records)
    return [records[other]["gt_value"] for other in others]


def _draw_set(letters: Sequence[str], rng: np.random.Generator) -> str:
    bits = int(rng.integers(1, 2 ** len(letters) - 1))
    return ", ".join(letter for number, letter in enumerate(letters) if bits >> number & 1)


# ---- what records say ----------------------------------------------------------------------------
def _letters(record: Record) -> list[str]:
    return list(record["choices"])


def _all(record: Record) -> range:
    return range(len(record["image"]))


def _steps(record: Record) -> int:
    return len(record["image"]) - 1


def _size_of(record: Record, frames: Frames) -> list[int]:
    """The size of what frames see of an object together; zeros of nothing."""
    return union_sizes([record["bounds_mm"][frame] for frame in frames])


def _seen(record: Record, frames: Frames) -> set[int]:
    """The objects that the frames see."""
    return {one for frame in frames for one in record["seen_objects"][frame]}


def _together(record: Record, frames: Frames, ids: Sequence[int]) -> bool:
    """Whether one of the frames sees all of the objects."""
    return any({*ids} <= {*record["seen_objects"][frame]} for frame in frames)


def _first_seen(record: Record, frames: Frames) -> dict[int, int]:
    """The first of the frames that sees an object, for all that are seen."""
    return {one: frame for frame in reversed(frames) for one in record["seen_objects"][frame]}


def _orders(record: Record) -> list[tuple[str, list[int]]]:
    """The choices of an order of objects: their letter, the ids in that order."""
    named = dict(zip(record["categories"], record["object_ids"], strict=True))
    orders = {", ".join(order): [named[name] for name in order] for order in permutations(named)}
    return [(letter, orders[text]) for letter, text in record["choices"].items()]


def _can_be(record: Record, frames: Frames, order: Sequence[int]) -> bool:
    """Whether objects can be seen first in this order, each in another frame, given two frames."""
    first, frame = _first_seen(record, frames), -1
    for one in order:
        frame += 1
        while frame in frames and one not in record["seen_objects"][frame]:
            frame += 1
        if frame > first.get(one, _steps(record)):
            return False
    return True
