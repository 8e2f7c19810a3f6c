"""What the frames of one scene see, measured from its depth images."""

from __future__ import annotations

import numpy as np

from spatial_engine.utils.scannet_utils.scene_files import SceneFiles
from spatial_engine.utils.scannet_utils.scene_info import SceneInfoHandler
from spatial_engine.utils.scene_table import DEPTH_SIZES
from spatial_engine.utils.visibility import PointBlocks, visible_points


def see_points(scenes: SceneInfoHandler, scene_id: str) -> tuple[list[str], list[np.ndarray], int]:
    """Ids of a scene's valid frames, the vertices that each sees, and the number of vertices."""
    image_ids, poses = scenes.valid_frames(scene_id)
    blocks = PointBlocks.of(scenes.points(scene_id))
    intrinsic, size = scenes.intrinsic(scene_id), scenes.color_size(scene_id)
    seen = [
        visible_points(blocks, pose, intrinsic, size, scenes.depth(scene_id, image_id))
        for image_id, pose in zip(image_ids, poses, strict=True)
    ]
    return image_ids, seen, blocks.num_points


def visibility_inputs(scenes: SceneInfoHandler, scene_id: str) -> dict[str, str | None]:
    """What decides the visibility of a scene: hashes of its geometry and of its depth files.

    `BadDataError` where the scene info is not about the files (`SceneFiles`).
    """
    listed = SceneFiles.of(scenes, scene_id)
    return {
        "geometry": scenes.geometry_hash(scene_id),
        "depths": listed.depths,
        DEPTH_SIZES: listed.depth_sizes,
    }
