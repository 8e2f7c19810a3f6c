"""JPEGs of one image with different marks, each made by encoding only the rows under its marks.

A JPEG can be cut by restart markers, behind which its decoder starts afresh. Here a marker ends
each strip of rows, so that a strip's bytes depend on its own pixels alone, and those of strips
without marks serve every picture of the image. The pixels are those that `jpeg.encode` gives.

Source: ITU-T T.81, B.2.4.4 (restart interval) and F.1.1.5.2 (what is begun afresh).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from spatial_engine.utils.pictures import jpeg

# Rows of a strip: two rows of the blocks of 16x16 pixels that 4:2:0 has. Fewer are more calls of
# the encoder for an image; more are more rows to encode for a mark.
STRIP_ROWS = 32
_BLOCK = 16
_NUM_MARKERS = 8  # RST0 to RST7 take turns
_SOF0, _SOS = 0xC0, 0xDA  # the segments that hold the height, and that the scan follows
_END = b"\xff\xd9"


class JpegStrips:
    """The strips of an image, each encoded when it is first needed without a mark."""

    def __init__(self) -> None:
        self._head = b""
        self._scan_at = 0  # where the scan begins in the JPEG of each strip
        self._scans: dict[int, bytes] = {}

    def encode(self, image: np.ndarray, marked: Iterable[slice]) -> bytes:
        """The JPEG of a (height, width, 3) uint8 BGR image, which is the same in every call, but
        for the `marked` rows."""
        touched = {
            strip
            for rows in marked
            for strip in range(rows.start // STRIP_ROWS, -(-rows.stop // STRIP_ROWS))
        }
        parts = []
        for strip in range(-(-len(image) // STRIP_ROWS)):
            if strip:
                parts.append(bytes((0xFF, 0xD0 + (strip - 1) % _NUM_MARKERS)))
            scan = None if strip in touched else self._scans.get(strip)
            if scan is None:
                scan = self._encode_strip(image, strip)
            if strip not in touched:
                self._scans[strip] = scan
            parts.append(scan)
        return b"".join([self._head, *parts, _END])

    def _encode_strip(self, image: np.ndarray, strip: int) -> bytes:
        data = jpeg.encode(image[strip * STRIP_ROWS : (strip + 1) * STRIP_ROWS])
        if not self._head:
            self._head, self._scan_at = _head_of(data, *image.shape[:2])
        return data[self._scan_at : -len(_END)]


def _head_of(strip: bytes, height: int, width: int) -> tuple[bytes, int]:
    """All before the scan of a JPEG of this size, from that of a strip; where its scan begins."""
    scan_at, frame_at = _segments(strip)
    interval = STRIP_ROWS // _BLOCK * -(-width // _BLOCK)  # in blocks
    head = (
        strip[:frame_at]
        + b"\xff\xdd\x00\x04"  # DRI, four bytes long with these two
        + interval.to_bytes(2, "big")
        + strip[frame_at : frame_at + 5]
        + height.to_bytes(2, "big")
        + strip[frame_at + 7 : scan_at]
    )
    return head, scan_at


def _segments(data: bytes) -> tuple[int, int]:
    """Where the scan of a JPEG begins, and the segment that holds its size."""
    place, frame_at = 2, 0
    while True:
        kind, size = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if kind == _SOF0:
            frame_at = place
        place += 2 + size
        if kind == _SOS:
            return place, frame_at
