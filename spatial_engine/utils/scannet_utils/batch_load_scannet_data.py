"""ScanNet step 1: points, labels and boxes of every scene.

Reads  data/scannet/meta_data/scannetv2_{train,val}.txt, scannetv2-labels.combined.tsv and, below
       data/scannet/scans/<scene>/, the mesh, both annotation files and <scene>.txt.
Writes data/scannet/scannet_instance_data/<scene>/{aligned_points,unaligned_points,instance_mask,
       semantic_mask}.npy and object_info.parquet, and of all scenes scenes_train_val_info.parquet;
       beside both infos pickles of the same content, for users.
Costs  docs/performance.md, row "points and labels".
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils import paths
from spatial_engine.utils.preparation.object_infos import Groups, box_of, join_object_infos
from spatial_engine.utils.preparation.ply import read_vertices
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.finished_scenes import PartResult
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scannet_utils import annotations, split_lists
from spatial_engine.utils.scenes import scene_files
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.looks import Looks
from spatial_engine.utils.tables import info_table
from spatial_engine.utils.tables.user_pickles import dump_items

TEST_SCENE = re.compile(r"scene0(70[7-9]|7[1-9]\d|80[0-6])_\d\d")
UNKNOWN_LABEL = 0  # NYU40 id of a category that is not in the label table
MESH, AGGREGATION, SEGMENTS, SCENE_TEXT = (
    "_vh_clean_2.ply",
    ".aggregation.json",
    "_vh_clean_2.0.010000.segs.json",
    ".txt",
)


def load_scene(arguments: tuple[Path, str, dict[str, int]], part_dir: Path) -> PartResult:
    """Read one scene's raw files and write its arrays and its object infos."""
    scan_dir, scene_id, nyu40_ids = arguments
    unaligned, objects, instances = read_annotated_mesh(scan_dir, scene_id)
    axis_align = annotations.read_axis_alignment(scan_dir / (scene_id + SCENE_TEXT))
    if unstated := axis_align is None:
        axis_align = np.eye(4)
    with_colors = np.eye(6)  # which stay: whole rows are multiplied in half the time of parts
    with_colors[:3, :3] = axis_align[:3, :3].T
    aligned = unaligned @ with_colors
    aligned[:, :3] += axis_align[:3, 3]

    labels = np.zeros(max((item.object_id for item in objects), default=-1) + 2, np.int32)
    info: dict[Any, Any] = {}
    unknown = Counter()
    groups = Groups(instances, len(labels))
    bounds = {"aligned_bbox": groups.bounds(aligned), "unaligned_bbox": groups.bounds(unaligned)}
    empty = 0
    for item in objects:
        label = annotations.nyu40_id(nyu40_ids, item.raw_category)
        if label is None:
            unknown[item.raw_category] += 1
            label = UNKNOWN_LABEL
        number = item.object_id + 1
        labels[number] = label
        empty += not groups.sizes[number]
        info[item.object_id] = {
            **{
                name: box_of(low[number], high[number], label)
                for name, (low, high) in bounds.items()
            },
            "raw_category": item.raw_category,
        }
    info["axis_align_matrix"] = axis_align
    info["num_objects"] = len(objects)
    info["points_digest"] = provenance.digest(aligned)

    np.save(part_dir / "aligned_points.npy", aligned)
    np.save(part_dir / "unaligned_points.npy", unaligned)
    np.save(part_dir / "instance_mask.npy", instances)
    np.save(part_dir / "semantic_mask.npy", labels[instances])
    info_table.write_scene_info(part_dir / scene_files.OBJECT_INFO, scene_id, info)
    dump_items(info.items(), part_dir / "object_info.pkl")
    notes = {
        "objects without vertices": empty,
        "without axisAlignment (identity taken)": int(unstated),
        "without objects": int(not objects),
    }
    warnings = list(remarks(scene_id, unstated, unknown, empty, len(objects)))
    return PartResult({"scenes": 1}, notes={"scenes": notes}, warnings=warnings)


def remarks(
    scene_id: str, unstated: bool, unknown: Counter[str], empty: int, num_objects: int
) -> Iterator[str]:
    """Remarks about a scene: assumptions, labels that are not in the table (`unknown`, by number of
    objects) and objects without vertices (`empty`)."""
    if unstated:
        yield f"{scene_id}{SCENE_TEXT} has no axisAlignment, the identity is taken"
    if unknown:
        names = (f"{label[:60]!r} ({number})" for label, number in sorted(unknown.items()))
        yield f"not in the label table, taken as 0: {', '.join(names)}"
    if not num_objects:
        yield f"{scene_id}{AGGREGATION} holds no object"
    elif empty * annotations.FOREIGN_SHARE >= num_objects:
        yield (
            f"{empty} of {num_objects} objects of {scene_id}{AGGREGATION} have no vertices: their "
            "segments are claimed by later objects, or are not in the mesh"
        )


def read_annotated_mesh(
    scan_dir: Path, scene_id: str
) -> tuple[np.ndarray, list[annotations.AnnotatedObject], np.ndarray]:
    """(n, 6) float64 vertices as scanned, the objects of the scene, (n,) int32 instance ids.

    Raises `BadDataError` where mesh, segments and objects are not of one scene and mesh.
    """
    mesh, aggregation, segs = (scan_dir / (scene_id + s) for s in (MESH, AGGREGATION, SEGMENTS))
    if TEST_SCENE.fullmatch(scene_id) and not (aggregation.exists() and segs.exists()):
        raise BadDataError(
            f"{scan_dir}: a test scene of ScanNet (scene0707_00 to scene0806_00), for which no "
            "annotation is published; take it off the split list"
        )
    unaligned = read_vertices(mesh, annotations.REMEDY)
    objects = annotations.read_objects(aggregation)
    segments = annotations.read_segments(segs)
    if len(segments) != len(unaligned):
        raise BadDataError(
            f"{segs}: {len(segments)} vertices, the mesh has {len(unaligned)}, so they are of "
            f"different meshes; {annotations.REMEDY}"
        )
    annotations.check_fit(segments, objects, aggregation)
    return unaligned, objects, annotations.instance_ids(segments, objects)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    return cli.make_parser(__doc__).parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("batch_load_scannet_data", args, {}, __file__)
    scenes = split_lists.listed_scenes(args, step)
    table_path = paths.label_table_path(args.root)
    nyu40_ids = annotations.read_label_table(table_path)
    table_hash = provenance.content_hash(table_path)
    folder = paths.instance_data_dir(args.dataset)
    jobs, looks = [], Looks.of(folder)
    for scene in split_lists.present_scans(args.root, step, scenes):
        scan_dir = paths.scan_dir(args.root, scene)
        raw = [scan_dir / (scene + suffix) for suffix in (MESH, AGGREGATION, SEGMENTS, SCENE_TEXT)]
        inputs = looks.fingerprints(scene, raw, args.root)
        jobs.append(SceneJob(scene, (scan_dir, scene, nyu40_ids), [table_hash, inputs]))
    run = step.make_folders(folder, jobs, load_scene, unit="scenes")
    if run.parts:
        listed = {scene for ids in split_lists.read_lists(args.root).values() for scene in ids}
        join_object_infos(args.dataset, listed, step)
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
