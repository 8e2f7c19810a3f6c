"""A video of ARKitScenes as a posed RGB-D capture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.arkitscenes_utils.boxes import read_boxes, vertices_in_boxes
from spatial_engine.utils.arkitscenes_utils.frame_poses import (
    nearest,
    read_camera,
    read_trajectory,
)
from spatial_engine.utils.arkitscenes_utils.video_files import (
    CAMERAS,
    COLOR,
    DEPTH,
    REMEDY,
    VideoFiles,
    find_files,
)
from spatial_engine.utils.preparation.capture import AnnotatedMesh, Capture, MeshObject, Picture
from spatial_engine.utils.preparation.frame_files import load_image, read_color
from spatial_engine.utils.preparation.images import image_data
from spatial_engine.utils.preparation.ply import read_vertices
from spatial_engine.utils.storage.input_files import found_instead
from spatial_engine.utils.storage.os_errors import dangling_link

POSE_TOLERANCE_S = 0.005  # between a frame and its pose, as the owners' loader takes
CAMERA_TOLERANCE_MS = 1  # between a frame and its intrinsics, whose names were rounded apart
UP = np.array([0.0, 0.0, 1.0])
GREY = 128  # of vertices without colours
NO_DEPTH, NO_COLOR = "without a depth image", "without a colour image"
NO_POSE = f"without a pose within {1000 * POSE_TOLERANCE_S:g} ms"
BEHIND_POSES = "after the last pose"
NO_CAMERA = f"without intrinsics within {CAMERA_TOLERANCE_MS} ms"


@dataclass(frozen=True)
class _Frames:
    """Frames that can be used, in order: (n,) int64 numbers, milliseconds of images and of
    intrinsics, and places of poses."""

    numbers: np.ndarray
    times: np.ndarray
    cameras: np.ndarray
    poses: np.ndarray


def open_capture(folder: Path, video_id: str) -> Capture:
    """The video whose folder this is, of either download.

    A frame has the number of its image among all in `lowres_wide`, from 0 by time. Raises
    `BadDataError` naming file, cause and remedy.
    """
    files = find_files(folder, video_id)
    pose_times, poses = read_trajectory(files.trajectory)
    frames, left_out = _match(files, pose_times)
    cameras = [read_camera(files.path(CAMERAS, time)) for time in frames.cameras.tolist()]
    color_size = cameras[0][1]
    for (_, size), time in zip(cameras, frames.cameras.tolist(), strict=True):
        if size != color_size:
            raise BadDataError(
                f"{files.path(CAMERAS, time)}: for images of {size[0]}x{size[1]} pixels, the first "
                f"is for {color_size[0]}x{color_size[1]}; {REMEDY}"
            )
    times = dict(zip(frames.numbers.tolist(), frames.times.tolist(), strict=True))
    return Capture(
        numbers=frames.numbers,
        poses=poses[frames.poses],
        intrinsics=np.stack([intrinsic for intrinsic, _ in cameras]),
        color_size=color_size,
        images=partial(_images, files, times, color_size),
        up=UP,
        left_out=left_out,
        mesh=partial(_annotated_mesh, files) if _is_there(files.mesh) else None,
        may_be_turned=True,
    )


def _match(files: VideoFiles, pose_times: np.ndarray) -> tuple[_Frames, dict[str, int]]:
    """Frames with colour, depth, pose and intrinsics; how many lack something, by the first that
    they lack."""
    colors, depths = files.times(COLOR), files.times(DEPTH)
    for kind, found in ((COLOR, colors), (DEPTH, depths)):
        if not found:
            raise BadDataError(
                f"{files.frames / kind}: holds no images called {files.video_id}_<seconds>.png, "
                f"so the video has no {'depth' if kind == DEPTH else 'frames'}; {REMEDY}"
            )
    both = np.array(sorted(set(colors) & set(depths)), np.int64)
    left_out: Counter[str] = Counter()
    left_out[NO_DEPTH] = len(set(colors) - set(depths))
    left_out[NO_COLOR] = len(set(depths) - set(colors))
    if not len(both):
        raise BadDataError(
            f"{files.frames / DEPTH}: no depth image has the time of an image in {COLOR}; {REMEDY}"
        )

    places = nearest(pose_times, both / 1000, POSE_TOLERANCE_S)
    places = _one_frame_a_pose(places, np.abs(pose_times[places] - both / 1000))
    behind = (places < 0) & (both / 1000 > pose_times[-1] + POSE_TOLERANCE_S)
    left_out[BEHIND_POSES] = int(behind.sum())
    left_out[NO_POSE] = int((places < 0).sum()) - left_out[BEHIND_POSES]
    if not (places >= 0).any():
        raise BadDataError(
            f"{files.trajectory}: no frame has a pose, as frames are from {both[0] / 1000:.3f} to "
            f"{both[-1] / 1000:.3f} s and poses from {pose_times[0]:.3f} to "
            f"{pose_times[-1]:.3f} s; {REMEDY}"
        )
    both, places = both[places >= 0], places[places >= 0]

    known = np.array(files.times(CAMERAS), np.int64)
    cameras = nearest(known, both, CAMERA_TOLERANCE_MS)
    left_out[NO_CAMERA] = int((cameras < 0).sum())
    usable = cameras >= 0
    if not usable.any():
        raise BadDataError(
            f"{files.frames / CAMERAS}: no frame with depth and a pose has intrinsics; {REMEDY}"
        )
    numbers = np.searchsorted(np.array(colors), both[usable])
    frames = _Frames(numbers, both[usable], known[cameras[usable]], places[usable])
    return frames, {why: count for why, count in left_out.items() if count}


def _one_frame_a_pose(places: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Places of poses (n,), -1 for none, with each pose left to the frame nearest to it."""
    kept = np.full_like(places, -1)
    by_distance = np.argsort(distances, kind="stable")
    by_distance = by_distance[places[by_distance] >= 0]
    chosen = by_distance[np.unique(places[by_distance], return_index=True)[1]]
    kept[chosen] = places[chosen]
    return kept


