"""How far points lie from the camera: drawn, measured, phrased, written (SPEC 6).

Two questions, estimation (one point) and comparison (two), in two prompts: `coor` names the points
by coordinates, `dot` marks them in a picture. Depth is the distance along the viewing direction.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.depth_perception import depth_pairs
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
from spatial_engine.utils.scenes.scene_views import SceneViews

_TEMPLATES = Path(__file__).parent / "templates"


def load_sentences(task: str, published: bool = False) -> Templates:
    """The sentences of a task."""
    return load_templates(_TEMPLATES, task, published)


@dataclass(frozen=True)
class SceneRequest:
    """The request for one scene: the number of records (-1 = each frame once), about the frames
    whose image exists, by the `constants` of the script, in these `sentences`
    (`load_sentences`)."""

    task: str
    split: str
    scene_id: str
    seed: int
    wanted: int
    images: Set[str]
    constants: Mapping[str, Any]
    sentences: Templates

    def mark_size(self, views: SceneViews) -> MarkSize:
        """Size of the dots; 0 where points are named."""
        return MarkSize.of(self.constants.get("DOT_RADIUS_PX", 0), views.image_size)


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
    views = SceneViews(scenes, request.scene_id, table, request.constants["SEEN_RULE"])
    rng = sampling.generator(request.seed, request.task, request.split, request.scene_id)
    result = PartResult()
    frames = choose_frames(rng, views, request, result)
    drawn = draw_points(rng, views, frames, request, result)
    if TASKS[request.task].marked:
        pictures = plan_pictures(rng, views, drawn, request)
        colors = marked_images.draw_pictures(
            pictures,
            lambda image_id: scenes.color(request.scene_id, image_id),
            request.mark_size(views),
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
    estimation asks about each frame once, a comparison at most `MAX_PER_FRAME` times.
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
    most = request.constants["MAX_PER_FRAME"]
    asked = wanted if most < 0 else min(wanted, most * len(frames))
    result.drops[request.task][beyond_most(most)] = wanted - asked
    return np.resize(frames, asked if len(frames) else 0)


def beyond_most(most: int) -> str:
    """The reason why a comparison is dropped whose frame was asked about `most` times."""
    return f"more than {most} questions about a frame"


def draw_points(
    rng: np.random.Generator,
    views: SceneViews,
    frames: np.ndarray,
    request: SceneRequest,
    result: PartResult,
) -> DrawnPoints:
    """Draw the points of each frame; frames for which there are none are dropped and counted."""
    size = request.mark_size(views)

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
        points, found = depth_pairs.draw_two_points(
            rng, views, frames, fits, request.constants, apart
        )
        drops["no new pair of points that can be compared"] = int(np.count_nonzero(~found))
    frames, points = frames[found], points[found]
    pixels, depths_mm = views.measure_mm(frames, points)
    if TASKS[request.task].num_points == 2:
        lower = int(np.count_nonzero(depth_pairs.is_nearer_lower(pixels, depths_mm)))
        result.notes[request.task] = {
            "nearer point lower in the image": lower,
            "nearer point higher": len(frames) - lower,
        }
    return DrawnPoints(frames, points, pixels, depths_mm)


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
    ask_closer = rng.random(count) < 0.5
    variants = ask_closer.astype(int) if TASKS[task].num_points == 2 else 0
    sentences = request.sentences.draw(rng, request.split, count, variants)
    coordinates = permille(drawn.pixels, views.image_size).tolist()
    marked, compared, slots = TASKS[task].marked, TASKS[task].num_points == 2, TASKS[task].slots
    letters = TASKS[task].options or (None, None)
    rows = zip(
        drawn.frames.tolist(), drawn.points.tolist(), coordinates, drawn.depths_mm.tolist(),
        pictures, ask_closer.tolist(), sentences, strict=True,
    )  # fmt: skip
    for frame, points, places, depths, (name, colors), closer, phrase in rows:
        told = [
            {"x": x, "y": y, "depth_mm": depth, "letter": letter}
            for (x, y), depth, letter in zip(places, depths, letters, strict=False)
        ]
        extra: dict[str, Any] = {"points_info": told}
        gt_value: records.Value = depths[0]
        if compared:
            chosen = int((depths[1] < depths[0]) == closer)
            gt_value = letters[chosen] if marked else places[chosen]
            extra["is_closer_question"] = closer
        if marked:
            extra["mark_colors"] = colors
        else:
            phrase = phrase.filled(dict(zip(slots, map(format_value, places), strict=True)))
        ids = "_".join(map(str, points))
        yield records.make_record(
            request.split,
            f"{task}_{request.split}_{request.scene_id}_{views.image_ids[frame]}_{ids}",
            [f"{request.scene_id}/{name}"],
            [views.image_size],
            task,
            phrase,
            gt_value,
            extra,
        )
