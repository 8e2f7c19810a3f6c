"""Files that are whole or not there, ids that are safe as names, room on the disk."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.utils.storage.locks import locked
from spatial_engine.utils.storage.os_errors import naming

log = logging.getLogger(__name__)

PARTIAL_SUFFIX = ".partial"
PARTS_SUFFIX = ".parts"
CACHE_SUFFIX = ".cache"  # of a folder of what steps have measured of each scene, for themselves
READY = ".ready"  # among new files that are whole, and are going to their places
_OPEN_ON_NFS = ".nfs"  # how NFS names a file that was removed while it is open
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,199}")


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
