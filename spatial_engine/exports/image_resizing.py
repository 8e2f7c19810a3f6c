"""Images at another size: what size they get, one made of another, all those of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.storage import files

REMEDY = "make the questions again"

Size = tuple[int, int]  # width, height


@dataclass(frozen=True)
class Goal:
    """The size that images get: `exact`, or else their longer side at most `max_side`."""

    max_side: int
    exact: Size | None = None

    def fit(self, size: Size) -> Size:
        """New (width, height); the same where the image is small enough."""
        if self.exact:
            return self.exact
        longer = max(size)
        if longer <= self.max_side:
            return size
        width, height = (
            max(1, (2 * side * self.max_side + longer) // (2 * longer)) for side in size
        )
        return width, height


@dataclass(frozen=True)
class Scene:
    """One scene of an image root: the images wanted, and where else some are (see `twin_of`)."""

    source: Path
    names: dict[Size, list[str]]
    goal: Goal
    frames: tuple[Path, Path] | None  # of the same clip: source, and its resized copy


def resize_scene(scene: Scene, part_dir: Path) -> PartResult:
    """Write the images of one scene."""
    made = linked = 0
    for size, names in scene.names.items():
        new_size = scene.goal.fit(size)
        for name in names:
            source, target = scene.source / name, part_dir / name
            data = jpeg.load(source, REMEDY)
            found = jpeg.read_size(data, source, REMEDY)
            if found != size:
                raise BadDataError(
                    f"{source}: is {found[0]}x{found[1]}, records say {size[0]}x{size[1]}; {REMEDY}"
                )
            twin = source if new_size == size else twin_of(scene, name)
            if twin:
                files.link_or_copy(twin.resolve(), target)
                linked += 1
            else:
                target.write_bytes(resized(data, source, new_size))
                made += 1
    return PartResult(counts={"images": made + linked}, notes={"images": {"linked": linked}})


def resized(data: bytes, source: Path, size: Size) -> bytes:
    """JPEG of another (width, height), of what the JPEG `data` shows."""
    image = jpeg.decode(data, source, REMEDY, at_least=size)
    if image.shape[1::-1] != size:
        # To half and more, averaging over areas is no nearer to the original than linear
        # interpolation, and takes 7 times as long.
        smallest = min(new / old for new, old in zip(size, image.shape[1::-1], strict=True))
        way = cv2.INTER_LINEAR if smallest >= 0.5 else cv2.INTER_AREA
        image = cv2.resize(image, size, interpolation=way)
    return jpeg.encode(np.ascontiguousarray(image))


def twin_of(scene: Scene, name: str) -> Path | None:
    """The resized frame of which the image is another name: movement tasks with dots keep hard
    links to frames beside their marked pictures."""
    if scene.frames is None:
        return None
    original, copy = scene.frames[0] / name, scene.frames[1] / name
    same = copy.is_file() and original.is_file() and original.samefile(scene.source / name)
    return copy if same else None
