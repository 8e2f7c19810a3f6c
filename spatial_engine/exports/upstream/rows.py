"""Scores of a benchmark's rows from verdicts on single answers, in percent.

Imports the standard library alone: evaluators of others run it (scorer_copy.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import nan

Verdict = tuple[str, bool]  # the task of a question, and whether its answer is right


def percent(verdicts: Iterable[Verdict], tasks: Sequence[str]) -> float:
    """Mean over the tasks of the share of right answers; nan where none of them was asked."""
    right: dict[str, list[bool]] = {}
    for task, correct in verdicts:
        right.setdefault(task, []).append(correct)
    shares = [sum(right[task]) / len(right[task]) for task in tasks if task in right]
    return 100 * sum(shares) / len(shares) if shares else nan


def row_scores(verdicts: Sequence[Verdict], rows: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The score of each row of which a question was asked; `rows` names the tasks of each."""
    scores = {row: percent(verdicts, tasks) for row, tasks in rows.items()}
    return {row: score for row, score in scores.items() if score == score}


def mean_of_rows(verdicts: Sequence[Verdict], rows: Mapping[str, Sequence[str]]) -> float:
    """Plain mean of the rows of which a question was asked; nan without one."""
    scores = row_scores(verdicts, rows).values()
    return sum(scores) / len(scores) if scores else nan
