"""One run of a command: makes outputs from scenes, remembers what happened, ends with a table.

`Step.make` is the way from jobs to whole files that every command shares: nothing to do when the
outputs are current, else scenes into `<output>.parts/`, parts into outputs, provenance beside
them, parts removed.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spatial_engine.errors import EngineError, MissingInputError, SettingsError
from spatial_engine.utils import files, provenance
from spatial_engine.utils.scene_runner import (
    PartResult,
    RunResult,
    SceneJob,
    Work,
    is_done,
    job_key,
    read_finished,
    run_scenes,
)

log = logging.getLogger(__name__)

# Joins the parts (folders in the order of the jobs) into the outputs (name -> temporary path).
Assemble = Callable[[Sequence[Path], Mapping[str, Path]], None]


@dataclass(frozen=True)
class Tally:
    """What an output holds, what was left out of it by reason, what else was counted."""

    records: int
    drops: dict[str, int]
    notes: dict[str, int]

    @classmethod
    def of(
        cls, name: str, results: Iterable[PartResult], drops: Mapping[str, int] | None = None
    ) -> Tally:
        """Sum up the results of scenes for one output; `drops` were counted before."""
        records, dropped, noted = 0, Counter(drops or {}), Counter()
        for result in results:
            records += result.counts.get(name, 0)
            dropped.update(result.drops.get(name, {}))
            noted.update(result.notes.get(name, {}))
        return cls(records, _positive(dropped), _positive(noted))

    def __str__(self) -> str:
        left_out = [f"left out: {_listed(self.drops)}"] if self.drops else []
        return "; ".join(left_out + ([_listed(self.notes)] if self.notes else []))


class Step:
    """Collects what a command did. `options` are its parsed flags, `settings` its constants."""

    def __init__(self, name: str, options: argparse.Namespace, settings: dict[str, Any]):
        self.name = name
        self.options = options
        self.settings = settings
        self.root: Path = options.root
        self._rows: list[tuple[str, int, str, float, str]] = []
        self._failures: dict[str, str] = {}
        self._unready: dict[str, str] = {}  # scenes that failed before their job could be made
        self._absent: Counter[str] = Counter()
        self._empty: list[str] = []

    def present_scenes(
        self, scenes: Sequence[str], is_there: Callable[[str], bool], what: str
    ) -> list[str]:
        """The scenes whose input is on disk; the others are counted, not a failure."""
        there = [scene for scene in scenes if is_there(scene)]
        if len(there) < len(scenes):
            self._absent[what] += len(scenes) - len(there)
        return there

    def present_inputs(
        self, names: Sequence[str], path_of: Callable[[str], Path], remedy: str
    ) -> list[str]:
        """The splits or data sets whose input file is there; the others are counted.

        Raises `MissingInputError` when none is.
        """
        there = [name for name in names if path_of(name).exists()]
        if not there:
            raise MissingInputError(f"{path_of(names[0])}: no such file; {remedy}")
        for name in sorted(set(names) - set(there)):
            self._absent[f"{name}, no {path_of(name).name}"] += 1
        return there

    def jobs(self, scenes: Sequence[str], make_job: Callable[[str], SceneJob]) -> list[SceneJob]:
        """A job for each scene; a scene whose input is broken is a failure of the next `make`."""
        jobs = []
        self._unready = {}
        for scene in scenes:
            try:
                jobs.append(make_job(scene))
            except EngineError as error:
                self._unready[scene] = str(error)
                log.error("%s failed: %s", scene, error)
        self._failures.update(self._unready)
        return jobs

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
        may_be_empty: bool = False,
    ) -> None:
        """Bring `outputs` (name -> path) up to date with `jobs`.

        Parts live beside the first output, in `<parts_name or its name>.parts/`. `inputs` are
        inputs beside those of the jobs; `drops` are reasons counted before any scene was opened.
        An output without a record is an error unless `may_be_empty`.
        """
        start = time.perf_counter()
        drops = drops or {}
        if not jobs:
            self._empty += [
                f"{output}: no records ({_listed(drops[name])})"
                for name, output in outputs.items()
                if any(drops.get(name, {}).values())
            ]
            return
        keys = [job_key(self.name, self.settings, job) for job in jobs]
        key = provenance.work_key(self.name, self.settings, [list(outputs), keys, inputs])
        redo = self.options.overwrite or self._unready
        if not redo and all(provenance.is_current(output, key) for output in outputs.values()):
            for name, output in outputs.items():
                meta = provenance.read_meta(output)
                tally = Tally(meta["records"], meta["drops"], meta["notes"])
                self._add_row(name, tally, start, output, "up to date")
                self._check_not_empty(output, tally, may_be_empty)
            return
        scenes = [job.scene_id for job in jobs]
        for output in outputs.values():
            self._refuse_to_shrink(output, scenes)
        first = next(iter(outputs.values()))
        parts_dir = first.with_name(f"{parts_name or first.name}.parts")
        run = self._run(work, jobs, parts_dir)
        if not run.parts:
            return
        with _all_atomic(outputs) as partial:
            assemble(list(run.parts.values()), partial)
            provenance.forget(outputs.values())
        inputs_by_scene = {job.scene_id: job.inputs for job in jobs}
        for name, output in outputs.items():
            tally = Tally.of(name, run.results.values(), drops.get(name))
            # Without a key the next start tries again the scenes that failed.
            facts = {"key": "" if run.failures else key, "inputs": inputs_by_scene}
            self._write_meta(output, run, tally, {**facts, "common_inputs": inputs})
            self._add_row(name, tally, start, output)
            self._check_not_empty(output, tally, may_be_empty)
        if not run.failures:
            files.remove(parts_dir)

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
        run = self._run(work, jobs, folder)
        if run.parts:
            finished = read_finished(folder)
            inputs = {scene: scene_inputs for scene, (scene_inputs, _) in finished.items()}
            tally = Tally.of(unit, [result for _, result in finished.values()])
            self._write_meta(folder, run, tally, {"scenes": sorted(finished), "inputs": inputs})
            self._add_row(unit, Tally.of(unit, run.results.values()), start, folder)
        return run

    def make_file(
        self, name: str, output: Path, run: RunResult, write: Callable[[Path], int]
    ) -> None:
        """Write a file that joins the folders of a run; `write(path)` returns its records."""
        start = time.perf_counter()
        self._refuse_to_shrink(output, list(run.parts))
        with files.atomic_path(output) as partial:
            tally = Tally(write(partial), {}, {})
            provenance.forget([output])
        self._write_meta(output, run, tally, {})
        self._add_row(name, tally, start, output)

    def close(self) -> int:
        """Print the closing table and what went wrong; return the exit code (SPEC 2).

        0: all is well. 1: a scene failed, or an output is empty. Raises `MissingInputError` when
        nothing at all was there.
        """
        console = Console(soft_wrap=True)
        if self._rows:
            table = Table(title=self.name, title_justify="left", box=None, pad_edge=False)
            for heading in ("output", "records", "remarks", "seconds", "path"):
                justify = "right" if heading in ("records", "seconds") else "left"
                table.add_column(heading, justify=justify, no_wrap=True)
            for name, records, remarks, seconds, place in self._rows:
                table.add_row(name, f"{records:,}", remarks, f"{seconds:.1f}", place)
            wide = Console(width=max(console.width, 200)) if not console.is_terminal else console
            wide.print(table)
        for what, number in self._absent.items():
            console.print(f"{number} listed but not on disk, left out: {what}", highlight=False)
        for scene, cause in sorted(self._failures.items()):
            console.print(f"failed: {scene}: {cause}", markup=False, highlight=False)
        for line in self._empty:
            console.print(f"error: {line}", markup=False, highlight=False)
        if not self._rows and not self._failures and not self._empty:
            what = ", ".join(self._absent) or "no scene was given"
            raise MissingInputError(f"{self.name}: nothing to do: {what}")
        return 1 if self._failures or self._empty else 0

    def _run(self, work: Work, jobs: Sequence[SceneJob], parts_dir: Path) -> RunResult:
        run = run_scenes(
            self.name,
            work,
            jobs,
            parts_dir,
            self.settings,
            num_workers=self.options.num_workers,
            overwrite=self.options.overwrite,
        )
        if run.reused:
            log.info("%s: %d scenes were finished before", self.name, run.reused)
        run.failures.update(self._unready)
        self._failures.update(run.failures)
        return run

    def _refuse_to_shrink(self, output: Path, scenes: Sequence[str]) -> None:
        """A trial with --scenes must not replace the work of hours."""
        lost = set(provenance.read_meta(output).get("scenes", ())) - set(scenes)
        trial = self.options.scenes or len(getattr(self.options, "splits", "both")) < 2
        if trial and output.exists() and lost and not self.options.overwrite:
            raise SettingsError(
                f"{output}: holds {len(lost)} scenes that this run leaves out; "
                "use another --root for a trial, or --overwrite"
            )

    def _check_not_empty(self, output: Path, tally: Tally, may_be_empty: bool) -> None:
        if not tally.records and not may_be_empty:
            self._empty.append(f"{output}: no records ({_listed(tally.drops) or 'no input'})")

    def _write_meta(
        self, output: Path, run: RunResult, tally: Tally, facts: dict[str, Any]
    ) -> None:
        about_data = {
            "step": self.name,
            "settings": self.settings,
            "seed": self.options.seed,
            "scenes": list(run.parts),
            "failed_scenes": run.failures,
            **asdict(tally),
            **facts,
        }
        about_run = {"workers": self.options.num_workers, "seconds": round(run.seconds, 3)}
        provenance.write_meta(output, about_data, about_run)

    def _add_row(
        self, name: str, tally: Tally, start: float, output: Path, remark: str = ""
    ) -> None:
        place = provenance.file_fingerprint(output, self.root)[0]
        remarks = "; ".join(filter(None, (remark, str(tally)))) or "-"
        self._rows.append((name, tally.records, remarks, time.perf_counter() - start, place))


@contextmanager
def _all_atomic(outputs: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Temporary paths for all outputs, renamed together when the block succeeds."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(files.atomic_path(path)) for name, path in outputs.items()}


def _positive(numbers: Mapping[str, int]) -> dict[str, int]:
    return {reason: number for reason, number in sorted(numbers.items()) if number}


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in numbers.items())
