"""Finished scenes: what their folders say of themselves, and whether they are still good.

A finished folder holds a mark, `DONE_FILE`: what decided the work, what it gave, and how many files
and bytes the folder held then. A folder without a mark that can be read is not finished.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from spatial_engine.utils.running import changes, files
from spatial_engine.utils.running.provenance import Origin

DONE_FILE = ".done.json"


@dataclass
class PartResult:
    """What a scene gave, by output name: records written, what was left out for which reason, and
    what else was counted.

    `damaged` has a line (file, cause, remedy) for each part of the input that is broken and was
    left out while the rest went on: the command names them and ends with exit code 1.
    """

    counts: dict[str, int] = field(default_factory=dict)
    drops: dict[str, dict[str, int]] = field(default_factory=dict)
    notes: dict[str, dict[str, int]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FinishedScene:
    """What stands in the `DONE_FILE` of a finished folder."""

    origin: Origin
    result: PartResult
    contents: dict[str, list[int]] = field(default_factory=dict)  # of the folder, see `files`
    # Modules of other code that made it, with their digests; it was accepted as it is.
    accepted: dict[str, str] = field(default_factory=dict)


def read_finished(parts_dir: Path) -> dict[str, FinishedScene]:
    """Every finished scene in a folder, whatever its origin, sorted."""
    found = {path.name: read_done(path) for path in sorted(parts_dir.iterdir())}
    return {name: done for name, done in found.items() if done is not None}


def find_finished(part_dir: Path, origin: Origin, look: bool = True) -> FinishedScene | str:
    """A scene that is finished and still good, after a look at its files or by its mark alone; else
    why it is done again, empty for one that was never finished."""
    done = read_done(part_dir)
    if done is None:
        return changes.DAMAGED if (part_dir / DONE_FILE).exists() else ""
    changed = changes.compare(done.origin, origin)
    is_lost = look and not changed.others and files.has_lost(part_dir, done.contents)
    return changed.why_again(not is_lost) or done


def accept(part_dir: Path, origin: Origin) -> str:
    """Note of a scene that other code finished, with the constants and inputs of now, that it is
    accepted: from now on it is good. Returns what has changed, in words, or nothing where it is not
    such a scene. The caller holds the folder of all scenes."""
    if (done := read_done(part_dir)) is None:
        return ""
    changed = changes.compare(done.origin, origin)
    if not changed.of_code_alone or files.has_lost(part_dir, done.contents):
        return ""
    accepted = {**changed.code, **done.accepted}
    partial = part_dir.with_name(f"{part_dir.name}{DONE_FILE}{files.PARTIAL_SUFFIX}")
    write_done(partial, replace(done, origin=origin, accepted=accepted))
    files.put_in_place(partial, part_dir / DONE_FILE)
    return changed.of_code


def write_done(path: Path, done: FinishedScene) -> None:
    path.write_text(json.dumps(asdict(done)), encoding="utf-8")


def read_done(part_dir: Path) -> FinishedScene | None:
    """What a finished folder says of itself; None for any other."""
    try:
        told = json.loads((part_dir / DONE_FILE).read_text(encoding="utf-8"))
        typed = {"origin": Origin(**told["origin"]), "result": PartResult(**told["result"])}
        done = FinishedScene(**{**told, **typed})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return done if _is_sound(done) else None


def _is_sound(done: FinishedScene) -> bool:
    """Whether all is of the type that it is used as: the file may be damaged, or a stranger's."""
    origin, result = done.origin, done.result
    try:
        groups = [result.counts, *result.drops.values(), *result.notes.values()]
        numbers = [number for group in groups for number in group.values()]
        numbers += [number for count, size in done.contents.values() for number in (count, size)]
        texts = [origin.step, origin.version, *result.warnings, *result.damaged]
        texts += done.accepted.values()
        return (
            all(type(number) is int for number in numbers)
            and all(isinstance(text, str) for text in texts)
            and all(isinstance(value, dict) for value in (origin.settings, origin.common))
        )
    except (AttributeError, TypeError, ValueError):
        return False
