"""Files that are whole or not there, ids that are safe as names, room on the disk."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, SettingsError

log = logging.getLogger(__name__)

PARTIAL_SUFFIX = ".partial"
PARTS_SUFFIX = ".parts"
CACHE_SUFFIX = ".cache"  # of a folder of what steps have measured of each scene, for themselves
READY = ".ready"  # among new files that are whole, and are going to their places
# Kinds of network file systems, as Linux names them.
_SHARED = re.compile(r"nfs|cifs|smb|fuse\.|9p|lustre|ceph|gpfs|beegfs|pvfs|orangefs|afs|gfs2|ocfs2")
_MOUNTS = "/proc/self/mountinfo"
_LOOK_DEPTH = 3  # data/<data set>/<folder of scenes>, training_data/<task>/<version>
_OPEN_ON_NFS = ".nfs"  # how NFS names a file that was removed while it is open
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")


# What a person can do about an error of the system, by its number.
_REMEDIES = {
    errno.ENOSPC: "make room, then start again",
    errno.EDQUOT: "make room in your quota, then start again",
    errno.EFBIG: "raise the limit (`ulimit -f`) or use another file system, then start again",
    errno.EMFILE: "raise the limit (`ulimit -n 4096`), or lower --num-workers, then start again",
    errno.ENFILE: "close other programs, then start again",
    errno.EAGAIN: "raise the limit (`ulimit -u`), or lower --num-workers, then start again",
    errno.ENOMEM: "raise the limit (`ulimit -v`), or lower --num-workers, then start again",
    errno.EACCES: "check its permissions, or choose another place",
    errno.EPERM: "check its permissions, or choose another place",
    errno.EROFS: "choose another place",
    errno.ENOTDIR: "a file is where a folder is needed; move it away",
    errno.EEXIST: "something of that name is in the way; move it away",
    errno.EISDIR: "a folder is where a file is needed; move it away",
    errno.ENOENT: "check that it exists and where its links lead, then start again",
    errno.ELOOP: "a symbolic link leads back to itself; correct the link",
    errno.EIO: "check the disk, then start again",
    errno.ESTALE: "check the network file system, then start again",
    errno.ENAMETOOLONG: "use shorter names",
}

# Errors that tell nothing of what a file holds: it may be read well the next time.
_PASSING = {
    errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EIO,
    errno.ESTALE, errno.ETIMEDOUT,
}  # fmt: skip
LINK_REMEDY = "make the folder that it links to, mount its disk, or remove the link"
_NOT_THERE = (errno.ENOENT, errno.EEXIST, errno.ENOTDIR)  # what a link to nothing gives


def explain(error: OSError, place: str | Path = "") -> str:
    """One line about an error of the system: file (`place` where it names none), cause, remedy."""
    at = error.filename or place
    number = error.errno or errno.ENOSPC  # numpy tells none of a short write
    remedy = _REMEDIES.get(number, "")
    cause = error.strerror or " ".join(map(str, error.args)) or type(error).__name__
    if number in _NOT_THERE and (link := dangling_link(Path(str(at)))):
        cause, remedy = link, LINK_REMEDY
    return (f"{at}: " if at else "") + cause + (f"; {remedy}" if remedy else "")


def system_error(error: BaseException | None) -> OSError | None:
    """The error of the system that `error` is or that led to it, where what cannot be read now may
    be read another time; None for any other."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _PASSING:
            return error
        error = error.__context__
    return None


def dangling_link(path: Path) -> str:
    """What is wrong where `path`, or a folder above it, is a link to nothing; empty elsewhere."""
    for place in (path, *path.parents):
        if os.path.islink(place) and not os.path.exists(place):
            name = "" if place == path else f"{place} "
            return f"{name}links to {os.readlink(place)}, which is not there"
    return ""


def is_there(path: Path) -> bool:
    """Whether something is at `path`. A link to nothing counts: whoever reads it names it."""
    return path.exists() or bool(dangling_link(path))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in errors of the system that do not (those of writing to an open file)."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_path(path: str | Path, sync: bool = True) -> Iterator[Path]:
    """Give a temporary path and rename it to `path` when the block succeeds; `staging` says where
    it lies. `sync` is as in `put_in_place`."""
    path = Path(path)
    with staging(path) as folder, naming(path):
        partial = folder / path.name
        yield partial
        put_in_place(partial, path, sync)


