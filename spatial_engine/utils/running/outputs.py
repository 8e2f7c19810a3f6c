"""Finished outputs: what decides them, whether they are good, what may take their place.

An output is a file, with companions (files or folders, as of pictures) that are made with it. It is
good while it and they are whole and nothing of its origin has changed. Its provenance,
`<output>.meta.json`, tells of both (`Product`).

An input that is not there, as of a disk that is not mounted, takes nothing away. A finished output
is not replaced by one that lacks scenes which are still asked for, nor by one without records;
`--overwrite` allows both. What is broken is another matter: it is named, and left out (`Guard`).
"""

from __future__ import annotations

import argparse
import errno
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from spatial_engine.errors import MissingInputError, SettingsError, as_line
from spatial_engine.utils.running import finished_scenes, staleness
from spatial_engine.utils.running.closing_table import Tally, listed
from spatial_engine.utils.running.finished_scenes import FinishedScene
from spatial_engine.utils.running.scene_runner import BrokenInput, RunResult
from spatial_engine.utils.running.staleness import Changes
from spatial_engine.utils.storage import files, locks, provenance
from spatial_engine.utils.storage.provenance import Origin

_REMEDY = "see that all is there, or use --overwrite to go on without"


@dataclass(frozen=True)
class Outputs:
    """Files (name -> path) that a command asks for, and that are made together.

    companions: files or folders, as of pictures, that are made with them and are in their place
    before any of them is; inputs: of all, beside those of the scenes; parts_name: scenes are done
    in `<parts_name, or the name of the first file>.parts/`, beside the first file.
    """

    files: Mapping[str, Path]
    companions: Mapping[str, Path] = field(default_factory=dict)
    inputs: Any = None
    parts_name: str | None = None

    @property
    def parts_dir(self) -> Path:
        """Where the scenes are done."""
        first = next(iter(self.files.values()))
        return first.with_name(f"{self.parts_name or first.name}{files.PARTS_SUFFIX}")


@dataclass(frozen=True)
class Part:
    """What an output holds of a scene: a folder of finished work, or, where it is taken over from
    the finished output, files by name."""

    scene_id: str
    folder: Path | None
    finished: Mapping[str, Path]

    def source(self, name: str, file_name: str) -> tuple[Path, str]:
        """The table to copy the scene from, and its id: `file_name` in the folder, or the file
        `name` that is finished."""
        return self.folder / file_name if self.folder else self.finished[name], self.scene_id


# Joins the parts (in the order of the jobs) into the files (name -> temporary path): folders, or
# `Part` where an output takes scenes over. Returns records by output where it made them of
# something else than parts.
Assemble = Callable[[Sequence[Any], Mapping[str, Path]], Mapping[str, int] | None]


