from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import threading
import weakref
from collections import Counter
from pathlib import Path

import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, EngineError
from spatial_engine.utils.running import executors, finished_scenes, scene_runner
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob, is_done, run_scenes
from spatial_engine.utils.storage import files


def work(arguments: tuple[str, str, Path], part_dir: Path) -> PartResult:
    """Writes what it was given, notes that it was called, or fails in the way it was told."""
    scene, how, notes = arguments
    (part_dir / "half").write_text("half")
    with open(notes / f"{scene}.calls", "a") as file:
        file.write("x")
    if how == "bad":
        raise BadDataError(f"{scene}.sens: truncated in frame 3")
    if how == "surprise":
        raise ZeroDivisionError("a message\nof two lines")
    if how == "disk":
        raise OSError(28, "No space left on device", str(part_dir / "half"))
    if how == "exit":
        os._exit(3)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    (part_dir / "half").rename(part_dir / "whole.txt")
    (part_dir / "whole.txt").write_text(f"{scene} {how}\n" * 3)
    return PartResult({"out": len(scene)}, {"out": {how: 2}}, warnings=[f"warning about {how}"])


class Runner:
    """Runs jobs `{scene: how}` in one folder and counts the calls of each scene."""

    def __init__(self, folder: Path):
        self.folder, self.notes, self.parts = folder, folder / "notes", folder / "parts"
        self.notes.mkdir()

    def jobs(self, hows: dict[str, str], inputs="1") -> list[SceneJob]:
        return [SceneJob(s, (s, how, self.notes), [how, inputs]) for s, how in hows.items()]

    def run(self, hows, *, inputs="1", settings=None, num_workers=1, **flags):
        settings = settings or {"SKIP": 5}
        jobs = self.jobs(hows, inputs)
        return run_scenes(
            "step", work, jobs, self.parts, settings, num_workers=num_workers, **flags
        )

    def calls(self) -> dict[str, int]:
        return {path.stem: len(path.read_text()) for path in sorted(self.notes.iterdir())}

    def files(self) -> dict[str, str]:
        found = sorted(path for path in self.parts.rglob("*") if path.is_file())
        return {str(p.relative_to(self.parts)): p.read_text() for p in found}


@pytest.fixture
def runner(tmp_path) -> Runner:
    return Runner(tmp_path)


SCENES = {f"s{number}": "good" for number in (3, 1, 4, 0, 5)}


def test_two_workers_give_what_one_gives(tmp_path):
    results, before = [], dict(os.environ)
    for workers, scenes in ((1, SCENES), (2, dict(reversed(SCENES.items())))):
        (tmp_path / str(workers)).mkdir()
        runner = Runner(tmp_path / str(workers))
        result = runner.run({**scenes, "bad1": "bad"}, num_workers=workers)
        assert list(result.parts) == list(result.results) == list(scenes)  # the order of the jobs
        assert runner.calls() == dict.fromkeys(sorted([*SCENES, "bad1"]), 1)
        results.append((runner.files(), result.failures, dict(sorted(result.results.items()))))
    assert results[0] == results[1]
    assert dict(os.environ) == before  # workers alone are told to use one thread


def test_a_scene_gives_its_files_counts_drops_and_warnings(runner, caplog):
    result = runner.run({"s0": "good"})
    assert (runner.parts / "s0/whole.txt").read_text() == "s0 good\n" * 3
    expected = PartResult({"out": 2}, {"out": {"good": 2}}, warnings=["warning about good"])
    assert result.results == {"s0": expected}
    assert result.parts == {"s0": runner.parts / "s0"}
    assert "s0: warning about good" in caplog.text


def test_finished_scenes_are_not_done_again_and_tell_the_same(runner):
    first = runner.run({"s0": "good", "s1": "good"})
    again = runner.run({"s0": "good", "s2": "good", "s1": "good"})
    assert runner.calls() == {"s0": 1, "s1": 1, "s2": 1}
    assert (first.reused, again.reused) == (0, 2)
    assert {s: again.results[s] for s in ("s0", "s1")} == first.results
    for job in runner.jobs({"s0": "good"}):
        assert is_done(runner.parts, "step", {"SKIP": 5}, job)
        assert not is_done(runner.parts, "step", {"SKIP": 4}, job)
        assert not is_done(runner.parts, "other", {"SKIP": 5}, job)


def test_changed_settings_inputs_or_overwrite_do_all_again(runner):
    runner.run({"s0": "good"})
    (runner.parts / "s0/left_over").touch()
    changes = [{"settings": {"SKIP": 4}}, {"settings": {"SKIP": 4}, "inputs": "2"}]
    for number, change in enumerate([*changes, {**changes[-1], "overwrite": True}], 2):
        runner.run({"s0": "good"}, **change)
        assert runner.calls() == {"s0": number}
        assert sorted(runner.files()) == ["s0/.done.json", "s0/whole.txt"]  # nothing mixed in
    runner.run({"s0": "good"}, **changes[-1])
    assert runner.calls() == {"s0": 4}


