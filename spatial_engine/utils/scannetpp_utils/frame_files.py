"""Folders of extracted images, `frame_%06d.jpg` or `.png`: the number is that of the video frame.

What the owners' tool writes: `rgb/` colour, `rgb_masks/` what is anonymised, `depth/` depth. A
folder may have gaps (frames that were left out, every second of a video); numbers stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.preparation.frame_files import Color, image_size, read_color, read_grey
from spatial_engine.utils.storage.os_errors import naming

EXTRACT = "extract the frames again (prepare_iphone_data of the ScanNet++ toolbox)"


class FrameFolder:
    """Numbered images of one folder; `read` yields some of them. `size` is the (width, height) of
    the first, which all must have."""

    def __init__(self, folder: Path, suffix: str):
        self.folder, self.suffix = folder, suffix
        name = re.compile(rf"frame_(\d{{6}}){re.escape(suffix)}")
        with naming(folder):
            found = [name.fullmatch(entry.name) for entry in folder.iterdir()]
        self.numbers = np.array(sorted(int(match[1]) for match in found if match), np.int64)
        if not len(self.numbers):
            raise BadDataError(
                f"{folder}: holds no frame_000000{suffix} or the like; {EXTRACT}, or remove it"
            )
        self.size = image_size(self.path(int(self.numbers[0])), EXTRACT)

    def path(self, number: int) -> Path:
        return self.folder / f"frame_{number:06d}{self.suffix}"


class ColorFolder(FrameFolder):
    """`rgb/`: JPEG files, which are handed on as they are."""

    def __init__(self, folder: Path):
        super().__init__(folder, ".jpg")

    def read(self, numbers: Sequence[int]) -> Iterator[Color]:
        for number in numbers:
            yield read_color(self.path(number), self.size, EXTRACT)


class PngFolder(FrameFolder):
    """`depth/` (16 bits) or `rgb_masks/` (8 bits): grey PNG files, decoded."""

    def __init__(self, folder: Path, bits: int):
        super().__init__(folder, ".png")
        self._bits = bits

    def read(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """Images (height, width) of so many bits."""
        for number in numbers:
            yield read_grey(self.path(number), self.size, self._bits, EXTRACT)
