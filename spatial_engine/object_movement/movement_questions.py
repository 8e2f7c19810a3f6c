"""How tracked points move in the world: drawn, measured, phrased, written (SPEC 9).

Two questions, distance and displacement vector, about each pair of frames, in two prompts: `coord`
names the point by coordinates, `dot` marks it in a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.object_movement.movement_pairs import (
    NUM_BINS,
    Limits,
    MovementRule,
    PointPairs,
    draw_point_pairs,
    pairs_of,
    swapped_extra,
    with_still_share,
)
from spatial_engine.utils.clips import clips
from spatial_engine.utils.clips.clip_sets import CLIP_SETS
from spatial_engine.utils.clips.clips import Clip
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.body_motion import BodyMotion
from spatial_engine.utils.geometry.cameras import MM_PER_METRE, permille
from spatial_engine.utils.geometry.point_motions import Motions
from spatial_engine.utils.paths import CLIP_DATASETS, clip_frame_name
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.pictures.drawing import PALETTE, MarkSize
from spatial_engine.utils.questions import marked_images, records
from spatial_engine.utils.questions.marked_images import MarkedImage
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.templates import Templates, load_templates
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.storage import files
from spatial_engine.utils.tables import body_table

PROMPTS = ("coord", "dot")
QUANTITIES = ("distance", "vector")
CAMERA_MOVES_M = 0.01  # a camera that moves less counts as still; as published
BETWEEN = "pairs in which the point moved by less than can be told (between still and moved)"
JUMPING = "clips whose points jump from frame to frame: how they move is not known"
RADIUS_SHARE = 100  # a dot's radius is the image's width divided by this

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class ClipRequest:
    """What is asked about one clip; the numbers are constants of the scripts, by split.

    `frames` and `bodies` are the folders of the clip's frames and rigid bodies; `at_most` pairs are
    of use, -1 = all; `rule` says what counts as moved; `sentences` are as of `load_sentences`.
    """

    prompt: str
    dataset: str
    split: str
    clip_id: str
    seed: int
    points_per_group: int
    pairs_per_bin: int
    frames: Path
    bodies: Path
    at_most: int = -1
    rule: MovementRule = field(kw_only=True)
    sentences: Mapping[str, Templates] = field(kw_only=True)

    def task(self, quantity: str) -> str:
        """Name of the task that asks for a quantity."""
        return task_of(self.prompt, quantity, self.dataset)


@dataclass(frozen=True)
class MeasuredPairs:
    """Measurements of pairs of frames of points, (n,) each.

    `pairs`; `pixels` (n, 2, 2) of the point in both images; `distance_mm` (n,) and `vector_mm`
    (n, 3) int, in the axes of the first camera; `point_moving`, `cam_moving` bool.
    """

    pairs: PointPairs
    pixels: np.ndarray
    distance_mm: np.ndarray
    vector_mm: np.ndarray
    point_moving: np.ndarray
    cam_moving: np.ndarray


def task_of(prompt: str, quantity: str, dataset: str) -> str:
    """Name of a task."""
    return f"movement_{prompt}_{quantity}_{dataset}"


def load_sentences(prompt: str, published: bool = False) -> dict[str, Templates]:
    """The sentences of a prompt by quantity; the data sets share them."""
    return {
        quantity: load_templates(_TEMPLATES, task_of(prompt, quantity, CLIP_DATASETS[0]), published)
        for quantity in QUANTITIES
    }


def write_clip(arguments: tuple[Path, ClipRequest], part_dir: Path) -> PartResult:
    """Write one clip's records about both quantities, and its pictures for dots."""
    path, request = arguments
    clip = clips.read_clip(path, camera_moves=CLIP_SETS[request.dataset].camera_moves)
    prompt = f"movement_{request.prompt}"
    rng = sampling.generator(request.seed, prompt, request.split, request.clip_id)
    drops: dict[str, int] = {}
    notes: dict[str, int] = {}
    limits = limits_of(clip, request.dataset, request.rule, drops, notes)
    found = read_bodies(clip, request.bodies)
    pairs = draw_pairs(rng, clip, found, request, limits, drops, notes)
    if 0 <= request.at_most < len(pairs):  # no picture for records that will not be taken
        drops["more pairs of one clip than are wanted of all"] = len(pairs) - request.at_most
        pairs = pairs.where(sampling.draw(rng, len(pairs), request.at_most))
    measured = measure(clip, pairs, limits.still_m)
    colors: dict[tuple[int, int], str] = {}
    if request.prompt == "dot":
        colors = draw_pictures(clip, measured, request, part_dir / marked_images.FOLDER)
    result = PartResult()
    notes["the point did not move"] = int(np.count_nonzero(~measured.point_moving))
    for quantity in QUANTITIES:
        task = request.task(quantity)
        lines = phrase(rng, clip, measured, colors, quantity, request)
        result.counts[task] = records.write_jsonl(part_dir / f"{task}.jsonl", lines)
        result.drops[task] = drops
        result.notes[task] = notes
    return result


