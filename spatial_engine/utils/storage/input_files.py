"""Input files, and why one cannot be used: it is not there, or it is not what its name says.

Downloads leave web pages of errors, empty files, packed files and links to disks that are not
mounted. Every reader of raw data asks here, so that each of these is named as what it is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from spatial_engine.errors import BadDataError, MissingFileError, MissingInputError
from spatial_engine.utils.storage.files import check_id
from spatial_engine.utils.storage.os_errors import LINK_REMEDY, dangling_link, naming

_HEAD_BYTES = 512  # enough to tell what a file is
_PACKED = (".gz", ".zip", ".xz", ".bz2", ".zst", ".tar")
_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|\?xml|error)", re.IGNORECASE)
_WIDE = (b"\xff\xfe", b"\xfe\xff")  # how text in UTF-16 or UTF-32 begins
_FILE_ENDINGS = (".sens", ".ply", ".json", ".txt", ".npz", ".zip")  # of no scene and of no clip


def missing(path: Path, remedy: str, what: str = "file") -> str:
    """Message about a path where nothing is; ends with `remedy` unless there is a better one."""
    if link := dangling_link(path):
        return f"{path}: {link}; {LINK_REMEDY}"
    return f"{path}: no such {what}{found_instead(path) or f'; {remedy}'}"


def found_instead(path: Path) -> str:
    """What is beside a missing path under a similar name, and what to do; or empty."""
    packed = {f"{path.name}{ending}".lower() for ending in _PACKED}
    try:
        names = sorted(other.name for other in path.parent.iterdir())
    except OSError:
        return ""
    for name in names:
        if name.lower() in packed:
            return f", but {name} is there; unpack it"
        if name.lower() == path.name.lower() and name != path.name:
            return f", but {name} is there; rename it"
    return ""


def check_content(path: Path, remedy: str, *, packed: bool = False, empty: bool = False) -> None:
    """Raise `BadDataError` for a file that is empty (unless `empty`), a web page, packed (unless
    `packed`, as npz are) or text that is not UTF-8."""
    with naming(path), open(path, "rb") as file:
        head = file.read(_HEAD_BYTES)
    cause = ""
    if not head and not empty:
        cause = "is empty"
    elif _PAGE.match(head):
        cause = "is a web page, as a server sends in place of a file"
    elif head.startswith(b"version https://git-lfs"):
        cause = "is a pointer of Git LFS, not the file itself"
    elif len(head) == _HEAD_BYTES and not any(head):
        cause = "begins with zeros only, as a download that was cut off"
    elif head.startswith(b"\x1f\x8b") or (head.startswith(b"PK\x03\x04") and not packed):
        cause, remedy = "is packed", "unpack it"
    elif head.startswith(_WIDE):
        cause, remedy = "is text in UTF-16", "save it as UTF-8"
    if cause:
        raise BadDataError(f"{path}: {cause}; {remedy}")


def read_bytes(path: Path, remedy: str, most: int | None = None) -> bytes:
    """A file's bytes. Raises `BadDataError` for one of more than `most`, unread, and for what
    `check_content` finds, `MissingFileError` where there is none."""
    try:
        check_content(path, remedy)
        with naming(path), open(path, "rb") as file:
            if most is not None and os.fstat(file.fileno()).st_size > most:
                raise BadDataError(f"{path}: more than {most:,} bytes; {remedy}")
            return file.read()
    except FileNotFoundError:
        raise MissingFileError(missing(path, remedy)) from None


def read_text(path: Path, remedy: str, most: int | None = None, *, errors: str = "strict") -> str:
    """A text file in UTF-8, without the mark that some editors put at its start; line ends as they
    are. Raises as `read_bytes` does; `errors` is that of `bytes.decode`."""
    try:
        return read_bytes(path, remedy, most).decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path}: not a text file ({error}); {remedy}") from None


def read_id_list(path: str | Path, remedy: str) -> list[str]:
    """Ids of a split list, one a line, sorted, blank lines skipped.

    Raises `MissingInputError` when there is no list, `BadDataError` when an id stands in it twice,
    cannot be part of a path or is the name of a file.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingInputError(missing(path, remedy, "list"))
    check_content(path, remedy, empty=True)
    try:
        with naming(path):
            lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise BadDataError(f"{path}: not a text file ({error}); {remedy}") from None
    ids = [_listed_id(line.strip(), path) for line in lines if line.strip()]
    if len(set(ids)) < len(ids):
        twice = next(i for i in ids if ids.count(i) > 1)
        raise BadDataError(f"{path}: {twice} is listed twice; remove one of the two lines")
    return sorted(ids)


def _listed_id(identifier: str, path: Path) -> str:
    remedy = "list ids alone, one a line, without folder and ending"
    if identifier.lower().endswith(_FILE_ENDINGS):
        raise BadDataError(f"{path}: {identifier[:60]!r} is the name of a file; {remedy}")
    try:
        return check_id(identifier, path)
    except BadDataError as error:
        raise BadDataError(f"{error}; {remedy}") from None
