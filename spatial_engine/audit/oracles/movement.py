"""Checks object movement questions against the raw clips, record by record, and their pictures.

Cost: the rigid groups of a clip (track_motions) the first time it is needed, then a look at all its
points a record, for dot a picture (movement_dots).

How docs/spec.md was read where it leaves a choice, by section:
- 9 held-out activities are looked for in train only: a list of one's own may hold out more.
- 9.4 how often the same frames may be asked about is the number of points that they fit.
- 9 the answer about a static point says that it did not move, unless it is the bare value.
- 9.4 only train has swapped pairs (frame1 > frame2).
"""

from __future__ import annotations

import fnmatch
import hashlib
import re
from collections import Counter
from functools import cached_property
from pathlib import Path

import numpy as np

from spatial_engine.audit.oracles.marks import colour_text, marked_picture, parse_colour
from spatial_engine.audit.oracles.movement_dots import check_dot
from spatial_engine.audit.oracles.movement_points import (
    DISTANCE,
    VECTOR,
    Limits,
    MovementRule,
    Shown,
    matching_points,
    shown_images,
    usable,
)
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.npz_file import MAX_MEMBER_BYTES
from spatial_engine.audit.raw.pictures import PictureError, read_file
from spatial_engine.audit.records.fields import (
    answer_text,
    check_fields,
    is_coordinate,
    known_type,
)
from spatial_engine.audit.records.texts import (
    check_coordinate_words,
    check_leak,
    check_texts,
    check_unit,
)

PROMPTS = ("coord", "dot")
HELD_OUT = {
    "adt": (
        "Apartment_release_work*",
        "Lite_release_recognition_Mug*",
        "Lite_release_recognition_WoodenBoxSmall*",
        "Lite_release_recognition_WoodenFork*",
    ),
    "pstudio": ("basketball*",),
}
DRIVE_NAME = "tapvid3d_([0-9]+(_[0-9]+){4})_[123]_[A-Za-z0-9_-]{22}"
STATIC_OPENING = "The point did not move."


class ClipChecks:
    """The checks of the records of one clip, which share what was read and found already."""

    def __init__(
        self, clip: RawClip, split: str, prompt: str, images: Path, rule: MovementRule
    ) -> None:
        self.clip, self.split, self.prompt, self.images = clip, split, prompt, images
        self.rule = rule
        self.task_of = {
            DISTANCE: f"movement_{prompt}_distance_{clip.dataset}",
            VECTOR: f"movement_{prompt}_vector_{clip.dataset}",
        }
        self._pictures: dict[tuple, list[str]] = {}
        self._asked: Counter[tuple] = Counter()

    @cached_property
    def limits(self) -> Limits:
        """From where on points of the clip are still, or move."""
        return self.rule.limits(self.clip)

    def check_next(self, record: dict) -> list[str]:
        """Complaints about the next record of a file: it alone, and that it is not asked again."""
        complaints, points = self.check(record)
        asked = shown_images(record, self.prompt), points
        self._asked[asked] += 1
        if points and self._asked[asked] > len(points):
            complaints.append(f"image: frames and point {sorted(points)} again")
        return complaints

    def check(self, record: dict) -> tuple[list[str], frozenset[int]]:
        """Complaints about a record, and the points that it may be about."""
        complaints = check_fields(record, self.split, self.task_of)
        question_type = known_type(record, self.task_of)
        shown = shown_images(record, self.prompt)
        if isinstance(shown, str):
            return [*complaints, shown], frozenset()
        if shown.clip_id != self.clip.clip_id:
            other = f"image: of clip {shown.clip_id}, checked against {self.clip.clip_id}"
            return [*complaints, other], frozenset()
        if question_type is None:
            return complaints, frozenset()
        wrong = check_values(record)
        if not wrong:
            wrong = check_words(record, self.split, self.prompt)
        complaints += wrong
        try:
            complaints += self._check_images(record, shown)
            if max(shown.frame1, shown.frame2) >= len(self.clip.tracks) or not usable(record):
                return complaints, frozenset()
            found, points = matching_points(self.clip, record, shown, self.limits)
            complaints += found
            if self.prompt == "dot" and shown.point < self.clip.tracks.shape[1]:
                complaints += self._check_dot(record, shown)
        except RawDataError as err:
            return [*complaints, f"raw data: {err}"], frozenset()
        return complaints, points

    def _check_images(self, record: dict, shown: Shown) -> list[str]:
        """Sizes, and the files that show frames as they are."""
        complaints, (width, height) = [], self.clip.image_size
        for field, size in (("height_list", [height] * 2), ("width_list", [width] * 2)):
            if record.get(field) != size:
                complaints.append(f"{field}: {record.get(field)!r}, the clip says {size}")
        if self.split == "val" and shown.frame1 > shown.frame2:
            complaints.append("image: a swapped pair in val")
        for place, frame in enumerate((shown.frame1, shown.frame2)):
            if frame >= len(self.clip.tracks):
                complaints.append(f"image: the clip has no frame {frame}")
            elif self.prompt == "coord" or place == 1:
                key = ("frame", frame)
                if key not in self._pictures:
                    self._pictures[key] = self._check_frame(record["image"][place], frame)
                complaints += self._pictures[key]
        return complaints

    def _check_frame(self, name: str, frame: int) -> list[str]:
        try:
            content = read_file(self.images / name, MAX_MEMBER_BYTES)
        except OSError as err:
            return [f"image: {self.images / name} cannot be read: {err.strerror or err}"]
        except PictureError as err:
            return [f"image: {self.images / name} cannot be read: {err}"]
        if content.rstrip(b"\0") != self.clip.jpegs[frame]:
            return [f"image: {self.images / name} is not the stored JPEG of frame {frame}"]
        return []

    def _check_dot(self, record: dict, shown: Shown) -> list[str]:
        texts = record.get("mark_colors")
        colour = parse_colour(texts[0]) if isinstance(texts, list) and len(texts) == 1 else None
        if colour is None:
            return [f"mark_colors: {texts!r} is not a list of one #rrggbb"]
        key = ("dot", shown.frame1, shown.point, colour_text(colour))
        if key not in self._pictures:
            picture = marked_picture(self.images / record["image"][0], self.clip.image_size)
            centre = self.clip.pixels[shown.frame1, shown.point]
            if isinstance(picture, str):
                self._pictures[key] = [picture]
            elif not np.isfinite(centre).all():
                self._pictures[key] = []  # complained about already
            else:
                source = self.clip.picture(shown.frame1)
                self._pictures[key] = check_dot(picture, source, colour, centre)
        return self._pictures[key]


