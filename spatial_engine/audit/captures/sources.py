"""Where a prepared scene came from, and how it was prepared.

Reads `data/<dataset>/meta_data/sources.json`.
What it tells is checked, not believed: `world` must be a rigid motion times the scale, and bring
`up` to +z.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_engine.audit.captures.tree import parse_json, read_whole
from spatial_engine.audit.raw.cameras import check_rigid
from spatial_engine.audit.raw.limits import MAX_FRAMES, RawDataError

MAX_FILE_BYTES = 2**28
MAX_NUMBER = 99_999  # ids have five digits
UP_SLACK = 1e-3  # of a direction
SKIES = ("Up", "Left", "Down", "Right")


@dataclass(frozen=True)
class Source:
    """How one scene was prepared.

    numbers: of the frames that were kept, ascending. world: (4, 4) prepared_world_from_source_world
    with its scale. sky: where the sky lay in the images before they were turned. registered: depth
    is already seen from the colour camera. intrinsics: fx, fy, cx, cy given by hand. confidence:
    the least that is kept. depth_unit: metres. mesh: whether the points are those of a mesh, None
    where the source decides. colour_from_depth: (4, 4), where it is told.
    """

    name: str
    format: str
    path: Path
    numbers: list[int]
    world: np.ndarray
    metres_per_unit: float = 1.0
    sky: str = "Up"
    registered: bool = False
    intrinsics: tuple[float, ...] | None = None
    confidence: int | None = None
    depth_unit: float | None = None
    mesh: bool | None = None
    colour_from_depth: np.ndarray | None = None

    def camera(self) -> np.ndarray | None:
        """(3, 3) K of `intrinsics`."""
        return None if self.intrinsics is None else camera_matrix(*self.intrinsics)


def camera_matrix(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    """(3, 3) K."""
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64)


def sources_path(root: Path, dataset: str) -> Path:
    return root / "data" / dataset / "meta_data" / "sources.json"


def read_sources(root: Path, dataset: str) -> dict[str, dict]:
    """What `sources.json` tells of each scene."""
    path = sources_path(root, dataset)
    told = parse_json(read_whole(path, MAX_FILE_BYTES), str(path))
    if not isinstance(told, dict) or not all(isinstance(one, dict) for one in told.values()):
        raise RawDataError(f"{path}: is no object of an object for each scene")
    return told


def read_source(root: Path, dataset: str, scene_id: str) -> Source:
    """How a scene was prepared; `RawDataError` says what cannot be so."""
    told = read_sources(root, dataset).get(scene_id)
    if told is None:
        raise RawDataError(f"{sources_path(root, dataset)}: does not tell of scene {scene_id}")
    return parse_source(told, root, f"{sources_path(root, dataset)}: {scene_id}")


def parse_source(told: dict, root: Path, name: str) -> Source:
    """A source of the fields of `sources.json`; name: for errors."""

    def bad(field: str) -> RawDataError:
        return RawDataError(f"{name}: {field} is {str(told.get(field))[:80]}")

    if not isinstance(told.get("format"), str):
        raise bad("format")
    if not isinstance(told.get("path"), str) or not told["path"] or "\0" in told["path"]:
        raise bad("path")
    scale = _positive(told.get("metres_per_unit", 1.0))
    if scale is None:
        raise bad("metres_per_unit")
    sky = told.get("turned") or "Up"
    if sky not in SKIES:
        raise bad("turned")
    if told.get("points") not in (None, "mesh", "fused"):
        raise bad("points")
    confidence = told.get("confidence")
    if confidence is not None and (type(confidence) is not int or confidence < 0):
        raise bad("confidence")
    intrinsics = _floats(told.get("intrinsics"), 4)
    if (intrinsics is None) != (told.get("intrinsics") is None):
        raise bad("intrinsics")
    depth_unit = _positive(told.get("depth_unit"))
    if (depth_unit is None) != (told.get("depth_unit") is None):
        raise bad("depth_unit")
    beside = told.get("colour_from_depth")
    return Source(
        name=name,
        format=told["format"],
        path=root / told["path"],
        numbers=_numbers(told.get("numbers"), name),
        world=_world(told, scale, name),
        metres_per_unit=scale,
        sky=sky,
        registered=told.get("registered") is True,
        intrinsics=intrinsics,
        confidence=confidence,
        depth_unit=depth_unit,
        mesh={None: None, "mesh": True, "fused": False}[told.get("points")],
        colour_from_depth=None if beside is None else _rigid(beside, f"{name}: colour_from_depth"),
    )


def _numbers(told: object, name: str) -> list[int]:
    if not isinstance(told, list) or not all(type(n) is int for n in told):
        raise RawDataError(f"{name}: numbers are no list of int")
    if len(told) > MAX_FRAMES or any(not 0 <= n <= MAX_NUMBER for n in told):
        raise RawDataError(f"{name}: numbers are not at most {MAX_FRAMES} from 0 to {MAX_NUMBER}")
    if told != sorted(set(told)):
        raise RawDataError(f"{name}: numbers do not ascend")
    return told


def _world(told: dict, scale: float, name: str) -> np.ndarray:
    """(4, 4): a rigid motion times the scale, which brings up to +z."""
    world = _matrix(told.get("world"), f"{name}: world")
    rigid = world.copy()
    rigid[:3, :3] /= scale
    check_rigid(f"{name}: world, without its scale {scale:g},", rigid)
    if told.get("up") is not None:
        up = _floats(told["up"], 3)
        if up is None or not math.hypot(*up) > 0:
            raise RawDataError(f"{name}: up is {str(told['up'])[:80]}")
        turned = rigid[:3, :3] @ (np.array(up) / math.hypot(*up))
        if np.abs(turned - [0, 0, 1]).max() > UP_SLACK:
            raise RawDataError(f"{name}: world brings up to {turned.round(4).tolist()}, not to +z")
    return world


def _rigid(told: object, what: str) -> np.ndarray:
    matrix = _matrix(told, what)
    check_rigid(what, matrix)
    return matrix


def _matrix(told: object, what: str) -> np.ndarray:
    rows = told if isinstance(told, list) else []
    rows = [_floats(row, 4) for row in rows]
    if len(rows) != 4 or any(row is None for row in rows):
        raise RawDataError(f"{what} is not 4 rows of 4 numbers")
    return np.array(rows, dtype=np.float64)


def _floats(told: object, count: int) -> tuple[float, ...] | None:
    """So many finite numbers; None where it is something else."""
    if not isinstance(told, list) or len(told) != count:
        return None
    if not all(type(x) in (int, float) and abs(x) < 1e100 for x in told):
        return None
    return tuple(float(x) for x in told)


def _positive(told: object) -> float | None:
    return float(told) if type(told) in (int, float) and 0 < told < 1e9 else None


def is_dataset_name(name: str) -> bool:
    return re.fullmatch("[A-Za-z0-9_-]{1,200}", name) is not None