@pytest.mark.parametrize("damage", ["cut off", "gone", "in a folder"])
def test_a_folder_that_has_lost_something_is_done_again(runner, damage):
    """As a power cut, a full disk or a person may leave it."""
    runner.run({"s0": "good", "s1": "good"})
    before = runner.files()
    path = runner.parts / "s0/whole.txt"
    (runner.parts / "s0/mine.csv").write_text("what somebody adds does not matter")
    assert runner.run({"s0": "good", "s1": "good"}).reused == 2
    if damage == "cut off":
        os.truncate(path, 3)
    else:
        path.unlink()
    if damage == "in a folder":
        (runner.parts / "s0/whole.txt").mkdir()
    (job,) = runner.jobs({"s0": "good"})
    assert not is_done(runner.parts, "step", {"SKIP": 5}, job)
    result = runner.run({"s0": "good", "s1": "good"})
    assert result.redone == {"s0": "files changed or gone"}
    assert runner.calls() == {"s0": 2, "s1": 1}
    assert runner.files() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("origin", {"settings": []}), ("origin", {"settings": None}), ("origin", {"version": 3}),
        ("origin", {"step": 1}), ("origin", {"common": 2}), ("origin", None), ("accepted", []),
        ("accepted", {"x.py": 3}), ("contents", {".txt": 3}), ("contents", {".txt": [1, "x"]}),
        ("contents", []),
        ("contents", {".txt": [1]}), ("result", {"counts": {"out": "x"}}),
        ("result", {"counts": []}), ("result", {"drops": {"out": 3}}), ("result", None),
        ("result", {"warnings": [3]}), ("result", {"unknown": 3}), ("unknown", 3),
    ],
)  # fmt: skip
def test_a_mark_of_other_types_is_none(runner, field, value):
    runner.run({"s0": "good"})
    mark = runner.parts / "s0/.done.json"
    whole = json.loads(mark.read_text())
    if isinstance(value, dict) and field == "origin":
        value = {**whole[field], **value}
    mark.write_text(json.dumps({**whole, field: value}))
    assert finished_scenes.read_finished(runner.parts) == {}
    runner.run({"s0": "good"})
    assert runner.calls() == {"s0": 2}
    assert json.loads(mark.read_text()) == whole


@pytest.mark.parametrize("done", ["", "{", "[]", "{}", '{"key": 1}', "null", "\udcff"])
def test_a_folder_without_a_readable_mark_is_done_again(runner, done):
    runner.run({"s0": "good"})
    (runner.parts / "s0/.done.json").write_text(done, encoding="utf-8", errors="surrogateescape")
    runner.run({"s0": "good"})
    assert runner.calls() == {"s0": 2}


def test_a_folder_that_somebody_else_made_is_not_replaced_unasked(runner):
    own = runner.parts / "s0"
    own.mkdir(parents=True)
    (own / "mine.txt").write_text("mine")
    result = runner.run({"s0": "good", "s1": "good"})
    assert list(result.parts) == ["s1"]
    assert str(own) in result.failures["s0"]
    assert [path.name for path in own.iterdir()] == ["mine.txt"]
    assert runner.run({"s0": "good"}, overwrite=True).failures == {}
    assert [path.name for path in own.iterdir() if path.name == "mine.txt"] == []


@pytest.mark.parametrize("workers", [1, 2])
def test_failing_scenes_are_named_in_one_line_and_the_others_finish(runner, workers):
    hows = {"s0": "good", "b0": "bad", "b1": "surprise", "b2": "disk", "s1": "good"}
    result = runner.run(hows, num_workers=workers)
    assert list(result.parts) == ["s0", "s1"]
    assert list(result.failures) == ["b0", "b1", "b2"]
    assert result.failures["b0"] == "b0.sens: truncated in frame 3"
    assert "ZeroDivisionError" in result.failures["b1"]
    assert "test_scene_runner.py" in result.failures["b1"]  # where
    assert "No space left on device" in result.failures["b2"]
    assert all(len(cause.splitlines()) == 1 for cause in result.failures.values())
    assert sorted(path.name for path in runner.parts.iterdir()) == ["s0", "s1"]  # no temporary


