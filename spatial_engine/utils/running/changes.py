"""Why finished work is done again: what decided it then, compared with what decides it now.

Keys (see `provenance`) tell that something has changed; this tells a person what.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import spatial_engine
from spatial_engine.errors import as_line
from spatial_engine.utils.running.engine_code import SETTING
from spatial_engine.utils.running.provenance import digest

OVERWRITE = "--overwrite"
LOST = "files changed or gone"
DAMAGED = "its status file is damaged"
UNKNOWN = "unknown"  # version that finished something, where that was not written down


def reasons(
    version: str,
    settings: Mapping[str, Any],
    settings_now: Mapping[str, Any],
    inputs: Any,
    inputs_now: Any,
) -> list[str]:
    """What has changed since: version or code of the engine, constants, inputs; empty when nothing
    has.

    Named inputs (dictionaries of scenes or files) are reported by name. The earlier state is read
    from files, which may be damaged or from elsewhere.
    """
    found = []
    names = {name for names in _compare(settings, settings_now) for name in names}
    if version not in (UNKNOWN, spatial_engine.__version__):
        found.append(f"made by version {version}, this is {spatial_engine.__version__}")
    elif SETTING in names:
        code = (_mapping(each.get(SETTING)) for each in (settings, settings_now))
        edited = sorted({name for names in _compare(*code) for name in names})
        found.append(f"code changed ({_some(edited)})" if edited else "code changed")
    if names := sorted(names - {SETTING}):
        found.append(f"constants changed ({', '.join(names)})")
    if not (isinstance(inputs, Mapping) and isinstance(inputs_now, Mapping)):
        found += ["inputs changed"] if digest(inputs) != digest(inputs_now) else []
        return [as_line(text) for text in found]
    texts = ("inputs changed of {}", "{} added", "{} left out")
    for text, names in zip(texts, _compare(inputs, inputs_now), strict=True):
        if names:
            found.append(text.format(_some(names)))
    return [as_line(text) for text in found]


def reasons_by_meta(
    meta: Mapping[str, Any], key: str, settings: Mapping[str, Any], inputs: Any, common: Any = None
) -> str:
    """Why the output that `meta` describes is made again: one line, empty without `meta`.

    `key`, `settings`, `inputs` and `common` inputs are those of now.
    """
    if not meta:
        return ""
    version = _mapping(meta.get("versions")).get("spatial_engine", UNKNOWN)
    before = _mapping(meta.get("settings"))
    found = reasons(version, before, settings, meta.get("inputs"), inputs)
    if digest(meta.get("common_inputs")) != digest(common):
        found.append("shared inputs changed")
    if failed := _mapping(meta.get("failed_scenes")):
        found.append(f"{_some(sorted(failed))} failed before")
    if not found:
        same = meta.get("key") == key
        found.append(LOST if same else "the set of outputs changed")
    return as_line(f"made again: {'; '.join(found)}")


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


def _some(names: Iterable[str]) -> str:
    """The first name, and how many more there are."""
    first, *rest = names
    return f"{first} and {len(rest)} more" if rest else first


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
