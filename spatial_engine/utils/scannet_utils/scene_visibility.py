"""What the frames of one scene see, measured from its depth images."""

from __future__ import annotations

import numpy as np

from spatial_engine.errors import MissingInputError
from spatial_engine.utils import provenance
from spatial_engine.utils.scannet_utils.posed_images import REMEDY
from spatial_engine.utils.scannet_utils.scannet_paths import posed_images_dir
from spatial_engine.utils.scannet_utils.scene_info import SceneInfoHandler
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


def visibility_inputs(scenes: SceneInfoHandler, scene_id: str) -> list[str]:
    """What decides the visibility of a scene: hashes of its geometry and of its depth files.

    The folder of images is listed; a few of them are opened. Raises `MissingInputError` where it
    holds none.
    """
    images = posed_images_dir(scenes.root) / scene_id
    depth_files = provenance.folder_fingerprint(images, scenes.root, (".png",))
    if not depth_files[1]:
        raise MissingInputError(f"{images}: no depth images in it; {REMEDY}")
    return [scenes.geometry_hash(scene_id), provenance.digest(depth_files)]