@dataclass(frozen=True)
class Product:
    """Outputs (name -> path) that are made together, and how; the inputs of their origin are by
    scene, or by file where there are no scenes. For the others see `Step.make`."""

    outputs: Mapping[str, Path]
    origin: Origin
    assemble: Assemble
    companions: Mapping[str, Path] = field(default_factory=dict)
    drops: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    wanted: Mapping[str, int] = field(default_factory=dict)
    takes_over: bool = False
    start: float = field(default_factory=time.perf_counter)

    @property
    def first(self) -> Path:
        """The output beside which it is made."""
        return next(iter(self.outputs.values()))

    def whys(self) -> dict[str, str | None]:
        """By output why it is made that was made before, in one line; empty for one that was not,
        None for one that is good."""
        return {name: self._why(output) for name, output in self.outputs.items()}

    def _why(self, output: Path) -> str | None:
        meta = provenance.read_meta(output)
        if not meta:
            return ""
        changed = staleness.compare(Origin.told_by(meta), self.origin)
        words = [why] if (why := changed.why_again(self._is_whole(output, meta))) else []
        if isinstance(failed := meta.get("failed_scenes"), dict) and failed:
            words.append(f"{staleness.some(sorted(failed))} failed before")
        return as_line(f"made again: {'; '.join(words)}") if words else None

    def held(self) -> dict[str, FinishedScene]:
        """The scenes that the finished files hold as they would be made now: the files are whole,
        and nothing but inputs of other scenes has changed."""
        told: list[dict[str, FinishedScene]] = []
        for name, output in self.outputs.items() if self.takes_over else ():
            meta = provenance.read_meta(output)
            origins = (Origin.told_by(meta), self.origin)
            before, now = (replace(origin, inputs={}).key for origin in origins)
            if before != now or not self._is_whole(output, meta):
                return {}
            told.append(finished_scenes.told_by(name, meta, self.origin))
        held = set.intersection(*map(set, told)) if told else set()
        return {scene: finished_scenes.together([one[scene] for one in told]) for scene in held}

    def parts(self, run: RunResult) -> list[Path] | list[Part]:
        """What `assemble` gets."""
        if not self.takes_over:
            return list(run.parts.values())
        files_by_name = {**self.companions, **self.outputs}
        return [Part(scene, run.parts.get(scene), files_by_name) for scene in run.results]

    def accept(self) -> list[str]:
        """Note of outputs that other code made of the constants and inputs of now that they are
        accepted: from now on they are good. None is where another output is to be made all the
        same. Returns a line for each, that says what has changed."""
        stale = [self.outputs[name] for name, why in self.whys().items() if why is not None]
        changed = {output: self._acceptable(output) for output in stale}
        if not all(changed.values()):
            return []
        for output, what in changed.items():
            provenance.accept(output, self.origin, what.code)
        return [f"{output.name}, {what.of_code}" for output, what in changed.items()]

    def _acceptable(self, output: Path) -> Changes | None:
        meta = provenance.read_meta(output)
        changed = staleness.compare(Origin.told_by(meta), self.origin)
        is_whole = self._is_whole(output, meta) and not meta.get("failed_scenes")
        return changed if changed.of_code_alone and is_whole else None

    def _is_whole(self, output: Path, meta: Mapping[str, Any]) -> bool:
        """Whether an output and its companions are as they were when it was made: of a folder,
        that it has lost nothing since."""
        if not provenance.has_companions(meta, self.companions):
            return False
        told = {"records", "drops", "notes"} <= meta.keys()
        return told and output.is_file() and meta.get("bytes") == output.stat().st_size

    def tally(self, name: str, run: RunResult, counted: Mapping[str, int] | None) -> Tally:
        """What an output holds, by the parts or as `assemble` has counted."""
        if counted is not None:
            return Tally(counted[name], {}, {})
        tally = Tally.of(name, run.results.values(), self.drops.get(name))
        return tally.limited_to(self.wanted.get(name, -1))

    def facts(self, name: str, run: RunResult, partial: Mapping[str, Path]) -> dict[str, Any]:
        """What else there is to tell of a new output: the scenes of which it holds records, what
        its companions hold, scenes that were accepted."""
        scenes = list(self.origin.inputs)
        if run.results:
            scenes = [scene for scene, part in run.results.items() if part.counts.get(name)]
        companions = {n: provenance.contents_of(partial[n]) for n in self.companions}
        told = {"scenes": scenes, "companions": companions, "accepted_scenes": run.accepted}
        return told | (finished_scenes.by_scene(name, run.results) if self.takes_over else {})

    def put_in_place(self, folder: Path) -> None:
        """Let new files, and what is told of them, take the place of the old ones.

        From the moment that all are whole, the next start goes on with it, whenever this is killed
        (`finish`): scenes that were taken over are in no other place.
        """
        for target in (*self.companions.values(), *self.outputs.values()):
            if target.is_dir() and not (folder / target.name).is_dir():
                # It is somebody's: it stays, and so does all else.
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        for path in folder.iterdir():
            if path.is_file():
                files.sync_file(path)
        (folder / files.READY).touch()
        self._move(folder)
        (folder / files.READY).unlink()

    def finish(self) -> None:
        """Put new files in their places where a run was killed while it did so."""
        folder = files.staging_folder(self.first)
        if (folder / files.READY).exists():
            with locks.locked(folder):
                self._move(folder)
                files.remove(folder)

    def _move(self, folder: Path) -> None:
        """Move what is still in the folder. There is no record without its picture at any moment,
        and no word of a file that is not there any more."""
        told = {out: provenance.meta_path(folder / out.name) for out in self.outputs.values()}
        provenance.forget(output for output, meta in told.items() if meta.exists())
        if self.companions:
            for output in self.outputs.values():
                if (folder / output.name).exists():
                    output.unlink(missing_ok=True)
        metas = {meta: provenance.meta_path(output) for output, meta in told.items()}
        places = [*self.companions.values(), *self.outputs.values()]
        for partial, target in {**{folder / p.name: p for p in places}, **metas}.items():
            if partial.exists():
                if partial.is_dir():
                    files.remove(target)
                files.put_in_place(partial, target, sync=False)


