"""Recomputes the visibility table and the frame relations from the raw scans, by the oracle.

Reads  data/scannet/scannet_instance_data/{train,val}_visibility_info_D5.parquet,
       {training,evaluation}_data/camera_movement/{train,val}_camera_info_D5.parquet; the raw scans.
       Of other data sets data/<dataset>/instance_data/{train,val}_visibility_info_D1.parquet,
       {training,evaluation}_data/<dataset>/camera_movement/{train,val}_camera_info_D1.parquet; what
       data/<dataset>/meta_data/sources.json names, and the images, depth and poses made of it.
Writes <root>/table_audit.json: every complaint with table and scene.
Costs  docs/performance.md; one scene in memory for each worker.

The records and pickles have a command that imports nothing of the engine, audit/audit_labels.py.
Tables are parquet, which the audit cannot read without a library. So this command uses the engine's
parquet reader; what is true comes from the audit.
Of a sample of N, N / 10 scenes are drawn, and in each ten frames or pairs.
Exit code: 0 all agree; 1 complaints; 2 nothing to check, or raw data is missing.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from spatial_engine.audit.audit_labels import ALL, AuditParser, add_flags
from spatial_engine.audit.captures.capture import RawCapture
from spatial_engine.audit.captures.fused import check_fused
from spatial_engine.audit.captures.opened import raw_scene, scene_datasets
from spatial_engine.audit.captures.prepared import check_prepared
from spatial_engine.audit.label_records import FOLDER_OF
from spatial_engine.audit.label_report import FileReport, exit_code, say, write_report
from spatial_engine.audit.label_tables import OF_SCENE, draw, draw_scenes
from spatial_engine.audit.label_work import run_jobs
from spatial_engine.audit.oracles.scene_tables import (
    Relation,
    check_relations,
    check_seen_points,
)
from spatial_engine.audit.oracles.visibility import SurfaceRule, visibility_table
from spatial_engine.audit.raw.ids import SCANNET, read_split_list
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.posed import PosedScene
from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils import paths
from spatial_engine.utils.running import cli
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import pair_table
from spatial_engine.utils.tables.scene_table import SceneTable
from spatial_engine.utils.tables.visibility_table import (
    PUBLISHED,
    REMEDY,
    SURFACE,
    VisibilityInfoHandler,
)

REPORT = "table_audit.json"


class Job(NamedTuple):
    """A scene of a table. relations: of frames, else visibility; seed: of what is drawn, None for
    all; listed: whether the table has the scene."""

    root: Path
    dataset: str
    path: Path
    relations: bool
    scene_id: str
    seed: str | None
    listed: bool


def check_scene(job: Job) -> tuple[list[str], str]:
    """Complaints about one scene of a table, and why it was not checked."""
    try:
        scene = raw_scene(job.root, job.dataset, job.scene_id)
        if not job.listed:
            return ["is missing"], ""
        return (_check_relations if job.relations else _check_visibility)(job, scene), ""
    except BadDataError as error:
        return [str(error)], ""
    except RawDataError as error:
        return [], str(error)


def _check_visibility(job: Job, scene: PosedScene) -> list[str]:
    chosen = draw(scene.valid_frame_ids, OF_SCENE, job.seed) if job.seed else None
    complaints = []
    if isinstance(scene, RawCapture):
        complaints += check_fused(scene, job.seed)
        complaints += check_prepared(scene, scene.valid_frame_ids if chosen is None else chosen)
    for rule, surface in ((PUBLISHED, None), (SURFACE, _surface_rule(job.path))):
        table = VisibilityInfoHandler(job.path, rule)
        found, listed = table.load_scene(job.scene_id), table.read_lists(job.scene_id)
        seen = dict(zip(found.image_ids, listed, strict=True))
        complaints += [
            f"{rule}: the list of {image_id} is not what its bits say"
            for image_id, points in seen.items()
            if not np.array_equal(points, found.points(image_id))
        ]
        new = check_seen_points(seen, scene, chosen, surface)
        complaints += [f"surface: {complaint}" if surface else complaint for complaint in new]
    return complaints


def _surface_rule(path: Path) -> SurfaceRule:
    """The constants that a table was made with, by its provenance; the usual ones where it is
    silent."""
    told = provenance.read_meta(path).get("settings", {})
    names = ("SURFACE_WINDOW_PX", "DEPTH_TOLERANCE_M", "DEPTH_TOLERANCE_SHARE")
    usual = SurfaceRule()
    return SurfaceRule(*(told.get(name, value) for name, value in zip(names, usual, strict=True)))


def _check_relations(job: Job, scene: PosedScene) -> list[str]:
    rows, strangers = {}, set()
    for row in pair_table.open_pairs(job.path).read(job.scene_id).to_pylist():
        scene_id, id1, id2 = (row.pop(name) for name in ("scene_id", "image_id1", "image_id2"))
        rows[id1, id2] = Relation(**row)
        strangers |= {scene_id} - {job.scene_id}
    complaints = [f"holds rows of {scene_id}" for scene_id in sorted(strangers)]
    chosen = draw(sorted(rows), OF_SCENE, job.seed) if job.seed else None
    return complaints + check_relations(rows, scene, chosen)


def relations_path(root: Path, split: str, dataset: str) -> Path:
    """Where the frame relations of a split are."""
    if dataset == SCANNET:
        return paths.pair_table_path(root, split)
    folder = root / FOLDER_OF[split] / dataset / "camera_movement"
    return folder / f"{split}_camera_info_D1.parquet"


def check_table(
    args: argparse.Namespace, dataset: str, path: Path, split: str, relations: bool
) -> FileReport:
    """Check the scenes of a split in one table."""
    table = SceneTable(path, pair_table.REMEDY if relations else REMEDY)
    try:
        listed = set(read_split_list(args.root, split, dataset))
    except RawDataError as error:
        raise MissingInputError(str(error)) from None
    known = set(table.scene_ids)
    report = FileReport(path.relative_to(args.root).as_posix(), "scenes", len(known), 0)
    strangers = sorted(known - listed)
    report.complaints.add_of_file(f"{scene!r} is not in split {split}" for scene in strangers)
    seed = f"{args.seed} {split}"
    scenes = draw_scenes(args.root, dataset, listed, known, args.sample, seed)
    jobs = [
        Job(
            args.root, dataset, path, relations, scene,
            None if args.sample < 0 else f"{args.seed} {scene}", scene in known,
        )
        for scene in scenes
    ]  # fmt: skip
    results = run_jobs(check_scene, jobs, args.num_workers, what=f"scenes of {path.name}")
    for number, (job, (complaints, why)) in enumerate(zip(jobs, results, strict=True), start=1):
        if why and not job.listed:
            continue  # a scene that is not on disk may be missing
        report.add_scene(number, job.scene_id, complaints, why)
    return report


def main(argv: Sequence[str] | None = None) -> int:
    parser = AuditParser(__doc__)
    add_flags(parser, "frames and pairs checked of each table")
    args = parser.parse_args(argv)
    tables = [
        (dataset, path, split, bool(relations))
        for dataset in args.dataset or scene_datasets(args.root)
        for split in ("train", "val")
        for relations, path in enumerate(
            (visibility_table(args.root, split, dataset), relations_path(args.root, split, dataset))
        )
        if path.is_file()
    ]
    reports = [check_table(args, *table) for table in tables]
    if not reports:
        first = (args.dataset or [SCANNET])[0]
        raise MissingInputError(
            f"{visibility_table(args.root, 'train', first)}: no such table; {REMEDY}"
        )
    settings = {"sample": None if args.sample == ALL else args.sample, "seed": args.seed}
    write_report(args.root / REPORT, reports, settings)  # first: printing may be cut short
    say(reports)
    print(f"written to {args.root / REPORT}")
    return exit_code(reports)


if __name__ == "__main__":
    sys.exit(cli.run(main))
