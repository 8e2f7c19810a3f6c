"""Checks object visibility, coverage and object size questions against the raw scans.

Reads: `object_visibility.pkl`, `merged_<split>_object_coverage_<dim>.pkl` or a jsonl file of object
questions, the raw scans of its scenes (scannet_oracle), and
`data/scannet/meta_data/scannetv2_{split}.txt`. Writes nothing; returns complaints. Shares no code
with the engine; what all tasks share is in record_form. Cost: the visibility of every frame of a
scene, one scene in memory at a time; then for each object all pairs of the images that see it.

How docs/spec.md was read where it leaves a choice, by section:
- 8.1 a category is left out when it is wall, object, floor, ceiling or window after stripping and
  lower-casing. n counts the vertices an object keeps after 3.1 the later one wins.
- 8.1 floor(0.05 n) is that of the exact product, n // 20.
- 8.1 objects that no image sees and images that see no object may be absent or have an empty list;
  objects that are left out, and frames without a valid pose, may not be there at all.
- 8.2 length is the side along x where dx >= dy, width the other one; where both are within 1e-9 m
  of each other either axis will do, and a set on which the two axes differ is not judged.
- 8.2 an extent is that of the seen vertices themselves; one seen vertex has extent 0. It cannot
  exceed the target, so a larger set covers what a smaller one covers, and a set is minimal when
  leaving out any one image uncovers it.
- 8.2 objects that are left out, or have a size under 0.02 m, are absent; those without sets may be
  absent or have {}; so may sizes k without sets have []. Ids in a set may stand in any order.
- 8.2 at most 25 are considered (drawn at random): 25 where more see the object, otherwise all.
- 4 ties: counts may be anything between |must| and |must| + |ties|. Whether an image sees, or a
  set covers, is not judged where it differs between must alone and must with ties; nor within
  1e-9 m of the boundary of 10 percent or of 0.02 m.
- A scene whose raw data cannot be read (absent, damaged) may be missing; if it is there, that it
  could not be checked is a complaint, as it is when no scene of the split can be read.
- 8.4 the question's last line holds raw_category, stripped, as whole words, and says mm or
  millimetres. `<max>` is a number, and the file holds no more records, or -1.
- 8.4 which sets are drawn for val, and that train asks about all of them, is not judged here.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.plain_unpickler import load
from spatial_engine.audit.record_form import (
    FileRules,
    acceptable_integers,
    check_fields,
    check_file,
    check_frame,
    check_leak,
    check_sizes,
    check_split,
    check_texts,
    known_type,
    posed_image,
)
from spatial_engine.audit.scannet_oracle import (
    RawDataError,
    RawScene,
    frame_of,
    read_split_list,
    visible,
)

DIMENSIONS = ("height", "length", "width")
TASK_OF = {f"object_perception_{name}_estimation": f"object_{name}" for name in DIMENSIONS}
LEFT_OUT = {"wall", "object", "floor", "ceiling", "window"}
MIN_SIZE_M = 0.02
COVERED = 0.1  # of the target
MAX_IMAGES = 25  # of an object
NOT_JUDGED_M = 1e-9
PERCENT_TOLERANCE = 1e-9
TRIPLE_SAMPLE = 3  # objects per scene whose triples are searched too

# True, False, or None where it depends on ties or is too near a boundary to be judged.
Verdict = bool | None


# ---- what the raw data say -----------------------------------------------------------------------


class Views(NamedTuple):
    """Vertices of one object in one image: certainly seen, and seen or not by a tie."""

    must: np.ndarray
    ties: np.ndarray


class RawObject:
    """One object of a scene: its vertices, box and what every image sees of it.

    vertices (n,) vertex numbers; points (n, 3) aligned metres; box (6,) cx cy cz dx dy dz.
    """

    def __init__(self, scene: RawScene, object_id: int) -> None:
        self.scene, self.category = scene, scene.raw_categories[object_id]
        self.vertices = np.flatnonzero(scene.instance_ids == object_id + 1)
        self.points = scene.vertices_aligned[self.vertices]
        self.box = scene.object_boxes[object_id]
        self._views: dict[str, Views] = {}
        self._covers: dict[tuple[str, frozenset[str]], Verdict] = {}

    @property
    def left_out(self) -> str:
        """Why nothing is asked about this object, or ""."""
        if self.category.strip().lower() in LEFT_OUT:
            return f"of category {self.category!r}"
        return "" if len(self.vertices) else "without vertices"

    def views(self, image: str) -> Views:
        """Rows of `points` that an image sees."""
        if image not in self._views:
            seen = visible(self.scene, image)
            must = np.flatnonzero(np.isin(self.vertices, seen.must))
            self._views[image] = Views(must, np.flatnonzero(np.isin(self.vertices, seen.ties)))
        return self._views[image]

    def counts(self, image: str) -> tuple[int, int]:
        """The least and the most vertices that an image sees."""
        must, ties = self.views(image)
        return len(must), len(must) + len(ties)

    @property
    def needed(self) -> int:
        """Vertices that an image must see to see the object."""
        return max(1, len(self.vertices) // 20)

    def sees(self, image: str) -> Verdict:
        least, most = self.counts(image)
        if least >= self.needed:
            return True
        return None if most >= self.needed else False

    def axes(self, dimension: str) -> list[int]:
        """The axis of a dimension; both horizontal ones where their sides are equal."""
        dx, dy = self.box[3], self.box[4]
        if dimension == "height":
            return [2]
        if abs(dx - dy) <= NOT_JUDGED_M:
            return [0, 1]
        return [0] if (dx > dy) == (dimension == "length") else [1]

    def target(self, dimension: str) -> float:
        """The side of the aligned box, metres."""
        dx, dy, dz = (float(side) for side in self.box[3:])
        return {"height": dz, "length": max(dx, dy), "width": min(dx, dy)}[dimension]

    def covers(self, images: Iterable[str], dimension: str) -> Verdict:
        """Whether what the images see together is within 10 percent of the target."""
        key = dimension, frozenset(images)
        if key not in self._covers:
            axes = self.axes(dimension)
            verdicts = {self._covers_along(axis, key[1], dimension) for axis in axes}
            self._covers[key] = verdicts.pop() if len(verdicts) == 1 else None
        return self._covers[key]

    def _covers_along(self, axis: int, images: frozenset[str], dimension: str) -> Verdict:
        least, most = self.extents(axis, images)
        target = self.target(dimension)
        if abs(least - target) <= COVERED * target - NOT_JUDGED_M:
            return True
        return False if abs(most - target) >= COVERED * target + NOT_JUDGED_M else None

    def extents(self, axis: int, images: Iterable[str]) -> tuple[float, float]:
        """Extent in metres of what the images see: of the certain vertices, and with all ties."""
        views = [self.views(image) for image in images]
        certain = [view.must for view in views]
        extents = []
        for parts in (certain, certain + [view.ties for view in views]):
            along = self.points[np.concatenate(parts), axis]
            extents.append(float(along.max() - along.min()) if len(along) else 0.0)
        return extents[0], extents[1]

    def is_minimal(self, images: Iterable[str], dimension: str) -> Verdict:
        """Whether the images cover and no proper subset does; the empty set never covers."""
        images = frozenset(images)
        whole = self.covers(images, dimension)
        parts = [self.covers(images - {one}, dimension) for one in images if len(images) > 1]
        if whole is False or True in parts:
            return False
        return None if whole is None or None in parts else True


@lru_cache(maxsize=1)
def raw_objects(scene: RawScene) -> dict[int, RawObject]:
    """{object id: what the raw data say}, of all objects of a scene, kept for one scene."""
    return {object_id: RawObject(scene, object_id) for object_id in scene.raw_categories}


def _why_not(scene: RawScene, object_id: object) -> str:
    """Why nothing may be said about this object of the scene, or ""."""
    objects = raw_objects(scene)
    if type(object_id) is not int or object_id not in objects:
        return f"object {object_id!r}: the scene has none of this id"
    reason = objects[object_id].left_out
    return f"object {object_id}: {reason}, is left out" if reason else ""


# ---- pickles, scene by scene ---------------------------------------------------------------------


def load_plain(path: str | Path) -> dict | str:
    """The dict in a pickle of plain data, or a complaint."""
    try:
        content = load(Path(path).read_bytes())
    except Exception as err:  # a damaged pickle can raise almost anything
        return f"cannot be loaded: {str(err) or type(err).__name__}"
    return content if isinstance(content, dict) else f"holds a {type(content).__name__}, not a dict"


def _check_scenes(
    path: str | Path,
    root: str | Path,
    split: str,
    check_scene: Callable[[object, RawScene], list[str]],
) -> list[str]:
    """Complaints about a pickle {scene: ...}: every readable scene of the split, and no other."""
    check_split(split)
    content = load_plain(path)
    if isinstance(content, str):
        return [f"file: {content}"]
    scenes = sorted(set(read_split_list(root, split)))
    complaints = [
        f"file: scene {scene_id!r} is not in split {split}"
        for scene_id in content
        if scene_id not in scenes
    ]
    read, problem = 0, "the list is empty"
    for scene_id in scenes:
        try:
            scene = _read_whole(root, scene_id)
        except RawDataError as err:
            problem, found = str(err), []
            if scene_id in content:
                found = [f"not checked, raw data: {err}"]
        else:
            read += 1
            found = ["is missing"]
            if scene_id in content:
                found = check_scene(content[scene_id], scene)
        complaints += [f"scene {scene_id}: {complaint}" for complaint in found]
    if not read:
        complaints.append(f"file: no scene of split {split} has readable raw data: {problem}")
    return complaints


def _read_whole(root: str | Path, scene_id: str) -> RawScene:
    """A scene of which everything that is needed here was read without error."""
    scene = RawScene(root, scene_id)
    raw_objects(scene)
    for image in scene.valid_frame_ids:
        visible(scene, image)
    return scene


# ---- object visibility ---------------------------------------------------------------------------


def check_object_visibility(pickle_path: str | Path, root: str | Path, split: str) -> list[str]:
    """Complaints about `object_visibility.pkl` (SPEC 8.1), "scene X: ..."; empty = sound."""
    return _check_scenes(pickle_path, root, split, check_scene_visibility)


def check_scene_visibility(
    entry: object, scene: RawScene, images: Iterable[str] | None = None
) -> list[str]:
    """Complaints about one scene of `object_visibility.pkl`.

    images: those whose rows are recomputed, by default every valid frame.
    """
    if not isinstance(entry, dict) or set(entry) != {"object_to_images", "image_to_objects"}:
        return [f"{entry!r:.80} does not hold exactly object_to_images and image_to_objects"]
    by_object, complaints = _read_rows(entry["object_to_images"], "image_id", str)
    by_image, found = _read_rows(entry["image_to_objects"], "object_id", int)
    if complaints or found:
        return [f"object_to_images: {text}" for text in complaints] + [
            f"image_to_objects: {text}" for text in found
        ]
    flipped = {(object_id, image): row for (image, object_id), row in by_image.items()}
    for key in sorted({*by_object, *flipped}, key=repr):
        one, other = by_object.get(key), flipped.get(key)
        if one != other:
            where = f"object {key[0]}, image {key[1]}"
            complaints.append(f"{where}: {one} by object_to_images, {other} by image_to_objects")
    for object_id in entry["object_to_images"]:
        reason = _why_not(scene, object_id)
        complaints += [reason] if reason else []
    named = {*map(_frame, entry["image_to_objects"]), *(image for _, image in by_object)}
    for image in sorted(named - set(scene.valid_frame_ids), key=repr):
        complaints.append(f"image {image!r} is no D5 frame with a valid pose")
    chosen = scene.valid_frame_ids if images is None else list(images)
    for object_id, thing in raw_objects(scene).items():
        if thing.left_out:
            continue
        for image in chosen:
            wrong = _check_row(by_object.get((object_id, image)), thing, image)
            complaints += [f"object {object_id}, image {image}: {wrong}"] if wrong else []
    return complaints


def _read_rows(table: object, other: str, other_type: type) -> tuple[dict, list[str]]:
    """{(key, other id): (count, percent)} of {key: [row]}, and complaints about its form."""
    if not isinstance(table, dict):
        return {}, [f"is no dict but {table!r:.80}"]
    found: dict[tuple, tuple[int, float]] = {}
    complaints = []
    key_type = int if other_type is str else str
    for key, rows in table.items():
        if type(key) is not key_type or not isinstance(rows, list):
            complaints.append(f"{key!r}: {rows!r:.80} is not {key_type.__name__}: list")
            continue
        for row in rows:
            fields = {other, "intersection_count", "visibility"}
            if not isinstance(row, dict) or set(row) != fields:
                complaints.append(f"{key!r}: {row!r:.120} does not hold {sorted(fields)}")
                continue
            count, percent = row["intersection_count"], row["visibility"]
            types = type(row[other]), type(count), type(percent)
            if types not in ((other_type, int, float), (other_type, int, int)):
                complaints.append(f"{key!r}: {row!r:.120} holds a value of another type")
                continue
            pair = _frame(key), _frame(row[other])
            if pair in found:
                complaints.append(f"{key!r}: {row[other]!r} twice")
            found[pair] = count, percent
    return found, complaints


def _frame(name: object) -> object:
    """The id of the frame that a name means; of an object, or what is neither, the name itself."""
    return frame_of(name) or name


def _check_row(row: tuple[int, float] | None, thing: RawObject, image: str) -> str:
    """Complaint about what is recorded of an object in an image, or ""."""
    least, most = thing.counts(image)
    total = len(thing.vertices)
    truth = f"{least} to {most} of {total} vertices are seen, {thing.needed} needed"
    if row is None:
        return f"missing, {truth}" if thing.sees(image) else ""
    count, percent = row
    if not least <= count <= most:
        return f"intersection_count {count}, {truth}"
    if count < thing.needed:
        return f"listed with intersection_count {count}, {truth}"
    if not abs(percent - 100.0 * count / total) <= PERCENT_TOLERANCE:
        return f"visibility {percent!r}, expected {100.0 * count / total}"
    return ""


# ---- coverage ------------------------------------------------------------------------------------


def check_coverage(
    pickle_path: str | Path, root: str | Path, split: str, dimension: str
) -> list[str]:
    """Complaints about a merged coverage pickle (SPEC 8.2, 8.3), "scene X: ..."; empty = sound."""
    if dimension not in DIMENSIONS:
        raise ValueError(f"dimension {dimension!r}, expected one of {DIMENSIONS}")
    check = partial(check_scene_coverage, dimension=dimension)
    return _check_scenes(pickle_path, root, split, check)


def check_scene_coverage(
    entry: object, scene: RawScene, dimension: str, chosen: Iterable[int] | None = None
) -> list[str]:
    """Complaints about one scene of a coverage pickle: {object id: {k: [(image id, ...)]}}.

    chosen: the objects whose sets are recomputed, by default all.
    """
    if not isinstance(entry, dict):
        return [f"is no dict but {entry!r:.80}"]
    reasons = [_why_not(scene, object_id) for object_id in entry]
    complaints = [reason for reason in reasons if reason]
    objects = {i: thing for i, thing in raw_objects(scene).items() if not thing.left_out}
    rng = random.Random(f"{scene.scene_id} {dimension}")
    triples = rng.sample(sorted(objects), min(TRIPLE_SAMPLE, len(objects)))
    for object_id in objects if chosen is None else chosen:
        if object_id not in objects:
            continue
        thing = objects[object_id]
        size = thing.target(dimension)
        found: list[str] = []
        if size < MIN_SIZE_M - NOT_JUDGED_M:
            if object_id in entry:
                found = [f"is there, its {dimension} is only {round(size, 6)} m"]
        elif object_id in entry or size > MIN_SIZE_M + NOT_JUDGED_M:
            sets, found = _read_sets(entry.get(object_id, {}), scene)
            for images in sets:
                wrong = check_set(images, thing, dimension)
                found += [f"{sorted(images)}: {wrong}"] if wrong else []
            found += _check_complete(set(sets), thing, dimension, 3 if object_id in triples else 2)
        complaints += [f"object {object_id}: {text}" for text in found]
    return complaints


def _read_sets(table: object, scene: RawScene) -> tuple[list[frozenset[str]], list[str]]:
    """The sets of {k: [(image id, ...)]}, each once, and complaints about their form."""
    if not isinstance(table, dict):
        return [], [f"is no dict but {table!r:.80}"]
    known, complaints = set(scene.valid_frame_ids), []
    found: dict[frozenset[str], None] = {}  # in the order of the file
    for size, sets in table.items():
        if type(size) is not int or size < 1 or not isinstance(sets, list):
            complaints.append(f"{size!r}: {sets!r:.80} is not a size k: a list")
            continue
        if size > MAX_IMAGES and sets:
            complaints.append(f"{size!r}: sets of so many, at most {MAX_IMAGES} are considered")
            continue
        for images in sets:
            if not isinstance(images, tuple) or not all(type(image) is str for image in images):
                complaints.append(f"{images!r:.80} is no tuple of str")
                continue
            images = tuple(map(_frame, images))
            if len(images) != size:
                complaints.append(f"{images} stands under k = {size}")
            elif len(set(images)) != size:
                complaints.append(f"{images} holds an image twice")
            elif not set(images) <= known:
                complaints.append(f"{images}: {sorted({*images} - known)} are no valid D5 frames")
            elif frozenset(images) in found:
                complaints.append(f"{images} is listed twice")
            else:
                found[frozenset(images)] = None
    return list(found), complaints


def check_set(images: frozenset[str], thing: RawObject, dimension: str) -> str:
    """Complaint about a set of images that is not a minimal covering set of an object, or ""."""
    for image in sorted(images):
        if thing.sees(image) is False:
            seen = f"{thing.counts(image)[1]} of {thing.needed} vertices needed"
            return f"image {image} does not see the object, {seen}"
    if thing.covers(images, dimension) is False:
        extents = [thing.extents(axis, images)[1] for axis in thing.axes(dimension)]
        shown = " or ".join(f"{extent:.6f}" for extent in extents)
        return f"does not cover, extent {shown} m of {thing.target(dimension):.6f} m"
    for one in sorted(images):
        if len(images) > 1 and thing.covers(images - {one}, dimension):
            return f"is not minimal, covers without image {one}"
    return ""


def _check_complete(
    listed: set[frozenset[str]], thing: RawObject, dimension: str, largest: int
) -> list[str]:
    """Whether all minimal sets of up to `largest` of the considered images are listed."""
    may = [image for image in thing.scene.valid_frame_ids if thing.sees(image) is not False]
    must = [image for image in may if thing.sees(image)]
    named = sorted(frozenset().union(*listed))
    if len(named) > MAX_IMAGES:
        return [f"{len(named)} images are in its sets, at most {MAX_IMAGES} may be considered"]
    among = must if len(may) <= MAX_IMAGES else named
    complaints = [
        f"{list(images)} is a minimal set and is not listed"
        for size in range(1, largest + 1)
        for images in combinations(among, size)
        if frozenset(images) not in listed and thing.is_minimal(images, dimension)
    ]
    if len(may) > MAX_IMAGES and not complaints:
        room, expected = _most_considered(named, may, thing, dimension), min(MAX_IMAGES, len(must))
        if room < expected:
            complaints.append(f"no more than {room} images were considered, expected {expected}")
    return complaints


def _most_considered(named: list[str], may: list[str], thing: RawObject, dimension: str) -> int:
    """The most images that can have been considered, given that only `named` are in sets.

    Any other one covers neither alone nor with a named one; and of two others that cover together
    one was not considered: disjoint such pairs take away one image each.
    """

    def is_pair(one: str, other: str) -> bool:
        return thing.is_minimal((one, other), dimension) is True

    others = [
        image
        for image in may
        if image not in named
        and thing.covers([image], dimension) is not True
        and not any(is_pair(image, one) for one in named)
    ]
    room = len(named) + len(others)
    free = set(others)
    for one, other in combinations(others, 2):
        if one in free and other in free and is_pair(one, other):
            free -= {one, other}
            room -= 1
    return room


# ---- questions -----------------------------------------------------------------------------------


def check_object_record(record: dict, scene: RawScene, split: str) -> list[str]:
    """Complaints about one line of a file of object questions; empty when everything is right.

    The scene must be the one that the record's images name. Train records carry `conversations`,
    val records `text`.
    """
    check_split(split)
    if not isinstance(record, dict):
        return ["the record is not a JSON object"]
    complaints = check_fields(record, split, TASK_OF)
    shown = shown_frames(record)
    if isinstance(shown, str):
        return [*complaints, shown]
    scene_id, frames = shown
    complaints += check_words(record, split)
    if scene_id != scene.scene_id:
        return [*complaints, f"image: of scene {scene_id}, checked against {scene.scene_id}"]
    wrong = [complaint for frame in frames if (complaint := check_frame(scene, frame))]
    if wrong:
        return complaints + wrong
    complaints += check_sizes(record, scene, len(frames))
    question_type = known_type(record, TASK_OF)
    if question_type is None:
        return complaints
    try:
        return complaints + _check_truth(record, scene, frames, question_type.split("_")[2])
    except RawDataError as err:
        return [*complaints, f"raw data: {err}"]


def shown_frames(record: dict) -> tuple[str, list[str]] | str:
    """(scene id, frame ids in the order shown), or a complaint."""
    images = record.get("image")
    if not isinstance(images, list) or not images:
        return f"image: {images!r} is not a list of one path or more"
    if len(images) > MAX_IMAGES:
        return f"image: {len(images)} images, at most {MAX_IMAGES} are considered"
    found = [posed_image(path) for path in images]
    for one in found:
        if isinstance(one, str):
            return one
    scenes, frames = sorted({scene_id for scene_id, _ in found}), [frame for _, frame in found]
    if len(scenes) > 1:
        return f"image: several scenes, {scenes}"
    if len(set(frames)) < len(frames):
        return f"image: {frames} holds a frame twice"
    return scenes[0], frames


def check_words(record: dict, split: str) -> list[str]:
    """Complaints about question and answer, as they are read, of a record that shows images."""
    images = len(record["image"])
    return check_texts(record, split, images, lambda text: _check_question(text, record))


def _check_question(text: str, record: dict) -> list[str]:
    """The last line of a text asks about the category, in millimetres, without the answer."""
    complaints = []
    category, lines = record.get("raw_category"), text.strip().splitlines() or [""]
    if isinstance(category, str) and not holds_words(lines[-1], category.strip()):
        complaints.append(f"the category {category!r} is not in the question")
    if not re.search(r"\bmm\b|millimet", lines[-1].lower()):
        complaints.append("does not say that millimetres are wanted")
    return complaints + check_leak(text, record.get("gt_value"), ())


def holds_words(text: str, words: str) -> bool:
    """Whether the words stand in the text, not as parts of longer words."""
    start = text.find(words)
    while start >= 0:
        end = start + len(words)
        before, after = text[max(start - 1, 0) : start], text[end : end + 1]
        if not re.search(r"\w", before + after):
            return True
        start = text.find(words, start + 1)
    return False


def _check_truth(record: dict, scene: RawScene, frames: list[str], dimension: str) -> list[str]:
    """The object, its category and size, and whether the images cover it and are minimal."""
    object_id, gt_value = record.get("object_id"), record.get("gt_value")
    reason = _why_not(scene, object_id)
    if reason:
        return [f"object_id: {reason}"]
    thing = raw_objects(scene)[object_id]
    complaints, size = [], thing.target(dimension)
    if record.get("raw_category") != thing.category:
        said = record.get("raw_category")
        complaints.append(f"raw_category: {said!r}, the annotation says {thing.category!r}")
    if type(gt_value) is not int or gt_value not in acceptable_integers(1000.0 * size):
        complaints.append(f"gt_value: {gt_value!r}, the {dimension} is {1000.0 * size:.6f} mm")
    if size < MIN_SIZE_M - NOT_JUDGED_M:
        complaints.append(
            f"object_id: the {dimension} of object {object_id} is only {round(size, 6)} m"
        )
    wrong = check_set(frozenset(frames), thing, dimension)
    return [*complaints, f"image: {wrong}"] if wrong else complaints


_FILE_NAME = r"object_perception_(height|length|width)_k([1-9][0-9]*)_(train|val)_(-1|[0-9]+)"


def check_object_file(path: str | Path, root: str | Path, split: str) -> list[str]:
    """Complaints about a whole jsonl file of object questions, "line N: ..."; empty = sound.

    Besides each record: what `check_file` asks of any file; no object with the same set of images
    twice; and what the name of the file promises: dimension, number of images, split, most records.
    """
    complaints = check_file(path, root, split, object_rules(path, split))
    with open(path, "rb") as f:
        records = sum(1 for _ in f)
    return complaints + [f"file: {text}" for text in check_object_name(path, split, records)]


def object_rules(path: str | Path, split: str) -> FileRules:
    """What is asked of a file of object questions; part of it the file's name promises."""
    name = re.fullmatch(_FILE_NAME + "[.]jsonl", Path(path).name)
    dimension, size = name.groups()[:2] if name else (None, None)

    def asked(record: dict) -> tuple[str, tuple] | str:
        shown, object_id = shown_frames(record), record.get("object_id")
        if isinstance(shown, str):
            return shown
        if type(object_id) is not int:
            return f"object_id: {object_id!r} is not an int"
        return shown[0], (object_id, frozenset(shown[1]))

    def check(record: dict, scene: RawScene) -> list[str]:
        complaints = check_object_record(record, scene, split)
        if size and len(record["image"]) != int(size):
            complaints.append(f"image: {len(record['image'])} images, the file's name says {size}")
        return complaints

    promised = f"object_perception_{dimension}_estimation" if dimension else None
    return FileRules(
        asked, "object_id, image: the object and images of line {} again", check, promised
    )


def check_object_name(path: str | Path, split: str, records: int) -> list[str]:
    """Complaints about the name of a file of so many object questions."""
    name = re.fullmatch(_FILE_NAME + "[.]jsonl", Path(path).name)
    if not name:
        return [f"{Path(path).name!r} is not object_perception_<dim>_k<k>_..."]
    complaints, (_, _, named_split, most) = [], name.groups()
    if named_split != split:
        complaints.append(f"its name says {named_split}, checked as {split}")
    if most != "-1" and records > int(most):
        complaints.append(f"{records} records, its name says at most {most}")
    return complaints
