"""Where a point of one image is in another: drawn, measured, phrased, written (SPEC 7).

Two tasks: `correspondence_coor` names the point by coordinates and asks for those in the other
image; `correspondence_multichoice` marks it by a dot and offers four lettered dots, one of which is
the match.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.cameras import MM_PER_METRE, permille
from spatial_engine.utils.pictures.drawing import PALETTE, MarkSize
from spatial_engine.utils.questions import marked_images, records
from spatial_engine.utils.questions.marked_images import MarkedImage
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import Templates, load_templates
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_views import SceneViews
from spatial_engine.utils.tables import pair_table
from spatial_engine.visual_correspondence.distractors import (
    PlaceArrangements,
    SurfaceArrangements,
    arrange,
)

LETTERS = TASKS["correspondence_multichoice"].options
# How far off the poses of scans are taken to be.
POSE_ERROR_MM = 5.0
POSE_ERROR_DEG = 0.2
POINTS_AT_ONCE = 2**18  # of pairs of which all points are looked at together

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class SceneRequest:
    """What is asked about one scene: the rows of its pair table, about the images that are there,
    in these `sentences`. The others are constants of the script; no `max_error_mm` is 0."""

    task: str
    split: str
    scene_id: str
    seed: int
    rows: np.ndarray
    images: Set[str]
    seen_rule: str
    max_error_mm: float
    dot_radius: int = 0
    difficulty: str = "easy"
    sentences: Templates = field(kw_only=True)

    @property
    def is_marked(self) -> bool:
        """Whether points are shown by dots."""
        return TASKS[self.task].marked


@dataclass(frozen=True)
class Matches:
    """Points that two frames see: `frames` (n, 2), vertices `points` (n,), `pixels` (n, 2, 2) in
    the first and in the second, `overlap` (n,) of the frames in percent."""

    frames: np.ndarray
    points: np.ndarray
    pixels: np.ndarray
    overlap: np.ndarray

    def where(self, kept: np.ndarray) -> Matches:
        """Some of them, by a mask (n,)."""
        return Matches(*(values[kept] for values in vars(self).values()))


def load_sentences(task: str, published: bool = False) -> Templates:
    """The sentences of a task."""
    return load_templates(_TEMPLATES, task, published)


def write_scene(
    arguments: tuple[SceneInfoHandler, Path, Path, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, and their pictures where points are shown by dots."""
    scenes, visibility_path, pairs_path, request = arguments
    views = SceneViews(scenes, request.scene_id, visibility_path, request.seen_rule)
    table = pair_table.open_pairs(pairs_path)
    pair_table.check_is_about(table, request.scene_id, scenes.geometry_hash(request.scene_id))
    columns = pair_table.read_scene_pairs(table, request.scene_id, views.image_ids)
    chosen = {name: column[request.rows] for name, column in columns.items()}

    rng = sampling.generator(request.seed, request.task, request.split, request.scene_id)
    result = PartResult()
    matches = draw_matches(rng, views, chosen, request, result)
    if request.is_marked:
        size = MarkSize.of(request.dot_radius, views.image_size)
        matches, options, answers = draw_options(rng, views, matches, size, request, result)
        pictures = plan_pictures(rng, views, matches, options)
        colors = marked_images.draw_pictures(
            pictures,
            lambda image_id: scenes.color(request.scene_id, image_id),
            size,
            views.image_size,
            part_dir / marked_images.FOLDER,
        )
        lines = phrase_choices(rng, views, matches, options, answers, pictures, colors, request)
    else:
        lines = phrase_coordinates(rng, views, matches, request)
    path = part_dir / f"{request.task}.jsonl"
    result.counts[request.task] = records.write_jsonl(path, lines)
    return result


