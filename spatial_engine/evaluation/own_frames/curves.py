"""Answers about frames as curves over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from matplotlib.figure import Figure

from spatial_engine.evaluation.answer_reading.answers import read
from spatial_engine.utils.questions.tasks import TASKS, VECTOR

COLUMNS = (
    "predictions", "task", "image_1", "image_2", "seconds", "unit", "value", "right", "down",
    "forward", "unread", "prediction",
)  # fmt: skip


@dataclass(frozen=True)
class Answered:
    """What was said about one frame, or two: `numbers` as read (one, or right, down and forward),
    none where there is no answer, for the reason `unread`. `frames` are numbers of frames,
    `seconds` their times, if there are any."""

    task: str
    unit: str
    frames: tuple[int, ...]
    seconds: tuple[float, ...]
    numbers: tuple[float, ...]
    unread: str
    prediction: str

    @property
    def value(self) -> float:
        """The number, or the length of the vector; NaN where there is none."""
        return float(np.linalg.norm(self.numbers)) if self.is_vector else (*self.numbers, np.nan)[0]

    @property
    def is_vector(self) -> bool:
        """Whether the answer is right, down and forward."""
        return TASKS[self.task].answer == VECTOR and bool(self.numbers)


def answered(record: Mapping[str, Any], prediction: str | None) -> Answered:
    """Read what was said to a question of `ask_about_frames.py`; None where nothing was."""
    facts, task = orjson.loads(record["extra"]), TASKS[record["task"]]
    numbers, unread = (), "missing"
    if prediction is not None:
        reading = read(prediction, task)
        unread = reading.reason if reading.answer is None else ""
        numbers = tuple(map(float, reading.answer or ()))
    return Answered(
        task.name, task.unit, tuple(facts["frames"]), tuple(facts.get("seconds", ())), numbers,
        unread, prediction or "",
    )  # fmt: skip


def rows(name: str, said: Sequence[Answered]) -> list[list[Any]]:
    """Rows of a table with `COLUMNS`, one for each question."""
    table = []
    for one in said:
        parts = one.numbers if one.is_vector else ("", "", "")
        second = one.frames[1] if len(one.frames) > 1 else ""
        value = "" if np.isnan(one.value) else round(one.value, 3)
        time = one.seconds[-1] if one.seconds else ""
        table.append(
            [name, TASKS[one.task].sentences, one.frames[0], second, time, one.unit, value, *parts,
             one.unread, one.prediction]
        )  # fmt: skip
    return table


def curve(said: Sequence[Answered]) -> tuple[np.ndarray, np.ndarray, str]:
    """What is drawn of one task: frame numbers (n,), ascending, values (n,), NaN where no answer
    was read, and what they are of.

    Of pairs with the first frame, or of single frames, these are the answers. Of pairs of each
    frame with the next they are added up, so a frame after one without an answer has none either.
    Of all pairs, those with the first frame are drawn.
    """
    first = min(one.frames[0] for one in said)
    singles = [one for one in said if len(one.frames) == 1]
    from_first = [one for one in said if len(one.frames) == 2 and one.frames[0] == first]
    chosen = sorted(singles or from_first, key=lambda one: one.frames[-1])
    what = "in each frame" if singles else "since the first frame"
    values = [one.value for one in chosen]
    if not singles and len(from_first) == 1 < len(said):  # each with the next
        chosen = sorted(said, key=lambda one: one.frames)
        values, what = np.cumsum([one.value for one in chosen]).tolist(), "added up"
    return np.array([one.frames[-1] for one in chosen]), np.array(values, float), what


def plot(models: Mapping[str, Mapping[str, Sequence[Answered]]], path: Path) -> None:
    """Write a PNG: a plot for each task, a line for each file of predictions. `models` holds the
    answers of each file by task."""
    tasks = list(dict.fromkeys(task for said in models.values() for task in said))
    figure = Figure(figsize=(8, 2.6 * len(tasks) + 0.6), layout="constrained")
    for axes, task in zip(np.ravel(figure.subplots(len(tasks), squeeze=False)), tasks, strict=True):
        what = ""
        for name, said in models.items():
            numbers, values, what = curve(said[task])
            axes.plot(numbers, values, marker="o", markersize=3, label=name)
        axes.set_title(TASKS[task].sentences, loc="left", fontsize=10)
        axes.set_ylabel(f"{what}, {TASKS[task].unit}")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("frame")
    handles, names = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150, format="png", metadata={"Software": None})
