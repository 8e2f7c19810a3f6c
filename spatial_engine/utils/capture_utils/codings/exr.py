"""One channel of an OpenEXR image, as Record3D exports depth.

OpenCV reads this format only where it was built with it and an environment variable allows it. Read
here: scan lines, 16- or 32-bit floats, uncompressed or by ZIP (of one line or of sixteen). What
else the format knows (tiles, several parts, the other compressions) is refused by name.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures.png import MAX_SIDE

MAGIC = b"\x76\x2f\x31\x01"
COMPRESSIONS = ("none", "RLE", "ZIPS", "ZIP", "PIZ", "PXR24", "B44", "B44A", "DWAA", "DWAB")
LINES = {"none": 1, "ZIPS": 1, "ZIP": 16}  # of a chunk
TYPES = {1: np.dtype("<f2"), 2: np.dtype("<f4")}  # 0 is uint32
CHANNELS = ("Z", "Y", "R", "depth", "V")  # that hold depth, the likeliest first
MOST_INFLATED = 1100  # bytes that a byte of ZIP can hold
CONVERT = "export the capture with depth as a .r3d file"
_MULTIPART_DEEP_TILED = 0x200 | 0x800 | 0x1000


class _ExrError(ValueError):
    pass


def read_channel(data: bytes, where: str, remedy: str) -> np.ndarray:
    """(h, w) float32 of the channel that holds depth. Raises `BadDataError` for any other file."""
    try:
        return _read(data)
    except _ExrError as error:
        raise BadDataError(f"{where}: {error}; {CONVERT}") from None
    except (struct.error, ValueError, IndexError, zlib.error) as error:
        raise BadDataError(f"{where}: a damaged EXR image ({error}); {remedy}") from None


def _read(data: bytes) -> np.ndarray:
    if data[:4] != MAGIC:
        raise ValueError("no EXR file")
    (version,) = struct.unpack_from("<I", data, 4)
    if version & _MULTIPART_DEEP_TILED:
        raise _ExrError("an EXR image of tiles, layers or several parts is not read")
    header, place = _header(data)
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    width, height = right - left + 1, bottom - top + 1
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise ValueError(f"it claims {width}x{height} pixels")
    code = header["compression"][0]
    name = COMPRESSIONS[code] if code < len(COMPRESSIONS) else str(code)
    if name not in LINES:
        raise _ExrError(f"EXR images compressed by {name} are not read (ZIP and none are)")
    channels = _channels(header["channels"])
    wanted = next((name for name in CHANNELS if name in channels), None)
    if wanted is None:
        raise _ExrError(f"no channel of it is depth ({', '.join(channels)[:80]})")
    if channels[wanted] not in TYPES:
        raise _ExrError(f"its channel {wanted} holds no floats")
    lines = LINES[name]
    sizes = {channel: 2 if kind == 1 else 4 for channel, kind in channels.items()}
    line_bytes = width * sum(sizes.values())
    before = width * sum(size for channel, size in sizes.items() if channel < wanted)
    if height * line_bytes > MOST_INFLATED * len(data):
        raise ValueError(f"it claims {width}x{height} pixels")
    chunks = -(-height // lines)
    offsets = struct.unpack_from(f"<{chunks}Q", data, place)
    rows = np.zeros((height, width), np.float32)
    for offset in offsets:
        if offset > len(data):
            raise ValueError("truncated")
        y, size = struct.unpack_from("<ii", data, offset)
        first = y - top
        count = min(lines, height - first)
        if not (0 <= first < height and first % lines == 0 and 0 <= size <= len(data) - offset - 8):
            raise ValueError("a row that is not there")
        packed = data[offset + 8 : offset + 8 + size]
        raw = _unpacked(packed, count * line_bytes, name)
        kind = TYPES[channels[wanted]]
        for row in range(count):
            start = row * line_bytes + before
            rows[first + row] = np.frombuffer(raw, kind, width, start)
    return rows


def _header(data: bytes) -> tuple[dict[str, bytes], int]:
    """(attributes, place of what follows): name, type and size, then so many bytes."""
    found: dict[str, bytes] = {}
    place = 8
    while data[place] != 0:
        name_end = data.index(b"\0", place, place + 256)
        type_end = data.index(b"\0", name_end + 1, name_end + 257)
        (size,) = struct.unpack_from("<i", data, type_end + 1)
        start = type_end + 5
        if not 0 <= size <= len(data) - start:
            raise ValueError("truncated")
        found[data[place:name_end].decode("latin-1")] = data[start : start + size]
        place = start + size
    for name in ("channels", "compression", "dataWindow"):
        if not found.get(name):
            raise ValueError(f"no attribute {name}")
    return found, place + 1


def _channels(listed: bytes) -> dict[str, int]:
    """{name: kind of its numbers}, in the order in which a line holds them (that of the names)."""
    found = {}
    place = 0
    while listed[place] != 0:
        end = listed.index(b"\0", place)
        kind, _, across, down = struct.unpack_from("<iIii", listed, end + 1)
        if (across, down) != (1, 1) or kind not in (0, 1, 2):
            raise _ExrError("an EXR image whose channels differ in size is not read")
        found[listed[place:end].decode("latin-1")] = kind
        place = end + 17
    return dict(sorted(found.items()))


def _unpacked(packed: bytes, size: int, compression: str) -> bytes:
    """Lines of a chunk, `size` bytes. A chunk that packing would not make smaller is as it is."""
    if compression == "none" or len(packed) == size:
        if len(packed) != size:
            raise ValueError("a chunk of another size than its lines")
        return packed
    inflater = zlib.decompressobj()
    raw = inflater.decompress(packed, size + 1)
    if len(raw) != size:
        raise ValueError("a chunk of another size than its lines")
    # Undo the differences of neighbours, then the parting into first and second halves of numbers.
    values = np.frombuffer(raw, np.uint8).astype(np.int64)
    values[1:] -= 128
    values = np.cumsum(values).astype(np.uint8)
    out = np.empty(size, np.uint8)
    half = (size + 1) // 2
    out[0::2], out[1::2] = values[:half], values[half:]
    return out.tobytes()
