from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.utils.running.closing_table import ClosingTable, Row, Tally
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import engine_code, files, locks, provenance


def write_lines(arguments: tuple[str, int], part_dir: Path) -> PartResult:
    scene, lines = arguments
    if lines < 0:
        raise BadDataError(f"{scene}: broken")
    (part_dir / "lines").write_text(f"{scene}\n" * lines)
    return PartResult({"out": lines}, {"out": {"too dark": 1}})


class Bench:
    """Runs a step over `{scene: lines}` into `out.txt`, as a command would."""

    def __init__(self, root: Path):
        self.root, self.output = root, root / "made" / "out.txt"
        self.assembled = 0

    def step(self, **flags) -> Step:
        options = {"root": self.root, "num_workers": 1, "overwrite": False, "scenes": None}
        options |= {"splits": ["train", "val"], "seed": 7, "accept_finished": False}
        return Step("measure", argparse.Namespace(**{**options, **flags}), {"SKIP": 5}, __file__)

    def make(self, scenes: dict[str, int], *, flags=(), inputs=None, **options) -> int:
        step = self.step(**dict(flags))
        jobs = [SceneJob(scene, item, list(item)) for scene, item in _items(scenes)]
        outputs = Outputs({"out": self.output}, inputs=inputs)
        step.make(outputs, jobs, write_lines, self.assemble, **options)
        return step.close()

    def assemble(self, parts, outputs) -> None:
        self.assembled += 1
        outputs["out"].write_text("".join((part / "lines").read_text() for part in parts))

    def meta(self) -> dict:
        return json.loads(provenance.meta_path(self.output).read_text())

    def names(self) -> list[str]:
        return sorted(path.name for path in self.output.parent.iterdir())


def _items(scenes):
    return [(scene, (scene, lines)) for scene, lines in scenes.items()]


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def test_a_run_leaves_the_output_and_its_provenance_and_exits_0(bench, capsys):
    assert bench.make({"a": 2, "b": 1}) == 0
    assert bench.output.read_text() == "a\na\nb\n"
    assert bench.names() == ["out.txt", "out.txt.meta.json"]  # parts are removed
    table = capsys.readouterr().out
    assert "made/out.txt" in table
    assert "too dark 2" in table


def test_provenance_tells_constants_seed_inputs_counts_and_drops(bench):
    listed = {"split list": "5e884898da28"}
    bench.make({"a": 2, "b": 1}, drops={"out": {"no pair": 4}}, inputs=listed)
    meta = bench.meta()
    assert meta["settings"] == {"SKIP": 5, "code": engine_code.digests_of(__file__)}
    assert (meta["seed"], meta["records"], meta["scenes"]) == (7, 3, ["a", "b"])
    assert meta["drops"] == {"no pair": 4, "too dark": 2}
    assert meta["inputs"]["a"] == ["a", 2]
    assert meta["run"]["workers"] == 1
    assert meta["bytes"] == bench.output.stat().st_size


def test_provenance_names_the_inputs_that_belong_to_no_scene(bench):
    """SPEC 2: content hash for lists, tables and constants."""
    bench.make({"a": 2}, inputs={"split list": "5e884898da28"})
    assert "5e884898da28" in json.dumps(bench.meta())


def test_a_second_run_touches_nothing(bench, capsys):
    bench.make({"a": 2, "b": 1}, inputs="i")
    before = {path: path.stat().st_mtime_ns for path in bench.root.rglob("*")}
    assert bench.make({"a": 2, "b": 1}, inputs="i") == 0
    assert {path: path.stat().st_mtime_ns for path in bench.root.rglob("*")} == before
    assert bench.assembled == 1
    assert "up to date" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change", ["inputs", "scene", "overwrite", "truncated", "meta", "counts", "gone"]
)
def test_any_change_makes_it_again(bench, change):
    bench.make({"a": 2, "b": 1})
    if change == "truncated":
        bench.output.write_text("a\n")
    if change == "gone":
        bench.output.unlink()
    if change == "counts":
        kept = {name: value for name, value in bench.meta().items() if name != "records"}
        provenance.meta_path(bench.output).write_text(json.dumps(kept))
    if change == "meta":
        provenance.meta_path(bench.output).unlink()
    scenes = {"a": 2, "b": 3 if change == "scene" else 1}
    flags = {"overwrite": change == "overwrite"}
    assert bench.make(scenes, flags=flags, inputs="other" if change == "inputs" else None) == 0
    assert bench.assembled == 2
    assert bench.output.read_text() == "a\na\n" + "b\n" * scenes["b"]


