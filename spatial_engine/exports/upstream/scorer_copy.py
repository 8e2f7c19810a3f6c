"""The scorer as a package of the standard library alone, for repositories that take no other.

Its modules are the engine's own: those that read answers and scoring.py are copied whole, but for
what they import; of the modules on tasks and records only what these use. So there is one scorer,
and a copy is made again when it changes.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path
from types import ModuleType

from spatial_engine.errors import BadDataError
from spatial_engine.evaluation import answer_reading, scoring
from spatial_engine.exports.upstream import rows
from spatial_engine.utils.questions import plain_record, record_fields, tasks
from spatial_engine.utils.questions.tasks import BENCHMARKS, TASKS, Task

ABOUT = '''\
"""How an answer of a model to a MultiSPA question is read and scored.

`scoring.score_record(record, prediction)` tells whether a prediction is right. The package is a
copy of the scorer of the spatial data engine (what comments cite is there), and needs Python 3.10
or newer and the standard library. Make it again rather than edit it.
"""
'''
FUTURE = "from __future__ import annotations\n"
RECORD = '''"""A question's record: its values as text, and back from JSON text."""\n\n''' + FUTURE
RECORD += """
import json
import re
from collections.abc import Mapping
from typing import Any

"""
RECORD_PARTS = (
    "Value", "_IMAGE_MARKS", "format_value", "answer_of", "without_image_marks", "is_uniform",
    "from_uniform",
)  # fmt: skip
PARSE_JSON = "parse_json = json.loads\n"
FIELDS = '''"""What the coordinates of a record are parts of."""\n\n''' + FUTURE
FIELDS += """
from collections.abc import Mapping
from typing import Any

"""
FIELD_PARTS = ("Record", "MAX_COORDINATE", "PIXELS", "extent_of")
TABLE = '''"""The tasks of the benchmarks: what answers each, and the rows that they make."""\n\n'''
TABLE += (
    FUTURE
    + '''
from dataclasses import dataclass

{forms}

@dataclass(frozen=True)
class Task:
    """What answers the questions of one task; `options` are the words or letters that can."""

    name: str
    answer: str
    unit: str
    bare: str
    options: tuple[str, ...]
    of_frames: bool

{properties}

TASKS = {{
{tasks}
}}

# The rows of each benchmark with their tasks.
ROWS = {rows}


{metric_name}'''
)


def scorer_files() -> dict[str, str]:
    """The modules of the package: texts by file name.

    Raises `BadDataError` where a module that is copied imports what has no copy.
    """
    reading = sorted(Path(answer_reading.__file__).parent.glob("[!_]*.py"))
    whole = [*reading, Path(scoring.__file__), Path(rows.__file__)]
    files = {
        "__init__.py": ABOUT,
        "plain_record.py": RECORD + PARSE_JSON + _parts(plain_record, RECORD_PARTS),
        "record_fields.py": FIELDS + _parts(record_fields, FIELD_PARTS),
        "tasks.py": _tasks(),
    }
    copied = {path.name: path.read_text(encoding="utf-8") for path in whole}
    names = {Path(name).stem for name in (*files, *copied)}
    return files | {name: _within(name, text, names) for name, text in sorted(copied.items())}


def _within(name: str, text: str, names: set[str]) -> str:
    """A module's text, importing from beside it what it imports from the engine."""
    text = re.sub(
        r"(?m)^from spatial_engine\.[\w.]+\.answer_reading import ", "from . import ", text
    )
    text = re.sub(r"(?m)^from spatial_engine\.[\w.]+\.(\w+) import ", r"from .\1 import ", text)
    needed = set(re.findall(r"(?m)^from \.(\w+) import", text))
    if "spatial_engine" in text or not needed <= names:
        raise BadDataError(f"{name}: imports what has no copy; name it in scorer_copy.py")
    return text


def _parts(module: ModuleType, wanted: tuple[str, ...]) -> str:
    """Definitions of a module, as they stand in it and in their order."""
    text = inspect.getsource(module)
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = f"\n\n{ast.get_source_segment(text, node)}\n"
        elif isinstance(node, ast.Assign):
            for name in (one.id for one in ast.walk(node.targets[0]) if isinstance(one, ast.Name)):
                found[name] = f"{ast.get_source_segment(text, node)}\n"
    return "".join(part for name, part in found.items() if name in wanted)


def _tasks() -> str:
    properties = (Task.num_numbers, Task.form)
    listed = [
        f"    {name!r}: Task({name!r}, {task.answer!r}, {task.unit!r}, {task.bare!r}, "
        f"{task.options!r}, {task.of_frames}),".replace("'", '"')
        for name, task in TASKS.items()
    ]
    rows_of = {name: benchmark.rows for name, benchmark in BENCHMARKS.items()}
    return TABLE.format(
        forms=_parts(tasks, ("WORD", "_NUMBERS")),
        properties="\n".join(inspect.getsource(one.fget) for one in properties),
        tasks="\n".join(listed),
        rows=json.dumps(rows_of, indent=4),
        metric_name=_parts(tasks, ("metric_name",)).lstrip(),
    )
