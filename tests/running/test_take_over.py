"""Scenes that a finished output holds are taken over into the next one (`Step.make`)."""

from __future__ import annotations

import argparse
import json
import os
import shutil
from pathlib import Path

import pytest

from spatial_engine.errors import BadDataError
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import engine_code, files, provenance


def write_lines(arguments: tuple[str, int, str, Path], part_dir: Path) -> PartResult:
    scene, lines, word, calls = arguments
    with open(calls, "a") as file:
        file.write(f"{scene} ")
    if word == "broken":
        raise BadDataError(f"{scene}.txt: broken")
    if word == "gone":
        raise FileNotFoundError(2, "No such file", f"{scene}.txt")
    (part_dir / "lines").write_text(f"{scene} {word}\n" * lines)
    damaged = [f"{scene}.txt: a line is left out"] if word == "damaged" else []
    notes = {"out": {"long words": len(word) // 5}}
    return PartResult({"out": lines}, {"out": {f"starts with {word[0]}": 1}}, notes, [], damaged)


class Table:
    """A file with some lines of each scene, `{scene: (lines, word)}`, and a companion that holds
    the same."""

    def __init__(self, root: Path):
        self.root, self.output, self.calls = root, root / "made" / "out.txt", root / "calls"
        root.mkdir(parents=True, exist_ok=True)

    def make(self, scenes: dict[str, tuple[int, str]], skip: int = 5, **flags) -> int:
        self.calls.write_text("")
        options = {"root": self.root, "num_workers": 1, "overwrite": False, "scenes": None}
        options |= {"splits": ["train", "val"], "seed": 7, "accept_finished": False} | flags
        step = Step("measure", argparse.Namespace(**options), {"SKIP": skip}, __file__)
        jobs = [SceneJob(s, (s, *what, self.calls), list(what)) for s, what in scenes.items()]
        outputs = Outputs({"out": self.output}, {"copy": self.root / "made" / "copy.txt"})
        step.make(outputs, jobs, write_lines, self.assemble, takes_over=True)
        return step.close()

    def assemble(self, parts, outputs) -> None:
        lines = []
        for part in parts:
            path, scene = part.source("copy", "lines")
            lines += [line for line in path.read_text().splitlines(True) if line.startswith(scene)]
        for path in outputs.values():
            path.write_text("".join(lines))

    @property
    def done(self) -> list[str]:
        """Scenes that the last run has done."""
        return sorted(self.calls.read_text().split())

    def state(self) -> dict[str, object]:
        """All files, provenance without what is of the run."""
        found: dict[str, object] = {}
        for path in sorted(path for path in self.root.rglob("*") if path != self.calls):
            found[str(path.relative_to(self.root))] = path.read_bytes() if path.is_file() else None
        for name in [name for name in found if name.endswith(".meta.json")]:
            found[name] = {k: v for k, v in json.loads(found[name]).items() if k != "run"}
        return found


SCENES = {"a": (2, "word"), "b": (0, "empty"), "c": (3, "damaged"), "d": (1, "wonderful")}


@pytest.fixture
def table(tmp_path) -> Table:
    made = Table(tmp_path / "root")
    made.make(SCENES)
    return made


def from_scratch(tmp_path: Path, scenes: dict, **options) -> dict[str, object]:
    other = Table(tmp_path / "scratch")
    files.remove(other.root / "made")
    other.make(scenes, **options)
    return other.state()


CHANGES = {
    "added": ({**SCENES, "e": (2, "new")}, ["e"]),
    "added between": ({"a": SCENES["a"], "aa": (2, "new"), **SCENES}, ["aa"]),
    "left out": ({s: SCENES[s] for s in "acd"}, []),
    "changed": ({**SCENES, "b": (5, "more")}, ["b"]),
    "repaired": ({**SCENES, "c": (3, "whole")}, ["c"]),
    "all at once": ({"a": SCENES["a"], "c": (1, "x"), "e": (1, "y"), "d": SCENES["d"]}, ["c", "e"]),
    "other order": (dict(reversed(SCENES.items())), []),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_what_has_changed_is_done_and_all_is_as_from_scratch(table, tmp_path, change, capsys):
    scenes, done = CHANGES[change]
    capsys.readouterr()
    table.make(scenes)
    if change == "other order":  # the inputs are the same
        assert table.done == [] and "up to date" in capsys.readouterr().out
        return
    assert table.done == done
    told = f"{len(done)} scene{'s' * (len(done) != 1)} made, {len(scenes) - len(done)} taken over"
    out = capsys.readouterr().out
    assert told in out and ("damaged: c" in out) == (scenes["c"][1] == "damaged")
    assert table.state() == from_scratch(tmp_path, scenes)
    table.make(scenes)
    assert table.done == [] and "up to date" in capsys.readouterr().out


@pytest.mark.parametrize(
    "why", ["settings", "overwrite", "companion", "output", "no provenance", "provenance"]
)
def test_what_is_not_known_to_be_good_is_done_again(table, tmp_path, why):
    scenes, meta = {**SCENES, "e": (2, "new")}, provenance.meta_path(table.output)
    options = {"settings": {"skip": 6}, "overwrite": {"overwrite": True}}.get(why, {})
    if why == "companion":
        (table.root / "made" / "copy.txt").write_text("another")
    if why == "output":
        table.output.write_text("another")
    if why == "no provenance":
        meta.unlink()
    if why == "provenance":
        told = json.loads(meta.read_text())
        told["by_scene"] = {"records": {"a": "2"}, "drops": [], "notes": 5}
        meta.write_text(json.dumps(told))
    table.make(scenes, **options)
    assert table.done == sorted(scenes)
    assert table.state() == from_scratch(tmp_path, scenes, **options)


def test_a_scene_that_fails_for_now_leaves_the_old_output_and_what_is_done_is_kept(table, capsys):
    before = table.state()
    assert table.make({**SCENES, "a": (2, "gone"), "e": (2, "new")}) == 1
    assert "left as it was, it holds 1 scenes that failed now (a first)" in capsys.readouterr().out
    assert {name: table.state()[name] for name in before} == before
    assert table.make({**SCENES, "a": (2, "back"), "e": (2, "new")}) == 1  # one is damaged
    assert table.done == ["a"]  # the other was finished before


def test_a_scene_that_is_broken_now_is_left_out_and_tried_again(table, tmp_path):
    scenes = {**SCENES, "a": (2, "broken")}
    assert table.make(scenes) == 1 and table.done == ["a"]
    assert "a word" not in table.output.read_text()
    assert table.make(scenes) == 1 and table.done == ["a"]
    scenes["a"] = (2, "mended")
    table.make(scenes)
    assert table.done == ["a"]
    assert table.state() == from_scratch(tmp_path, scenes)


def test_scenes_of_accepted_work_are_taken_over_and_it_is_told(table, monkeypatch):
    real = engine_code.digests_of
    monkeypatch.setattr(engine_code, "digests_of", lambda module: {**real(module), "x.py": "new"})
    table.make(SCENES, accept_finished=True)
    assert table.done == []
    table.make({**SCENES, "e": (2, "new")})
    assert table.done == ["e"]
    told = provenance.read_meta(table.output)
    assert "accepted" not in told
    assert told["accepted_scenes"] == {scene: {"x.py": ""} for scene in SCENES}


def stop_at(monkeypatch, number: int) -> list[str]:
    """Raise instead of the `number`-th change of names on the disk, or after it; returns what was
    called."""
    called: list[str] = []

    def watch(owner, name):
        original = getattr(owner, name)

        def replacement(*args, **kwargs):
            called.append(name)
            if len(called) == number:
                raise KeyboardInterrupt
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, replacement)

    watch(os, "replace")
    watch(os, "fsync")
    watch(shutil, "rmtree")
    watch(Path, "unlink")
    watch(Path, "touch")
    return called


def test_killed_at_any_moment_no_scene_that_was_there_is_done_again(tmp_path, monkeypatch):
    scenes = {**SCENES, "b": (5, "more"), "e": (1, "new")}
    wanted = from_scratch(tmp_path, scenes)
    moments = 0
    for number in range(1, 100):
        table = Table(tmp_path / str(number))
        table.make(SCENES)
        with monkeypatch.context() as patch:
            called = stop_at(patch, number)
            try:
                table.make(scenes)
            except KeyboardInterrupt:
                moments += 1
        table.make(scenes)
        assert not {"a", "c", "d"} & set(table.done), called
        assert table.state() == wanted, called
        if len(called) < number:
            break
    assert moments == number - 1 >= 12
