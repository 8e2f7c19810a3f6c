"""ScanNet step 1: points, labels and boxes of every scene.

Reads  data/scannet/meta_data/scannetv2_{train,val}.txt, scannetv2-labels.combined.tsv and, below
       data/scannet/scans/<scene>/, the mesh, both annotation files and <scene>.txt.
Writes data/scannet/scannet_instance_data/<scene>/{aligned_points,unaligned_points,instance_mask,
       semantic_mask}.npy and scenes_train_val_info.pkl.
Costs  at full size about 26 GB on disk; 0.06 s a scene of 150,000 vertices.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.utils import cli, provenance
from spatial_engine.utils.plain_pickle import dump_pickle, load_pickle
from spatial_engine.utils.scannet_utils import annotations, scannet_paths
from spatial_engine.utils.scannet_utils.mesh import read_vertices
from spatial_engine.utils.scene_runner import PartResult, SceneJob, read_finished
from spatial_engine.utils.step import Step

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
    unaligned = read_vertices(scan_dir / (scene_id + MESH))
    objects = annotations.read_objects(scan_dir / (scene_id + AGGREGATION))
    segments = annotations.read_segments(scan_dir / (scene_id + SEGMENTS))
    if len(segments) != len(unaligned):
        raise BadDataError(
            f"{scan_dir / (scene_id + SEGMENTS)}: {len(segments)} vertices, the mesh has "
            f"{len(unaligned)}; {annotations.REMEDY}"
        )
    axis_align = annotations.read_axis_alignment(scan_dir / (scene_id + SCENE_TEXT))
    aligned = unaligned.copy()
    aligned[:, :3] = unaligned[:, :3] @ axis_align[:3, :3].T + axis_align[:3, 3]
    instances = annotations.instance_ids(segments, objects)

    labels = np.zeros(max((item.object_id for item in objects), default=-1) + 2, np.int32)
    info: dict[Any, Any] = {}
    unknown = Counter()
    empty = 0
    for item in objects:
        if item.raw_category not in nyu40_ids:
            unknown[item.raw_category] += 1
        label = nyu40_ids.get(item.raw_category, UNKNOWN_LABEL)
        labels[item.object_id + 1] = label
        mine = instances == item.object_id + 1
        empty += not mine.any()
        info[item.object_id] = {
            "aligned_bbox": annotations.bounding_box(aligned[mine], label),
            "unaligned_bbox": annotations.bounding_box(unaligned[mine], label),
            "raw_category": item.raw_category,
        }
    info["axis_align_matrix"] = axis_align
    info["num_objects"] = len(objects)
    info["points_digest"] = provenance.digest(aligned)

    np.save(part_dir / "aligned_points.npy", aligned)
    np.save(part_dir / "unaligned_points.npy", unaligned)
    np.save(part_dir / "instance_mask.npy", instances)
    np.save(part_dir / "semantic_mask.npy", labels[instances])
    dump_pickle(info, part_dir / "object_info.pkl")
    missing = ", ".join(f"{label[:60]!r} ({number})" for label, number in sorted(unknown.items()))
    return PartResult(
        counts={"scenes": 1},
        notes={"scenes": {"objects without vertices": empty}},
        warnings=[f"not in the label table, taken as 0: {missing}"] if missing else [],
    )


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    return cli.make_parser(__doc__).parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("batch_load_scannet_data", args, {"UNKNOWN_LABEL": UNKNOWN_LABEL}, __file__)
    scenes = scannet_paths.listed_scenes(args, step)
    table_path = scannet_paths.label_table_path(args.root)
    nyu40_ids = annotations.read_label_table(table_path)
    table_hash = provenance.content_hash(table_path)
    jobs = []
    for scene in step.present_scenes(
        scenes,
        lambda scene: is_there(scannet_paths.scan_dir(args.root, scene)),
        "listed, no data/scannet/scans/<scene>, or nothing in it",
    ):
        scan_dir = scannet_paths.scan_dir(args.root, scene)
        inputs = [
            provenance.file_fingerprint(scan_dir / (scene + suffix), args.root)
            for suffix in (MESH, AGGREGATION, SEGMENTS, SCENE_TEXT)
        ]
        jobs.append(SceneJob(scene, (scan_dir, scene, nyu40_ids), [table_hash, inputs]))
    folder = scannet_paths.instance_data_dir(args.root)
    run = step.make_folders(folder, jobs, load_scene, unit="scenes")
    if run.parts:
        write_infos(args.root, folder, step)
    return step.close()


def is_there(folder: Path) -> bool:
    """Whether a folder is there and holds anything."""
    return folder.is_dir() and any(folder.iterdir())


def write_infos(root: Path, folder: Path, step: Step) -> None:
    """Join the infos of all finished scenes that are listed, those of earlier runs too.

    Those of other code or constants, whose scans are gone or which a trial leaves out, are not
    mixed in: they are counted.
    """
    lists = scannet_paths.read_split_lists(root)
    listed = {scene for ids in lists.values() for scene in ids}
    finished = {scene: done for scene, done in read_finished(folder).items() if scene in listed}
    mark = provenance.digest([step.name, step.settings])
    others = [s for s, d in finished.items() if provenance.digest([d.step, d.settings]) != mark]
    for scene in others:
        del finished[scene]
    if others and step.options.scenes:
        raise SettingsError(
            f"{folder}: {len(others)} scenes there, {others[0]} among them, were made by other "
            "code or constants; run without --scenes, or use another --root for a trial"
        )
    if others:
        step.table.absent["made by other code or constants before, not to be made again now"] += (
            len(others)
        )

    def write(path: Path) -> int:
        remedy = "run this command with --overwrite"
        infos = {s: load_pickle(folder / s / "object_info.pkl", remedy) for s in finished}
        dump_pickle(infos, path)
        return len(infos)

    path = scannet_paths.info_path(root, "train_val", with_images=False)
    step.make_file("scene infos", path, {s: done.key for s, done in finished.items()}, write)


if __name__ == "__main__":
    sys.exit(cli.run(main))
