"""What frames show of one vertex of a scene, and the dots that mark it.

Cost: a look at the depth of each frame, and of each picture with a dot what marks.py costs.

How docs/spec.md was read where it leaves a choice, by section:
- 13.1 what the ties of `states` decide may go either way.
- 13.1 what is both seen and absent (far surfaces have a tolerance of more than 0.1 m) is seen.
- 13.1 seen is always "on the surface", with the constants of the visibility table.
- 13.2 point_id is the number of the vertex in the points of the scene (3.1).
- 13.3 the radius of a dot is 10 px as in section 6, in proportion in wide images.
- 13.3 mark_colors holds one colour for each dot, in the order of the images that have one. That a
  dot is clear of the border is not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.audit.oracles.frames.shown import is_id
from spatial_engine.audit.oracles.frames.states import Answers, state_rules, vertex_answers
from spatial_engine.audit.oracles.marks import (
    Mark,
    check_marked_picture,
    marked_picture,
    parse_colour,
)
from spatial_engine.audit.oracles.visibility import SurfaceRule, project_points
from spatial_engine.audit.raw.pictures import PictureError, read_file
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.audit.records.fields import is_coordinate, rounds_to


class FramePoints:
    """What frames of a scene show of its vertices.

    rule: which vertices lie on the surface; constants: those that a file was made with, by name.
    """

    def __init__(
        self, scene: PosedScene, rule: SurfaceRule | None, constants: dict[str, Any]
    ) -> None:
        self.scene, self.constants = scene, constants
        self.rules = state_rules(rule, constants)

    def place(self, frame: str, vertex: int) -> np.ndarray:
        """(3,) u, v in colour pixels and z in metres; u, v mean something where z > 0 only."""
        point = self.scene.vertices_aligned[vertex][None]
        return np.array([one[0] for one in project_points(self.scene, frame, point)])

    def may_be_seen(self, frame: str, vertex: int) -> bool:
        """Whether some admissible computation finds the vertex on the surface."""
        return bool(self._answers(frame, vertex).seen_may[0])

    def may_be_absent(self, frame: str, vertex: int) -> bool:
        """Whether some admissible computation finds the vertex absent, and not seen."""
        answers = self._answers(frame, vertex)
        return bool(answers.absent_may[0] and not answers.seen_must[0])

    def _answers(self, frame: str, vertex: int) -> Answers:
        point = self.scene.vertices_aligned[vertex][None]
        return vertex_answers(self.scene, frame, point, self.rules)

    def thousandths(self, frame: str, vertex: int) -> np.ndarray:
        """(2,) 1000 u / W and 1000 v / H, not rounded."""
        return 1000.0 * self.place(frame, vertex)[:2] / np.array(self.scene.colour_size)


# ---- fields of points ----------------------------------------------------------------------------


def check_point(record: dict, scene: PosedScene) -> list[str]:
    """`point_id` is the number of a vertex."""
    if is_id(record.get("point_id"), len(scene.vertices_aligned)):
        return []
    count = len(scene.vertices_aligned)
    return [f"point_id: {record.get('point_id')!r} is none of {count} vertices"]


def check_seen(points: FramePoints, frames: Sequence[str], vertex: int) -> list[str]:
    """Each of the frames sees the vertex."""
    return [
        f"point_id: frame {frame} does not see vertex {vertex}"
        for frame in frames
        if not points.may_be_seen(frame, vertex)
    ]


def check_p1(record: dict, points: FramePoints, frame: str, vertex: int) -> list[str]:
    """`p1` is where the vertex is in Image-1, which is of the frame."""
    place = record.get("p1")
    if not is_coordinate(place):
        return [f"p1: {place!r} is not [x, y], int from 0 to 1000"]
    exact = points.thousandths(frame, vertex)
    if rounds_to(exact, place).all():
        return []
    return [f"p1: {place}, the raw data say [{exact[0]:.6f}, {exact[1]:.6f}]"]


# ---- pictures ------------------------------------------------------------------------------------


def read_colours(record: dict, count: int) -> list[np.ndarray] | str:
    """`mark_colors`, (3,) int each, or a complaint."""
    texts = record.get("mark_colors")
    colours = [parse_colour(text) for text in texts] if isinstance(texts, list) else []
    known = [colour for colour in colours if colour is not None]
    if len(colours) != count or len(known) != count:
        return f"mark_colors: {texts!r} is not a list of {count} #rrggbb"
    return known


def check_pictures(
    record: dict,
    scene: PosedScene,
    frames: Sequence[str],
    folder: Path,
    centres: Sequence[np.ndarray],
) -> list[str]:
    """The first images show a dot each, the others their frames as they are.

    folder: that image paths are relative to. centres: for each image with a dot (m, 2) float u, v,
    the places where it may be; those outside the image are complained about elsewhere.
    """
    colours = read_colours(record, len(centres))
    if isinstance(colours, str):
        return [colours]
    complaints = []
    for k, (path, frame) in enumerate(zip(record["image"], frames, strict=True)):
        if k >= len(centres):
            found = check_unmarked(scene, frame, folder / path)
        else:
            found = _check_dot(scene, frame, folder / path, colours[k], centres[k])
        complaints += [f"Image-{k + 1}: {complaint}" for complaint in found]
    return complaints


def check_unmarked(scene: PosedScene, frame: str, path: Path) -> list[str]:
    """The file is the stored image of the frame."""
    try:
        content = read_file(path)
    except (OSError, PictureError) as err:
        return [f"image: {path} cannot be read: {getattr(err, 'strerror', None) or err}"]
    wrong = scene.why_not_stored(frame, content)
    return [f"image: {path} {wrong}"] if wrong else []


def _check_dot(
    scene: PosedScene, frame: str, path: Path, colour: np.ndarray, centres: np.ndarray
) -> list[str]:
    picture = marked_picture(path, scene.colour_size)
    if isinstance(picture, str):
        return [picture]
    size = np.array(scene.colour_size)
    centres = centres[((centres > -1) & (centres < size)).all(axis=1)]
    if not len(centres):
        return []
    mark = Mark("the dot", colour, centres, np.zeros(2), lettered=False)
    found, _ = check_marked_picture(picture, scene.picture(frame), [mark])
    return found
