"""How large an object is that no two linked images show whole: sets of frames that show it, and
those that join them (SPEC 13)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_engine.utils.frames.scene_frames import SceneFrames
from spatial_engine.utils.frames.shown_objects import ShownObjects
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.geometry.frame_sets.joint_sizes import MOST_VIEWS, Views, joint_sets
from spatial_engine.utils.geometry.frame_sets.rows import NONE
from spatial_engine.utils.geometry.frame_sets.search import Candidates
from spatial_engine.utils.geometry.object_views import box_slack, view_objects


@dataclass(frozen=True)
class _Box:
    """An object's box: its least corner and its size (3,), metres."""

    corner: np.ndarray
    size: np.ndarray


class JointSizeSets:
    """What can be asked about one scene. A target is the object."""

    def __init__(self, frames: SceneFrames, shown: ShownObjects, constants: Mapping[str, Any]):
        self.frames, self.shown, self.constants = frames, shown, constants
        numbers = np.full(len(frames.states.object_ids) + 1, -1)
        numbers[shown.numbers] = np.arange(len(shown.numbers))
        self.object_of_point = numbers[frames.states.instances]
        self.views = view_objects(
            frames.views.visibility.point_lists(), self.object_of_point, frames.views.points
        )

    def find(
        self, rng: np.random.Generator, wanted: int, num_frames: tuple[int, int]
    ) -> tuple[Candidates, Counter[str]]:
        """What can be asked, at most `wanted`, and what cannot, by reason."""
        drops: Counter[str] = Counter()
        none = np.zeros((0, num_frames[1]), int)
        parts = [Candidates(none, none[:, :1], none[:, 0])]
        for number in range(len(self.shown.ids)):
            if reason := self._why_not(number):
                drops[reason] += 1
                continue
            sets = self._sets_of(rng, number, num_frames, drops)
            numbers = np.full(len(sets), number)  # each object has an answer of its own
            parts.append(Candidates(sets, numbers[:, None], numbers))
        return Candidates.joined(parts).balanced(rng, wanted), drops

    def _why_not(self, number: int) -> str:
        """Why an object is not asked about whatever shows it; "" where it is."""
        if self.box(number).size.min() < self.constants["MIN_SIDE_M"]:
            return "objects with a side that is too small"
        points = self.frames.views.points[self.object_of_point == number]
        if box_slack(points) > self.constants["MAX_BOX_SLACK"]:
            return "objects that stand askew to the axes"
        return ""

    def box(self, number: int) -> _Box:
        """The axis-aligned box of an object."""
        object_id = int(self.shown.ids[number])
        box = self.frames.scenes.aligned_box(self.frames.scene_id, object_id)
        return _Box(box[:3] - box[3:6] / 2, box[3:6])

    def fitting(self, number: int) -> np.ndarray:
        """Numbers of the frames that can be used in which an object is alone of its name, (k,)."""
        usable = self.frames.graph.usable
        return usable[~self.shown.others[usable, number]]

    def bounds_of(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """From where to where each frame sees an object, (n, 3) each, metres from the least corner
        of its box; inf and -inf where it sees nothing."""
        corner, mine = self.box(number).corner, self.views.objects == number
        bounds = np.full((2, len(self.frames.image_ids), 3), np.inf)
        bounds[1] = -np.inf
        views = self.views.where(mine)
        bounds[0, views.frames], bounds[1, views.frames] = views.low - corner, views.high - corner
        return bounds[0], bounds[1]

    def _sets_of(
        self,
        rng: np.random.Generator,
        number: int,
        num_frames: tuple[int, int],
        drops: Counter[str],
    ) -> np.ndarray:
        """The sets of frames that tell an object's size, (k, most frames)."""
        low, high = self.bounds_of(number)
        frames = _evenly(self.fitting(number), np.isfinite(low[:, 0]))
        size, none = self.box(number).size, np.zeros((0, num_frames[1]), int)
        views = Views(low[frames], high[frames], size, self.frames.graph.part(frames))
        if not len(frames) or not views.whole(np.arange(len(frames))[None]):
            drops["objects that all images together do not show whole"] += 1
            return none
        found = [none]
        for sets in joint_sets(rng, views, num_frames[1], drops):
            if sets.shape[1] >= num_frames[0]:
                padding = (0, 0), (0, num_frames[1] - sets.shape[1])
                found.append(np.pad(frames[sets], padding, constant_values=NONE))
        if not any(map(len, found)):
            drops["objects without a joined set of images each of which is needed"] += 1
        return np.concatenate(found)

    def ask(self, found: Candidates) -> Iterator[tuple[str, list[int], dict[str, Any]]]:
        """Object, answer in millimetres and fields of each candidate."""
        bounds_of = {number: self.bounds_of(number) for number in {*found.answers.tolist()}}
        for row, (number,) in zip(found.sets, found.targets.tolist(), strict=True):
            frames = row[row != NONE]
            bounds = np.hstack(bounds_of[number])[frames]
            first, second = np.nonzero(np.triu(self.frames.graph.linked[np.ix_(frames, frames)]))
            x, y, z = self.box(number).size
            sizes = np.array([z, max(x, y), min(x, y)])
            fields = {
                "object_id": int(self.shown.ids[number]),
                "raw_category": self.shown.categories[number],
                "bounds_mm": [_whole_mm(one) if np.isfinite(one[0]) else None for one in bounds],
                "links": (np.column_stack([first, second]) + 1).tolist(),
            }
            yield str(fields["object_id"]), _whole_mm(sizes), fields


def _whole_mm(metres: np.ndarray) -> list[int]:
    return np.rint(metres * MM_PER_METRE).astype(int).tolist()


def _evenly(frames: np.ndarray, sees: np.ndarray) -> np.ndarray:
    """Of the frames (k,) that see something, by `sees` (n,) bool, and of the others, which can join
    them, evenly spread ones each, ascending; half of `MOST_VIEWS` at most."""
    parts = frames[sees[frames]], frames[~sees[frames]]
    thinned = [part[:: -(-2 * len(part) // MOST_VIEWS) or 1] for part in parts]
    return np.sort(np.concatenate(thinned))
