"""Points in three to eight frames, marked by dots (SPEC 13): which many frames see, the pictures,
what records tell of them. All tasks of a family share the pictures of a scene."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.utils.frames.scene_frames import SceneFrames
from spatial_engine.utils.frames.step import SceneRequest
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.cameras import permille
from spatial_engine.utils.geometry.frame_sets.growth import grow_among
from spatial_engine.utils.geometry.frame_sets.rows import NONE, shuffle, sizes_of
from spatial_engine.utils.pictures.drawing import PALETTE, MarkSize
from spatial_engine.utils.questions import marked_images
from spatial_engine.utils.questions.marked_images import MarkedImage
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.storage import files

# Whether frames (n,) may show their vertices (n,): (n,) bool.
Suits = Callable[[np.ndarray, np.ndarray], np.ndarray]
Colors = Mapping[tuple[int, int], str]


# ---- which points --------------------------------------------------------------------------------


def mark_size(frames: SceneFrames, request: SceneRequest) -> MarkSize:
    """Size of the dots."""
    return MarkSize.of(request.constants["DOT_RADIUS_PX"], frames.image_size)


def have_room(
    frames: SceneFrames, size: MarkSize, numbers: np.ndarray, points: np.ndarray
) -> np.ndarray:
    """Whether a dot on the vertices `points` (n, k) has room in the images of frames (n,)."""
    pixels, _ = frames.views.measure(numbers, points)
    return size.is_inside(pixels, frames.image_size)


def depths(frames: SceneFrames, sets: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Depths, metres, of each vertex of `points` (n,) in the frames of its set (n, k): (n, k), NaN
    where there is none."""
    _, depth = frames.views.measure(sets.ravel(), np.repeat(points, sets.shape[1])[:, None])
    return np.where(sets == NONE, np.nan, depth.reshape(sets.shape))


class SharedPoints:
    """Draws a vertex and frames that all see it."""

    def __init__(self, frames: SceneFrames, suits: Suits):
        """`suits` says where a frame that sees a vertex may show it."""
        self._frames, self._suits = frames, suits
        counts = frames.views.visibility.num_images()
        self._by_count = np.argsort(-counts, kind="stable")
        self._counts = -counts[self._by_count]  # ascending

    def draw(
        self, rng: np.random.Generator, sizes: np.ndarray, drops: Counter[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Frames in random order, (k, longest) for as many of the `sizes` (m,) as it can be, no two
        of a set alike, and the vertex that they see, (k,), any one of those that so many frames
        see equally likely."""
        available = np.searchsorted(self._counts, -sizes, side="right")
        places = (rng.random(len(sizes)) * available).astype(int)
        points = self._by_count[places]
        seen = self._frames.views.visibility.images_of(points) & (available > 0)[:, None]
        rows, numbers = np.nonzero(seen)
        seen[rows, numbers] = self._suits(numbers, points[rows])
        sets, whole = grow_among(rng, self._frames.graph, sizes, seen)
        drops["points that too few frames that are not alike show clearly"] += int(
            np.count_nonzero(~whole)
        )
        return shuffle(rng, sets[whole]), points[whole]


def first_that_fits(fits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of tries (n, k) bool, the number of the first that fits (n,), and whether one does (n,)."""
    return fits.argmax(axis=1), fits.any(axis=1)


# ---- pictures ------------------------------------------------------------------------------------


def draw_pictures(
    frames: SceneFrames,
    request: SceneRequest,
    marked: Iterable[tuple[np.ndarray, np.ndarray]],
    folder: Path,
) -> Colors:
    """Write a marked picture for each frame and vertex, and link the images without a dot. `marked`
    are sets (n, k) of frames with the vertex of the dot in each, `NONE` = no dot. Returns the
    colours of the dots, which follow from scene, frame and vertex alone."""
    pairs = [np.stack(columns, axis=2).reshape(-1, 2) for columns in marked]
    shown = np.unique(np.concatenate([np.zeros((0, 2), int), *pairs]), axis=0)
    shown = shown[shown[:, 0] != NONE]
    dots = shown[shown[:, 1] != NONE]
    pixels, _ = frames.views.measure(dots[:, 0], dots[:, 1:])
    pictures = []
    for (frame, point), center in zip(dots.tolist(), pixels, strict=True):
        image_id = frames.image_ids[frame]
        rng = sampling.generator(0, frames.scene_id, image_id, str(point))
        preferences = rng.permutation(len(PALETTE)).tolist()
        name = picture_name(image_id, point)
        pictures.append(MarkedImage(image_id, name, center, ("",), preferences))
    colors = marked_images.draw_pictures(
        pictures,
        lambda image_id: frames.scenes.color(frames.scene_id, image_id),
        mark_size(frames, request),
        frames.image_size,
        folder,
    )
    for frame in shown[shown[:, 1] == NONE, 0].tolist():
        image_id = frames.image_ids[frame]
        with suppress(FileExistsError):  # of a run that was killed
            source = frames.scenes.color_path(frames.scene_id, image_id)
            files.link_or_copy(source, folder / picture_name(image_id, NONE))
    return {tuple(dot): color for dot, (color,) in zip(dots.tolist(), colors, strict=True)}


def picture_name(image_id: str, point: int) -> str:
    """File name of the picture of a frame with a dot on a vertex, or without any."""
    return f"{image_id}.jpg" if point == NONE else f"{image_id}_{point}.jpg"


def told_of_dots(
    frames: SceneFrames, task: str, shown: Sequence[int], marks: Sequence[int], colors: Colors
) -> dict[str, Any]:
    """The fields of a record that say where its dots are: `p1` of the one in Image-1, or
    `mark_points` of all, and `mark_colors`."""
    dots = [pair for pair in zip(shown, marks, strict=True) if pair[1] != NONE]
    numbers, points = np.array(dots).T
    pixels, _ = frames.views.measure(numbers, points[:, None])
    places = permille(pixels[:, 0], frames.image_size).tolist()
    several = "mark_points" in TASKS[task].fields
    told = {"mark_points": places} if several else {"p1": places[0]}
    return {**told, "mark_colors": [colors[pair] for pair in dots]}


def letters(sets: np.ndarray, first: int = 1) -> list[dict[str, str]]:
    """The choices of records about sets (n, k): the images from the `first` on, by letter."""
    by_size = [
        {"ABCDEFGH"[number - first]: f"Image-{number}" for number in range(first, size + 1)}
        for size in range(sets.shape[1] + 1)
    ]
    return [by_size[size] for size in sizes_of(sets).tolist()]