def test_a_failed_scene_is_tried_again_and_keeps_nothing_of_the_failure(runner):
    flag = {"s0": "good", "b0": "bad"}
    for number in (1, 2):
        assert list(runner.run(flag).failures) == ["b0"]
        assert runner.calls() == {"b0": number, "s0": 1}
    assert runner.run({"b0": "good"}).failures == {}
    assert (runner.parts / "b0/whole.txt").read_text() == "b0 good\n" * 3


def test_what_another_run_writes_beside_the_scenes_is_not_removed(runner):
    """Infos lie beside the scenes; another run may be about to write them."""
    runner.run({"s0": "good"})
    with files.atomic_path(runner.parts / "infos.pkl") as partial:
        partial.write_text("infos")
        runner.run({"s0": "good", "s1": "good"})
    assert (runner.parts / "infos.pkl").read_text() == "infos"


def test_what_a_killed_run_left_is_replaced(runner):
    left = runner.parts / "s0.partial"
    left.mkdir(parents=True)
    (left / "stale").touch()
    (left / ".done.json").write_text("{}")
    runner.run({"s0": "good"})
    assert sorted(runner.files()) == ["s0/.done.json", "s0/whole.txt"]


@pytest.mark.parametrize("death", ["exit", "kill"])
def test_a_worker_that_dies_is_one_line_and_finished_scenes_are_kept(runner, death):
    runner.run({"s0": "good", "s1": "good"})
    with raises_one_line(EngineError, "finished scenes are kept"):
        runner.run({"s0": "good", "s1": "good", "d0": death, "d1": death}, num_workers=2)
    result = runner.run({"s0": "good", "s1": "good"})
    assert (result.reused, runner.calls()["s0"]) == (2, 1)
    assert not (runner.parts / "d0").exists()


def test_nothing_to_do_is_no_error(runner):
    result = runner.run({}, num_workers=2)
    assert (result.parts, result.failures, result.reused) == ({}, {}, 0)


def task_of(parts: Path, run_dir: Path, do, overwrite: bool = False):
    """What a worker is given of one scene `s0`; `do(part_dir)` is its work."""

    def work(arguments, part_dir: Path) -> PartResult:
        do(part_dir)
        return PartResult({"out": 1})

    job = SceneJob("s0", None, "1")
    return scene_runner._Task(work, job, job.origin("step", {}), parts, overwrite), run_dir


def test_a_worker_taken_for_lost_finishes_nothing_once_the_run_is_over(tmp_path):
    run = scene_runner._run_folder(tmp_path / "parts")
    run_dir = run.__enter__()

    def outlive_the_run(part_dir: Path) -> None:
        (part_dir / "half").touch()
        run.__exit__(None, None, None)

    for _ in range(2):  # the second starts when the run is over already
        result = scene_runner._do_scene(task_of(tmp_path / "parts", run_dir, outlive_the_run))
        assert "No such file" in result
        assert list((tmp_path / "parts").iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_workers_at_one_scene_leave_one_whole_folder(tmp_path, overwrite):
    parts = tmp_path / "parts"
    with scene_runner._run_folder(parts) as run_dir:

        def be_second(part_dir: Path) -> None:
            (part_dir / "second").touch()
            first = task_of(parts, run_dir, lambda folder: (folder / "first").touch(), overwrite)
            assert isinstance(scene_runner._do_scene(first), PartResult)

        assert isinstance(
            scene_runner._do_scene(task_of(parts, run_dir, be_second, overwrite)), PartResult
        )
        assert list(run_dir.iterdir()) == []
    left = sorted(path.name for path in (parts / "s0").iterdir())
    assert left == [".done.json", "second" if overwrite else "first"]


def test_a_folder_that_another_worker_puts_there_at_that_moment_stays(tmp_path, monkeypatch):
    partial, part_dir, others = (tmp_path / name for name in ("partial", "s0", "others"))
    for folder in (partial, part_dir, others):
        folder.mkdir()
        (folder / folder.name).touch()
    rename = os.rename

    def rename_between(source: Path, target: Path) -> None:
        rename(source, target)
        if source == part_dir:  # the old one has been moved away
            shutil.copytree(others, part_dir)

    monkeypatch.setattr(os, "rename", rename_between)
    scene_runner._publish(partial, part_dir, "key")
    assert [path.name for path in part_dir.iterdir()] == ["others"]


def test_what_another_machine_finished_is_waited_for(runner, monkeypatch):
    runner.run({"s0": "good"})
    key = runner.jobs({"s0": "good"})[0].origin("step", {"SKIP": 5}).key
    aside = runner.folder / "aside"
    (runner.parts / "s0").rename(aside)
    threading.Timer(0.3, aside.rename, [runner.parts / "s0"]).start()
    scene_runner._await_view(runner.parts, {"s0": key})
    assert (runner.parts / "s0").is_dir()
    monkeypatch.setattr(scene_runner, "VIEW_SECONDS", 0.2)
    with raises_one_line(EngineError, runner.parts / "s0", "storage"):
        scene_runner._await_view(runner.parts, {"s0": "another key"})


def test_a_folder_that_has_lost_something_stays_until_the_new_one_is_there(runner, monkeypatch):
    """However a run that does it again ends."""
    runner.run({"s0": "good"})
    before = runner.files()
    (runner.parts / "s0/whole.txt").unlink()

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scene_runner, "_publish", stop)
        runner.run({"s0": "good"})
    assert sorted(runner.files()) == ["s0/.done.json"]
    assert runner.run({"s0": "good"}).redone == {"s0": "files changed or gone"}
    assert runner.files() == before