def read_bodies(clip: Clip, folder: Path) -> list[np.ndarray]:
    """The rigid bodies of a clip, each (k,) ascending numbers of points, from their folder."""
    path = folder / body_table.FILE
    return body_table.read_bodies(path, clip.clip_id, clip.tracks_cam.shape[1])


def limits_of(
    clip: Clip, dataset: str, rule: MovementRule, drops: dict[str, int], notes: dict[str, int]
) -> Limits:
    """What counts as still and as moved in a clip; counts what nothing is known of."""
    arrays = clip.tracks_cam, clip.visible, clip.world_from_cam
    if CLIP_SETS[dataset].one_body:
        motion = BodyMotion.of(*arrays)
        drops[JUMPING] = int(motion.jumps)
        return Limits.of_body(rule, motion)
    jitter = Motions.of(*arrays).jitter
    notes["clips whose jitter is not known: nothing stands still"] = int(np.isnan(jitter))
    return Limits.of(rule, jitter)


def draw_pairs(
    rng: np.random.Generator,
    clip: Clip,
    bodies: Sequence[np.ndarray],
    request: ClipRequest,
    limits: Limits,
    drops: dict[str, int],
    notes: dict[str, int],
) -> PointPairs:
    """Pairs of frames of points drawn from each of the rigid `bodies`; `drops` counts what is
    left out, `notes` what else is of interest."""
    still_m = limits.still_m
    share = request.rule.static_share if request.split == "train" else 0
    most_still = NUM_BINS * request.pairs_per_bin if share else 1
    untold, parts = 0, []
    for pairs in _pairs_of_points(rng, clip, bodies, request, drops):
        is_told = (pairs.moved < still_m) | (pairs.moved >= limits.moved_m)
        told = pairs.where(np.flatnonzero(is_told))
        untold += len(pairs) - len(told)
        most = most_still
        if limits.one_body:  # still pairs of one clip are to come with the moving ones of another
            most = max(1, round(share * min(most_still, len(pairs))))
        parts.append(draw_point_pairs(rng, told, still_m, request.pairs_per_bin, most))
    drops[BETWEEN] = untold
    drawn = PointPairs.joined(parts)
    if share and not limits.one_body:
        drawn, missing = with_still_share(rng, drawn, still_m, share)
        notes["pairs of still points missing to STATIC_SHARE"] = missing
    if request.split == "train":
        drawn = PointPairs.joined([drawn, swapped_extra(rng, drawn)])
    return drawn


def _pairs_of_points(
    rng: np.random.Generator,
    clip: Clip,
    bodies: Sequence[np.ndarray],
    request: ClipRequest,
    drops: dict[str, int],
) -> Iterator[PointPairs]:
    """All pairs of frames that can be asked about, of each point drawn from a rigid body.

    The points of a body are drawn after the pairs of the body before it.
    """
    askable = can_be_asked(clip, request.prompt)
    drops["frames that show a point outside the image or at its border"] = int(
        np.count_nonzero(clip.visible & ~askable)
    )
    world = clip.tracks_world()
    drops["clips without a rigid body"] = int(not bodies)
    enough = np.count_nonzero(askable, axis=0) >= 2
    for body in bodies:
        body = body[enough[body]]
        count = min(request.points_per_group, len(body))
        for point in np.sort(rng.choice(body, size=count, replace=False)).tolist():
            frames = np.flatnonzero(askable[:, point])
            yield pairs_of(point, frames, world[frames, point])


def can_be_asked(clip: Clip, prompt: str) -> np.ndarray:
    """Whether a point can be asked about in a frame, (T, N) bool: visible and within the image,
    for dots with room for the mark."""
    pixels = clip.project()
    with np.errstate(invalid="ignore"):
        if prompt == "dot":
            inside = mark_size(clip.image_size).is_inside(pixels, clip.image_size)
        else:
            inside = ((pixels >= 0) & (pixels < np.array(clip.image_size))).all(axis=2)
    return clip.visible & inside


