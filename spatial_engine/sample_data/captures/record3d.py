"""A capture as Record3D stores it: an `.r3d` archive or folder, or the export "EXR + JPG".

LZFSE streams are blocks of raw bytes (`bvx-`), which every reader of the format takes.
"""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data.captures.room import CaptureRoom
from spatial_engine.utils.pictures import jpeg

OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
Y_UP_FROM_Z_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])


def write(
    room: CaptureRoom,
    path: Path,
    *,
    old: bool = False,
    zeroed: bool = False,
    confidence: bool = True,
    unsure: bool = False,
    exr: bool = False,
) -> None:
    """Write `room` to `path`: an archive where this ends in .r3d, else a folder.

    `old`: as recordings without sizes of depth, times and intrinsics by frame. `zeroed`: the world
    is that of the first camera. `unsure`: the left half of depth is of low confidence, and wrong.
    `exr`: the export of EXR and JPG.
    """
    files = {"metadata.json" if exr else "metadata": _metadata(room, old, zeroed)}
    for frame in room.frames:
        number = frame.number
        depth = np.where(frame.depth > 0, frame.depth, np.nan).astype("<f4")
        levels = np.full(depth.shape, 2, np.uint8)
        if unsure:
            left = depth.shape[1] // 2
            depth[:, :left] *= 1.5
            levels[:, :left] = 0
        image = jpeg.encode(cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
        files[f"{'rgb' if exr else 'rgbd'}/{number}.jpg"] = image
        if exr:
            files[f"depth/{number}.exr"] = exr_image(depth)
            continue
        files[f"rgbd/{number}.depth"] = lzfse(depth.tobytes())
        if confidence:
            files[f"rgbd/{number}.conf"] = lzfse(levels.tobytes())
    if path.suffix == ".r3d":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def _metadata(room: CaptureRoom, old: bool, zeroed: bool) -> bytes:
    world = Y_UP_FROM_Z_UP
    if zeroed:
        world = np.linalg.inv(room.frames[0].pose @ OPENGL_FROM_OPENCV)
    poses = [world @ frame.pose @ OPENGL_FROM_OPENCV for frame in room.frames]
    turns = Rotation.from_matrix([pose[:3, :3] for pose in poses]).as_quat()
    rows = [[*q.tolist(), *p[:3, 3].tolist()] for q, p in zip(turns, poses, strict=True)]
    content = {
        "w": room.color_size[0],
        "h": room.color_size[1],
        "fps": 30,
        "K": room.frames[0].K.T.ravel().tolist(),  # by columns
        "poses": rows,
        "initPose": rows[0],
    }
    if not old:
        coefficients = [[f.K[0, 0], f.K[1, 1], f.K[0, 2], f.K[1, 2]] for f in room.frames]
        content |= {
            "dw": room.depth_size[0],
            "dh": room.depth_size[1],
            "perFrameIntrinsicCoeffs": coefficients,
            "frameTimestamps": [frame.time for frame in room.frames],
        }
    return json.dumps(content).encode()


def lzfse(data: bytes) -> bytes:
    """A stream of one block of raw bytes."""
    return b"bvx-" + struct.pack("<I", len(data)) + data + b"bvx$"


def exr_image(values: np.ndarray, channel: str = "R", packed: bool = True) -> bytes:
    """An EXR image of one channel of 32-bit floats (h, w), in chunks of 16 lines by ZIP."""
    height, width = values.shape
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    channels = channel.encode() + b"\0" + struct.pack("<iIii", 2, 0, 1, 1) + b"\0"
    attributes = [
        ("channels", "chlist", channels),
        ("compression", "compression", bytes([3 if packed else 0])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
    ]
    header = b"\x76\x2f\x31\x01" + struct.pack("<I", 2)
    for name, kind, data in attributes:
        header += name.encode() + b"\0" + kind.encode() + b"\0"
        header += struct.pack("<i", len(data)) + data
    header += b"\0"
    lines = 16 if packed else 1
    chunks = []
    for first in range(0, height, lines):
        raw = values[first : first + lines].astype("<f4").tobytes()
        data = min(raw, _zipped(raw), key=len) if packed else raw
        chunks.append(struct.pack("<ii", first, len(data)) + data)
    starts = np.cumsum([0, *map(len, chunks[:-1])]) + len(header) + 8 * len(chunks)
    return header + starts.astype("<u8").tobytes() + b"".join(chunks)


def _zipped(raw: bytes) -> bytes:
    """First and second bytes apart, differences of neighbours, deflate."""
    values = np.frombuffer(raw, np.uint8)
    parted = np.concatenate([values[0::2], values[1::2]]).astype(np.int64)
    parted[1:] = np.diff(parted) + 128
    return zlib.compress(parted.astype(np.uint8).tobytes())
