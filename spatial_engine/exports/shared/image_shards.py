"""Shards: files of records with the images inside, as planned and as read to be written.

Each file of records has shards of its own, so that a record that changes makes those of its file
alone, and of these none that holds the same lines and images as before. A shard takes no more bytes
than its form allows, unless a single record does. Images are the bytes of their files.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.exports.shared.client_records import client_record
from spatial_engine.exports.shared.export_files import export_name
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    check_record,
    check_uniform,
    find_record_files,
    to_uniform,
)
from spatial_engine.utils.questions.record_rules import is_inside
from spatial_engine.utils.questions.records import parse_record, read_lines
from spatial_engine.utils.storage import provenance

# Splits as the programs call them that read the folders. Ours for evaluation is one to choose by;
# `test` is the name of a benchmark.
SPLITS = {"train": "train", "val": "validation"}
TEST = "test"
SIZES_KEPT = 2**18  # sizes of images in memory: 60 MB
REMEDY = "restore it, or make the records again (check_records.py lists all that is missing)"
_JPEG = b"\xff\xd8\xff"  # how the file begins; the engine has no images of another kind


@dataclass(frozen=True)
class Source:
    """A file whose records are put into shards `<split>-<name>-<number>`: one of the engine, or
    (`file` is None) a benchmark, whose records are in uniform form."""

    path: Path
    split: str
    name: str
    file: RecordFile | None = None

    def record(self, line: bytes, number: int, root: Path) -> dict[str, Any]:
        """The record of a line in uniform form; `BadDataError` names the line of what is none."""
        place = f"{self.path}:{number}"
        record = parse_record(line, place)
        if self.file is None:
            check_uniform(record, place)
            return record
        check_record(record, self.file, place)
        try:
            uniform = to_uniform(record, self.file, root)
            if outside := [name for name in uniform["image"] if not is_inside(name)]:
                raise ValueError(f"{outside[0]} is not below the root")
            if (client_record(uniform).answer is None) != (self.file.split == "val"):
                raise ValueError("it is of another split")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadDataError(f"{place}: not a record of the engine ({error!r})") from None
        return uniform


@dataclass(frozen=True)
class Shard:
    """Records of a source, from the line at the byte `place`, which is that of number `first`."""

    source: Source
    number: int
    place: int
    first: int
    records: int
    num_bytes: int  # about; of the file in which it is written
    lines: str  # digest
    images: list  # fingerprint of all (`provenance.fingerprint_of`)

    @property
    def stem(self) -> str:
        """The number of all shards is not in it: one more would rename them all."""
        return f"{self.source.split}-{self.source.name}-{self.number:05d}"


@dataclass(frozen=True)
class Form:
    """How an export writes a shard.

    `write(records, root, path)` writes the uniform records to `path`, and to `path` with the
    endings `beside`, in another process. `size_of(record, sizes)` is what a record takes with
    images of these sizes, at most; a shard takes `most_bytes`, if it is not a single record.
    """

    suffix: str
    most_bytes: int
    size_of: Callable[[Mapping[str, Any], Sequence[int]], int]
    write: Callable[[Iterator[dict[str, Any]], Path, Path], None]
    beside: tuple[str, ...] = ()


def find_sources(found: Iterable[RecordFile]) -> list[Source]:
    """The sources of files of records. Names hold no dot, which ends the key of a sample in tar."""
    return [
        Source(file.path, SPLITS[file.split], export_name(file).replace(".", "_"), file)
        for file in found
    ]


def sources_below(
    root: Path, splits: Sequence[str], version: str, datasets: Sequence[Dataset] | None
) -> tuple[list[Source], list[str]]:
    """The sources under the root, of some data sets or of all, and `<split>-<name>` of those that
    are left out."""
    every = find_sources(find_record_files(root, splits, version))
    found = find_sources(find_record_files(root, splits, version, datasets))
    kept = {source.path for source in found}
    return found, [f"{one.split}-{one.name}" for one in every if one.path not in kept]


@lru_cache(SIZES_KEPT)
def image_size(root: Path, name: str) -> int:
    """Bytes of an image; `BadDataError` for what is no file or empty, `MissingFileError` for what
    is not there."""
    path = root / name
    try:
        status = os.stat(path)
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such image; {REMEDY}") from None
    if not stat.S_ISREG(status.st_mode):
        raise BadDataError(f"{path}: is not a file; {REMEDY}")
    if not status.st_size:
        raise BadDataError(f"{path}: is empty; {REMEDY}")
    return status.st_size


class ImageReader:
    """Reads images into memory that is used again, as new memory costs as much as the reading."""

    def __init__(self, root: Path):
        self.root = root
        self._memory = memoryview(b"")
        self._over = bytearray(1)  # takes what a file has more than it should

    def room(self, num_bytes: int) -> memoryview:
        """So many bytes of the memory; what was given before is not valid any more."""
        if len(self._memory) < num_bytes:
            # Not a bytearray, which is filled with zeros first.
            self._memory = memoryview(mmap.mmap(-1, num_bytes + num_bytes // 4))
        return self._memory[:num_bytes]

    def read(self, name: str, into: memoryview) -> None:
        """Read an image of just as many bytes as there is room for.

        Raises `BadDataError` for a file of another size or that does not begin as a JPEG,
        `MissingFileError` where there is none.
        """
        path = f"{self.root}/{name}"
        try:
            handle = os.open(path, os.O_RDONLY)
            try:
                changed = os.readv(handle, [into, self._over]) != len(into)
            finally:
                os.close(handle)
        except FileNotFoundError:
            raise MissingFileError(f"{path}: no such image; {REMEDY}") from None
        except OSError as error:
            raise BadDataError(f"{path}: could not read it ({error.strerror}); {REMEDY}") from error
        if changed:
            raise BadDataError(f"{path}: was changed meanwhile; start again")
        if into[: len(_JPEG)] != _JPEG:
            raise BadDataError(f"{path}: is not a JPEG; {REMEDY}")


def plan_shards(source: Source, root: Path, form: Form) -> Iterator[Shard]:
    """The shards of a source, by one pass over its records and the sizes of their images.

    Raises `BadDataError` for what is no record or no image, `MissingFileError` for an image that is
    not there.
    """
    begun: _Begun | None = None
    place = number = 0
    for at, line in read_lines(source.path):
        if not line.isspace():
            names, size = _measured(source, at, line, root, form)
            if begun is None or begun.num_bytes + size > form.most_bytes:
                if begun:
                    yield begun.finish(source, number, root)
                    number += 1
                begun = _Begun(place, at)
            begun.add(line, names, size)
        place += len(line)
    if begun:
        yield begun.finish(source, number, root)


def _measured(
    source: Source, number: int, line: bytes, root: Path, form: Form
) -> tuple[dict[str, int], int]:
    """Sizes of the images of a record, by name, and what it takes in a shard."""
    record = source.record(line, number, root)
    try:
        sizes = [image_size(root, name) for name in record["image"]]
        size = form.size_of(record, sizes)
    except BadDataError as error:
        raise type(error)(f"{error} (of {source.path}:{number})") from None
    return dict(zip(record["image"], sizes, strict=True)), size


class _Begun:
    """A shard to which records are added."""

    def __init__(self, place: int, first: int):
        self.place, self.first = place, first
        self.records = self.num_bytes = 0
        self.lines = hashlib.sha256()
        self.images: dict[str, int] = {}

    def add(self, line: bytes, images: Mapping[str, int], size: int) -> None:
        self.records += 1
        self.num_bytes += size
        self.lines.update(line.rstrip(b"\n") + b"\n")  # the last of a file may have no end
        self.images |= images

    def finish(self, source: Source, number: int, root: Path) -> Shard:
        images = provenance.fingerprint_of(root, root, sorted(self.images.items()))
        lines, size = self.lines.hexdigest()[:32], self.num_bytes
        return Shard(source, number, self.place, self.first, self.records, size, lines, images)


def read_shard(shard: Shard, root: Path) -> Iterator[dict[str, Any]]:
    """The records of a shard in uniform form; `BadDataError` where there are less than planned."""
    lines = read_lines(shard.source.path, shard.place, shard.first)
    full = ((number, line) for number, line in lines if not line.isspace())
    left = shard.records
    for number, line in islice(full, shard.records):
        yield shard.source.record(line, number, root)
        left -= 1
    if left:
        raise BadDataError(f"{shard.source.path}: was cut off meanwhile; start again")
