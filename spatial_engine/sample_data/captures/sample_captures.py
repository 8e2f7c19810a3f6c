"""The room written in the formats of other captures, each in a folder of its own."""

from __future__ import annotations

import filecmp
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from spatial_engine.errors import SettingsError
from spatial_engine.sample_data.captures import colmap, room
from spatial_engine.utils.running.scene_runner import (
    DONE_FILE,
    PartResult,
    RunResult,
    SceneJob,
    is_done,
    run_scenes,
)
from spatial_engine.utils.storage import engine_code, files, locks

STEP = "sample captures"
PLACE = "captures"  # below the root
FRAMES = 60  # every fifth is kept: 12
SMALL = 4  # times smaller are the images of the variant for tests
FOCUS = 0.01  # share by which the focal length of a phone goes up and down


@dataclass(frozen=True)
class Format:
    """How a format is written: by a function of a module of this folder, which gets the
    room, an empty folder and `arguments`. Sizes of images are (width, height). `place` is where
    files of a data set that is downloaded whole stand below the root."""

    module: str
    color_size: tuple[int, int]
    depth_size: tuple[int, int]
    focus: float = 0.0
    place: str | None = None
    arguments: tuple[Any, ...] = ()
    function: str = "write"
    one_depth_size: bool = False  # the format knows no other
    metres_per_unit: float = 1.0  # of its poses

    @property
    def name(self) -> str:
        """Of the module, in full."""
        return f"{__name__.rpartition('.')[0]}.{self.module}"


VGA, LIDAR = (640, 480), (256, 192)
PHONE = (960, 720)  # half as wide as a phone's pictures
FORMATS = {
    "7scenes": Format("seven_scenes", VGA, VGA),
    "arkitscenes": Format("arkitscenes", LIDAR, LIDAR, FOCUS, "data/arkitscenes"),
    "colmap": Format("colmap", VGA, VGA, metres_per_unit=colmap.METRES_PER_UNIT),
    "polycam": Format("polycam", (1024, 768), LIDAR, FOCUS),
    "record3d": Format("record3d", PHONE[::-1], LIDAR[::-1], FOCUS),
    "redwood": Format("redwood", VGA, VGA),
    "replica": Format("replica", (1200, 680), (1200, 680)),
    "scannet": Format("scannet", (1296, 968), VGA, arguments=("scene9000_00",)),
    "scannetpp": Format(
        "scannetpp",
        PHONE,
        LIDAR,
        FOCUS,
        "data/scannetpp",
        function="write_data_set",
        one_depth_size=True,
    ),
    "stray": Format("stray", PHONE, LIDAR),
    "transforms": Format("transforms", PHONE, PHONE),
    "tum": Format("tum", VGA, VGA),
}


def formats() -> list[str]:
    """Names of the formats that can be written."""
    return [name for name, kind in FORMATS.items() if find_spec(kind.name)]


def write_sample_captures(
    root: str | Path,
    names: Sequence[str],
    *,
    seed: int = 0,
    num_workers: int = 1,
    scheduler: str | None = None,
    overwrite: bool = False,
    small: bool = False,
) -> RunResult:
    """Write the room in the formats of these names, each below `root/captures/<name>`; what is
    finished with the same settings stays. Files of a data set that is downloaded whole are linked
    to their places as well. Raises `SettingsError` where other files are in these places: they are
    never replaced.
    """
    root = Path(root)
    base = root / PLACE
    jobs = [SceneJob(name, (name, seed, small), _inputs(name, seed, small)) for name in names]
    with locks.locked(base):
        for job in jobs:
            if overwrite or not is_done(base, STEP, {}, job):
                _unlink(root, job.scene_id)
        run = run_scenes(
            STEP,
            _work,
            jobs,
            base,
            {},
            num_workers=num_workers,
            scheduler=scheduler,
            overwrite=overwrite,
        )
        for name in run.parts:
            _link(root, name)
    return run


def _inputs(name: str, seed: int, small: bool) -> dict[str, Any]:
    """What decides the files of a format: also the code of its writer, which is imported late."""
    writer = find_spec(FORMATS[name].name)
    code = engine_code.digests_of(writer.origin) if writer and writer.origin else {}
    return {"seed": seed, "small": small, "writer": code}


def _work(arguments: tuple[str, int, bool], folder: Path) -> PartResult:
    name, seed, small = arguments
    kind = FORMATS[name]
    color, depth = kind.color_size, kind.depth_size
    if small:
        color = (color[0] // SMALL, color[1] // SMALL)
        depth = depth if kind.one_depth_size else (depth[0] // SMALL, depth[1] // SMALL)
    made = room.make_room(color, depth, num_frames=FRAMES, seed=seed, focus=kind.focus)
    getattr(import_module(kind.name), kind.function)(made, folder, *kind.arguments)
    return PartResult(counts={"frames": len(made.frames)})


def _linked(root: Path, name: str) -> dict[Path, Path]:
    """Where the files of a format that is written stand in its data set."""
    folder, place = root / PLACE / name, FORMATS[name].place
    if place is None:
        return {}
    return {
        path: root / place / path.relative_to(folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != DONE_FILE
    }


def _link(root: Path, name: str) -> None:
    """Give the files of a format their places in its data set as well."""
    linked = _linked(root, name)
    for path, target in linked.items():
        if os.path.lexists(target) and not _is_same(path, target):
            raise SettingsError(
                f"{target}: holds something that this command did not make; move it away, or give "
                "an empty folder as --root"
            )
    for path, target in linked.items():
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            files.link_or_copy(path, target)


def _unlink(root: Path, name: str) -> None:
    """Remove from the data set what was linked there and is to be made anew."""
    for path, target in _linked(root, name).items():
        if _is_same(path, target):
            target.unlink()


def _is_same(path: Path, target: Path) -> bool:
    return target.is_file() and filecmp.cmp(path, target, shallow=False)
