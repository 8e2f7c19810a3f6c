"""Training records for ms-swift: checked as they are, with points as `objects`, or for GRPO.

Reads  training_data/exports/uniform/*.jsonl (export_uniform.py): the first records of each; with
       --videos training_data/exports/videos/*.jsonl (export_videos.py) instead; with --objects or
       --grpo every file of records of training_data/.
Writes nothing, unless asked, and prints ms-swift's command line. ms-swift takes `conversations` and
       `image` as they are. Exit code 1 when a record breaks one of its rules.
       --objects: training_data/exports/ms_swift/objects/<task>*.jsonl, for the tasks whose texts
       name points: messages, images, and `objects`, from which ms-swift writes coordinates as each
       model counts them. With --coordinates pixels objects_pixels/ in its place, whose sentences
       say pixels, for Qwen2.5-VL.
       --grpo: training_data/exports/ms_swift/grpo/<task>*.jsonl, questions that ask for the bare
       answer, with `solution`, and reward_plugin.py, which grades answers by the engine's scorer.
Costs  little; --objects and --grpo the time to read and write all records.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from spatial_engine.errors import MissingInputError
from spatial_engine.exports.export_videos import find_videos
from spatial_engine.exports.ms_swift import commands
from spatial_engine.exports.ms_swift.faults import CHECKED_RECORDS, print_faults
from spatial_engine.exports.ms_swift.rows import ObjectRows, grpo_row
from spatial_engine.exports.shared.export_files import exports_dir, find_exports, find_uniform
from spatial_engine.exports.shared.record_export import Form, export_records, write_lines
from spatial_engine.utils.questions.pixel_sentences import (
    PixelSentences,
    load_pixel_sentences,
    names_points,
)
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import load_forms
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import provenance

PLUGIN = Path(commands.__file__).parent / "reward_plugin.py"
FOLDERS = {"thousandths": "ms_swift/objects", "pixels": "ms_swift/objects_pixels"}
GRPO = "ms_swift/grpo"
REMEDY = "run the question scripts"
# With which ms-swift writes a point as [x, y], not between tokens for boxes.
PLAIN_POINTS = {"QWENVL_BBOX_FORMAT": "new"}


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    if not (args.objects or args.grpo):
        return check(args)
    pixels, forms = load_pixel_sentences(), load_forms()
    said = {name: asdict(sentences) for name, sentences in pixels.items()}
    settings = {"pixels": provenance.digest(said), "forms": provenance.digest(forms)}
    step = Step("export_ms_swift", args, settings, __file__)
    if args.objects:
        write_objects(step, pixels)
    if args.grpo:
        write_questions(step, forms)
    if code := step.close():
        return code
    lines = [train_on_objects(args)] if args.objects else []
    lines += [train_by_rewards(args)] if args.grpo else []
    print("\n\n".join([*lines, commands.OLDER]))
    return 0


def check(args: argparse.Namespace) -> int:
    """Check files that ms-swift takes as they are, and print its command line."""
    paths = (
        find_videos(args.root, args.version)
        if args.videos
        else find_uniform(args.root, "train", args.version, args.datasets_of_scenes)
    )
    bad = print_faults(paths, args.root, args.checked_records)
    print(commands.sft(paths, args.root, {}, args.videos), commands.OLDER, sep="\n\n")
    return 1 if bad else 0


def write_objects(step: Step, sentences: Mapping[str, PixelSentences]) -> None:
    """Write the files of tasks that name points."""
    in_pixels = step.options.coordinates == "pixels"
    form = Form(".jsonl", partial(write_lines, ObjectRows(sentences if in_pixels else None)))
    name = FOLDERS[step.options.coordinates]
    if not export_records(step, name, ["train"], [form], lambda x: names_points(TASKS[x.task])):
        raise MissingInputError(f"{step.root}: no training records that name points; {REMEDY}")


def write_questions(step: Step, forms: Mapping[str, Sequence[str]]) -> None:
    """Write the questions for GRPO, and the rewards."""
    form = Form(".jsonl", partial(write_lines, partial(grpo_row, forms=forms)))
    export_records(step, GRPO, ["train"], [form])
    text = PLUGIN.read_text(encoding="utf-8")

    def write(path: Path) -> int:
        path.write_text(text, encoding="utf-8")
        return len(commands.REWARDS)

    output = folder_of(step.options, GRPO) / PLUGIN.name
    step.make_file("rewards", output, {"text": provenance.digest(text)}, write)


def train_on_objects(args: argparse.Namespace) -> str:
    """The command that trains on files with `objects`, and on uniform files of the other tasks,
    where these are."""
    folder = folder_of(args, FOLDERS[args.coordinates])
    paths = find_exports(folder, args.datasets_of_scenes, REMEDY)
    if folder_of(args, "uniform").is_dir():
        uniform = find_uniform(args.root, "train", args.version, args.datasets_of_scenes)
        names = {path.name for path in paths}
        paths += [path for path in uniform if path.name not in names]
    return commands.sft(paths, args.root, PLAIN_POINTS)


def train_by_rewards(args: argparse.Namespace) -> str:
    """The command of GRPO."""
    folder = folder_of(args, GRPO)
    paths = find_exports(folder, args.datasets_of_scenes, REMEDY)
    most_images = max(task.num_images for task in TASKS.values())
    return commands.grpo(paths, args.root, folder / PLUGIN.name, most_images)


def folder_of(args: argparse.Namespace, name: str) -> Path:
    """Folder of an export of training records."""
    return exports_dir(args.root, "train", name, args.version)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    text = "records checked in each file, from its start"
    cli.add_constant(parser, "CHECKED_RECORDS", CHECKED_RECORDS, text, 1)
    text = "check the files of export_videos.py instead"
    parser.add_argument("--videos", action="store_true", help=text)
    text = "write records whose points are ms-swift's `objects`"
    parser.add_argument("--objects", action="store_true", help=text)
    text = "what sentences of --objects say of coordinates: pixels for Qwen2.5-VL, thousandths else"
    parser.add_argument("--coordinates", choices=FOLDERS, default="thousandths", help=text)
    text = "write questions for GRPO, and the rewards"
    parser.add_argument("--grpo", action="store_true", help=text)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
