"""What is recorded of a ScanNet scene, in its axis-aligned world, z up.

Always: `world/points` in colour, `world/boxes` with the annotators' words, `world/camera_path`.
By frame: `world/camera` (pose), `world/camera/image`, `world/camera/depth`, `world/seen` (the
vertices that the frame sees, by the visibility table). Frames without a valid pose are left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rerun as rr
import rerun.blueprint as rrb

from spatial_engine.errors import BadDataError
from spatial_engine.report.recordings.recordings import (
    IMAGE,
    WORLD,
    log_lens,
    log_path,
    log_view,
    spread_evenly,
    write_recording,
)
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.paths import instance_data_dir, posed_images_dir, visibility_table_path
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler, remedy_of
from spatial_engine.utils.storage.files import check_disk
from spatial_engine.utils.tables.visibility_table import SceneVisibility, VisibilityInfoHandler

SEEN_COLOR = (255, 120, 0)
DEPTH, BOXES, SEEN = "world/camera/depth", "world/boxes", "world/seen"
EYE_SHARE = np.array([-0.4, -0.6, 0.75])  # where the eye is at first, in diagonals of the room


def record_scene(
    scenes: SceneInfoHandler, split: str, scene_id: str, path: Path, max_frames: int
) -> int:
    """Write the recording of a scene; return how many frames it shows.

    Raises `EngineError` naming the command that makes what is missing, stale or damaged.
    """
    table = VisibilityInfoHandler(visibility_table_path(scenes.dataset, split))
    table.check_is_about(scene_id, scenes.geometry_hash(scene_id))
    visibility = table.load_scene(scene_id)
    image_ids, poses = scenes.valid_frames(scene_id)
    points, colors = scenes.points(scene_id), read_colors(scenes, scene_id)
    if not image_ids or not len(points):
        raise BadDataError(
            f"{scene_id}: no frame with a valid pose, or no vertex; {remedy_of(scenes.dataset)}"
        )
    if not all(image_id.isdecimal() and len(image_id) < 10 for image_id in image_ids):
        raise BadDataError(
            f"{scene_id}: image ids that are not numbers; {remedy_of(scenes.dataset)}"
        )
    frames = spread_evenly(len(image_ids), max_frames)
    width, height = scenes.depth_size(scene_id)
    image_bytes = sum(len(read_jpeg(scenes, scene_id, image_ids[k])) for k in frames)
    seen_bytes = 12 * int(visibility.num_seen[frames].sum())
    num_bytes = image_bytes + seen_bytes + 2 * width * height * len(frames) + 16 * len(points)
    check_disk(path.parent, 1, num_bytes)

    with write_recording(path, "scene", scene_id, make_blueprint(points)) as stream:
        stream.log(WORLD, rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        cloud = rr.Points3D(points, colors=colors, radii=rr.Radius.ui_points(1.5))
        stream.log(f"{WORLD}/points", cloud, static=True)
        log_boxes(stream, scenes, scene_id)
        log_path(stream, poses[:, :3, 3])
        cameras = scenes.intrinsics(scene_id, image_ids)[:, :3, :3]
        one_camera = bool((cameras == cameras[0]).all())
        if one_camera:
            log_lenses(stream, scenes, scene_id, cameras[0])
        for k in frames:
            log_frame(stream, scenes, scene_id, image_ids[k], poses[k])
            if not one_camera:
                log_lenses(stream, scenes, scene_id, cameras[k], of_all=False)
            log_seen(stream, points, visibility, image_ids[k])
    return len(frames)


def read_colors(scenes: SceneInfoHandler, scene_id: str) -> np.ndarray:
    """(n, 3) uint8 RGB of the vertices; `SceneInfoHandler.points` checks the same file."""
    path = instance_data_dir(scenes.dataset) / scene_id / "aligned_points.npy"
    return np.load(path, allow_pickle=False)[:, 3:].clip(0, 255).astype(np.uint8)


def read_jpeg(scenes: SceneInfoHandler, scene_id: str, image_id: str) -> bytes:
    """A colour image as it is stored; only its header is looked at."""
    path = posed_images_dir(scenes.dataset) / scene_id / f"{image_id}.jpg"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise BadDataError(f"{path}: no such image; {posed_images.REMEDY}") from None
    jpeg.read_size(data, path, posed_images.REMEDY)
    return data


def log_boxes(stream: rr.RecordingStream, scenes: SceneInfoHandler, scene_id: str) -> None:
    """The boxes of the objects that have vertices, named."""
    boxes = {i: scenes.aligned_box(scene_id, i) for i in scenes.object_ids(scene_id)}
    there = [i for i, box in boxes.items() if box[3:6].any() and np.isfinite(box).all()]
    if not there:
        return
    log = rr.Boxes3D(
        centers=[boxes[i][:3] for i in there],
        sizes=[boxes[i][3:6] for i in there],
        labels=[plain_text(scenes.category(scene_id, i)) for i in there],
        class_ids=[int(boxes[i][6].clip(0, 40)) for i in there],  # a colour for a NYU40 class
        radii=rr.Radius.ui_points(1),
        fill_mode=rr.components.FillMode.MajorWireframe,
        show_labels=True,  # by default those of many boxes are hidden
    )
    stream.log(BOXES, log, static=True)


def plain_text(text: str) -> str:
    """Annotations are json, which can hold halves of characters that no file can."""
    return text.encode("utf-8", "replace").decode()


def log_lenses(
    stream: rr.RecordingStream,
    scenes: SceneInfoHandler,
    scene_id: str,
    intrinsic: np.ndarray,
    of_all: bool = True,
) -> None:
    """Both cameras, of all frames or the present one: depth is read where the colour image shows
    the point, so it has the colour camera's lens (3, 3), in its own pixels."""
    color_size, depth_size = scenes.color_size(scene_id), scenes.depth_size(scene_id)
    log_lens(stream, IMAGE, intrinsic, color_size, of_all)
    scale = np.diag([*np.divide(depth_size, color_size), 1.0])
    log_lens(stream, DEPTH, scale @ intrinsic, depth_size, of_all)


