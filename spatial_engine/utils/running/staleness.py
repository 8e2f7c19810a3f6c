"""What has changed since a piece of work was finished: the one test whether it is still good.

Work is good while nothing of its `Origin` has changed. What has, is told to a person in words.
Where that is code alone, `--accept-finished` takes the work as it is (`Changes.of_code_alone`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatial_engine.errors import as_line
from spatial_engine.utils.storage.engine_code import SETTING
from spatial_engine.utils.storage.provenance import Origin, digest

OVERWRITE = "--overwrite"
ACCEPT = "--accept-finished"
LOST = "files changed or gone"
DAMAGED = "its status file is damaged"
VERSION = "version"  # of the engine, among what has changed of the code


@dataclass(frozen=True)
class Changes:
    """What is not as it was: by module of the engine (and `VERSION`) what it was then, empty for a
    module that is new; and all else, in words."""

    code: dict[str, str] = field(default_factory=dict)
    others: list[str] = field(default_factory=list)
    version: str = ""  # of now

    @property
    def of_code_alone(self) -> bool:
        """Whether constants and inputs are the same, and the code is not."""
        return bool(self.code) and not self.others

    @property
    def of_code(self) -> str:
        """What has changed of the code, in words."""
        if VERSION in self.code:
            return f"made by version {self.code[VERSION]}, this is {self.version}"
        return f"code changed ({', '.join(sorted(self.code))})" if self.code else ""

    def why_again(self, is_whole: bool) -> str:
        """Why work is done again, in one line: what has changed, or that files are lost; and the
        flag that helps, where it does. Empty for work that is good."""
        words = [*filter(None, [self.of_code]), *self.others]
        if not is_whole and not self.others:
            words.append(LOST)
        elif self.of_code_alone:
            words.append(f"{ACCEPT} keeps it")
        return as_line("; ".join(words))


def compare(before: Origin, now: Origin) -> Changes:
    """What has changed. `before` is read from files, which may be damaged or a stranger's.

    Inputs that have names (scenes or files) are told by name.
    """
    if before.key == now.key:
        return Changes()
    code = _changed_code(before, now)
    others = [] if before.step == now.step else [f"made by {before.step} for {now.step}"]
    names = {name for names in _compare(before.settings, now.settings) for name in names}
    if names := sorted(names - {SETTING}):
        others.append(f"constants changed ({', '.join(names)})")
    if isinstance(before.inputs, Mapping) and isinstance(now.inputs, Mapping):
        texts = ("inputs changed of {}", "{} added", "{} left out")
        for text, names in zip(texts, _compare(before.inputs, now.inputs), strict=True):
            others += [text.format(some(names))] if names else []
    elif digest(before.inputs) != digest(now.inputs):
        others.append("inputs changed")
    others += [f"{name} changed" for names in _compare(before.common, now.common) for name in names]
    return Changes(code, others, now.version)


def _changed_code(before: Origin, now: Origin) -> dict[str, str]:
    then, new = (_mapping(origin.settings.get(SETTING)) for origin in (before, now))
    names = sorted(name for names in _compare(then, new) for name in names)
    code = {name: str(then.get(name, "")) for name in names}
    return code if before.version == now.version else {VERSION: before.version, **code}


def by_reason(redone: Mapping[str, str]) -> str:
    """Number of scenes made again, by reason, in one line: `3 scenes done again: ...`."""
    counts = Counter(redone.values())
    return "; ".join(
        f"{number} scene{'s' if number > 1 else ''} done again: {reason}"
        for reason, number in sorted(counts.items())
    )


def _compare(
    before: Mapping[str, Any], now: Mapping[str, Any]
) -> tuple[list[str], list[str], list[str]]:
    """Names whose values differ, names that are new, names that are gone."""
    changed = [n for n in now if n in before and digest(before[n]) != digest(now[n])]
    return changed, [n for n in now if n not in before], [n for n in before if n not in now]


def some(names: Iterable[str]) -> str:
    """The first name, and how many more there are."""
    first, *rest = names
    return f"{first} and {len(rest)} more" if rest else first


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