def test_a_failed_scene_makes_exit_code_1_and_the_others_are_written(bench, capsys):
    assert bench.make({"a": 1, "x": -1, "b": 1}) == 1
    assert bench.output.read_text() == "a\nb\n"
    assert "failed: x: x: broken" in capsys.readouterr().out
    assert bench.meta()["failed_scenes"] == {"x": "x: broken"}
    assert "out.txt.parts" in bench.names()  # finished scenes are kept for the next try


def test_a_failed_scene_is_reported_again_by_the_next_run(bench, capsys):
    bench.make({"a": 1, "x": -1})
    capsys.readouterr()
    assert bench.make({"a": 1, "x": -1}) == 1
    assert "failed: x" in capsys.readouterr().out


def test_a_scene_that_failed_by_chance_is_made_by_the_next_run(bench, monkeypatch):
    """A full disk or short memory, say: nothing about constants or inputs has changed."""
    jobs, healthy = {"a": 1, "x": 1}, write_lines

    def full_disk_at_x(arguments, part_dir):
        if arguments[0] == "x":
            raise OSError(28, "No space left on device")
        return healthy(arguments, part_dir)

    with monkeypatch.context() as patch:
        patch.setitem(globals(), "write_lines", full_disk_at_x)
        assert bench.make(jobs) == 1
    assert bench.make(jobs) == 0
    assert bench.output.read_text() == "a\nx\n"
    assert bench.names() == ["out.txt", "out.txt.meta.json"]


def test_when_every_scene_fails_what_is_written_stays(bench):
    bench.make({"a": 1})
    assert bench.make({"a": -1}) == 1
    assert bench.output.read_text() == "a\n"


def test_an_output_without_records_is_an_error_unless_allowed(bench, capsys):
    assert bench.make({"a": 0, "b": 0}) == 1
    assert "no records (too dark 2)" in capsys.readouterr().out


def test_an_output_without_records_is_an_error_in_the_second_run_too(bench, capsys):
    bench.make({"a": 0})
    capsys.readouterr()
    assert bench.make({"a": 0}) == 1
    assert "no records" in capsys.readouterr().out


def test_nothing_at_all_is_a_missing_input(bench):
    step = bench.step()
    there = step.present_scenes(["a", "b", "c"], lambda scene: False, "scenes without sens")
    assert there == []
    with raises_one_line(MissingInputError, "scenes without sens"):
        step.close()


def test_absent_scenes_are_counted_and_are_no_failure(bench, capsys):
    step = bench.step()
    assert step.present_scenes(["a", "b", "c"], "b".__ne__, "scenes without sens") == ["a", "c"]
    jobs = [SceneJob("a", ("a", 1), 1)]
    step.make(Outputs({"out": bench.output}), jobs, write_lines, bench.assemble)
    assert step.close() == 0
    assert "1 left out: scenes without sens" in capsys.readouterr().out


def test_absent_splits_are_counted_and_none_at_all_is_missing(bench):
    (bench.root / "train.pkl").touch()
    step = bench.step()
    found = step.present_inputs(["train", "val"], lambda s: bench.root / f"{s}.pkl", "run it")
    assert found == ["train"]
    with raises_one_line(MissingInputError, "val.pkl", "run it"):
        step.present_inputs(["val"], lambda s: bench.root / f"{s}.pkl", "run it")


@pytest.mark.parametrize("flags", [{"scenes": ["a"]}, {"splits": ["train"]}])
def test_a_trial_does_not_replace_a_whole_output(bench, flags):
    bench.make({"a": 1, "b": 1})
    with raises_one_line(SettingsError, "out.txt", "--overwrite"):
        bench.make({"a": 1}, flags=flags)
    assert bench.output.read_text() == "a\nb\n"
    assert bench.make({"a": 1}, flags={**flags, "overwrite": True}) == 0
    assert bench.output.read_text() == "a\n"


