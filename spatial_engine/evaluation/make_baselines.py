"""Predictions that need no model, to check the benchmark, the scorer and the questions.

Reads  evaluation_data/multispa/v1_0/multispa.jsonl (make_benchmark.py), with `--name
       multispa_frames` that of this name, or --benchmark FILE; training_data/.
Writes evaluation_data/multispa/v1_0/baselines/{truth,random,constant,wording}.jsonl and their
       scores (beside another FILE in <its name>_baselines/); wording.json: what the wording was
       found to give away. Of three to eight frames also
       {single,pair}.jsonl, and frames.json: what text, one frame and two give away of each task.
Costs  little: of the training set the first records of each file are read.

truth     the true answers: every subtask must come to 100
random    a word, letter or named point drawn uniformly; elsewhere the answer to another question
constant  one answer for the whole subtask, the best in hindsight
wording   learnt from the training questions' texts, without images (wording_baseline.py)
single    by a stated rule, from what a record says of its best single frame (frame_baselines.py)
pair      the same from its best two frames
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.evaluation import (
    frame_report,
    score_tables,
)
from spatial_engine.evaluation.baselines import frame_baselines, wording_baseline
from spatial_engine.evaluation.predictions import read_predictions
from spatial_engine.evaluation.results import Results, score_model
from spatial_engine.evaluation.score_predictions import read_benchmark, write_scores
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.paths import benchmark_path
from spatial_engine.utils.questions.record_fields import points_asked
from spatial_engine.utils.questions.record_files import (
    find_record_files,
    from_uniform,
    read_records,
)
from spatial_engine.utils.questions.records import Value, format_value, write_jsonl
from spatial_engine.utils.questions.tasks import (
    MULTISPA_FRAMES,
    NAMED_POINT,
    TASKS,
    benchmark_with,
)
from spatial_engine.utils.running import cli
from spatial_engine.utils.storage.files import atomic_path, dump_json

log = logging.getLogger(__name__)

# Records of each training file that the wording is learnt from; more change little.
MAX_TRAINING_RECORDS = 20_000

Guess = Callable[[Mapping[str, Any]], Value]


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    usual = benchmark_path(args.root, args.version, args.name)
    benchmark = args.benchmark or usual
    records = read_benchmark(benchmark)
    by_task: dict[str, list[dict[str, Any]]] = {}
    for record in map(from_uniform, records):
        by_task.setdefault(record["task"], []).append(record)
    guessers = fit_wording(args, by_task)
    baselines = {
        "truth": [record["gt_value"] for found in by_task.values() for record in found],
        "random": [
            value
            for task, found in by_task.items()
            for value in draw_answers(found, sampling.generator(args.seed, task, "random"))
        ],
        "constant": [value for found in by_task.values() for value in constant_answers(found)],
    }
    if guessers:
        guess = {task: guesser.guess for task, guesser in guessers.items()}
        baselines["wording"] = [
            guess[task](record) if task in guess else ""
            for task, found in by_task.items()
            for record in found
        ]
    ways = {}
    if benchmark_with(by_task) == MULTISPA_FRAMES:
        ways = frame_report.best_ways(by_task, args.seed)
        for kind in frame_baselines.CHOOSERS:
            baselines[kind] = [value for way in ways.values() for value in way[kind].answers]
    ids = [record["id"] for found in by_task.values() for record in found]
    is_usual = benchmark == usual or (usual.is_file() and usual.samefile(benchmark))
    folder = benchmark.parent / ("baselines" if is_usual else f"{benchmark.stem}_baselines")
    models = {}
    for name, values in baselines.items():
        path = folder / f"{name}.jsonl"
        write_predictions(path, ids, values)
        models[name] = score_model(records, read_predictions(path, ids))
        write_scores(folder / name, name, models[name])
    score_tables.print_comparison(models, {})
    if guessers:
        say_what_wording_gives_away(models["wording"], guessers, folder / "wording.json")
    if ways:
        frame_report.say_what_frames_give_away(models, ways, folder / "frames.json")
    wrong = [line.name for line in models["truth"].subtasks if line.score < 100]
    if wrong:
        raise BadDataError(
            f"{benchmark}: the truth itself does not score 100 in {', '.join(wrong)}"
        )
    print(folder)
    return 0


def draw_answers(records: Sequence[Mapping[str, Any]], rng: np.random.Generator) -> list[Value]:
    """Random answers to the questions of a subtask."""
    task = TASKS[records[0]["task"]]
    if task.of_frames:
        return frame_baselines.draw_freely(records, rng)
    if task.options:
        return [str(word) for word in rng.choice(task.options, size=len(records))]
    if task.answer == NAMED_POINT:
        offered = map(points_asked, records)
        return [points[rng.integers(len(points))] for points in offered]
    if len(records) < 2:
        return [0 if isinstance(r["gt_value"], int) else [0] * len(r["gt_value"]) for r in records]
    shifts = rng.integers(1, len(records), size=len(records))  # another question, any alike
    others = (np.arange(len(records)) + shifts) % len(records)
    return [records[other]["gt_value"] for other in others]


def constant_answers(records: Sequence[Mapping[str, Any]]) -> list[Value]:
    """The one answer to all questions of a subtask that is right most often."""
    guesser = wording_baseline.fit_feature(records, "nothing")
    return [guesser.guess(record) for record in records]


def fit_wording(
    args: argparse.Namespace, tasks: Mapping[str, Any]
) -> dict[str, wording_baseline.Guesser]:
    """A guesser for each subtask that there are training records of."""
    records: dict[str, list[dict[str, Any]]] = {}
    try:
        datasets = args.datasets_of_scenes
        files = find_record_files(args.root, ["train"], args.version, datasets)
    except MissingInputError as error:
        log.warning("no baseline of the wording: %s", error)
        return {}
    for file in files:
        if file.task in tasks:
            records.setdefault(file.task, []).extend(
                islice(read_records(file), args.max_training_records)
            )
    return {task: wording_baseline.fit(found) for task, found in records.items() if found}


def say_what_wording_gives_away(
    results: Results, guessers: Mapping[str, wording_baseline.Guesser], path: Path
) -> None:
    """Print, and write, where the wording alone does better than chance, and why."""
    facts = {}
    by_wording: dict[str, dict[str, float]] = {}
    for wording, scores in results.wordings.items():
        for line in scores.subtasks:
            if line.questions:
                by_wording.setdefault(line.name, {})[wording] = line.score
    for line in results.subtasks:
        if line.name not in guessers or not line.questions:
            continue
        feature = guessers[line.name].feature
        clearly = line.low > line.chance
        reason = wording_baseline.FEATURES[feature][1]
        facts[line.name] = {
            "feature": feature, "score": line.score, "chance": line.chance,
            "clearly_above_chance": clearly, "reason": reason if clearly else "",
            "by_wording": by_wording.get(line.name, {}),
        }  # fmt: skip
        if clearly:
            print(f"wording: {line.name} {line.score:.1f}, chance {line.chance:.1f}: {reason}")
    dump_json(facts, path)


def write_predictions(path: Path, ids: Sequence[str], values: Sequence[Value]) -> None:
    """Write answers as a model would say them."""
    with atomic_path(path) as partial:
        lines = zip(ids, values, strict=True)
        write_jsonl(partial, ({"id": i, "prediction": f"`{format_value(v)}`"} for i, v in lines))


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, seed=True)
    cli.add_benchmark(parser)
    cli.add_constant(
        parser, "MAX_TRAINING_RECORDS", MAX_TRAINING_RECORDS, "training records of each file", 1
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
