"""Folders that one run at a time writes to, also on a network file system that machines share."""

from __future__ import annotations

import fcntl
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from spatial_engine.errors import SettingsError

log = logging.getLogger(__name__)
# Kinds of network file systems, as Linux names them.
_SHARED = re.compile(r"nfs|cifs|smb|fuse\.|9p|lustre|ceph|gpfs|beegfs|pvfs|orangefs|afs|gfs2|ocfs2")
_MOUNTS = "/proc/self/mountinfo"
_LOOK_DEPTH = 3  # data/<data set>/<folder of scenes>, training_data/<task>/<version>


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder against another run, making it if needed; leaves no file behind.

    Raises `SettingsError` when another run holds it. The lock ends with the process. On a network
    file system a file beside the folder, `.<name>.lock`, is locked too: there the lock of a folder
    holds on one machine only. Where the file system cannot lock, there is a warning instead.
    """
    with _locked_beside(folder) if is_shared(folder) else nullcontext():
        folder.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:  # removed just now, by the run that held it
            raise _taken(folder) from None
        try:
            _lock(handle, folder, folder)
            yield
        finally:
            os.close(handle)


@contextmanager
def _locked_beside(folder: Path) -> Iterator[None]:
    """A lock that all machines see. A killed run leaves the file, unlocked, and the next takes
    it."""
    path = folder.with_name(f".{folder.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _lock(handle, path, folder)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is held: else it may be another's by now
    finally:
        os.close(handle)


def _lock(handle: int, path: Path, folder: Path) -> None:
    """Lock an open file or folder; `SettingsError` where another run holds `folder`."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        other = os.open(path, os.O_RDONLY)  # a network file system looks again only to open
        try:
            same = os.path.samestat(os.fstat(handle), os.fstat(other))
        finally:
            os.close(other)
    except (BlockingIOError, FileNotFoundError):
        same = False
    except OSError as error:
        log.warning("%s: cannot be locked (%s); do not start a second run on it", folder, error)
        same = True
    if not same:
        raise _taken(folder)


def _taken(folder: Path) -> SettingsError:
    return SettingsError(f"{folder}: another run is writing here; wait until it has ended")


def is_shared(path: Path) -> bool:
    """Whether a path is on a network file system, which other machines may write to (Linux)."""
    while not path.exists() and path != path.parent:
        path = path.parent
    number = path.stat().st_dev
    device = f"{os.major(number)}:{os.minor(number)}"
    with suppress(OSError), open(_MOUNTS, encoding="utf-8") as mounts:
        for line in mounts:
            place, _, kind = line.partition(" - ")
            if place.split()[2] == device:
                return _SHARED.match(kind) is not None
    return False


def look_again(root: Path) -> None:
    """Have this machine see what others have put under a root, where it is on a network file
    system. Such a system goes on showing what it has shown before, for a minute or more; but a
    folder that is listed shows what is in it. Folders of scenes come to their places whole, so
    those above them are enough."""
    if not is_shared(root):
        return
    ahead = [(root, 0)]
    while ahead:
        folder, depth = ahead.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            folders = [entry for entry in entries if entry.is_dir()]
            if depth < _LOOK_DEPTH:
                ahead += [(Path(entry.path), depth + 1) for entry in folders]