def test_a_run_that_dies_before_its_provenance_leaves_the_old_output_whole(bench, monkeypatch):
    bench.make({"a": 1})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(provenance, "write_meta", _interrupt)
        bench.make({"a": 2})
    assert bench.output.read_text() == "a\n" and bench.meta()["records"] == 1
    assert bench.make({"a": 2}) == 0
    assert bench.output.read_text() == "a\na\n"


def test_what_tells_of_an_output_is_never_beside_another(bench, monkeypatch):
    bench.make({"a": 1})
    put = files.put_in_place

    def stop_after_the_output(partial, path, sync=True):
        put(partial, path, sync)
        if path == bench.output:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files, "put_in_place", stop_after_the_output)
        bench.make({"a": 2})
    assert bench.output.read_text() == "a\na\n"
    assert not provenance.meta_path(bench.output).exists()
    assert bench.make({"a": 1}) == 0  # what the old provenance would have called current
    assert bench.output.read_text() == "a\n"


def test_a_run_that_dies_while_joining_leaves_the_old_output_whole(bench, monkeypatch):
    bench.make({"a": 1})

    def stopped_half_way(parts, outputs):
        outputs["out"].write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "assemble", stopped_half_way)
    with pytest.raises(KeyboardInterrupt):
        bench.make({"a": 2})
    assert bench.output.read_text() == "a\n"
    assert bench.meta()["records"] == 1
    assert not [name for name in bench.names() if name.endswith(".partial")]


def test_nothing_stays_of_a_run_killed_while_joining_when_the_old_output_is_good(bench):
    bench.make({"a": 1})
    left = bench.output.with_name("out.txt.parts")
    (left / "out.partial.buckets").mkdir(parents=True)
    (left / "out.partial").write_text("half")
    assert bench.make({"a": 1}) == 0
    assert bench.names() == ["out.txt", "out.txt.meta.json"]
    (left / "out.partial.buckets").mkdir(parents=True)
    assert bench.make({"a": 2}) == 0
    assert bench.names() == ["out.txt", "out.txt.meta.json"]


def test_folders_are_kept_redone_only_when_changed_and_counted(bench, capsys):
    folder = bench.root / "frames"

    def run(scenes, **flags):
        step = bench.step(**flags)
        jobs = [SceneJob(scene, item, list(item)) for scene, item in _items(scenes)]
        assert [job.scene_id for job in step.unfinished(jobs, folder)] == list(expected)
        step.make_folders(folder, jobs, write_lines, unit="out")
        return step.close()

    expected = {"a": 2, "b": 1}
    assert run(expected) == 0
    first = (folder / "a/lines").stat().st_mtime_ns
    expected = {"b": 3}
    assert run({"a": 2, "b": 3}) == 0
    assert (folder / "a/lines").stat().st_mtime_ns == first
    assert (folder / "b/lines").read_text() == "b\n" * 3
    assert "too dark 2" in capsys.readouterr().out
    assert json.loads(provenance.meta_path(folder).read_text())["records"] == 5
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]


def test_provenance_of_a_folder_still_tells_of_its_scenes_after_a_trial(bench):
    folder = bench.root / "frames"
    for scenes, flags in (({"a": 2, "b": 1}, {}), ({"a": 2}, {"scenes": ["a"]})):
        jobs = [SceneJob(scene, item, list(item)) for scene, item in _items(scenes)]
        bench.step(**flags).make_folders(folder, jobs, write_lines, unit="out")
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b"]
    meta = json.loads(provenance.meta_path(folder).read_text())
    assert (meta["scenes"], meta["records"], sorted(meta["inputs"])) == (["a", "b"], 3, ["a", "b"])


def test_a_scene_that_failed_is_not_among_those_that_its_folder_is_said_to_hold(bench):
    """Its frames of before, made from other inputs, must not pass for good ones."""
    folder = bench.root / "frames"
    for scenes in ({"a": 2, "b": 1}, {"a": 2, "b": -1}):
        jobs = [SceneJob(scene, item, list(item)) for scene, item in _items(scenes)]
        bench.step().make_folders(folder, jobs, write_lines, unit="out")
    meta = json.loads(provenance.meta_path(folder).read_text())
    assert (list(meta["failed_scenes"]), meta["scenes"], meta["records"]) == (["b"], ["a"], 2)


