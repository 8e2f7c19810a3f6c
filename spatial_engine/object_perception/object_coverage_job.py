"""Object perception step 2 for all scenes of both splits, in chunks, several processes at a time.

    bash find_object_coverage.sh [START] [CHUNK_SIZE] [PROCESSES] [END]

START, END   scenes of each split's sorted list, END not included (default: all); several machines
             take different ones
CHUNK_SIZE   scenes of one chunk (default 10)
PROCESSES    chunks at a time (default: --num-workers)

Reads  {training,evaluation}_data/object_perception/object_visibility.parquet.
Writes what `single_object_coverage_finder.py` writes for each chunk. Finished chunks are skipped.
       Chunks of earlier lists or constants are removed once others hold their scenes.
Costs  milliseconds a scene. Fails, naming them, if chunks fail.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Sequence
from contextlib import closing

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.object_perception import single_object_coverage_finder as finder
from spatial_engine.utils import paths
from spatial_engine.utils.paths import FOLDERS, SCANNET, Dataset
from spatial_engine.utils.running import cli, executors, processes
from spatial_engine.utils.tables import object_table
from spatial_engine.utils.tables.coverage_files import Chunk

USAGE = "bash find_object_coverage.sh [START] [CHUNK_SIZE] [PROCESSES] [END]"
CHUNK_SIZE = 10  # scenes
MOST_DIGITS = 9


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    start, chunk_size, num_processes, end = read_numbers(args.numbers, args.num_workers)
    scenes = list_scenes(args.dataset, args.published)
    finder.refuse_unknown(args.scenes, [scene for ids in scenes.values() for scene in ids])
    chunks = list_chunks(args.dataset, scenes, start, chunk_size, end)
    if asked := set(args.scenes or ()):
        chunks = [c for c in chunks if asked.intersection(scenes[c.split][c.start : c.end])]
    finished = finder.finished_among(args, chunks)
    if finished:
        print(f"{len(finished)} of {len(chunks)} chunks are up to date")
    to_do = [chunk for chunk in chunks if chunk not in finished]
    code = run_chunks(args, to_do, num_processes) if to_do else 0
    for split in scenes:
        finder.remove_stale(args, split, finished)
    if code:
        say_error("some chunks failed (named above); start again, finished ones are kept")
        return code
    of = "" if args.dataset.name == SCANNET else f" --dataset {args.dataset.name}"
    print(
        f"coverage of {len(chunks)} chunks is there; "
        f"next: python spatial_engine/object_perception/merge_object_coverage.py{of}"
    )
    return 0


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True, splits=False)
    parser.usage = USAGE
    parser.add_argument("numbers", nargs="*", metavar="NUMBER", help="see above")
    finder.add_constants(parser)
    return parser.parse_args(argv)


def read_numbers(texts: Sequence[str], num_workers: int) -> tuple[int, int, int, int | None]:
    """START, CHUNK_SIZE, PROCESSES and END (None = all); `SettingsError` for impossible numbers. An
    empty text means the default."""
    if len(texts) > 4:
        raise SettingsError(f"too many arguments; usage: {USAGE}")
    for text in texts:
        if text and not (text.isascii() and text.isdecimal()):
            raise SettingsError(f"{text[:40]} is not a number; usage: {USAGE}")
        if len(text) > MOST_DIGITS:
            raise SettingsError(f"{text[:40]} is too large; usage: {USAGE}")
    given = [int(text) if text else None for text in texts] + [None] * (4 - len(texts))
    defaults = (0, CHUNK_SIZE, num_workers, None)
    start, chunk_size, num_processes, end = (
        default if number is None else number
        for number, default in zip(given, defaults, strict=True)
    )
    if not chunk_size or not num_processes:
        raise SettingsError(f"CHUNK_SIZE and PROCESSES are at least 1; usage: {USAGE}")
    if end is not None and end <= start:
        raise SettingsError(
            f"no scenes from {start} to {end}: END is not above START; usage: {USAGE}"
        )
    return start, chunk_size, num_processes, end


def list_scenes(dataset: Dataset, published: bool) -> dict[str, list[str]]:
    """The sorted scenes of each split that has an object table; `BadDataError` for one that was not
    made with `--published` as this job is run (`object_table.check_published`)."""
    scenes = {}
    for split in FOLDERS:
        path = paths.object_table_path(dataset, split)
        if path.exists():
            table = object_table.open_objects(path)
            object_table.check_published(path, object_table.constants_of(table), published)
            scenes[split] = sorted(table.scene_ids)
        else:
            print(f"{split}: no {path.name}, left out", file=sys.stderr)
    if not scenes:
        raise MissingInputError(
            f"no object_visibility.parquet of {dataset.name} under {dataset.root}; "
            f"{object_table.REMEDY}"
        )
    return scenes


def list_chunks(
    dataset: Dataset, scenes: dict[str, list[str]], start: int, size: int, end: int | None
) -> list[Chunk]:
    """Every scene of the range once, by split."""
    chunks = []
    for split, ids in scenes.items():
        last = len(ids) if end is None else min(end, len(ids))
        starts = range(start, last, size)
        chunks += [Chunk(dataset, split, k, min(k + size, last)) for k in starts]
    if not chunks:
        held = ", ".join(f"{split} has {len(ids)}" for split, ids in scenes.items())
        to = "" if end is None else f" to {end}"
        raise SettingsError(f"no scenes from {start}{to}: {held}; choose a smaller START")
    return chunks


def run_chunks(args: argparse.Namespace, chunks: Sequence[Chunk], num_processes: int) -> int:
    """The exit code: 0, or the least of those of the chunks that failed. They are
    named, and the others continue, unless a process dies or the cluster is gone."""
    tasks = (
        argparse.Namespace(**{**vars(args), "split": c.split, "start": c.start, "end": c.end})
        for c in chunks
    )
    names = [f"chunk {c.split} {c.start} to {c.end}" for c in chunks]
    codes = set()
    done = processes.map_unordered(run_chunk, tasks, min(num_processes, len(chunks)))
    with closing(done):
        try:
            for number, code in done:
                if code:
                    say_error(f"{names[number]} failed; see its messages above")
                    codes.add(code)
                    if args.scheduler:  # each of the others would wait for it in turn
                        executors.check_cluster(args.scheduler, args.root)
        except processes.WorkerLost as lost:
            at_work = ", ".join(names[number] for number in lost.items)
            say_error(f"{lost}, at one of: {at_work}; the job ends here")
            codes.add(1)
    return min(codes, default=0)


def run_chunk(args: argparse.Namespace) -> int:
    """The exit code of one chunk."""
    args.num_workers = 1  # this process
    code = cli.attempt(lambda: finder.cover_chunk(args))
    sys.stdout.flush()  # a worker does not live to do it later
    return code


def say_error(text: str) -> None:
    print(f"error: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(cli.run(main))
