"""Finished scenes: what their folders say of themselves, and whether they are still good.

A finished folder holds a mark, `DONE_FILE`: what decided the work, what it gave, and how many files
and bytes the folder held then. A folder without a mark that can be read is not finished.

Where they are the output, they lie beside each other under their ids. The parts of an output, and
what steps keep for themselves, lie in `SHARDS` folders between, as a network file system is slow
with ten thousand entries in one (`folder_of`).

A scene of a table has no folder. What it gave is told in the provenance of the table: `by_scene`
has records by scene, drops and notes by reason and scene; what is 0 is left out.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from spatial_engine.utils.running import staleness
from spatial_engine.utils.storage import files, provenance
from spatial_engine.utils.storage.looks import Looks, state_of
from spatial_engine.utils.storage.provenance import Origin, digest

DONE_FILE = ".done.json"
_BY_SCENE = "by_scene"
_GROUPS = ("drops", "notes")
SHARDS = 256  # each named by two hexadecimal digits
_FINISHED, _MAKER = "finished", "maker"  # what `Looks` know


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


def folder_of(folder: Path, scene_id: str) -> Path:
    """Where a finished scene is in the folder of all scenes."""
    if not _has_shards(folder):
        return folder / scene_id
    number = hashlib.sha256(scene_id.encode()).digest()[0] % SHARDS
    return folder / f"{number:02x}" / scene_id


def names_in(folder: Path) -> list[str]:
    """What is in a folder of all scenes under their ids, sorted: scenes, and what else there is."""
    if not _has_shards(folder):
        return sorted(os.listdir(folder))
    shards = (folder / f"{number:02x}" for number in range(SHARDS))
    return sorted(name for shard in shards if shard.is_dir() for name in os.listdir(shard))


def _has_shards(folder: Path) -> bool:
    return folder.suffix in (files.PARTS_SUFFIX, files.CACHE_SUFFIX)


def read_finished(folder: Path) -> dict[str, FinishedScene]:
    """Every finished scene in a folder that is an output, whatever its origin, sorted."""
    found = {path.name: read_done(path) for path in sorted(folder.iterdir())}
    return {name: done for name, done in found.items() if done is not None}


def makers(folder: Path) -> dict[str, tuple[str, str]]:
    """Of every finished scene in a folder that is an output, sorted: key of its origin, and digest
    of the step and its settings."""

    def look(name: str) -> tuple[list[str], int]:
        if (done := read_done(folder / name)) is None:
            return [], 0
        made_by = provenance.digest([done.origin.step, done.origin.settings])
        return [done.origin.key, made_by], 0

    looks, found = Looks.of(folder), {}
    for name in sorted(os.listdir(folder)):
        marks = [folder / name / DONE_FILE]
        if told := looks.at(name, _MAKER, marks, partial(look, name)):
            found[name] = (told[0], told[1])
    return found


def find_finished(
    folder: Path, scene_id: str, origin: Origin, look: bool = True
) -> FinishedScene | str:
    """A scene that is finished and still good, after a look at its files (`Looks`) or by its mark
    alone; else why it is done again, empty for one that was never finished."""
    part_dir = folder_of(folder, scene_id)
    if not look or folder.suffix == files.PARTS_SUFFIX:  # which is soon gone
        return _find_finished(part_dir, origin, look)
    looks, state = Looks.of(folder), state_of([part_dir])
    told = looks.recall(scene_id, _FINISHED, state)
    if told and told["key"] == origin.key:
        return FinishedScene(
            origin, PartResult(**told["result"]), told["contents"], told["accepted"]
        )
    found = _find_finished(part_dir, origin, look)
    if isinstance(found, FinishedScene):
        told = {"key": origin.key, "result": asdict(found.result)}
        told |= {"contents": found.contents, "accepted": found.accepted}
        num_files = sum(count for count, _ in found.contents.values())
        looks.note(scene_id, _FINISHED, state, told, num_files)
    return found


def _find_finished(part_dir: Path, origin: Origin, look: bool) -> FinishedScene | str:
    done = read_done(part_dir)
    if done is None:
        return staleness.DAMAGED if (part_dir / DONE_FILE).exists() else ""
    changed = staleness.compare(done.origin, origin)
    is_lost = look and not changed.others and files.has_lost(part_dir, done.contents)
    return changed.why_again(not is_lost) or done


def accept(folder: Path, scene_id: str, origin: Origin) -> str:
    """Note of a scene that other code finished, with the constants and inputs of now, that it is
    accepted: from now on it is good. Returns what has changed, in words, or nothing where it is not
    such a scene. The caller holds the folder of all scenes."""
    part_dir = folder_of(folder, scene_id)
    if (done := read_done(part_dir)) is None:
        return ""
    changed = staleness.compare(done.origin, origin)
    if not changed.of_code_alone or files.has_lost(part_dir, done.contents):
        return ""
    accepted = {**changed.code, **done.accepted}
    partial = folder / f"{scene_id}{DONE_FILE}{files.PARTIAL_SUFFIX}"
    write_done(partial, replace(done, origin=origin, accepted=accepted))
    files.put_in_place(partial, part_dir / DONE_FILE)
    return changed.of_code


def write_done(path: Path, done: FinishedScene) -> None:
    told = {**vars(done), "origin": done.origin.as_told, "result": vars(done.result)}
    path.write_text(json.dumps(told), encoding="utf-8")  # not `asdict`, which copies all settings


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


# ---- in the provenance of an output that scenes are taken over from ----


def by_scene(name: str, results: Mapping[str, PartResult]) -> dict[str, Any]:
    """What provenance tells of an output, by the results of all scenes in it."""
    told: dict[str, Any] = {"records": {}, **{group: {} for group in _GROUPS}}
    for scene, result in results.items():
        if count := result.counts.get(name):
            told["records"][scene] = count
        for group in _GROUPS:
            for reason, number in getattr(result, group).get(name, {}).items():
                if number:
                    told[group].setdefault(reason, {})[scene] = number
    return {_BY_SCENE: told}


def told_by(name: str, meta: Mapping[str, Any], now: Origin) -> dict[str, FinishedScene]:
    """The scenes of an output, by its provenance, that did not fail and were made from their inputs
    of now. Empty where that does not tell, or is damaged."""
    try:
        before, told = meta["inputs"], meta[_BY_SCENE]
        failed, damaged = meta["failed_scenes"].keys(), meta["damaged_scenes"]
        whole, alone = meta.get("accepted", {}), meta["accepted_scenes"]
        found = {
            scene: FinishedScene(
                now,
                PartResult(damaged=[str(line) for line in damaged.get(scene, ())]),
                accepted={**whole, **alone.get(scene, {})},
            )
            for scene in (now.inputs.keys() & before.keys()) - failed
            if digest(before[scene]) == digest(now.inputs[scene])
        }
        for scene in told["records"].keys() & found.keys():
            found[scene].result.counts[name] = _whole(told["records"][scene])
        for group in _GROUPS:
            for reason, numbers in told[group].items():
                for scene in numbers.keys() & found.keys():
                    of_output = getattr(found[scene].result, group).setdefault(name, {})
                    of_output[reason] = _whole(numbers[scene])
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}
    return found


def together(outputs: Sequence[FinishedScene]) -> FinishedScene:
    """A scene by what several outputs hold of it."""
    result = PartResult(damaged=outputs[0].result.damaged)
    accepted: dict[str, str] = {}
    for done in outputs:
        result.counts |= done.result.counts
        result.drops |= done.result.drops
        result.notes |= done.result.notes
        accepted |= done.accepted
    return FinishedScene(outputs[0].origin, result, accepted=accepted)


def _whole(number: Any) -> int:
    if type(number) is not int:
        raise TypeError
    return number
