"""ScanNet step 3: scene infos with their frames, by split.

Reads  data/scannet/scannet_instance_data/scenes_train_val_info.parquet (step 1), the names, poses
       and image sizes in data/scannet/posed_images/<scene>/ (step 2), and the split lists.
Writes data/scannet/scannet_instance_data/scenes_{train,val,train_val}_info_i_D5.parquet, and
       pickles of the same content and name for users.
Costs  a listing of each folder, and 300 small files and the heads of as many images a
       scene.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.cameras import singular_fault
from spatial_engine.utils.running import cli, files, provenance
from spatial_engine.utils.running.finished_scenes import FinishedScene, PartResult, read_finished
from spatial_engine.utils.running.outputs import scenes_of
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scannet_utils import split_lists
from spatial_engine.utils.scenes import posed_images, scene_files
from spatial_engine.utils.tables import info_table
from spatial_engine.utils.tables.user_pickles import dump_items

log = logging.getLogger(__name__)

PART = "info.arrow"
POINTS_REMEDY = "run spatial_engine/utils/scannet_utils/batch_load_scannet_data.py"


def add_images(
    arguments: tuple[Path, str, info_table.SceneInfos, list[str], list[str]], part_dir: Path
) -> PartResult:
    """Read the poses, intrinsics and sizes of one scene's frames; write its info with them.

    The size of every image is read, so that images that do not fit the camera are found.
    """
    images_dir, scene_id, infos, image_ids, outputs = arguments
    folder = Path("posed_images") / scene_id  # relative to data/scannet
    images = {
        image_id: {
            "image_path": (folder / f"{image_id}.jpg").as_posix(),
            "depth_image_path": (folder / f"{image_id}.png").as_posix(),
            "extrinsic_matrix": posed_images.read_pose(images_dir, image_id),
        }
        for image_id in image_ids
    }
    color_size = posed_images.read_image_size(images_dir / f"{image_ids[0]}.jpg")
    for image_id in image_ids[1:]:
        path = images_dir / f"{image_id}.jpg"
        posed_images.check_size(path, posed_images.read_image_size(path), color_size)
    with_images = {
        **infos[scene_id],
        "num_posed_images": len(images),
        "intrinsic_matrix": posed_images.read_intrinsic(images_dir, color_size),
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
    parts: Sequence[Path], outputs: Mapping[str, Path], lists: Mapping[str, Sequence[str]]
) -> None:
    """Write table and pickle of each split and of both together."""
    for name in [name for name in outputs if table_name(name) in outputs]:
        chosen = [part / PART for part in parts if part.name in lists.get(name, [part.name])]
        table = outputs[table_name(name)]
        info_table.merge_infos(chosen, table)
        infos = info_table.SceneInfos(table, "start again with --overwrite")
        dump_items(infos.items(), outputs[name])


def table_name(name: str) -> str:
    """What the table of a split is called among the outputs; the pickle goes by the split alone."""
    return f"{name} table"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    return cli.make_parser(__doc__).parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("update_info_file_with_images", args, {}, __file__)
    scenes = split_lists.listed_scenes(args, step)
    infos = info_table.SceneInfos(points_path(args.root), POINTS_REMEDY, with_images=False)
    scenes = step.present_scenes(scenes, infos.__contains__, f"listed, no points ({POINTS_REMEDY})")
    images_dir = paths.posed_images_dir(args.dataset)
    scenes = step.present_scenes(
        scenes,
        lambda scene: (images_dir / scene).is_dir(),
        "listed, no frames (run spatial_engine/utils/scannet_utils/extract_posed_images.py)",
    )
    lists = {
        split: ids
        for split, ids in split_lists.read_split_lists(args.root).items()
        if split in args.splits
    }
    names = [split for split, ids in lists.items() if set(ids) & set(scenes)]
    if len(args.splits) == 2:
        names.append("train_val")

    points_dir = paths.instance_data_dir(args.dataset)
    points = read_finished(points_dir) if points_dir.is_dir() else {}
    told = provenance.read_inputs(points_path(args.root))

    def make_job(scene: str) -> SceneJob:
        outputs = [name for name in names if scene in lists.get(name, scenes)]
        folder = images_dir / scene
        check_is_of(args.root, scene, told.get(scene), points.get(scene))
        entries = scene_files.list_entries(folder)  # the one listing
        inputs = scene_files.infos_made_from(args.dataset, scene, infos[scene], entries)
        listed = [name for name, _ in entries]
        image_ids = posed_images.frames_among(listed, args.dataset.frame_step, folder)
        if not image_ids:
            raise MissingInputError(f"{folder}: holds no frame of D5; {posed_images.REMEDY}")
        return SceneJob(scene, (folder, scene, infos.only([scene]), image_ids, outputs), inputs)

    step.make(
        {name: paths.info_pickle_path(args.dataset, name) for name in names},
        list(step.ready(scenes, make_job).values()),
        add_images,
        lambda parts, paths: join_infos(parts, paths, lists),
        parts_name="scenes_info_i_D5",
        inputs=lists,
        companions={table_name(name): paths.info_path(args.dataset, name) for name in names},
    )
    if len(args.splits) == 2 and not args.scenes:
        forget_stale(args, lists)
    return step.close()


def points_path(root: Path) -> Path:
    """The table of the infos of step 1 about all scenes."""
    return paths.info_path(root, "train_val", with_images=False)


def check_is_of(root: Path, scene: str, key: Any, points: FinishedScene | None) -> None:
    """Raise `BadDataError` where step 1 was stopped between the points of a scene and the infos of
    all scenes; `key` is what these say that the scene was made under."""
    if key and points and points.origin.key != key:
        raise BadDataError(
            f"{points_path(root)}: {scene} is stale, its points have been made again since; "
            f"{POINTS_REMEDY}"
        )


def forget_stale(args: argparse.Namespace, lists: Mapping[str, Sequence[str]]) -> None:
    """Remove the infos of splits none of whose scenes is in their list any more, so that no later
    step uses them. A list that is empty or not there says nothing."""
    for split, listed in lists.items():
        path = paths.info_pickle_path(args.dataset, split)
        if listed and path.exists() and not scenes_of(path) & set(listed):
            log.warning("%s: none of its scenes is in the %s list any more, removed", path, split)
            files.remove(paths.info_path(args.dataset, split))
            provenance.forget([path])
            path.unlink()


if __name__ == "__main__":
    sys.exit(cli.run(main))
