"""The MultiSPA benchmark as a task of lmms-eval.

Reads  evaluation_data/multispa/v1_0/multispa.jsonl, templates in lmms_eval_task/.
Writes evaluation_data/exports/lmms_eval/{multispa.yaml,utils.py}, which name the root as it is now:
       run this again after moving it.
Costs  little.

    python -m lmms_eval --include_path ROOT/evaluation_data/exports/lmms_eval --tasks multispa ...

Scores are those of score_predictions.py: percent right in each row of the paper's Table 2, and
their mean. In lmms-eval's environment, from the repository:

    pip install --no-deps -e . orjson
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.exports.export_files import exports_dir, present_benchmark
from spatial_engine.utils.questions.record_files import count_lines
from spatial_engine.utils.questions.tasks import ROWS, metric_name
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.provenance import digest, file_fingerprint
from spatial_engine.utils.running.step import Step

TEMPLATES = Path(__file__).parent / "lmms_eval_task"


def fill_yaml(benchmark: Path) -> str:
    """The task's yaml: a metric for each row, and their mean."""
    text = (TEMPLATES / "multispa.yaml").read_text(encoding="utf-8")
    text = text.replace('"BENCHMARK"', json.dumps(str(benchmark)))  # JSON text is YAML, too
    metrics = ["multispa_mean", *map(metric_name, ROWS)]
    return text + "".join(
        f"  - metric: {name}\n    aggregation: !function utils.{name}\n    higher_is_better: true\n"
        for name in metrics
    )


def fill_utils(root: Path) -> str:
    """The task's functions, with the root in its place."""
    text = (TEMPLATES / "utils.py").read_text(encoding="utf-8")
    return text.replace('ROOT = Path(".")', f"ROOT = Path({json.dumps(str(root))})")


def main(argv: Sequence[str] | None = None) -> int:
    args = cli.make_records_parser(__doc__, overwrite=True).parse_args(argv)
    benchmark = present_benchmark(args.root, args.version)
    # The path as given, not what links lead to: users link data/ to other disks.
    root = args.root.absolute()
    folder = exports_dir(args.root, "val", "lmms_eval", args.version)
    step = Step("export_lmms_eval", args, {"root": str(root)}, __file__)
    texts = {"multispa.yaml": fill_yaml(benchmark.absolute()), "utils.py": fill_utils(root)}
    for name, text in texts.items():
        inputs = {
            "benchmark": file_fingerprint(benchmark, args.root),
            "text": digest(text),
        }

        def write(path: Path, text: str = text) -> int:
            path.write_text(text, encoding="utf-8")
            return count_lines(benchmark)

        step.make_file(name, folder / name, inputs, write)
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
