"""Where an output comes from: fingerprints of inputs, keys of finished work, `<output>.meta.json`.

An `Origin` is everything that decides the bytes of a piece of work: the step, code, constants, seed
and inputs. The provenance of an output and the mark of a finished scene hold it, and finished work
is used again only while it is the same (`staleness.compare`).

Fingerprints tell inputs by place, size and content, never by time: a copy of a root is the same,
and an edit is noticed however the times are. Of what is large, samples are read (`file_digest`,
`SAMPLED_FILES`).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import stat
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache, cached_property, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import spatial_engine
from spatial_engine.utils.storage import files, os_errors

_PACKAGES = (
    "numpy", "pyarrow", "opencv-python", "opencv-python-headless", "scipy", "mmengine",
    "simplejpeg", "isal", "orjson",
)  # fmt: skip


WHOLE_BYTES = 2**20  # files up to this size are read whole
BLOCKS, BLOCK_BYTES = 9, 2**16  # of larger ones so many blocks, evenly from head to tail
# Of a folder the names and sizes of all files count, and the content of so many of each kind, from
# the first to the last. To read all images of ScanNet takes hours on a disk that turns.
SAMPLED_FILES = 16
_SMALL_BYTES = 2**12  # files in a folder up to this size, as of poses, are all read
_UNREADABLE = "cannot be read"  # named by the step that reads it


def digest(value: Any) -> str:
    """Digest of JSON-able data and numpy arrays, 32 hexadecimal digits."""

    def plain(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            content = hashlib.sha256(np.ascontiguousarray(item).ravel()).hexdigest()
            return [str(item.dtype), list(item.shape), content]
        if isinstance(item, np.generic):
            return item.item()
        if isinstance(item, Path):
            return item.as_posix()
        raise TypeError(f"{type(item).__name__} has no digest")

    text = json.dumps(value, sort_keys=True, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_digest(path: str | Path) -> str:
    """Digest of a file's content: of all of it up to `WHOLE_BYTES`, else of its size and of
    `BLOCKS` blocks, the first, the middle and the last among them."""
    found = hashlib.sha256()
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would be waited for
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                return _UNREADABLE
            if status.st_size <= WHOLE_BYTES:
                found.update(os.read(handle, status.st_size))
            else:
                found.update(str(status.st_size).encode())
                for number in range(BLOCKS):
                    start = number * (status.st_size - BLOCK_BYTES) // (BLOCKS - 1)
                    found.update(os.pread(handle, BLOCK_BYTES, start))
        finally:
            os.close(handle)
    except OSError:
        return _UNREADABLE
    return found.hexdigest()[:32]


def file_fingerprint(path: Path, root: Path) -> list:
    """[path relative to the root, size, digest of the content]; size and digest are None for no
    such file."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return [relative(path, root), None, None]
    return [relative(path, root), size, file_digest(path)]


def folder_entries(path: Path, suffixes: tuple[str, ...]) -> list[tuple[str, int | None]]:
    """(name, size) of the files with one of the suffixes, sorted by name; the size is None for a
    link to nothing.

    The folder is listed once; a folder that is not there has no entries.
    """
    entries = []
    if path.is_dir():
        with os.scandir(path) as listing:
            for entry in listing:
                if entry.name.endswith(suffixes) and not entry.name.startswith("."):
                    try:
                        entries.append((entry.name, entry.stat().st_size))
                    except FileNotFoundError:  # named by whoever reads it
                        entries.append((entry.name, None))
    return sorted(entries, key=lambda entry: entry[0])


def folder_fingerprint(path: Path, root: Path, suffixes: tuple[str, ...]) -> list:
    """[path relative to the root, number of files, digest of their names, sizes and samples]."""
    return fingerprint_of(path, root, folder_entries(path, suffixes))


def fingerprint_of(path: Path, root: Path, entries: Sequence[tuple[str, int | None]]) -> list:
    """The same of a folder whose entries were listed already."""
    return [relative(path, root), len(entries), entries_digest(path, entries)]


