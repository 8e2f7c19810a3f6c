"""Scores of a model over a benchmark: its tasks, its rows, their mean. MultiSPA has 26 subtasks in
the 12 rows of Table 2, the benchmark of three to eight frames 14 tasks in 6 families.

A share of right answers comes with two 95 percent intervals. Wilson's (1927) assumes independent
questions. A row is the mean of its subtasks, the mean that of the rows; their intervals are those
for as many questions as would give a mean of the same variance. Questions about one scene are not
independent: the second interval resamples scenes (scene_bootstrap.py).

Where records say in which `wording` they ask (templates.py), the same lines are made for each.

Chance: for words, letters and named points 1 / options, the mean of it where questions differ; for
sets of letters 1 / sets but for none and all; elsewhere the expected score of answering with the
true answer to another question of the subtask.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import nan, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.evaluation.predictions import Predictions
from spatial_engine.evaluation.scene_bootstrap import Resamples, resample
from spatial_engine.evaluation.scoring import (
    COORDINATE_TOLERANCE,
    MEASURES,
    TOLERANCE,
    score_record,
)
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.record_fields import MAX_COORDINATE, WORDINGS, extent_of
from spatial_engine.utils.questions.record_files import place_of
from spatial_engine.utils.questions.tasks import (
    COORDINATES,
    LETTERS,
    TASKS,
    Benchmark,
    benchmark_with,
)

Z = 1.959964  # of the 95 percent interval
MEAN = "Mean of the rows"
PAPER_TABLE = Path(__file__).with_name("multispa_table2.csv")


@dataclass(frozen=True)
class Line:
    """A line of the results; percentages, nan where there is no question. `measures` are further
    ones (`scoring.MEASURES`), of a row those that all its tasks have. The interval over `scenes`
    is made for all questions only, not for those of a wording."""

    name: str
    score: float
    low: float
    high: float
    chance: float
    questions: int
    missing: int
    unparsable: int
    duplicates: int
    measures: dict[str, float] = field(default_factory=dict)
    scenes: int = 0
    scenes_low: float = nan
    scenes_high: float = nan


@dataclass(frozen=True)
class Scores:
    """Lines of the subtasks and of the rows (with their mean last)."""

    subtasks: list[Line]
    rows: list[Line]


@dataclass(frozen=True)
class Results(Scores):
    """Scores over all records and by wording ({} where the records have none); the number of ids
    that were not asked."""

    benchmark: Benchmark
    wordings: dict[str, Scores]
    unknown: int
    # By record: id, task, correct, parsed, unread, prediction, and wording where it has one.
    verdicts: list[dict[str, Any]]
    resamples: Resamples

    def unparsable_by_reason(self) -> dict[str, int]:
        """How many predictions could not be read, by reason (answers.py)."""
        said = (v["unread"] for v in self.verdicts if v["prediction"] is not None)
        return dict(sorted(Counter(reason for reason in said if reason).items()))


def score_model(
    records: Sequence[Mapping[str, Any]], predictions: Predictions, seed: int = 0
) -> Results:
    """Score a model's predictions; a missing or unparsable one is wrong, and counted. `seed` draws
    the scenes of the resamples, the same for every model."""
    verdicts = []
    for record in map(from_uniform, map(dict, records)):
        said = predictions.texts.get(record["id"])
        score = score_record(record, said or "")
        verdict = {
            "id": record["id"], "task": score.task, "correct": score.correct,
            "parsed": score.parsed, "unread": score.unread or None, "prediction": said,
        }  # fmt: skip
        if "wording" in record:
            verdict["wording"] = record["wording"]
        verdicts.append(verdict | score.measures)
    chances = chance_levels(records)
    benchmark = benchmark_with(verdict["task"] for verdict in verdicts)
    total = _scores_of(benchmark, verdicts, chances, predictions.duplicates)
    wordings = {}
    for wording in WORDINGS:
        if part := [verdict for verdict in verdicts if verdict.get("wording") == wording]:
            wordings[wording] = _scores_of(benchmark, part, chances, predictions.duplicates)
    questions = [
        (record["task"], place_of(record["task"], record["image"][0])) for record in records
    ]
    right = [verdict["correct"] for verdict in verdicts]
    resamples = resample(questions, right, benchmark.rows, MEAN, seed)
    subtasks, rows = (_over_scenes(lines, resamples) for lines in (total.subtasks, total.rows))
    return Results(
        subtasks, rows, benchmark, wordings, predictions.unknown, verdicts, resamples
    )  # fmt: skip


def _over_scenes(lines: Iterable[Line], resamples: Resamples) -> list[Line]:
    """The lines with their intervals over scenes."""
    told = []
    for line in lines:
        if line.name in resamples.scores:
            low, high = resamples.interval(line.name)
            scenes = resamples.scenes[line.name]
            line = replace(line, scenes=scenes, scenes_low=low, scenes_high=high)
        told.append(line)
    return told


def _scores_of(
    benchmark: Benchmark,
    verdicts: Iterable[Mapping[str, Any]],
    chances: Mapping[str, float],
    duplicates: Mapping[str, int],
) -> Scores:
    by_task: dict[str, list[Mapping[str, Any]]] = {task: [] for task in benchmark.tasks}
    for verdict in verdicts:
        by_task.setdefault(verdict["task"], []).append(verdict)
    subtasks = [
        _subtask_line(task, found, chances.get(task, nan), duplicates)
        for task, found in by_task.items()
    ]
    return Scores(subtasks, _row_lines(benchmark, subtasks))


def _subtask_line(
    task: str, verdicts: Sequence[Mapping[str, Any]], chance: float, duplicates: Mapping[str, int]
) -> Line:
    number = len(verdicts)
    right = sum(v["correct"] for v in verdicts)
    missing = sum(v["prediction"] is None for v in verdicts)
    unparsable = sum(v["parsed"] is None for v in verdicts) - missing
    twice = sum(duplicates.get(v["id"], 0) for v in verdicts)
    share = right / number if number else nan
    low, high = wilson(share, number)
    measures = {
        name: 100 * sum(v[name] for v in verdicts) / number
        for name in MEASURES
        if number and name in verdicts[0]
    }
    return Line(
        task, 100 * share, 100 * low, 100 * high, chance, number, missing, unparsable, twice,
        measures,
    )  # fmt: skip


def _row_lines(benchmark: Benchmark, subtasks: Iterable[Line]) -> list[Line]:
    """The rows, and their mean, over the subtasks and rows that have questions."""
    by_name = {line.name: line for line in subtasks}
    rows, numbers = [], []
    for row, tasks in benchmark.rows.items():
        parts = [by_name[task] for task in tasks if by_name[task].questions]
        line, number = _mean_line(row, parts, [part.questions for part in parts])
        rows.append(line)
        numbers.append(number)
    there = [(row, number) for row, number in zip(rows, numbers, strict=True) if row.questions]
    mean, _ = _mean_line(MEAN, [row for row, _ in there], [number for _, number in there])
    return [*rows, mean]


def _mean_line(name: str, parts: Sequence[Line], numbers: Sequence[float]) -> tuple[Line, float]:
    """The plain mean of lines, and the number of questions that its interval is made for."""
    if not parts:
        return Line(name, nan, nan, nan, nan, 0, 0, 0, 0), 0
    share = sum(part.score for part in parts) / len(parts) / 100
    number = len(parts) ** 2 / sum(1 / number for number in numbers)
    low, high = wilson(share, number)
    sums = [sum(getattr(part, field) for part in parts) for field in
            ("questions", "missing", "unparsable", "duplicates")]  # fmt: skip
    chance = sum(part.chance for part in parts) / len(parts)
    measures = {
        measure: sum(part.measures[measure] for part in parts) / len(parts)
        for measure in MEASURES
        if all(measure in part.measures for part in parts)
    }
    return Line(name, 100 * share, 100 * low, 100 * high, chance, *sums, measures), number


def wilson(share: float, number: float) -> tuple[float, float]:
    """95 percent interval of a share among so many independent trials."""
    if not number:
        return nan, nan
    middle = (share + Z**2 / (2 * number)) / (1 + Z**2 / number)
    spread = share * (1 - share) / number + Z**2 / (4 * number**2)
    half = Z * sqrt(spread) / (1 + Z**2 / number)
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return min(low, share), max(high, share)  # where rounding leaves the share out


def chance_levels(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Percent right by chance, by subtask; nan where a single question leaves no other's answer."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_task.setdefault(record["task"], []).append(from_uniform(dict(record)))
    return {task: _chance(task, found) for task, found in by_task.items()}


def _chance(task: str, records: Sequence[Mapping[str, Any]]) -> float:
    number = len(records)
    if "choices" in TASKS[task].fields:
        numbers = [len(record["choices"]) for record in records]
        if TASKS[task].answer == LETTERS:
            numbers = [2**choices - 2 for choices in numbers]
        return 100 * sum(1 / choices for choices in numbers) / number
    if choices := TASKS[task].num_choices:
        return 100 / choices
    if number < 2:
        return nan
    right = count_right(records, values_of(records)).sum() - number  # its own is right, always
    return 100 * int(right) / (number * (number - 1))


def values_of(records: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Right answers of one task that are numbers, (n, numbers in an answer); coordinates in
    thousandths."""
    values = np.array([np.atleast_1d(record["gt_value"]) for record in records], dtype=float)
    if TASKS[records[0]["task"]].answer == COORDINATES:
        values *= MAX_COORDINATE / np.array([extent_of(record, -1) for record in records])
    return values


