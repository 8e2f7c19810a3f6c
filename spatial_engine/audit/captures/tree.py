"""The files of a capture, in a folder or in a zip archive, read whole and within bounds.

Nothing is unpacked to the disk. Names that a file gives lead nowhere but below the folder.
"""

from __future__ import annotations

import json
import os
import re
import zipfile
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np

from spatial_engine.audit.raw.limits import RawDataError

MAX_FILE_BYTES = 2**30  # of a file that is read whole
MAX_TEXT_BYTES = 2**28
MAX_MEMBERS = 1_000_000  # of an archive


class Tree:
    """Files by names such as `rgbd/0.jpg`, relative to a folder or within an archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.zipped = path.is_file()
        if not self.zipped and not path.is_dir():
            raise RawDataError(f"{path}: no such file or folder")

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
        except Exception as err:  # a damaged archive can raise almost anything
            raise RawDataError(f"{self.path}: {str(err) or type(err).__name__}") from err
        if len(members) > MAX_MEMBERS:
            raise RawDataError(f"{self.path}: {len(members)} members")
        names = ((member.filename, member) for member in members)
        return {name: member for name, member in names if name and not name.endswith("/")}

    def within(self, names: tuple[str, ...]) -> str:
        """ "" where one of the names is here, or "<folder>/" where it is one level below."""
        if any(self.has(name) for name in names):
            return ""
        for folder in self.folders():
            if any(self.has(f"{folder}/{name}") for name in names):
                return f"{folder}/"
        raise RawDataError(f"{self.path}: holds no {' nor '.join(names)}")

    def folders(self) -> list[str]:
        """Names of the folders at the top, sorted."""
        if self.zipped:
            return sorted({name.split("/")[0] for name in self._members if "/" in name})
        return sorted(name for name in self._listed(self.path) if (self.path / name).is_dir())

    def names(self, folder: str = "") -> list[str]:
        """Names of what is directly in a folder, sorted; empty where there is none."""
        folder = folder.rstrip("/")
        if self.zipped:
            start = f"{folder}/" if folder else ""
            inside = (name[len(start) :] for name in self._members if name.startswith(start))
            return sorted({name.split("/")[0] for name in inside})
        place = self.path / folder if folder else self.path
        return sorted(self._listed(place)) if os.path.isdir(place) else []

    def _listed(self, place: Path) -> list[str]:
        try:
            return os.listdir(place)
        except OSError as err:
            raise RawDataError(f"{place}: {err.strerror or err}") from err

    def has(self, name: str) -> bool:
        """Whether there is such a file or folder."""
        if not self.zipped:
            return os.path.exists(self.path / name)  # False of a name that is too long
        return name in self._members or any(m.startswith(f"{name}/") for m in self._members)

    def full(self, name: str) -> str:
        """The name for errors."""
        return f"{self.path}/{name}"

    def read(self, name: str, most: int = MAX_FILE_BYTES) -> bytes:
        """A whole file of at most so many bytes."""
        if not self.zipped:
            return read_whole(self.path / name, most)
        member = self._members.get(name)
        if member is None:
            raise RawDataError(f"{self.full(name)}: no such member")
        if member.file_size > most:
            raise RawDataError(f"{self.full(name)}: {member.file_size} bytes, at most {most}")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RawDataError(f"{self.full(name)}: compression {member.compress_type}")
        try:
            with zipfile.ZipFile(self.path) as archive, archive.open(member) as f:
                return f.read(member.file_size)  # inflates no more than these bytes
        except Exception as err:  # a damaged archive can raise almost anything
            raise RawDataError(f"{self.full(name)}: {str(err) or type(err).__name__}") from err

    def text(self, name: str) -> str:
        try:
            return self.read(name, MAX_TEXT_BYTES).decode("utf-8-sig")
        except UnicodeDecodeError as err:
            raise RawDataError(f"{self.full(name)}: {err}") from err

    def json(self, name: str) -> dict:
        """The object of a JSON file."""
        content = parse_json(self.read(name, MAX_TEXT_BYTES), self.full(name))
        if not isinstance(content, dict):
            raise RawDataError(f"{self.full(name)}: is no JSON object")
        return content


def read_whole(path: Path, most: int = MAX_FILE_BYTES) -> bytes:
    """A whole file of at most so many bytes."""
    try:
        with open(path, "rb") as f:  # read(n) sets n bytes aside, so that n is not what is allowed
            content = f.read(min(os.fstat(f.fileno()).st_size, most) + 1)
    except OSError as err:
        raise RawDataError(f"{path}: {err.strerror or err}") from err
    except ValueError as err:  # a zero byte in the name
        raise RawDataError(f"{str(path)!r}: {err}") from err
    if len(content) > most:
        raise RawDataError(f"{path}: over {most} bytes")
    return content


def parse_json(content: bytes | str, name: str) -> object:
    """The value of a JSON text; NaN and Infinity are let through, as programs write them."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as err:
        raise RawDataError(f"{name}: {err}") from err


def safe_name(told: object, what: str) -> str:
    """A name that a file gives, relative and below its folder, with `/` between its parts."""
    if not isinstance(told, str) or not told or "\0" in told:
        raise RawDataError(f"{what}: {str(told)[:80]!r} is no name of a file")
    path = PurePosixPath(told.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", told):
        raise RawDataError(f"{what}: {told[:80]!r} leads out of its folder")
    return path.as_posix()


def floats(words: object, what: str) -> np.ndarray:
    """(n,) float64 of texts or numbers; NaN and infinities are let through."""
    items = words if isinstance(words, list) else [words]
    if not all(type(x) in (int, float, str) for x in items):
        raise RawDataError(f"{what}: no numbers")
    try:
        return np.array([float(x) for x in items], dtype=np.float64)
    except (ValueError, OverflowError) as err:
        raise RawDataError(f"{what}: {err}") from err


def matrix(told: object, shape: tuple[int, int], what: str) -> np.ndarray:
    """A matrix given as rows, or as one row of all its numbers."""
    items = told if isinstance(told, list) else []
    if items and all(isinstance(row, list) for row in items):
        if any(len(row) != shape[1] for row in items):
            raise RawDataError(f"{what}: is no matrix of {shape[0]} rows of {shape[1]}")
        items = [value for row in items for value in row]
    if len(items) != shape[0] * shape[1]:
        raise RawDataError(f"{what}: {len(items)} numbers, expected {shape[0] * shape[1]}")
    return floats(items, what).reshape(shape)
