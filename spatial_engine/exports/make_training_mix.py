"""The training mix of 3 million records, as the meta json that InternVL's trainer reads.

Reads  the training files under --root, to count their lines.
Writes training_data/mix3M.json; with --full-set data/configs/mix3M.json, the mix of the full-size
       set, which needs no files.
Costs  the time to read the training files once; nothing for --full-set.

Paths are relative to --root: start the trainer there, or use --absolute-paths.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.exports import mix_shares
from spatial_engine.exports.mix_shares import MixFile
from spatial_engine.utils.paths import FOLDERS, Dataset
from spatial_engine.utils.questions.record_files import (
    FIRST_VERSION,
    RecordFile,
    count_lines,
    find_record_files,
    image_root,
    record_path,
)
from spatial_engine.utils.questions.tasks import SUBTASKS, TASKS
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.running.files import dump_json

log = logging.getLogger(__name__)

TOTAL = mix_shares.TOTAL  # records of the mix
MAX_REPEAT = 1  # times that a record may be used, at most


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    files = (
        full_set()
        if args.full_set
        else files_on_disk(args.root, args.version, args.datasets_of_scenes)
    )
    if args.absolute_paths:
        folder = args.root.resolve()
        files = [
            replace(
                file,
                annotation=str(folder / file.annotation),
                image_root=str(folder / file.image_root),
            )
            for file in files
        ]
    plan = mix_shares.plan_mix(files, args.total, args.max_repeat)
    meta = mix_shares.make_meta(files, plan.wanted)
    if not meta:
        raise SettingsError("the mix is empty: raise --max-repeat or make more records")
    default = "data/configs/mix3M.json" if args.full_set else f"{FOLDERS['train']}/mix3M.json"
    output = args.output or args.root / default
    if not args.full_set:
        refuse_to_lose(output, args.root)
    dump_json(meta, output)
    say_what_is_in_it(files, plan, args.total)
    print(output)
    return 0


def files_on_disk(
    root: Path, version: str, datasets: Sequence[Dataset] | None = None
) -> list[MixFile]:
    """Training files under the root; of object perception those of two images alone.

    Of several files of one task and data set (made with other numbers of samples) the longest is
    taken.
    """
    longest: dict[tuple[str, str], tuple[int, RecordFile]] = {}
    for file in find_record_files(root, ["train"], version, datasets):
        length = count_lines(file.path)
        if file.images_per_record != TASKS[file.task].num_images or not length:
            continue
        key = (file.task, file.dataset)
        if key in longest:
            log.warning("%s of %s: there are several files of this task; the longest is used", *key)
        if length > longest.get(key, (0,))[0]:
            longest[key] = (length, file)
    return [
        MixFile(
            task,
            file.path.relative_to(root).as_posix(),
            file.image_root.relative_to(root).as_posix(),
            length,
            file.images_per_record,
            file.dataset,
        )
        for (task, _), (length, file) in longest.items()
    ]


def refuse_to_lose(output: Path, root: Path) -> None:
    """Raise `MissingInputError` where a mix made before names a file that is not there now."""
    try:
        before = json.loads(output.read_text(encoding="utf-8"))
        named = [root / entry["annotation"] for entry in before.values()]
    except (OSError, ValueError, AttributeError, LookupError, TypeError, RecursionError):
        return  # there is none, or it is none of ours
    for path in named:
        if not path.is_file():
            raise MissingInputError(
                f"{path}: no such file, and {output} names it; restore it, or remove the mix to "
                "make it without that file"
            )


def full_set() -> list[MixFile]:
    """The files of the full-size set, made with the scripts' own constants."""
    constants = {"k": 2, "most": -1, "numbers": "_15points_30pairs"}
    files = []
    for task in SUBTASKS.values():
        path = record_path(Path(), task.name, "train", FIRST_VERSION, **constants)
        root = image_root(Path(), task.name, path).as_posix()
        length = task.full_length
        files.append(MixFile(task.name, path.as_posix(), root, length, task.num_images))
    return files


def say_what_is_in_it(files: Sequence[MixFile], plan: mix_shares.Mix, total: int) -> None:
    """Print records by group, of several data sets of scenes also by these, and what limits the
    mix."""
    groups = dict.fromkeys(mix_shares.GROUP_RECORDS, 0)
    datasets: Counter[str] = Counter()
    for file, wanted in zip(files, plan.wanted, strict=True):
        groups[TASKS[file.task].group] += wanted
        if not TASKS[file.task].of_clips:
            datasets[file.dataset] += wanted
    for group, number in groups.items():
        print(f"  {group:<20} {number:>9,}" + ("" if number else "  (no file)"))
    print(f"  {'together':<20} {sum(plan.wanted):>9,} of {total:,}")
    if len(datasets) > 1:
        listed = ", ".join(f"{number:,} of {name}" for name, number in datasets.items())
        print(f"about scenes: {listed}")
    if plan.short:
        print(
            f"smaller than requested: too few records of {plan.short} to keep the proportions; "
            "make more, or raise --max-repeat"
        )


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True)
    cli.add_constant(parser, "TOTAL", TOTAL, "number of records in the mix", 1)
    cli.add_constant(parser, "MAX_REPEAT", MAX_REPEAT, "how often a record may be used", 1)
    text = "describe the full-size set instead of the files under --root"
    parser.add_argument("--full-set", action="store_true", help=text)
    parser.add_argument("--absolute-paths", action="store_true", help="write absolute paths")
    parser.add_argument(
        "--output",
        type=flag_types.file,
        metavar="FILE",
        help="path of the meta json (default: the path above)",
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
