"""`inputs_check.json`: what the input check found about scenes and clips, and leaving them out.

    {"scenes": {ID: {"input": DIGEST, "figures": {NAME: NUMBER}, "suspects": [{"fault", "figure",
    "limit", "unit", "reason"}]}}, "clips": {ID: ...}}

`checks/check_inputs.py` writes it. Scripts with `--exclude-suspect`, and the report page, read it.
`input` is a digest of what was checked: an entry about other poses or points says nothing.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.paths import inputs_check_path
from spatial_engine.utils.storage import files, os_errors
from spatial_engine.utils.storage.input_files import missing

REMEDY = "run spatial_engine/checks/check_inputs.py"
GROUPS = ("scenes", "clips")
NOT_CHECKED = f"not in inputs_check.json ({REMEDY})"
CHANGED = f"changed since the input check ({REMEDY})"
UNCHECKED = (NOT_CHECKED, CHANGED)


@dataclass(frozen=True)
class Suspect:
    """A fault that a scene or clip seems to have.

    fault: its short name; figure, limit, unit: what was measured, and from where on it is suspect;
    reason: what speaks for this fault, and what to do, one line.
    """

    fault: str
    figure: float
    limit: float
    unit: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """What was found about a scene or clip. A figure that is not known is None; `input` is the
    digest of what was looked at."""

    figures: Mapping[str, float | None]
    suspects: tuple[Suspect, ...]
    input: str = ""

    def as_json(self) -> dict[str, Any]:
        """Plain data, rounded to six digits."""
        suspects = [{key: _plain(v) for key, v in asdict(s).items()} for s in self.suspects]
        figures = {key: _plain(v) for key, v in self.figures.items()}
        return {"input": self.input, "figures": figures, "suspects": suspects}

    @classmethod
    def of_json(cls, told: Any) -> Checked:
        """The same from plain data; raises `ValueError` for anything else."""
        try:
            suspects = tuple(Suspect(**suspect) for suspect in told["suspects"])
            numbers = [number for s in suspects for number in (s.figure, s.limit)]
            texts = [text for s in suspects for text in (s.fault, s.unit, s.reason)]
            texts.append(told["input"])
            sound = all(isinstance(text, str) for text in texts)
            sound &= all(isinstance(number, (int, float)) for number in numbers)
            if not (sound and isinstance(told["figures"], dict)):
                raise ValueError("an entry of another type")
        except (TypeError, KeyError) as error:
            raise ValueError(str(error)) from None
        return cls(told["figures"], suspects, told["input"])


def write(report: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """Write the report; its entries as `Checked.as_json` gives them."""
    files.dump_json({group: dict(report.get(group, {})) for group in GROUPS}, path)


def read(root: Path) -> dict[str, dict[str, Checked]]:
    """The report of a root: by group and id. Raises `MissingInputError` where there is none, and
    `BadDataError` where it is no such report."""
    path = inputs_check_path(root)
    try:
        with os_errors.naming(path):
            told = json.loads(path.read_text(encoding="utf-8"))
        return {g: {i: Checked.of_json(one) for i, one in told[g].items()} for g in GROUPS}
    except FileNotFoundError:
        raise MissingInputError(missing(path, REMEDY)) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadDataError(f"{path}: not a report of inputs ({error}); {REMEDY}") from None


def left_out(
    options: argparse.Namespace, group: str, ids: Iterable[str], input_of: Callable[[str], str]
) -> dict[str, str]:
    """Why scenes or clips are left out, by id: those that are suspect, were not checked or are not
    what was checked, with `--exclude-suspect`; none without it.

    `input_of(id)` is the digest of what there is now; where it raises `BadDataError`, the step
    that reads the scene names it.
    """
    if not options.exclude_suspect:
        return {}
    checked = read(options.root)[group]
    whys = {}
    for one in ids:
        if one not in checked:
            whys[one] = NOT_CHECKED
            continue
        with suppress(BadDataError):
            if input_of(one) != checked[one].input:
                whys[one] = CHANGED
            elif suspects := checked[one].suspects:
                whys[one] = f"suspect: {suspects[0].fault} (see inputs_check.json)"
    return whys


def _plain(value: Any) -> Any:
    """A number that JSON has, or a text."""
    if isinstance(value, str) or value is None:
        return value
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value.is_integer() else float(f"{value:.6g}")