def draw_matches(
    rng: np.random.Generator,
    views: SceneViews,
    chosen: dict[str, np.ndarray],
    request: SceneRequest,
    result: PartResult,
) -> Matches:
    """One point for each chosen pair of frames, which are swapped with probability 1/2.

    `chosen` holds `first`, `second` and `overlap`, (n,) each. Pairs without such a point, or with
    a missing image, are dropped and counted.
    """
    frames = np.stack([chosen["first"], chosen["second"]], axis=1)
    there = np.array([image_id in request.images for image_id in views.image_ids], bool)
    both = there[frames].all(axis=1)
    frames, overlap = frames[both], chosen["overlap"][both]
    swapped = rng.random(len(frames)) < 0.5
    frames[swapped] = frames[swapped, ::-1]
    size = MarkSize.of(request.dot_radius, views.image_size)

    def suits(pairs: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Whether points (n,), which both frames of their pair (n, 2) see, can be asked about."""
        good = np.ones(len(points), bool)
        if request.max_error_mm:
            good = are_certain(views, pairs, points, request.max_error_mm)
        if request.is_marked:
            for side in (0, 1):
                pixels, _ = views.measure(pairs[:, side], points[:, None])
                good &= size.is_inside(pixels[:, 0], views.image_size)
        return good

    def fits(numbers: np.ndarray, points: np.ndarray) -> np.ndarray:
        good = views.visibility.sees(frames[numbers, 1], points)
        rows, columns = np.nonzero(good)
        good[rows, columns] = suits(frames[numbers[rows]], points[rows, columns])
        return good

    def all_fitting(numbers: np.ndarray) -> Iterator[np.ndarray]:
        # Most points are left out here, at little cost.
        among = views.normal_bits if request.max_error_mm else None
        at_once = max(POINTS_AT_ONCE // int(views.num_seen.max(initial=1)), 1)
        for start in range(0, len(numbers), at_once):
            pairs = frames[numbers[start : start + at_once]]
            rows, shared = views.visibility.in_common(*pairs.T, among)
            good = suits(pairs.T.take(rows, axis=1).T, shared)
            counts = np.bincount(rows[good], minlength=len(pairs))
            yield from np.split(shared[good], np.cumsum(counts)[:-1])

    points, found = views.draw_point(rng, frames[:, 0], fits, all_fitting)
    result.drops[request.task] = {
        "pairs whose image file is missing": int(np.count_nonzero(~both)),
        "pairs without a point that can be asked about": int(np.count_nonzero(~found)),
    }
    frames, points, overlap = frames[found], points[found], overlap[found]
    pixels = np.stack(
        [views.measure(frames[:, side], points[:, None])[0][:, 0] for side in (0, 1)], axis=1
    )
    return Matches(frames, points, pixels, overlap)


def are_certain(
    views: SceneViews, frames: np.ndarray, points: np.ndarray, most_mm: float
) -> np.ndarray:
    """Whether two frames (n, 2) show each of the vertices `points` (n,) within `most_mm` of each
    other (`match_errors_mm`), (n,) bool. The second is measured where the first is not too far off
    alone, with a little room for rounding."""
    good = np.zeros(len(points), bool)
    first = squared_errors_mm(views, frames[:, :1], points)
    left = np.flatnonzero(first[:, 0] <= most_mm**2 * (1 + 1e-9))  # NaN is not
    second = squared_errors_mm(views, frames[left, 1:], points[left])
    good[left] = np.sqrt((first[left] + second)[:, 0]) <= most_mm
    return good


def match_errors_mm(views: SceneViews, frames: np.ndarray, points: np.ndarray) -> np.ndarray:
    """How far apart, along the surface, two frames (n, 2) may show each of the vertices `points`
    (n,), as their poses are off by `POSE_ERROR_MM` and `POSE_ERROR_DEG`: (n,), NaN where a vertex
    has no normal. A surface that is met at a flat angle shows it farther off.
    """
    return np.sqrt(squared_errors_mm(views, frames, points).sum(axis=1))


def squared_errors_mm(views: SceneViews, frames: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The squares of how far off each of the frames (n, k) may show its vertex: (n, k), as of
    `match_errors_mm`."""
    squares, along = np.zeros(frames.shape), np.zeros(frames.shape)
    for place, normal, center in zip(views.axes, views.normals.T, views.centers.T, strict=True):
        ray = place.take(points)[:, None] - center.take(frames)
        part = ray * normal.take(points)[:, None]
        along += part  # distance times cosine
        squares += np.multiply(ray, ray, out=ray)  # of the distances
    turned = np.deg2rad(POSE_ERROR_DEG) * MM_PER_METRE
    errors = turned**2 * squares
    errors += POSE_ERROR_MM**2
    errors *= squares  # so far beside the ray
    along *= along
    errors /= np.maximum(along, 1e-12, out=along)
    return errors


def draw_options(
    rng: np.random.Generator,
    views: SceneViews,
    matches: Matches,
    size: MarkSize,
    request: SceneRequest,
    result: PartResult,
) -> tuple[Matches, np.ndarray, np.ndarray]:
    """Three distractors for each match, and letters for the four.

    Returns the matches for which there is room, their options (n, 4, 2), pixels in the second
    image by letter, and the number of the right letter (n,).
    """
    count = len(matches.points)
    options = np.full((count, len(LETTERS), 2), np.nan)
    if request.difficulty == "medium":
        on_surface = SurfaceArrangements(views, matches.frames[:, 1], matches.points)
        arrange(rng, on_surface, options, views.image_size, size)
        elsewhere = int(np.count_nonzero(np.isnan(options[:, 0, 0])))
        result.notes[request.task] = {"no room on the surface, wrong dots anywhere": elsewhere}
    anywhere = PlaceArrangements(
        matches.pixels[:, 1], views.image_size, size, request.difficulty == "hard"
    )
    arrange(rng, anywhere, options, views.image_size, size)
    room = np.isfinite(options).all(axis=(1, 2))
    result.drops[request.task]["no room for three distractors"] = int(np.count_nonzero(~room))
    order = rng.permuted(np.tile(np.arange(len(LETTERS)), (count, 1)), axis=1)
    shuffled = np.take_along_axis(options, order[:, :, None], axis=1)
    answers = np.argmin(order, axis=1)  # where option 0, the match, has come to be
    return matches.where(room), shuffled[room], answers[room]


def plan_pictures(
    rng: np.random.Generator, views: SceneViews, matches: Matches, options: np.ndarray
) -> list[MarkedImage]:
    """Two pictures for each match: `<shown>_<other>_<vertex>_<1 or 2>.jpg`.

    The dot of the first image has none of the colours of the second: colours give nothing away.
    """
    colors = rng.permuted(np.tile(np.arange(len(PALETTE)), (len(options), 1)), axis=1).tolist()
    pictures = []
    rows = zip(matches.frames.tolist(), matches.points.tolist(), strict=True)
    for number, ((first, second), point) in enumerate(rows):
        id1, id2 = views.image_ids[first], views.image_ids[second]
        place, mine = matches.pixels[number, :1], colors[number]
        split = len(PALETTE) - len(LETTERS) - 2
        pictures += [
            MarkedImage(id1, f"{id1}_{id2}_{point}_1.jpg", place, ("",), mine[:split]),
            MarkedImage(id2, f"{id2}_{id1}_{point}_2.jpg", options[number], LETTERS, mine[split:]),
        ]
    return pictures


def phrase_choices(
    rng: np.random.Generator,
    views: SceneViews,
    matches: Matches,
    options: np.ndarray,
    answers: np.ndarray,
    pictures: list[MarkedImage],
    colors: list[list[str]],
    request: SceneRequest,
) -> Iterator[dict[str, Any]]:
    """Records whose answer is a letter."""
    places = permille(options, views.image_size).tolist()
    names = iter(pictures)
    shades = iter(colors)
    for record, mine, answer in zip(
        _facts(rng, views, matches, request), places, answers.tolist(), strict=True
    ):
        record["images"] = [f"{request.scene_id}/{next(names).name}" for _ in range(2)]
        record["gt_value"] = LETTERS[answer]
        record["extra"]["options"] = dict(zip(LETTERS, mine, strict=True))
        record["extra"]["mark_colors"] = [*next(shades), *next(shades)]
        yield records.make_record(**record)


def phrase_coordinates(
    rng: np.random.Generator, views: SceneViews, matches: Matches, request: SceneRequest
) -> Iterator[dict[str, Any]]:
    """Records whose answer is the coordinates in the second image."""
    for record in _facts(rng, views, matches, request):
        place = format_value(record["extra"]["p1"])
        record["phrase"] = record["phrase"].filled({"point": place})
        record["gt_value"] = record["extra"]["p2"]
        yield records.make_record(**record)


def _facts(
    rng: np.random.Generator, views: SceneViews, matches: Matches, request: SceneRequest
) -> Iterator[dict[str, Any]]:
    """What the records of both tasks hold, as arguments of `make_record`; no answer yet."""
    sentences = request.sentences.draw(rng, request.split, len(matches.points))
    places = permille(matches.pixels, views.image_size).tolist()
    rows = zip(
        matches.frames.tolist(), matches.points.tolist(), places, matches.overlap.tolist(),
        sentences, strict=True,
    )  # fmt: skip
    for (first, second), point, (p1, p2), overlap, phrase in rows:
        id1, id2 = views.image_ids[first], views.image_ids[second]
        yield {
            "split": request.split,
            "record_id": f"{request.task}_{request.split}_{request.scene_id}_{id1}_{id2}_{point}",
            "images": [f"{request.scene_id}/{id1}.jpg", f"{request.scene_id}/{id2}.jpg"],
            "sizes": [views.image_size] * 2,
            "task": request.task,
            "phrase": phrase,
            "extra": {"p1": p1, "p2": p2, "overlap": overlap},
        }