# ---- more records than wanted, and fewer ---------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "records", "told"),
    [
        (2, 2, {"more than requested": 3, "too dark": 2}),
        (5, 5, {"too dark": 2}),
        (9, 5, {"requested but not available": 4, "too dark": 2}),
        (-1, 5, {"too dark": 2}),
    ],
)
def test_surplus_and_shortfall_are_told(bench, capsys, wanted, records, told):
    for _ in range(2):  # the second time from the provenance
        assert bench.make({"a": 2, "b": 3}, wanted={"out": wanted}) == 0
        table = capsys.readouterr().out
        for reason, number in told.items():
            assert f"{reason} {number}" in table
        assert ("more than requested" in table, "not available" in table) == (
            wanted == 2,
            wanted == 9,
        )
    assert bench.assembled == 1
    assert (bench.meta()["records"], bench.meta()["drops"]) == (records, told)


def test_without_a_wanted_number_nothing_is_said_of_it(bench):
    bench.make({"a": 2}, wanted={"another": 1})
    assert (bench.meta()["records"], bench.meta()["drops"]) == (2, {"too dark": 1})


def test_what_is_only_counted_is_not_among_what_was_left_out(capsys):
    table = ClosingTable("measure")
    tally = Tally(12, {"too dark": 2}, {"depths within 20 mm": 3, "sets of 1": 1200})
    table.rows += [
        Row("a", tally, 0.5, "made/a", "made again"),
        Row("b", Tally(1, {}, {"c": 1}), 0, ""),
    ]
    assert table.close() == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "made again; left out: too dark 2" in lines
    assert "counted: depths within 20 mm 3, sets of 1 1,200" in lines
    assert "counted: c 1" in lines
    assert sum("left out" in line for line in lines) == 1


# ---- two at once, and why things are made again --------------------------------------------------


def test_one_that_is_up_to_date_leaves_the_work_of_another_at_the_same_output(bench):
    """The other was started with other constants, say, and has finished scenes."""
    bench.make({"a": 1})
    parts = bench.output.with_name("out.txt.parts")
    with locks.locked(parts):
        (parts / "a").mkdir()
        assert bench.make({"a": 1}) == 0
        assert (parts / "a").is_dir()
        with raises_one_line(SettingsError, parts, "another run"):
            bench.make({"a": 2})
    assert bench.make({"a": 1}) == 0
    assert bench.names() == ["out.txt", "out.txt.meta.json"]


@pytest.mark.parametrize(
    ("scenes", "flags", "why"),
    [
        ({"a": 1, "b": 2}, {}, "inputs changed of b"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, {}, "c and 1 more added"),
        ({"a": 1}, {}, "b left out"),
        ({"a": 2, "c": 1}, {}, "inputs changed of a; c added; b left out"),
        ({"a": 1, "b": 1}, {"overwrite": True}, "--overwrite"),
    ],
)
def test_the_table_says_why_an_output_is_made_again(bench, capsys, scenes, flags, why):
    bench.make({"a": 1, "b": 1})
    assert "again" not in capsys.readouterr().out
    bench.make(scenes, flags=flags)
    assert f"made again: {why};" in capsys.readouterr().out


def test_the_table_says_that_lists_have_changed_and_that_scenes_had_failed(bench, capsys):
    bench.make({"a": 1}, inputs="a list")
    bench.make({"a": 1}, inputs="another")
    assert "made again: lists or tables changed;" in capsys.readouterr().out
    bench.make({"a": 1, "x": -1}, inputs="another")
    capsys.readouterr()
    bench.make({"a": 1, "x": 2}, inputs="another")
    assert "made again: inputs changed of x; x failed before;" in capsys.readouterr().out


@pytest.mark.parametrize("meta", ["[]", "{", '{"settings": 3, "versions": [], "inputs": 7}'])
def test_provenance_that_cannot_be_understood_stops_nothing(bench, meta):
    bench.make({"a": 1})
    provenance.meta_path(bench.output).write_text(meta)
    assert bench.make({"a": 1}) == 0
    assert bench.output.read_text() == "a\n"


