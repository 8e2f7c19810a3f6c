"""Checks files of records: lists what is wrong in them, by line, and counts what they hold.

Reads  the files named, or every file of records that the engine made; the images they name. A file
       has the engine's own form, or the uniform form of the exports and the benchmark, whose images
       are relative to --root.
Writes records_check.json: all that it prints, with more lines of each fault.
Costs  docs/performance.md. 10,000 images are decoded; memory grows by 16 bytes a record
       while repeated ids and questions are looked for.

Exit code: 0 nothing wrong, 1 faults found, 2 nothing to read.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import heapq
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from spatial_engine.checks.check_findings import FileFindings, Findings
from spatial_engine.checks.image_checks import Drawn, Shard, ShardResult, check_shard, decode
from spatial_engine.checks.record_contents import described
from spatial_engine.checks.record_scan import (
    NUM_SHARDS,
    FileToCheck,
    make_folders,
    parts_of,
    scan,
    shard_folder,
)
from spatial_engine.checks.repeated_records import look_again, second_looks
from spatial_engine.errors import EngineError, MissingInputError
from spatial_engine.utils.paths import FOLDERS, Dataset
from spatial_engine.utils.questions.plain_record import is_uniform
from spatial_engine.utils.questions.record_files import RecordFile, find_record_files
from spatial_engine.utils.questions.records import MAX_LINE_BYTES
from spatial_engine.utils.running import cli, executors, flag_types
from spatial_engine.utils.running.closing_table import listed
from spatial_engine.utils.running.progress import tqdm
from spatial_engine.utils.storage import files, locks, os_errors

# Lines shown of each kind of fault in a file; the report holds more.
MAX_SHOWN = 20
# Distinct images decoded whole, drawn by the seed; -1 = all. 3 to 8 ms each.
DECODE_MOST = 10_000
REPORT = "records_check.json"  # under the root
DECODED_AT_ONCE = 200  # images of one job
PEEKED = 100  # lines looked at to tell split and form of a file named


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    to_check = files_to_check(args.root, args.files, args.version, args.datasets_of_scenes)
    folder = args.report.with_name(f"{args.report.name}{files.PARTS_SUFFIX}")
    with locks.locked(folder), os_errors.naming(folder):
        for leftover in list(folder.iterdir()):
            files.remove(leftover)  # of a killed run
        try:
            findings = check_files(to_check, folder, args)
        finally:
            files.remove(folder)
    if not any(file.records for file in findings.files):
        raise MissingInputError(f"{findings.files[0].name}: no records; make the questions again")
    files.dump_json(findings.as_json(), args.report)
    print_contents(findings.files)
    num_faults = print_faults(findings, args.max_shown)
    print(f"everything: {args.report}")
    return 1 if num_faults else 0


def files_to_check(
    root: Path, paths: Sequence[Path], version: str, datasets: Sequence[Dataset] | None = None
) -> list[FileToCheck]:
    """The files named, each once, or all of the engine, of some data sets of scenes or of all.

    Raises `MissingInputError` where there is none.
    """
    try:
        found = find_record_files(root, version=version, datasets=datasets)
        known = {file.path.resolve(): file for file in found}
    except MissingInputError:
        if not paths:
            raise
        known = {}
    chosen = {path.resolve(): path for path in paths} or {p: f.path for p, f in known.items()}
    checked = []
    for number, (resolved, path) in enumerate(chosen.items()):
        if not path.is_file():
            raise MissingInputError(f"{path}: no such file; name a jsonl of records")
        split, uniform = _looks_like(path, root, known.get(resolved))
        task = known[resolved].task if resolved in known else ""
        checked.append(FileToCheck(number, path, split, task, uniform))
    return checked


def check_files(to_check: Sequence[FileToCheck], folder: Path, args: Any) -> Findings:
    """Check files together; `folder` takes what is kept meanwhile."""
    make_folders(folder)
    parts = [part for f in to_check for part in parts_of(f, args.root, folder, args.images)]
    findings = Findings(args.root, to_check, parts)
    names = [f"{part.file.path} from byte {part.start}" for part in parts]
    for part, found in zip(parts, _map_in_order("records", scan, parts, names, args), strict=True):
        findings.join(part, found)
    findings.settle()
    for split in FOLDERS:
        for uniform in (False, True):  # an export repeats the files that it was made of
            alike = [p for p in parts if (p.file.split, p.file.uniform) == (split, uniform)]
            looks, left_out = second_looks(alike)
            if left_out:
                note = f"{left_out:,} more lines look repeated and were not compared; check again"
                findings.notes.append(f"{FOLDERS[split]}: {note} after fixing the others")
            names = [f"{look.part.file.path}" for look in looks]
            places = [look.part.place for look in looks]
            numbered = _map_numbered("duplicates", look_again, looks, names, args)
            findings.add_repeated({places[number]: texts for number, texts in numbered})
    findings.add_leaks()
    if args.images:
        check_images(findings, folder, args)
    for file in findings.files:
        file.settle()
    return findings


def check_images(findings: Findings, folder: Path, args: Any) -> None:
    """Look at every distinct image, and decode a draw of them."""
    shards = []
    for number in range(NUM_SHARDS):
        paths = tuple(sorted(shard_folder(folder, number).iterdir()))
        if paths:
            shards.append(Shard(paths, args.seed, args.decode_most))
    names = [f"{len(shard.files)} lists of images" for shard in shards]
    drawn: list[Drawn] = []
    result: ShardResult
    for result in _map("images", check_shard, shards, names, args):
        findings.add_images(result.faults)
        findings.images_seen += result.images
        findings.images_decoded += result.decoded
        drawn = heapq.nsmallest(max(args.decode_most, 0), drawn + result.drawn)
    findings.images_decoded += len(drawn)
    drawn.sort(key=lambda entry: entry[1])  # images of a folder lie close together on the disk
    rest = iter(drawn)
    batches = list(iter(lambda: list(islice(rest, DECODED_AT_ONCE)), []))
    names = [batch[0][1] for batch in batches]
    for faults in _map("decoding", decode, batches, names, args):
        findings.add_images(faults)


def print_contents(found: Sequence[FileFindings]) -> None:
    """A table of what is in the files."""
    print(f"{'records':>10} {'scenes':>7} {'images':>10} {'distinct':>10}  file")
    for file in found:
        counts = f"{file.records:>10,} {len(file.scenes):>7,} {file.images:>10,}"
        print(f"{counts} {file.distinct_images:>10,}  {printable(file.name)}")
        for task, contents in sorted(file.contents.items()):
            print(f"{'':42}{task} {contents.records:,}: {described(task, contents)}")


def print_faults(findings: Findings, max_shown: int) -> int:
    """The first lines of each kind of fault in each file; return how many faults there are."""
    kinds: dict[str, int] = {}
    for file in findings.files:
        for kind, count in sorted(file.counts.items()):
            kinds[kind] = kinds.get(kind, 0) + count
            name = printable(file.name)
            shown = [fault for fault in file.faults if fault.kind == kind][:max_shown]
            for fault in shown:
                record = printable(fault.id) or "(no id)"
                print(f"{name}:{fault.line}: {record}: {printable(fault.cause)}")
            if count > len(shown):
                print(f"{name}: {count - len(shown):,} more of {kind}")
    for note in findings.notes:
        print(f"note: {printable(note)}")
    records = sum(file.records for file in findings.files)
    total = sum(kinds.values())
    what = f"{records:,} records in {len(findings.files)} files"
    images = f"{findings.images_seen:,} images looked at, {findings.images_decoded:,} decoded"
    print(f"{what}, {images}: {f'{total:,} faults: {listed(kinds)}' if total else 'no fault'}")
    return total


def printable(text: str, most: int = 300) -> str:
    """Text of a record or a path as it can be shown: one line, no control characters, no marks
    that turn the direction of writing, ASCII, cut short."""
    text = text if len(text) <= most else f"{text[: most - 3]}..."
    return "".join(c if " " <= c <= "~" else c.encode("unicode_escape").decode() for c in text)


def _looks_like(path: Path, root: Path, known: RecordFile | None) -> tuple[str, bool]:
    """Split of a file and whether it is uniform: by its place, or else by its first records."""
    split, uniform = known.split if known else "", False
    if not split:
        parts = path.absolute().parts[len(root.absolute().parts) :]
        below = path.absolute().is_relative_to(root.absolute())
        split = next((s for s, name in FOLDERS.items() if below and parts[0] == name), "")
    with os_errors.naming(path), open(path, "rb") as lines:
        for line in islice(iter(lambda: lines.readline(MAX_LINE_BYTES), b""), PEEKED):
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(record, dict):
                uniform = is_uniform(record)
                if not split and ("conversations" in record) != ("text" in record):
                    split = "train" if "conversations" in record else "val"
                if split:
                    break
    return split or "train", uniform


def _map_numbered(
    what: str, work: Callable[[Any], Any], jobs: Sequence[Any], names: list[str], args: Any
) -> Iterator[tuple[int, Any]]:
    """(number of the job, its result) as they are done, with a progress bar."""
    results = executors.map_unordered(
        work,
        iter(jobs),
        names,
        num_workers=min(args.num_workers, len(jobs)),
        scheduler=args.scheduler if jobs else None,
        shared=args.report.parent,
    )
    with closing(results), tqdm(total=len(jobs), desc=what, unit="part", disable=None) as bar:
        for number, result in results:
            if isinstance(result, EngineError):
                raise result
            yield number, result
            bar.update()


def _map(
    what: str, work: Callable[[Any], Any], jobs: Sequence[Any], names: list[str], args: Any
) -> Iterator[Any]:
    yield from (result for _, result in _map_numbered(what, work, jobs, names, args))


def _map_in_order(
    what: str, work: Callable[[Any], Any], jobs: Sequence[Any], names: list[str], args: Any
) -> Iterator[Any]:
    """Results in the order of the jobs; in memory are those alone that came before their turn."""
    waiting: dict[int, Any] = {}
    turn = 0
    for number, result in _map_numbered(what, work, jobs, names, args):
        waiting[number] = result
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1


def _parse_args(argv: Sequence[str] | None):
    parser = cli.make_records_parser(__doc__, datasets=True, seed=True, workers=True)
    text = "files of records (default: all under training_data/ and evaluation_data/)"
    kind = flag_types.file
    parser.add_argument("files", nargs="*", type=kind, metavar="FILE.jsonl", help=text)
    cli.add_constant(
        parser, "MAX_SHOWN", MAX_SHOWN, "lines printed for each kind of fault in each file", 0
    )
    cli.add_constant(
        parser,
        "DECODE_MOST",
        DECODE_MOST,
        "number of distinct images that are decoded, -1 = all",
        -1,
    )
    text = "check the images too (default: yes)"
    parser.add_argument("--images", action=argparse.BooleanOptionalAction, default=True, help=text)
    text = f"file that the report is written to (default: <root>/{REPORT})"
    parser.add_argument("--report", type=kind, metavar="FILE", help=text)
    args = parser.parse_args(argv)
    args.report = args.report or args.root / REPORT
    if args.scheduler:  # its workers are at work elsewhere
        args.report, args.files = args.report.absolute(), [path.absolute() for path in args.files]
    return args


if __name__ == "__main__":
    sys.exit(cli.run(main))
