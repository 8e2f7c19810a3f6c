"""What was found of a large set is taken as long as that is safe, and looked at again otherwise."""

from __future__ import annotations

import importlib
import os
import shutil
import time
from pathlib import Path

import pytest
from conftest import COMMANDS, copy_root, own_file

from spatial_engine.utils.running import cli
from spatial_engine.utils.storage import looks
from spatial_engine.utils.storage.looks import Looks, state_of

SCENES = [f"s{number}" for number in range(4)]
EXTRACT, INFOS, VISIBILITY = COMMANDS[1:4]


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A folder of scenes of two files each, of a set that is large."""
    monkeypatch.setattr(Looks, "_of", {})  # what earlier tests have found is not to be kept now
    monkeypatch.setattr(looks, "MANY_SCENES", len(SCENES))
    monkeypatch.setattr(looks, "MANY_FILES", 2 * len(SCENES) - 1)
    monkeypatch.setattr(looks, "_SETTLED_NS", 0)
    for scene in SCENES:
        (tmp_path / "place" / scene).mkdir(parents=True)
        for name in ("a", "b"):
            (tmp_path / "place" / scene / name).write_text("x")
    time.sleep(0.01)  # times of files are coarse
    return tmp_path / "place"


class Looker:
    """Reads all files of scenes, and counts the scenes read."""

    def __init__(self, place: Path, of_files: bool = False):
        self.place, self.of_files = place, of_files

    def __call__(self) -> tuple[dict[str, list[str]], int]:
        """What a run finds, by scene, and how many it has read."""
        self.read = 0
        kept = Looks.of(self.place)
        found = {scene: kept.at(scene, "texts", *self.look(scene)) for scene in SCENES}
        Looks.keep_all()
        Looks._of.clear()  # as in another process
        return found, self.read

    def look(self, scene: str):
        files = sorted((self.place / scene).iterdir())

        def read():
            self.read += 1
            return [path.read_text() for path in files], len(files)

        return (files if self.of_files else [self.place / scene]), read


@pytest.mark.parametrize("of_files", [True, False])
def test_what_has_not_changed_is_read_once(place, of_files):
    run = Looker(place, of_files)
    first, read = run()
    assert read == len(SCENES) and first == {scene: ["x", "x"] for scene in SCENES}
    assert run() == (first, 0)
    (place / "s1/c").write_text("new")
    (place / "s2/a").unlink()
    expected = first | {"s1": ["x", "x", "new"], "s2": ["x"]}
    assert run() == (expected, 2)
    assert run() == (expected, 0)


def test_an_edit_of_a_file_is_noticed_with_any_size_and_time(place):
    run = Looker(place, of_files=True)
    run()
    path = place / "s3/b"
    status = path.stat()
    path.write_text("y")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    found, read = run()
    assert read == 1 and found["s3"] == ["x", "y"]


def test_an_edit_in_a_folder_is_noticed_up_to_so_many_files(place, monkeypatch):
    run = Looker(place)
    run()
    (place / "s3/b").write_text("y")
    assert run()[1] == 0  # the price of not listing ten million files
    for few in ("MANY_FILES", "MANY_SCENES"):
        with monkeypatch.context() as patch:
            patch.setattr(looks, few, getattr(looks, few) + 1)
            if few == "MANY_SCENES":
                place.with_name(f"place{looks.SUFFIX}").unlink()
                run()  # not kept
            found, read = run()
            assert read == len(SCENES) and found["s3"] == ["x", "y"]


def test_a_copy_is_looked_at_again_and_so_is_what_other_code_has_found(place, monkeypatch):
    first, _ = Looker(place)()
    copy = place.parent / "other/place"
    shutil.copytree(place.parent, copy.parent, ignore=shutil.ignore_patterns("other"))
    kept = place.with_name(f"place{looks.SUFFIX}")
    shutil.copy2(kept, copy.with_name(kept.name))
    assert Looker(copy)() == (first, len(SCENES))
    assert Looker(copy)() == (first, 0)
    monkeypatch.setattr(looks, "_code", lambda: "0" * 32)
    assert Looker(copy)() == (first, len(SCENES))


def test_a_damaged_file_is_no_file(place):
    first, _ = Looker(place)()
    kept = place.with_name(f"place{looks.SUFFIX}")
    data = kept.read_bytes()
    for damage in (data[:-1], data[:10], b"", data[:70] + b"0" + data[71:], b"{}"):
        kept.write_bytes(damage)
        assert Looker(place)() == (first, len(SCENES))
    assert kept.read_bytes() == data
    kept.unlink()
    kept.mkdir()
    assert Looker(place)() == (first, len(SCENES))


def test_what_may_still_be_changing_is_not_kept(place, monkeypatch):
    monkeypatch.setattr(looks, "_SETTLED_NS", 3_600_000_000_000)
    assert Looker(place)()[1] == Looker(place)()[1] == len(SCENES)
    assert state_of([place, place / "none"]).latest > 0 == state_of([place / "none"]).latest


def test_a_large_set_that_is_finished_is_not_listed_again(made_root, tmp_path, monkeypatch, capsys):
    """Its commands say that all is up to date; what is lost or new is noticed all the same."""
    monkeypatch.setattr(Looks, "_of", {})
    monkeypatch.setattr(looks, "MANY_SCENES", 1)
    monkeypatch.setattr(looks, "MANY_FILES", 0)
    monkeypatch.setattr(looks, "_SETTLED_NS", 0)
    root = copy_root(made_root, tmp_path / "root")  # another test's link would change a state
    frames = root / "data/scannet/posed_images"

    def run(command: str, ends_with: int = 0) -> tuple[str, set[str]]:
        listed = set()
        real = os.scandir

        def scandir(path="."):
            listed.add(str(path))
            return real(path)

        module = importlib.import_module(command.removesuffix(".py").replace("/", "."))
        with monkeypatch.context() as patch:
            patch.setattr(os, "scandir", scandir)
            Looks._of.clear()  # as in another process
            code = cli.run(module.main, ["--root", str(root), "--num-workers", "1"])
        said = capsys.readouterr()
        assert code == ends_with, said
        return said.out, {path for path in listed if frames in Path(path).parents}

    time.sleep(0.01)
    for command in (EXTRACT, INFOS, VISIBILITY):
        assert run(command)[1]
        table, listed = run(command)
        assert "again" not in table and not listed, command
    path = frames / "scene0001_00/00005.png"  # of a frame that is used
    data = path.read_bytes()
    path.unlink()
    assert "made again: inputs changed of scene0001_00" in run(INFOS)[0]
    assert f"{path}: no such image" in run(VISIBILITY, ends_with=1)[0]
    table, listed = run(EXTRACT)
    assert "again" in table and path.read_bytes() == data
    assert own_file(path).is_file()