# ---- work of other code, and --accept-finished ---------------------------------------------------


@pytest.fixture
def edit(monkeypatch):
    """Change the code of all steps: `x.py` gets this digest."""

    def change(digest: str) -> None:
        real = getattr(engine_code.digests_of, "real", engine_code.digests_of)
        changed = lambda module: {**real(module), "x.py": digest}  # noqa: E731
        changed.real = real
        monkeypatch.setattr(engine_code, "digests_of", changed)

    return change


ACCEPT = {"accept_finished": True}


def test_what_other_code_made_is_made_again_and_the_modules_and_the_flag_are_named(
    bench, edit, capsys
):
    bench.make({"a": 1})
    edit("new")
    bench.make({"a": 1})
    assert "made again: code changed (x.py); --accept-finished keeps it;" in capsys.readouterr().out
    assert bench.assembled == 2


def test_accepted_work_stays_and_its_provenance_says_so(bench, edit, capsys):
    bench.make({"a": 1, "b": 2})
    before = bench.output.stat().st_mtime_ns
    edit("new")
    assert bench.make({"a": 1, "b": 2}, flags=ACCEPT) == 0
    assert "accepted: out.txt, code changed (x.py)" in capsys.readouterr().out
    assert (bench.assembled, bench.output.stat().st_mtime_ns) == (1, before)
    assert bench.meta()["accepted"] == {"x.py": ""}  # there was none
    assert bench.meta()["settings"]["code"]["x.py"] == "new"
    assert bench.make({"a": 1, "b": 2}) == 0  # good from now on, without the flag too
    assert bench.assembled == 1 and "accepted" not in capsys.readouterr().out
    edit("newer")
    bench.make({"a": 1, "b": 2}, flags=ACCEPT)
    assert bench.meta()["accepted"] == {"x.py": ""}, "what made it, not what it was accepted as"
    bench.make({"a": 1, "b": 2}, flags={"overwrite": True})
    assert "accepted" not in bench.meta()


@pytest.mark.parametrize("change", ["inputs", "lists", "constants", "damage", "step"])
def test_what_differs_in_more_than_code_is_not_accepted(bench, edit, monkeypatch, change, capsys):
    bench.make({"a": 1}, inputs="a list")
    edit("new")
    if change == "damage":
        bench.output.write_text("")
    if change in ("constants", "step"):
        named, constant = ("measure", 4) if change == "constants" else ("weigh", 5)
        step = Step(named, bench.step(**ACCEPT).options, {"SKIP": constant}, __file__)
        monkeypatch.setattr(bench, "step", lambda **flags: step)
    scenes = {"a": 3 if change == "inputs" else 1}
    lists = "another" if change == "lists" else "a list"
    assert bench.make(scenes, flags=ACCEPT, inputs=lists) == 0
    table = capsys.readouterr().out
    assert "made again" in table and "accepted" not in table and "--accept" not in table
    assert bench.assembled == 2 and "accepted" not in bench.meta()


def test_finished_scenes_of_a_failed_run_are_accepted_one_by_one(bench, edit, capsys):
    bench.make({"a": 1, "b": 1, "x": -1})
    edit("new")
    assert bench.make({"a": 1, "b": 2, "x": 1}, flags=ACCEPT) == 0
    assert bench.output.read_text() == "a\nb\nb\nx\n"
    table = capsys.readouterr().out
    assert "1 accepted: scenes in out.txt.parts, code changed (x.py)" in table
    assert bench.meta()["accepted_scenes"] == {"a": {"x.py": ""}}


