"""Checks object movement questions against the raw clips: records, pictures, balance of the pairs.

Reads: a jsonl file of object movement questions, its pictures (`data/my_tapvid3d_images` for coord,
`images` beside the file for dot), the raw clips (clip_oracle) and the split's list of clips. Writes
nothing; returns complaints. Shares no code with the engine; what all tasks share is in record_form
and marks_oracle. Cost: the rigid groups of a clip (clip_oracle) the first time it is needed, then a
look at all its points a record, for dot a picture; one clip is in memory at a time.

How docs/spec.md was read where it leaves a choice, by section:
- 9.3 displacement and distance are from the first frame's world position to the second's, whatever
  lies between. A length may be off the nearest mm by MM_TIE more than half: files hold float32.
- 9.3, 9.4 which of the 0.01 m thresholds holds is not judged within NOT_JUDGED_M of it.
- 9.4 a coord question is about any point that it fits: visible in both frames, in both images
  (0 <= u < W), in a kept group, at p1 and p2, and moving so. How often the same frames may be asked
  about is the number of points that they fit.
- 9.4 p1, p2 are rounded projections, of dot too. Only train has swapped pairs (frame1 > frame2).
- 9.4 radius image width // 100, at least 1; dots of less than SMALL px are judged by their centre.
- 9 held-out activities are looked for in train only: a list of one's own may hold out more.
- 9.4 frames in which the point is outside the image, or the border cuts its dot off, are left out
  before pairs are drawn, not after: bins are over what can be asked.
- 9.3 the 5th bin is the fifth in ascending s. A pair within BIN_TIE of the edge of two bins may
  be in either. where all s are equal, one pair is of the moving ones.
- 9.3 of a group, min(points_per_group, its points) are drawn, some maybe without a pair to ask.
- 9.3 the balance is that of a file from which no maximum took records away.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.clip_oracle import (
    BORDER_TIE,
    DATASETS,
    MAX_MEMBER_BYTES,
    RawClip,
    read_clip_list,
)
from spatial_engine.audit.marks_oracle import (
    CENTRE_TOLERANCE,
    COLOUR_TOLERANCE,
    CORE_OUTLIERS,
    CUT_TOLERANCE,
    MEAN_FACTOR,
    MEAN_SLACK,
    MIN_CONTRAST,
    PAINTED,
    Mark,
    colour_text,
    difference,
    distances,
    encoded_once,
    find_circle,
    marked_picture,
    parse_colour,
)
from spatial_engine.audit.pictures import PictureError, read_file
from spatial_engine.audit.record_form import (
    ROUNDING_TIE,
    check_coordinate_words,
    check_fields,
    check_leak,
    check_list_of_images,
    check_split,
    check_texts,
    is_coordinate,
    known_type,
    parse_line,
)
from spatial_engine.audit.scannet_oracle import RawDataError

PROMPTS = ("coord", "dot")
DISTANCE, VECTOR = "tapvid3d_total_distance", "tapvid3d_displacement_vector"
HELD_OUT = {
    "adt": (
        "Apartment_release_work*",
        "Lite_release_recognition_Mug*",
        "Lite_release_recognition_WoodenBoxSmall*",
        "Lite_release_recognition_WoodenFork*",
    ),
    "pstudio": ("basketball*",),
}
STATIC_OPENING = "The point did not move."
MOVES_M = 0.01
NOT_JUDGED_M = 1e-9
MM_TIE = 0.01  # mm beyond half a mm
MAX_MM = 10**9  # no answer is larger
BINS, LIMITING_BIN = 10, 4
BIN_TIE = 1e-6  # of a bin's width
SWAPPED_OF = 20  # one more pair, swapped, for so many
SMALL = 3  # px; the colour of smaller dots does not survive JPEG
SMALL_CONTRAST = 20
RADIUS_TOLERANCE = 1.0  # px; half by ways to draw a circle, half by finding it (600 of 600 dots)
JPEG_REACH = 24  # px; how far a mark may disturb a JPEG: the diagonal of its blocks


class Shown(NamedTuple):
    """What a record's images show; point: its number, None where the images do not tell."""

    clip_id: str
    frame1: int
    frame2: int
    point: int | None


# ---- one record ----------------------------------------------------------------------------------


