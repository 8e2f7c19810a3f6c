"""Readers of ScanNet++ as targets: poses, depth, videos, objects, labels."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import mutations
import numpy as np
import texts
from target import Target, new_folder

sys.path.insert(0, str(Path(__file__).parents[1]))

from scannetpp.hand_room import SCENE, hand_room

from spatial_engine.sample_data.captures import scannetpp
from spatial_engine.sample_data.captures.scannetpp import (
    DEFLATE,
    EXTRACTED,
    LZ4,
    STREAM,
    Quirks,
    deflated,
    lz4_block,
    write_video,
)
from spatial_engine.utils.geometry.cameras import is_rigid
from spatial_engine.utils.preparation.capture import AnnotatedMesh
from spatial_engine.utils.preparation.images.video import Video
from spatial_engine.utils.scannetpp_utils import scan
from spatial_engine.utils.scannetpp_utils.depth_bin import DepthBin
from spatial_engine.utils.scannetpp_utils.label_map import read_label_map
from spatial_engine.utils.scannetpp_utils.poses import read_posed_frames

ROOM = hand_room(3)
FRAMES = (0, 2)
SCANS: list[Path] = []  # the scan that files of it are damaged in, written once for each process


def read_poses(path: Path) -> None:
    found = read_posed_frames(path)
    assert is_rigid(found.poses).all() and np.isfinite(found.intrinsics).all()
    assert (np.diff(found.numbers) > 0).all() and found.last >= found.numbers[-1]
    assert len(found.numbers) + sum(found.left_out.values()) == found.last + 1


def read_depth_bin(path: Path) -> None:
    depth = DepthBin(path)
    images = list(depth.read(FRAMES))
    assert all((image.shape, image.dtype) == ((192, 256), np.uint16) for image in images)
    assert len(images) == len(FRAMES)


def read_video(path: Path) -> None:
    video = Video(path, "get it again")
    images = list(video.read(FRAMES))
    assert all(image.shape == (*video.size[::-1], 3) for image in images)
    assert len(images) == len(FRAMES)


def read_scan(*names: str):
    """A reader of a scan in which one of these files is damaged: the one that is as it."""

    def read(path: Path) -> None:
        scans = _scans() / scan.SCANS
        data = path.read_bytes()
        for name in names:
            own = (scans / name).read_bytes()
            (scans / name).write_bytes(data)
            try:
                _check_mesh(scan.read_mesh(_scans()))
            finally:
                (scans / name).write_bytes(own)

    return read


def _check_mesh(mesh: AnnotatedMesh) -> None:
    assert len(mesh.points) == len(mesh.instances) <= len(ROOM.vertices)
    ids = {item.object_id + 1 for item in mesh.objects}
    assert set(np.unique(mesh.instances).tolist()) <= ids | {0}
    assert all(item.label.encode() is not None for item in mesh.objects)


def read_labels(path: Path) -> None:
    labels = read_label_map(path)
    assert labels and all(new is None or new.strip() for new in labels.values())


def _scans() -> Path:
    if not SCANS:
        folder = new_folder() / SCENE
        scannetpp.write(ROOM, folder, Quirks(color=EXTRACTED, depth=EXTRACTED))
        SCANS.append(folder)
    return SCANS[0]


def _written(name: str, **quirks) -> bytes:
    """A file of the sample scene."""
    with tempfile.TemporaryDirectory() as folder:
        scene = Path(folder) / SCENE
        scannetpp.write(ROOM, scene, Quirks(**{"color": EXTRACTED, "depth": EXTRACTED, **quirks}))
        return (scene / name).read_bytes()


def _pose_files() -> list[bytes]:
    name = "iphone/pose_intrinsic_imu.json"
    return [_written(name), _written(name, missing_poses=(0,), lost_poses=(1,), loose_axes=1e-3)]


def _depth_bins() -> list[bytes]:
    flat = [np.full((192, 256), k, np.float32) for k in range(3)]
    whole = [scannetpp.depth_bin(flat, kind) for kind in (STREAM, DEFLATE)]
    packed = [lz4_block(bytes(98_304)), deflated(bytes(196_608))]
    blocks = [b"".join(len(b).to_bytes(4, "little") + b for b in [block] * 3) for block in packed]
    return [*whole, *blocks, scannetpp.depth_bin(flat, LZ4)]


def _videos() -> list[bytes]:
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for size in ((64, 48), (32, 24)):
            images = [np.full((*size[::-1], 3), 60 * k, np.uint8) for k in range(3)]
            write_video(Path(folder) / "x.mkv", size, images)
            made.append((Path(folder) / "x.mkv").read_bytes())
    return made


def _label_maps() -> list[bytes]:
    rows: Sequence[str] = ("class,count,semantic_map_to,instance_map_to", "a,1,b,b", "c,2,None,")
    return ["\n".join(rows).encode(), "\r\n".join(rows).encode()]


def _objects() -> list[bytes]:
    none = json.dumps({"sceneId": "x", "segGroups": []}).encode()
    return [_written(f"scans/{scan.OBJECTS}"), none]


TREE = (mutations.json_tree,)
SCANNETPP_TARGETS: dict[str, Target] = {
    "spp_poses": Target(
        read_poses, _pose_files, reshape=TREE, tokens=texts.JSON_TOKENS, texts=texts.JSON
    ),
    "spp_depth": Target(read_depth_bin, _depth_bins, binary=True, tokens=(b"\xff" * 400, b"\0\0")),
    "spp_video": Target(
        read_video, _videos, "x.mkv", binary=True, memory_mb=1024,
        tokens=(b"\xb0\x82\xff\xff", b"\xba\x82\xff\xff", b"\x1a\x45\xdf\xa3", b"\xff" * 8),
    ),
    "spp_objects": Target(
        read_scan(scan.OBJECTS), _objects, reshape=TREE, tokens=texts.JSON_TOKENS, texts=texts.JSON
    ),
    "spp_segments": Target(
        read_scan(scan.SEGMENTS), lambda: [_written(f"scans/{scan.SEGMENTS}")], reshape=TREE,
        tokens=texts.JSON_TOKENS, texts=texts.JSON,
    ),
    "spp_hidden": Target(
        read_scan(scan.HIDDEN), lambda: [b"1\n5\n99\n", b""], tokens=texts.MATRIX_TOKENS,
        texts=texts.MATRICES,
    ),
    "spp_labels": Target(
        read_labels, _label_maps, texts=texts.TABLES.map(lambda data: data.replace(b"\t", b",")),
        tokens=(b",", b'"', b"\r", b"\n", b"None"),
    ),
}  # fmt: skip
