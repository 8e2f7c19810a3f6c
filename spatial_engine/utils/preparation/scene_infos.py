"""Scene infos with their frames, by split: the last part of every preparation.

From `scenes_train_val_info.parquet` (`object_infos`), and the names, poses, cameras and image sizes
in `posed_images/<scene>/`, to `scenes_{train,val,train_val}_info_i_D*.parquet`, with pickles of the
same content and name for users.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.cameras import singular_fault
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.running.finished_scenes import PartResult, makers
from spatial_engine.utils.running.outputs import Outputs, Part, scenes_of
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import posed_images, scene_files
from spatial_engine.utils.storage import files, os_errors, provenance
from spatial_engine.utils.tables import info_table
from spatial_engine.utils.tables.user_pickles import dump_items

log = logging.getLogger(__name__)

PART = "info.parquet"


def make_scene_infos(
    args: argparse.Namespace,
    step: Step,
    scenes: Sequence[str],
    lists: Mapping[str, Sequence[str]],
    points_remedy: str,
    frames_remedy: str,
) -> None:
    """Bring the infos of the splits of `args` up to date, of the `scenes` that are asked for.

    `lists` are all scenes by split; the remedies say what makes points and frames.
    """
    dataset: Dataset = args.dataset
    points_table = points_path(dataset)
    infos = info_table.SceneInfos(points_table, points_remedy, with_images=False)
    scenes = step.present_scenes(scenes, infos.__contains__, f"listed, no points ({points_remedy})")
    images_dir = paths.posed_images_dir(dataset)
    what = f"listed, no frames ({frames_remedy})"

    def has_frames(scene: str) -> bool:
        return os_errors.exists(images_dir / scene) and (images_dir / scene).is_dir()

    scenes = step.present_scenes(scenes, has_frames, what)
    lists = {split: ids for split, ids in lists.items() if split in args.splits}
    names = [split for split, ids in lists.items() if set(ids) & set(scenes)]
    if len(args.splits) == 2:
        names.append("train_val")

    points_dir = paths.instance_data_dir(dataset)
    points = makers(points_dir) if points_dir.is_dir() else {}
    told = provenance.read_inputs(points_table)

    def make_job(scene: str) -> SceneJob:
        outputs = [name for name in names if scene in lists.get(name, scenes)]
        folder = images_dir / scene
        _check_is_of(points_table, scene, told.get(scene), points.get(scene), points_remedy)
        frames, image_ids = scene_files.read_frames(dataset, scene, dataset.frame_step)
        inputs = {
            "info": infos.digest(scene),
            "objects": scene_files.hash_of_objects(dataset, scene),
            "splits": outputs,
            **frames,
        }
        if not image_ids:
            raise MissingInputError(
                f"{folder}: holds no frame of {dataset.tag}; {posed_images.REMEDY}"
            )
        by_frame = dataset.has_frame_cameras
        arguments = (folder, scene, infos.only([scene]), image_ids, by_frame, outputs)
        return SceneJob(scene, arguments, inputs)

    outputs = Outputs(
        {name: paths.info_pickle_path(dataset, name) for name in names},
        {table_name(name): paths.info_path(dataset, name) for name in names},
        parts_name=f"scenes_info_i_{dataset.tag}",
    )
    step.make(
        outputs,
        list(step.ready(scenes, make_job).values()),
        add_images,
        lambda parts, paths: join_infos(parts, paths, lists),
        takes_over=True,
    )
    if len(args.splits) == 2 and not args.scenes:
        _forget_stale(dataset, lists)


def add_images(
    arguments: tuple[Path, str, info_table.SceneInfos, scene_files.FrameIds, bool, list[str]],
    part_dir: Path,
) -> PartResult:
    """Read the poses, cameras and sizes of one scene's frames; write its info with them.

    The size of every image is read, so that images that do not fit the camera are found.
    """
    images_dir, scene_id, infos, ids, by_frame, outputs = arguments
    image_ids = list(ids)
    folder = Path("posed_images") / scene_id  # relative to the data set's folder
    color_size = posed_images.read_image_size(images_dir / f"{image_ids[0]}.jpg")
    intrinsic = posed_images.read_intrinsic(images_dir, color_size)
    cameras = posed_images.read_frame_cameras(images_dir, image_ids, color_size)
    cameras = cameras or (dict.fromkeys(image_ids, intrinsic) if by_frame else {})
    images = {
        image_id: {
            "image_path": (folder / f"{image_id}.jpg").as_posix(),
            "depth_image_path": (folder / f"{image_id}.png").as_posix(),
            "extrinsic_matrix": posed_images.read_pose(images_dir, image_id),
            **({info_table.CAMERA: cameras[image_id]} if cameras else {}),
        }
        for image_id in image_ids
    }
    for image_id in image_ids[1:]:
        path = images_dir / f"{image_id}.jpg"
        posed_images.check_size(path, posed_images.read_image_size(path), color_size)
    with_images = {
        **infos[scene_id],
        "num_posed_images": len(images),
        info_table.CAMERA: intrinsic,
        "images_info": images,
        "color_size": color_size,
        # Depth is checked against it wherever it is read.
        "depth_size": posed_images.read_image_size(images_dir / f"{image_ids[0]}.png"),
    }
    info_table.write_scene_info(part_dir / PART, scene_id, with_images)
    poses = {image_id: image["extrinsic_matrix"] for image_id, image in images.items()}
    damaged = [
        f"{images_dir / image_id}.txt: the frame is left out, {fault}; {posed_images.CORRECT}"
        for image_id, pose in poses.items()
        if (fault := singular_fault(pose))
    ]
    return PartResult(counts=dict.fromkeys(outputs, 1), damaged=damaged)


def join_infos(
    parts: Sequence[Part], outputs: Mapping[str, Path], lists: Mapping[str, Sequence[str]]
) -> None:
    """Write table and pickle of each split and of both together."""
    for name in [name for name in outputs if table_name(name) in outputs]:
        chosen = [part for part in parts if part.scene_id in lists.get(name, [part.scene_id])]
        table = outputs[table_name(name)]
        info_table.merge_infos([part.source(table_name(name), PART) for part in chosen], table)
        infos = info_table.SceneInfos(table, "start again with --overwrite")
        dump_items(infos.items(), outputs[name])


def table_name(name: str) -> str:
    """What the table of a split is called among the outputs; the pickle goes by the split alone."""
    return f"{name} table"


def points_path(dataset: Dataset) -> Path:
    """The table of the infos without frames about all scenes."""
    return paths.info_path(dataset, "train_val", with_images=False)


def _check_is_of(
    table: Path, scene: str, key: Any, points: tuple[str, str] | None, remedy: str
) -> None:
    """Raise `BadDataError` where preparation was stopped between the points of a scene and the
    infos of all scenes; `key` is what these say that the scene was made under, `points` what made
    its points (`makers`)."""
    if key and points and points[0] != key:
        raise BadDataError(
            f"{table}: {scene} is stale, its points have been made again since; {remedy}"
        )


def _forget_stale(dataset: Dataset, lists: Mapping[str, Sequence[str]]) -> None:
    """Remove the infos of splits none of whose scenes is in their list any more, so that no later
    step uses them. A list that is empty or not there says nothing."""
    for split, listed in lists.items():
        path = paths.info_pickle_path(dataset, split)
        if listed and path.exists() and not scenes_of(path) & set(listed):
            log.warning("%s: none of its scenes is in the %s list any more, removed", path, split)
            files.remove(paths.info_path(dataset, split))
            provenance.forget([path])
            path.unlink()