class ClipChecks:
    """The checks of the records of one clip, which share what was read and found already."""

    def __init__(self, clip: RawClip, split: str, prompt: str, images: Path) -> None:
        self.clip, self.split, self.prompt, self.images = clip, split, prompt, images
        self.task_of = {
            DISTANCE: f"movement_{prompt}_distance_{clip.dataset}",
            VECTOR: f"movement_{prompt}_vector_{clip.dataset}",
        }
        self._pictures: dict[tuple, list[str]] = {}
        self._asked: Counter[tuple] = Counter()

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
            found, points = matching_points(self.clip, record, shown)
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


def shown_images(record: dict, prompt: str) -> Shown | str:
    """What the images of a record show by their names, or a complaint."""
    wrong = check_list_of_images(record.get("image"), 2)
    if wrong:
        return wrong[0]
    plain = "(?P<clip>[A-Za-z0-9_-]+)/(?P<frame>[0-9]{5})[.]jpg"
    marked = plain.replace("[.]jpg", "_(?P<point>0|[1-9][0-9]{0,8})_annotated[.]jpg")
    names = {plain: "<clip>/<frame>.jpg", marked: "<clip>/<frame>_<point>_annotated.jpg"}
    patterns = [marked if prompt == "dot" else plain, plain]
    matches = []
    for pattern, path in zip(patterns, record["image"], strict=True):
        match = re.fullmatch(pattern, path) if isinstance(path, str) else None
        if match is None:
            return f"image: {path!r} is not {names[pattern]}"
        matches.append(match)
    first, second = matches
    if first["clip"] != second["clip"]:
        return f"image: two clips, {first['clip']} and {second['clip']}"
    if first["frame"] == second["frame"]:
        return f"image: frame {first['frame']} twice"
    point = int(first["point"]) if prompt == "dot" else None
    return Shown(first["clip"], int(first["frame"]), int(second["frame"]), point)


def usable(record: dict) -> bool:
    """Whether answer and points have the form that they must have."""
    gt_value = record.get("gt_value")
    values = gt_value if record.get("question_type") == VECTOR else [gt_value]
    wanted = 3 if record.get("question_type") == VECTOR else 1
    return (
        isinstance(values, list)
        and len(values) == wanted
        and all(type(value) is int and abs(value) <= MAX_MM for value in values)
        and (wanted == 3 or values[0] >= 0)
        and is_coordinate(record.get("p1"))
        and is_coordinate(record.get("p2"))
    )


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
        if not re.search(r"\bmm\b|millimet", text.lower()):
            complaints.append("does not say that millimetres are wanted")
        for word in ("right", "down", "forward") if record["question_type"] == VECTOR else ():
            if not re.search(rf"\b{word}", text.lower()):
                complaints.append(f"does not say which way is {word}")
        return complaints + check_leak(text, gt_value, ())

    gt_value = record["gt_value"]
    static = gt_value in (0, [0, 0, 0])
    complaints = check_texts(record, split, 2, check_question)
    if split == "train" and not any("conversations" in text for text in complaints):
        answer = record["conversations"][1]["value"]
        if answer.startswith(STATIC_OPENING) != static:
            rule = "opens with" if static else "must not open with"
            complaints.append(f"gpt: {rule} {STATIC_OPENING!r} if the answer is {gt_value}")
    return complaints


# ---- the truth -----------------------------------------------------------------------------------


def at(clip: RawClip, frame: int, place: list[int]) -> np.ndarray:
    """(N,) bool: points visible in the frame, in the image, at `place` in 0 to 1000."""
    thousandths = 1000 * clip.pixels[frame] / np.array(clip.image_size)
    near = np.abs(thousandths - np.array(place)) <= 0.5 + ROUNDING_TIE
    return clip.shown()[frame] & near.all(axis=1)


def matching_points(clip: RawClip, record: dict, shown: Shown) -> tuple[list[str], frozenset[int]]:
    """Complaints if a `usable` record fits no point, and the points that it fits."""
    here = at(clip, shown.frame1, record["p1"]) & at(clip, shown.frame2, record["p2"])
    places = f"p1 {record['p1']} in frame {shown.frame1}, p2 {record['p2']} in {shown.frame2}"
    if shown.point is None:
        points = [int(point) for point in np.flatnonzero(here)]
        if not points:
            return [f"p1, p2: no visible point is at {places}"], frozenset()
    else:
        points = [shown.point]
        if shown.point >= len(here):
            return [f"image: the clip has no point {shown.point}"], frozenset()
        if not here[shown.point]:
            return [f"p1, p2: point {shown.point} is not visible at {places}"], frozenset()
    found = {point: _misfits(clip, record, shown, point) for point in points}
    fitting = frozenset(point for point, misfits in found.items() if not misfits)
    if fitting:
        return [], fitting
    point = min(found, key=lambda point: len(found[point]))
    return [f"{misfit} (point {point})" for misfit in found[point]], frozenset()


