"""Makes contact sheets: a few records of each task in one picture, for papers and terminals.

    python spatial_engine/report/make_contact_sheets.py --root demo

Reads what make_report.py reads, and shows the first of the records that the page shows.
Writes <root>/report/sheets/<task>_<split>.png (--output: another folder than <root>/report), 1640
pixels wide. The same inputs and seed give the same bytes.
Costs docs/performance.md.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from spatial_engine.report import sheets
from spatial_engine.report.gather import Drawn, Key
from spatial_engine.report.sources import make_parser, output_folder, read_groups
from spatial_engine.report.spread import Workers, spread
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.closing_table import ClosingTable, Row, Tally
from spatial_engine.utils.storage import files, locks

RECORDS_PER_SHEET = 10  # five rows of two: as many as can be read on a printed page
MOST_RECORDS = 200  # of a sheet: it is drawn in memory, 100 rows of some 300 pixels
FOLDER = "sheets"


def main(argv: Sequence[str] | None = None) -> int:
    parser = make_parser(__doc__)
    meaning = "records on a sheet"
    cli.add_constant(parser, "RECORDS_PER_SHEET", RECORDS_PER_SHEET, meaning, 1, MOST_RECORDS)
    args = parser.parse_args(argv)
    start = time.perf_counter()
    folder = output_folder(args) / FOLDER
    groups, faults = read_groups(args, args.records_per_sheet)
    jobs = [(key, group.drawn) for key, group in groups.items() if group.drawn]
    with locks.locked(folder):
        made = spread(partial(_draw, folder), jobs, Workers.of(args, args.root), FOLDER, "sheet")
        names = {sheet_name(key) for key, _ in jobs}
        for task in TASKS:
            for split in set(args.splits):
                if (name := sheet_name((task, split))) not in names:
                    files.remove(folder / name)  # of an earlier run
    absent = [fault for mine in made for fault in mine]
    table = ClosingTable("contact sheets")
    tally = Tally(len(jobs), {}, {"records": sum(len(drawn) for _, drawn in jobs)})
    table.rows.append(Row("sheets", tally, time.perf_counter() - start, str(folder)))
    table.failures.update(faults)
    if absent:
        table.failures[f"{len(absent):,} images"] = absent[0]
    if not jobs:
        table.empty.append(f"{folder}: no records, no sheets")
    return table.close()


def sheet_name(key: Key) -> str:
    """File of the sheet of a task and split."""
    return f"{key[0]}_{key[1]}.png"


def _draw(folder: Path, job: tuple[Key, list[Drawn]]) -> list[str]:
    """Write one sheet; return what is wrong with images."""
    key, records = job
    sheet, faults = sheets.draw_sheet(f"{key[0]}, {key[1]}", records)
    with files.atomic_path(folder / sheet_name(key)) as partial_path:
        sheets.reduce_colors(sheet).save(partial_path, "PNG")
    return faults


if __name__ == "__main__":
    sys.exit(cli.run(main))
