"""The MultiSPA benchmark as a task of lmms-eval, or that of three to eight frames.

Reads  evaluation_data/multispa/v1_0/multispa.jsonl (with `--name multispa_frames` that of this
       name, or --benchmark FILE), templates in lmms_eval_task/.
Writes evaluation_data/exports/lmms_eval/{multispa.yaml,utils.py} (of another benchmark in a folder
       of its name there), which name the root as it is now: run this again after moving it.
       With --upstream FOLDER instead what a pull request to lmms-eval has: tasks with a scorer of
       their own, on data sets of the Hub without pictures, `--hub NAME` (docs/upstream.md).
Costs  little.

    python -m lmms_eval --include_path ROOT/evaluation_data/exports/lmms_eval --tasks multispa ...

Scores are those of score_predictions.py: percent right in each row of the paper's Table 2, or in
each family of tasks, and their mean. In lmms-eval's environment, from the repository:

    pip install --no-deps -e . orjson
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.errors import SettingsError
from spatial_engine.exports.shared.export_files import chosen_benchmark, exports_dir
from spatial_engine.exports.upstream.folder import (
    add_upstream,
    check_upstream,
    present_benchmarks,
    write_files,
)
from spatial_engine.exports.upstream.lmms_eval_folder import lmms_eval_files
from spatial_engine.utils.questions.record_files import count_lines, read_uniform
from spatial_engine.utils.questions.tasks import MULTISPA, Benchmark, benchmark_with, metric_name
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage.provenance import digest, file_fingerprint

TEMPLATES = Path(__file__).parent / "lmms_eval_task"


def fill_yaml(path: Path, benchmark: Benchmark = MULTISPA, task: str = "") -> str:
    """The yaml of a task (the benchmark's name without one): a metric for each row, and their
    mean."""
    text = (TEMPLATES / "multispa.yaml").read_text(encoding="utf-8")
    text = text.replace("multispa", task or benchmark.name)
    if benchmark != MULTISPA:
        text = text.replace("The MultiSPA benchmark", "The benchmark of three to eight frames")
        text = text.replace("the rows of the paper's Table 2", "the families of tasks")
    text = text.replace('"BENCHMARK"', json.dumps(str(path)))  # JSON text is YAML, too
    metrics = [f"{benchmark.name}_mean", *map(metric_name, benchmark.rows)]
    return text + "".join(
        f"  - metric: {name}\n    aggregation: !function utils.{name}\n    higher_is_better: true\n"
        for name in metrics
    )


def fill_utils(root: Path, benchmark: Benchmark = MULTISPA) -> str:
    """The task's functions, with the benchmark and the root in their places."""
    text = (TEMPLATES / "utils.py").read_text(encoding="utf-8")
    text = text.replace('BENCHMARKS["multispa"]', f'BENCHMARKS["{benchmark.name}"]')
    return text.replace('ROOT = Path(".")', f"ROOT = Path({json.dumps(str(root))})")


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_records_parser(__doc__, overwrite=True)
    cli.add_benchmark(parser)
    add_upstream(parser, "lmms-eval")
    text = "with --upstream: the data sets are NAME/multispa and NAME/multispa_frames on the Hub"
    parser.add_argument("--hub", default="", metavar="NAME", help=text)
    args = parser.parse_args(argv)
    check_upstream(args, {}, {"--hub": args.hub})
    if args.upstream:
        return write_upstream(args)
    name, path = chosen_benchmark(args)
    benchmark = benchmark_with(record["task"] for record in read_uniform(path))
    # The path as given, not what links lead to: users link data/ to other disks.
    root = args.root.absolute()
    folder = exports_dir(args.root, "val", "lmms_eval", args.version)
    folder = folder if name == MULTISPA.name else folder / name
    step = Step("export_lmms_eval", args, {"root": str(root)}, __file__)
    texts = {
        f"{name}.yaml": fill_yaml(path.absolute(), benchmark, name),
        "utils.py": fill_utils(root, benchmark),
    }
    for file, text in texts.items():
        inputs = {
            "benchmark": file_fingerprint(path, args.root),
            "text": digest(text),
        }

        def write(output: Path, text: str = text) -> int:
            output.write_text(text, encoding="utf-8")
            return count_lines(path)

        step.make_file(file, folder / file, inputs, write)
    return step.close()


def write_upstream(args: argparse.Namespace) -> int:
    """Write the folder for a pull request."""
    if not args.hub:
        raise SettingsError("--upstream needs --hub NAME, of you or your organisation on the Hub")
    benchmarks = present_benchmarks(args.root, args.version)
    write_files(args.upstream, lmms_eval_files(benchmarks, args.hub))
    print(f"{args.upstream}: {', '.join(benchmarks)}; MULTISPA_PULL_REQUEST.md says how to go on")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
