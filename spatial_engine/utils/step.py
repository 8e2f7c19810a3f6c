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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.utils import files, provenance
from spatial_engine.utils.scene_runner import (
    RunResult,
    SceneJob,
    Work,
    is_done,
    job_key,
    run_scenes,
)

log = logging.getLogger(__name__)

# Joins the parts (folders in the order of the jobs) into the outputs (name -> temporary path);
# may return more to be counted: (records by output, drops by output).
Assemble = Callable[[Sequence[Path], Mapping[str, Path]], "Counts | None"]
Counts = tuple[dict[str, int], dict[str, dict[str, int]]]


class Step:
    """Collects what a command did. `options` are its parsed flags, `settings` its constants."""

    def __init__(self, name: str, options: argparse.Namespace, settings: dict[str, Any]):
        self.name = name
        self.options = options
        self.settings = settings
        self.root: Path = options.root
        self._rows: list[tuple[str, int, str, float, str]] = []
        self._failures: dict[str, str] = {}
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
                f"{output}: no records ({_reasons(drops[name])})"
                for name, output in outputs.items()
                if any(drops.get(name, {}).values())
            ]
            return
        keys = [job_key(self.name, self.settings, job) for job in jobs]
        key = provenance.work_key(self.name, self.settings, [list(outputs), keys, inputs])
        if not self.options.overwrite and all(
            provenance.is_current(output, key) for output in outputs.values()
        ):
            for name, output in outputs.items():
                meta = provenance.read_meta(output)
                self._add_row(name, meta["records"], meta["drops"], start, output, "up to date")
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
            extra = assemble(list(run.parts.values()), partial)
            provenance.forget(outputs.values())
        for name, output in outputs.items():
            records, dropped = _count(name, run, extra, drops.get(name, {}))
            self._write_meta(output, key, run, records, dropped, jobs)
            self._add_row(name, records, dropped, start, output)
            if not records and not may_be_empty:
                self._empty.append(f"{output}: no records ({_reasons(dropped) or 'no input'})")
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
        """Bring `folder/<scene>/` up to date with `jobs`: the parts themselves are the output."""
        start = time.perf_counter()
        run = self._run(work, jobs, folder)
        if run.parts:
            records, dropped = _count(unit, run, None, {})
            self._write_meta(folder, "", run, records, dropped, jobs)
            self._add_row(unit, records, dropped, start, folder)
        return run

    def make_file(
        self, name: str, output: Path, run: RunResult, write: Callable[[Path], int]
    ) -> None:
        """Write a file that joins the folders of a run; `write(path)` returns its records."""
        start = time.perf_counter()
        self._refuse_to_shrink(output, list(run.parts))
        with files.atomic_path(output) as partial:
            records = write(partial)
            provenance.forget([output])
        self._write_meta(output, "", run, records, {})
        self._add_row(name, records, {}, start, output)

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
            for name, records, reasons, seconds, place in self._rows:
                table.add_row(name, f"{records:,}", reasons, f"{seconds:.1f}", place)
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
        self._failures.update(run.failures)
        return run

    def _refuse_to_shrink(self, output: Path, scenes: Sequence[str]) -> None:
        """A trial with --scenes must not replace the work of hours."""
        lost = set(provenance.read_meta(output).get("scenes", ())) - set(scenes)
        trial = self.options.scenes or len(self.options.splits) < 2
        if trial and output.exists() and lost and not self.options.overwrite:
            raise SettingsError(
                f"{output}: holds {len(lost)} scenes that this run leaves out; "
                "use another --root for a trial, or --overwrite"
            )

    def _write_meta(
        self,
        output: Path,
        key: str,
        run: RunResult,
        records: int,
        dropped: dict[str, int],
        jobs: Sequence[SceneJob] = (),
    ) -> None:
        facts = {
            "step": self.name,
            "key": key,
            "settings": self.settings,
            "seed": self.options.seed,
            "inputs": {job.scene_id: job.inputs for job in jobs},
            "scenes": list(run.parts),
            "failed_scenes": run.failures,
            "records": records,
            "drops": dropped,
        }
        seconds = round(run.seconds, 3)
        provenance.write_meta(
            output, facts, {"workers": self.options.num_workers, "seconds": seconds}
        )

    def _add_row(
        self,
        name: str,
        records: int,
        drops: Mapping[str, int],
        start: float,
        output: Path,
        remark: str = "",
    ) -> None:
        place = provenance.file_fingerprint(output, self.root)[0]
        reasons = "; ".join(filter(None, (remark, _reasons(drops)))) or "-"
        self._rows.append((name, records, reasons, time.perf_counter() - start, place))


@contextmanager
def _all_atomic(outputs: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """Temporary paths for all outputs, renamed together when the block succeeds."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(files.atomic_path(path)) for name, path in outputs.items()}


def _count(
    name: str, run: RunResult, extra: Counts | None, drops: Mapping[str, int]
) -> tuple[int, dict[str, int]]:
    """Records and drops by reason of one output over all its scenes."""
    records = sum(result.counts.get(name, 0) for result in run.results.values())
    dropped = Counter(drops)
    for result in run.results.values():
        dropped.update(result.drops.get(name, {}))
    if extra is not None:
        records = extra[0].get(name, records)
        dropped.update(extra[1].get(name, {}))
    return records, {reason: number for reason, number in sorted(dropped.items()) if number}


def _reasons(drops: Mapping[str, int]) -> str:
    return ", ".join(f"{reason} {number:,}" for reason, number in drops.items())
