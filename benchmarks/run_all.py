"""Runs every benchmark and writes the measured tables of docs/performance.md: the one command.

    python benchmarks/run_all.py --folder /tmp/bench [--only bench_growth ...]

Makes its data once in --folder (45 GB while it is made, 15 GB kept) and takes some hours on two
quiet cores. `--only` measures a few anew, and without a name none: the page is then written of what
earlier starts have measured. A table of which nothing was measured stays as it is, and is named.
The extrapolation to the full set divides its counts by the measured rates: it rests on the sample
scene and clip being typical, and on one core doing one thing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import REPOSITORY, results_path

# isort: split
import growth_plot
from performance_tables import STAGED, TABLES

MEASURING = {script for scripts, _ in TABLES.values() for script in scripts}
SCRIPTS = sorted(name for name in MEASURING if (Path(__file__).parent / f"{name}.py").exists())
IN_TURNS = (*STAGED, "bench_captures", "bench_exports", "bench_frames")
PAGE = REPOSITORY / "docs/performance.md"
PLOT = REPOSITORY / "docs/ten_thousand.svg"
BEGIN, END = "<!-- measured: {} -->", "<!-- end of measured -->"


def write_page(results: dict[str, Any]) -> None:
    """Put the tables between their marks, those of which all is measured."""
    page = PAGE.read_text(encoding="utf-8")
    for name, (scripts, make) in TABLES.items():
        if absent := [script for script in scripts if script not in results]:
            print(f"{name}: left as it is, without results of {', '.join(absent)}")
            continue
        before, _, rest = page.partition(BEGIN.format(name))
        _, mark, after = rest.partition(END)
        if not mark:
            raise SystemExit(f"{PAGE}: no place for the table {name!r}")
        lines = "\n".join(make(results))
        page = f"{before}{BEGIN.format(name)}\n{lines}\n{END}{after}"
    PAGE.write_text(page, encoding="utf-8")
    if found := results.get("bench_ten_thousand"):
        growth_plot.draw(found["stages"], PLOT)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--turns", type=int, default=3, help="of stage and floor")
    parser.add_argument("--only", nargs="*", choices=SCRIPTS, help="measure these anew, no other")
    args = parser.parse_args()
    for name in SCRIPTS if args.only is None else args.only:
        print(name, flush=True)
        line = [sys.executable, str(REPOSITORY / "benchmarks" / f"{name}.py")]
        turns = ["--turns", str(args.turns)] if name in IN_TURNS else []
        subprocess.run([*line, "--folder", str(args.folder), *turns], check=True)
    paths = {name: results_path(args.folder, name) for name in SCRIPTS}
    write_page({
        name: json.loads(path.read_text(encoding="utf-8"))
        for name, path in paths.items() if path.exists()
    })  # fmt: skip
    print(PAGE)


if __name__ == "__main__":
    main()
