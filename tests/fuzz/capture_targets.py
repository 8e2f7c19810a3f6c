"""The audit's readers of captures as targets: one file of a small sound capture is replaced."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import capture_files as files
import mutations
import numpy as np
import test_capture_formats as formats
import texts
from target import Target, new_folder

from spatial_engine.audit.captures.capture import RawCapture
from spatial_engine.audit.label_report import printable
from spatial_engine.audit.oracles.visibility import visible
from spatial_engine.audit.raw.limits import RawDataError


class Capture(NamedTuple):
    """A format, what writes a capture below a folder, and its frames."""

    form: str
    write: Callable[[Path], Path]
    numbers: tuple[int, ...]


def _transforms(folder: Path) -> Path:
    formats.nerfstudio(folder, k1=0.01)
    return folder


def _replica(folder: Path) -> Path:
    path = formats.replica(folder / "Replica" / "room0")
    vertices = [(k, k, k) for k in range(4)]
    files.put(path / "habitat/mesh_semantic.ply", files.ply(vertices, faces=[((0, 1, 2, 3), 5)]))
    objects = {"objects": [{"id": 5, "class_name": "chair"}]}
    files.put(path / "habitat/info_semantic.json", objects)
    return path


def _arkit(folder: Path) -> Path:
    path = formats.arkit(folder)
    box = {
        "centroid": [0, 0, 0],
        "axesLengths": [4, 1, 1],
        "normalizedAxes": np.eye(3).ravel().tolist(),
    }
    data = {"data": [{"label": "a", "segments": {"obbAligned": box}}]}
    files.put(path / f"{formats.ID}_3dod_annotation.json", data)
    vertices = files.ply([(0, 0, 0), (1, 1, 1)], "ascii")
    files.put(path / f"{formats.ID}_3dod_mesh.ply", vertices)
    return path


def _scannetpp(folder: Path) -> Path:
    formats.scannetpp(folder)
    blocks = [formats.lz4_literals(formats.mm(99)), formats.deflated(formats.metres(1.2))] * 2
    content = b"".join(struct.pack("<I", len(block)) + block for block in blocks)
    files.put(folder / "iphone/depth.bin", content)
    files.put(folder / "scans/mesh_aligned_0.05.ply", files.ply([(k, 0, 0) for k in range(3)]))
    files.put(folder / "scans/segments.json", {"segIndices": [10, 11, 12]})
    groups = [{"objectId": k, "label": "cup", "segments": [11, 10 + k]} for k in (1, 2)]
    files.put(folder / "scans/segments_anno.json", {"segGroups": groups})
    return folder


def _tum(folder: Path) -> Path:
    return formats.tum(folder / "rgbd_dataset_freiburg3_x")


TUM = Capture("tum", _tum, (0,))
REPLICA = Capture("replica", _replica, (0, 2))
TRANSFORMS = Capture("transforms", _transforms, (0, 1))
RECORD3D = Capture("record3d", lambda folder: formats.record3d(folder / "x.r3d"), (2,))
POLYCAM = Capture("polycam", formats.polycam, (0, 2))
STRAY = Capture("stray", formats.stray, (1, 3))
REDWOOD = Capture("redwood", formats.redwood, (0,))
COLMAP = Capture("colmap", formats.colmap, (0, 1))
ARKIT = Capture("arkitscenes", _arkit, (0, 1))
SCANNETPP = Capture("scannetpp", _scannetpp, (0, 2))


@functools.cache
def _written(capture: Capture) -> tuple[Path, Path]:
    """The root of a sound capture, and where it is."""
    root = new_folder()
    path = capture.write(root / "capture")
    files.tell(root, capture.form, path, list(capture.numbers), up=None)
    points = root / "data" / files.DATASET / "instance_data" / files.SCENE / "aligned_points.npy"
    points.parent.mkdir(parents=True)
    np.save(points, np.ones((5, 6)))
    return root, path


def _place(capture: Capture, name: str) -> Path:
    root, path = _written(capture)
    if name == "sources.json":
        return root / "data" / files.DATASET / "meta_data" / name
    return path / name if name else path


def look_at_capture(root: Path) -> None:
    """All that the checks of records and tables ask of a capture; a refusal goes through."""
    capture = RawCapture(root, files.DATASET, files.SCENE)
    first: RawDataError | None = None
    asked: list[Callable[[], Any]] = [lambda: capture.object_boxes, lambda: capture.semantic_ids]
    for frame in capture.frame_ids():
        for ask in (capture.camera_K, capture.cam_from_world, capture.picture, capture.depth_mm):
            asked.append(functools.partial(ask, frame))
        asked.append(functools.partial(visible, capture, frame))
    for ask in asked:
        try:
            ask()
        except RawDataError as error:
            first = first or error
    if first:
        raise first


def _read(capture: Capture, name: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        place = _place(capture, name)
        sound = place.read_bytes()
        try:
            place.write_bytes(path.read_bytes())
            look_at_capture(_written(capture)[0])
        finally:
            place.write_bytes(sound)

    return read


def _target(capture: Capture, name: str, **more: Any) -> Target:
    return Target(
        _read(capture, name),
        lambda: [_place(capture, name).read_bytes()],
        refusals=(RawDataError,),
        shown=printable,
        **more,
    )


JSON: dict[str, Any] = {"reshape": (mutations.json_tree,), "tokens": texts.JSON_TOKENS}
NUMBERS: dict[str, Any] = {"tokens": texts.MATRIX_TOKENS}
PLY: dict[str, Any] = {"tokens": texts.PLY_TOKENS, "binary": True}

CAPTURE_TARGETS: dict[str, Target] = {
    "audit_sources": _target(POLYCAM, "sources.json", **JSON),
    "audit_tum": _target(TUM, "groundtruth.txt", **NUMBERS),
    "audit_replica": _target(REPLICA, "traj.txt", **NUMBERS),
    "audit_replica_mesh": _target(REPLICA, "habitat/mesh_semantic.ply", **PLY),
    "audit_transforms": _target(TRANSFORMS, "transforms.json", **JSON),
    "audit_depth_npy": _target(TRANSFORMS, "depth/b.npy", binary=True),
    "audit_record3d": _target(RECORD3D, "", binary=True, tokens=texts.ZIP_TOKENS),
    "audit_polycam": _target(POLYCAM, "keyframes/cameras/5.json", **JSON),
    "audit_stray": _target(STRAY, "odometry.csv", **NUMBERS),
    "audit_redwood": _target(REDWOOD, "trajectory.log", **NUMBERS),
    "audit_colmap_cameras": _target(COLMAP, "sparse/0/cameras.txt", **NUMBERS),
    "audit_colmap_images": _target(COLMAP, "sparse/0/images.txt", **NUMBERS),
    "audit_arkit_traj": _target(ARKIT, f"{formats.ID}_frames/lowres_wide.traj", **NUMBERS),
    "audit_arkit_boxes": _target(ARKIT, f"{formats.ID}_3dod_annotation.json", **JSON),
    "audit_arkit_mesh": _target(ARKIT, f"{formats.ID}_3dod_mesh.ply", **PLY),
    "audit_scannetpp": _target(SCANNETPP, "iphone/pose_intrinsic_imu.json", **JSON),
    "audit_depth_bin": _target(SCANNETPP, "iphone/depth.bin", binary=True),
    "audit_scannetpp_objects": _target(SCANNETPP, "scans/segments_anno.json", **JSON),
}
