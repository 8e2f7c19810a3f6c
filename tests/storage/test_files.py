from __future__ import annotations

import errno
import fcntl
import json
import os
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np
import pytest
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.utils.storage import files, locks, os_errors


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_what_was_there_and_no_temporary(tmp_path, error):
    path = tmp_path / "new" / "out.txt"
    for before in (None, "old"):
        if before:
            path.write_text(before)
        with pytest.raises(error), files.atomic_path(path) as partial:
            partial.write_text("half")
            raise error
        assert [p.name for p in path.parent.iterdir()] == (["out.txt"] if before else [])
        assert not before or path.read_text() == before


def test_the_final_name_appears_only_when_the_block_ends(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    (tmp_path / "out.txt.partial").write_text("left by a killed run")
    with files.atomic_path(path) as partial:
        assert not partial.exists()
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced = []

    def fail(handle: int) -> None:
        synced.append(os.fstat(handle).st_ino)
        raise OSError(errno.EIO, "Input/output error")

    path = tmp_path / "out.txt"
    path.write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output") as caught, files.atomic_path(path) as new:
            new.write_text("new")
            inode = new.stat().st_ino
    assert synced == [inode]
    assert caught.value.filename == str(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_cannot_sync_is_no_error(tmp_path, monkeypatch, number):
    def fail(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with files.atomic_path(tmp_path / "out.txt") as partial:
        partial.write_text("new")
    assert (tmp_path / "out.txt").read_text() == "new"


@pytest.mark.parametrize("before", [{".txt": 5}, {".txt": ["x", 1]}, {".txt": [1]}, [], 7, None])
def test_what_is_told_of_a_folder_in_another_form_is_lost(tmp_path, before):
    (tmp_path / "a.txt").write_text("four")
    assert files.has_lost(tmp_path, before)
    assert files.has_lost(tmp_path / "gone", {})


def test_what_a_folder_holds_is_counted_by_ending(tmp_path):
    for name in ("a.txt", "b.txt", "more/c.txt", "more/d", ".done.json", "more/.hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("four")
    (tmp_path / "nowhere.txt").symlink_to(tmp_path / "nothing")
    held = files.contents(tmp_path)
    assert held == {"": [1, 4], ".txt": [3, 12]}
    assert not files.has_lost(tmp_path, held)
    assert not files.has_lost(tmp_path, {})
    (tmp_path / "e.txt").write_text("five")
    assert not files.has_lost(tmp_path, held)
    (tmp_path / "more/d").write_text("for")
    assert files.has_lost(tmp_path, held)


def test_a_folder_is_made_whole_and_a_left_over_one_is_overwritten(tmp_path):
    (tmp_path / "scene.partial").mkdir()
    (tmp_path / "scene.partial" / "stale").touch()
    with files.atomic_path(tmp_path / "scene") as partial:
        partial.mkdir()
        (partial / "fresh").touch()
    assert [p.name for p in (tmp_path / "scene").iterdir()] == ["fresh"]


def test_remove_takes_a_link_and_not_what_it_points_to(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for path in (tmp_path / "link", tmp_path / "nothing"):
        files.remove(path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_short_disk_is_refused_with_numbers(tmp_path):
    files.check_disk(tmp_path / "not" / "yet", 1, 1)
    for num_files, num_bytes in ((1, 10**18), (10**15, 1)):
        if num_bytes == 1 and not os.statvfs(tmp_path).f_files:
            continue
        with raises_one_line(SettingsError, tmp_path, "make room"):
            files.check_disk(tmp_path / "not" / "yet", num_files, num_bytes)


HOSTILE_IDS = [
    "", ".", "..", "../x", "a/b", "/abs", "a\\b", "a\0b", "a\n", "\na", "a b", " ", "-rf", ".x",
    "a" * 10_000, "a\u202eb", "\u200fa", "é", "a\tb", "~", "$HOME", "a;b", "<b>", "%2e%2e", "٣",
]  # fmt: skip


@pytest.mark.parametrize("identifier", HOSTILE_IDS)
def test_ids_that_cannot_be_a_file_name_are_refused(identifier):
    with raises_one_line(BadDataError, "list.txt"):
        files.check_id(identifier, "list.txt")


def test_an_id_cannot_be_the_temporary_name_of_another():
    """The folder of scene `a` is made as `a.partial`, and whatever has that name is removed."""
    with raises_one_line(BadDataError, "list.txt"):
        files.check_id("scene0000_00" + files.PARTIAL_SUFFIX, "list.txt")


def test_ids_of_the_data_sets_pass():
    for identifier in ("scene0000_00", "Apartment_release_meal_seq136_8", "boxes_11", "7-s.1+a"):
        assert files.check_id(identifier, "x") == identifier


def test_a_folder_is_held_by_one_at_a_time_and_free_afterwards(tmp_path):
    folder = tmp_path / "new" / "parts"
    for _ in range(2):
        refused = raises_one_line(SettingsError, folder, "another run")
        with locks.locked(folder), refused, locks.locked(folder):
            pass
    assert list(folder.iterdir()) == []


def test_a_folder_removed_by_the_one_that_held_it_can_be_held_anew(tmp_path):
    folder = tmp_path / "parts"
    with locks.locked(folder):
        files.remove(folder)
    with locks.locked(folder):
        assert folder.is_dir()


def test_where_folders_cannot_be_locked_there_is_a_warning(tmp_path, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with locks.locked(tmp_path / "parts"):
        assert "cannot be locked" in caplog.text


def test_a_link_is_another_name_of_the_same_file(tmp_path):
    (tmp_path / "one").write_text("text")
    files.link_or_copy(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").samefile(tmp_path / "one")
    assert (tmp_path / "two").read_text() == "text"


@pytest.mark.parametrize(
    "refusal", [errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK]
)
def test_where_links_cannot_be_made_there_is_a_copy(tmp_path, monkeypatch, refusal):
    def refuse(*args, **kwargs):
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(files.os, "link", refuse)
    (tmp_path / "one").write_text("text")
    files.link_or_copy(tmp_path / "one", tmp_path / "two")
    assert not (tmp_path / "two").samefile(tmp_path / "one")
    (tmp_path / "one").unlink()
    assert (tmp_path / "two").read_text() == "text"


def test_other_errors_of_a_link_are_not_hidden_by_a_copy(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError):
        files.link_or_copy(tmp_path / "none", tmp_path / "two")
    (tmp_path / "one").write_text("text")
    (tmp_path / "two").write_text("there before")
    with pytest.raises(FileExistsError):
        files.link_or_copy(tmp_path / "one", tmp_path / "two")
    assert (tmp_path / "two").read_text() == "there before"

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "link", full)
    with pytest.raises(OSError, match="No space"):
        files.link_or_copy(tmp_path / "one", tmp_path / "three")
    assert not (tmp_path / "three").exists()


# ---- two at once ---------------------------------------------------------------------------------


def test_of_two_that_write_one_file_the_second_is_refused(tmp_path):
    path = tmp_path / "out.txt"
    with files.atomic_path(path) as first:
        first.write_text("first, half")
        with raises_one_line(SettingsError, path, "another run"), files.atomic_path(path):
            pass
        with open(first, "a") as file:
            file.write(" and half")
    assert path.read_text() == "first, half and half"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]


@pytest.mark.parametrize("asked", ["is_symlink", "is_file"])
def test_a_run_that_begins_while_the_place_is_looked_at_keeps_its_folder(
    tmp_path, monkeypatch, asked
):
    path, folder = tmp_path / "out.txt", tmp_path / "out.txt.partial"
    other, begun, real = ExitStack(), [], getattr(Path, asked)

    def begins_after(self):
        answer = real(self)
        if self == folder and not begun:
            begun.append(True)
            other.enter_context(locks.locked(folder))
            (folder / "out.txt").write_text("half")
        return answer

    monkeypatch.setattr(Path, asked, begins_after)
    with other:
        with suppress(SettingsError), files.atomic_path(path) as first:
            first.write_text("whole")
        if begun:
            assert (folder / "out.txt").read_text() == "half" and not path.exists()
        else:  # that question is not asked
            assert path.read_text() == "whole"


def test_a_folder_that_is_gone_when_it_is_held_is_refused(tmp_path, monkeypatch):
    folder, real = tmp_path / "parts", fcntl.flock

    def gone_after(handle, how):
        real(handle, how)
        folder.rmdir()

    monkeypatch.setattr(fcntl, "flock", gone_after)
    with raises_one_line(SettingsError, folder, "another run"), locks.locked(folder):
        pass


def test_a_folder_that_its_holder_removes_at_that_moment_is_refused_not_missing(
    tmp_path, monkeypatch
):
    folder, real = tmp_path / "parts", os.open

    def removed_before(path, *args):
        monkeypatch.setattr(os, "open", real)
        os.rmdir(path)
        return real(path, *args)

    monkeypatch.setattr(os, "open", removed_before)
    with raises_one_line(SettingsError, folder, "another run"), locks.locked(folder):
        pass


def test_a_folder_that_is_held_is_not_removed_as_that_of_a_killed_run(tmp_path):
    folder = tmp_path / "parts"
    files.remove_idle(folder)  # none there
    with locks.locked(folder):
        (folder / "work").touch()
        files.remove_idle(folder)
        assert (folder / "work").exists()
    files.remove_idle(folder)
    assert not folder.exists()


# ---- errors of the system ------------------------------------------------------------------------


@pytest.mark.parametrize("number", sorted(os_errors._REMEDIES))
def test_an_error_of_the_system_is_a_line_with_file_cause_and_remedy(number):
    error = OSError(number, os.strerror(number), "data/x.txt")
    place, _, rest = os_errors.explain(error).partition(": ")
    cause, _, remedy = rest.partition("; ")
    assert (place, cause, bool(remedy)) == ("data/x.txt", os.strerror(number), True)


def test_an_error_that_tells_no_file_gets_the_one_that_was_written(tmp_path):
    path = tmp_path / "out.txt"
    with pytest.raises(OSError) as caught, files.atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os_errors.explain(caught.value).startswith(f"{path}: No space left on device; make room")
    short = OSError("80 requested and 20 written")  # as numpy has it
    told = os_errors.explain(short, path)
    assert told == f"{path}: 80 requested and 20 written; make room, then start again"


def test_a_link_to_nothing_is_told_as_what_it_is_where_something_is_to_be_written(tmp_path):
    """Without that, the system says "File exists", and the remedy would be to move it away."""
    link = tmp_path / "training_data"
    link.symlink_to(tmp_path / "gone")
    for write in (
        lambda: (link / "camera/v1_0").mkdir(parents=True),
        lambda: (link / "part.json").write_text("x"),
        lambda: locks.locked(link / "parts").__enter__(),
    ):
        with pytest.raises(OSError) as caught:
            write()
        told = os_errors.explain(caught.value)
        assert f"links to {tmp_path / 'gone'}, which is not there; {os_errors.LINK_REMEDY}" in told
        assert "File exists" not in told and "move it away" not in told
    (tmp_path / "gone").mkdir()
    assert os_errors.dangling_link(link / "part.json") == ""
    assert "move it away" in os_errors.explain(FileExistsError(errno.EEXIST, "File exists", link))


def test_numbers_and_arrays_of_numpy_are_written_as_json_has_them(tmp_path):
    path = tmp_path / "one.json"
    value = {
        "b": np.float64(0.1), "a": np.int64(3), "c": np.arange(4).reshape(2, 2), "d": range(2),
        "e": np.bool_(True), "f": "é", "g": np.float32(0.5),
    }  # fmt: skip
    files.dump_json(value, path)
    told = {"a": 3, "b": 0.1, "c": [[0, 1], [2, 3]], "d": [0, 1], "e": True, "f": "é", "g": 0.5}
    assert json.loads(path.read_text()) == told
    assert path.read_text().splitlines()[1] == '  "a": 3,' and path.read_text().endswith("}\n")
    with pytest.raises(TypeError, match="set"):
        files.dump_json({"a": {1, 2}}, path)
    assert json.loads(path.read_text()) == told, "what was there stays"
