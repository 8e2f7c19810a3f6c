"""Runs every benchmark and writes the tables of docs/performance.md: the one command.

    python benchmarks/run_all.py --folder /tmp/bench [--only bench_growth ...]

Makes its data once in --folder (40 GB while it is made, 8 GB kept) and takes about an hour on two
quiet cores. The extrapolation to the full set divides its counts by the measured rates: it rests on
the sample scene and clip being typical, and on one core doing one thing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import NUM_FRAMES, REPOSITORY, results_path

# isort: split
from bench_growth import COUNTS

SCRIPTS = (
    "bench_scannet", "bench_points", "bench_objects", "bench_movement", "bench_growth",
    "bench_full_size", "bench_captures",
)  # fmt: skip
STAGED = SCRIPTS[:4]  # of the stages of the full set
IN_TURNS = (*STAGED, "bench_captures")
PAGE = REPOSITORY / "docs/performance.md"
BEGIN, END = "<!-- measured: {} -->", "<!-- end of measured -->"

# What the full set has of each stage's unit (SPEC 11, 12; 300 frames a scene), and what that is.
SCENES, CLIPS, FRAMES = 1513, 2112, 1513 * NUM_FRAMES
FULL_COUNTS = {
    "points and labels": (SCENES, "scenes"),
    "extraction": (FRAMES, "frames"),
    "both together": (FRAMES, "frames, visibility and relations"),
    "camera questions": (13_000_000, "records"),
    "depth estimation coor as in the full set": (331_295, "records"),
    "depth comparison coor as in the full set": (500_000, "records"),
    "correspondence coor as in the full set": (1_000_000, "records"),
    "depth estimation dot": (337_523, "records"),
    "depth comparison dot": (500_000, "records"),
    "correspondence multichoice": (500_000, "records, two pictures each"),
    "object visibility": (SCENES, "scenes"),
    "coverage of all objects": (SCENES, "scenes"),
    "object questions": (1_549_937, "records"),
    "reading": (2 * CLIPS, "clips, once for each prompt"),
    "frames": (CLIPS, "clips"),
    "rigid bodies": (2 * CLIPS, "clips, once for each prompt"),
    "questions, coord": (13_000_000, "records"),
    "marked pictures": (3_200_000, "pictures"),
    "shuffling one file": (13_000_000, "records of movement"),
}


def stages_table(results: dict[str, Any]) -> list[str]:
    """Every stage with its floor."""
    lines = [
        "| stage | rate on one core | ratio to its floor | the floor is | peak MiB |",
        "|---|---|---|---|---|",
    ]
    for name in STAGED:
        for stage in results[name]["stages"]:
            rate = f"{stage['rate']:,.{1 if stage['rate'] < 100 else 0}f} {stage['unit']}/s"
            ratio = f"{stage['ratio']:.2f}" if stage["floor"] else ""
            peak = f"{stage['peak_mib']:.0f}" if stage["peak_mib"] else ""
            lines.append(f"| {stage['stage']} | {rate} | {ratio} | {stage['floor']} | {peak} |")
    return lines


def full_table(results: dict[str, Any]) -> list[str]:
    """Core hours of the full set, stage by stage."""
    rates = {s["stage"]: s["rate"] for name in STAGED for s in results[name]["stages"]}
    lines = ["| stage | at full size | hours of one core |", "|---|---|---|"]
    total = 0.0
    for stage, (count, what) in FULL_COUNTS.items():
        hours = count / rates[stage] / 3600
        total += hours
        lines.append(f"| {stage} | {count:,} {what} | {hours:.2f} |")
    return [*lines, f"| together | | {total:.1f} |"]


def growth_table(results: dict[str, Any]) -> list[str]:
    """Cost and memory as the scenes grow."""
    heads = [f"{count} scene{'s' * (count > 1)}" for count in COUNTS]
    lines = [
        f"| command | {' | '.join(heads)} | a scene more, late / early | two workers | peak MiB |",
        "|---|" + "---|" * (len(heads) + 3),
    ]
    for stage in results["bench_growth"]["stages"]:
        seconds = " | ".join(f"{value:.2f} s" for value in stage["seconds"][: len(heads)])
        peaks = stage["peak_mib"]
        lines.append(
            f"| {stage['stage']} | {seconds} | {stage['cost_growth']:.2f} | "
            f"{stage['two_workers_gain']:.2f} times | {peaks[0]:.0f} to {peaks[3]:.0f} |"
        )
    return lines


def memory_table(results: dict[str, Any]) -> list[str]:
    """What touches the whole set at once."""
    found = results["bench_full_size"]
    size = found["pair_table_bytes"] / 1e9
    lines = [
        f"| of {found['pairs']:,} pairs ({size:.1f} GB) | seconds | peak MiB |",
        "|---|---|---|",
    ]
    for stage in found["stages"]:
        lines.append(f"| {stage['stage']} | {stage['seconds']:.3f} | {stage['peak_mib']:.0f} |")
    return lines


def captures_table(results: dict[str, Any]) -> list[str]:
    """Preparation of each format: frames, and points fused from depth."""
    stages = {stage["stage"]: stage for stage in results["bench_captures"]["stages"]}
    lines = [
        "| format | images, depth | frames/s | ratio | the floor decodes "
        "| points: frames/s | ratio | peak MiB, 30 to 120 frames |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, stage in stages.items():
        form, part = name.split()
        if part == "frames":
            points = stages.get(f"{form} points")
            fused = f"{points['rate']:.0f} | {points['ratio']:.1f}" if points else "of its mesh |"
            peaks = f"{stage['peak_mib_fewer']:.0f} to {stage['peak_mib']:.0f}"
            lines.append(
                f"| {form} | {stage['sizes']} | {stage['rate']:.0f} | {stage['ratio']:.2f} | "
                f"{stage['floor']} | {fused} | {peaks} |"
            )
    return lines


def write_page(results: dict[str, Any]) -> None:
    """Put the tables between their marks."""
    page = PAGE.read_text(encoding="utf-8")
    tables = {"stages": stages_table, "full size": full_table, "growth": growth_table,
              "memory": memory_table, "captures": captures_table}  # fmt: skip
    for name, make in tables.items():
        before, _, rest = page.partition(BEGIN.format(name))
        _, mark, after = rest.partition(END)
        if not mark:
            raise SystemExit(f"{PAGE}: no place for the table {name!r}")
        lines = "\n".join(make(results))
        page = f"{before}{BEGIN.format(name)}\n{lines}\n{END}{after}"
    PAGE.write_text(page, encoding="utf-8")


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
    results = {
        name: json.loads(results_path(args.folder, name).read_text(encoding="utf-8"))
        for name in SCRIPTS
    }
    write_page(results)
    print(PAGE)


if __name__ == "__main__":
    main()