def log_frame(
    stream: rr.RecordingStream,
    scenes: SceneInfoHandler,
    scene_id: str,
    image_id: str,
    pose: np.ndarray,
) -> None:
    """Pose and images of a frame, which the timeline calls by its id."""
    log_view(stream, int(image_id), pose, read_jpeg(scenes, scene_id, image_id))
    stream.log(DEPTH, rr.DepthImage(scenes.depth(scene_id, image_id), meter=MM_PER_METRE))


def log_seen(
    stream: rr.RecordingStream, points: np.ndarray, visibility: SceneVisibility, image_id: str
) -> None:
    """The vertices that the present frame sees."""
    seen = rr.Points3D(
        points[visibility.points(image_id)], colors=[SEEN_COLOR], radii=rr.Radius.ui_points(2)
    )
    stream.log(SEEN, seen)


def make_blueprint(points: np.ndarray) -> rrb.Blueprint:
    """The room (points (n, 3) metres) on the left, what the camera sees on the right.

    The room is seen from above its walls. The depth image, which would stand in it as a second
    cloud of points, is off there until its eye is clicked.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    center, reach = (low + high) / 2, float(np.linalg.norm(high - low))
    eye = rrb.EyeControls3D(position=center + reach * EYE_SHARE, look_target=center)
    hidden = rrb.EntityBehavior(visible=False)
    room = rrb.Spatial3DView(
        origin=WORLD, name="scene", eye_controls=eye, overrides={DEPTH: hidden}
    )
    color = rrb.Spatial2DView(origin=IMAGE, name="image")
    boxes = rrb.Spatial2DView(
        origin=IMAGE, contents=["$origin/**", f"/{BOXES}"], name="image with boxes"
    )
    small = rr.Points3D.from_fields(radii=rr.Radius.ui_points(1))  # to leave the image in sight
    seen = rrb.Spatial2DView(
        origin=IMAGE,
        contents=["$origin/**", f"/{SEEN}"],
        name="image with the vertices it sees",
        overrides={SEEN: small},
    )
    depth = rrb.Spatial2DView(origin=DEPTH, name="depth")
    images = rrb.Vertical(rrb.Tabs(color, boxes), seen, depth)
    return rrb.Blueprint(rrb.Horizontal(room, images, column_shares=[5, 2]), collapse_panels=True)
