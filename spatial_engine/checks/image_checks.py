"""Whether the images that records name exist, are complete, and have the stated size.

A shard holds all images of its folders, so that a folder is listed once instead of asking for each
of millions of files. Every image's header and end are read; the pictures themselves are decoded
for a draw, which depends on the seed and the paths alone.
"""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from spatial_engine.checks.record_scan import short_hash
from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures import jpeg

HEAD_BYTES = 4096  # holds the size in nearly every JPEG; else the file is read whole
TAIL_BYTES = 64
MAX_BYTES = 2**28  # no picture of these data sets comes near; memory is not given to what is none
END_MARK = b"\xff\xd9"
REMEDY = "make or get it again"

Place = tuple[int, int, int, str]  # file, start of the part, line in it, id of the record
Told = dict[tuple[int, int, int], Place]  # (file, width, height) -> first place


@dataclass(frozen=True)
class ImageFault:
    """What is wrong with an image, at the first line of a file that names it."""

    kind: str
    place: Place
    cause: str


@dataclass(frozen=True)
class Shard:
    """Images to look at: `decode_most` are decoded at most, -1 = all."""

    files: tuple[Path, ...]
    seed: int
    decode_most: int


Drawn = tuple[int, str, tuple[Place, ...]]  # rank, path, first place in each file


@dataclass
class ShardResult:
    """Faults; how many images there are and were decoded; images that may be drawn, by rank."""

    faults: list[ImageFault] = field(default_factory=list)
    images: int = 0
    decoded: int = 0
    drawn: list[Drawn] = field(default_factory=list)


def check_shard(shard: Shard) -> ShardResult:
    """Look at each image of a shard."""
    result = ShardResult()
    ranked: list[Drawn] = []
    for folder, images in sorted(_read_shard(shard.files).items()):
        try:
            there = set(os.listdir(folder))
        except OSError:
            there = set()
        for name, told in sorted(images.items()):
            result.images += 1
            path = f"{folder}/{name}"
            places = _first_places(told)
            faults = _check_image(path, told, places) if name in there else []
            if name not in there:
                faults = [ImageFault("image missing", p, f"no image {path}") for p in places]
            result.faults += faults
            if not any(fault.kind.startswith("image") for fault in faults):
                rank = short_hash(f"{shard.seed} {path}".encode())
                ranked.append((rank, path, places))
    if shard.decode_most < 0:
        result.faults += decode(ranked)
        result.decoded = len(ranked)
    else:
        result.drawn = heapq.nsmallest(shard.decode_most, ranked)
    return result


def decode(drawn: Iterable[Drawn]) -> list[ImageFault]:
    """Decode pictures whole; what is wrong with them."""
    faults = []
    for _, path, places in drawn:
        try:
            jpeg.read(Path(path), REMEDY)
        except BadDataError as error:
            cause = str(error)
            faults += [ImageFault("image damaged", place, cause) for place in places]
    return faults


def _read_shard(files: Iterable[Path]) -> dict[str, dict[str, Told]]:
    """{folder: {name: stated sizes}}."""
    folders: dict[str, dict[str, Told]] = {}
    for path in files:
        with open(path, "rb") as lines:
            for entry in lines:
                folder, name, width, height, file, *place = orjson.loads(entry)
                told = folders.setdefault(folder, {}).setdefault(name, {})
                here = (file, *place)
                size = (file, width, height)
                told[size] = min(told.get(size, here), here)
    return folders


def _first_places(told: Told) -> tuple[Place, ...]:
    first: dict[int, Place] = {}
    for place in sorted(told.values()):
        first.setdefault(place[0], place)
    return tuple(first.values())


def _check_image(path: str, told: Told, places: tuple[Place, ...]) -> list[ImageFault]:
    try:
        width, height = _read_ends(path)
    except BadDataError as error:
        return [ImageFault("image damaged", place, str(error)) for place in places]
    return [
        ImageFault("size", place, f"the record says {w}x{h}, {path} is {width}x{height}")
        for (_, w, h), place in sorted(told.items())
        if (w, h) not in ((width, height), (0, 0))  # 0: not told, which is a fault of its own
    ]


def _read_ends(path: str) -> tuple[int, int]:
    """(width, height) of an image whose beginning and end are sound."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise BadDataError(f"{path}: not a file; {REMEDY}")
            if status.st_size > MAX_BYTES:
                raise BadDataError(f"{path}: over {MAX_BYTES >> 20} MiB; {REMEDY}")
            head = file.read(HEAD_BYTES)
            try:
                size = jpeg.read_size(head, path, REMEDY)
            except BadDataError:
                size = jpeg.read_size(head + file.read(), path, REMEDY)
            file.seek(max(status.st_size - TAIL_BYTES, 0))
            tail = file.read(TAIL_BYTES)
    except OSError as error:
        raise BadDataError(f"{path}: could not read it ({error.strerror}); {REMEDY}") from None
    if not tail.rstrip(b"\0").endswith(END_MARK):
        raise BadDataError(f"{path}: ends without the end mark of a JPEG (cut off?); {REMEDY}")
    return size


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting, as a pipe would have it."""
    return os.open(path, flags | os.O_NONBLOCK)