def mark_size(image_size: tuple[int, int]) -> MarkSize:
    """Size of the dots in an image of (width, height)."""
    return MarkSize.of(max(1, image_size[0] // RADIUS_SHARE), image_size)


def measure(clip: Clip, pairs: PointPairs, still_m: float) -> MeasuredPairs:
    """Measure drawn pairs. A displacement of a still point counts as 0."""
    world, pixels = clip.tracks_world(), clip.project()
    both = np.stack([pairs.first, pairs.second], axis=1)
    step = world[pairs.second, pairs.points] - world[pairs.first, pairs.points]
    cam_from_world = np.linalg.inv(clip.world_from_cam)[:, :3, :3]
    vector = (cam_from_world[pairs.first] @ step[:, :, None])[:, :, 0]
    moving = pairs.moved >= still_m
    cameras = clip.world_from_cam[:, :3, 3]
    cam_moved = np.linalg.norm(cameras[pairs.second] - cameras[pairs.first], axis=1)
    return MeasuredPairs(
        pairs,
        pixels[both, pairs.points[:, None]],
        np.rint(np.where(moving, pairs.moved, 0) * MM_PER_METRE).astype(np.int64),
        np.rint(np.where(moving[:, None], vector, 0) * MM_PER_METRE).astype(np.int64),
        moving,
        cam_moved >= CAMERA_MOVES_M,
    )


def picture_name(frame: int, point: int) -> str:
    """File name of the marked picture of a frame and a point, shared by all questions."""
    return f"{frame:05d}_{point}_annotated.jpg"


def draw_pictures(
    clip: Clip, measured: MeasuredPairs, request: ClipRequest, folder: Path
) -> dict[tuple[int, int], str]:
    """Write one marked picture for each (frame, point) of a first image; return their colours.

    The frames of the second images are linked, unmarked. A mark's colour follows from clip, frame
    and point alone.
    """
    pairs = measured.pairs
    keys = np.stack([pairs.first, pairs.points], axis=1)
    keys, rows = np.unique(keys, axis=0, return_index=True)
    pictures = []
    for (frame, point), row in zip(keys.tolist(), rows.tolist(), strict=True):
        rng = sampling.generator(0, request.clip_id, str(frame), str(point))
        preferences = rng.permutation(len(PALETTE)).tolist()
        center = measured.pixels[row, :1]
        name = picture_name(frame, point)
        pictures.append(MarkedImage(clip_frame_name(frame), name, center, ("",), preferences))
    remedy = "remove the folder and start again"
    colors = marked_images.draw_pictures(
        pictures,
        lambda name: jpeg.read(request.frames / name, remedy, to_encode=True),
        mark_size(clip.image_size),
        clip.image_size,
        folder,
    )
    for frame in np.unique(pairs.second).tolist():
        files.link_or_copy(request.frames / clip_frame_name(frame), folder / clip_frame_name(frame))
    return {tuple(key): color for key, (color,) in zip(keys.tolist(), colors, strict=True)}


def phrase(
    rng: np.random.Generator,
    clip: Clip,
    measured: MeasuredPairs,
    colors: dict[tuple[int, int], str],
    quantity: str,
    request: ClipRequest,
) -> Iterator[dict[str, Any]]:
    """Records about one quantity of the measured pairs; `colors` are those of the marks."""
    pairs, task, clip_id = measured.pairs, request.task(quantity), request.clip_id
    variants = measured.point_moving.astype(int)
    sentences = request.sentences[quantity].draw(rng, request.split, len(pairs), variants)
    answers = measured.distance_mm if quantity == "distance" else measured.vector_mm
    rows = zip(
        pairs.first.tolist(), pairs.second.tolist(), pairs.points.tolist(),
        permille(measured.pixels, clip.image_size).tolist(), answers.tolist(),
        measured.point_moving.tolist(), measured.cam_moving.tolist(), sentences, strict=True,
    )  # fmt: skip
    for first, second, point, (p1, p2), answer, moves, cam_moves, phrase in rows:
        extra = {"point_moving": moves, "cam_moving": cam_moves, "p1": p1, "p2": p2}
        shown = clip_frame_name(first)
        if colors:
            shown = picture_name(first, point)
            extra["mark_colors"] = [colors[first, point]]
        else:
            phrase = phrase.filled({"point": format_value(p1)})
        yield records.make_record(
            request.split,
            f"{task}_{request.split}_{clip_id}_{first:05d}_{second:05d}_{point}",
            [f"{clip_id}/{shown}", f"{clip_id}/{clip_frame_name(second)}"],
            [clip.image_size] * 2,
            task,
            phrase,
            answer,
            extra,
        )
