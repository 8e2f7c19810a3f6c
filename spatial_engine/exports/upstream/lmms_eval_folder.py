"""The benchmarks as tasks of lmms-eval's own, as a pull request to it has them.

Static files are in lmms_eval/; filled in are where the data sets are, the metrics, and a question
of each subtask with verdicts, for the tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from spatial_engine.evaluation.scoring import score_record
from spatial_engine.exports.upstream.folder import listed
from spatial_engine.exports.upstream.scorer_copy import scorer_files
from spatial_engine.utils.questions.plain_record import answer_of
from spatial_engine.utils.questions.record_files import read_uniform
from spatial_engine.utils.questions.tasks import BENCHMARKS, Benchmark, metric_name

SOURCES = Path(__file__).parent / "lmms_eval"
TASK = Path("lmms_eval/tasks/multispa")
COPIED = ("utils.py", "_default_template_yaml", "tests/test_multispa_utils.py")
GROUP = "multispa_all"
ABOUT = {
    "multispa": "26 subtasks about one or two images",
    "multispa_frames": "14 subtasks about three to eight frames",
}
UNREADABLE = "I cannot tell from these images."


def lmms_eval_files(benchmarks: Mapping[str, Path], hub: str) -> dict[str, str]:
    """The files by their path in a checkout; `hub` is what stands before the names of the data sets
    on the Hub, or a folder that holds them."""
    sets = {name: f"{hub.rstrip('/')}/{name}" for name in benchmarks}
    table = [f"| `{name}` | {ABOUT[name]} |" for name in sets]
    groups = {}
    if len(sets) > 1:
        groups[f"{GROUP}.yaml"] = "\n".join(
            [f"group: {GROUP}", "task:", *(f"- {x}" for x in sets), ""]
        )
        table.append(f"| `{GROUP}` | both |")
    readme = _read("README.md").replace("DATASETS", listed(sets.values()))
    texts = {
        **{name: _read(name) for name in COPIED},
        **{f"{name}.yaml": task_yaml(BENCHMARKS[name], path) for name, path in sets.items()},
        **groups,
        **{f"scorer/{name}": text for name, text in scorer_files().items()},
        "__init__.py": "",
        "README.md": readme.replace("TABLE", "\n".join(table)).replace("TASKS", ",".join(sets)),
        "tests/cases.json": json.dumps(list(cases(benchmarks)), indent=1, ensure_ascii=False)
        + "\n",
    }
    request = _read("PULL_REQUEST.md").replace("DATASETS", listed(sets.values()))
    made = {str(TASK / name): text for name, text in texts.items()}
    return made | {"MULTISPA_PULL_REQUEST.md": request}


def task_yaml(benchmark: Benchmark, dataset: str) -> str:
    """The task of a benchmark: its data set and a metric for the mean and for each row."""
    lines = ["include: _default_template_yaml", f"task: {benchmark.name}"]
    lines += [f"dataset_path: {json.dumps(dataset)}", "metric_list:"]  # JSON text is YAML, too
    functions = {f"{benchmark.name}_mean": "multispa_mean"}
    functions |= {metric_name(row): "multispa_row" for row in benchmark.rows}
    for name, function in functions.items():
        lines += [f"  - metric: {name}", f"    aggregation: !function utils.{function}"]
        lines += ["    higher_is_better: true"]
    return "\n".join([*lines, ""])


def cases(benchmarks: Mapping[str, Path]) -> Iterator[dict[str, Any]]:
    """The first question of each subtask as the data set has it, and the engine's verdicts on its
    answer, on that to the next question, and on none."""
    for path in benchmarks.values():
        by_task: dict[str, list[dict[str, Any]]] = {}
        for record in read_uniform(path):
            by_task.setdefault(record["task"], []).append(record)
        for first, *others in by_task.values():
            said = [f"`{answer_of(record)}`" for record in (first, *others[:1])]
            yield {
                "doc": _document(first),
                "said": [
                    {"text": text, "correct": score_record(first, text).correct}
                    for text in (*said, UNREADABLE)
                ],
            }


def _document(record: Mapping[str, Any]) -> dict[str, Any]:
    """A question as export_hub.py writes it, but for its pictures."""
    names = ("id", "task", "gt_value", "gt_unit", "extra", "width_list", "height_list")
    return {"question": record["text"], **{name: record[name] for name in names}}


def _read(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")