def _images(
    files: VideoFiles, times: dict[int, int], color_size: tuple[int, int], numbers: Sequence[int]
) -> Iterator[Picture]:
    for number in numbers:
        color_path, depth_path = (files.path(kind, times[int(number)]) for kind in (COLOR, DEPTH))
        color = read_color(color_path, color_size, REMEDY)
        yield Picture(int(number), color, _depth(depth_path, color_size))


def _depth(path: Path, color_size: tuple[int, int]) -> np.ndarray:
    """(height, width) uint16 millimetres."""
    data = load_image(path, REMEDY)
    size = image_data.color_size(data, str(path), REMEDY)
    if not _same_view(size, color_size):
        raise BadDataError(
            f"{path}: {size[0]}x{size[1]} pixels are not of the shape of the colour images "
            f"({color_size[0]}x{color_size[1]}); {REMEDY}"
        )
    return image_data.depth_png(data, str(path), REMEDY)


def _same_view(size: tuple[int, int], color_size: tuple[int, int]) -> bool:
    """Whether images of these (width, height) have one shape, up to one pixel."""
    (width, height), (color_width, color_height) = size, color_size
    difference = abs(width * color_height - height * color_width)
    return difference <= max(color_size)


def _annotated_mesh(files: VideoFiles) -> AnnotatedMesh:
    """Mesh and objects; none where the video has no annotation."""
    points = read_vertices(files.mesh, REMEDY, colorless=GREY)
    boxes = read_boxes(files.annotation) if _is_there(files.annotation) else []
    objects = [MeshObject(number, box.label) for number, box in enumerate(boxes)]
    return AnnotatedMesh(points, vertices_in_boxes(points[:, :3], boxes), objects)


def _is_there(path: Path) -> bool:
    """Whether there is such a file, or what is to be named: a link to nothing, one packed or of
    another case."""
    return path.is_file() or bool(dangling_link(path) or found_instead(path))