@contextmanager
def staging(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`, for what is to be put in its place; gone after the block.

    It is held while the block runs: of two runs that write one file, the second is refused
    (`SettingsError`). Its name is always the same, so a killed run leaves nothing that a new one
    would not remove. It stays while a file `READY` is in it.
    """
    folder = staging_folder(path)
    # Not `remove`, nor a file by not being a folder: another run may make the folder at any moment.
    if folder.is_symlink() or folder.is_file():
        folder.unlink(missing_ok=True)
    with locked(folder):
        try:
            for left in list(folder.iterdir()):
                remove(left)
            yield folder
        finally:
            if not (folder / READY).exists():
                remove(folder)


def staging_folder(path: Path) -> Path:
    """Where `staging` makes what is to be put at `path`."""
    return path.with_name(path.name + PARTIAL_SUFFIX)


def put_in_place(partial: Path, path: Path, sync: bool = True) -> None:
    """Rename a finished file or folder to its place. A file is synced to the disk first (except
    thousands of small ones, `sync`), so that a failing disk is noticed now, and a power cut leaves
    no empty file.
    """
    with naming(path):
        if sync and partial.is_file():
            sync_file(partial)
        os.replace(partial, path)


def sync_file(path: Path) -> None:
    """Wait until the disk holds a file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # a file system without it keeps what it is given
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)


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


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds; nothing happens where there is none.

    What a process of this machine has open stays on NFS until it is closed, under another name, and
    keeps its folder: that is left, empty but for such files, for the next run to remove.
    """
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EBUSY) or not _is_kept_open(path):
            raise
        log.info("%s: a file in it is still open; the next run removes it", path)


def _is_kept_open(folder: Path) -> bool:
    """Remove what can be removed of a folder: whether all that is left are files of NFS that are
    open."""
    shutil.rmtree(folder, ignore_errors=True)
    left = [name for _, _, names in os.walk(folder) for name in names]
    return bool(left) and all(name.startswith(_OPEN_ON_NFS) for name in left)


def contents(folder: Path) -> dict[str, list[int]]:
    """{ending: [files, bytes]} of what a folder holds, hidden files left out."""
    found: dict[str, list[int]] = {}
    ahead = [folder]
    while ahead:
        with os.scandir(ahead.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    ahead.append(Path(entry.path))
                    continue
                try:
                    size = entry.stat().st_size
                except FileNotFoundError:  # a link to nothing
                    continue
                of_ending = found.setdefault(os.path.splitext(entry.name)[1], [0, 0])
                of_ending[0] += 1
                of_ending[1] += size
    return dict(sorted(found.items()))


def has_lost(folder: Path, before: dict[str, list[int]]) -> bool:
    """Whether files that a folder held are gone or cut off since, by `contents` of then; what
    others have added does not matter. True also for a missing folder, or where `before` has another
    form."""
    try:
        now = contents(folder)
        return _is_less(now, before)
    except (FileNotFoundError, AttributeError, TypeError, ValueError):
        return True


def _is_less(now: dict[str, list[int]], before: dict[str, list[int]]) -> bool:
    return any(
        count > now.get(ending, (0, 0))[0] or size > now.get(ending, (0, 0))[1]
        for ending, (count, size) in before.items()
    )


def remove_left(path: Path) -> None:
    """Remove what a killed run left after `path` was in its place."""
    remove_idle(staging_folder(path))


def remove_idle(folder: Path) -> None:
    """Remove the folder of a killed run, unless another run works in it."""
    if folder.exists():
        with suppress(SettingsError), locked(folder):
            remove(folder)


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` another name of the file `source`, or a copy where links cannot be made.

    Raises `FileExistsError` when `target` is there.
    """
    try:
        os.link(source, target)
    except OSError as error:
        # Another file system, one without links (FAT, some network folders), or too many links.
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        shutil.copyfile(source, target)


def check_disk(folder: Path, num_files: int, num_bytes: int) -> None:
    """Raise `SettingsError` when the disk of `folder` cannot take so many files and bytes."""
    while not folder.exists():
        folder = folder.parent
    status = os.statvfs(folder)
    free_bytes = status.f_bavail * status.f_frsize
    if num_bytes > free_bytes:
        raise SettingsError(
            f"{folder}: about {num_bytes / 1e9:.1f} GB are to be written and "
            f"{free_bytes / 1e9:.1f} GB are free; make room or choose another --root"
        )
    if status.f_files and num_files > status.f_favail:  # 0: the file system has no such limit
        raise SettingsError(
            f"{folder}: about {num_files:,} files are to be written and {status.f_favail:,} can "
            "be made (inodes); make room or choose another --root"
        )


def check_id(identifier: str, source: str | Path) -> str:
    """Return the id of a scene or clip if it can be part of a path; raise `BadDataError` if not.

    The endings of our own unfinished files and folders are no ids either.
    """
    ours = (PARTIAL_SUFFIX, PARTS_SUFFIX, CACHE_SUFFIX)
    if not (isinstance(identifier, str) and _SAFE_ID.fullmatch(identifier)) or (
        identifier.endswith(ours)
    ):
        raise BadDataError(
            f"{source}: {str(identifier)[:60]!r} is not a valid id (letters, digits, _.+- only)"
        )
    return identifier


def has_half_characters(text: str) -> bool:
    """Whether a text holds halves of surrogate pairs, which json and pickles can bring, and which
    can be neither written nor printed."""
    return not text.isascii() and re.search("[\ud800-\udfff]", text) is not None


def dump_json(value: Any, path: str | Path) -> None:
    """Write json with sorted keys and a line for each, whole or not at all."""
    with atomic_path(path) as partial, open(partial, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2, sort_keys=True, default=_plain)
        file.write("\n")


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy, and ranges, as json has them."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"{type(value)} has no form in json")