def _misfits(clip: RawClip, record: dict, shown: Shown, point: int) -> list[str]:
    """In what a record differs from the movement of a point."""
    complaints = []
    if not any(point in group for groups in clip.groupings for group in groups):
        complaints.append("the point is in no rigid group")
    vector_mm = 1000 * clip.displacement(shown.frame1, shown.frame2)[point]
    moved = float(np.linalg.norm(clip.world[shown.frame2, point] - clip.world[shown.frame1, point]))
    camera = clip.camera_displacement(shown.frame1, shown.frame2)
    gt_value = record["gt_value"]
    answers = gt_value if isinstance(gt_value, list) else [gt_value]
    truth = vector_mm if isinstance(gt_value, list) else np.array([1000 * moved])
    fits = {
        False: not any(answers),
        True: bool((np.abs(truth - np.array(answers)) <= 0.5 + MM_TIE).all()),
    }
    for name, metres in (("point_moving", moved), ("cam_moving", camera)):
        if not any(record.get(name) is verdict for verdict in verdicts(metres)):
            found = f"{metres:.9f} m from frame to frame"
            complaints.append(f"{name}: {record.get(name)!r}, the raw data say {found}")
    if not any(fits[verdict] for verdict in verdicts(moved)):
        numbers = ", ".join(f"{value:.4f}" for value in truth)
        complaints.append(f"gt_value: {gt_value!r}, the raw data say {numbers} mm")
    return complaints


def verdicts(metres: float) -> set[bool]:
    """Whether something that moves so far is moving; both where that cannot be judged."""
    return {metres + tie >= MOVES_M for tie in (-NOT_JUDGED_M, NOT_JUDGED_M)}


# ---- dots ----------------------------------------------------------------------------------------


