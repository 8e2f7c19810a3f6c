"""The sample room as a scene of ScanNet++: `data/scannetpp/{data/<scene>,splits,metadata}/`.

True to the files of the owners but for the codec of the videos: real ones are HEVC, these FFV1,
which OpenCV can write and which loses nothing.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame

IMAGE_SIZE = (1920, 1440)  # (width, height) that intrinsics are for; images may be made smaller
RATE = 60.0  # frames a second
EXTRACTED, STREAM, LZ4, DEFLATE = "extracted", "stream", "lz4", "deflate"
VIDEO = "video"
LOSSLESS = "FFV1"
# From the world of the scan to one as ARKit makes it, y up and begun elsewhere.
_ARKIT_FROM_SCAN = np.array(
    [[0.6, 0.8, 0, 1.3], [0, 0, 1, -0.4], [0.8, -0.6, 0, 2.1], [0, 0, 0, 1.0]]
)
_NOT_PACKED = 0xF0  # token of an LZ4 block that is 15 or more bytes as they are


SCENE = "0a7cc12c0e"  # ids are ten hex digits


@dataclass(frozen=True)
class Quirks:
    """What scenes of ScanNet++ differ in. Frames are told by number."""

    color: str = VIDEO  # or EXTRACTED
    depth: str = LZ4  # or STREAM, DEFLATE, EXTRACTED
    more_frames: int = 0  # of colour and depth, after the last pose
    missing_poses: Sequence[int] = ()  # no entry
    lost_poses: Sequence[int] = ()  # an entry that is not finite
    loose_axes: float = 0.0  # by so much the axes of all poses are too long
    masks: str | None = None  # EXTRACTED or VIDEO
    hidden: tuple[slice, slice] | None = None  # rows and columns that are anonymised in all images
    hidden_vertices: Sequence[int] = ()
    shared_vertices: bool = False  # the largest object also claims what the smallest has
    removed: bool = False  # a group `remove` over the first hundred vertices
    scan: bool = True


def write(room: CaptureRoom, folder: Path, quirks: Quirks | None = None) -> None:
    """Write a scene to `folder`, its name ten hex digits."""
    quirks = quirks or Quirks()
    phone = folder / "iphone"
    phone.mkdir(parents=True)
    frames = [*room.frames, *[room.frames[-1]] * quirks.more_frames]
    _write_poses(phone / "pose_intrinsic_imu.json", room, quirks)
    images = (frame.image[..., ::-1] for frame in frames)
    _write_images(phone, "rgb", quirks.color, room.color_size, images)
    _write_depth(phone, frames, quirks.depth)
    if quirks.masks:
        masks = (_mask(frame, quirks) for frame in frames)
        _write_masks(phone, quirks.masks, room.color_size, masks)
    if quirks.scan:
        _write_scan(folder / "scans", room, quirks)


def write_data_set(room: CaptureRoom, folder: Path) -> None:
    """Write a data set of one scene to `folder`, which stands for data/scannetpp."""
    write(room, folder / "data" / SCENE)
    write_lists(folder, [SCENE], [])


def write_lists(folder: Path, train: Iterable[str], val: Iterable[str], **more: Iterable[str]):
    """Split lists below the data set's `folder`; `more` are others by name, as `sem_test`."""
    (folder / "splits").mkdir(parents=True, exist_ok=True)
    for name, scenes in {"nvs_sem_train": train, "nvs_sem_val": val, **more}.items():
        text = "".join(f"{scene}\n" for scene in scenes)
        (folder / "splits" / f"{name}.txt").write_text(text, newline="\n")


def write_label_map(folder: Path, rows: Iterable[tuple[str, str, str]]) -> None:
    """`map_benchmark.csv` below the data set's `folder`: label, new label for semantics and for
    instances; empty = keep, `None` = drop."""
    path = folder / "metadata" / "semantic_benchmark" / "map_benchmark.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{label},{k},{semantic},{own}" for k, (label, semantic, own) in enumerate(rows)]
    path.write_text("\n".join(["class,count,semantic_map_to,instance_map_to", *lines, ""]))


def lz4_block(raw: bytes) -> bytes:
    """A valid LZ4 block that packs nothing."""
    full, rest = divmod(len(raw) - 15, 255)
    return bytes([_NOT_PACKED, *[255] * full, rest]) + raw


