"""How the scores of models differ from those of the first one, on the same questions.

The difference is made anew in every resample of the scenes (scene_bootstrap.py), the same ones for
both models: what is easy or hard about a scene is so for both, and drops out. A difference is
marked where its interval leaves 0 out and comes from at least `FEW_SCENES` scenes.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from spatial_engine.evaluation.results import MEAN, Results
from spatial_engine.evaluation.scene_bootstrap import FEW_SCENES, LEAST_SCENES, interval
from spatial_engine.evaluation.score_tables import number_text, print_table, table_of
from spatial_engine.utils.storage.files import atomic_path, dump_json

MARK = "*"
LINE_INCHES = 0.14  # of the plot, for each model
KINDS = ("subtask", "row")


@dataclass(frozen=True)
class Difference:
    """A line of two models: the score of `model` less that of `first`, percentage points, and its
    95 percent interval over `scenes`; nan where there is none. `differs`: the interval leaves 0
    out; False too where scenes are too few to tell."""

    kind: str
    name: str
    first: str
    model: str
    first_score: float
    score: float
    difference: float
    low: float
    high: float
    scenes: int
    differs: bool


def compare_to_first(models: Mapping[str, Results]) -> list[Difference]:
    """Every model after the first against it, by subtask, row and in total. All were scored on the
    same records with the same seed."""
    (first, base), *others = models.items()
    return [
        one
        for model, results in others
        for kind in KINDS
        for one in _compare(kind, first, base, model, results)
    ]


def _compare(
    kind: str, first: str, base: Results, model: str, results: Results
) -> list[Difference]:
    mine, theirs = (getattr(one, f"{kind}s") for one in (results, base))
    found = []
    for line, other in zip(mine, theirs, strict=True):
        if not line.questions:
            continue
        drawn = results.resamples.scores[line.name] - base.resamples.scores[line.name]
        low, high = interval(drawn, line.scenes)
        found.append(Difference(
            kind, line.name, first, model, other.score, line.score, line.score - other.score,
            low, high, line.scenes, line.scenes >= FEW_SCENES and (low > 0 or high < 0),
        ))  # fmt: skip
    return found


def print_differences(found: Sequence[Difference]) -> None:
    """Print rows and subtasks: the first model's score, and by how much the others differ."""
    models = list(dict.fromkeys(one.model for one in found))
    for kind, title in (("row", f"difference to {found[0].first}"), ("subtask", "subtask")):
        lines: dict[str, list[Difference]] = {}
        for one in found:
            if one.kind == kind:
                lines.setdefault(one.name, []).append(one)
        table = table_of(title, found[0].first, *models, "scenes")
        for name, mine in lines.items():
            told = (f"{one.difference:+.2f} {_interval(one)} {_mark(one)}" for one in mine)
            style = "bold" if name == MEAN else None
            base = number_text(mine[0].first_score)
            table.add_row(name, base, *told, str(mine[0].scenes), style=style)
        print_table("", table)
    number = sum(one.kind == "subtask" for one in found) // len(models)
    print(
        f"95 percent intervals over scenes; {MARK} leaves 0 out. Of {number} subtasks of equal "
        f"models about {0.05 * number:.1f} get a {MARK} by chance."
    )
    if few := sorted({one.name for one in found if one.scenes < FEW_SCENES}):
        print(
            f"{len(few)} lines ask about fewer than {FEW_SCENES} scenes: their intervals are not "
            f"to be trusted, and get no {MARK}; below {LEAST_SCENES} scenes there is none."
        )


def write_differences(found: Sequence[Difference], seed: int, folder: Path) -> Path:
    """Write comparison.csv, comparison.json and differences.png; returns the plot's path."""
    with (
        atomic_path(folder / "comparison.csv") as partial,
        open(partial, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field.name for field in fields(Difference)])
        for one in found:
            writer.writerow(["" if value is None else value for value in _plain(one).values()])
    told = {"seed": seed, "few_scenes": FEW_SCENES, "differences": [_plain(one) for one in found]}
    dump_json(told, folder / "comparison.json")
    with atomic_path(folder / "differences.png") as partial:
        plot_differences(found, partial)
    return folder / "differences.png"


def plot_differences(found: Sequence[Difference], path: Path) -> None:
    """Write a PNG of the rows: a dot for each model with its interval, filled where it differs."""
    rows = [one for one in found if one.kind == "row"]
    names, models = (list(dict.fromkeys(getattr(r, n) for r in rows)) for n in ("name", "model"))
    height = 1.4 + len(names) * max(0.32, LINE_INCHES * len(models))
    figure = Figure(figsize=(8, height), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0, color="black", linewidth=1)
    for number, model in enumerate(models):
        mine = [one for one in rows if one.model == model]
        at = [names.index(one.name) + (number - (len(models) - 1) / 2) * 0.8 / len(models)
              for one in mine]  # fmt: skip
        spread = [[one.difference - one.low for one in mine],
                  [one.high - one.difference for one in mine]]  # fmt: skip
        color = f"C{number + 1}"  # as the model has in comparison.png
        values = [one.difference for one in mine]
        axes.errorbar(values, at, xerr=np.clip(np.nan_to_num(spread), 0, None), fmt="none",
                      ecolor=color, elinewidth=1.5, capsize=2)  # fmt: skip
        face = [color if one.differs else "white" for one in mine]
        axes.scatter(values, at, s=28, c=face, edgecolors=color, zorder=3, label=model)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel(f"percentage points above {rows[0].first}, with 95 percent interval over "
                    "scenes\nfilled: 0 is outside")  # fmt: skip
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    handles = [axes.plot([], [], "o", color=f"C{k + 1}", label=m)[0] for k, m in enumerate(models)]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150, format="png", metadata={"Software": None})


def _plain(one: Difference) -> dict[str, Any]:
    """A difference as JSON; null for missing values."""
    return {name: None if value != value else value for name, value in asdict(one).items()}


def _interval(one: Difference) -> str:
    return "" if isnan(one.low) else f"[{one.low:+.1f}, {one.high:+.1f}]"


def _mark(one: Difference) -> str:
    return MARK if one.differs else " "
