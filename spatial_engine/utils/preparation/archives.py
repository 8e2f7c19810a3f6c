"""The files of a capture, in a folder or in a zip archive, behind one interface.

An archive is read in place, member by member and by name; nothing of it is written to the disk. No
size that it states is believed: a member is read up to the limit that its reader gives.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.storage.input_files import missing
from spatial_engine.utils.storage.os_errors import naming

REMEDY = "export the capture again"
MAX_MEMBERS = 1_000_000  # a recording of an hour has 324,000
MAX_DIRECTORY_BYTES = 2**26  # of the list at the end of an archive; an hour takes 20 million
MAX_NAME, MAX_LEVELS = 500, 16  # of a name: characters, folders
# Of zipfile, where an archive is damaged; an OSError (EINVAL) too, for a place before its start.
_DAMAGED = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, ValueError, OverflowError,
)  # fmt: skip
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1
_JUNK = ("__MACOSX", ".DS_Store")  # what macOS adds


class Members(ABC):
    """Files by names: relative, with "/", within the folder or archive `source`."""

    source: Path

    @abstractmethod
    def where(self, name: str) -> str:
        """A file as messages name it."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Whether there is a file of this name."""

    @abstractmethod
    def files(self, folder: str = "") -> list[str]:
        """Names, without the folder, of the files directly in a folder, sorted."""

    @abstractmethod
    def folders(self, folder: str = "") -> list[str]:
        """Names, without the folder, of the folders directly in a folder, sorted."""

    @abstractmethod
    def read(self, name: str, at_most: int, remedy: str = REMEDY) -> bytes:
        """Contents of a file. Raises `MissingFileError` where there is none, `BadDataError` where
        it is damaged or larger than `at_most` bytes."""

    @abstractmethod
    def below(self, folder: str) -> Members:
        """The files in a folder, named from there."""

    def has_folder(self, folder: str) -> bool:
        """Whether there is such a folder, with a file or folder in it."""
        return bool(self.files(folder) or self.folders(folder))


def open_members(path: str | Path) -> Members:
    """The files of a folder or of a zip archive. Raises `MissingFileError` where nothing is,
    `BadDataError` for an archive that is damaged, or whose names lead out of it."""
    path = Path(path)
    if path.is_dir():
        return FolderMembers(path)
    if not path.is_file():
        raise MissingFileError(missing(path, "check --input", "folder or archive"))
    return ZipMembers(path)


def peek(path: Path) -> Members | None:
    """The files of a folder or archive; None for anything else, damaged archives too."""
    try:
        return open_members(path) if path.is_dir() or is_zip(path) else None
    except BadDataError:
        return None


def with_file(members: Members, name: str) -> Members | None:
    """Those of `members` among which a file is; None where it is not there."""
    return next((place for place in places(members) if place.has(name)), None)


