"""What one model or two said to the questions of a benchmark, for a page of verdicts.

A verdict is `right`, `wrong`, `unreadable` (something was said, but no answer was found in it) or
`missing`. Of two models a question has an outcome: both are right, the first alone, the second
alone, or neither. Records are drawn evenly over verdicts, or over outcomes.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_engine.errors import SettingsError
from spatial_engine.evaluation.predictions import read_predictions
from spatial_engine.evaluation.results import score_model
from spatial_engine.evaluation.score_predictions import read_benchmark
from spatial_engine.report import record_view
from spatial_engine.report.gather import Group, Key
from spatial_engine.report.visible_text import escaped
from spatial_engine.utils.paths import BENCHMARKS, benchmark_path
from spatial_engine.utils.running import cli, flag_types

KINDS = RIGHT, WRONG, UNREADABLE, MISSING = ("right", "wrong", "unreadable", "missing")
OUTCOMES = BOTH, FIRST, SECOND, NEITHER = ("both", "first", "second", "neither")
MOST_MODELS = 2
MAX_TEXT = 4_000  # characters of a prediction on the page: its start and its end


@dataclass(frozen=True)
class Verdicts:
    """By record id, a verdict for each of `models`, as `score_model` returns it."""

    models: list[str]
    by_id: dict[str, list[dict[str, Any]]]

    @property
    def strata(self) -> dict[str, str]:
        """The verdict on each record, or the outcome of two."""
        return {record_id: _stratum(said) for record_id, said in self.by_id.items()}

    @property
    def names(self) -> dict[str, str]:
        """What the verdicts, or the outcomes, are called on the page."""
        if len(self.models) == 1:
            return {kind: kind for kind in KINDS}
        first, second = map(escaped, self.models)
        told = ("both right", f"only {first} right", f"only {second} right", "neither right")
        return dict(zip(OUTCOMES, told, strict=True))

    def totals(self, groups: Mapping[Key, Group]) -> list[tuple[str, str]]:
        """Counts over all tasks, for the top of the page."""
        counts: Counter[str] = sum((group.strata for group in groups.values()), Counter())
        told = [(name, f"{counts[stratum]:,}") for stratum, name in self.names.items()]
        return [("questions", f"{counts.total():,}"), *told]

    def shown(self, record: dict[str, Any]) -> dict[str, Any]:
        """What the page has of a record: verdict, answer as read, reason, and text of each model;
        the outcome; points that answer."""
        said = self.by_id[record["id"]]
        return {
            "outcome": _stratum(said),
            "verdicts": [
                [
                    _kind(one),
                    record_view.with_unit(record, one["parsed"]) if one["parsed"] else "",
                    escaped(one["unread"] or "") if one["prediction"] is not None else "",
                    escaped(_cut(one["prediction"] or "")),
                ]
                for one in said
            ],
            "marks": [
                list(mark)
                for number, one in enumerate(said)
                for mark in record_view.marks_of_answer(record, one["parsed"], number)
            ],
        }


def add_flags(parser: argparse.ArgumentParser) -> None:
    """Give the parser of the page the flags that make it one of verdicts."""
    text = "show what a model, or two, said to the benchmark, and whether it is right"
    cli.add_list(parser, "--predictions", flag_types.file, "FILE", text)
    cli.add_benchmark(parser)


def read_verdicts(args: argparse.Namespace) -> Verdicts | None:
    """The verdicts on what `--predictions` hold, None without the flag. Lets the flags name the
    benchmark as the records to show, and a folder beside the predictions as the output."""
    if not args.predictions:
        if args.benchmark or args.name != BENCHMARKS[0]:
            raise SettingsError("--name and --benchmark need --predictions; for records: --records")
        return None
    if args.records:
        raise SettingsError("--records: --predictions show the benchmark; give --benchmark FILE")
    models = [path.stem for path in args.predictions]
    if len(models) > MOST_MODELS:
        raise SettingsError(f"--predictions: a page compares {MOST_MODELS} models at most")
    if len({*models}) < len(models):
        raise SettingsError("two files of predictions have the same name, which names the model")
    benchmark = args.benchmark or benchmark_path(args.root, args.version, args.name)
    records = read_benchmark(benchmark)
    ids = [record["id"] for record in records]
    scored = [score_model(records, read_predictions(path, ids)) for path in args.predictions]
    said = [{verdict["id"]: verdict for verdict in results.verdicts} for results in scored]
    by_id = {record_id: [verdicts[record_id] for verdicts in said] for record_id in ids}
    args.records = [benchmark]
    args.output = args.output or page_folder(args.predictions)
    return Verdicts(models, by_id)


def page_folder(predictions: Sequence[Path]) -> Path:
    """Where a page of verdicts is: beside the first file, named after all."""
    return predictions[0].parent / f"{'_'.join(path.stem for path in predictions)}.page"


def _kind(verdict: Mapping[str, Any]) -> str:
    if verdict["correct"]:
        return RIGHT
    if verdict["prediction"] is None:
        return MISSING
    return UNREADABLE if verdict["parsed"] is None else WRONG


def _stratum(said: Sequence[Mapping[str, Any]]) -> str:
    if len(said) == 1:
        return _kind(said[0])
    first, second = (one["correct"] for one in said)
    return (BOTH if second else FIRST) if first else (SECOND if second else NEITHER)


def _cut(text: str) -> str:
    """A text without its middle where it is long."""
    left_out = len(text) - MAX_TEXT
    if left_out <= 0:
        return text
    half = MAX_TEXT // 2
    return f"{text[:half]}\n… {left_out:,} characters are left out …\n{text[-half:]}"
