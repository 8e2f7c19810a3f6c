"""The input check of one prepared scene: reads some of its frames, gives figures and faults."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from spatial_engine.checks.inputs import camera_motion
from spatial_engine.checks.inputs.color_faults import Images, find_color_faults
from spatial_engine.checks.inputs.frame_conventions import find_convention_fault
from spatial_engine.checks.inputs.scene_faults import MOST_FRAMES, find_faults, some
from spatial_engine.checks.inputs.scene_look import Scene
from spatial_engine.utils.preparation.up_axis import find_up
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.suspects import Checked, Suspect

MOST_INVALID_SHARE = 0.5  # of the frames; where tracking is lost so often, the rest is doubtful
MOST_BLIND_SHARE = 0.2  # of the frames with a pose; a camera in a scanned room looks at its mesh
MOST_UNMEASURED_SHARE = 0.5  # of the frames looked at; a camera that looks out of a window
# Of the vertices that are not hidden. With twice the noise of a Kinect it is 0.6 to 0.77.
LEAST_NEAR_SHARE, NEAR_M = 0.5, 0.05
# In height, of vertices and cameras; and of the cameras above the floor, half of them.
LEAST_SPAN_M, MOST_SPAN_M, MOST_ABOVE_M = 0.3, 12.0, 5.0
MOST_TILT_DEG = 8.0  # of the level surfaces; known to 0.3 degrees in sample rooms
MOST_EMPTY_SHARE = 0.5  # of the objects; a few have no vertices, since segments are claimed twice


def check_scene(scenes: SceneInfoHandler, scene_id: str, window_px: int) -> Checked:
    """Look at a scene. Raises `BadDataError` for what its readers refuse.

    `window_px` is that of the surface rule: pixels by which colour may lie beside depth.
    """
    image_ids, aligned = scenes.valid_frames(scene_id)
    alignment = scenes.axis_align_matrix(scene_id)
    size, depth_size = scenes.color_size(scene_id), scenes.depth_size(scene_id)
    scale = np.diag([depth_size[0] / size[0], depth_size[1] / size[1], 1.0])
    scene = Scene(
        image_ids,
        np.linalg.inv(alignment) @ aligned,
        alignment,
        scale @ scenes.intrinsics(scene_id, image_ids)[:, :3, :3],
        scenes.points(scene_id),
        lambda number: scenes.depth(scene_id, image_ids[number]),
        gaps=not scenes.object_ids(scene_id),  # as where points were fused from depth
    )
    frames = len(scenes.image_ids(scene_id))
    figures = {"frames": frames, "frames_without_pose": frames - len(image_ids)}
    suspects = list(
        _of_share(
            "frames without pose",
            1 - len(image_ids) / max(frames, 1),
            MOST_INVALID_SHARE,
            "of the frames have no pose that can be used",
        )
    )
    convention = find_convention_fault(scene, figures)
    suspects += convention
    if image_ids and len(scene.points):
        numbers = sorted({*some(range(len(image_ids)), MOST_FRAMES),
                          *camera_motion.outliers(aligned)})  # fmt: skip
        found = [] if convention else find_faults(scene, numbers)
        figures |= _fit_figures(scene, numbers) | _motion_figures(aligned)
        if not (convention or found):
            found = [*_of_fit(scene, numbers, aligned, depth_size, figures)]
        if all(suspect.fault != "time shift" for suspect in found):
            images = Images(scenes, scene_id, scene)
            found += find_color_faults(images, numbers, window_px, figures)
        suspects += found
    suspects += _of_objects(scenes, scene_id, figures)
    return Checked(figures, tuple(suspects))


def _fit_figures(scene: Scene, numbers: Sequence[int]) -> dict[str, float | None]:
    views = [scene.view(number) for number in numbers if scene.view(number).measured]
    figures = {
        "frames_looked_at": len(numbers),
        "frames_without_depth": len(numbers) - len(views),
        "score": float(np.median([view.fit.score for view in views])) if views else None,
        "pose_error_m": float(np.median([np.linalg.norm(v.shift) for v in views if v.found]))
        if any(view.found for view in views)
        else None,
    }
    distances = np.concatenate([np.empty(0), *(view.fit.distances for view in views)])
    if len(distances):
        figures |= {
            "distance_median_m": float(np.median(distances)),
            "distance_p90_m": float(np.quantile(distances, 0.9)),
            "share_within_5_cm": float((distances <= NEAR_M).mean()),
        }
    return figures


def _motion_figures(poses: np.ndarray) -> dict[str, float]:
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    if not len(steps):
        return {}
    return {"step_median_m": float(np.median(steps)), "step_largest_m": float(steps.max())}


def _of_fit(
    scene: Scene, numbers: Sequence[int], poses: np.ndarray, size: tuple[int, int], figures: dict
) -> Iterator[Suspect]:
    """What is unlikely about a scene whose frames and mesh agree."""
    blind = camera_motion.blind_frames(scene.points, scene.cameras, size, poses)
    figures["frames_that_see_nothing"] = int(blind.sum())
    yield from _of_share(
        "frames that see nothing", float(blind.mean()), MOST_BLIND_SHARE,
        "of the frames have no vertex in their image",
    )  # fmt: skip
    yield from _of_share(
        "frames without depth", figures["frames_without_depth"] / len(numbers),
        MOST_UNMEASURED_SHARE, "of the frames looked at have hardly any depth",
    )  # fmt: skip
    size = [*_of_size(poses[:, 2, 3], scene.points[:, 2], figures)]
    near = figures.get("share_within_5_cm")
    if near is not None and near < LEAST_NEAR_SHARE and not size:  # 5 cm of a room's own size
        reason = f"{near:.0%} of the vertices that are not hidden lie within 5 cm of the depth"
        yield Suspect("depth far from the mesh", near, LEAST_NEAR_SHARE, "share", reason)
    yield from _of_up(poses, scene.points, figures)
    yield from size


def _of_size(cameras: np.ndarray, heights: np.ndarray, figures: dict) -> Iterator[Suspect]:
    """By heights of cameras (n,) and vertices (m,)."""
    low, high = np.quantile(heights, [0.01, 0.99])
    span = float(max(high, cameras.max()) - min(low, cameras.min()))
    above = float(np.median(cameras) - low)
    figures |= {"height_m": span, "camera_height_m": above}
    fault, remedy = "scale of the world", "is the unit of depth and poses another?"
    if not LEAST_SPAN_M <= span <= MOST_SPAN_M:
        limit = MOST_SPAN_M if span > MOST_SPAN_M else LEAST_SPAN_M
        reason = f"vertices and cameras span {span:.2g} m in height; {remedy}"
        yield Suspect(fault, span, limit, "m", reason)
    elif above > MOST_ABOVE_M:
        reason = f"cameras are {above:.2g} m above the lowest vertices; {remedy}"
        yield Suspect(fault, above, MOST_ABOVE_M, "m", reason)


def _of_up(poses: np.ndarray, points: np.ndarray, figures: dict) -> Iterator[Suspect]:
    up, axis = camera_motion.way_up(poses, points)
    figures["up_z"] = up
    if axis:
        reason = f"images and floor say that {axis} is up; turn the world so that z is"
        yield Suspect("up is not z", up, camera_motion.UP_LIMIT, "cosine", reason)
        return
    found = find_up(poses, points)
    tilt = float(np.degrees(np.arccos(np.clip(np.abs(found.direction[2]), 0, 1))))
    if found.doubt:
        return
    figures["tilt_deg"] = tilt
    if tilt > MOST_TILT_DEG:
        told = ", ".join(f"{value:.2f}" for value in found.direction)
        reason = f"images and floor say that ({told}) is up; turn the world so that z is"
        yield Suspect("up is not z", tilt, MOST_TILT_DEG, "degrees", reason)


def _of_objects(scenes: SceneInfoHandler, scene_id: str, figures: dict) -> Iterator[Suspect]:
    ids = scenes.object_ids(scene_id)
    empty = sum(not scenes.aligned_box(scene_id, one)[3:6].any() for one in ids)
    figures |= {"objects": len(ids), "objects_without_vertices": empty}
    yield from _of_share(
        "objects without vertices", empty / max(len(ids), 1), MOST_EMPTY_SHARE,
        "of the objects have no vertex; are annotations and mesh of one scene?",
    )  # fmt: skip


def _of_share(fault: str, share: float, limit: float, text: str) -> Iterator[Suspect]:
    if share > limit:
        yield Suspect(fault, share, limit, "share", f"{share:.0%} {text}")
