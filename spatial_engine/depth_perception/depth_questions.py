"""How far points lie from the camera: drawn, measured, phrased, written (SPEC 6).

Two questions, estimation (one point) and comparison (two), in two prompts: `coor` names the points
by coordinates, `dot` marks them in a picture. Depth is the distance along the viewing direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.cameras import permille
from spatial_engine.utils.pictures.drawing import PALETTE, MarkSize
from spatial_engine.utils.questions import marked_images, records
from spatial_engine.utils.questions.marked_images import MarkedImage
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import Templates, load_templates
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.scene_views import Fits, SceneViews

MAX_NEW_DRAWS = 10  # of two points, when the first two cannot be compared
HARD_TO_TELL_MM = 20  # depths nearer to each other than this are counted

_TEMPLATES = Path(__file__).parent / "templates"


def variants(task: str) -> tuple[str, ...]:
    """What a question can ask for; each has sentences of its own."""
    return ("closer", "farther") if TASKS[task].num_points == 2 else ("",)


def slots(task: str) -> tuple[str, ...]:
    """Slots of a question, in the order of the points."""
    if TASKS[task].marked:
        return ()
    return ("point1", "point2") if TASKS[task].num_points == 2 else ("point",)


def load_sentences(task: str) -> dict[str, Templates]:
    """The sentences of a task, by variant."""
    path, names = _TEMPLATES / f"{task}.json", frozenset(slots(task))
    return {variant: load_templates(path, names, variant) for variant in variants(task)}


@dataclass(frozen=True)
class SceneRequest:
    """The request for one scene: the number of records (-1 = each frame once), about the frames
    whose image exists, in these `sentences` (`load_sentences`). `seen_rule`, `dot_radius` and
    `min_gap_mm` are constants of the scripts."""

    task: str
    split: str
    scene_id: str
    seed: int
    wanted: int
    images: frozenset[str]
    seen_rule: str
    dot_radius: int = 0
    min_gap_mm: int = 1
    sentences: Mapping[str, Templates] = field(kw_only=True)


@dataclass(frozen=True)
class DrawnPoints:
    """Points to be asked about: `frames` (n,), vertices `points` (n, k), their `pixels` (n, k, 2)
    and `depths_mm` (n, k) int."""

    frames: np.ndarray
    points: np.ndarray
    pixels: np.ndarray
    depths_mm: np.ndarray


def write_scene(
    arguments: tuple[SceneInfoHandler, Path, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, and their pictures where the points are shown by dots."""
    scenes, table, request = arguments
    views = SceneViews(scenes, request.scene_id, table, request.seen_rule)
    rng = sampling.generator(request.seed, request.task, request.split, request.scene_id)
    result = PartResult()
    frames = choose_frames(rng, views, request, result)
    drawn = draw_points(rng, views, frames, request, result)
    if TASKS[request.task].marked:
        pictures = plan_pictures(rng, views, drawn, request)
        colors = marked_images.draw_pictures(
            pictures,
            lambda image_id: scenes.color(request.scene_id, image_id),
            MarkSize.of(request.dot_radius, views.image_size),
            views.image_size,
            part_dir / marked_images.FOLDER,
        )
        named = [(picture.name, found) for picture, found in zip(pictures, colors, strict=True)]
    else:
        named = [(f"{views.image_ids[frame]}.jpg", []) for frame in drawn.frames.tolist()]
    lines = phrase(rng, views, drawn, named, request)
    path = part_dir / f"{request.task}.jsonl"
    result.counts[request.task] = records.write_jsonl(path, lines)
    return result


def choose_frames(
    rng: np.random.Generator, views: SceneViews, request: SceneRequest, result: PartResult
) -> np.ndarray:
    """The frame of each record (n,), each frame equally often, to within one.

    Frames that see too few points, or whose image is missing, are left out and counted. An
    estimation asks about each frame once.
    """
    enough = views.num_seen >= TASKS[request.task].num_points
    there = np.array([image_id in request.images for image_id in views.image_ids], bool)
    result.drops[request.task] = {
        "frames that see no vertex": int(np.count_nonzero(views.num_seen == 0)),
        "frames that see one vertex": int(np.count_nonzero(~enough & (views.num_seen == 1))),
        "frames whose image file is missing": int(np.count_nonzero(enough & ~there)),
    }
    frames = rng.permutation(np.flatnonzero(enough & there))
    wanted = len(frames) if request.wanted < 0 else request.wanted
    if TASKS[request.task].num_points == 1:
        return frames[:wanted]
    return np.resize(frames, wanted if len(frames) else 0)


def draw_points(
    rng: np.random.Generator,
    views: SceneViews,
    frames: np.ndarray,
    request: SceneRequest,
    result: PartResult,
) -> DrawnPoints:
    """Draw the points of each frame; frames for which there are none are dropped and counted."""
    size = MarkSize.of(request.dot_radius, views.image_size)

    def fits(numbers: np.ndarray, points: np.ndarray) -> np.ndarray:
        if not TASKS[request.task].marked:
            return np.ones(points.shape, bool)
        return size.is_inside(views.measure(frames[numbers], points)[0], views.image_size)

    drops = result.drops[request.task]
    if TASKS[request.task].num_points == 1:
        points, found = views.draw_point(rng, frames, fits)
        points = points[:, None]
        drops["no point clear of the border"] = int(np.count_nonzero(~found))
    else:
        apart = 2 * size.reach if TASKS[request.task].marked else 0
        points, found = draw_two_points(rng, views, frames, fits, request.min_gap_mm, apart)
        drops["no new pair of points that can be compared"] = int(np.count_nonzero(~found))
    frames, points = frames[found], points[found]
    pixels, depths_mm = views.measure_mm(frames, points)
    if TASKS[request.task].num_points == 2:
        near = np.abs(depths_mm[:, 0] - depths_mm[:, 1]) < HARD_TO_TELL_MM
        hard = int(np.count_nonzero(near))
        result.notes[request.task] = {f"depths within {HARD_TO_TELL_MM} mm": hard}
    return DrawnPoints(frames, points, pixels, depths_mm)


