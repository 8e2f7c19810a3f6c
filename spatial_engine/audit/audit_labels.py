"""Recomputes the answers in files of records from the raw data, by the oracle of the tests.

Reads  FILE.jsonl ..., by default every file of records below training_data/ and evaluation_data/
       and the benchmark; the pictures of the dot tasks; the images without marks, of scans where
       they are there; the raw data: data/scannet/scans/, data/tapvid3d_dataset/, what
       data/<dataset>/meta_data/sources.json names, the lists of the splits. Uniform exports can be
       given by name.
       With --tables also object_visibility.pkl and merged_*_object_coverage_*.pkl.
Writes <root>/label_audit.json: every complaint with file, line and id.
Costs  most of it pictures: multiple choice is slowest (docs/performance.md). One scene or clip
       in memory for each worker.

Without --sample every record is checked, and ids and questions that a file holds twice are found.
Exit code: 0 all agree; 1 complaints; 2 nothing to check, or raw data is missing.

    python spatial_engine/audit/audit_labels.py --sample 1000

It imports nothing of the engine, not even what commands share (flags, errors, where files lie): a
fault there would be one that this command cannot see. How processes start and end is the exception
(`processes`, `stopping`): it decides no answer.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from spatial_engine.audit.captures.sources import is_dataset_name
from spatial_engine.audit.label_checks import Job, check_place
from spatial_engine.audit.label_lines import Index, Lines, Place, ids_of_split, index_file
from spatial_engine.audit.label_records import (
    TASKS,
    LabelFile,
    find_label_files,
    label_file,
    promised_tasks,
    sources_of,
)
from spatial_engine.audit.label_report import FileReport, exit_code, printable, say, write_report
from spatial_engine.audit.label_tables import check_tables
from spatial_engine.audit.label_work import run_jobs
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.utils.running import processes, stopping

SEED = 0  # of the sample
ALL = -1  # --sample: every record
REPORT = "label_audit.json"


class AuditError(Exception):
    """An error that the user can fix, in one line."""


def main(argv: Sequence[str] | None = None) -> int:
    return stopping.run(lambda: _main(argv), "an audit starts from the beginning")


def _main(argv: Sequence[str] | None) -> int:
    args = _parse_args(argv)
    try:
        return audit(args)
    except (AuditError, RawDataError) as err:
        print(f"error: {printable(str(err))}", file=sys.stderr)
    except processes.WorkerLost as err:
        print(f"error: {err}; start again, with a smaller --num-workers", file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as err:
        place = f"{err.filename}: " if err.filename else ""
        print(f"error: {printable(place)}{err.strerror or err}", file=sys.stderr)
    return 2


def audit(args: argparse.Namespace) -> int:
    """Check, print and write; returns the exit code."""
    files = _files(args)
    if not os.access(args.root, os.W_OK):  # to be known before hours of work, not after
        raise AuditError(f"{args.root}: {REPORT} cannot be written there")
    run = partial(run_jobs, workers=args.num_workers)
    reports = _check_files(files, args, run)
    if args.tables:
        reports += check_tables(args.root, args.sample, args.seed, run, chosen(args))
    if not reports:
        folders = "training_data/ and evaluation_data/"
        raise AuditError(f"{args.root}: nothing to check in {folders}; make questions first")
    settings = {"sample": None if args.sample == ALL else args.sample, "seed": args.seed}
    write_report(args.root / REPORT, reports, settings)  # first: printing may be cut short
    say(reports)
    print(f"written to {args.root / REPORT}")
    return exit_code(reports)


def _files(args: argparse.Namespace) -> list[LabelFile]:
    """The files to check."""
    for path in args.files:
        if path.is_dir():
            raise AuditError(f"{path}: is a folder, not a file")
        if not path.is_file():
            raise AuditError(f"{path}: no such file")
    if not args.files:
        found, datasets = find_label_files(args.root), chosen(args)
        return [file for file in found if datasets is None or _may_hold(file, datasets)]
    return [label_file(path, args.root) for path in dict.fromkeys(args.files)]


def chosen(args: argparse.Namespace) -> frozenset[str] | None:
    """The data sets that are checked, None for all."""
    return frozenset(args.dataset) if args.dataset else None


def _may_hold(file: LabelFile, datasets: frozenset[str]) -> bool:
    """Whether the name of a file lets it hold records of the data sets."""
    tasks = promised_tasks(file.path)
    if tasks == TASKS:  # a benchmark, say
        return True
    return any(sources_of(task, file) & datasets for task in tasks)


# ---- records -------------------------------------------------------------------------------------


def _check_files(
    files: list[LabelFile], args: argparse.Namespace, run: Callable
) -> list[FileReport]:
    """Look through the files, then check scene by scene whatever they ask about it."""
    listed = {file.split: ids_of_split(args.root, file.split) for file in files}
    settings = args.sample, args.seed
    jobs = [(file, args.root, *settings, listed[file.split], chosen(args)) for file in files]
    indices: list[Index] = list(run(_index, jobs, what="files looked through"))
    reports = []
    lines: dict[Place, dict[int, Lines]] = defaultdict(dict)
    for k, (file, index) in enumerate(zip(files, indices, strict=True)):
        report = FileReport(file.name, "records", index.records, index.drawn)
        report.complaints.extend(index.complaints)
        reports.append(report)
        for place, of_place in index.of_place.items():
            lines[place][k] = of_place
    places = [
        Job(place, {k: files[k] for k in of_file}, of_file, args.root)
        for place, of_file in sorted(lines.items())
    ]
    for job, found in zip(places, run(check_place, places, what="scenes and clips"), strict=True):
        for k, findings in found.items():
            reports[k].complaints.extend(findings.complaints)
            reports[k].add_unread(job.place[1], findings.unread, findings.why)
    return reports


def _index(job: tuple) -> Index:
    return index_file(*job)


# ---- flags ---------------------------------------------------------------------------------------


class AuditParser(argparse.ArgumentParser):
    """Describes an audit by its docstring, and names what is wrong with a flag in one line."""

    def __init__(self, docstring: str | None) -> None:
        super().__init__(
            description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter
        )

    def error(self, message: str) -> NoReturn:
        hint = "" if message.startswith("argument ") else "; --help lists the flags"
        self.exit(2, f"error: {printable(message)}{hint}\n")


def add_flags(parser: argparse.ArgumentParser, sampled: str) -> None:
    """The flags of an audit; sampled: what is drawn of what."""
    holds = "data/, training_data/ and evaluation_data/"
    text = f"folder that holds {holds} (default: the current directory)"
    parser.add_argument("--root", type=_folder, default=Path("."), metavar="FOLDER", help=text)
    text = f"{sampled}, drawn at random, -1 = all (default: all)"
    parser.add_argument("--sample", type=_sample, default=ALL, metavar="N", help=text)
    text = "seed of the random draw (default: %(default)s)"
    parser.add_argument("--seed", type=_whole_number, default=SEED, metavar="N", help=text)
    text = "data sets that are checked (default: all)"
    parser.add_argument("--dataset", nargs="+", type=_name, default=[], metavar="NAME", help=text)
    text = "number of processes, each on one core (default: all cores)"
    parser.add_argument(
        "--num-workers",
        type=processes.worker_count,
        default=processes.num_cores(),
        metavar="N",
        help=text,
    )


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = AuditParser(__doc__)
    text = "files of records (default: all under training_data/ and evaluation_data/)"
    parser.add_argument("files", nargs="*", type=_path, metavar="FILE.jsonl", help=text)
    add_flags(parser, "records checked of each file")
    text = "also check object visibility and coverage"
    parser.add_argument("--tables", action="store_true", help=text)
    return parser.parse_args(argv)


def _sample(text: str) -> int:
    return ALL if text == str(ALL) else _positive(text)


def _positive(text: str) -> int:
    value = _whole_number(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def _path(text: str) -> Path:
    if not text:  # as of a shell variable that is not set
        raise argparse.ArgumentTypeError("is empty; give a path (. is the current directory)")
    return Path(text)


def _name(text: str) -> str:
    if not is_dataset_name(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not the name of a data set")
    return text


def _folder(text: str) -> Path:
    folder = _path(text)
    try:
        os.stat(folder)
    except FileNotFoundError:
        raise argparse.ArgumentTypeError(f"{folder}: no such folder") from None
    except OSError as err:  # a link to itself, say
        raise argparse.ArgumentTypeError(f"{folder}: {err.strerror}") from None
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{folder}: is a file, not a folder")
    return folder


if __name__ == "__main__":
    sys.exit(main())
