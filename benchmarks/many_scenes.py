"""Sets of many scenes: tables of true shape with made-up content, and small scenes that every
command has finished.

The tables have 300 frames and so 44,850 pairs a scene. Their content is that of 20 scenes over and
over; overlaps are random and cannot be packed, as true ones; other numbers are rounded, to spare
the disk. A frame sees 150 of 1,500 vertices: the shape of the visibility table is its row groups.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import SCENE, run_timed

# isort: split
import numpy as np
import pyarrow as pa
from scipy.spatial.transform import Rotation

from spatial_engine.sample_data import write_scene
from spatial_engine.sample_data.rendering.sensor import EXACT
from spatial_engine.sample_data.scannet.labels import label_table
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.point_bits import bit_words
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import files
from spatial_engine.utils.tables import info_table, pair_table, visibility_table
from spatial_engine.utils.tables.parquet.table_writer import write_scenes
from spatial_engine.utils.tables.visibility_table import RULES, list_column

NUM_FRAMES = 300
NUM_OBJECTS = 30
NUM_DIFFERENT = 20  # scenes of different content
RELATED = 0.42  # share of pairs that overlap at all, as in the full set
SEEN, VERTICES = 150, 1_500
IMAGES = ("image_id1", "image_id2")
IDS = [f"{5 * number:05d}" for number in range(NUM_FRAMES)]
UTILS = "spatial_engine/utils/scannet_utils"
# A bedroom without faults, of which questions of most kinds can be asked even so.
SMALL_SCENE = {"num_frames": 10, "layout": "bedroom", "sensor": EXACT, "vertex_spacing": 0.2,
               "color_size": (324, 242), "depth_size": (160, 120)}  # fmt: skip
FEW = ("--train-max-samples", "20000")
FEW_PICTURES = ("--train-max-samples", "1000")
CODES = (0, 1)  # 1: of some kind there are no questions about so small scenes
# The commands whose finished start is timed, and their flags.
COMMANDS: dict[str, tuple[str, ...]] = {
    f"{UTILS}/batch_load_scannet_data.py": (),
    f"{UTILS}/extract_posed_images.py": (),
    f"{UTILS}/update_info_file_with_images.py": (),
    f"{UTILS}/make_visibility_info.py": (),
    "spatial_engine/camera_movement/calculate_frames_relations.py": (),
    "spatial_engine/camera_movement/camera_movement_engine_train_val.py": FEW,
    "spatial_engine/depth_perception/depth_estimation_coor_engine.py": FEW,
    "spatial_engine/depth_perception/depth_estimation_dot_engine.py": FEW_PICTURES,
    "spatial_engine/depth_perception/depth_comparison_coor_engine.py": FEW,
    "spatial_engine/depth_perception/depth_comparison_dot_engine.py": FEW_PICTURES,
    "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_coor_2_coor.py": FEW,
    "spatial_engine/visual_correspondence/visual_correspondence_qa_engine_dot_2_multichoice.py": (
        FEW_PICTURES
    ),
    "spatial_engine/object_perception/compute_object_visibility.py": (),
    "spatial_engine/object_perception/object_coverage_job.py": (),
    "spatial_engine/object_perception/merge_object_coverage.py": ("--splits", "train"),
    "spatial_engine/object_perception/single_object_perception_engine.py": (),
    "spatial_engine/camera_movement/camera_path_engine.py": FEW,
    "spatial_engine/depth_perception/depth_views_engine.py": FEW_PICTURES,
    "spatial_engine/visual_correspondence/correspondence_views_engine.py": FEW_PICTURES,
    "spatial_engine/object_perception/object_views_engine.py": FEW,
    "spatial_engine/object_relations/object_relations_engine.py": FEW,
}


def names_of(count: int) -> list[str]:
    """Ids of so many scenes."""
    return [f"scene{number:04d}_00" for number in range(count)]


def make_tables(root: Path, count: int) -> None:
    """Infos, pair table and visibility table of `count` scenes, where they are missing."""
    outputs = [
        path(root, "train")
        for path in (paths.info_path, paths.pair_table_path, paths.visibility_table_path)
    ]
    if outputs[-1].exists():
        return
    for path in outputs:
        path.parent.mkdir(parents=True, exist_ok=True)
    names, rng = names_of(count), np.random.default_rng(0)
    infos = ((name, {}, info_table._as_table(name, _info(name, k))) for k, name in enumerate(names))
    write_scenes(outputs[0], info_table.SCHEMA, infos, **info_table._ENCODING)
    scenes = SceneInfoHandler.load(root, "train")
    facts = {name: {"geometry": scenes.geometry_hash(name)} for name in names}
    for output, table, some, told in (
        (outputs[1], pair_table, [_pairs(scenes, name, rng) for name in names[:NUM_DIFFERENT]],
         {"seen_pairs": 0}),
        (outputs[2], visibility_table, [_visibility(rng) for _ in names[:NUM_DIFFERENT]],
         {"num_points": VERTICES}),
    ):  # fmt: skip
        rows = (
            (name, facts[name] | told, _named(some[k % len(some)], name))
            for k, name in enumerate(names)
        )
        with files.atomic_path(output) as partial:
            write_scenes(partial, table._SCHEMA, rows, **table._ENCODING)


def _info(name: str, number: int) -> dict[Any, Any]:
    """Scene info of random poses."""
    rng = np.random.default_rng(number % NUM_DIFFERENT)
    poses = np.tile(np.eye(4), (NUM_FRAMES, 1, 1))
    poses[:, :3, :3] = Rotation.random(NUM_FRAMES, rng).as_matrix()
    poses[:, :3, 3] = rng.normal(size=(NUM_FRAMES, 3))
    intrinsic = np.diag([1170.0, 1170.0, 1.0, 1.0])
    intrinsic[:2, 2] = 648, 484
    objects = {
        k: {"aligned_bbox": rng.random(7), "unaligned_bbox": rng.random(7), "raw_category": "chair"}
        for k in range(NUM_OBJECTS)
    }
    frames = {
        image_id: {
            "image_path": f"posed_images/{name}/{image_id}.jpg",
            "depth_image_path": f"posed_images/{name}/{image_id}.png",
            "extrinsic_matrix": pose,
        }
        for image_id, pose in zip(IDS, poses, strict=True)
    }
    return {
        **objects, "axis_align_matrix": np.eye(4), "intrinsic_matrix": intrinsic,
        "num_objects": NUM_OBJECTS, "num_posed_images": NUM_FRAMES, "points_digest": name,
        "color_size": (1296, 968), "depth_size": (640, 480), "images_info": frames,
    }  # fmt: skip


def _pairs(scenes: SceneInfoHandler, name: str, rng: np.random.Generator) -> pa.Table:
    """Rows of the pair table, without the scene."""
    ids, poses = scenes.valid_frames(name)
    overlap = 100 * rng.random((len(ids), len(ids))) ** 2
    overlap[rng.random(overlap.shape) > RELATED] = 0
    columns = pair_table.relate_frames(ids, poses, overlap)
    for rounded in ("distance", "yaw", "pitch"):
        columns[rounded] = columns[rounded].astype(np.float16).astype(np.float64)
    images = pa.array(ids)
    return pa.table({
        field: images.take(pa.array(columns[field])) if field in IMAGES else columns[field]
        for field in pair_table._SCHEMA.names[1:]
    })  # fmt: skip


def _visibility(rng: np.random.Generator) -> pa.Table:
    """Rows of the visibility table, without the scene."""
    lists = [np.flatnonzero(rng.random(VERTICES) < SEEN / VERTICES).astype(np.int32) for _ in IDS]
    listed, bits = list_column(lists), visibility_table._bits_column(bit_words(lists, VERTICES))
    columns = [IDS, *[listed] * len(RULES), *[bits] * len(RULES)]
    return pa.table(columns, visibility_table._SCHEMA.names[1:])


def _named(rows: pa.Table, name: str) -> pa.Table:
    """Rows as those of one scene."""
    return rows.add_column(0, "scene_id", pa.repeat(pa.scalar(name), len(rows)))


def make_finished(root: Path, count: int) -> None:
    """Small scenes, links to the files of one, that all `COMMANDS` have finished; where missing."""
    source, scans = root.parent / "small_scene", root / "data/scannet/scans"
    if not (source / SCENE).exists():
        write_scene(source, SCENE, seed=0, frame_repeat=5, **SMALL_SCENE)
    table = paths.label_table_path(root)
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(label_table(), encoding="utf-8")
    names = names_of(count)
    (table.parent / "scannetv2_train.txt").write_text("".join(f"{name}\n" for name in names))
    for name in names:
        if (scans / name).exists():
            continue
        with files.atomic_path(scans / name) as folder:
            folder.mkdir()
            for path in _files_of(source / SCENE):
                target = folder / path.name.replace(SCENE, name)
                if path.suffix == ".json":  # which tells the scene
                    target.write_text(path.read_text().replace(SCENE, name))
                else:
                    os.link(path, target)
    done = root / "finished"
    if not done.exists():
        for command, flags in COMMANDS.items():
            run_timed(command, root, *flags, num_workers=2, codes=CODES)
        done.touch()


def _files_of(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.is_file())
