"""The tables of docs/performance.md, of what the benchmarks have kept: one function a table, which
takes the results by script and returns lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import NUM_FRAMES

# isort: split
import growth_plot
from bench_growth import COUNTS
from bench_ten_thousand import FULL_SPLIT

STAGED = ("bench_scannet", "bench_points", "bench_objects", "bench_movement")  # of the full set

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
    "rigid bodies": (CLIPS, "clips, once for both prompts"),
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


def _rates(results: dict[str, Any]) -> dict[str, float]:
    """Units a second of one core, by stage."""
    return {s["stage"]: s["rate"] for name in STAGED for s in results[name]["stages"]}


def full_table(results: dict[str, Any]) -> list[str]:
    """Core hours of the full set, stage by stage."""
    rates = _rates(results)
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


# What the authors of the published engine state in comments of its code; the least and the most
# hours of one core that this is, of 25 processes at work all the time for visibility and of one
# elsewhere; and our stages, with how many units of each the statement is about.
PUBLISHED: dict[str, tuple[str, float, float, dict[str, float]]] = {
    "visibility of all frames": (
        "3 h 47 min on 25 processes", 25 * (3 + 47 / 60), 25 * (3 + 47 / 60),
        {"visibility": FRAMES},
    ),
    "object visibility": ("2 h", 2, 2, {"object visibility": SCENES}),
    "depth estimation by coordinates, 330,000": (
        "51 min to 1.5 h", 51 / 60, 1.5, {"depth estimation coor as in the full set": 330_000},
    ),
    "depth estimation by dots, 330,000": (
        "51 min to 1.5 h", 51 / 60, 1.5, {"depth estimation dot": 330_000},
    ),
    "correspondence by coordinates, 1,000,000": (
        "4 h", 4, 4, {"correspondence coor as in the full set": 1_000_000},
    ),
    "multiple choice, 500,000": ("7 h", 7, 7, {"correspondence multichoice": 500_000}),
    "camera questions, 1,000,000 of a type": (
        "4 min", 4 / 60, 4 / 60, {"camera questions": 1_000_000},
    ),
}  # fmt: skip


def published_table(results: dict[str, Any]) -> list[str]:
    """Our measured core time beside what the authors of the published engine state of theirs."""
    rates = _rates(results)
    lines = [
        "| stage | stated by its authors, not measured by us | hours of one core | ours, measured "
        "| times |",
        "|---|---|---|---|---|",
    ]
    for stage, (stated, least, most, mine) in PUBLISHED.items():
        hours = sum(count / rates[name] for name, count in mine.items()) / 3600
        theirs = f"{least:.2g}" if least == most else f"{least:.2g} to {most:.2g}"
        times = f"{least / hours:,.0f}"
        times += "" if least == most else f" to {most / hours:,.0f}"
        lines.append(f"| {stage} | {stated} | {theirs} | {_time(hours)} | {times} |")
    return lines


def _time(hours: float) -> str:
    seconds = hours * 3600
    return f"{hours:.1f} h" if hours >= 1 else (
        f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
    )  # fmt: skip


def ten_thousand_table(results: dict[str, Any]) -> list[str]:
    """Time and memory by number of scenes or records, with the slope of the last step."""
    lines: list[str] = []
    measured = results["bench_ten_thousand"]["stages"]
    for what, counts in growth_plot.groups(measured).items():
        heads = [f"{count:,} {what}" for count in counts]
        lines += [
            f"| stage | {' | '.join(heads)} | slope of time | of memory |",
            "|---|" + "---|" * (len(counts) + 2),
        ]
        for stage in growth_plot.stages_of(measured, counts):
            costs = map(stage.costs.get, counts)
            cells = [f"{c['cpu']:.2f} s, {c['peak_mib']:.0f} MiB" if c else "" for c in costs]
            slopes = (stage.of_time, stage.of_memory)
            cells += ["" if slope is None else f"{slope:z.2f}" for slope in slopes]
            lines.append(f"| {stage.name} | {' | '.join(cells)} |")
        lines.append("")
    return lines[:-1]


def full_split_table(results: dict[str, Any]) -> list[str]:
    """The training split of ScanNet, end to end."""
    lines = [f"| of {FULL_SPLIT:,} scenes | seconds | peak MiB |", "|---|---|---|"]
    for name, costs in results["bench_ten_thousand"]["stages"].items():
        if cost := costs.get(str(FULL_SPLIT)):
            lines.append(f"| {name} | {cost['cpu']:.1f} | {cost['peak_mib']:.0f} |")
    return lines


def frames_table(results: dict[str, Any]) -> list[str]:
    """Questions about three to eight frames, of one scene of true size."""
    lines = ["| type | records/s of one core | peak MiB | beside it |", "|---|---|---|---|"]
    for stage in results["bench_frames"]["stages"]:
        rate = f"{stage['rate']:,.{1 if stage['rate'] < 100 else 0}f}"
        peak = f"{stage['peak_mib']:.0f}" if stage["peak_mib"] else ""
        lines.append(f"| {stage['stage']} | {rate} | {peak} | {stage['floor']} |")
    return lines


def _plain_table(rows: list[dict[str, Any]]) -> list[str]:
    """Rows as they were measured, a column for each figure."""
    heads = list(dict.fromkeys(name for row in rows for name in row))

    def cell(value: Any) -> str:
        return f"{value:,.{2 if value < 10 else 0}f}" if isinstance(value, float) else str(value)

    lines = ["| " + " | ".join(name.replace("_", " ") for name in heads) + " |"]
    lines.append("|" + "---|" * len(heads))
    for row in rows:
        lines.append("| " + " | ".join(cell(row.get(name, "")) for name in heads) + " |")
    return lines


def exports_table(results: dict[str, Any]) -> list[str]:
    """Exports of many records; the floor is reading their lines of JSON and writing them again."""
    lines = [
        "| export | records | processor s | of the floor | peak MiB | MB written |",
        "|---|---|---|---|---|---|",
    ]
    for row in results["bench_exports"]["exports"]:
        seconds, floor = row["processor_seconds"], row["floor_seconds"]
        lines.append(
            f"| `{row['command']}` | {row['records']:,} | {seconds:.1f} | {seconds / floor:.1f} "
            f"| {row['peak_mib']:.0f} | {row['bytes'] / 1e6:,.1f} |"
        )
    return lines


def copies_table(results: dict[str, Any]) -> list[str]:
    """Exports with the images inside against a plain copy of the same bytes."""
    lines = [
        "| export | seconds of the | s | copy, s | start, s | ratio | ratio without start |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["bench_exports"]["copies"]:
        cells = [row[name] for name in ("seconds", "copy_seconds", "start_seconds")]
        cells += [row["ratio"], row["ratio_without_start"]]
        numbers = " | ".join(f"{cell:.2f}" for cell in cells)
        lines.append(f"| `export_{row['export']}.py` | {row['of']} | {numbers} |")
    return lines


def _without_machine(found: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in found.items() if k not in ("date", "platform", "python", "cores")}


def asking_table(results: dict[str, Any]) -> list[str]:
    """What asking a model costs the client."""
    return _plain_table([_without_machine(results["bench_asking"])])


def debias_table(results: dict[str, Any]) -> list[str]:
    """What text alone answers of each subtask before and after pruning, and what that costs."""
    return _plain_table(results["bench_debias"]["stages"])


def added_table(results: dict[str, Any]) -> list[str]:
    """What each step costs for all scenes, for none that is new, and for one more."""
    stages = results["bench_added"]["stages"]
    counts = [int(count) for count in stages[0]["scratch"]]
    heads = [f"{count:,} scenes | nothing to do | one more" for count in counts]
    lines = [f"| step | {' | '.join(heads)} |", "|---|" + "---|" * 3 * len(counts)]
    for stage in stages:
        cells = [
            f"{stage[kind][str(count)]:.2f}"
            for count in counts
            for kind in ("scratch", "start", "added")
        ]
        lines.append(f"| {stage['stage']} | {' | '.join(cells)} |")
    return lines


def joins_table(results: dict[str, Any]) -> list[str]:
    """Joining the parts of scenes to a table, and adding one to a finished table."""
    heads = ("scenes in the table", "encoding all", "joining all parts", "adding one to it")
    lines = [f"| {' | '.join(heads)} |", "|---|---|---|---|"]
    for row in results["bench_added"]["tables"]:
        cells = " | ".join(f"{row[name]:.2f}" for name in ("encoded", "joined", "added"))
        lines.append(f"| {row['scenes']:,} | {cells} |")
    return lines


MEMORIES = ("parent_mib", "scheduler_mib")


def cluster_table(results: dict[str, Any]) -> list[str]:
    """What a scene costs the command and the scheduler beside its work."""
    lines = [
        "| run | scenes | seconds | command, ms a scene | scheduler, ms a scene | command, MiB "
        "| scheduler, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in results["bench_cluster"]["runs"].items():
        for run in runs:
            parent, scheduler = run["parent_seconds"], run.get("scheduler_seconds")
            each = [f"{1000 * parent / run['scenes']:.2f}", ""]
            if scheduler is not None:
                each[1] = f"{1000 * scheduler / run['scenes']:.2f}"
            mib = [f"{run[key]:.0f}" if key in run else "" for key in MEMORIES]
            cells = (name, f"{run['scenes']:,}", f"{run['seconds']:.0f}", *each, *mib)
            lines.append("| " + " | ".join(cells) + " |")
    return lines


# By the mark of a table in the page: the scripts that measure it, and what makes its lines.
TABLES: dict[str, tuple[tuple[str, ...], Callable[[dict[str, Any]], list[str]]]] = {
    "full size": (STAGED, full_table),
    "published": (STAGED, published_table),
    "stages": (STAGED, stages_table),
    "frames": (("bench_frames",), frames_table),
    "captures": (("bench_captures",), captures_table),
    "growth": (("bench_growth",), growth_table),
    "ten thousand": (("bench_ten_thousand",), ten_thousand_table),
    "full split": (("bench_ten_thousand",), full_split_table),
    "added": (("bench_added",), added_table),
    "joins": (("bench_added",), joins_table),
    "exports": (("bench_exports",), exports_table),
    "exports against a copy": (("bench_exports",), copies_table),
    "asking": (("bench_asking",), asking_table),
    "debias": (("bench_debias",), debias_table),
    "cluster": (("bench_cluster",), cluster_table),
}