def check_values(record: dict) -> list[str]:
    """Form of the answer and of the extra fields of a record of known question type."""
    complaints = [
        f"{field}: {record.get(field)!r} is not [x, y], int from 0 to 1000"
        for field in ("p1", "p2")
        if not is_coordinate(record.get(field))
    ]
    if not complaints and not usable(record):
        form = "three int of mm" if record["question_type"] == VECTOR else "an int of mm"
        complaints.append(f"gt_value: {str(record.get('gt_value'))[:80]} is not {form}")
    for field in ("point_moving", "cam_moving"):
        if type(record.get(field)) is not bool:
            complaints.append(f"{field}: {record.get(field)!r} is not true or false")
    dot = record["image"][0].endswith("_annotated.jpg")
    if not dot and "mark_colors" in record:
        complaints.append("mark_colors: nothing is marked in a coord question")
    return complaints


def check_words(record: dict, split: str, prompt: str) -> list[str]:
    """Complaints about question and answer, as they are read, of a `usable` record."""

    def check_question(text: str) -> list[str]:
        complaints = check_coordinate_words(text, [record["p1"]]) if prompt == "coord" else []
        complaints += check_unit(text, "mm")
        for word in ("right", "down", "forward") if record["question_type"] == VECTOR else ():
            if not re.search(rf"\b{word}", text.lower()):
                complaints.append(f"does not say which way is {word}")
        return complaints + check_leak(text, gt_value, ())

    gt_value = record["gt_value"]
    static = gt_value in (0, [0, 0, 0])
    complaints = check_texts(record, split, 2, check_question)
    if split == "train" and not any("conversations" in text for text in complaints):
        answer = record["conversations"][1]["value"]
        bare = answer == f"`{answer_text(gt_value)}`"
        if not bare and answer.startswith(STATIC_OPENING) != static:
            rule = "opens with" if static else "must not open with"
            complaints.append(f"gpt: {rule} {STATIC_OPENING!r} if the answer is {gt_value}")
    return complaints


# ---- one file ------------------------------------------------------------------------------------


def images_folder(path: str | Path, root: str | Path, prompt: str) -> Path:
    """The folder that image paths of a file are relative to."""
    if prompt == "dot":
        return Path(path).parent / "images"
    return Path(root) / "data" / "my_tapvid3d_images"


def is_held_out(dataset: str, clip_id: str) -> bool:
    """Whether a clip is of an activity, or segment of Waymo, that nothing may be trained on."""
    if dataset == "drivetrack":
        name = re.fullmatch(DRIVE_NAME, clip_id)
        if name is None:
            return False
        return int(hashlib.sha256(name[1].encode()).hexdigest(), 16) % 10 == 0
    return any(fnmatch.fnmatchcase(clip_id, pattern) for pattern in HELD_OUT[dataset])
