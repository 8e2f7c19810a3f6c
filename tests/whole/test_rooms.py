"""Imports go down: each room of the package imports only rooms below it, or beside it as told."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import spatial_engine

PACKAGE = Path(spatial_engine.__file__).parent
GROUND = {"errors", "utils.paths"}
# What a reader of files needs: no step, no executor, no progress bar.
READER = GROUND | {"utils.geometry", "utils.storage", "utils.pictures"}
FRAME = READER | {"utils.running"}
SCENES = FRAME | {"utils.tables", "utils.scenes"}
CLIPS = FRAME | {"utils.clips"}
FAMILY = SCENES | CLIPS | {"utils.questions", "utils.frames"}
FINISHED = FRAME | {"utils.questions", "utils.tables"}
# What the modules of a room may import of the package, beside their own room.
MAY_IMPORT = {
    "errors": set(),
    "utils.paths": set(),
    "utils.geometry": set(),
    "utils.pictures": {"errors", "utils.geometry", "utils.storage"},
    "utils.storage": GROUND,
    "utils.running": GROUND | {"utils.storage"},
    "utils.tables": READER,
    "utils.questions": READER,
    "utils.scenes": READER | {"utils.tables"},
    "utils.clips": FRAME,
    "utils.frames": SCENES | {"utils.questions"},
    "utils.preparation": SCENES,
    "utils.scannet_utils": SCENES | {"utils.preparation"},
    "utils.arkitscenes_utils": SCENES | {"utils.preparation"},
    "utils.scannetpp_utils": SCENES | {"utils.preparation"},
    "utils.capture_utils": SCENES | {"utils.preparation"},
    "utils.tapvid3d_utils": CLIPS,
    "camera_movement": FAMILY,
    "depth_perception": FAMILY,
    "visual_correspondence": FAMILY,
    "object_perception": FAMILY,
    "object_movement": FAMILY,
    "object_relations": FAMILY,
    "evaluation": FINISHED,
    "exports": FINISHED | {"evaluation"},
    "checks": FINISHED | SCENES | CLIPS | {"audit", "utils.preparation"},
    # What knows nothing of the engine: how processes start and end.
    "audit": {"utils.running.processes", "utils.running.stopping"},
    "report": FAMILY | {"object_perception", "evaluation"},
    "sample_data": FRAME
    | {f"utils.{name}" for name in ("preparation", "questions", "scannet_utils", "scenes")},
}
LIBRARIES = {
    "utils.geometry": {"numpy", "scipy"}, "utils.storage": {"numpy", "orjson"},
    "utils.paths": set(), "errors": set(),
}  # fmt: skip


def room_of(module: str) -> str:
    """Room of a module of the package ("utils.geometry.cameras" is in "utils.geometry")."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "utils" else parts[0]


def imported(path: Path) -> tuple[set[str], set[str]]:
    """What a module imports: modules of the package, and names of other libraries."""
    inside, outside = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith(f"{PACKAGE.name}."):
                inside.add(module_among(name.split(".")[1:]))
            elif name.split(".")[0] != PACKAGE.name:
                outside.add(name.split(".")[0])
    return inside, outside


def module_among(parts: list[str]) -> str:
    """The module that holds the name `a.b.c`: itself, or the one that it is imported from."""
    while not (PACKAGE.joinpath(*parts).with_suffix(".py").is_file()):
        if PACKAGE.joinpath(*parts).is_dir():
            break
        parts = parts[:-1]
    return ".".join(parts)


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_room_may(path):
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
    if module in ("utils", "exports.lmms_eval_task.utils"):  # the latter runs in lmms-eval
        assert module != "utils" or path.read_text() == ""
        return
    room = room_of(module)
    inside, outside = imported(path)
    may = MAY_IMPORT[room]
    bad = [m for m in sorted(inside) if room_of(m) != room and not {room_of(m), m} & may]
    assert bad == []
    if room in LIBRARIES:
        assert not {x for x in outside if not is_standard(x)} - LIBRARIES[room]


def is_standard(name: str) -> bool:
    return name in sys.stdlib_module_names


def test_every_room_is_in_the_table():
    rooms = {room_of(".".join(p.relative_to(PACKAGE).with_suffix("").parts)) for p in modules()}
    assert rooms - {"utils.__init__"} == set(MAY_IMPORT)


def test_no_room_is_a_crowd():
    """More modules than sixteen in one folder are read by nobody."""
    crowds = {
        str(folder.relative_to(PACKAGE)): len(list(folder.glob("[!_]*.py")))
        for folder in [PACKAGE, *PACKAGE.rglob("*/")]
    }
    assert {name: number for name, number in crowds.items() if number > 16} == {}
