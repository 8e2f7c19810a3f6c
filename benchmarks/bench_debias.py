"""Times make_benchmark.py --debias on tables of true size: 300 of 5,000 candidates of each of 26
subtasks, about 312 scenes or 60 recordings, whose answers have known biases
(tests/biased_questions.py). Prints what text alone answers before and after.

    python benchmarks/bench_debias.py --folder /tmp/bench [--candidates 5000] [--tasks NAME ...]
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import MAXRSS_PER_MIB, machine, results_path

# isort: split
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from biased_questions import make_candidates

from spatial_engine.evaluation.debiasing.debias import debias
from spatial_engine.evaluation.make_benchmark import FOLDS, MAX_CANDIDATES, ROUNDS
from spatial_engine.utils.questions.tasks import SUBTASKS

SCENES, RECORDINGS = 312, 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--candidates", type=int, default=MAX_CANDIDATES)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--tasks", nargs="+", choices=SUBTASKS, default=list(SUBTASKS))
    args = parser.parse_args()
    print(machine())
    print("| subtask | before | chance | after | chance | exchanged | seconds |")
    total, stages = 0.0, []
    for task in args.tasks:
        scenes = RECORDINGS if SUBTASKS[task].of_clips else SCENES
        records = make_candidates(task, args.candidates, scenes, seed=0)
        start = time.perf_counter()
        done = debias(records, args.questions, FOLDS, ROUNDS, seed=0)
        seconds = time.perf_counter() - start
        cells = []
        for blind in (done.before, done.after):
            mark = "" if blind.is_chance else "*"
            cells.append(f"{blind.score:.1f} [{blind.low:.1f}, {blind.high:.1f}]{mark}")
            cells.append(f"{blind.chance:.1f}")
        exchanged = sum(done.pruned.values())
        print(f"| `{task}` | {' | '.join(cells)} | {exchanged} | {seconds:.1f} |", flush=True)
        total += seconds
        stages.append({
            "subtask": f"`{task}`", "before": done.before.score, "after": done.after.score,
            "chance": done.after.chance, "exchanged": exchanged, "seconds": seconds,
        })  # fmt: skip
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MAXRSS_PER_MIB
    print(f"{total:.0f} s, {memory:.0f} MiB")
    stages.append({"subtask": "together", "seconds": total, "peak_MiB": memory})
    path = results_path(args.folder, __file__)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**machine(), "stages": stages}, indent=1))


if __name__ == "__main__":
    main()