def places(members: Members) -> list[Members]:
    """Where the files of a capture may begin: at the top, or, in an archive of a folder, in the
    only folder that it holds."""
    folders = members.folders() if isinstance(members, ZipMembers) else []
    return [members, *(members.below(folder) for folder in folders if len(folders) == 1)]


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive does."""
    try:
        with open(path, "rb") as file:
            return file.read(4) == b"PK\x03\x04"
    except OSError:
        return False


def safe_name(name: str) -> str | None:
    """A name in a file as one within its folder, with "/"; None where it leads out of it, or is no
    name of a file. Names that begin with "./" and those of Windows with "\\" are understood."""
    parts = name.replace("\\", "/").split("/")
    if parts[0] == "" or len(name) > MAX_NAME or ":" in parts[0] or not name.isprintable():
        return None
    parts = [part for part in parts if part not in ("", ".")]
    return None if ".." in parts or not parts else "/".join(parts)


class FolderMembers(Members):
    """Files of a folder. Links in it are the user's, and are followed."""

    def __init__(self, source: Path):
        self.source = source

    def where(self, name: str) -> str:
        return str(self.path(name))

    def path(self, name: str) -> Path:
        """Where a file is on the disk."""
        return self.source / _checked(name, self.source)

    def has(self, name: str) -> bool:
        return safe_name(name) is not None and self.path(name).is_file()

    def files(self, folder: str = "") -> list[str]:
        return self._entries(folder, True)

    def folders(self, folder: str = "") -> list[str]:
        return self._entries(folder, False)

    def _entries(self, folder: str, of_files: bool) -> list[str]:
        place = self.path(folder) if folder else self.source
        if not place.is_dir():
            return []
        with os.scandir(place) as entries:
            names = [entry.name for entry in entries if entry.is_file() == of_files]
        return sorted(name for name in names if not name.startswith((".", *_JUNK)))

    def read(self, name: str, at_most: int, remedy: str = REMEDY) -> bytes:
        path = self.path(name)
        try:
            with naming(path), open(path, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise BadDataError(f"{path}: is not a file; {remedy}")
                data = file.read(at_most + 1)
        except FileNotFoundError:
            raise MissingFileError(missing(path, remedy)) from None
        except IsADirectoryError:
            raise BadDataError(f"{path}: is a folder, not a file; {remedy}") from None
        return _within(data, at_most, str(path), remedy)

    def below(self, folder: str) -> FolderMembers:
        return FolderMembers(self.path(folder))


class ZipMembers(Members):
    """Members of a zip archive, which stays open as long as this object lives."""

    def __init__(self, source: Path, *, _opened: tuple | None = None, _prefix: str = ""):
        self.source, self._prefix = source, _prefix
        self._archive, self._infos, self._tree = _opened or _open_zip(source)

    def where(self, name: str) -> str:
        return f"{self.source}: {self._prefix}{name}"

    def has(self, name: str) -> bool:
        return self._prefix + name in self._infos

    def files(self, folder: str = "") -> list[str]:
        return self._tree.get(self._folder(folder), ([], []))[0]

    def folders(self, folder: str = "") -> list[str]:
        return self._tree.get(self._folder(folder), ([], []))[1]

    def _folder(self, folder: str) -> str:
        return (self._prefix + folder).rstrip("/")

    def read(self, name: str, at_most: int, remedy: str = REMEDY) -> bytes:
        info = self._infos.get(self._prefix + name)
        where = self.where(name)
        if info is None:
            raise MissingFileError(f"{where}: no such file in the archive; {remedy}")
        if info.file_size > at_most:
            raise _too_large(where, at_most, remedy)
        try:
            with naming(self.source), self._archive.open(info) as file:
                data = file.read(at_most + 1)
        except (*_DAMAGED, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise BadDataError(f"{where}: cannot be unpacked ({error}); {remedy}") from None
        if len(data) != info.file_size:
            raise BadDataError(
                f"{where}: {len(data)} bytes where the archive states {info.file_size}; {remedy}"
            )
        return _within(data, at_most, where, remedy)

    def below(self, folder: str) -> ZipMembers:
        opened = (self._archive, self._infos, self._tree)
        return ZipMembers(self.source, _opened=opened, _prefix=f"{self._prefix}{folder}/")


class _BoundedFile(io.BufferedReader):
    """A file of which no more is read at once than the list of members may take: zipfile reads as
    much as an archive says that its list has."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            size = os.fstat(self.fileno()).st_size - self.tell()
        if size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its list of members takes {size:,} bytes")
        return super().read(max(size, 0))


def _open_zip(source: Path) -> tuple:
    """(the archive, {name: entry}, {folder: (files, folders)}) of its members that are files."""
    try:
        with naming(source):
            raw = _BoundedFile(io.FileIO(source, "rb"))
            archive = zipfile.ZipFile(raw)
    except (*_DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise BadDataError(
            f"{source}: not a zip archive that can be read ({error}); {REMEDY}"
        ) from None
    entries = archive.infolist()
    if len(entries) > MAX_MEMBERS:
        raise BadDataError(f"{source}: has more than {MAX_MEMBERS:,} members; {REMEDY}")
    infos: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = _member_name(entry, source)
        if name is None:
            continue
        if name in infos:
            raise BadDataError(f"{source}: {name} is in the archive twice; {REMEDY}")
        infos[name] = entry
    return archive, infos, _tree_of(infos, source)


def _member_name(entry: zipfile.ZipInfo, source: Path) -> str | None:
    """Name of an entry that is a file; None for folders and what systems add. Raises
    `BadDataError` for names that lead out of the archive, links and what cannot be unpacked."""
    name = entry.filename
    if name.endswith("/") or name.split("/")[0] in _JUNK or name.split("/")[-1] in _JUNK:
        return None
    if safe_name(name) != name or name.count("/") > MAX_LEVELS:
        raise BadDataError(
            f"{source}: the archive holds {name[:80]!r}, which is not a name of a file within "
            f"it; {REMEDY}"
        )
    cause = ""
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        cause = "is a link or device"
    elif entry.flag_bits & _ENCRYPTED:
        cause = "is encrypted"
    elif entry.compress_type not in _METHODS:
        cause = f"is packed by method {entry.compress_type}, and only deflate is read"
    if cause:
        raise BadDataError(f"{source}: {name} {cause}; pack it again as a plain zip archive")
    return name


def _tree_of(names: Iterable[str], source: Path) -> dict[str, tuple[list[str], list[str]]]:
    """{folder: (files in it, folders in it)}, each sorted; the top folder is ""."""
    tree: dict[str, tuple[list[str], list[str]]] = {"": ([], [])}
    for name in names:
        folder, _, last = name.rpartition("/")
        _folder_in(tree, folder)[0].append(last)
    if both := next((name for name in names if name in tree), None):
        raise BadDataError(f"{source}: {both} is both a file and a folder; {REMEDY}")
    for files, folders in tree.values():
        files.sort()
        folders.sort()
    return tree


def _folder_in(tree: dict, folder: str) -> tuple[list[str], list[str]]:
    """What is in a folder of the tree, which is added with those above it where it is new."""
    if folder not in tree:
        tree[folder] = ([], [])
        above, _, last = folder.rpartition("/")
        _folder_in(tree, above)[1].append(last)
    return tree[folder]


def _checked(name: str, source: Path) -> str:
    safe = safe_name(name)
    if safe is None:
        raise BadDataError(
            f"{source}: {name[:80]!r} leads out of this folder; give names within it"
        )
    return safe


def _within(data: bytes, at_most: int, where: str, remedy: str) -> bytes:
    if len(data) > at_most:
        raise _too_large(where, at_most, remedy)
    return data


def _too_large(where: str, at_most: int, remedy: str) -> BadDataError:
    return BadDataError(f"{where}: has more than {at_most:,} bytes; {remedy}")
