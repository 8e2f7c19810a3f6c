"""The formats of plain captures, one module each, and finding captures in a folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.utils.capture_utils import (
    colmap,
    polycam,
    record3d,
    redwood,
    replica,
    seven_scenes,
    stray,
    transforms,
    tum,
)
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.preparation import frame_files
from spatial_engine.utils.preparation.capture import Capture
from spatial_engine.utils.storage import provenance

READERS: Mapping[str, ModuleType] = {
    "7scenes": seven_scenes,
    "tum": tum,
    "replica": replica,
    "transforms": transforms,
    "record3d": record3d,
    "polycam": polycam,
    "stray": stray,
    "redwood": redwood,
    "colmap": colmap,
}
# Every n-th frame that is kept, unless told otherwise: videos to about five a second, photographs
# and keyframes all.
FRAME_SKIPS = {
    "7scenes": 5, "tum": 5, "replica": 5, "redwood": 5, "record3d": 10, "stray": 10,
    "transforms": 1, "polycam": 1, "colmap": 1,
}  # fmt: skip


def find_captures(form: str, inputs: Sequence[Path]) -> dict[str, Path]:
    """The captures of a format in the inputs: by name of the scene. Raises `MissingInputError` for
    an input that is not there, `BadDataError` for one that holds none, saying what it looks like,
    `SettingsError` for two of one name."""
    found: dict[str, Path] = {}
    for path in inputs:
        if not path.exists():
            raise MissingInputError(f"--input {path}: no such file or folder")
        below = _captures_in(READERS[form], path)
        if not below:
            raise BadDataError(f"{path}: holds no capture of the format {form}{_other(form, path)}")
        for name, place in below.items():
            scene = re.sub(r"[^A-Za-z0-9_.+-]", "_", name)
            if found.setdefault(scene, place) != place:
                raise SettingsError(
                    f"{place}: a capture called {scene} is in {found[scene]} too; rename one"
                )
    return found


def open_capture(form: str, path: Path, options: CaptureOptions) -> Capture:
    """Open a capture of a format."""
    return READERS[form].open_capture(path, options)


def fingerprint(form: str, path: Path, root: Path) -> list:
    """What tells whether a capture has changed: its place, as `sources.json` tells it, names, sizes
    and samples of its files, and the cameras of a format that are beside them or above."""
    place = provenance.place_of(path, root)
    if path.is_file():
        return [place, *provenance.file_fingerprint(path, root)[1:]]
    files = sorted(p for p in path.rglob("*") if p.is_file())
    entries = [(p.relative_to(path).as_posix(), p.stat().st_size) for p in files]
    cameras = frame_files.beside_or_above(path, getattr(READERS[form], "CAMERA_FILES", ()))
    return [
        place,
        *provenance.fingerprint_of(path, root, entries)[1:],
        *(provenance.file_fingerprint(camera, root)[1:] for camera in cameras),
    ]


def _captures_in(reader: ModuleType, path: Path) -> dict[str, Path]:
    if find := getattr(reader, "scenes_in", None):
        return find(path)
    if reader.looks_like(path):
        return {_name(path): path}
    below = sorted(path.iterdir()) if path.is_dir() else []
    return {_name(one): one for one in below if reader.looks_like(one)}


def _name(path: Path) -> str:
    path = path.absolute()
    return path.stem if path.is_file() else path.name


def _other(form: str, path: Path) -> str:
    """What the input looks like instead."""
    for other, reader in READERS.items():
        if other != form and _captures_in(reader, path):
            return f"; it looks like {other}: give --format {other}"
    return "; README.md beside this script tells what each format holds"
