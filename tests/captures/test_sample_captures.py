"""The command that writes the room in the formats of captures."""

import shutil
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from captures.same_room import check_same_room
from captures.scannet_scan import SCENE, open_scan

from spatial_engine.errors import SettingsError
from spatial_engine.sample_data.__main__ import main
from spatial_engine.sample_data.captures import room as rooms
from spatial_engine.sample_data.captures import sample_captures
from spatial_engine.sample_data.captures.sample_captures import (
    FORMATS,
    Format,
    formats,
    write_sample_captures,
)

FOLDER = Path(sample_captures.__file__).parent
SIZE = (96, 72)


@pytest.fixture(autouse=True)
def few_frames(monkeypatch):
    monkeypatch.setattr(sample_captures, "FRAMES", 6)


@pytest.fixture
def plain(monkeypatch):
    """A format "plain" of a data set, whose writer is a stand-in; what it was given."""
    given = []

    def write(room: rooms.CaptureRoom, folder: Path, name: str) -> None:
        given.append(room)
        assert not list(folder.iterdir())
        (folder / "raw").mkdir()
        np.save(folder / "raw" / name, room.frames[0].image)
        (folder / "list.csv").write_text(name)

    module = ModuleType("spatial_engine.sample_data.captures.plain")
    module.write = write
    monkeypatch.setitem(sys.modules, module.__name__, module)
    kind = Format("plain", (2 * SIZE[0], 2 * SIZE[1]), SIZE, 0.01, "data/plain", ("image",))
    monkeypatch.setitem(FORMATS, "plain", kind)
    monkeypatch.setattr(sample_captures, "find_spec", lambda name: None)
    return given


def test_every_writer_is_in_the_table():
    writers = {path.stem for path in FOLDER.glob("[!_]*.py")}
    writers -= {"room", "sample_captures", "held", "image_files"}  # these write no format
    assert writers <= {kind.module for kind in FORMATS.values()}
    assert set(formats()) <= set(FORMATS) and "scannet" in formats()


def test_the_command_writes_the_room_and_nothing_else(tmp_path, capsys):
    flags = ["--root", str(tmp_path), "--small", "--num-workers", "1", "--captures", "scannet"]
    assert main(flags) == 0
    assert "1 captures made, 0 were there" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["captures"]
    capture = open_scan(tmp_path / "captures/scannet" / SCENE)
    check_same_room(capture, rooms.make_room((324, 242), (160, 120), num_frames=6))
    assert main(flags) == 0
    assert "0 captures made, 1 were there" in capsys.readouterr().out


def test_files_of_a_data_set_are_linked_to_their_places(tmp_path, plain):
    data = tmp_path / "data/plain"
    (data / "raw").mkdir(parents=True)
    (data / "raw/own.npy").write_bytes(b"a user's own")
    run = write_sample_captures(tmp_path, ["plain"], small=True)
    assert not run.failures and run.results["plain"].counts == {"frames": 6}
    assert {path.name for path in data.rglob("*")} == {"raw", "own.npy", "image.npy", "list.csv"}
    made = tmp_path / "captures/plain/raw/image.npy"
    assert made.samefile(data / "raw/image.npy")
    assert np.load(made).shape == (SIZE[1] // 2, SIZE[0] // 2, 3)
    assert plain[0].depth_size == (SIZE[0] // 4, SIZE[1] // 4)
    assert len({frame.K[0, 0] for frame in plain[0].frames}) == 6

    (data / "list.csv").unlink()
    assert write_sample_captures(tmp_path, ["plain"], small=True).reused == 1
    assert (data / "list.csv").read_text() == "image"


def test_other_files_are_never_replaced(tmp_path, plain):
    data = tmp_path / "data/plain"
    data.mkdir(parents=True)
    (data / "list.csv").write_text("of real scenes")
    for overwrite in (False, True):
        with pytest.raises(SettingsError, match=r"list\.csv: holds something that this"):
            write_sample_captures(tmp_path, ["plain"], small=True, overwrite=overwrite)
    assert [path.name for path in data.iterdir()] == ["list.csv"]
    shutil.rmtree(data)
    assert write_sample_captures(tmp_path, ["plain"], small=True).reused == 1
    assert (data / "raw/image.npy").exists()


def test_what_is_made_anew_replaces_what_was_linked(tmp_path, plain):
    write_sample_captures(tmp_path, ["plain"], small=True)
    image = tmp_path / "data/plain/raw/image.npy"
    before = np.load(image)
    (tmp_path / "data/plain/own.txt").write_text("a user's own")
    assert not write_sample_captures(tmp_path, ["plain"], small=True, seed=1).failures
    assert (np.load(image) != before).any()
    assert image.samefile(tmp_path / "captures/plain/raw/image.npy")
    assert (tmp_path / "data/plain/own.txt").exists()
    image.unlink()
    image.write_bytes(b"no longer ours")
    with pytest.raises(SettingsError, match=r"image\.npy: holds something"):
        write_sample_captures(tmp_path, ["plain"], small=True, overwrite=True)


def test_a_changed_writer_writes_again(tmp_path, plain, monkeypatch):
    write_sample_captures(tmp_path, ["plain"], small=True)
    monkeypatch.setattr(sample_captures.engine_code, "digests_of", lambda path: {"plain.py": "1"})
    monkeypatch.setattr(sample_captures, "find_spec", lambda name: sample_captures.__spec__)
    run = write_sample_captures(tmp_path, ["plain"], small=True)
    assert run.reused == 0 and len(plain) == 2
