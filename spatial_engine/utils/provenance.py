"""Where an output comes from: fingerprints of inputs, keys of finished work, `<output>.meta.json`.

A key is a digest of everything that decides the bytes of a piece of work: the step, the version
of the engine, constants, seed and inputs. Finished work is used again only under the same key.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import socket
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import spatial_engine
from spatial_engine.utils import files

_PACKAGES = (
    "numpy", "pyarrow", "opencv-python", "opencv-python-headless", "scipy", "mmengine",
    "simplejpeg", "orjson",
)  # fmt: skip


def digest(value: Any) -> str:
    """Digest of JSON-able data and numpy arrays, 32 hexadecimal digits."""

    def plain(item: Any) -> Any:
        if isinstance(item, np.ndarray):
            content = hashlib.sha256(np.ascontiguousarray(item).tobytes()).hexdigest()
            return [str(item.dtype), list(item.shape), content]
        if isinstance(item, np.generic):
            return item.item()
        if isinstance(item, Path):
            return item.as_posix()
        raise TypeError(f"{type(item).__name__} has no digest")

    text = json.dumps(value, sort_keys=True, default=plain)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_fingerprint(path: Path, root: Path) -> list:
    """[path relative to the root, size, mtime in ns]; size and mtime are None for no such file."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return [_relative(path, root), None, None]
    return [_relative(path, root), status.st_size, status.st_mtime_ns]


def folder_entries(path: Path, suffixes: tuple[str, ...]) -> list[tuple[str, Any, Any]]:
    """(name, size, mtime in ns) of the files with one of the suffixes, sorted by name.

    The folder is listed once; a folder that is not there has no entries.
    """
    entries = []
    if path.is_dir():
        with os.scandir(path) as listing:
            for entry in listing:
                if entry.name.endswith(suffixes) and not entry.name.startswith("."):
                    try:
                        status = entry.stat()
                    except FileNotFoundError:  # a dangling link: named by whoever reads it
                        entries.append((entry.name, None, None))
                    else:
                        entries.append((entry.name, status.st_size, status.st_mtime_ns))
    return sorted(entries, key=lambda entry: entry[0])


def folder_fingerprint(path: Path, root: Path, suffixes: tuple[str, ...]) -> list:
    """[path relative to the root, number of files, digest of their names, sizes and mtimes]."""
    return fingerprint_of(path, root, folder_entries(path, suffixes))


def fingerprint_of(path: Path, root: Path, entries: Sequence[tuple[str, Any, Any]]) -> list:
    """The same of a folder whose entries were listed already."""
    return [_relative(path, root), len(entries), digest(entries)]


def content_hash(path: Path) -> str:
    """SHA-256 of a list or table that is small enough to be read whole."""
    with files.naming(path):
        return hashlib.sha256(path.read_bytes()).hexdigest()


def work_key(step: str, settings: dict[str, Any], inputs: Any) -> str:
    """Key of a piece of work: changes with the step, the engine, the constants and the inputs."""
    return digest([step, spatial_engine.__version__, settings, inputs])


def meta_path(output: Path) -> Path:
    """Where the provenance of an output stands."""
    return output.with_name(output.name + ".meta.json")


def read_meta(output: Path) -> dict[str, Any]:
    """Provenance of an output, empty where there is none or it cannot be read."""
    try:
        meta = json.loads(meta_path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return meta if isinstance(meta, dict) else {}


def read_inputs(output: Path) -> dict[str, Any]:
    """What the provenance of an output says it was made from; empty where that is not told."""
    inputs = read_meta(output).get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def is_current(output: Path, key: str) -> bool:
    """Whether the output is there, whole, and was made under this key."""
    meta = read_meta(output)
    told = all(name in meta for name in ("records", "drops", "notes"))
    if not output.exists() or not told or meta.get("key") != key:
        return False
    return output.is_dir() or meta.get("bytes") == output.stat().st_size


def write_meta(output: Path, facts: dict[str, Any], run: dict[str, Any]) -> None:
    """Write `<output>.meta.json`: facts about the data, and a `run` block about this one run."""
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


def forget(outputs: Iterable[Path]) -> None:
    """Remove the provenance of outputs about to be replaced, so that it never describes others."""
    for output in outputs:
        meta_path(output).unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    found = {"spatial_engine": spatial_engine.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _relative(path: Path, root: Path) -> str:
    return Path(os.path.relpath(path, root)).as_posix()
