"""VLMEvalKit runs both benchmarks by its own command line, on a model that says what it is told.

Each question is asked three times: of the tables with paths, of those with the images in them, and
of the folder for a pull request to VLMEvalKit, with its class as if it were VLMEvalKit's own. What
comes out of VLMEvalKit on the way to the model is compared with the benchmark, images by pixels.
The predictions that it writes, in workbooks and in tsv files, must get from score_predictions.py
the scores that the same answers got from a jsonl file, and the class of the pull request must find
the same: each row and the mean, to 1e-9.
"""

from __future__ import annotations

import csv
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import vlmeval.dataset
import vlmeval.dataset.utils
from common import MARK, Expected, Report, arguments, differences, expected, lines_of
from PIL import Image
from vlmeval import run
from vlmeval.vlm.base import BaseModel

from spatial_engine.evaluation import score_predictions

TABLES = {"multispa": "MultiSPA", "multispa_frames": "MultiSPA_frames"}
# By way: the folder of the tables, what is said, what VLMEvalKit is to do, form of its predictions.
WAYS = {
    "paths": ("vlmevalkit", "mixed", "infer", "xlsx"),
    "base64": ("vlmevalkit_base64", "truth", "infer", "tsv"),
    "upstream": ("vlmevalkit_upstream", "mixed", "all", "xlsx"),
}
FOLDER = "evaluation_data/{name}/v1_0"
EXPORTS = (
    "../tests/clients/vlmevalkit_folders.py",
    "exports/export_vlmevalkit.py",
    "exports/export_vlmevalkit.py --name multispa_frames",
    "../tests/clients/given_answers.py",
    "../tests/clients/given_answers.py --name multispa_frames",
)
MODEL = "replay"
MEAN = "Mean of the rows"
TOLERANCE = 1e-9


class Replay(BaseModel):
    """Says what a file of answers has; compares each question on its way."""

    wanted: dict[str, Expected]
    told: dict[str, str]
    report: Report
    asked: set[str]
    unpacked: Path

    def set_dump_image(self, dump_image) -> None:
        # A model learns nothing of a question but its message. The ids are in the table, whose rows
        # are asked in their order.
        self.ids = iter(dump_image.__self__.data["id"])

    def generate_inner(self, message, dataset=None) -> str:
        record_id = next(self.ids)
        parts = [
            Path(part["value"]) if part["type"] == "image" else part["value"] for part in message
        ]
        problems = differences(self.wanted[record_id], parts)
        self.report.record(record_id, *problems, replaced=record_id in self.asked)
        self.asked.add(record_id)
        for part in parts:
            if isinstance(part, Path) and part.is_relative_to(self.unpacked):
                part.unlink(missing_ok=True)  # all of them take gigabytes
        return self.told[record_id]


def main() -> int:
    args = arguments(__doc__)
    report = Report("vlmevalkit", importlib.metadata.version("ms-vlmeval"))
    # VLMEvalKit unpacks images as PNG. They have the same pixels if no time is spent on their size.
    Image.Image.save = partialmethod(Image.Image.save, compress_level=0)
    Replay.unpacked = args.root / "evaluation_data/exports/vlmevalkit_base64/images"
    run.supported_VLM[MODEL] = Replay
    asked, scores = 0, 0
    for way, (below, said, mode, form) in WAYS.items():
        tables = args.root / "evaluation_data/exports" / below
        if way == "upstream":
            take_class(tables, args.root, report)
        folders = [args.root / FOLDER.format(name=name) for name in TABLES]
        files = [folder / f"{name}.jsonl" for folder, name in zip(folders, TABLES, strict=True)]
        records = list(expected(files, args.root))
        Replay.wanted = {want.id: as_told(want, way) for want in records}
        Replay.told = {
            line["id"]: line["prediction"]
            for folder in folders
            for line in lines_of(folder / f"client_answers/{said}.jsonl")
        }
        Replay.report, Replay.asked = report, set()
        written = vlmevalkit(tables, mode, form, args.work / way)
        asked += len(records)
        for (name, table), folder in zip(TABLES.items(), folders, strict=True):
            predictions = written / f"{MODEL}_{table}.{form}"
            if not predictions.is_file():
                report.fail(f"{way} {table}: no predictions; VLMEvalKit's own error is above")
                continue
            ours = rows_of(folder / f"client_answers/{said}.scores.json")
            score_predictions.main(["--root", str(args.root), "--name", name, str(predictions)])
            theirs = rows_of(predictions.with_suffix(".scores.json"))
            scores += compare(report, f"{way} {name}", theirs, ours)
            if mode == "all":
                theirs = metrics_of(written / f"{MODEL}_{table}_acc.csv")
                scores += compare(report, f"{way} {name}, its own", theirs, ours)
    if "vlmeval.dataset.utils.multispa.scoring" not in sys.modules:
        report.fail("the scorer of the pull request was not used")
    return report.close(f"{scores} equal scores", asked)


