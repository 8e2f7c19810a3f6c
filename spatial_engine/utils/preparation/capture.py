"""A posed RGB-D capture as its source holds it: what a reader of a format hands to preparation.

What is cheap (numbers, poses, cameras) is known at once; images are read in order, one at a time,
so that a video or a compressed stream is never held whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Picture:
    """Images of one frame, of one field of view: depth pixel (round(u W_D / W), round(v H_D / H))
    belongs to colour pixel (u, v)."""

    number: int
    color: bytes | np.ndarray  # a JPEG file as it is, or (h, w, 3) uint8 BGR
    depth_mm: np.ndarray  # (h, w) uint16 millimetres along the viewing direction, 0 = not measured


@dataclass(frozen=True)
class MeshObject:
    """An annotated object; `object_id` is 0-based within the scene."""

    object_id: int
    label: str


@dataclass(frozen=True)
class AnnotatedMesh:
    """Vertices of a scene in the world of its poses, and what is annotated of them."""

    points: np.ndarray  # (n, 6) float64 x, y, z in metres and red, green, blue 0-255
    instances: np.ndarray  # (n,) int32 object id + 1, 0 = no object
    objects: Sequence[MeshObject]


@dataclass(frozen=True)
class Capture:
    """One scene of a source. Poses lead from OpenCV camera axes (x right, y down, z forward) to
    the world of the source.

    `images` yields the pictures of the wanted numbers, which are some of `numbers` in ascending
    order; it raises `BadDataError` naming file, cause and remedy.
    """

    numbers: np.ndarray  # (n,) int64 ascending: frames with colour, depth and a usable pose
    poses: np.ndarray  # (n, 4, 4) float64 world_from_cam, rigid
    intrinsics: np.ndarray  # (n, 3, 3) float64, pixels of the colour images that `images` yields
    color_size: tuple[int, int]  # (width, height) of these
    images: Callable[[Sequence[int]], Iterator[Picture]]
    up: np.ndarray | None  # (3,) the direction up in this world; None where the source tells none
    metric: bool = True  # whether this world is in metres
    left_out: Mapping[str, int] = field(default_factory=dict)  # frames that lack something, by why
    mesh: Callable[[], AnnotatedMesh] | None = None  # None: points are fused from depth
    may_be_turned: bool = False  # whether a device held upright gives images on their side
    depths: Callable[[Sequence[int]], Iterator[np.ndarray]] | None = None  # see `depth_images`

    def depth_images(self, numbers: Sequence[int]) -> Iterator[np.ndarray]:
        """The depth of the wanted pictures, without their colour where the source can do without
        reading it (`depths`)."""
        if self.depths is not None:
            return self.depths(numbers)
        return (picture.depth_mm for picture in self.images(numbers))
