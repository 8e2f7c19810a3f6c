"""What is recorded of a TAPVid-3D clip, in the world of its camera poses.

Always: `world/camera_path`. By frame: `world/camera` (pose), `world/camera/image`, and the tracked
points where they are known, `world/tracks/visible` and `world/tracks/hidden` (dark). Points of a
rigid body share a colour; those of none are grey.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from spatial_engine.report.recordings.recordings import (
    IMAGE,
    TIMELINE,
    WORLD,
    log_lens,
    log_path,
    log_view,
    spread_evenly,
    write_recording,
)
from spatial_engine.utils.clips.clips import Clip
from spatial_engine.utils.geometry.rigid_bodies import rigid_bodies
from spatial_engine.utils.pictures.drawing import PALETTE
from spatial_engine.utils.storage.files import check_disk

VISIBLE, HIDDEN = "world/tracks/visible", "world/tracks/hidden"
NO_BODY_COLOR = (150, 150, 150)
HIDDEN_SHARE = 0.4  # how bright a point is that the camera does not see
TRAIL_FRAMES = 8  # visible points stay for so many frames in the 3D view, which shows motion


def record_clip(clip: Clip, path: Path, max_frames: int) -> int:
    """Write the recording of a clip; return how many frames it shows."""
    frames = spread_evenly(len(clip.images), max_frames)
    tracks = clip.tracks_world()
    colors = body_colors(rigid_bodies(clip.tracks_cam), tracks.shape[1])
    image_bytes = sum(len(clip.images[k]) for k in frames)
    check_disk(path.parent, 1, image_bytes + 16 * len(frames) * tracks.shape[1])

    step = -(-len(clip.images) // len(frames))  # frames between two that are shown, at most
    with write_recording(path, "clip", clip.clip_id, make_blueprint(step)) as stream:
        stream.log(WORLD, up_axis(clip.world_from_cam), static=True)
        log_path(stream, clip.world_from_cam[:, :3, 3])
        log_lens(stream, IMAGE, clip.intrinsic, clip.image_size)
        for k in frames:
            log_view(stream, k, clip.world_from_cam[k], clip.images[k])
            log_tracks(stream, tracks[k], clip.visible[k], colors)
    return len(frames)


def body_colors(bodies: list[np.ndarray], num_points: int) -> np.ndarray:
    """(num_points, 3) uint8 RGB; bodies take turns with the colours of the palette."""
    colors = np.full((num_points, 3), NO_BODY_COLOR, np.uint8)
    for number, members in enumerate(bodies):
        colors[members] = PALETTE[number % len(PALETTE)]
    return colors


def log_tracks(
    stream: rr.RecordingStream, points: np.ndarray, visible: np.ndarray, colors: np.ndarray
) -> None:
    """Points (n, 3) of the present frame in metres, NaN where unknown, apart by `visible` (n,)."""
    hidden = np.isfinite(points).all(axis=1) & ~visible
    dark = (colors * HIDDEN_SHARE).astype(np.uint8)
    for entity, shown, shade, size in ((VISIBLE, visible, colors, 4), (HIDDEN, hidden, dark, 2.5)):
        radius = rr.Radius.ui_points(size)
        stream.log(entity, rr.Points3D(points[shown], colors=shade[shown], radii=radius))


def up_axis(world_from_cam: np.ndarray) -> rr.ViewCoordinates:
    """The axis of the world that is nearest to the camera's up in all frames (T, 4, 4).

    The data sets do not say which it is; their videos are upright.
    """
    down = world_from_cam[:, :3, 1].mean(axis=0)
    axis = int(np.abs(down).argmax())
    return getattr(
        rr.ViewCoordinates, f"RIGHT_HAND_{'XYZ'[axis]}_{'DOWN' if down[axis] > 0 else 'UP'}"
    )


def make_blueprint(step: int) -> rrb.Blueprint:
    """The tracks on the left, on the right the video, alone and with the tracks over it."""
    trail = rrb.VisibleTimeRanges(
        timeline=TIMELINE,
        start=rrb.TimeRangeBoundary.cursor_relative(seq=-TRAIL_FRAMES * step),
        end=rrb.TimeRangeBoundary.cursor_relative(),
    )
    world = rrb.Spatial3DView(origin=WORLD, name="tracks", overrides={VISIBLE: trail})
    image = rrb.Spatial2DView(origin=IMAGE, name="video")
    marked = rrb.Spatial2DView(
        origin=IMAGE, contents=["$origin/**", f"/{VISIBLE}"], name="video with visible points"
    )
    images = rrb.Vertical(image, marked)
    return rrb.Blueprint(rrb.Horizontal(world, images, column_shares=[2, 1]), collapse_panels=True)
