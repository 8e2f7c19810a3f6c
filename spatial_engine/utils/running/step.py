"""One run of a command: makes outputs from scenes, remembers what happened, ends with a table.

An output is a file, or a folder with a folder for each scene in it. It is made again when it is not
whole, or when its origin (code, constants, inputs) is not that of now. All files are made in one
way, `Step._make`: where something is stale, its scenes are done in a folder of parts, parts are
joined into the new files, these take the place of the old ones, what they were made from is noted
beside them, and the parts are removed.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from spatial_engine.errors import EngineError, MissingInputError
from spatial_engine.utils.running import finished_scenes, staleness
from spatial_engine.utils.running.closing_table import UP_TO_DATE, ClosingTable, Row, Tally, listed
from spatial_engine.utils.running.finished_scenes import FinishedScene, read_done
from spatial_engine.utils.running.outputs import Assemble, Guard, Outputs, Product
from spatial_engine.utils.running.scene_runner import (
    RunResult,
    SceneJob,
    Work,
    failure_of,
    is_done,
    run_scenes,
)  # fmt: skip
from spatial_engine.utils.storage import engine_code, files, locks, looks, os_errors, provenance
from spatial_engine.utils.storage.input_files import missing
from spatial_engine.utils.storage.looks import Looks
from spatial_engine.utils.storage.provenance import Origin

log = logging.getLogger(__name__)

T = TypeVar("T")
# -> jobs; and what was left out before any scene was opened, by output and reason
MakeJobs = Callable[[], tuple[Sequence[SceneJob], Mapping[str, Mapping[str, int]]]]


class Step:
    """Collects what a command did. `options` are its parsed flags, `settings` its constants;
    `module`, with all that it imports, is the code that decides its outputs (a `__file__`)."""

    def __init__(
        self, name: str, options: argparse.Namespace, settings: dict[str, Any], module: str
    ):
        self.name = name
        self.options = options
        code = {engine_code.SETTING: engine_code.digests_of(module)}
        self.settings = provenance.Settings(settings | code)
        self.root: Path = options.root
        self.scheduler: str | None = getattr(options, "scheduler", None)
        self.table = ClosingTable(name)
        self._unready: dict[str, str] = {}  # scenes that failed before their job could be made
        self.guard = Guard(options)

    def close(self) -> int:
        """Keep what was found of large sets, print the closing table; return the exit code
        (SPEC 2)."""
        Looks.keep_all()
        return self.table.close()

    def present_scenes(
        self, scenes: Sequence[str], is_there: Callable[[str], bool], what: str
    ) -> list[str]:
        """The scenes whose input is on disk; the others are counted, not a failure."""
        there = [scene for scene in scenes if is_there(scene)]
        self._count_absent(dict.fromkeys(sorted(set(scenes) - set(there)), what), what)
        return there

    def leave_out(self, whys: Mapping[str, str], unknown: Collection[str]) -> None:
        """Count scenes (id -> why) that the user leaves out though they are there. Those whose
        reason is in `unknown` lack an input, so a finished output must not lose them."""
        self.guard.absent |= {scene: why for scene, why in whys.items() if why in unknown}
        self.table.absent.update(whys.values())

    def count_unasked(self, what: str) -> None:
        """Count a split or data set about which no question is wanted."""
        self.table.absent[f"{what}, 0 questions were asked for"] += 1

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
        there = [name for name in names if os_errors.exists(path_of(name))]
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
        outputs: Outputs,
        jobs: Sequence[SceneJob] | MakeJobs,
        work: Work,
        assemble: Assemble,
        *,
        drops: Mapping[str, Mapping[str, int]] | None = None,
        wanted: Mapping[str, int] | None = None,
        takes_over: bool = False,
    ) -> None:
        """Bring `outputs` up to date with `jobs`, or with what makes them and their `drops`: it is
        called only where the outputs are not up to date (`is_up_to_date`), so their `inputs` must
        decide those of the jobs.

        `drops` are reasons counted before any scene was opened. Of more records than `wanted`,
        `assemble` takes so many (-1 = all). An output without a record is an error. Where it
        `takes_over`, scenes that the finished files hold, and whose inputs are the same, are not
        done again: `assemble` gets `Part`s, and copies them from there.

        Raises `MissingInputError` where a finished output holds scenes that are absent now.
        """
        if callable(jobs):
            if self.is_up_to_date(outputs):
                return
            jobs, drops = jobs()
        unready, self._unready = self._unready, {}
        if not jobs:
            self.guard.refuse_to_lose(outputs.files.values(), unready)
            self.table.empty += [
                f"{output}: no records ({listed(drops[name])})"
                for name, output in outputs.files.items()
                if any((drops or {}).get(name, {}).values()) and not unready
            ]
            return
        origin = self._origin(outputs.files, {j.scene_id: j.inputs for j in jobs}, outputs.inputs)
        rest = (outputs.companions, drops or {}, wanted or {}, takes_over)
        product = Product(outputs.files, origin, assemble, *rest)
        self._make([product], jobs, work, outputs.parts_dir, unready)

    def is_up_to_date(self, outputs: Outputs, by_scene: Mapping[str, Any] | None = None) -> bool:
        """Whether `make` would have nothing to do, told before there are jobs. Either the `inputs`
        of the outputs decide those of the jobs, so that outputs that were made with them have the
        right ones; or those of the jobs are known, `by_scene`. Then the rows of the outputs are
        written, and parts that a killed run has left are removed."""
        if by_scene is None:
            by_scene = provenance.read_inputs(next(iter(outputs.files.values())))
        origin = self._origin(outputs.files, by_scene, outputs.inputs)
        product = Product(outputs.files, origin, lambda *_: None, outputs.companions)
        if self._unready or self.options.overwrite:
            return False
        if any(why is not None for why in product.whys().values()):
            return False
        self._tell_of_current(product)
        files.remove_idle(outputs.parts_dir)
        return True

    def make_files(
        self,
        jobs: Mapping[Path, SceneJob],
        work: Work,
        parts_dir: Path,
        beside: Sequence[str] = (),
    ) -> None:
        """Bring each output up to date with its own job.

        `work(arguments, part_dir)` writes `part_dir/<name of the output>` and counts its records
        under the job's `scene_id`. `beside` are endings of further files that it writes, as of an
        index: `<name of the output><ending>`.
        """
        products = [self._product(output, job, beside) for output, job in jobs.items()]
        self._make(products, list(jobs.values()), work, parts_dir, {})

    def make_file(
        self,
        name: str,
        output: Path,
        inputs: dict[str, Any],
        write: Callable[[Path], int],
        companions: Mapping[str, Path] | None = None,
    ) -> None:
        """Write a file made of finished folders or files, unless it is current; `write(path)`
        returns its records, `inputs` (by scene or file) decide its bytes. `companions` (name ->
        file) are written by it too, beside `path` and under their own file names."""
        outputs = {name: output}
        origin = self._origin(outputs, inputs)
        product = Product(
            outputs, origin, lambda _, paths: {name: write(paths[name])}, companions or {}
        )
        product.finish()
        self.guard.refuse_to_lose([output], inputs)
        if not self._is_current(product):
            self._publish(product, RunResult())

    def make_folders(
        self, folder: Path, jobs: Sequence[SceneJob], work: Work, unit: str
    ) -> RunResult:
        """Bring `folder/<scene>/` up to date with `jobs`: the parts themselves are the output.

        Its provenance tells of all scenes in it, those that this run left alone too.
        """
        start = time.perf_counter()
        with locks.locked(folder):
            run = self._run(work, jobs, folder)
            if run.parts:
                self._tell_of_folder(folder, jobs, run, unit, start)
                tally = Tally.of(unit, run.results.values())
                self._add_row(unit, tally, start, folder, staleness.by_reason(run.redone))
        return run

    def make_shared(
        self, name: str, module: str, folder: Path, jobs: Sequence[SceneJob], work: Work, unit: str
    ) -> Mapping[str, str]:
        """Bring a folder that several commands share up to date with `jobs`, as `make_folders`,
        under a `name` of its own, with no settings: whichever command comes first makes it for all.
        Says nothing where nothing is to be done. Returns the failures, by scene."""
        shared = Step(name, self.options, {}, module)
        shared.table = self.table
        ahead = shared.unfinished(jobs, folder)
        failures = shared.make_folders(folder, ahead, work, unit).failures if ahead else {}
        if folder.suffix == files.CACHE_SUFFIX:
            shared.retire([folder.with_suffix("")])  # where earlier versions had it
        return failures

    def retire(self, outputs: Iterable[Path]) -> None:
        """Remove outputs that this command no longer makes, with their provenance; nothing
        where something failed, which may be why."""
        failed = self.table.failures or self.table.empty
        for output in sorted(() if failed else outputs):
            if provenance.read_meta(output).get("step") == self.name:
                log.info("%s: removed, there is nothing for it any more", output)
                provenance.forget([output])
                output.with_name(output.name + looks.SUFFIX).unlink(missing_ok=True)
                files.remove(output)

    def outdated(
        self, jobs: Mapping[Path, SceneJob], beside: Sequence[str] = ()
    ) -> dict[Path, SceneJob]:
        """The jobs (by output) that `make_files` would do."""
        return {
            out: job for out, job in jobs.items() if self._is_stale(self._product(out, job, beside))
        }

    def unfinished(self, jobs: Sequence[SceneJob], folder: Path) -> list[SceneJob]:
        """The jobs that `make_folders` would do."""
        if self.options.accept_finished and folder.is_dir():
            with locks.locked(folder):
                self._accept_scenes(jobs, folder)
        if self.options.overwrite:
            return list(jobs)
        return [job for job in jobs if not is_done(folder, self.name, self.settings, job)]

    def _origin(self, outputs: Mapping[str, Path], inputs: Any, lists: Any = None) -> Origin:
        common = {"outputs made with it": list(outputs), "lists or tables": lists}
        return Origin(self.name, self.settings, inputs, common)

    def _product(self, output: Path, job: SceneJob, beside: Sequence[str] = ()) -> Product:
        """The file of a job, which is that of its name in the job's part, and those beside it."""
        outputs = {job.scene_id: output}
        companions = {ending: output.with_name(output.name + ending) for ending in beside}

        def link(parts: Sequence[Path], paths: Mapping[str, Path]) -> None:
            for name, target in {**companions, **outputs}.items():
                files.link_or_copy(parts[0] / target.name, paths[name])  # a new start needs it

        origin = self._origin(outputs, {job.scene_id: job.inputs})
        return Product(outputs, origin, link, companions)

    def _make(
        self,
        products: Sequence[Product],
        jobs: Sequence[SceneJob],
        work: Work,
        parts_dir: Path,
        unready: Mapping[str, str],
    ) -> None:
        """Bring products up to date with the jobs that their inputs name; `unready` are scenes that
        failed before they had a job."""
        for product in products:
            product.finish()
            asked = {*unready, *product.origin.inputs}
            self.guard.refuse_to_lose(product.outputs.values(), asked)
        stale = [product for product in products if unready or not self._is_current(product)]
        if not stale:
            files.remove_idle(parts_dir)  # where a run was killed just before it did so
            return
        for product in stale:
            asked = {*unready, *product.origin.inputs}
            self.guard.refuse_to_shrink(product.outputs.values(), asked)
        asked = {scene for product in stale for scene in product.origin.inputs}
        jobs = [job for job in jobs if job.scene_id in asked]
        with locks.locked(parts_dir):
            held = self._held(stale)
            run = self._run(work, [job for job in jobs if job.scene_id not in held], parts_dir)
            run.take_over(held, [job.scene_id for job in jobs])
            self.table.damaged.update(run.damaged)
            run.failures.update(unready)
            runs = [(product, run.of({*product.origin.inputs, *unready})) for product in stale]
            published = [self._publish(product, mine) for product, mine in runs if mine.results]
            if all(published) and not run.failures:
                files.remove(parts_dir)

    def _held(self, products: Sequence[Product]) -> dict[str, FinishedScene]:
        """Scenes that need not be done again, as the finished files of a product hold them."""
        if self.options.overwrite:
            return {}
        found = {scene: held for product in products for scene, held in product.held().items()}
        if found:
            log.info("%s: %d scenes are taken over", self.name, len(found))
        return found

    def _publish(self, product: Product, run: RunResult) -> bool:
        """Make the files of a product and put them in their places, with what tells of them;
        whether that was done."""
        whys = product.whys()
        with files.staging(product.first) as folder, os_errors.naming(product.first.parent):
            targets = {**product.companions, **product.outputs}
            partial = {name: folder / target.name for name, target in targets.items()}
            counted = product.assemble(product.parts(run), partial)
            tallies = {name: product.tally(name, run, counted) for name in product.outputs}
            if stays := self.guard.why_they_stay(product.outputs, tallies, run.failures):
                self.table.empty += stays
                return False
            for name in product.outputs:
                facts = {**asdict(tallies[name]), **product.facts(name, run, partial)}
                about_data = self._about(product.origin, run, facts)
                self._write_meta(partial[name], about_data, product.start)
            product.put_in_place(folder)
        for name, output in product.outputs.items():
            remark = self._why_again(whys[name]) or staleness.by_reason(run.redone)
            if run.taken_over:
                scenes = "scene" if len(run.parts) == 1 else "scenes"
                remark += f"; {len(run.parts)} {scenes} made, {len(run.taken_over)} taken over"
            self._add_row(name, tallies[name], product.start, output, remark)
        return True

    def _why_again(self, why: str | None) -> str:
        """What the table says of an output that is made; nothing of one that was never made."""
        if self.options.overwrite and why != "":
            return f"made again: {staleness.OVERWRITE}"
        return f"made again: {staleness.LOST}" if why is None else why  # others were

    def _is_stale(self, product: Product) -> bool:
        """Whether a product is to be made; what may be accepted is accepted first."""
        if self.options.accept_finished:
            self.table.accepted.update(product.accept())
        return self.options.overwrite or any(why is not None for why in product.whys().values())

    def _is_current(self, product: Product) -> bool:
        """Whether there is nothing to be made of a product, whose rows are written then."""
        if self._is_stale(product):
            for why in sorted({why for why in product.whys().values() if why}):
                log.info("%s: %s", product.first, why)
            return False
        self._tell_of_current(product)
        return True

    def _tell_of_current(self, product: Product) -> None:
        """Write the rows of a product of which there is nothing to be made."""
        for name, output in product.outputs.items():
            meta = provenance.read_meta(output)
            for path in (output, provenance.meta_path(output)):
                files.remove_left(path)
            tally = Tally(meta["records"], meta["drops"], meta["notes"])
            self.table.damaged.update(meta.get("damaged_scenes", {}))
            self._add_row(name, tally, product.start, output, UP_TO_DATE)

    def _accept_scenes(self, jobs: Sequence[SceneJob], folder: Path) -> None:
        for job in jobs:
            origin = job.origin(self.name, self.settings)
            if changed := finished_scenes.accept(folder, job.scene_id, origin):
                self.table.accepted[f"scenes in {folder.name}, {changed}"] += 1

    def _run(self, work: Work, jobs: Sequence[SceneJob], parts_dir: Path) -> RunResult:
        if not engine_code.is_among(work, self.settings[engine_code.SETTING]):
            raise ValueError(f"{work} is not in the code that {self.name} says it depends on")
        if not jobs:
            return RunResult()
        if self.options.accept_finished:
            self._accept_scenes(jobs, parts_dir)
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

    def _tell_of_folder(
        self, folder: Path, jobs: Sequence[SceneJob], run: RunResult, unit: str, start: float
    ) -> None:
        """Write what tells of all scenes of this command in a folder, where that has changed."""
        there = {
            job.scene_id: FinishedScene(
                job.origin(self.name, self.settings),
                run.results[job.scene_id],
                accepted=run.accepted.get(job.scene_id, {}),
            )
            for job in jobs
            if job.scene_id in run.results
        }
        for name in finished_scenes.names_in(folder):
            if name not in there and (done := read_done(finished_scenes.folder_of(folder, name))):
                there[name] = done
        mine = {n: there[n] for n in sorted(there) if there[n].origin.step == self.name}
        mark = provenance.digest(self.settings)
        like = {
            name: done
            for name, done in mine.items()
            if done.origin.settings is self.settings
            or provenance.digest(done.origin.settings) == mark
        }
        others = {n: d.origin.settings for n, d in mine.items() if n not in like}
        facts = {
            "scenes": sorted(like),
            "scenes_of_other_settings": others,
            "accepted_scenes": {n: d.accepted for n, d in like.items() if d.accepted},
            **asdict(Tally.of(unit, [done.result for done in like.values()])),
        }
        origin = Origin(self.name, self.settings, {n: d.origin.inputs for n, d in like.items()})
        about_data = self._about(origin, run, facts)
        before = provenance.read_meta(folder)
        before = {name: before[name] for name in before.keys() & about_data.keys()}
        if provenance.digest(before) != provenance.digest(about_data):
            self._write_meta(folder, about_data, start)

    def _about(self, origin: Origin, run: RunResult, facts: Mapping[str, Any]) -> dict[str, Any]:
        """What the provenance of an output tells of its data."""
        return {
            **origin.as_told,
            "seed": self.options.seed,
            "failed_scenes": run.failures,
            "damaged_scenes": run.damaged,
            **facts,
        }

    def _write_meta(self, output: Path, about_data: dict[str, Any], start: float) -> None:
        about_run = {
            "workers": self.scheduler or self.options.num_workers,
            "seconds": round(time.perf_counter() - start, 3),
        }
        provenance.write_meta(output, about_data, about_run)

    def _add_row(self, name: str, tally: Tally, start: float, output: Path, remark: str) -> None:
        place = provenance.relative(output, self.root)
        self.table.rows.append(Row(name, tally, time.perf_counter() - start, place, remark))
        if not tally.records:
            self.table.empty.append(f"{output}: no records ({listed(tally.drops) or 'no input'})")
