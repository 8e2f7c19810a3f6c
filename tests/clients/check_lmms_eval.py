"""lmms-eval runs both benchmarks by its own command line, on models that say what they are told.

Each question is asked twice: as messages with the images in their places (given mixed answers), and
as a text after all images (given the truth). Then the folder for a pull request to lmms-eval takes
the place of a task of its own, with a scorer that needs nothing of the engine, and each question is
asked once more. What comes out of lmms-eval's own classes on the way to a model is compared with
the benchmark, images by pixels. Its scores must be those that score_predictions.py found for the
same answers, in each row and the mean, to 1e-9.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import os
import re
import sys
from pathlib import Path

import lmms_eval.tasks
from common import Expected, Report, arguments, differences, expected, lines_of
from lmms_eval.__main__ import cli_evaluate
from lmms_eval.api.model import lmms
from lmms_eval.models import MODEL_REGISTRY_V2
from lmms_eval.models.registry_v2 import ModelManifest
from lmms_eval.protocol import ChatMessages

BENCHMARKS = ("multispa", "multispa_frames")
# By way: how a model is asked, what it says, the folder of the tasks and what they are called.
WAYS = {
    "chat": ("chat", "mixed", "lmms_eval", ",".join(BENCHMARKS)),
    "simple": ("simple", "truth", "lmms_eval", ",".join(BENCHMARKS)),
    "upstream": ("chat", "mixed", "lmms_eval_upstream/lmms_eval/tasks/multispa", "multispa_all"),
}
FOLDER = "evaluation_data/{name}/v1_0"
TASKS = "evaluation_data/exports"
EXPORTS = (
    "exports/export_lmms_eval.py",
    "exports/export_lmms_eval.py --name multispa_frames",
    "exports/export_hub.py --only-benchmark --without-images",
    "exports/export_hub.py --only-benchmark --without-images --name multispa_frames",
    "../tests/clients/upstream_folder.py",
    "../tests/clients/given_answers.py",
    "../tests/clients/given_answers.py --name multispa_frames",
)
TOLERANCE = 1e-9


class Replay(lmms):
    """Says what a file of answers has; compares each question on its way."""

    wanted: dict[str, Expected]
    told: dict[str, str]
    report: Report
    asked: set[str]

    def __init__(self, **_):
        super().__init__()

    def generate_until(self, requests) -> list[str]:
        return [self.answer(*request.args) for request in requests]

    def say(self, doc: dict, problems: list[str]) -> str:
        repeated = doc["id"] in self.asked
        self.asked.add(doc["id"])
        self.report.record(doc["id"], *problems, replaced=repeated)
        return self.told[doc["id"]]

    def loglikelihood(self, requests):
        raise NotImplementedError

    def generate_until_multi_round(self, requests):
        raise NotImplementedError


class ReplayChat(Replay):
    """Gets messages, as lmms-eval's chat models do."""

    is_simple = False

    def answer(self, text, doc_to_messages, settings, number, task, split) -> str:
        doc = self.task_dict[task][split][number]
        messages = ChatMessages(messages=doc_to_messages(doc)).to_hf_messages()
        (message,) = messages
        assert message["role"] == "user", message["role"]
        parts = [part[part["type"]] for part in message["content"]]
        return self.say(doc, differences(self.wanted[doc["id"]], parts=parts))


class ReplaySimple(Replay):
    """Gets a text and the images before it."""

    is_simple = True

    def answer(self, text, settings, doc_to_visual, number, task, split) -> str:
        doc = self.task_dict[task][split][number]
        want = self.wanted[doc["id"]]
        problems = differences(want, images=doc_to_visual(doc))
        if text != (words := re.sub(r"(Image-\d+: )?<image>\n", "", want.question)):
            problems.append(f"text {text!r} for {words!r}")
        return self.say(doc, problems)


def main() -> int:
    args = arguments(__doc__)
    report = Report("lmms_eval", importlib.metadata.version("lmms-eval"))
    asked, scores = 0, 0
    # Where a pull request puts the folder, but for the place; its own module `utils` imports it.
    lmms_eval.tasks.__path__.append(str(args.root / TASKS / "lmms_eval_upstream/lmms_eval/tasks"))
    os.environ["MULTISPA_ROOT"] = str(args.root)
    for way, (asks, said, below, tasks) in WAYS.items():
        model = {"chat": ReplayChat, "simple": ReplaySimple}[asks]
        folders = [args.root / FOLDER.format(name=name) for name in BENCHMARKS]
        files = [folder / f"{name}.jsonl" for folder, name in zip(folders, BENCHMARKS, strict=True)]
        model.wanted = {want.id: want for want in expected(files, args.root)}
        model.told = {
            line["id"]: line["prediction"]
            for folder in folders
            for line in lines_of(folder / f"client_answers/{said}.jsonl")
        }
        model.report, model.asked = report, set()
        results = evaluate(
            f"replay_{way}", model, args.root / TASKS / below, tasks, args.work / way
        )
        asked += len(model.wanted)
        for name, folder in zip(BENCHMARKS, folders, strict=True):
            ours = json.loads((folder / f"client_answers/{said}.scores.json").read_text())
            scores += compare(report, f"{way} {name}", results[name], ours["rows"], name)
    if "lmms_eval.tasks.multispa.scorer.scoring" not in sys.modules:
        report.fail("the scorer of the pull request was not used")
    return report.close(f"{scores} equal scores", asked)


def evaluate(name: str, model: type, folder: Path, tasks: str, work: Path) -> dict:
    """Run lmms-eval's command on the tasks of a folder; return the results that it wrote."""
    # Its registry imports by name; this module, not a second one, holds what is compared.
    sys.modules["check_lmms_eval"] = sys.modules["__main__"]
    path = {
        ("simple" if model.is_simple else "chat")
        + "_class_path": f"check_lmms_eval.{model.__name__}"
    }
    MODEL_REGISTRY_V2.register_manifest(ModelManifest(name, **path))
    line = f"--model {name} --tasks {tasks} --batch_size 1 --log_samples"
    before, sys.argv = sys.argv, ["lmms_eval", *line.split()]
    sys.argv += ["--include_path", str(folder), "--output_path", str(work)]
    try:
        cli_evaluate()
    finally:
        sys.argv = before
    written = list(work.rglob("*_results.json"))
    if len(written) != 1:  # lmms-eval ends well even when an evaluation has failed
        sys.exit("lmms-eval wrote no results: its own error is above")
    return json.loads(written[0].read_text())["results"]


def compare(report: Report, what: str, theirs: dict, rows: list[dict], name: str) -> int:
    """Compare each row and the mean; return how many are equal. The same rows must be there."""
    ours = {f"multispa_{row['name'].lower().replace(' ', '_')}": row["score"] for row in rows}
    ours[f"{name}_mean"] = ours.pop("multispa_mean_of_the_rows")
    got = {key.removesuffix(",none"): value for key, value in theirs.items() if ",none" in key}
    got = {key: value for key, value in got.items() if "_stderr" not in key}
    equal = 0
    for row in sorted(ours | got):
        mine, other = ours.get(row), got.get(row)
        if mine is None and isinstance(other, float) and math.isnan(other):
            continue  # a row of which the benchmark has no question
        if not isinstance(mine, float) or not isinstance(other, float):
            report.fail(f"{what} {row}: {other} for {mine}")
        elif abs(mine - other) > TOLERANCE:
            report.fail(f"{what} {row}: {other!r} for {mine!r}")
        else:
            equal += 1
    return equal


if __name__ == "__main__":
    sys.exit(main())
