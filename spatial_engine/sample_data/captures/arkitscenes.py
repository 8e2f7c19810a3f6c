"""The sample room as a video of ARKitScenes, in the tree of either download, with its oddities.

Nothing here shares code with the reader: images, cameras and poses are turned on their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data.captures.room import CaptureRoom, RoomFrame
from spatial_engine.sample_data.scannet.scannet_files import write_ply

VIDEO = "41069021"
VISIT = "421267"
START_S = 305.2437  # on the device's clock, when the first frame is taken
RAW_STEPS_MS = (0, 17, 33, 50, 67, 83)  # sixty images a second, of which one in six has a pose
# Quarter turns, counter-clockwise, that bring the sky of an upright image to this side.
TURNS = {"Up": 0, "Left": 1, "Down": 2, "Right": 3}
BOX_MARGIN_M = 1e-4  # no vertex is on the face of its box, where roundings would decide
LISTS = {"3dod": "3dod_train_val_splits.csv", "raw": "raw_train_val_splits.csv"}


@dataclass(frozen=True)
class Quirks:
    """What is odd about a video; frames are positions in the room's list of frames.

    sky: side of the stored images that the sky is at; apart: names of images and intrinsics are up
    to a millisecond off the time of the pose, either way; lost_pose, no_depth, no_camera: frames
    that lack this; one_object_id: `objectId` is the same for all objects; skipped: the annotators
    left the video out; box_degrees: how far boxes are turned about the vertical.
    """

    sky: str = "Up"
    apart: bool = True
    lost_pose: tuple[int, ...] = ()
    no_depth: tuple[int, ...] = ()
    no_camera: tuple[int, ...] = ()
    one_object_id: bool = True
    skipped: bool = False
    box_degrees: float = 0.0


USUAL = Quirks()


def write(
    room: CaptureRoom,
    folder: Path,
    *,
    video_id: str = VIDEO,
    download: str = "3dod",
    fold: str = "Training",
    quirks: Quirks = USUAL,
) -> Path:
    """Write the room as a video of the download "3dod" or "raw" below `folder`, which stands for
    data/arkitscenes; returns the folder of the video."""
    video = folder / download / fold / video_id
    frames = video / f"{video_id}_frames" if download == "3dod" else video
    for kind in ("lowres_wide", "lowres_depth", "lowres_wide_intrinsics"):
        (frames / kind).mkdir(parents=True)
    lines = []
    for k, frame in enumerate(room.frames):
        turned = _turned(frame, TURNS[quirks.sky])
        seconds = START_S + frame.time
        if k not in quirks.lost_pose:
            lines.append(_trajectory_line(seconds, turned.pose))
        steps = RAW_STEPS_MS if download == "raw" else (0,)
        for step, milliseconds in zip(steps, _names(seconds, k, steps, quirks), strict=True):
            lacking = (step == 0 and k in quirks.no_depth, step == 0 and k in quirks.no_camera)
            _write_frame(frames, video_id, milliseconds, turned, *lacking, k if quirks.apart else 0)
            if download == "raw":
                _write_confidence(frames, video_id, milliseconds, turned.depth)
    (frames / "lowres_wide.traj").write_text("".join(lines))
    write_ply(video / f"{video_id}_3dod_mesh.ply", room.vertices, room.colors, room.faces)
    annotation = json.dumps(_annotation(room, quirks))
    (video / f"{video_id}_3dod_annotation.json").write_text(annotation)
    return video


def write_lists(
    folder: Path, folds: Mapping[str, str], download: str = "3dod", sky: str = "Up"
) -> None:
    """The list of videos (fold by id) and `metadata.csv`, which tells a wrong `sky_direction`, as
    the real one does in places: the opposite of `sky`."""
    wrong = {"Up": "Down", "Down": "Up", "Left": "Right", "Right": "Left"}[sky]
    (folder / download).mkdir(parents=True, exist_ok=True)
    rows = [
        f"{video},{VISIT if k else 'NA'},{fold}" for k, (video, fold) in enumerate(folds.items())
    ]
    table = "\n".join(["video_id,visit_id,fold", *rows, ""])
    (folder / download / LISTS[download]).write_text(table)
    head = "video_id,visit_id,sky_direction,fold,has_laser_scanner_point_clouds,"
    rows = [f"{video},{VISIT},{wrong},{fold},True,False,True" for video, fold in folds.items()]
    table = "\n".join([head + "is_in_upsampling,is_in_threedod", *rows, ""])
    (folder / "metadata.csv").write_text(table)


def _names(seconds: float, k: int, steps: tuple[int, ...], quirks: Quirks) -> Iterator[int]:
    """Milliseconds in the names of the images that are taken from then on."""
    off = {1: 1, 2: -1}.get(k % 3, 0) if quirks.apart else 0
    for step in steps:
        yield round(1000 * seconds) + off + step


def _write_frame(
    frames: Path,
    video_id: str,
    milliseconds: int,
    frame: RoomFrame,
    no_depth: bool,
    no_camera: bool,
    k: int,
) -> None:
    name = f"{video_id}_{milliseconds / 1000:.3f}"
    image = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
    (frames / "lowres_wide" / f"{name}.png").write_bytes(_png(image))
    if not no_depth:
        depth_mm = np.rint(np.minimum(frame.depth * 1000.0, 65535)).astype(np.uint16)
        (frames / "lowres_depth" / f"{name}.png").write_bytes(_png(depth_mm))
    if not no_camera:
        off = {2: 1, 3: -1}.get(k % 4, 0)
        name = f"{video_id}_{(milliseconds + off) / 1000:.3f}"
        height, width = frame.image.shape[:2]
        (fx, _, cx), (_, fy, cy) = frame.K[:2].tolist()
        text = f"{width} {height} {fx:.12g} {fy:.12g} {cx:.12g} {cy:.12g}"
        (frames / "lowres_wide_intrinsics" / f"{name}.pincam").write_text(text)


def _write_confidence(frames: Path, video_id: str, milliseconds: int, depth: np.ndarray) -> None:
    """0, 1 or 2: far points and edges of the image count for less."""
    confidence = np.where(depth > 3, 1, 2).astype(np.uint8)
    confidence[:, 0] = 0
    (frames / "confidence").mkdir(exist_ok=True)
    name = f"{video_id}_{milliseconds / 1000:.3f}.png"
    (frames / "confidence" / name).write_bytes(_png(confidence))


def _png(image: np.ndarray) -> bytes:
    done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise RuntimeError("the PNG encoder failed")
    return data.tobytes()


def _trajectory_line(seconds: float, world_from_cam: np.ndarray) -> str:
    """Time with 8 decimals, axis-angle of cam_from_world, translation with 6 digits."""
    cam_from_world = np.linalg.inv(world_from_cam)
    rotation = Rotation.from_matrix(cam_from_world[:3, :3]).as_rotvec()
    numbers = [f"{seconds:.8f}", *(repr(float(x)) for x in rotation)]
    return " ".join([*numbers, *(f"{x:.6g}" for x in cam_from_world[:3, 3])]) + "\n"


def _turned(frame: RoomFrame, turns: int) -> RoomFrame:
    """The frame as a sensor delivers it that is turned clockwise: the image turns the other way."""
    for _ in range(turns):
        width = frame.image.shape[1]
        (fx, _, cx), (_, fy, cy) = frame.K[:2].tolist()
        pose = frame.pose.copy()
        # What was down is on the right now, what was on the left is down.
        pose[:, 0], pose[:, 1] = frame.pose[:, 1], -frame.pose[:, 0]
        frame = RoomFrame(
            frame.number,
            frame.time,
            np.ascontiguousarray(np.rot90(frame.image)),
            np.ascontiguousarray(np.rot90(frame.depth)),
            pose,
            np.array([[fy, 0, cy], [0, fx, width - 1 - cx], [0, 0, 1]]),
        )
    return frame


def _annotation(room: CaptureRoom, quirks: Quirks) -> dict:
    """An item an object, in the order of their ids. `obb` is another box than `obbAligned`."""
    cosine, sine = np.cos(np.radians(quirks.box_degrees)), np.sin(np.radians(quirks.box_degrees))
    axes = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])  # an axis a row
    items = []
    for object_id, label in sorted(room.labels.items()):
        own = room.vertices[room.instances == object_id + 1].astype(np.float32).astype(np.float64)
        along = own @ axes.T
        low, high = along.min(axis=0), along.max(axis=0)
        box = {
            "centroid": ((low + high) / 2 @ axes).tolist(),
            "axesLengths": (high - low + BOX_MARGIN_M).tolist(),
            "normalizedAxes": axes.ravel().tolist(),
        }
        other = {**box, "centroid": [100.0, 100.0, 100.0]}
        items.append(
            {
                "uid": f"uid{object_id:04d}",
                "label": label,
                "modelId": "",
                "children": [],
                "objectId": 1 if quirks.one_object_id else object_id + 1,
                "segments": {"obb": other, "obbAligned": box},
                "hierarchy": "",
                "isInGroup": False,
                "labelType": "object",
                "attributes": {},
            }
        )
    return {
        "data": items,
        "skipped": quirks.skipped,
        "stats": {"annotationTime": 1.0},
        "comment": "",
        "confirm": True,
    }