def draw_two_points(
    rng: np.random.Generator,
    views: SceneViews,
    frames: np.ndarray,
    fits: Fits,
    min_gap_mm: int,
    apart: float,
) -> tuple[np.ndarray, np.ndarray]:
    """For each of `frames` (n,) two visible points whose depths differ by `min_gap_mm` or more,
    whose coordinates differ, and whose pixels are `apart` or more.

    Returns points (n, 2) int32 and whether they were found, (n,) bool. No frame gets the same two
    points twice. An unsuitable draw is repeated up to `MAX_NEW_DRAWS` times.
    """
    points = np.zeros((len(frames), 2), np.int32)
    found = np.zeros(len(frames), bool)
    taken = np.zeros(0, np.int64)
    num_vertices = views.visibility.num_points
    for _ in range(1 + MAX_NEW_DRAWS):
        pending = np.flatnonzero(~found)
        if not len(pending):
            break
        drawn = views.visibility.draw_points(rng, frames[pending], 2)
        pixels, depths_mm = views.measure_mm(frames[pending], drawn)
        coordinates = permille(pixels, views.image_size)
        good = np.abs(depths_mm[:, 0] - depths_mm[:, 1]) >= max(min_gap_mm, 1)
        good &= (coordinates[:, 0] != coordinates[:, 1]).any(axis=1)
        good &= np.linalg.norm(pixels[:, 0] - pixels[:, 1], axis=1) >= apart
        good &= fits(pending, drawn).all(axis=1)
        low, high = np.sort(drawn.astype(np.int64), axis=1).T
        keys = (frames[pending] * num_vertices + low) * num_vertices + high
        first = np.zeros(len(keys), bool)
        first[np.unique(keys, return_index=True)[1]] = True
        good &= first & ~np.isin(keys, taken)
        points[pending[good]] = drawn[good]
        found[pending[good]] = True
        taken = np.concatenate([taken, keys[good]])
    return points, found


def plan_pictures(
    rng: np.random.Generator, views: SceneViews, drawn: DrawnPoints, request: SceneRequest
) -> list[MarkedImage]:
    """The picture of each record: `<frame>_<vertex>[_<vertex>].jpg`."""
    letters = TASKS[request.task].options or ("",)
    colors = rng.permuted(np.tile(np.arange(len(PALETTE)), (len(drawn.frames), 1)), axis=1)
    rows = zip(
        drawn.frames.tolist(), drawn.points.tolist(), drawn.pixels, colors.tolist(), strict=True
    )
    return [
        MarkedImage(
            image_id := views.image_ids[frame],
            f"{image_id}_{'_'.join(map(str, points))}.jpg",
            pixels,
            letters,
            preferences,
        )
        for frame, points, pixels, preferences in rows
    ]


def phrase(
    rng: np.random.Generator,
    views: SceneViews,
    drawn: DrawnPoints,
    pictures: list[tuple[str, list[str]]],
    request: SceneRequest,
) -> Iterator[dict[str, Any]]:
    """Records about the drawn points; `pictures` are the file name and the mark colours of each."""
    task = request.task
    count = len(drawn.frames)
    ask_closer = (rng.random(count) < 0.5).tolist()
    sentences = {name: of.draw(rng, count) for name, of in request.sentences.items()}
    coordinates = permille(drawn.pixels, views.image_size).tolist()
    marked, compared, names = TASKS[task].marked, TASKS[task].num_points == 2, slots(task)
    letters = TASKS[task].options or (None, None)
    rows = zip(
        drawn.frames.tolist(), drawn.points.tolist(), coordinates, drawn.depths_mm.tolist(),
        pictures, strict=True,
    )  # fmt: skip
    for number, (frame, points, places, depths, (name, colors)) in enumerate(rows):
        told = [
            {"x": x, "y": y, "depth_mm": depth, "letter": letter}
            for (x, y), depth, letter in zip(places, depths, letters, strict=False)
        ]
        extra: dict[str, Any] = {"points_info": told}
        gt_value: records.Value = depths[0]
        variant = ""
        if compared:
            closer = ask_closer[number]
            chosen = int((depths[1] < depths[0]) == closer)
            gt_value = letters[chosen] if marked else places[chosen]
            extra["is_closer_question"] = closer
            variant = "closer" if closer else "farther"
        description, question, answer = sentences[variant][number]
        if marked:
            extra["mark_colors"] = colors
        else:
            for slot, place in zip(names, places, strict=True):
                question = question.replace(f"{{{slot}}}", format_value(place))
        ids = "_".join(map(str, points))
        yield records.make_record(
            request.split,
            f"{task}_{request.split}_{request.scene_id}_{views.image_ids[frame]}_{ids}",
            [f"{request.scene_id}/{name}"],
            [views.image_size],
            task,
            (description, question, answer),
            gt_value,
            extra,
        )
