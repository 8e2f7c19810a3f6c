"""Which records a report is about: flags that say so, shared by the page and the contact sheets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from spatial_engine.errors import MissingInputError
from spatial_engine.report.boxes import read_boxes
from spatial_engine.report.gather import Group, Key, Wanted, gather
from spatial_engine.report.plans.scene_plans import read_plans
from spatial_engine.report.spread import Workers
from spatial_engine.utils.paths import FOLDERS
from spatial_engine.utils.questions.record_files import find_record_files
from spatial_engine.utils.running import cli, flag_types

NAME = "report"  # folder under the root


def make_parser(docstring: str, overwrite: bool = False) -> argparse.ArgumentParser:
    """Parser of a script that shows records; flags choose them and the place of the output."""
    parser = cli.make_records_parser(
        docstring, datasets=True, seed=True, workers=True, overwrite=overwrite
    )
    cli.add_choices(parser, "--splits", list(FOLDERS))
    cli.add_list(parser, "--scenes", flag_types.name, "ID", "only records of these scenes or clips")
    text = "these files of records (default: all under training_data/ and evaluation_data/)"
    cli.add_list(parser, "--records", flag_types.file, "JSONL", text)
    parser.add_argument(
        "--output",
        type=flag_types.folder,
        metavar="FOLDER",
        help=f"folder of the output (default: <root>/{NAME})",
    )
    return parser


def output_folder(args: argparse.Namespace) -> Path:
    """Where the output goes; workers elsewhere have another current directory."""
    folder = args.output or args.root / NAME
    return folder.absolute() if args.scheduler else folder


def read_groups(
    args: argparse.Namespace, at_most: int, strata: Mapping[str, str] | None = None
) -> tuple[dict[Key, Group], dict[str, str]]:
    """Read what the flags name, and draw `at_most` records of each task and split, evenly over the
    strata of their ids.

    Returns groups by task and split, and faults by file. Raises `MissingInputError` when there is
    no file at all, or no record of a scene of `--scenes`.
    """
    if args.records:
        sources = list(dict.fromkeys(path.absolute() for path in args.records))
        for path in sources:
            if not path.is_file():
                raise MissingInputError(f"{path}: no such file; give a .jsonl of records")
    else:
        sources = find_record_files(args.root, args.splits, args.version, args.datasets_of_scenes)
    scenes = None if args.scenes is None else frozenset(args.scenes)
    wanted = Wanted(args.root, args.seed, at_most, scenes, strata or {})
    groups, faults = gather(sources, wanted, Workers.of(args, args.root))
    shown = {scene for group in groups.values() for scene in group.scenes}
    if unknown := sorted((scenes or frozenset()) - shown):
        raise MissingInputError(f"--scenes {unknown[0]}: no record shows this scene or clip")
    groups = {key: group for key, group in groups.items() if key[1] in args.splits}
    drawn = [one.record for group in groups.values() for one in group.drawn]
    boxes = iter(read_boxes(args.root, drawn, faults))
    plans = iter(read_plans(args.root, drawn, Workers.of(args, args.root), faults))
    for group in groups.values():
        group.drawn = [replace(one, box=next(boxes), plan=next(plans)) for one in group.drawn]
    return groups, faults