def test_finished_folders_are_accepted_one_by_one(bench, edit, capsys):
    folder = bench.root / "frames"

    def run(scenes, **flags) -> list[str]:
        """The scenes that are done."""
        jobs, step = (
            [SceneJob(s, item, list(item)) for s, item in _items(scenes)],
            bench.step(**flags),
        )
        ahead = [job.scene_id for job in step.unfinished(jobs, folder)]
        step.make_folders(folder, jobs, write_lines, unit="out")
        assert step.close() == 0
        return ahead

    assert run({"a": 2, "b": 1, "c": 1}) == ["a", "b", "c"]
    edit("new")
    (folder / "c/lines").unlink()
    capsys.readouterr()
    assert run({"a": 2, "b": 3, "c": 1}, **ACCEPT) == ["b", "c"]
    assert "1 accepted: scenes in frames, code changed (x.py)" in capsys.readouterr().out
    meta = json.loads(provenance.meta_path(folder).read_text())
    assert (meta["scenes"], meta["accepted_scenes"]) == (["a", "b", "c"], {"a": {"x.py": ""}})
    assert sorted(path.name for path in folder.iterdir()) == ["a", "b", "c"]
    assert run({"a": 2, "b": 3, "c": 1}) == []


# ---- room on the disk ----------------------------------------------------------------------------


class Disk:
    """A disk with so much room; counts what was begun on it."""

    def __init__(self, monkeypatch, num_bytes: int, num_files: int = 10**9):
        status = SimpleNamespace(f_bavail=num_bytes, f_frsize=1, f_files=10**9, f_favail=num_files)
        monkeypatch.setattr(files.os, "statvfs", lambda folder: status)
        self.begun: list[str] = []

    def work(self, arguments, part_dir):
        self.begun.append(arguments[0])
        return write_lines(arguments, part_dir)


@pytest.mark.parametrize(("num_files", "num_bytes"), [(1, 60), (60, 1)])
def test_what_does_not_fit_on_the_disk_is_refused_before_any_work(
    bench, monkeypatch, num_files, num_bytes
):
    disk = Disk(monkeypatch, 100, 100)
    jobs = [SceneJob(s, (s, 1), s, num_files, num_bytes) for s in ("a", "b")]
    with raises_one_line(SettingsError, bench.output.parent, "make room"):
        bench.step().make(Outputs({"out": bench.output}), jobs, disk.work, bench.assemble)
    assert disk.begun == [] and not bench.output.exists()
    assert [path for path in bench.root.rglob("*") if path.is_file()] == []
    bench.step().make(Outputs({"out": bench.output}), jobs[:1], disk.work, bench.assemble)
    assert disk.begun == ["a"] and bench.output.exists()


def test_what_is_finished_is_not_counted_again_against_the_disk(bench, monkeypatch):
    disk = Disk(monkeypatch, 100)
    jobs = [SceneJob("a", ("a", 1), 1, 1, 90), SceneJob("x", ("x", -1), 1, 1, 5)]
    step = bench.step()
    assert step.make(Outputs({"out": bench.output}), jobs, disk.work, bench.assemble) is None
    jobs[1] = SceneJob("x", ("x", 1), 2, 1, 90)
    bench.step().make(Outputs({"out": bench.output}), jobs, disk.work, bench.assemble)
    assert disk.begun == ["a", "x", "x"]
    assert bench.output.read_text() == "a\nx\n"
    Disk(monkeypatch, 0)
    bench.step().make(Outputs({"out": bench.output}), jobs, disk.work, bench.assemble)  # up to date
    with raises_one_line(SettingsError, "make room"):
        step = bench.step(overwrite=True)
        step.make(Outputs({"out": bench.output}), jobs, disk.work, bench.assemble)
    assert bench.output.read_text() == "a\nx\n"


# ---- folders that are published with the output --------------------------------------------------


class Gallery(Bench):
    """A step whose records, one a line, name pictures in a folder beside the output."""

    def __init__(self, root: Path):
        super().__init__(root)
        self.pictures = self.output.with_name("pictures")

    def show(self, scenes: dict[str, int], edition: str, **flags) -> int:
        step = self.step(**flags)
        jobs = [
            SceneJob(scene, (scene, number, edition), [number, edition])
            for scene, number in scenes.items()
        ]
        outputs = Outputs({"out": self.output}, {"pictures": self.pictures})
        step.make(outputs, jobs, draw_gallery, join_gallery)
        return step.close()

    def check_no_record_without_its_picture(self) -> None:
        if self.output.exists():
            for line in self.output.read_text().splitlines():
                name, edition = line.split()
                assert (self.pictures / name).read_text() == edition

    def state(self) -> dict[str, bytes]:
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and not path.name.endswith(".meta.json")
        }


