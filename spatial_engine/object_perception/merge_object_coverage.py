"""Object perception step 3: joins what the processes of find_object_coverage.sh found.

Reads  {training,evaluation}_data/object_perception/<split>_<start>_<end>/*.parquet and
       object_visibility.parquet, which says which scenes there must be; if present, the scene infos
       and the names of posed_images/*/*, to see whether the table is stale.
Writes merged_<split>_object_coverage_{height,length,width}.parquet there, and beside each a pickle
       of the same content, for users.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  little, most of it loading infos and coverage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils import paths
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import object_freshness
from spatial_engine.utils.tables import coverage_files, coverage_table, object_table
from spatial_engine.utils.tables.user_pickles import dump_items


def merge(args: argparse.Namespace, step: Step, split: str) -> None:
    """Join what the chunks of one split hold of the scenes that there are."""
    table = object_table.open_objects(paths.object_table_path(args.dataset, split))
    object_freshness.check_all(table, args.dataset, split)
    content = object_table.contents(table)
    if not content:
        raise BadDataError(f"{table.path}: holds no scene; {object_table.REMEDY}")
    chunks = coverage_files.find_chunks(args.dataset, split)
    if not chunks:
        folder = paths.objects_dir(args.dataset, split)
        raise MissingInputError(f"{folder}: no {split}_*_* in it; {coverage_files.FIND_REMEDY}")
    for dimension in coverage_files.DIMENSIONS:
        settings = coverage_files.settings_of(chunks, dimension, content)
        table_path = paths.merged_coverage_path(args.dataset, split, dimension)

        def write_table(path: Path, dimension: str = dimension) -> int:
            chosen = coverage_files.choose_chunks(chunks, dimension, content)
            return coverage_files.join_chunks(chosen, dimension, path)

        def write_pickle(path: Path, table_path: Path = table_path) -> int:
            sets = coverage_table.iterate_coverage(table_path, coverage_files.MERGE_REMEDY)
            dump_items(sets, path)
            return len(content)

        inputs = {coverage_files.FOUND_WITH: settings, "scenes": content}
        step.make_file(f"{split} {dimension}", table_path, inputs, write_table)
        pickle_path = paths.merged_coverage_pickle_path(args.dataset, split, dimension)
        step.make_file(f"{split} {dimension}, pickle", pickle_path, inputs, write_pickle)


def main(argv: Sequence[str] | None = None) -> int:
    args = cli.make_parser(__doc__, dataset=True).parse_args(argv)
    step = Step("merge_object_coverage", args, {}, __file__)
    table_path = partial(paths.object_table_path, args.dataset)
    splits = step.present_inputs(args.splits, table_path, object_table.REMEDY)
    known = {scene for s in splits for scene in object_table.open_objects(table_path(s)).scene_ids}
    if unknown := sorted(set(args.scenes or ()) - known):
        raise MissingInputError(f"--scenes {unknown[0]}: no such scene in {table_path(splits[0])}")
    for split in splits:
        merge(args, step, split)
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