def entries_digest(folder: Path, entries: Sequence[tuple[str, int | None]]) -> str:
    """Digest of what a folder holds: names and sizes of all files, the content of small ones, and
    of `SAMPLED_FILES` of the others of each kind."""
    read, large = [], {}
    for name, size in entries:
        if size is not None and size <= _SMALL_BYTES:
            read.append(name)
        elif size is not None:
            large.setdefault(os.path.splitext(name)[1], []).append(name)
    for names in large.values():
        count = min(SAMPLED_FILES, len(names))
        read += [names[k * (len(names) - 1) // max(count - 1, 1)] for k in range(count)]
    return digest([entries, [[name, file_digest(os.path.join(folder, name))] for name in read]])


def content_hash(path: Path) -> str:
    """SHA-256 of a list or table that is small enough to be read whole."""
    with os_errors.naming(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()


class Settings(dict[str, Any]):
    """Constants by name, and digests of code, which stay as they are: those of all scenes of a
    step."""

    @cached_property
    def digest(self) -> str:
        """Digest of all of them."""
        return digest(self)


@dataclass(frozen=True)
class Origin:
    """What decides a piece of work.

    `settings` are constants by name, and the digests of the code (`engine_code.SETTING`). `inputs`
    stand under the names of scenes or files where they have such names, `common` inputs are those
    of all. All of it is plain JSON, with texts as names.
    """

    step: str
    settings: dict[str, Any]
    inputs: Any
    common: dict[str, Any] = field(default_factory=dict)
    version: str = field(default_factory=lambda: spatial_engine.__version__)

    @cached_property
    def key(self) -> str:
        """Digest of all of it."""
        settings = self.settings
        mark = settings.digest if isinstance(settings, Settings) else digest(settings)
        return digest([self.step, self.version, mark, self.inputs, self.common])

    @property
    def as_told(self) -> dict[str, Any]:
        """As provenance tells it (`told_by`)."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def told_by(cls, meta: Mapping[str, Any]) -> Origin:
        """The origin of an output, by its provenance, which may be damaged or a stranger's."""
        settings, common = (
            value if isinstance(value, dict) else {}
            for value in (meta.get("settings"), meta.get("common"))
        )
        step, version = (str(meta.get(name, "unknown")) for name in ("step", "version"))
        return cls(step, settings, meta.get("inputs"), common, version)


def meta_path(output: Path) -> Path:
    """Path of the provenance of an output."""
    return output.with_name(output.name + ".meta.json")


def read_meta(output: Path) -> dict[str, Any]:
    """Provenance of an output, empty where there is none or it cannot be read. What is in it may be
    read by others too: it is not to be changed."""
    path = meta_path(output)
    try:
        at = path.stat()
        return dict(_parse_meta(path, (at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)))
    except (OSError, ValueError, RecursionError):
        return {}


@lru_cache(maxsize=4)
def _parse_meta(path: Path, state: tuple[int, ...]) -> dict[str, Any]:
    """That in a state of its file: a start asks for it several times, a job for each chunk, and
    that of ten thousand scenes takes 0.1 s."""
    meta = json.loads(path.read_text(encoding="utf-8"))
    return meta if isinstance(meta, dict) else {}


def read_inputs(output: Path) -> dict[str, Any]:
    """What an output was made from, by its provenance; empty where that is unknown."""
    inputs = read_meta(output).get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def write_meta(output: Path, facts: dict[str, Any], run: dict[str, Any]) -> None:
    """Write `<output>.meta.json`: facts about the data, and a `run` block about this one run. The
    output may still be where it is made."""
    meta = dict(facts)
    meta["versions"] = _versions()
    if output.is_file():
        meta["bytes"] = output.stat().st_size
    meta["run"] = {
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "host": socket.gethostname(),
        **run,
    }
    files.dump_json(meta, meta_path(output))


def accept(output: Path, now: Origin, code: Mapping[str, str]) -> None:
    """Note that an output of other code (`Changes.code`) is taken for one of this origin."""
    meta = read_meta(output)
    before = meta.get("accepted", {})
    meta |= {**now.as_told, "accepted": {**code, **(before if isinstance(before, dict) else {})}}
    files.dump_json(meta, meta_path(output))


def forget(outputs: Iterable[Path]) -> None:
    """Remove the provenance of outputs about to be replaced, so that it never describes another
    output."""
    for output in outputs:
        meta_path(output).unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    found = {"spatial_engine": spatial_engine.__version__, "python": platform.python_version()}
    return found | _versions_of_packages()


@cache
def _versions_of_packages() -> dict[str, str]:
    """Of those that are installed. They stay as they are in a process, and to look them up reads
    files."""
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def relative(path: Path, root: Path) -> str:
    """A path as one below the root, with slashes."""
    return Path(os.path.relpath(path, root)).as_posix()


def place_of(path: Path, root: Path) -> str:
    """Where something of a user's is, so that root and it can be moved: together if it is below the
    root, else the root alone."""
    path, root = (Path(os.path.abspath(place)) for place in (path, root))
    return relative(path, root) if path.is_relative_to(root) else path.as_posix()


def contents_of(path: Path) -> int | dict[str, list[int]]:
    """Bytes of a file; of a folder what it holds."""
    return path.stat().st_size if path.is_file() else files.contents(path)


def has_companions(meta: Mapping[str, Any], companions: Mapping[str, Path]) -> bool:
    """Whether the companions of an output are those that its provenance tells of, and are as they
    were when it was made: of a folder, that it has lost nothing since."""
    before = meta.get("companions")
    if not isinstance(before, dict) or before.keys() != companions.keys():
        return False
    for name, path in companions.items():
        if not path.exists() or (path.is_file() and before[name] != contents_of(path)):
            return False
        if path.is_dir() and files.has_lost(path, before[name]):
            return False
    return True
