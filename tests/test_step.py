from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.utils import provenance
from spatial_engine.utils.scene_runner import PartResult, SceneJob
from spatial_engine.utils.step import Step


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
        options |= {"splits": ["train", "val"], "seed": 7}
        return Step("measure", argparse.Namespace(**{**options, **flags}), {"SKIP": 5})

    def make(self, scenes: dict[str, int], *, flags=(), **options) -> int:
        step = self.step(**dict(flags))
        jobs = [SceneJob(scene, item, list(item)) for scene, item in _items(scenes)]
        step.make({"out": self.output}, jobs, write_lines, self.assemble, **options)
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
    assert meta["settings"] == {"SKIP": 5}
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
        kept = {name: bench.meta()[name] for name in ("key", "bytes")}
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
    step.make({"out": bench.output}, jobs, write_lines, bench.assemble)
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


def test_a_run_that_dies_before_its_provenance_leaves_none_of_the_old(bench, monkeypatch):
    bench.make({"a": 1})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(provenance, "write_meta", _interrupt)
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


def _interrupt(*args, **kwargs):
    raise KeyboardInterrupt
