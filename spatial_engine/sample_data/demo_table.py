"""The table that ends the demo: what was made, how much of it, and where to look.

    python -m spatial_engine.sample_data.demo_table --root demo

Reads the names and sizes of the files under data/, training_data/ and evaluation_data/, the lines
of each .jsonl and the footer of each .parquet; writes nothing.
"""

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import shlex
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from rich import filesize
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from spatial_engine.errors import MissingInputError
from spatial_engine.utils.questions.record_files import find_record_files
from spatial_engine.utils.running import cli

AREAS = ("data", "training_data", "evaluation_data")
DATA_DEPTH = 3  # data/scannet/scans: one row, not one for each scene in it
FRAMES_OF_CLIPS = ("my_tapvid3d_images",)  # a folder up, where clips stand beside each other
NOT_SHOWN = (".meta.json", ".md")


@dataclass
class Row:
    """What one folder holds: files, records in them (questions, or rows of a table), bytes."""

    files: int = 0
    records: int = 0
    bytes: int = 0


def main(argv: list[str] | None = None) -> int:
    """Print the table. Raises `MissingInputError` when there is nothing under the root."""
    root = cli.make_plain_parser(__doc__, "the demo's folder").parse_args(argv).root
    rows = collect(root)
    if not rows:
        raise MissingInputError(f"{root}: nothing was made here; run `bash run_demo.sh`")
    # A path must stay whole, to be copied from the screen, also in a log of 80 columns.
    console = Console(width=max(110, Console().width))
    console.print(render(rows, root))
    for title, split in (("for training", "train"), ("for evaluation", "val")):
        try:
            questions = [file.path for file in find_record_files(root, [split])]
        except MissingInputError:
            continue
        total = sum(count_records(path) for path in questions)
        console.print(f"{total:,} questions {title}, for example: ", end="")
        command = f"head -n 1 {shlex.quote(str(questions[0].resolve()))}"
        console.print(command, soft_wrap=True, highlight=False, markup=False)
    return 0


def collect(root: Path) -> dict[Path, Row]:
    """Sum up the files under `root` by the folder that shows them best, in the order of steps."""
    rows: dict[Path, Row] = defaultdict(Row)
    for area in AREAS:
        for path in (root / area).rglob("*"):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.is_file() and not hidden and not path.name.endswith(NOT_SHOWN):
                row = rows[folder_to_show(path.relative_to(root))]
                row.files += 1
                row.records += count_records(path)
                row.bytes += path.stat().st_size
    return dict(sorted(rows.items(), key=lambda row: (AREAS.index(row[0].parts[0]), row[0])))


def folder_to_show(path: Path) -> Path:
    """Name the row of a file: its folder, without the one that each scene or clip has."""
    folders = path.parts[:-1]
    if folders[0] == "data":
        return Path(*folders[: DATA_DEPTH - (folders[1:2] == FRAMES_OF_CLIPS)])
    if "images" in folders:
        return Path(*folders[: folders.index("images") + 1])
    return Path(*folders)


def count_records(path: Path) -> int:
    """Count the lines of a .jsonl or the rows of a .parquet; 0 for other files."""
    if path.suffix == ".jsonl":
        with path.open("rb") as file:
            return sum(1 for _ in file)
    if path.suffix == ".parquet":
        return pq.read_metadata(path).num_rows
    return 0


def render(rows: dict[Path, Row], root: Path) -> Table:
    """Lay the rows out, one line each."""
    table = Table(title=escape(f"Made in {root.resolve()}"), title_justify="left")
    table.add_column("where to look", no_wrap=True)
    for name in ("files", "records", "size"):
        table.add_column(name, justify="right", no_wrap=True)
    for folder, row in rows.items():
        records = f"{row.records:,}" if row.records else ""
        table.add_row(str(folder), f"{row.files:,}", records, filesize.decimal(row.bytes))
    return table


if __name__ == "__main__":
    sys.exit(cli.run(main))
