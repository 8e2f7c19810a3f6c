"""The debiased questions of all subtasks, and the table that tells what was done to them.

The table is JSON: for each subtask `candidates`, `questions`, `pruned` (how many questions of the
plain benchmark are out, by what gave them away), `before` and `after` (blind accuracy, blind.py)
and `why` it is not down to chance.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import nan
from pathlib import Path
from typing import Any

from spatial_engine.evaluation.debiasing.debias import debias
from spatial_engine.evaluation.score_tables import number_text, print_table, table_of
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.storage.files import dump_json

Record = dict[str, Any]


def debiased(
    by_task: Iterable[Iterable[Record]], constants: Mapping[str, int], seed: int, table: Path
) -> Iterator[Record]:
    """Records of each subtask in turn, of its candidates in the order of the plain benchmark, all
    in uniform form; after the last, `table` is written. `constants` are those of make_benchmark.py;
    one subtask is in memory at a time."""
    wanted, lines = constants["SAMPLES_PER_SUBTASK"], {}
    for candidates in by_task:
        found = most_complete(list(islice(candidates, constants["MAX_CANDIDATES"])), wanted)
        if not found:
            continue
        plain = [from_uniform(dict(record)) for record in found]
        done = debias(plain, wanted, constants["FOLDS"], constants["ROUNDS"], seed)
        lines[found[0]["task"]] = done.as_json()
        yield from (found[one] for one in done.chosen)
    dump_json({**constants, "seed": seed, "subtasks": lines}, table)


def most_complete(candidates: Sequence[Record], wanted: int) -> list[Record]:
    """Without the smaller sets of images where there are enough of the larger ones, which come
    first."""
    for number in sorted({len(record["image"]) for record in candidates}, reverse=True):
        larger = [record for record in candidates if len(record["image"]) >= number]
        if len(larger) >= wanted:
            return larger
    return list(candidates)


def say_what_was_done(told: Mapping[str, Any]) -> None:
    """Print the table that `debiased` wrote."""
    lines = {task: told["subtasks"][task] for task in TASKS if task in told["subtasks"]}
    table = table_of("text alone", "before", "chance", "after", "chance", "exchanged", "of")
    for task, line in lines.items():
        scores = [text for when in ("before", "after") for text in _scored(line[when])]
        table.add_row(task, *scores, f"{sum(line['pruned'].values())}", f"{line['questions']}")
    print_table("", table)
    for task, line in lines.items():
        if line["pruned"]:
            reasons = ", ".join(f"{count} {why}" for why, count in line["pruned"].items())
            print(f"{task}: exchanged {reasons}")
    for task, line in lines.items():
        if line["why"]:
            print(f"{task}: {line['why']}")


def _scored(blind: Mapping[str, Any]) -> tuple[str, str]:
    """A score with its interval, `*` behind one that is better than chance; chance."""
    numbers = (nan if blind[name] is None else blind[name] for name in ("score", "low", "high"))
    score, low, high = map(number_text, numbers)
    chance = nan if blind["chance"] is None else blind["chance"]
    mark = "*" if blind["is_chance"] is False else ""
    return f"{score} [{low}, {high}]{mark}", number_text(chance)
