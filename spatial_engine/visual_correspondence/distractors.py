"""Where the three wrong dots of a multiple choice lie: anywhere, around the match, on its surface.

An arrangement is a match with three distractors. Whether its marks have room is asked of the whole,
and one without room is drawn again as a whole: the room there is shapes the place of the match no
more than that of the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from spatial_engine.utils.pictures.drawing import MarkSize
from spatial_engine.utils.scenes.scene_views import SceneViews

NUM_OPTIONS = 4
DIFFICULTIES = ("easy", "medium", "hard")
# Hard options lie in a circle of so many reaches of a mark that holds the match anywhere in it, all
# four alike: its place among the four gives nothing away.
HARD_REACHES = 3.0
# Medium options lie on the plane of the match, so near it and to each other (metres); where there
# is no room, on whatever is around it. Here, too, the match may be anywhere among the four.
SURFACE_REACH, PLANE_REACH, AROUND_REACH = 1.0, 0.03, 0.5
AT_ONCE = 8  # arrangements of a match that are tried at a time


class Arrangements(Protocol):
    """How options are drawn: in so many `rounds`, each of `AT_ONCE` arrangements of a match."""

    rounds: int

    def draw(
        self, rng: np.random.Generator, numbers: np.ndarray, number_of_round: int
    ) -> np.ndarray:
        """Arrangements of the matches of these `numbers` (n,): pixels (n, AT_ONCE, 4, 2), the match
        first; NaN where there is none."""
        ...


def arrange(
    rng: np.random.Generator,
    arrangements: Arrangements,
    options: np.ndarray,
    image_size: tuple[int, int],
    size: MarkSize,
) -> None:
    """Fill in `options` (n, 4, 2), pixels, the match first, where they are NaN: with four whose
    marks are inside the image and apart. Where no room is found they stay NaN."""
    for number_of_round in range(arrangements.rounds):
        pending = np.flatnonzero(np.isnan(options[:, 0, 0]))
        if not len(pending):
            break
        drawn = arrangements.draw(rng, pending, number_of_round)
        good = size.is_inside(drawn, image_size).all(axis=2)
        good &= _apart(drawn) >= 2 * size.reach
        chosen = drawn[np.arange(len(pending)), good.argmax(axis=1)]
        options[pending] = np.where(good.any(axis=1)[:, None, None], chosen, np.nan)


def _apart(options: np.ndarray) -> np.ndarray:
    """Least distance of two options (..., 4, 2) from each other: (...) pixels."""
    one, two = np.triu_indices(options.shape[-2], k=1)
    steps = options[..., one, :] - options[..., two, :]
    return np.linalg.norm(steps, axis=-1).min(axis=-1)


@dataclass(frozen=True)
class PlaceArrangements:
    """Options anywhere in the image, or, if `near`, in a circle that holds the match: by places in
    the image alone. `pixels` (n, 2) are those of the matches."""

    pixels: np.ndarray
    image_size: tuple[int, int]
    size: MarkSize
    near: bool
    # In the middle of an image one of twelve near ones has room for all its marks; near a corner
    # fewer.
    rounds: int = 256

    def draw(
        self, rng: np.random.Generator, numbers: np.ndarray, number_of_round: int
    ) -> np.ndarray:
        """As `Arrangements.draw`."""
        place, shape = self.pixels[numbers, None], (len(numbers), AT_ONCE, NUM_OPTIONS)
        if self.near:
            angle, radius = rng.uniform(0, 2 * np.pi, shape), np.sqrt(rng.random(shape))
            circle = np.stack([np.cos(angle), np.sin(angle)], axis=-1) * radius[..., None]
            circle *= HARD_REACHES * self.size.reach
            return circle - circle[:, :, :1] + place[:, :, None]
        drawn = rng.uniform(0, self.image_size, (*shape, 2))
        drawn[:, :, 0] = place
        return drawn


@dataclass(frozen=True)
class SurfaceArrangements:
    """Options on what the image shows around the match: vertices that `frames` (n,) see, around the
    `points` (n,), in the first half of the rounds on the plane of the match."""

    views: SceneViews
    frames: np.ndarray
    points: np.ndarray
    rounds: int = 8

    def draw(
        self, rng: np.random.Generator, numbers: np.ndarray, number_of_round: int
    ) -> np.ndarray:
        """As `Arrangements.draw`."""
        drawn = np.full((len(numbers), AT_ONCE, NUM_OPTIONS, 2), np.nan)
        on_plane = number_of_round < self.rounds // 2
        matches = zip(self.frames[numbers].tolist(), self.points[numbers].tolist(), strict=True)
        for row, (frame, match) in enumerate(matches):
            options = self._around(rng, frame, match, on_plane)
            if options is not None:
                drawn[row] = self.views.measure(np.full(AT_ONCE, frame), options)[0]
        return drawn

    def _around(
        self, rng: np.random.Generator, frame: int, match: int, on_plane: bool
    ) -> np.ndarray | None:
        """Vertices (AT_ONCE, 4) of arrangements of a match; None where there are too few.

        They lie around a vertex that is drawn around the match, not around the match itself, which
        would be in their middle.
        """
        seen = self.views.visibility.points(self.views.image_ids[frame])
        places = self.views.points[seen]
        steps = places - self.views.points[match]
        reach = SURFACE_REACH if on_plane else AROUND_REACH
        near = (steps**2).sum(axis=1) <= (2 * reach) ** 2
        if on_plane:
            near &= np.abs(steps @ self.views.normals[match]) <= PLANE_REACH  # NaN is not
        seen, places, steps = seen[near], places[near], steps[near]
        middles = np.flatnonzero((steps**2).sum(axis=1) <= reach**2)
        if len(seen) < NUM_OPTIONS or not len(middles):
            return None
        middle = places[rng.choice(middles, AT_ONCE)]
        far = ((places - middle[:, None]) ** 2).sum(axis=2) > reach**2
        lots = rng.random(far.shape) + far  # the least three, of those that are near if there are
        chosen = np.argpartition(lots, NUM_OPTIONS - 2, axis=1)[:, : NUM_OPTIONS - 1]
        return np.column_stack([np.full(AT_ONCE, match), seen[chosen]])
