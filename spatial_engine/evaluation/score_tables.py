"""Scores as tables in a terminal, as csv and as a plot."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import fields
from math import isnan, nan
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from spatial_engine.evaluation.results import MEAN, Line, Results, counts_of
from spatial_engine.evaluation.scene_bootstrap import FEW_SCENES
from spatial_engine.evaluation.scoring import MEASURES
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.tasks import MULTISPA

PAPER_MARK = " (paper)"
MEASURE_TITLES = {"mra": "MRA", "sign": "right sign", "f1": "F1"}


def print_results(name: str, results: Results) -> None:
    """Print the subtasks, the rows and what was wrong with the predictions of one model."""
    row_title = results.benchmark.row_title
    for title, lines in (("subtask", results.subtasks), (row_title, results.rows)):
        measures = _measures_of(lines)
        table = table_of(title, "score", "95 %", "95 % over scenes", "chance",
                         *map(MEASURE_TITLES.get, measures), "questions", "scenes", "missing",
                         "unparsable", "duplicate")  # fmt: skip
        for line in lines:
            table.add_row(
                line.name, number_text(line.score), _interval(line.low, line.high),
                _interval(line.scenes_low, line.scenes_high), number_text(line.chance),
                *(number_text(line.measures.get(name, nan)) for name in measures),
                *(str(n) for n in (line.questions, line.scenes, line.missing, line.unparsable,
                                   line.duplicates)),
                style="bold" if line.name == MEAN else None,
            )  # fmt: skip
        print_table(name, table)
    few = sum(0 < line.scenes < FEW_SCENES for line in (*results.subtasks, *results.rows))
    if few:
        print(f"{few} lines ask about fewer than {FEW_SCENES} scenes: their intervals over scenes "
              "are not to be trusted")  # fmt: skip
    print_wordings(name, results)
    said = counts_of(results)
    print(", ".join(f"{number} {what}" for what, number in said.items()))
    if reasons := results.unparsable_by_reason():
        told = ", ".join(f"{number} {reason}" for reason, number in reasons.items())
        print(f"unparsable: {told} (docs/answers.md says how an answer is read)")


def print_wordings(name: str, results: Results) -> None:
    """Print the rows by the wording of the questions, where these say theirs."""
    if not results.wordings:
        return
    counts = {
        wording: f"{wording} ({scores.rows[-1].questions} questions)"
        for wording, scores in results.wordings.items()
    }
    table = table_of(f"{results.benchmark.row_title}, by wording", *counts.values(), "all")
    parts = [*(scores.rows for scores in results.wordings.values()), results.rows]
    for lines in zip(*parts, strict=True):
        scores = map(_scored, lines)
        table.add_row(lines[0].name, *scores, style="bold" if lines[0].name == MEAN else None)
    print_table(name, table)


def print_comparison(
    models: Mapping[str, Results], published: Mapping[str, Mapping[str, float]]
) -> None:
    """Print rows and subtasks of several models side by side; the published have rows alone."""
    columns = {name: {line.name: line for line in results.rows} for name, results in models.items()}
    benchmark = next(iter(models.values())).benchmark
    chance = {line.name: line.chance for line in next(iter(models.values())).rows}
    title, papers = benchmark.row_title, (f"{model}{PAPER_MARK}" for model in published)
    table = table_of(title, *models, "chance", *papers)
    for row in [*benchmark.rows, MEAN]:
        mine = (_scored(lines[row]) for lines in columns.values())
        theirs = (number_text(values[row]) for values in published.values())
        style = "bold" if row == MEAN else None
        table.add_row(row, *mine, number_text(chance[row]), *theirs, style=style)
    for wording in WORDINGS:
        found = [results.wordings.get(wording) for results in models.values()]
        if any(found):
            means = (_scored(scores.rows[-1]) for scores in found)
            table.add_row(f"{MEAN}, {wording} wording", *means)
    print_table("", table)
    for model, values in published.items():
        mean = np.mean([values[row] for row in MULTISPA.rows])
        if abs(mean - values[MEAN]) > 0.01:
            print(f"{model}: the mean is as printed in the paper; that of its rows is {mean:.2f}")
    if len(models) > 1:
        table = table_of("subtask", *models, "chance")
        for lines in zip(*(results.subtasks for results in models.values()), strict=True):
            scores = (number_text(line.score) for line in lines)
            table.add_row(lines[0].name, *scores, number_text(lines[0].chance))
        print_table("", table)


def print_frames(facts: Mapping[str, Mapping[str, Any]]) -> None:
    """Print by task what text, a frame and two frames score beside chance, and how."""
    table = table_of("task", "text", "single", "pair", "chance", "multi-frame")
    table.add_column(Text("best pair: frames, rule"), no_wrap=True)
    for task, fact in facts.items():
        scores = (
            f"{found['score']:.1f} [{found['low']:.1f}, {found['high']:.1f}]" if found else "-"
            for found in (fact["text"], fact["single"], fact["pair"])
        )
        chance = nan if fact["chance"] is None else fact["chance"]
        how = Text(f"{fact['pair']['frames']}. {fact['pair']['rule']}")
        told = "yes" if fact["multi_frame"] else "no"
        table.add_row(task, *scores, number_text(chance), told, how)
    print_table("what text, one frame and two give away, with 95 percent intervals", table)


def write_csv(results: Results, path: Path) -> None:
    """Write subtasks and rows, one line each, of all questions (`wording` is empty) and of those of
    each wording; empty where a number is missing."""
    names = [field.name for field in fields(Line) if field.name != "measures"]
    measures = _measures_of(results.subtasks)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["kind", "wording", *names, *measures])
        for wording, scores in {"": results, **results.wordings}.items():
            for kind, lines in (("subtask", scores.subtasks), ("row", scores.rows)):
                for line in lines:
                    values = [getattr(line, name) for name in names]
                    values += [line.measures.get(name, nan) for name in measures]
                    writer.writerow([kind, wording, *("" if v != v else v for v in values)])


def plot_rows(
    models: Mapping[str, Results], published: Mapping[str, Mapping[str, float]], path: Path
) -> None:
    """Write a PNG of the rows: a bar for each model with its interval, chance as a tick."""
    rows = [*next(iter(models.values())).benchmark.rows, MEAN]
    bars = len(models) + len(published)
    height = 0.8 / bars
    figure = Figure(figsize=(8, 1 + len(rows) * max(0.32, 0.14 * bars)), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(rows))
    for number, (name, results) in enumerate(models.items()):
        lines = {line.name: line for line in results.rows}
        found = [lines[row] for row in rows]
        scores = np.array([line.score for line in found])
        errors = [scores - [line.low for line in found], [line.high for line in found] - scores]
        at = places + (number - (bars - 1) / 2) * height
        axes.barh(at, np.nan_to_num(scores), height, label=name, xerr=np.nan_to_num(np.abs(errors)),
                  error_kw={"elinewidth": 1, "ecolor": "#444444"})  # fmt: skip
    for number, (name, values) in enumerate(published.items(), len(models)):
        at = places + (number - (bars - 1) / 2) * height
        label = f"{name}{PAPER_MARK}"
        axes.barh(at, [values.get(row, nan) for row in rows], height, label=label, alpha=0.55)
    chance = [line.chance for line in next(iter(models.values())).rows]
    axes.scatter(chance, places, marker="|", s=160, color="black", zorder=3, label="chance")
    axes.set_yticks(places, rows)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.set_xlabel("percent right, with 95 percent interval")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150, format="png", metadata={"Software": None})


def _measures_of(lines: Iterable[Line]) -> list[str]:
    """Which of `MEASURES` some of the lines have."""
    return [name for name in MEASURES if any(name in line.measures for line in lines)]


def table_of(first: str, *columns: str) -> Table:
    """An empty table whose columns after the first are numbers."""
    table = Table(box=box.SIMPLE)
    table.add_column(Text(first), no_wrap=True)
    for column in columns:
        table.add_column(Text(column), justify="right", no_wrap=True)
    return table


def print_table(title: str, table: Table) -> None:
    """Print as wide as the table is, so that nothing of it is cut off in a file or a pipe."""
    console = Console(width=500)
    if title:
        console.print(Text(title))
    console.print(table)


def number_text(value: float) -> str:
    """A score as printed."""
    return "-" if isnan(value) else f"{value:.2f}"


def _interval(low: float, high: float) -> str:
    return "" if isnan(low) else f"[{low:.1f}, {high:.1f}]"


def _scored(line: Line) -> str:
    return f"{number_text(line.score)} {_interval(line.low, line.high)}"
