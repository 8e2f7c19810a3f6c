"""Time and memory of sets of 100, 1,000 and 10,000 scenes, and of files of up to 3 million records.

Each stage in a process of its own, by processor time, with its peak memory:
- tables of true shape with made-up content (`many_scenes`): opening each for the first time in a
  process, reading a scene of each, reading the overlaps of all pairs, drawing 1 and 3 million;
- the start of each command that has finished all scenes before, on small scenes of 30 files. Their
  number is taken for more than `looks.MANY_FILES`, as that of scenes of true size would be;
- check, report, mix and uniform export of records.
And the full training split of 1,201 scenes: three million questions by one worker and two, and the
shuffling of so many lines.

    python benchmarks/bench_ten_thousand.py --folder /tmp/bench [--counts 100 1000] [--full]

Takes 8 GB for 10,000 scenes and 3 million records, and hours, most of them for making what the
commands have finished. --full adds 30 million records: 20 GB, and what is exported of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import (
    LARGE,
    MAXRSS_PER_MIB,
    REPOSITORY,
    machine,
    results_path,
    run_command,
    run_timed,
)

# isort: split
import many_records
import many_scenes

COUNTS = (100, 1_000, 10_000)
RECORDS = (100_000, 1_000_000, 3_000_000)
ALL_RECORDS = 30_000_000  # with --full
FULL_SPLIT = 1_201
NUM_QUESTIONS = 3_000_000
SCENES_READ = 20
ENGINE = "spatial_engine/camera_movement/camera_movement_engine_train_val.py"
# What a stage does: before its time is taken, and while it is.
TABLE_STAGES = {
    "opening the scene infos": ("", "infos()"),
    "opening the pair table": ("", "pairs()"),
    "opening the visibility table": ("", "seen()"),
    "20 scenes' infos": ("infos()[names[0]]", "[infos()[name] for name in some]"),
    "20 scenes' pairs": (
        "pairs().read(names[0], ['overlap'])",
        "[pairs().read(name, ['overlap']) for name in some]",
    ),
    "20 scenes' visibility": (
        "seen().load_scene(names[0])", "[seen().load_scene(name) for name in some]",
    ),
    "reading the overlaps of all pairs": ("pairs()", "candidates()"),
    "drawing 1,000,000 pairs": ("candidates()", "draw(1_000_000)"),
    "drawing 3,000,000 pairs": ("candidates()", "draw(3_000_000)"),
}  # fmt: skip
PROGRAM = """
import resource, sys, time
from functools import cache
from pathlib import Path
import pandas  # which pyarrow imports when it first needs it
from spatial_engine.utils import paths
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions import records
from spatial_engine.utils.scenes import pair_balance
from spatial_engine.utils.tables import info_table, pair_table
from spatial_engine.utils.tables.visibility_table import VisibilityInfoHandler
root, number, before, stage = Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:]
@cache  # a worker is sent its scene alone
def infos():
    return info_table.SceneInfos(paths.info_path(root, "train"), "")
def pairs():
    return pair_table.open_pairs(paths.pair_table_path(root, "train"))
def seen():
    return VisibilityInfoHandler(paths.visibility_table_path(root, "train"))
@cache
def candidates():
    table = pairs()
    bins = {scene: pair_balance.read_overlap_bins(table, scene) for scene in table.scene_ids}
    return pair_balance.PairCandidates.of({scene: b[b > 0] for scene, b in bins.items()})
def draw(count):
    pair_balance.sample_pairs(candidates(), count, 0, sampling.generator(0))
def shuffle():
    made = root / "training_data/camera_movement/v1_0/total_distance_train.jsonl"
    records.shuffle_jsonl([made], root / "shuffled", sampling.generator(0))
if "name" in stage:
    names = list(infos())
    some = names[1 :: max((len(names) - 1) // number, 1)][:number]
def memory(kind):  # what getrusage tells is inherited from whoever started this
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition(kind)[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if before:
    eval(before)
start, held = time.process_time(), memory("VmRSS:")
eval(stage)
print(time.process_time() - start, memory("VmHWM:"), max(memory("VmRSS:") - held, 0))
"""


def run_stage(root: Path, before: str, stage: str) -> dict[str, float]:
    """Processor seconds of a stage, the peak of its process and what the stage has added, MiB."""
    line = [sys.executable, "-c", PROGRAM, str(root.absolute()), str(SCENES_READ), before, stage]
    done = subprocess.run(line, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, check=True)
    cpu, peak, added = map(float, done.stdout.split())
    return {"cpu": cpu, "peak_mib": peak / MAXRSS_PER_MIB, "added_mib": added / MAXRSS_PER_MIB}


def measure_tables(root: Path, count: int) -> dict[str, dict[str, float]]:
    """Each stage of tables of so many scenes."""
    many_scenes.make_tables(root, count)
    return {name: run_stage(root, *stage) for name, stage in TABLE_STAGES.items()}


def measure_starts(root: Path, count: int) -> dict[str, dict[str, float]]:
    """The start of each finished command: the third, after one that has looked at everything."""
    many_scenes.make_finished(root, count)
    found = {}
    for command, flags in many_scenes.COMMANDS.items():
        for _ in range(2):
            cost = run_timed(command, root, *flags, program=LARGE, codes=many_scenes.CODES)
        found[f"start of {Path(command).name}"] = {"cpu": cost.cpu, "peak_mib": cost.peak_mib}
    return found


def measure_full_split(root: Path) -> dict[str, dict[str, float]]:
    """Questions about the full training split, end to end, and the shuffling of their lines."""
    many_scenes.make_tables(root, FULL_SPLIT)
    found = {}
    flags = ("--splits", "train", "--question-types", "total_distance",
             "--train-max-samples", str(NUM_QUESTIONS))  # fmt: skip
    for workers in (1, 2):
        seconds, peak = run_command(ENGINE, root, *flags, num_workers=workers)
        name = f"{NUM_QUESTIONS:,} camera questions, {workers} workers, whole command"
        found[name] = {"cpu": seconds, "peak_mib": peak}
    found[f"shuffling {NUM_QUESTIONS:,} lines"] = run_stage(root, "", "shuffle()")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--counts", type=int, nargs="*", default=COUNTS, help="numbers of scenes")
    parser.add_argument("--records", type=int, nargs="*", default=RECORDS)
    parser.add_argument("--full", action="store_true", help=f"and {ALL_RECORDS:,} records")
    args = parser.parse_args()
    path = results_path(args.folder, __file__)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    stages: dict[str, dict[str, dict[str, float]]] = kept.get("stages", {})

    def keep(count: int, found: dict[str, dict[str, float]]) -> None:
        """Figures of other numbers stay from earlier starts."""
        for name, cost in found.items():
            stages.setdefault(name, {})[str(count)] = cost
            print(f"{count:>10,} {name:<62} {cost['cpu']:8.2f} s {cost['peak_mib']:6.0f} MiB")
        path.write_text(json.dumps({**machine(), "stages": stages}, indent=1))

    folder = args.folder / "ten_thousand"
    for count in args.counts:
        keep(count, measure_tables(folder / f"tables_{count}", count))
        keep(count, measure_starts(folder / f"finished_{count}", count))
    if args.counts:
        keep(FULL_SPLIT, measure_full_split(folder / f"tables_{FULL_SPLIT}"))
    numbers = [*args.records, *([ALL_RECORDS] if args.full else [])]
    for number in numbers:
        keep(number, many_records.measure(folder, number))


if __name__ == "__main__":
    main()