def dot_radius(width: int) -> int:
    """Radius in px of a dot in an image so wide."""
    return max(1, width // 100)


def dot_margin(width: int) -> int:
    """How far in px from the border the engine keeps a dot, so that all of it shows."""
    radius = dot_radius(width)
    return radius + max(2, round(0.2 * radius)) + 1


def check_dot(
    picture: np.ndarray, source: np.ndarray, colour: np.ndarray, centre: np.ndarray
) -> list[str]:
    """Complaints about a picture with one dot, beside the frame it was made from.

    picture, source: (H, W, 3) int64 RGB of one size; colour: (3,) int; centre: (2,) float u, v.
    """
    height, width = source.shape[:2]
    radius = dot_radius(width)
    where = f"({centre[0]:.2f}, {centre[1]:.2f})"
    column = int(np.clip(np.rint(centre[0]), 0, width - 1))
    row = int(np.clip(np.rint(centre[1]), 0, height - 1))
    there, before = picture[row, column], source[row, column]
    distance = distances(source.shape, centre)
    complaints = []
    if radius < SMALL:
        towards = int(((there - before) * (colour - before)).sum())
        if difference(there, before) < SMALL_CONTRAST or towards <= 0:
            texts = f"{colour_text(there)}, in the frame {colour_text(before)}"
            complaints.append(f"dot: the pixel at {where} is {texts}, dot {colour_text(colour)}")
    else:
        if difference(there, colour) > COLOUR_TOLERANCE:
            texts = f"{colour_text(there)}, the dot {colour_text(colour)}"
            complaints.append(f"dot: the pixel at {where} is {texts}")
        core = distance <= radius - 3
        outliers = difference(picture[core], colour) > COLOUR_TOLERANCE
        if outliers.sum() > CORE_OUTLIERS * core.sum():
            complaints.append(f"dot: {outliers.sum()} of {core.sum()} pixels are of other colour")
        if np.median(difference(source[distance <= radius], colour)) < MIN_CONTRAST:
            complaints.append(f"dot: {colour_text(colour)} does not stand out at {where}")
        complaints += _check_circle(picture, source, colour, centre, radius)
    return complaints + _check_rest(picture, source, distance, radius)


def _check_circle(
    picture: np.ndarray, source: np.ndarray, colour: np.ndarray, centre: np.ndarray, radius: int
) -> list[str]:
    """Where the dot is, and how large."""
    height, width = source.shape[:2]
    mark = Mark("dot", colour, centre[None], np.zeros(2), lettered=False)
    judged = np.ones((height, width), dtype=bool)
    circle = find_circle(picture, source, mark, centre, judged, radius)
    if circle is None:
        return ["dot: no circle is there"]
    off = float(np.hypot(*(circle.centre - centre)))
    border = min(centre[0], centre[1], width - 1 - centre[0], height - 1 - centre[1])
    complaints = []
    if off > (CUT_TOLERANCE if border < radius + 1 else CENTRE_TOLERANCE):
        found = f"({circle.centre[0]:.2f}, {circle.centre[1]:.2f})"
        complaints.append(f"dot: centred at {found}, {off:.2f} px from its point")
    if abs(circle.radius - radius) > RADIUS_TOLERANCE:
        complaints.append(f"dot: radius {circle.radius:g} px, expected {radius}")
    return complaints


def _check_rest(
    picture: np.ndarray, source: np.ndarray, distance: np.ndarray, radius: int
) -> list[str]:
    """Away from the dot and the ring around it the picture is the frame, encoded once."""
    again = encoded_once(source)
    changed = np.minimum(difference(picture, source), difference(picture, again))
    edge = radius + max(3.0, 0.3 * radius) + 1
    near = (distance > edge + 1) & (changed > 2 * PAINTED)
    far = distance > edge + JPEG_REACH
    painted = near | (far & (changed > PAINTED))
    complaints = []
    if painted.any():
        row, column = np.argwhere(painted)[0]
        texts = (
            f"{colour_text(picture[row, column])}, in the frame {colour_text(source[row, column])}"
        )
        first = f"first ({column}, {row}): {texts}"
        complaints.append(f"image: {painted.sum()} pixels are painted beside the dot, {first}")
    if far.any():
        found = float(np.abs(picture - source)[far].mean())
        allowed = MEAN_FACTOR * float(np.abs(again - source)[far].mean()) + MEAN_SLACK
        if found > allowed:
            texts = f"{found:.2f} mean difference from the frame, one encoding allows {allowed:.2f}"
            complaints.append(f"image: {texts}")
    return complaints


# ---- one file ------------------------------------------------------------------------------------


def check_movement_file(
    path: str | Path, root: str | Path, dataset: str, split: str, prompt: str
) -> list[str]:
    """Complaints about a whole movement jsonl file, "line N: ..." in order; empty = sound."""
    _check_arguments(dataset, split, prompt)
    images = images_folder(path, root, prompt)
    with open(path, "rb") as f:
        complaints, lines_of_clip = _first_pass(f, dataset, split, prompt)
        complaints += _check_clips(root, dataset, split, lines_of_clip)
        name = re.search(f"{DISTANCE}|{VECTOR}", Path(path).stem)
        for clip_id, lines in sorted(lines_of_clip.items()):
            try:
                clip = RawClip(root, dataset, clip_id)
            except RawDataError as err:
                text = f"raw data: {len(lines)} lines of clip {clip_id} not checked: {err}"
                complaints.append((lines[0][0], text))
                continue
            checks = ClipChecks(clip, split, prompt, images)
            for number, record in _read_lines(f, lines):
                found = checks.check_next(record)
                if name and record.get("question_type") != name.group():
                    found.append(f"question_type: the file's name says {name.group()!r}")
                complaints += [(number, complaint) for complaint in found]
    complaints.sort(key=lambda item: item[0])
    return [f"line {number}: {text}" if number else f"file: {text}" for number, text in complaints]


def images_folder(path: str | Path, root: str | Path, prompt: str) -> Path:
    """The folder that image paths of a file are relative to."""
    if prompt == "dot":
        return Path(path).parent / "images"
    return Path(root) / "data" / "my_tapvid3d_images"


def _check_arguments(dataset: str, split: str, prompt: str) -> None:
    check_split(split)
    if dataset not in DATASETS or prompt not in PROMPTS:
        raise ValueError(f"{dataset!r}, {prompt!r}: expected one of {DATASETS}, of {PROMPTS}")


def _first_pass(f: Iterator[bytes], dataset: str, split: str, prompt: str) -> tuple[list, dict]:
    """Complaints [(line number, text)] and {clip id: [(line number, first byte)]}."""
    complaints: list[tuple[int, str]] = []
    lines_of_clip: dict[str, list[tuple[int, int]]] = defaultdict(list)
    ids: dict[str, int] = {}
    question_types: set[str] = set()
    offset = number = 0
    for number, line in enumerate(f, start=1):
        start, offset = offset, offset + len(line)
        record = parse_line(line)
        if isinstance(record, str):
            complaints.append((number, record))
            continue
        if isinstance(record.get("id"), str) and ids.setdefault(record["id"], number) != number:
            line_of = ids[record["id"]]
            complaints.append((number, f"id: {record['id']!r} is that of line {line_of} too"))
        question_types.add(str(record.get("question_type")))
        shown = shown_images(record, prompt)
        if isinstance(shown, str):
            complaints.append((number, shown))
        else:
            lines_of_clip[shown.clip_id].append((number, start))
    if number == 0:
        complaints.append((0, "no records"))
    if len(question_types) > 1:
        complaints.append((0, f"several question types: {sorted(question_types)}"))
    return complaints, lines_of_clip


def _check_clips(
    root: str | Path, dataset: str, split: str, lines_of_clip: dict[str, list]
) -> list[tuple[int, str]]:
    """Whether the clips are of the split."""
    listed, complaints = set(read_clip_list(root, dataset, split)), []
    for clip_id, lines in lines_of_clip.items():
        if clip_id not in listed:
            complaints += [
                (number, f"image: clip {clip_id} is not in split {split}") for number, _ in lines
            ]
        if split == "train" and is_held_out(dataset, clip_id):
            complaints.append((lines[0][0], f"image: clip {clip_id} is of a held-out activity"))
    return complaints


def is_held_out(dataset: str, clip_id: str) -> bool:
    """Whether a clip is of an activity that nothing may be trained on."""
    return any(fnmatch.fnmatchcase(clip_id, pattern) for pattern in HELD_OUT[dataset])


def _read_lines(f: object, lines: list[tuple[int, int]]) -> Iterator[tuple[int, dict]]:
    for number, start in lines:
        f.seek(start)
        yield number, parse_line(f.readline())


# ---- balance -------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A record as the balance sees it: its frames, and the points that it fits."""

    frame1: int
    frame2: int
    points: frozenset[int]


def check_balance(
    path: str | Path,
    root: str | Path,
    dataset: str,
    split: str,
    prompt: str,
    points_per_group: int,
    pairs_per_bin: int,
) -> list[str]:
    """Complaints about the choice of points and pairs in a file of which no maximum took any."""
    _check_arguments(dataset, split, prompt)
    complaints = []
    with open(path, "rb") as f:
        _, lines_of_clip = _first_pass(f, dataset, split, prompt)
        for clip_id, lines in sorted(lines_of_clip.items()):
            try:
                clip = RawClip(root, dataset, clip_id)
                asked = []
                for _, record in _read_lines(f, lines):
                    shown, points = shown_images(record, prompt), frozenset()
                    last = max(shown.frame1, shown.frame2)
                    if last < len(clip.tracks) and usable(record):
                        _, points = matching_points(clip, record, shown)
                    asked.append(Asked(shown.frame1, shown.frame2, points))
                margin = dot_margin(clip.image_size[0]) if prompt == "dot" else 0
                found = _check_swapped(asked, split)
                found += _check_points(clip, asked, margin, points_per_group, pairs_per_bin)
            except RawDataError as err:
                found = [f"raw data: {err}"]
            complaints += [f"clip {clip_id}: {complaint}" for complaint in found]
    return complaints


def _check_swapped(asked: list[Asked], split: str) -> list[str]:
    """How many pairs are there swapped too, and that they are there unswapped."""
    complaints = []
    unknown = sum(not pair.points for pair in asked)
    if unknown:
        complaints.append(f"{unknown} records fit no point")
    unswapped = [pair for pair in asked if pair.frame1 < pair.frame2]
    swapped = [pair for pair in asked if pair.frame1 > pair.frame2]
    wanted = len(unswapped) // SWAPPED_OF if split == "train" else 0
    if len(swapped) != wanted:
        complaints.append(f"{len(swapped)} swapped of {len(unswapped)} pairs, expected {wanted}")
    points_of = defaultdict(set)
    for pair in unswapped:
        points_of[pair.frame1, pair.frame2] |= pair.points
    for frame1, frame2, points in swapped:
        if points and not points & points_of[frame2, frame1]:
            complaints.append(
                f"the swapped pair {frame1}, {frame2} of point {sorted(points)} is not there as "
                f"{frame2}, {frame1}"
            )
    return complaints


def _check_points(
    clip: RawClip, asked: list[Asked], margin: int, points_per_group: int, pairs_per_bin: int
) -> list[str]:
    """Which points are asked about, and about which of their pairs."""
    shown, surely = clip.shown(margin), clip.shown(margin, -BORDER_TIE)
    unclear = {int(point) for point in np.flatnonzero((shown != surely).any(axis=0))}
    for pair in asked:
        if len(pair.points) > 1:  # cannot be told apart
            unclear |= pair.points
    drawn: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for frame1, frame2, points in asked:
        if frame1 < frame2:
            for point in points:
                drawn[point].append((frame1, frame2))
    complaints = []
    for point in sorted(set(drawn) - unclear):
        frames = np.flatnonzero(shown[:, point])
        found = check_pairs(clip.world[:, point], frames, drawn[point], pairs_per_bin)
        complaints += [f"point {point}: {complaint}" for complaint in found]
    results = []
    for groups in clip.groupings:
        found = []
        for group in groups:
            there, doubtful = (set(drawn) - unclear) & group, unclear & group
            dead = sum(shown[:, point].sum() < 2 for point in group)
            least = min(points_per_group, len(group)) - dead - len(doubtful)
            if not least <= len(there) <= points_per_group:
                text = f"expected {max(least, 0)} to {points_per_group}"
                name = f"the group of {len(group)} with point {min(group)}"
                found.append(f"{len(there)} points of {name} are asked about, {text}")
        strangers = set(drawn) - unclear - set().union(*groups)
        if strangers:
            found.append(f"points {sorted(strangers)} are in no group")
        results.append(found)
    return complaints + min(results, key=len)


def check_pairs(
    world: np.ndarray, frames: np.ndarray, drawn: list[tuple[int, int]], pairs_per_bin: int
) -> list[str]:
    """Complaints about the unswapped pairs drawn of one point.

    world: (T, 3) metres. frames: those that may be drawn, ascending.
    """
    moved = {}
    for k, i in enumerate(frames):
        for j in frames[k + 1 :]:
            moved[int(i), int(j)] = float(np.linalg.norm(world[j] - world[i]))
    strangers = [pair for pair in drawn if pair not in moved]
    if strangers:
        return [f"the pair {strangers[0]} is of a frame that cannot be asked about"]
    if any(len(verdicts(metres)) == 2 for metres in moved.values()):
        return []  # which pairs are moving cannot be judged
    static = sum(metres < MOVES_M for metres in moved.values())
    drawn_static = sum(moved[pair] < MOVES_M for pair in drawn)
    complaints = []
    if drawn_static != min(static, 1):
        complaints.append(f"{drawn_static} static pairs of {static}, expected {min(static, 1)}")
    there = np.array([metres for metres in moved.values() if metres >= MOVES_M])
    chosen = np.array([moved[pair] for pair in drawn if moved[pair] >= MOVES_M])
    if not len(there):
        return complaints
    low, high = there.min(), there.max()
    if high - low <= NOT_JUDGED_M:
        if not len(chosen) or (high == low and len(chosen) > 1):
            complaints.append(f"{len(chosen)} moving pairs, expected 1: all are {low:.6f} m")
        return complaints
    counts, drawn_counts = _in_bins(there, low, high), _in_bins(chosen, low, high)
    limits = np.clip(counts[:, LIMITING_BIN], 1, pairs_per_bin)
    least, most = np.minimum(counts, limits[:, None])
    wrong = (drawn_counts[1] < least) | (drawn_counts[0] > most)
    for k in np.flatnonzero(wrong):
        wanted = sorted({int(least[k]), int(most[k])})
        complaints.append(
            f"{drawn_counts[1, k]} of {counts[1, k]} pairs drawn from bin {k + 1} of {BINS}, "
            f"expected {' to '.join(map(str, wanted))}"
        )
    return complaints


def _in_bins(metres: np.ndarray, low: float, high: float) -> np.ndarray:
    """(2, BINS) least and greatest number in each bin: who is at an edge may be on either side."""
    place = BINS * (metres - low) / (high - low)
    below = np.clip(np.floor(place - BIN_TIE), 0, BINS - 1).astype(int)
    above = np.clip(np.floor(place + BIN_TIE), 0, BINS - 1).astype(int)
    sure = np.bincount(below[below == above], minlength=BINS)
    tied = below != above
    doubtful = np.bincount(below[tied], minlength=BINS) + np.bincount(above[tied], minlength=BINS)
    return np.stack([sure, sure + doubtful])