def draw_gallery(arguments: tuple[str, int, str], part_dir: Path) -> PartResult:
    scene, number, edition = arguments
    for k in range(number):
        (part_dir / f"{scene}{k}.picture").write_text(edition)
    lines = "".join(f"{scene}{k}.picture {edition}\n" for k in range(number))
    (part_dir / "lines").write_text(lines)
    return PartResult({"out": number})


def join_gallery(parts, outputs) -> None:
    outputs["pictures"].mkdir()
    for part in parts:
        for picture in sorted(part.glob("*.picture")):
            os.link(picture, outputs["pictures"] / picture.name)
    outputs["out"].write_text("".join((part / "lines").read_text() for part in parts))


def stop_at(monkeypatch, number: int) -> list[str]:
    """Raise instead of the `number`-th change of names on the disk, or half-way through it where
    that is the removal of a folder; returns what was called."""
    called: list[str] = []

    def watch(owner, name, half_done=lambda *args: None):
        original = getattr(owner, name)

        def replacement(*args, **kwargs):
            called.append(name)
            if len(called) == number:
                half_done(*args)
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, replacement)

    def remove_some(folder, *args):
        for path in sorted(path for path in Path(folder).rglob("*") if path.is_file())[::2]:
            os.unlink(path)

    watch(os, "replace")
    watch(shutil, "rmtree", remove_some)
    watch(Path, "unlink")
    return called


@pytest.mark.parametrize("before", [None, {"a": 2, "b": 2}])
def test_killed_at_any_moment_no_record_is_without_its_picture(tmp_path, monkeypatch, before):
    scenes = {"a": 3, "b": 1}
    undisturbed = Gallery(tmp_path / "undisturbed")
    assert undisturbed.show(scenes, "new") == 0
    assert len(undisturbed.state()) == 5
    moments = 0
    for number in range(1, 100):
        gallery = Gallery(tmp_path / str(number))
        if before:
            assert gallery.show(before, "old") == 0
        with monkeypatch.context() as patch:
            called = stop_at(patch, number)
            try:
                gallery.show(scenes, "new")
            except KeyboardInterrupt:
                moments += 1
        gallery.check_no_record_without_its_picture()
        assert gallery.show(scenes, "new") == 0
        assert gallery.state() == undisturbed.state(), called
        if len(called) < number:
            break
    assert moments == number - 1 >= 8


def test_a_folder_that_is_gone_is_made_again(tmp_path):
    gallery = Gallery(tmp_path)
    gallery.show({"a": 2}, "new")
    made = gallery.state()
    files.remove(gallery.pictures)
    assert gallery.show({"a": 2}, "new") == 0
    assert gallery.state() == made


def test_pictures_of_records_that_are_gone_are_gone_too(tmp_path):
    gallery = Gallery(tmp_path)
    gallery.show({"a": 3, "b": 1}, "old")
    gallery.show({"a": 1}, "new")
    assert sorted(gallery.state()) == ["made/out.txt", "made/pictures/a0.picture"]


def test_a_second_run_leaves_output_and_folder_alone(tmp_path, capsys):
    gallery = Gallery(tmp_path)
    gallery.show({"a": 2}, "new")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert gallery.show({"a": 2}, "new") == 0
    assert "up to date" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def _interrupt(*args, **kwargs):
    raise KeyboardInterrupt


def test_a_finished_output_loses_what_is_suspect_and_keeps_what_was_not_checked(bench):
    assert bench.make({"a": 2, "b": 3}) == 0
    whole = bench.output.read_text()
    jobs = [SceneJob("a", ("a", 2), ["a", 2])]
    for why, lost in (("not checked", False), ("suspect: drift", True)):
        step = bench.step()
        step.leave_out({"b": why}, "not checked")
        if lost:
            step.make(Outputs({"out": bench.output}), jobs, write_lines, bench.assemble)
            assert bench.output.read_text() != whole and bench.meta()["scenes"] == ["a"]
        else:
            with pytest.raises(MissingInputError, match="would lose 1 scenes, b first"):
                step.make(Outputs({"out": bench.output}), jobs, write_lines, bench.assemble)
            assert bench.output.read_text() == whole