def count_right(records: Sequence[Mapping[str, Any]], candidates: np.ndarray) -> np.ndarray:
    """(C,) for how many records of one task each of the candidates (C, D) is right."""
    return np.array([np.count_nonzero(row) for row in right_rows(records, candidates)])


def right_rows(
    records: Sequence[Mapping[str, Any]], candidates: np.ndarray
) -> Iterator[np.ndarray]:
    """For each of the candidates (C, D) for which records of one task it is right, (n,) bool."""
    truths, scale = values_of(records), 1.0
    if TASKS[records[0]["task"]].answer == COORDINATES:
        sizes = np.array([(r["width_list"][-1], r["height_list"][-1]) for r in records])
        bounds, scale = float(COORDINATE_TOLERANCE) * sizes[:, 0], sizes / MAX_COORDINATE
    elif TASKS[records[0]["task"]].unit == "count":
        bounds = np.zeros(len(records))
    else:
        bounds = float(TOLERANCE) * np.linalg.norm(truths, axis=1)
    for candidate in candidates:
        yield np.linalg.norm((candidate - truths) * scale, axis=1) <= bounds + 1e-9


def read_paper_rows() -> dict[str, dict[str, float]]:
    """Published values of Table 2 (arXiv 2505.17015) by model and row; the mean as printed."""
    with open(PAPER_TABLE, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    models = [name for name in lines[0] if name not in ("row", "subtasks")]
    names = {"Average (as printed)": MEAN}
    return {
        model: {names.get(line["row"], line["row"]): float(line[model]) for line in lines}
        for model in models
    }


def counts_of(results: Results) -> Counter[str]:
    """Missing, unparsable, duplicate and unknown predictions over the whole benchmark."""
    total = Counter(unknown=results.unknown)
    for line in results.subtasks:
        total.update(missing=line.missing, unparsable=line.unparsable, duplicates=line.duplicates)
    return total
