"""Errors of the system in one line: file, cause, and what a person can do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOTHING = {errno.ENOENT, errno.ENOTDIR, errno.EBADF, errno.ELOOP}  # is at a path
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


def exists(path: Path) -> bool:
    """Whether something is at `path`, links followed. Raises `OSError` where that cannot be told,
    as in a folder that may not be entered: since Python 3.14 `Path.exists` says no there, and an
    input would only be left out."""
    try:
        path.stat()
    except OSError as error:
        if error.errno not in _NOTHING:
            raise
        return False
    return True


def is_there(path: Path) -> bool:
    """Whether something is at `path`. A link to nothing counts: whoever reads it names it."""
    return exists(path) or bool(dangling_link(path))


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in errors of the system that do not (those of writing to an open file)."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
