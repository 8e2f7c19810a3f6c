"""One run of a command: makes outputs from scenes, remembers what happened, ends with a table.

`Step.make` is the way from jobs to whole files that every command shares: nothing to do when the
outputs are current, else scenes into `<output>.parts/`, parts into outputs, provenance beside
them, parts removed.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from spatial_engine.errors import EngineError, MissingInputError
from spatial_engine.utils.running import changes, engine_code, files, finished, provenance
from spatial_engine.utils.running.closing_table import ClosingTable, Row, Tally, listed
from spatial_engine.utils.running.input_files import missing
from spatial_engine.utils.running.scene_runner import (
    RunResult,
    SceneJob,
    Work,
    failure_of,
    is_done,
    job_key,
    read_finished,
    run_scenes,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

# Joins the parts (folders in the order of the jobs) into the outputs (name -> temporary path).
Assemble = Callable[[Sequence[Path], Mapping[str, Path]], None]


class Step:
    """Collects what a command did. `options` are its parsed flags, `settings` its constants;
    `module`, with all that it imports, is the code that decides its outputs (a `__file__`)."""

    def __init__(
        self, name: str, options: argparse.Namespace, settings: dict[str, Any], module: str
    ):
        self.name = name
        self.options = options
        self.settings = {**settings, engine_code.SETTING: engine_code.digests_of(module)}
        self.root: Path = options.root
        self.scheduler: str | None = getattr(options, "scheduler", None)
        self.table = ClosingTable(name)
        self._unready: dict[str, str] = {}  # scenes that failed before their job could be made
        self.guard = finished.Guard(options)

    def sharing(self, name: str, module: str) -> Step:
        """A sub-step shared with other commands. It has its own name and no settings, so that each
        command can use the work of the others. One table for both."""
        shared = Step(name, self.options, {}, module)
        shared.table = self.table
        return shared

    def close(self) -> int:
        """Print the closing table; return the exit code (SPEC 2)."""
        return self.table.close()

    def present_scenes(
        self, scenes: Sequence[str], is_there: Callable[[str], bool], what: str
    ) -> list[str]:
        """The scenes whose input is on disk; the others are counted, not a failure."""
        there = [scene for scene in scenes if is_there(scene)]
        self._count_absent(dict.fromkeys(sorted(set(scenes) - set(there)), what), what)
        return there

    def _count_absent(self, causes: Mapping[str, str], what: str) -> None:
        if causes:
            self.guard.absent |= causes
            self.table.absent[what] += len(causes)

    def present_inputs(
        self, names: Sequence[str], path_of: Callable[[str], Path], remedy: str
    ) -> list[str]:
        """The splits or data sets whose input file is there; the others are counted.

        Raises `MissingInputError` when none is.
        """
        there = [name for name in names if path_of(name).exists()]
        if not there:
            raise MissingInputError(missing(path_of(names[0]), remedy))
        for name in sorted(set(names) - set(there)):
            self.table.absent[f"{name}, no {path_of(name).name} ({remedy})"] += 1
        return there

    def ready(self, scenes: Iterable[str], prepare: Callable[[str], T]) -> dict[str, T]:
        """`prepare(scene)` by scene. A scene whose input is not there (`MissingInputError`) is
        counted; one whose input is broken fails in the next `make`."""
        prepared, absent = {}, {}
        for scene in scenes:
            try:
                prepared[scene] = prepare(scene)
            except MissingInputError as error:
                absent[scene] = str(error)
            except EngineError as error:
                self._unready[scene] = failure_of(error)
                log.error("%s failed: %s", scene, self._unready[scene])
        self._count_absent(absent, next(iter(absent.values()), ""))
        self.table.failures.update(self._unready)
        return prepared

    def make(
        self,
        outputs: Mapping[str, Path],
        jobs: Sequence[SceneJob],
        work: Work,
        assemble: Assemble,
        *,
        parts_name: str | None = None,
        inputs: Any = None,
        drops: Mapping[str, Mapping[str, int]] | None = None,
        companions: Mapping[str, Path] | None = None,
        wanted: Mapping[str, int] | None = None,
    ) -> None:
        """Bring `outputs` (name -> path) up to date with `jobs`.

        Parts live beside the first output, in `<parts_name or its name>.parts/`. `inputs` are
        inputs beside those of the jobs; `drops` are reasons counted before any scene was opened.
        `companions` (name -> file or folder, as of pictures) are made by `assemble` too and are in
        their place before any output is. Of more records than `wanted`, `assemble` takes so many
        (-1 = all). An output without a record is an error.

        Raises `MissingInputError` where a finished output holds scenes that are absent now.
        """
        start = time.perf_counter()
        drops, companions = drops or {}, companions or {}
        unready, self._unready = self._unready, {}
        asked = [*unready, *(job.scene_id for job in jobs)]
        self.guard.refuse_to_lose(outputs.values(), asked)
        if not jobs:
            self.table.empty += [
                f"{output}: no records ({listed(drops[name])})"
                for name, output in outputs.items()
                if any(drops.get(name, {}).values()) and not unready
            ]
            return
        keys = [job_key(self.name, self.settings, job) for job in jobs]
        key = provenance.work_key(self.name, self.settings, [list(outputs), keys, inputs])
        first = next(iter(outputs.values()))
        parts_dir = first.with_name(f"{parts_name or first.name}{files.PARTS_SUFFIX}")
        redo = self.options.overwrite or unready
        whole = finished.are_whole(companions, first)
        if not redo and whole and all(provenance.is_current(o, key) for o in outputs.values()):
            for name, output in outputs.items():
                self._add_current(name, start, output)
            files.remove_idle(parts_dir)  # where a run was killed just before it did so
            return
        inputs_by_scene = {job.scene_id: job.inputs for job in jobs}
        again = {
            name: self._why_again(output, key, inputs_by_scene, inputs)
            for name, output in outputs.items()
        }
        self.guard.refuse_to_shrink(outputs.values(), asked)
        with files.locked(parts_dir):
            ahead = self.unfinished(jobs, parts_dir)
            num_bytes = sum(job.num_bytes for job in ahead)
            files.check_disk(parts_dir, sum(job.num_files for job in ahead), num_bytes)
            run = self._run(work, jobs, parts_dir)
            run.failures.update(unready)
            tallies = {
                name: Tally.of(name, run.results.values(), drops.get(name)).limited_to(
                    (wanted or {}).get(name, -1)
                )
                for name in outputs
            }
            if not run.parts:
                return
            if whys := self.guard.why_they_stay(outputs, tallies, run.failures):
                self.table.empty += whys
                return
            # Whatever a killed run leaves half-written lies among the parts, and goes with them.
            targets = {**companions, **outputs}
            partial = {name: parts_dir / f"{name}{files.PARTIAL_SUFFIX}" for name in targets}
            with files.naming(first.parent):
                assemble(list(run.parts.values()), partial)
            provenance.forget(outputs.values())
            if companions:  # no record without its picture, whenever this is killed
                for output in outputs.values():
                    files.remove(output)
            for name, target in targets.items():
                target.parent.mkdir(parents=True, exist_ok=True)
                if name in companions:
                    files.remove(target)
                files.put_in_place(partial[name], target)
            # Without a key the next start tries again the scenes that failed.
            facts = {"key": "" if run.failures else key, "common_inputs": inputs}
            facts["inputs"] = inputs_by_scene
            facts["companions"] = {n: finished.contents_of(path) for n, path in companions.items()}
            for name, output in outputs.items():
                scenes = [scene for scene, part in run.results.items() if part.counts.get(name)]
                self._write_meta(output, run, tallies[name], {**facts, "scenes": scenes})
                remark = again[name] or changes.by_reason(run.redone)
                self._add_row(name, tallies[name], start, output, remark)
            if not run.failures:
                files.remove(parts_dir)

    def retire(self, outputs: Iterable[Path]) -> None:
        """Remove outputs that this command no longer makes, with their provenance; nothing
        where something failed, which may be why."""
        failed = self.table.failures or self.table.empty
        for output in sorted(() if failed else outputs):
            if provenance.read_meta(output).get("step") == self.name:
                log.info("%s: removed, there is nothing for it any more", output)
                provenance.forget([output])
                files.remove(output)

    def unfinished(self, jobs: Sequence[SceneJob], folder: Path) -> list[SceneJob]:
        """The jobs that `make_folders` would do."""
        if self.options.overwrite:
            return list(jobs)
        return [job for job in jobs if not is_done(folder, self.name, self.settings, job)]

    def make_folders(
        self, folder: Path, jobs: Sequence[SceneJob], work: Work, unit: str
    ) -> RunResult:
        """Bring `folder/<scene>/` up to date with `jobs`: the parts themselves are the output.

        Its provenance tells of all scenes in it, those that this run left alone too.
        """
        start = time.perf_counter()
        with files.locked(folder):
            run = self._run(work, jobs, folder)
            if run.parts:
                there = read_finished(folder)
                mine = {name: done for name, done in there.items() if done.step == self.name}
                mark = provenance.digest(self.settings)
                like = {n: d for n, d in mine.items() if provenance.digest(d.settings) == mark}
                others = {name: done.settings for name, done in mine.items() if name not in like}
                tally = Tally.of(unit, [done.result for done in like.values()])
                facts = {"scenes": sorted(like), "scenes_of_other_settings": others}
                facts["inputs"] = {name: done.inputs for name, done in like.items()}
                self._write_meta(folder, run, tally, facts)
                remark = changes.by_reason(run.redone)
                self._add_row(unit, Tally.of(unit, run.results.values()), start, folder, remark)
        return run

    def make_file(
        self, name: str, output: Path, inputs: dict[str, Any], write: Callable[[Path], int]
    ) -> None:
        """Write a file made of finished folders, unless it is current; `write(path)` returns its
        records, `inputs` (by scene) decide its bytes."""
        start = time.perf_counter()
        key = provenance.work_key(self.name, self.settings, inputs)
        if provenance.is_current(output, key) and not self.options.overwrite:
            self._add_current(name, start, output)
            return
        self.guard.refuse_to_lose([output], inputs)
        again = self._why_again(output, key, inputs)
        with files.atomic_path(output) as partial:
            tally = Tally(write(partial), {}, {})
            for why in self.guard.why_they_stay({name: output}, {name: tally}, {}):
                raise MissingInputError(why)
            provenance.forget([output])
        run = RunResult({}, {}, {}, 0, time.perf_counter() - start)
        self._write_meta(output, run, tally, {"key": key, "inputs": inputs, "scenes": list(inputs)})
        self._add_row(name, tally, start, output, again)

    def _why_again(self, output: Path, key: str, inputs: Any, common: Any = None) -> str:
        """Why an output is made that was made before; empty for one that was not."""
        meta = provenance.read_meta(output)
        if meta and self.options.overwrite:
            return f"made again: {changes.OVERWRITE}"
        return changes.reasons_by_meta(meta, key, self.settings, inputs, common)

    def _run(self, work: Work, jobs: Sequence[SceneJob], parts_dir: Path) -> RunResult:
        if not engine_code.is_among(work, self.settings[engine_code.SETTING]):
            raise ValueError(f"{work} is not in the code that {self.name} says it depends on")
        run = run_scenes(
            self.name,
            work,
            jobs,
            parts_dir,
            self.settings,
            num_workers=self.options.num_workers,
            scheduler=self.scheduler,
            overwrite=self.options.overwrite,
        )
        if run.reused:
            log.info("%s: %d scenes were finished before", self.name, run.reused)
        self.table.failures.update(run.failures)
        self.table.damaged.update(run.damaged)
        return run

    def _write_meta(
        self, output: Path, run: RunResult, tally: Tally, facts: dict[str, Any]
    ) -> None:
        about_data = {
            "step": self.name,
            "settings": self.settings,
            "seed": self.options.seed,
            "scenes": list(run.parts),
            "failed_scenes": run.failures,
            "damaged_scenes": run.damaged,
            **asdict(tally),
            **facts,
        }
        about_run = {
            "workers": self.scheduler or self.options.num_workers,
            "seconds": round(run.seconds, 3),
        }
        provenance.write_meta(output, about_data, about_run)

    def _add_current(self, name: str, start: float, output: Path) -> None:
        """The row of an output that is as it is to be."""
        meta = provenance.read_meta(output)
        for path in (output, provenance.meta_path(output)):
            files.remove_left(path)
        tally = Tally(meta["records"], meta["drops"], meta["notes"])
        self.table.damaged.update(meta.get("damaged_scenes", {}))
        self._add_row(name, tally, start, output, "up to date")

    def _add_row(
        self,
        name: str,
        tally: Tally,
        start: float,
        output: Path,
        remark: str = "",
    ) -> None:
        place = provenance.relative(output, self.root)
        self.table.rows.append(Row(name, tally, time.perf_counter() - start, place, remark))
        if not tally.records:
            self.table.empty.append(f"{output}: no records ({listed(tally.drops) or 'no input'})")
