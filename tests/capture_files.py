"""Small files of captures by hand, for tests of the audit's readers: nothing of the engine writes
them."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from spatial_engine.audit.captures.capture import RawCapture

DATASET, SCENE = "mine", "room"
UNIT = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
Z_UP = [[1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]]  # of a world whose y is up


def png(image: np.ndarray) -> bytes:
    """PNG of (h, w) uint8 or uint16, or (h, w, 3) uint8."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def jpeg(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.astype(np.uint8)).save(buffer, "JPEG", quality=95, subsampling=2)
    return buffer.getvalue()


def slope(width: int, height: int, start: int = 0) -> np.ndarray:
    """(h, w, 3) uint8, smooth, another one for another start and for each way to turn it."""
    v, u = np.mgrid[:height, :width]
    channels = [start + 100 * u / width, 200 * v / height, 60 + 50 * u / width]
    return np.stack(channels, axis=2).astype(np.uint8)


def depth_png(mm: list[list[float]] | np.ndarray) -> bytes:
    return png(np.array(mm, dtype=np.uint16))


def put(path: Path, content: bytes | str | dict | list) -> Path:
    """Write bytes, a text, or JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, (dict, list)):
        content = json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def ply(vertices: list, form: str = "binary_little_endian", faces: list | None = None) -> bytes:
    """Vertices with colours; faces: (corners, object id), as in Replica."""
    head = ["ply", f"format {form} 1.0", f"element vertex {len(vertices)}"]
    head += [f"property float {axis}" for axis in "xyz"]
    head += [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    if faces is not None:
        head += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
        head += ["property int object_id"]
    content = "\n".join([*head, "end_header\n"]).encode()
    if form == "ascii":
        return content + "".join(f"{x} {y} {z} 1 2 3\n" for x, y, z in vertices).encode()
    content += b"".join(struct.pack("<3f3B", *vertex, 1, 2, 3) for vertex in vertices)
    for corners, owner in faces or []:
        content += struct.pack(f"<B{len(corners)}ii", len(corners), *corners, owner)
    return content


def stored_lzfse(data: bytes) -> bytes:
    return b"bvx-" + struct.pack("<I", len(data)) + data + b"bvx$"


def lz4_literals(data: bytes) -> bytes:
    """An LZ4 block of literals alone."""
    rest = len(data) - 15
    return b"\xf0" + b"\xff" * (rest // 255) + bytes([rest % 255]) + data


def tell(root: Path, form: str, path: Path | str, numbers: list[int], **more: Any) -> None:
    """Write `sources.json` for one scene."""
    source = {
        "format": form, "path": str(path), "FRAME_SKIP": 1, "numbers": numbers, "up": [0, 0, 1],
        "metres_per_unit": 1.0, "turned": "Up", "registered": False, "intrinsics": None,
        "confidence": None, "depth_unit": None, "world": UNIT, **more,
    }  # fmt: skip
    put(root / "data" / DATASET / "meta_data" / "sources.json", {SCENE: source})


def opened(root: Path, form: str, path: Path | str, numbers: list[int], **more: Any) -> RawCapture:
    tell(root, form, path, numbers, **more)
    return RawCapture(root, DATASET, SCENE)
