"""Records of three to eight frames: balanced over a file, joined in random order (SPEC 13)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions import records
from spatial_engine.utils.questions.plain_record import parse_json
from spatial_engine.utils.questions.tasks import LETTERS, TASKS
from spatial_engine.utils.storage.files import remove


def stratum_of(record: Mapping[str, Any]) -> tuple[int, str]:
    """What a file is balanced over: the number of frames, and the answer where it is one of few."""
    task, value = TASKS[record["task"]], record["gt_value"]
    if task.answer == LETTERS:
        answer = str(value.count(",") + 1)
    elif "angle_deg" in task.fields:  # its letters are drawn, its four directions are not
        answer = record["choices"][value]
    elif task.options or task.unit == "count":
        answer = str(value)
    else:
        answer = "-" if task.unit == "signed degree" and value < 0 else ""
    return len(record["image"]), answer


def join_parts(
    parts: Sequence[Path], outputs: Mapping[str, Path], seed: int, at_most: int = -1
) -> None:
    """Join the scenes' `<task>.jsonl` of each output as `records.join_parts` does, `at_most` lines
    of each, as even over the strata as they can be. Memory holds a number for each line."""
    for name, output in outputs.items():
        lines = [path for part in parts if (path := part / f"{name}.jsonl").exists()]
        rng = sampling.generator(seed, TASKS[name].drawn_as, "balance")
        chosen = output.with_name(f"{output.name}.chosen")
        _choose(lines, chosen, rng, at_most)
        shuffle = sampling.generator(seed, TASKS[name].drawn_as, "shuffle")
        records.shuffle_jsonl([chosen], output, shuffle)
        remove(chosen)


def _choose(lines: Sequence[Path], output: Path, rng: np.random.Generator, at_most: int) -> None:
    """Write the lines that are chosen."""
    found = [stratum_of(parse_json(line)) for path in lines for _, line in records.read_lines(path)]
    sizes = [size for size, _ in found]
    answers = np.unique([answer for _, answer in found], return_inverse=True)[1]
    strata = np.stack([np.array(sizes, int), answers.astype(int)], axis=1)
    kept = np.zeros(len(found), bool)
    kept[sampling.draw_balanced(rng, strata, at_most)] = True
    place = 0
    with open(output, "wb") as file:
        for path in lines:
            for _, line in records.read_lines(path):
                if kept[place]:
                    file.write(line)
                place += 1
