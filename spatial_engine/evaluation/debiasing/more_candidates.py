"""Where there were too few candidates, and which commands make more."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import spatial_engine
from spatial_engine.utils.paths import SCANNET
from spatial_engine.utils.questions.record_files import FIRST_VERSION, RecordFile
from spatial_engine.utils.running.closing_table import NOT_AVAILABLE
from spatial_engine.utils.storage import provenance

PACKAGE = Path(spatial_engine.__file__).parent
FEW = 2  # candidates for each question; with less there is hardly anything to exchange with
ENOUGH = 10  # for each question; a subtask that is not down to chance with so many needs other ones


def short_of_candidates(told: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Candidates and questions of the subtasks that more would help, by debias.json: those with
    few, and those that text alone answers."""
    found = {}
    for task, line in told["subtasks"].items():
        candidates, questions = line["candidates"], line["questions"]
        is_solved = line["why"] and line["after"]["score"] is not None  # else of one scene alone
        most = ENOUGH if is_solved else FEW
        if candidates < most * questions:
            found[task] = (candidates, questions)
    return found


def say_where_more_come_from(
    told: Mapping[str, Any], files: Sequence[RecordFile], root: Path, version: str
) -> None:
    """Print which subtasks are short of candidates, the commands that make more, and for which
    there are no more without more scenes."""
    short = short_of_candidates(told)
    if not short:
        return
    listed = (f"{task} {number} for {asked}" for task, (number, asked) in short.items())
    print(f"too few candidates for the questions: {', '.join(listed)}")
    scripts: set[tuple[str, str]] = set()  # with the data set
    unknown, exhausted = [], []
    for task in short:
        metas = [provenance.read_meta(file.path) for file in files if file.task == task]
        if not all(metas):
            unknown.append(task)
        elif all(NOT_AVAILABLE in meta.get("drops", {}) for meta in metas):
            exhausted.append(task)
        else:
            mine = (file for file in files if file.task == task)
            scripts.update(
                (str(meta.get("step")), file.dataset)
                for file, meta in zip(mine, metas, strict=True)
            )
    if scripts:
        print("make more, then start again:")
    most = str(told["MAX_CANDIDATES"])
    for script, dataset in sorted(scripts):
        words = ["python", _place_of(script), "--root", str(root)]
        words += ["--dataset", dataset] if dataset != SCANNET else []
        words += ["--version", version] if version != FIRST_VERSION else []
        print(f"  {shlex.join([*words, '--val-max-samples', most])}")
    if exhausted:
        print(f"all that can be asked is there; only more scenes give more: {', '.join(exhausted)}")
    if unknown:
        how = f"with --val-max-samples {most} of their question scripts"
        print(f"made elsewhere; make more {how}: {', '.join(unknown)}")


def _place_of(script: str) -> str:
    """Path of a question script as it is typed in the repository."""
    found = next(PACKAGE.glob(f"*/{script}.py"), None)
    return f"{script}.py" if found is None else found.relative_to(PACKAGE.parent).as_posix()
