"""Rewards of TRL's GRPO for records of export_trl.py: how near the answer is, and its form.

    trl grpo --config grpo.yaml --reward_funcs spatial_engine.exports.trl_rewards.answer_reward

Both are those of evaluation/rewards.py, from 0 to 1. TRL gives a reward the completions of a batch,
each a list of messages, and every column of the file. In TRL's environment, from the repository:

    pip install --no-deps -e . orjson
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spatial_engine.evaluation import rewards
from spatial_engine.utils.questions.plain_record import parse_json

Completion = Sequence[Mapping[str, Any]]  # messages; the first is the model's answer


def answer_reward(completions: Sequence[Completion], solution: Sequence[str], **_: Any) -> list:
    """How near each answer is to the truth (`rewards.reward`)."""
    return _each(rewards.reward, completions, solution)


def format_reward(completions: Sequence[Completion], solution: Sequence[str], **_: Any) -> list:
    """Whether each answer is bare, in backticks (`rewards.format_reward`)."""
    return _each(rewards.format_reward, completions, solution)


def _each(
    grade: Callable[[Mapping[str, Any], str], float],
    completions: Sequence[Completion],
    solutions: Sequence[str],
) -> list[float]:
    pairs = zip(completions, solutions, strict=True)
    return [grade(parse_json(solution), said[0]["content"]) for said, solution in pairs]