def as_told(want: Expected, way: str) -> Expected:
    """The record with its parts as VLMEvalKit has to hand them over."""
    if way == "upstream":  # images in their places; the ends of lines after them are left out
        parts = [part.removeprefix("\n") if isinstance(part, str) else part for part in want.parts]
        return replace(want, parts=parts)
    text = re.sub(rf"(Image-\d+: )?{MARK}\n", "", want.question)
    return replace(want, parts=[*want.images, text])


def take_class(folder: Path, root: Path, report: Report) -> None:
    """Put pictures and class of the pull request where it says, but for the place of the class."""
    script = folder / "scripts/multispa_fill_in.py"
    for table in TABLES.values():
        line = [sys.executable, script, "--root", root, folder / f"{table}.tsv"]
        if subprocess.run(line, stdout=sys.stderr).returncode:
            report.fail(f"{table}: not filled in")
    for package in (vlmeval.dataset, vlmeval.dataset.utils):
        package.__path__.append(str(folder / package.__name__.replace(".", "/")))
    from vlmeval.dataset.multispa import MultiSPA

    vlmeval.dataset.DATASET_CLASSES.insert(0, MultiSPA)


def vlmevalkit(tables: Path, mode: str, form: str, work: Path) -> Path:
    """Run VLMEvalKit's command on the tables of a folder; return where it wrote."""
    os.environ |= {"LMUData": str(tables), "PRED_FORMAT": form}
    before, sys.argv = sys.argv, ["run.py", "--data", *TABLES.values(), "--model", MODEL]
    sys.argv += ["--mode", mode, "--judge", "exact_matching", "--work-dir", str(work)]
    try:
        run.main()
    finally:
        sys.argv = before
    return work / MODEL


def rows_of(scores: Path) -> dict[str, float]:
    """The scores that score_predictions.py wrote, of the rows that have questions."""
    rows = json.loads(scores.read_text())["rows"]
    return {row["name"]: row["score"] for row in rows if row["score"] is not None}


def metrics_of(table: Path) -> dict[str, float]:
    """What VLMEvalKit wrote of the scores that the class found."""
    with open(table, newline="") as file:
        (row,) = csv.DictReader(file)
    return {MEAN if name == "overall" else name: float(value) for name, value in row.items()}


def compare(report: Report, what: str, theirs: dict[str, float], ours: dict[str, float]) -> int:
    """Compare each row and the mean; return how many are equal. The same rows must be there."""
    equal = 0
    for row in sorted(ours | theirs):
        mine, other = ours.get(row), theirs.get(row)
        if mine is None or other is None or not abs(mine - other) <= TOLERANCE:
            report.fail(f"{what} {row}: {other!r} for {mine!r}")
        else:
            equal += 1
    return equal


if __name__ == "__main__":
    sys.exit(main())
