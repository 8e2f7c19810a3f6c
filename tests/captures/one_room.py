"""One room in all formats below one root: a data set for each, with the same frames kept. `ROUTES`
tells how each is written and prepared, and what its roundings allow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyarrow.parquet as pq
from conftest import COMMANDS, FEWER, SCANNET_UTILS, run_here

from spatial_engine.sample_data.captures import (
    arkitscenes,
    colmap,
    polycam,
    record3d,
    redwood,
    replica,
    scannet,
    scannetpp,
    seven_scenes,
    stray,
    transforms,
    tum,
)
from spatial_engine.sample_data.captures.held import held_upright
from spatial_engine.sample_data.captures.room import CaptureRoom
from spatial_engine.utils.paths import Dataset, pair_table_path

SIZE = (256, 192)  # of colour and of depth: scannetpp knows no other
FRAMES, STEP = 60, 5  # every fifth is kept
SCANNET_SCENE = "scene9000_00"
CAPTURES = "spatial_engine/utils/capture_utils/prepare_captures.py"
ARKITSCENES = "spatial_engine/utils/arkitscenes_utils/prepare_arkitscenes.py"
SCANNETPP = "spatial_engine/utils/scannetpp_utils/prepare_scannetpp.py"
STEPS_OF_SCANNET = tuple(
    f"{SCANNET_UTILS}/{name}.py"
    for name in ("batch_load_scannet_data", "extract_posed_images", "update_info_file_with_images")
)
JOB = "spatial_engine/object_perception/object_coverage_job.py"  # what the bash job starts
SCENE_STEPS = [command for command in COMMANDS[3:12] if "object" not in command]
OBJECT_STEPS = [JOB if ".sh" in command else command for command in COMMANDS[12:16]]
FEW = ("--train-max-samples", "30")  # twelve data sets are asked about
MORE = {
    command: FEW if "depth_comparison" in command else FEWER.get(command, ())
    for command in SCENE_STEPS + OBJECT_STEPS
} | {JOB: ("--published",)}


@dataclass(frozen=True)
class Rounding:
    """How far answers may be from those of ScanNet's route; the defaults are of formats that hold
    poses with six decimals or more.

    metres, degrees: of how frames relate; whole: by how much whole millimetres and whole degrees of
    an answer may differ, where rounding turns a half the other way; overlap: percent, 0 where the
    points are the same mesh. depth_mm: median, of 95 in 100, and largest difference of a depth
    answer from the exact room at the coordinates of the question: these are whole thousandths of
    the image, a quarter of a pixel, and points of a mesh lie beside edges. thousandths: of a match.
    """

    metres: float = 1e-5
    degrees: float = 1e-5
    whole: int = 0
    overlap: float = 20.0
    depth_mm: tuple[float, float, float] = (1.0, 6.0, 90.0)
    thousandths: float = 3.0


FUSED = Rounding()
MESH = Rounding(overlap=1e-9, depth_mm=(2.0, 20.0, 95.0))
# Up is found from level surfaces: it takes part of a degree with it, and no distance.
FOUND_UP = Rounding(degrees=1.0, whole=1)
# Positions and quaternions with four decimals.
FOUR_DECIMALS = Rounding(metres=3e-4, degrees=0.03, whole=1)


@dataclass(frozen=True)
class Route:
    """A format: its data set and scene, its writer, the flags of its preparation."""

    dataset: str
    scene: str
    write: Callable[[CaptureRoom, Path], object]
    rounding: Rounding
    form: str = ""  # of prepare_captures.py
    flags: tuple[str, ...] = ()
    has_objects: bool = False


def _scannet(room: CaptureRoom, root: Path) -> None:
    data = root / "data/scannet"
    scannet.write(room, data / "scans", SCANNET_SCENE)
    (data / "meta_data").mkdir()
    (data / "meta_data/scannetv2_train.txt").write_text(f"{SCANNET_SCENE}\n")
    rows = "".join(f"{label}\t1\n" for label in room.labels.values())
    table = data / "meta_data/scannetv2-labels.combined.tsv"
    table.write_text(f"raw_category\tnyu40id\n{rows}")


def _arkitscenes(room: CaptureRoom, root: Path) -> None:
    """A device on its side, so that all images are turned."""
    folder = root / "data/arkitscenes"
    arkitscenes.write(room, folder, quirks=arkitscenes.Quirks(sky="Right"))
    arkitscenes.write_lists(folder, {arkitscenes.VIDEO: "Training"}, sky="Right")


def _scannetpp(room: CaptureRoom, root: Path) -> None:
    scannetpp.write_data_set(room, root / "data/scannetpp")


def _own(form: str, write: Callable[..., object], *flags: str, rounding: Rounding = FUSED) -> Route:
    return Route(f"own_{form}", f"{form}_room", write, rounding, form, flags)


ROUTES = {
    route.dataset: route
    for route in (
        Route("scannet", SCANNET_SCENE, _scannet, MESH, has_objects=True),
        Route("arkitscenes", arkitscenes.VIDEO, _arkitscenes, MESH, has_objects=True),
        Route("scannetpp", scannetpp.SCENE, _scannetpp, MESH, has_objects=True),
        _own("7scenes", seven_scenes.write, "--registered", rounding=FOUND_UP),
        _own("tum", tum.write, rounding=FOUR_DECIMALS),
        _own("replica", lambda room, path: replica.write(room, path.parent, scene=path.name)),
        _own("redwood", redwood.write, rounding=FOUND_UP),
        _own(
            "colmap", colmap.write, "--metres-per-unit", str(colmap.METRES_PER_UNIT),
            rounding=FOUND_UP,
        ),
        _own("transforms", transforms.write),
        _own("record3d", lambda room, path: record3d.write(held_upright(room), path)),
        _own("polycam", polycam.write),
        _own("stray", stray.write),
    )
}  # fmt: skip


def place_of(route: Route, root: Path) -> Path:
    """The folder of a capture below a root."""
    return root / "captures" / route.form / route.scene


def write_room(room: CaptureRoom, root: Path) -> None:
    """The room in every format."""
    for route in ROUTES.values():
        route.write(room, place_of(route, root) if route.form else root)


def prepare(
    route: Route, root: Path, K: Any, *more: str, workers: int = 1
) -> list[CompletedProcess]:
    """Prepare the scene of a format; `K` (3, 3) is the camera that TUM's files do not tell."""
    common = ("--num-workers", str(workers), *more)
    if route.dataset == "scannet":
        return [run_here(step, root, "--splits", "train", *common) for step in STEPS_OF_SCANNET]
    common = ("--frame-skip", str(STEP), *common)
    if not route.form:
        command = ARKITSCENES if route.dataset == "arkitscenes" else SCANNETPP
        return [run_here(command, root, *common)]
    flags = route.flags
    if route.form == "tum":
        flags = ("--intrinsics", *(str(K[at]) for at in ((0, 0), (1, 1), (0, 2), (1, 2))))
    given = ("--format", route.form, "--input", str(place_of(route, root)))
    return [run_here(CAPTURES, root, *given, "--dataset", route.dataset, *flags, *common)]


def ask(route: Route, root: Path) -> list[CompletedProcess]:
    """Run all steps after preparation on the data set of a format."""
    steps = SCENE_STEPS + (OBJECT_STEPS if route.has_objects else [])
    flags = ("--dataset", route.dataset, "--num-workers", "1")
    return [run_here(step, root, *flags, *MORE[step]) for step in steps]


def records(root: Path, dataset: str, pattern: str) -> Iterator[dict[str, Any]]:
    """Training records of the files of a data set that match."""
    for path in sorted(Dataset(root, dataset).made("train").glob(pattern)):
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def frames_of(record: dict[str, Any]) -> list[str]:
    """Numbers of the frames of a record; marked pictures are named after the frame they show."""
    return [str(int(Path(image).stem.split("_")[0])) for image in record["image"]]


def pairs(root: Path, dataset: str) -> dict[tuple[str, str], dict[str, Any]]:
    """How two frames relate, by their ids."""
    rows = pq.read_table(pair_table_path(Dataset(root, dataset), "train")).to_pylist()
    return {(row["image_id1"], row["image_id2"]): row for row in rows}