def deflated(raw: bytes) -> bytes:
    """Raw DEFLATE: zlib without its header and checksum."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    return packer.compress(raw) + packer.flush()


def depth_bin(depths: Sequence[np.ndarray], encoding: str) -> bytes:
    """Content of a `depth.bin` of depths (192, 256) in metres."""
    metres = [depth.astype("<f4").tobytes() for depth in depths]
    if encoding == STREAM:
        return deflated(b"".join(metres))
    if encoding == LZ4:
        blocks = [lz4_block(_millimetres(depth).astype("<u2").tobytes()) for depth in depths]
    else:
        blocks = [deflated(raw) for raw in metres]
    return b"".join(len(block).to_bytes(4, "little") + block for block in blocks)


def write_video(path: Path, size: tuple[int, int], images: Iterable[np.ndarray]) -> None:
    """A video of (height, width, 3) uint8 BGR images, lossless."""
    codec = cv2.VideoWriter_fourcc(*LOSSLESS)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, codec, RATE, size)
    if not writer.isOpened():
        raise ValueError(f"{path}: OpenCV could not write a video")
    for image in images:
        writer.write(np.ascontiguousarray(image))
    writer.release()


def _write_images(
    phone: Path, name: str, kind: str, size: tuple[int, int], images: Iterator[np.ndarray]
) -> None:
    if kind == VIDEO:
        write_video(phone / f"{name}.mkv", size, images)
        return
    (phone / name).mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(phone / name / f"frame_{number:06d}.jpg"), image)


def _write_masks(
    phone: Path, kind: str, size: tuple[int, int], masks: Iterator[np.ndarray]
) -> None:
    if kind == VIDEO:
        grey = (np.repeat(mask[..., None], 3, axis=2) for mask in masks)
        write_video(phone / "rgb_mask.mkv", size, grey)
        return
    (phone / "rgb_masks").mkdir()
    for number, mask in enumerate(masks):
        cv2.imwrite(str(phone / "rgb_masks" / f"frame_{number:06d}.png"), mask)


def _mask(frame: RoomFrame, quirks: Quirks) -> np.ndarray:
    mask = np.full(frame.image.shape[:2], 255, np.uint8)
    if quirks.hidden:
        mask[quirks.hidden] = 0
    return mask


def _write_depth(phone: Path, frames: Sequence[RoomFrame], kind: str) -> None:
    if kind != EXTRACTED:
        depths = [frame.depth for frame in frames]
        (phone / "depth.bin").write_bytes(depth_bin(depths, kind))
        return
    (phone / "depth").mkdir()
    for number, frame in enumerate(frames):
        path = phone / "depth" / f"frame_{number:06d}.png"
        cv2.imwrite(str(path), _millimetres(frame.depth))


def _millimetres(depth: np.ndarray) -> np.ndarray:
    return np.rint(depth * 1000.0).astype(np.uint16)


def _write_poses(path: Path, room: CaptureRoom, quirks: Quirks) -> None:
    entries = {}
    scale = np.array([IMAGE_SIZE[0] / room.color_size[0], IMAGE_SIZE[1] / room.color_size[1], 1])
    for number, frame in enumerate(room.frames):
        if number in quirks.missing_poses:
            continue
        aligned = frame.pose.copy()
        aligned[:3, :3] *= 1 + quirks.loose_axes
        if number in quirks.lost_poses:
            aligned[:] = np.nan
        entries[f"frame_{number:06d}"] = {
            "timestamp": 51_234.5 + frame.time,
            "pose": (_ARKIT_FROM_SCAN @ frame.pose).tolist(),
            "intrinsic": (scale[:, None] * frame.K).tolist(),
            "imu": {"acceleration": [0.0, -9.81, 0.0], "rotation_rate": [0.0, 0.0, 0.0]},
            "aligned_pose": aligned.tolist(),
        }
    path.write_text(json.dumps(entries))


def _write_scan(scans: Path, room: CaptureRoom, quirks: Quirks) -> None:
    scans.mkdir()
    _write_mesh(scans / "mesh_aligned_0.05.ply", room)
    hidden = "".join(f"{number}\n" for number in quirks.hidden_vertices)
    (scans / "mesh_aligned_0.05_mask.txt").write_text(hidden)
    segments = {"segIndices": list(range(len(room.vertices)))}
    (scans / "segments.json").write_text(json.dumps(segments))
    groups = _groups(room, quirks)
    content = {
        "sceneId": f"scannetpp.{scans.parent.name}", "appId": "stk.v1", "annId": "sample",
        "segGroups": groups,
    }  # fmt: skip
    (scans / "segments_anno.json").write_text(json.dumps(content))


def _groups(room: CaptureRoom, quirks: Quirks) -> list[dict[str, Any]]:
    """One group an object; objectId from 1 on, every vertex a segment of its own."""
    of_object = {i: np.flatnonzero(room.instances == i + 1) for i in sorted(room.labels)}
    if quirks.shared_vertices:
        by_size = sorted(of_object, key=lambda i: len(of_object[i]))
        smallest, largest = by_size[0], by_size[-1]
        of_object[largest] = np.union1d(of_object[largest], of_object[smallest])
    groups = [_group(i + 1, room.labels[i], vertices, room) for i, vertices in of_object.items()]
    if quirks.removed:
        groups.append(_group(len(groups) + 1, "remove", np.arange(100), room))
    return groups


def _group(number: int, label: str, vertices: np.ndarray, room: CaptureRoom) -> dict[str, Any]:
    points = room.vertices[vertices] if len(vertices) else np.zeros((1, 3))
    low, high = points.min(axis=0), points.max(axis=0)
    size = (high - low)[[0, 2, 1]]  # along the axes below: the second is the vertical
    box = {
        "centroid": ((low + high) / 2).tolist(), "axesLengths": size.tolist(),
        "normalizedAxes": [1, 0, 0, 0, 0, 1, 0, -1, 0], "min": low.tolist(), "max": high.tolist(),
    }  # fmt: skip
    return {
        "id": number, "objectId": number, "label": label, "segments": vertices.tolist(),
        "obb": box, "dominantNormal": [0, 0, 1], "partId": number, "index": number - 1,
    }  # fmt: skip


def _write_mesh(path: Path, room: CaptureRoom) -> None:
    kind = [(axis, "<f4") for axis in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")]
    vertices = np.zeros(len(room.vertices), kind)
    for name, column in zip(vertices.dtype.names, (*room.vertices.T, *room.colors.T), strict=True):
        vertices[name] = column
    faces = np.zeros(len(room.faces), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, room.faces
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        f"element vertex {len(vertices)}\n"
        + "".join(f"property float {axis}\n" for axis in "xyz")
        + "".join(f"property uchar {color}\n" for color in ("red", "green", "blue"))
        + f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    )
    path.write_bytes(header.encode() + vertices.tobytes() + faces.tobytes())
