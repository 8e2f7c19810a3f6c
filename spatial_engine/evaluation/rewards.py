"""How near a model's answer is to the truth, from 0 to 1: a reward for reinforcement learning.

The answer is read as the scorer reads it (answer_reading/), and graded:

Words, letters, counts   1 if right by the scorer, else 0; so are named points
Numbers, vectors         MRA (scoring.py): the share of ten tolerances, from 5 to 50 percent of the
                         truth, that the answer keeps
Coordinates              1 at the true point, falling evenly to 0 at `POINT_REACH` of the width
Sets of letters          F1

No answer is 0, the truth 1, and what the scorer calls right at least `LEAST_OF_RIGHT`. A larger
error never earns more. A true number of 0 leaves no tolerance: it earns 1 or 0.

Imports orjson and the standard library alone, as scoring.py, for trainers that have nothing else of
the engine's packages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import orjson

from spatial_engine.evaluation.answer_reading.answers import read_answer
from spatial_engine.evaluation.answer_reading.plain_text import without_thinking
from spatial_engine.evaluation.scoring import asked_task, f1, is_right, mra, squared_px, unit_px
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.record_fields import PIXELS
from spatial_engine.utils.questions.tasks import COORDINATES, LETTERS, NUMBER, TASKS, VECTOR

# Share of the image's width at which a point earns nothing. At the scorer's tolerance of 5 percent
# it earns 0.75, about what a number earns at its own, 0.7.
POINT_REACH = Fraction(20, 100)
LEAST_OF_RIGHT = 0.7

# What a reward needs of a record, where it has it: of most tasks the first two.
NEEDED = ("task", "gt_value", "width_list", "height_list", "points_info", "choices", PIXELS)

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_BARE = re.compile(r"`([^`\n]+)`")


def solution_of(record: Mapping[str, Any]) -> str:
    """What `reward` needs of a record, in the engine's own form or uniform, as JSON text: one
    column that every trainer hands on as it is."""
    plain = from_uniform(dict(record))
    return orjson.dumps({name: plain[name] for name in NEEDED if name in plain}).decode()


def reward(record: Mapping[str, Any], completion: str) -> float:
    """The reward of what a model said to a record (engine's own form, uniform, or what
    `solution_of` keeps), from 0 to 1."""
    record = from_uniform(dict(record))
    task = TASKS[record["task"]]
    answer = read_answer(completion, asked_task(record), record.get("choices"))
    truth = record["gt_value"]
    if answer is None:
        return 0.0
    if task.answer == LETTERS:
        return f1(answer, truth)
    if task.answer == COORDINATES:
        reach = POINT_REACH * record["width_list"][-1]
        share = squared_px(answer, truth, unit_px(record)) / reach**2
        return 1.0 - float(share) ** 0.5 if share < 1 else 0.0
    if task.answer in (NUMBER, VECTOR) and task.unit != "count":
        return mra(answer, truth)
    return float(is_right(answer, record))


def format_reward(record: Mapping[str, Any], completion: str) -> float:
    """1 where the model gave the bare answer in backticks and nothing else, else 0; what it thought
    aloud before does not count. Whether the answer is right does not matter."""
    record = from_uniform(dict(record))
    said = without_thinking(completion)
    bare = _BARE.fullmatch(said.strip()) if said is not None else None
    return float(bool(bare) and bool(re.fullmatch(_form(record), bare[1].strip())))


def _form(record: Mapping[str, Any]) -> str:
    """What the bare answer to a record looks like, as a regular expression."""
    task = TASKS[record["task"]]
    if options := "|".join(record.get("choices", task.options)):
        return rf"(?:{options})(?:, ?(?:{options}))*" if task.answer == LETTERS else options
    if task.num_numbers == 1:
        return _NUMBER
    return r"\[ ?" + r" ?, ?".join([_NUMBER] * task.num_numbers) + r" ?\]"
