"""What network file systems do: locks of folders hold on one machine, what was looked for stays
hidden, open files outlive their removal. Here as NFS 4.2 was seen to do it with two clients."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest
from helpers import raises_one_line

from spatial_engine.errors import SettingsError
from spatial_engine.utils.storage import files, locks


@pytest.fixture
def network(monkeypatch):
    """All is on a network file system."""
    monkeypatch.setattr(locks, "is_shared", lambda path: True)


@pytest.fixture
def other_machine(network, monkeypatch):
    """Locks of folders are those of other machines, so that they hinder nobody."""
    real = fcntl.flock

    def lock(handle: int, how: int) -> None:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            real(handle, how)

    monkeypatch.setattr(locks.fcntl, "flock", lock)


def test_a_folder_that_a_run_on_another_machine_holds_is_refused(tmp_path, other_machine):
    folder = tmp_path / "new" / "parts"
    for _ in range(2):
        with locks.locked(folder):
            for _ in range(2):
                with raises_one_line(SettingsError, folder, "another run"), locks.locked(folder):
                    pass
    assert [path.name for path in folder.parent.iterdir()] == ["parts"]


def test_without_the_file_two_machines_would_hold_a_folder(tmp_path, other_machine, monkeypatch):
    monkeypatch.setattr(locks, "is_shared", lambda path: False)
    with locks.locked(tmp_path / "parts"), locks.locked(tmp_path / "parts"):
        pass


def test_the_lock_file_of_a_killed_run_is_taken_over(tmp_path, other_machine):
    left = tmp_path / ".parts.lock"
    left.touch()
    with locks.locked(tmp_path / "parts"):
        assert left.exists()
    assert not left.exists()


def test_a_lock_file_that_its_holder_removes_at_that_moment_is_not_taken(
    tmp_path, network, monkeypatch
):
    real, left = fcntl.flock, tmp_path / ".parts.lock"

    def removed_before(handle: int, how: int) -> None:
        left.unlink()
        left.touch()  # by a third
        real(handle, how)

    monkeypatch.setattr(locks.fcntl, "flock", removed_before)
    with raises_one_line(SettingsError, "parts", "another run"), locks.locked(tmp_path / "parts"):
        pass


def test_atomic_files_leave_nothing_beside_them(tmp_path, other_machine):
    with files.atomic_path(tmp_path / "out.json") as partial:
        partial.write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.parametrize(
    ("kind", "shared"),
    [("nfs4", True), ("nfs", True), ("cifs", True), ("fuse.sshfs", True), ("lustre", True),
     ("ext4", False), ("tmpfs", False), ("overlay", False), ("fuseblk", False)],
)  # fmt: skip
def test_the_kind_of_a_file_system_is_that_of_its_mount(tmp_path, monkeypatch, kind, shared):
    number = tmp_path.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 999:9 / /proc rw - proc proc rw\n"
        f"36 35 {device} / /mnt/a rw,relatime shared:1 - {kind} server:/ rw,vers=4.2\n"
    )
    monkeypatch.setattr(locks, "_MOUNTS", str(mounts))
    assert locks.is_shared(tmp_path) is shared
    assert locks.is_shared(tmp_path / "not" / "there") is shared


def test_without_a_list_of_mounts_nothing_is_shared(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_MOUNTS", str(tmp_path / "none"))
    assert locks.is_shared(tmp_path) is False


def keep_open(monkeypatch, name: str) -> None:
    """Let the removal of a file of this name do what NFS does while it is open."""
    real = os.unlink

    def unlink(path, *, dir_fd=None):
        if os.path.basename(path) == name:
            kept = os.path.join(os.path.dirname(path), ".nfs0000000000020009")
            os.rename(path, kept, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
        elif os.path.basename(path).startswith(".nfs"):
            raise OSError(errno.EBUSY, "Device or resource busy", path)
        else:
            real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)


def test_a_folder_with_an_open_file_is_left_to_the_next_run(tmp_path):
    folder = tmp_path / "out.parts"
    for name in ("s0/table.parquet", "s0/.done.json", "s1/.done.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    with pytest.MonkeyPatch.context() as patch:
        keep_open(patch, "table.parquet")
        files.remove(folder)
    left = [path.name for path in folder.rglob("*")]
    assert left == ["s0", ".nfs0000000000020009"]
    files.remove_idle(folder)  # when it is closed
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_another_fills_is_no_folder_with_an_open_file(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    real = os.rmdir

    def filled_before(path, *, dir_fd=None):
        (tmp_path / "folder/new").touch()
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "rmdir", filled_before)
    with pytest.raises(OSError, match="not empty"):
        files.remove(tmp_path / "folder")


def test_folders_above_those_of_scenes_are_listed(tmp_path, network, monkeypatch):
    scene = tmp_path / "data/scannet/posed_images/scene0000_00"
    scene.mkdir(parents=True)
    (tmp_path / "training_data/task/v1_0").mkdir(parents=True)
    listed, real = [], os.scandir

    def scandir(path):
        listed.append(Path(path).relative_to(tmp_path).as_posix())
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    locks.look_again(tmp_path)
    assert sorted(listed) == sorted([
        ".", "data", "data/scannet", "data/scannet/posed_images", "training_data",
        "training_data/task", "training_data/task/v1_0",
    ])  # fmt: skip


def test_nothing_is_listed_on_a_disk_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "is_shared", lambda path: False)
    monkeypatch.setattr(os, "scandir", None)
    locks.look_again(tmp_path)
