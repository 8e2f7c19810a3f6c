"""Images of captures as bytes: colour, depth and masks, checked before memory is taken."""

from __future__ import annotations

import ast
import struct

import cv2
import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.pictures import jpeg, png
from spatial_engine.utils.pictures.png import MAX_SIDE

MAX_COLOR_BYTES = 2**28  # of a coded image
MAX_DEPTH_BYTES = 2**28
MAX_DEPTH_MM = 65535
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_NO_HEADER = (
    ValueError, SyntaxError, LookupError, TypeError, struct.error, RecursionError, MemoryError,
)  # fmt: skip
_PNG_KINDS = {0: "grey", 2: "colour", 3: "palette", 4: "grey with transparency", 6: "colour"}


def color_size(data: bytes, where: str, remedy: str) -> tuple[int, int]:
    """(width, height) from the header of a JPEG or PNG image."""
    if data.startswith(_JPEG):
        return jpeg.read_size(data, where, remedy)
    width, height, _, _ = _png_header(data, where, remedy)
    return width, height


def color(data: bytes, where: str, remedy: str) -> bytes | np.ndarray:
    """A JPEG as it is, or (h, w, 3) uint8 BGR of a PNG."""
    if data.startswith(_JPEG):
        jpeg.read_size(data, where, remedy)
        return data
    _png_header(data, where, remedy)
    return _decoded(data, cv2.IMREAD_COLOR, where, remedy)


def pixels(data: bytes | np.ndarray, where: str, remedy: str) -> np.ndarray:
    """(h, w, 3) uint8 BGR of what `color` gives."""
    return data if isinstance(data, np.ndarray) else jpeg.decode(data, where, remedy)


def grey(data: bytes, where: str, remedy: str) -> np.ndarray:
    """(h, w) uint8 of an 8-bit PNG or a JPEG, such as a mask or confidence."""
    if data.startswith(_JPEG):
        jpeg.read_size(data, where, remedy)
        return _decoded(data, cv2.IMREAD_GRAYSCALE, where, remedy)
    _, _, bits, kind = _png_header(data, where, remedy)
    if kind == 0 and bits > 8:
        raise BadDataError(f"{where}: has {bits} bits a pixel, 8 expected; {remedy}")
    return _decoded(data, cv2.IMREAD_GRAYSCALE, where, remedy)


def depth_png(data: bytes, where: str, remedy: str) -> np.ndarray:
    """(h, w) uint16 of a grey PNG of 16 bits."""
    return grey_png(data, 16, where, remedy)


def grey_png(data: bytes, wanted: int, where: str, remedy: str) -> np.ndarray:
    """(h, w) of a grey PNG of so many bits, 8 or 16."""
    _, _, bits, kind = _png_header(data, where, remedy)
    if (bits, kind) != (wanted, 0):
        raise BadDataError(
            f"{where}: a PNG of {bits} bits, {_PNG_KINDS.get(kind, 'unknown')}; {wanted} bits, "
            f"grey, are expected; {remedy}"
        )
    return _decoded(data, cv2.IMREAD_UNCHANGED, where, remedy)


def depth_npy(data: bytes, where: str, remedy: str) -> np.ndarray:
    """(h, w) numbers of an .npy file, which is never unpickled; a last side of 1 is left out."""
    try:
        shape, kind, start = _npy_header(data)
    except _NO_HEADER:
        raise BadDataError(f"{where}: not an .npy file that can be read; {remedy}") from None
    if len(shape) == 3 and shape[2] == 1:
        shape = shape[:2]
    if kind.kind not in "fui" or len(shape) != 2 or not all(0 < n <= MAX_SIDE for n in shape):
        raise BadDataError(f"{where}: an array {shape} of {kind}, no depth image; {remedy}")
    if len(data) - start != shape[0] * shape[1] * kind.itemsize:
        raise BadDataError(f"{where}: is truncated or longer than its array; {remedy}")
    return np.frombuffer(data, kind, offset=start).reshape(shape)


def _npy_header(data: bytes) -> tuple[tuple, np.dtype, int]:
    """(shape, type, place of the first number) of an .npy file of numbers in row order."""
    if data[:6] != b"\x93NUMPY" or data[6] not in (1, 2, 3):
        raise ValueError("no .npy file")
    form = "<H" if data[6] == 1 else "<I"
    (length,) = struct.unpack_from(form, data, 8)
    start = 8 + struct.calcsize(form) + length
    if length > 10_000:
        raise ValueError("a header that is too long")
    header = ast.literal_eval(data[start - length : start].decode("latin-1").strip())
    shape, descr = header["shape"], header["descr"]
    if header["fortran_order"] or not isinstance(descr, str) or not isinstance(shape, tuple):
        raise ValueError("not plain numbers in row order")
    if not all(type(side) is int for side in shape):
        raise ValueError("sides that are no integers")
    return shape, np.dtype(descr), start


def depth_mm(depth: np.ndarray, metres_per_unit: float) -> np.ndarray:
    """(h, w) uint16 millimetres of depth in some unit: rounded; 0 where it is not finite, not
    positive, or too far for 16 bits."""
    if depth.dtype == np.uint16 and metres_per_unit == 1 / MM_PER_METRE:
        return np.ascontiguousarray(depth)
    with np.errstate(all="ignore"):
        mm = np.rint(np.asarray(depth, np.float64) * (metres_per_unit * MM_PER_METRE))
        usable = np.isfinite(mm) & (mm > 0) & (mm <= MAX_DEPTH_MM)
    return np.where(usable, mm, 0).astype(np.uint16)


def _png_header(data: bytes, where: str, remedy: str) -> tuple[int, int, int, int]:
    """(width, height, bits, kind) of a whole PNG: sides that an image can have, and all chunks
    within the file, as OpenCV takes what memory a chunk claims."""
    if not data.startswith(_PNG) or data[12:16] != b"IHDR" or len(data) < 33:
        kind = "is empty" if not data else "neither a JPEG nor a PNG image"
        raise BadDataError(f"{where}: {kind}; {remedy}")
    width, height, bits, kind = struct.unpack_from(">IIBB", data, 16)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise BadDataError(f"{where}: claims {width}x{height} pixels; {remedy}")
    if not png.is_whole(data, (width, height)):
        raise BadDataError(f"{where}: the image is truncated; {remedy}")
    return width, height, bits, kind


def _decoded(data: bytes, flags: int, where: str, remedy: str) -> np.ndarray:
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None:
        raise BadDataError(f"{where}: could not read the image; {remedy}")
    return image