def test_a_stale_folder_that_is_half_removed_is_not_in_the_way(runner, monkeypatch):
    runner.run({"s0": "good"})

    def stop(folder: Path) -> None:
        (folder / ".done.json").unlink()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scene_runner.files, "remove", stop)
        scene_runner._remove_stale(runner.parts, "s0", "another key")
    assert runner.run({"s0": "good"}).failures == {}
    assert sorted(runner.files()) == ["s0/.done.json", "s0/whole.txt"]


def test_a_damaged_mark_is_told(runner):
    runner.run({"s0": "good"})
    (runner.parts / "s0/.done.json").write_text("{")
    assert runner.run({"s0": "good"}).redone == {"s0": "its status file is damaged"}


def test_code_that_is_edited_while_a_command_runs_is_refused(runner, monkeypatch):
    """The processes of a second pool load what is on the disk by then."""
    runner.run({"s0": "good"}, num_workers=2)
    monkeypatch.setattr(executors, "_CODE", "as it was when the command was started")
    with raises_one_line(EngineError, "code was changed", "start it again"):
        runner.run({"s0": "good", "s1": "good", "s2": "good"}, num_workers=2)
    assert not (runner.parts / "s1").exists()


def test_what_a_mark_says_is_shown_and_not_obeyed(runner):
    runner.run({"s0": "good"})
    mark = runner.parts / "s0/.done.json"
    told = json.loads(mark.read_text())
    told["origin"] |= {"version": "\u202e1.0\x1b[31m\n", "settings": {"\u202eSKIP\x07": 5}}
    mark.write_text(json.dumps(told))
    (reason,) = runner.run({"s0": "good"}).redone.values()
    assert reason.isprintable()
    assert "\\u202e1.0\\x1b[31m" in reason and "\\u202eSKIP\\x07" in reason


def test_garbage_between_two_runs_in_one_process_is_collected(runner):
    """Nothing of it may be set aside with what is there at the start of a run."""

    class Node:
        pass

    assert runner.run({"a": "well"}).failures == {}
    one = Node()
    one.itself = one
    there = weakref.ref(one)
    del one
    assert runner.run({"b": "well"}).failures == {}
    gc.collect()
    assert there() is None


def read_into(arguments: list[bytes], part_dir: Path) -> PartResult:
    """Keeps something large of its scene in its arguments, as infos keep what they have read."""
    arguments.append(bytes(2**20))
    return PartResult({"out": len(arguments)})


def test_what_arguments_keep_of_a_scene_goes_with_it(tmp_path):
    """The jobs of all scenes are held to the end; ten thousand times 0.3 MB would be with them."""
    jobs = [SceneJob(f"s{number}", [], None) for number in range(3)]
    done = run_scenes("step", read_into, jobs, tmp_path / "parts", {}, num_workers=1)
    assert [result.counts for result in done.results.values()] == [{"out": 1}] * 3
    assert [job.arguments for job in jobs] == [[]] * 3


@pytest.mark.parametrize("name", ["out.parquet.parts", "measured.cache"])
def test_no_folder_of_parts_grows_with_the_scenes(runner, name):
    """A network file system is slow with ten thousand entries in a folder."""
    runner.parts = runner.folder / name
    scenes = [f"scene{number:04d}_00" for number in range(3000)]
    folders = [finished_scenes.folder_of(runner.parts, scene) for scene in scenes]
    entries = Counter(folder.parent for folder in folders)
    assert len(entries) == finished_scenes.SHARDS and max(entries.values()) < 40
    assert {folder.parent.parent for folder in folders} == {runner.parts}

    result = runner.run({"s0": "good", "s1": "bad"})
    assert result.parts == {"s0": finished_scenes.folder_of(runner.parts, "s0")}
    assert finished_scenes.names_in(runner.parts) == ["s0"]
    assert runner.run({"s0": "good"}).reused == 1
    runner.run({"s0": "bad"})  # a good one is there no more
    assert [path for path in runner.parts.rglob("*") if path.is_file()] == []
