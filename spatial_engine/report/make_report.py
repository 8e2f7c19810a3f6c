"""Makes a page to look at the data: tables, plots, and records drawn at random, with their images.

    python spatial_engine/report/make_report.py --root demo
    python spatial_engine/report/make_report.py --root demo --predictions MODEL.jsonl OTHER.jsonl

The second shows what one model or two said to the benchmark: right, wrong, unreadable or missing.

Reads the records under <root>/training_data and <root>/evaluation_data, or the files of --records
(of the engine, or of its exports, whose images are relative to the root), the provenance
beside them, the pair tables, the images of the drawn records, and, where they are, the scene infos
for the boxes of objects that drawn records ask about and the plans of those of many frames, the
points of their scenes, and inputs_check.json for suspect scenes.
Writes <root>/report/ (--output): index.html, which opens without a server or a network, and what
belongs to it; of predictions, MODEL_OTHER.page/ beside the first. The same inputs and seed give the
same bytes.
Costs docs/performance.md; of records that are not shown, only a number and the names of images
are kept.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from spatial_engine.report import page, plots
from spatial_engine.report.distinct import Distinct
from spatial_engine.report.gather import Group, Key
from spatial_engine.report.overview import make_overview, read_suspects
from spatial_engine.report.pictures.thumbnails import make_thumbnails
from spatial_engine.report.plans.plan_files import write_plans
from spatial_engine.report.sources import NAME, make_parser, output_folder, read_groups
from spatial_engine.report.spread import Workers, spread
from spatial_engine.report.verdicts import add_flags, read_verdicts
from spatial_engine.utils.paths import datasets_below, pair_table_path
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.closing_table import ClosingTable, Row, Tally
from spatial_engine.utils.storage import locks

RECORDS_PER_FILE = 100  # records shown of each task and split: as many as a person looks through
THUMBNAIL_SIDE = 480  # pixels, the longer side: two stand beside each other in half a screen
LARGEST_SIDE = 4096  # pixels: no small copy any more
FAULTS_TOLD = 3  # images that are named when they cannot be shown


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    verdicts = read_verdicts(args)
    output = output_folder(args)
    workers = Workers.of(args, args.root)
    start = time.perf_counter()
    strata = verdicts.strata if verdicts else None
    groups, faults = read_groups(args, args.records_per_file, strata)
    with locks.locked(output):
        records = [one for group in groups.values() for one in group.drawn]
        images = [path for one in records for path in one.image_paths]
        thumbnails = make_thumbnails(
            images, args.root, output / page.THUMBNAILS, args.thumbnail_side, workers,
            args.overwrite,
        )  # fmt: skip
        write_plans(records, output / page.PLANS, workers)
        if verdicts:
            drawings, suspects, totals = {}, [], verdicts.totals(groups)
        else:
            drawings = draw_plots(args, workers, groups, output / page.PLOTS, faults)
            suspects = read_suspects(args.root, faults)
            totals = None
        absent = sorted(image.fault for image in thumbnails.values() if image.fault)
        told = [f"{path}: {fault}" for path, fault in faults.items()] + absent[:FAULTS_TOLD]
        if len(absent) > FAULTS_TOLD:
            told.append(f"{len(absent):,} images in all could not be shown")
        overview = make_overview(groups)
        overview = replace(overview, suspects=suspects, totals=totals or overview.totals)
        page.write_page(output, groups, overview, drawings, thumbnails, args, told, verdicts)
    table = ClosingTable(NAME)
    read = sum(group.records for group in groups.values())
    index = output / "index.html"
    tally = Tally(len(records), {}, {"drawn from": read, "images": len(thumbnails)})
    table.rows.append(Row("records", tally, time.perf_counter() - start, str(index)))
    table.failures.update(faults)
    if absent:
        table.failures[f"{len(absent):,} images"] = absent[0]
    if not read:
        table.empty.append(f"{index}: no records")
    return table.close()


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    """The flags."""
    parser = make_parser(__doc__, overwrite=True)
    add_flags(parser)
    meaning = "records shown for each task and split, drawn at random; evenly over verdicts"
    cli.add_constant(parser, "RECORDS_PER_FILE", RECORDS_PER_FILE, meaning, at_least=1)
    meaning = "longer side of the small images, in pixels"
    cli.add_constant(parser, "THUMBNAIL_SIDE", THUMBNAIL_SIDE, meaning, 32, LARGEST_SIDE)
    return parser.parse_args(argv)


def draw_plots(
    args: argparse.Namespace,
    workers: Workers,
    groups: Mapping[Key, Group],
    folder: Path,
    faults: dict[str, str],
) -> dict[str, list[plots.Plot]]:
    """Draw the plots of each task; remove those that an earlier run drew and this one does not."""
    folder.mkdir(parents=True, exist_ok=True)
    by_task: dict[str, dict[str, Group]] = {}
    for (task, split), group in groups.items():
        # Without what no plot needs: a process is sent the rest.
        light = replace(group, scenes=set(), images=Distinct(), drawn=[])
        by_task.setdefault(task, {})[split] = light
    chosen = args.datasets_of_scenes or datasets_below(args.root)
    tables = [pair_table_path(dataset, split) for dataset in chosen for split in args.splits]
    work = partial(_draw_task, plots.read_overlap(tables, faults), folder)
    drawn = spread(work, list(by_task.items()), workers, "plots", "task")
    names = {plot.name for mine in drawn for plot in mine}
    for old in folder.glob("*.svg"):
        if plots.is_plot(old.name) and old.name not in names:
            old.unlink()
    return dict(zip(by_task, drawn, strict=True))


def _draw_task(
    all_pairs: np.ndarray, folder: Path, job: tuple[str, Mapping[str, Group]]
) -> list[plots.Plot]:
    task, groups = job
    return plots.draw_plots(task, groups, all_pairs, folder)


if __name__ == "__main__":
    sys.exit(cli.run(main))
