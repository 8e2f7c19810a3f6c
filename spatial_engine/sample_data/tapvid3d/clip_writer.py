"""One sample clip from its description to a TAPVid-3D npz, and the truth about it for tests.

Costs docs/performance.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from spatial_engine.errors import SettingsError
from spatial_engine.sample_data.rooms.clip_rooms import CLIP_ROOMS, ROOMS_OF
from spatial_engine.sample_data.tapvid3d import clip_points
from spatial_engine.sample_data.tapvid3d.clip_pictures import pictures
from spatial_engine.sample_data.tapvid3d.clip_plays import PLAYS
from spatial_engine.sample_data.tapvid3d.clip_spec import (
    CAMERAS,
    NO_CLIP_QUIRKS,
    ClipQuirks,
    ClipSpec,
)
from spatial_engine.sample_data.tapvid3d.clip_stage import DRIVE_ORIGIN, Stage, build_stage
from spatial_engine.utils.storage import files

UNKNOWN = 0.05  # of the points have no coordinates where they are not visible
JITTER = 0.0005  # metres, standard deviation of each coordinate of a track, as of tracked points
STEP_NOISE, APART = 0.01, 0.3  # metres: changes up to the one do not count, the other is plenty
FULL_FRAMES = {"adt": 300, "pstudio": 150, "drivetrack": 100}  # of real clips
# Of drivetrack: noise of each place of the camera, and its jumps, where a clip has them; metres.
POSE_NOISE, POSE_JUMP = 0.005, 0.5
HIDDEN_QUERIES = 0.2  # of the points that some frame does not show


@dataclass(frozen=True)
class ClipTruth:
    """What is true about a clip, in the order of the points in its npz.

    body (N,): number of the body in `body_names` that a point sits on, -1 for the room; motion
    (N,): equal where points move rigidly together, -1 for the room; world (T, N, 3) float64 metres,
    in no frame NaN; extrinsics_w2c (T, 4, 4) float64, all identity where the camera stands still;
    tracks (T, N, 3) float64, never NaN, without jitter; visibility (T, N).
    """

    body: np.ndarray
    motion: np.ndarray
    world: np.ndarray
    extrinsics_w2c: np.ndarray
    tracks: np.ndarray
    visibility: np.ndarray
    body_names: tuple[str, ...]


def write_clip(
    path: str | Path,
    *,
    seed: int = 0,
    kind: str = "adt",
    play: str | None = None,
    num_frames: int | None = None,
    image_size: tuple[int, int] | None = None,
    num_points: int = 1000,
    picture_repeat: int = 10,
    quirks: ClipQuirks = NO_CLIP_QUIRKS,
) -> ClipSpec:
    """Write one clip of true size to `path` (`<id>.npz`), whole or not at all; its description.

    For benchmarks and tests. `kind` is adt, pstudio or drivetrack and gives the defaults: 300
    frames of 512x512, 150 of 640x360, or 100 of 1920x1280. `play` names one of `PLAYS`, by default
    the seed chooses it. Every picture stands for `picture_repeat` frames; tracks and visibility are
    those of each frame.
    """
    path = Path(path)
    names = plays_of(kind)
    spec = ClipSpec(
        clip_id=path.stem,
        kind=kind,
        play=play or names[seed % len(names)],
        seed=seed,
        num_frames=num_frames or FULL_FRAMES[kind],
        image_size=image_size or CAMERAS[kind][0],
        num_points=num_points,
        picture_repeat=picture_repeat,
        quirks=quirks,
    )
    if spec.play not in names:
        raise SettingsError(f"{spec.play}: no play of {kind} clips, which are {', '.join(names)}")
    write_clip_file(path, spec)
    return spec


def plays_of(kind: str) -> list[str]:
    """Names of the plays for adt (a walking camera), pstudio (one that stands still) or drivetrack
    (one that drives)."""
    if kind not in CAMERAS:
        raise SettingsError(f"{kind}: no kind of clip; there are {', '.join(CAMERAS)}")
    rooms = {room.name for room in ROOMS_OF[kind]}
    return [name for name, play in PLAYS.items() if play.room in rooms]


def write_clip_file(path: Path, spec: ClipSpec) -> None:
    """Write the npz of a clip, whole or not at all, replacing what is there."""
    images = [image for image in pictures(_made(spec)[0]) for _ in range(spec.picture_repeat)]
    kind = object if spec.quirks.object_array else None  # None: bytes of one width
    arrays = {"images_jpeg_bytes": np.array(images[: spec.num_frames], dtype=kind)}
    arrays |= annotation(spec)
    if spec.quirks.without_extrinsics:
        del arrays["extrinsics_w2c"]
    _save(path, arrays, spec.quirks.compressed)


def write_annotation_file(path: Path, spec: ClipSpec) -> None:
    """Write what the official script keeps in its folder `tmp`: a clip without its pictures."""
    _save(path, annotation(spec), compressed=False)


def annotation(spec: ClipSpec) -> dict[str, np.ndarray]:
    """All arrays of a clip but the pictures; `extrinsics_w2c` where the camera moves."""
    stage, _, _, visibility = _made(spec)
    tracks = _tracked(spec)
    kind = np.float64 if spec.quirks.double else np.float32
    camera = spec.camera().K
    arrays = {
        "queries_xyt": _queries(spec, stage, tracks, visibility).astype(kind),
        "tracks_XYZ": np.where(_gaps(spec)[..., None], np.nan, tracks).astype(kind),
        "visibility": visibility,
        "fx_fy_cx_cy": camera[[0, 1, 0, 1], [0, 1, 2, 2]].astype(kind),
    }
    if spec.kind != "pstudio":
        arrays["extrinsics_w2c"] = _found_extrinsics(spec, stage.cam_from_world).astype(kind)
    return arrays


def clip_truth(spec: ClipSpec) -> ClipTruth:
    """The truth about the clip of a description; renders nothing, writes nothing."""
    stage, points, tracks, visibility = _made(spec)
    world = np.stack([clip_points.positions(stage, points, t) for t in range(spec.num_frames)])
    if spec.kind == "pstudio":
        world = tracks.copy()
    if spec.kind == "drivetrack":
        world += DRIVE_ORIGIN
    return ClipTruth(
        body=points.body,
        motion=np.append(stage.motion, -1)[points.body],
        world=world,
        extrinsics_w2c=stage.cam_from_world,
        tracks=tracks,
        visibility=visibility,
        body_names=tuple(body.name for body in stage.play.bodies),
    )


Made = tuple[Stage, clip_points.Points, np.ndarray, np.ndarray]


def _made(spec: ClipSpec) -> Made:
    """The stage of a clip, its points, tracks (T, N, 3) and visibility (T, N)."""
    # What is odd about the file changes nothing of the clip.
    return _made_once(replace(spec, quirks=NO_CLIP_QUIRKS))


@lru_cache(maxsize=2)
def _made_once(spec: ClipSpec) -> Made:
    if spec.play not in PLAYS or PLAYS[spec.play].room not in CLIP_ROOMS:
        raise SettingsError(f"{spec.play}: no such play")
    stage = build_stage(spec)
    return stage, *clip_points.choose(stage, spec.generator("points"))


def _queries(
    spec: ClipSpec, stage: Stage, tracks: np.ndarray, visibility: np.ndarray
) -> np.ndarray:
    """(N, 3) pixel x, y and frame: of a frame in which the point is visible, else of one in which
    it lies farthest before the camera."""
    if spec.quirks.hidden_queries:
        hidden = spec.generator("hidden queries").uniform(size=visibility.shape[1])
        visibility = visibility != ((hidden < HIDDEN_QUERIES) & ~visibility.all(0))
    draw = stage.spec.generator("queries").uniform(size=visibility.shape)
    frame = np.where(visibility.any(0), (visibility * draw).argmax(0), tracks[..., 2].argmax(0))
    chosen = tracks[frame, np.arange(len(frame))]
    return np.column_stack([clip_points.pixels(stage, chosen), frame])


def _found_extrinsics(spec: ClipSpec, cam_from_world: np.ndarray) -> np.ndarray:
    """(T, 4, 4) extrinsics as a clip tells them: those of drivetrack are near the true ones, or
    jump away from them and back, a time or two."""
    if spec.kind != "drivetrack":
        return cam_from_world
    world_from_cam = np.linalg.inv(cam_from_world)
    rng = spec.generator("pose noise")
    world_from_cam[:, :3, 3] += rng.normal(0, POSE_NOISE, (len(world_from_cam), 3))
    if spec.quirks.jumps:
        first, second = 4 * len(world_from_cam) // 10, 7 * len(world_from_cam) // 10
        world_from_cam[first:second, 0, 3] += POSE_JUMP
    return np.linalg.inv(world_from_cam)


def _tracked(spec: ClipSpec) -> np.ndarray:
    """The tracks (T, N, 3) as they are found: near the true ones."""
    _, _, tracks, _ = _made(spec)
    return tracks + spec.generator("jitter").normal(0, JITTER, tracks.shape)


def _gaps(spec: ClipSpec) -> np.ndarray:
    """(T, N) bool: where points have no coordinates, some where they are not visible: points of
    which enough stays known to say what they move with."""
    stage, points, tracks, visibility = _made(spec)
    motion = np.append(stage.motion, -1)[points.body]
    rng, share = spec.generator("gaps"), visibility.mean(0)
    wanted = max(1, round(UNKNOWN * len(share)))
    chosen: list[int] = []
    for point in rng.permutation(np.flatnonzero((share > 0) & (share < 1))).tolist():
        if len(chosen) < wanted and _told_apart(tracks, visibility[:, point], point, motion):
            chosen.append(point)
    if spec.quirks.lost_point:
        chosen += np.flatnonzero(share == 0)[:1].tolist()
    gaps = np.zeros(visibility.shape, bool)
    gaps[:, chosen] = ~visibility[:, chosen]
    return gaps


def _told_apart(tracks: np.ndarray, known: np.ndarray, point: int, motion: np.ndarray) -> bool:
    """Whether a point, known in some frames (T,) only, moves against all of other motion: metres
    that its distances to them change by, from frame to frame, in all."""
    distances = np.linalg.norm(tracks - tracks[:, point, None], axis=-1)
    steps = np.abs(np.diff(distances, axis=0)) * (known[1:] & known[:-1])[:, None]
    change = np.where(steps > STEP_NOISE, steps, 0).sum(0)
    groups = [change[motion == other] for other in np.setdiff1d(motion, motion[point])]
    return all(group.mean() > APART and group.min() > 0 for group in groups)


def _save(path: Path, arrays: dict[str, np.ndarray], compressed: bool) -> None:
    """Write an npz, whole or not at all. numpy gives its members a fixed date."""
    with files.atomic_path(path) as partial, open(partial, "wb") as file:
        (np.savez_compressed if compressed else np.savez)(file, **arrays)