def scenes_of(output: Path) -> set[str]:
    """The scenes that a finished output holds records of; empty where that is not told."""
    scenes = provenance.read_meta(output).get("scenes") if output.exists() else None
    return {s for s in scenes if isinstance(s, str)} if isinstance(scenes, list) else set()


def num_records(output: Path) -> int:
    """Records of a finished file; where that is not told, its bytes."""
    if not output.is_file():
        return 0
    told = provenance.read_meta(output).get("records")
    return told if type(told) is int else output.stat().st_size


class Guard:
    """Keeps finished outputs from what a run of a command without `--overwrite` may not do to them.

    `absent` tells by scene that is asked for what of its input is not there; `unlisted`, which list
    of scenes is not there any more.
    """

    def __init__(self, options: argparse.Namespace):
        self.is_off = options.overwrite
        self.is_trial = bool(options.scenes) or len(getattr(options, "splits", "both")) < 2
        self.absent: dict[str, str] = {}
        self.unlisted = ""

    def refuse_to_lose(self, outputs: Iterable[Path], scenes: Iterable[str]) -> None:
        """Raise `MissingInputError` where an output, made from these scenes, would lose others
        because something is not there. A scene that is taken off its list may go."""
        for output in outputs if not self.is_off else ():
            lost = sorted(scenes_of(output) - set(scenes))
            gone = lost if self.unlisted else [scene for scene in lost if scene in self.absent]
            if gone:
                raise MissingInputError(
                    f"{output}: would lose {len(gone)} scenes, {gone[0]} first: "
                    f"{self.unlisted or self.absent[gone[0]]}; {_REMEDY}"
                )

    def refuse_to_shrink(self, outputs: Iterable[Path], scenes: Iterable[str]) -> None:
        """A trial with --scenes must not replace the work of hours."""
        for output in outputs if self.is_trial and not self.is_off else ():
            if lost := scenes_of(output) - set(scenes):
                raise SettingsError(
                    f"{output}: holds {len(lost)} scenes that this run leaves out; "
                    "use another --root for a trial, or --overwrite"
                )

    def why_they_stay(
        self,
        outputs: Mapping[str, Path],
        tallies: Mapping[str, Tally],
        failures: Mapping[str, str],
    ) -> list[str]:
        """Why finished outputs are not replaced by new ones with these tallies, a line each; empty
        where they are. Scenes that failed and are not broken may do better the next time."""
        passing = {scene for scene, why in failures.items() if not isinstance(why, BrokenInput)}
        whys = []
        for name, output in outputs.items() if not self.is_off else ():
            lost, tally = scenes_of(output) & passing, tallies[name]
            if lost:
                whys.append(
                    f"{output}: left as it was, it holds {len(lost)} scenes that failed now "
                    f"({min(lost)} first); {_REMEDY}"
                )
            elif not tally.records and num_records(output):
                whys.append(
                    f"{output}: left as it was, there are no records for it now "
                    f"({listed(tally.drops) or 'no input'}); use --overwrite to replace it"
                )
        return whys
