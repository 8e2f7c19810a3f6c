"""What the frames of one scene see, measured from its depth images."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.geometry.visibility import (
    PointBlocks,
    SurfaceRule,
    visible_and_surface_points,
    visible_points,
)
from spatial_engine.utils.paths import posed_images_dir
from spatial_engine.utils.pictures.depth_range import depth_range
from spatial_engine.utils.scenes.scene_files import DEPTHS, SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables.scene_table import DEPTH_SIZES


@dataclass
class SceneSight:
    """What the valid frames of a scene see of its `num_points` vertices, frame by frame.

    `visible` by the published rule, `surface` of the surface that the frame shows (SPEC 4); each an
    ascending int32 array.
    """

    image_ids: list[str]
    num_points: int
    visible: list[np.ndarray] = field(default_factory=list)
    surface: list[np.ndarray] = field(default_factory=list)


def see_points(
    scenes: SceneInfoHandler, scene_id: str, rule: SurfaceRule | None = None
) -> SceneSight:
    """Measure what the frames of a scene see; `surface` stays empty without a `rule`.

    Raises `BadDataError` where none of the frames sees a vertex: no question can be asked then.
    """
    image_ids, poses = scenes.valid_frames(scene_id)
    blocks = PointBlocks.of(scenes.points(scene_id))
    intrinsics, size = scenes.intrinsics(scene_id, image_ids), scenes.color_size(scene_id)
    sight = SceneSight(image_ids, blocks.num_points)
    measured = 0
    for image_id, pose, intrinsic in zip(image_ids, poses, intrinsics, strict=True):
        depth = scenes.depth(scene_id, image_id)
        measured += bool(depth.any())
        if rule:
            around = depth_range(depth, rule.window_px)
            visible, surface = visible_and_surface_points(
                blocks, pose, intrinsic, size, depth, around, rule
            )
            sight.surface.append(surface)
        else:
            visible = visible_points(blocks, pose, intrinsic, size, depth)
        sight.visible.append(visible)
    if not any(map(len, sight.visible)) and not any(map(len, sight.surface)):
        raise BadDataError(f"{scene_id}: {_why_blind(scenes, scene_id, len(image_ids), measured)}")
    return sight


def _why_blind(scenes: SceneInfoHandler, scene_id: str, valid: int, measured: int) -> str:
    """Why no frame of a scene sees a vertex, of `valid` frames of which `measured` have depth."""
    folder = posed_images_dir(scenes.dataset) / scene_id
    if not valid:
        frames = len(scenes.image_ids(scene_id))
        return f"none of its {frames} frames has a valid pose; look at {folder}/*.txt"
    if not measured:
        return f"none of its {valid} frames has depth; look at {folder}/*.png"
    return (
        f"none of its {valid} frames sees a vertex of the mesh; look at {folder}: poses must be of "
        "this scan, camera-to-world, in metres, with x right, y down and z forward, depth in "
        "millimetres"
    )


def visibility_inputs(scenes: SceneInfoHandler, scene_id: str) -> dict[str, str | None]:
    """What decides the visibility of a scene: hashes of its geometry and of its depth files.

    `BadDataError` where the scene info does not fit the files (`SceneFiles`), `MissingInputError`
    without depth.
    """
    listed = SceneFiles.of(scenes, scene_id, DEPTHS)
    return {
        "geometry": scenes.geometry_hash(scene_id),
        "depths": listed.depths,
        DEPTH_SIZES: listed.depth_sizes,
    }
