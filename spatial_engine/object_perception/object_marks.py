"""Dots that tell which of several objects of a category is meant: placed and drawn (SPEC 8.4).

An object has one dot in an image, whatever is asked about it: one picture serves all its sets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from spatial_engine.utils.geometry.cameras import permille
from spatial_engine.utils.pictures.drawing import PALETTE, MarkSize
from spatial_engine.utils.questions import marked_images
from spatial_engine.utils.questions.marked_images import MarkedImage
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_views import SceneViews

View = tuple[str, int]  # an image, by id, and an object in it


@dataclass(frozen=True)
class DotRule:
    """How dots are placed: on vertices that an image sees by the `seen_rule`, as the visibility
    `table` holds them; `radius` in pixels is a constant of the script."""

    table: Path
    seen_rule: str
    radius: int


class Dot(NamedTuple):
    """A dot in a picture: the name of its file, coordinates [x, y] of 0 to 1000, "#rrggbb"."""

    picture: str
    place: list[int]
    color: str


def draw_dots(
    rng: np.random.Generator,
    scenes: SceneInfoHandler,
    scene_id: str,
    rule: DotRule,
    wanted: Iterable[View],
    folder: Path,
) -> dict[View, Dot]:
    """Draw a picture `<image>_<object>.jpg` for each of the `wanted`; those whose image shows no
    clear place on the object are left out."""
    views = SceneViews(scenes, scene_id, rule.table, rule.seen_rule)
    size = MarkSize.of(rule.radius, views.image_size)
    pixels = place_dots(views, np.maximum(scenes.instance_mask(scene_id), 0), wanted, size)
    pictures = [
        MarkedImage(
            image_id,
            f"{image_id}_{object_id}.jpg",
            pixel[None],
            ("",),
            rng.permutation(len(PALETTE)).tolist(),
        )
        for (image_id, object_id), pixel in pixels.items()
    ]
    colors = marked_images.draw_pictures(
        pictures, lambda image_id: scenes.color(scene_id, image_id), size, views.image_size, folder
    )
    return {
        view: Dot(picture.name, permille(pixel, views.image_size).tolist(), color)
        for (view, pixel), picture, (color,) in zip(pixels.items(), pictures, colors, strict=True)
    }


def place_dots(
    views: SceneViews, instances: np.ndarray, wanted: Iterable[View], size: MarkSize
) -> dict[View, np.ndarray]:
    """The pixel (2,) of each dot, ascending by image and object; `instances` (vertices,) are the
    id + 1 of the object of each vertex, 0 = none."""
    frames = {image_id: frame for frame, image_id in enumerate(views.image_ids)}
    found = {}
    for image_id, group in groupby(sorted(wanted), key=lambda view: view[0]):
        seen = views.visibility.points(image_id)
        pixels = views.measure(np.array([frames[image_id]]), seen[None])[0][0]
        inside = size.is_inside(pixels, views.image_size)
        for _, object_id in group:
            is_mine = instances[seen] == object_id + 1
            pixel = clear_place(pixels, is_mine, inside, size.margin)
            if pixel is not None:
                found[image_id, object_id] = pixel
    return found


def clear_place(
    pixels: np.ndarray, is_mine: np.ndarray, inside: np.ndarray, margin: float
) -> np.ndarray | None:
    """The pixel (2,) of the vertex of an object that is nearest to the middle of those seen, among
    those that are `inside` the image and have no vertex of anything else within the `margin`.

    `pixels` (n, 2) of all vertices that the image sees, `is_mine` (n,) bool, `inside` (n,) bool.
    None where there is no such vertex.
    """
    mine, others = pixels[is_mine & inside], pixels[~is_mine]
    if len(others) and len(mine):
        mine = mine[cKDTree(others).query(mine)[0] > margin]
    if not len(mine):
        return None
    middle = np.median(pixels[is_mine], axis=0)
    return mine[np.linalg.norm(mine - middle, axis=1).argmin()]
