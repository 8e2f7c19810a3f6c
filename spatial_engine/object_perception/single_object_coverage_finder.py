"""Object perception step 2: the smallest sets of images that show an object from end to end.

Reads  {training,evaluation}_data/object_perception/object_visibility.parquet, the scenes from
       START to END of its sorted list.
Writes <split>_<start>_<end>/<split>_object_coverage_{height,length,width}_<start>_<end>.parquet
       there, the minimal sets of images, and beside each a pickle of the same content for users:
       {scene: {object_id: {k: [(image_id, ...), ...]}}}. Removes such folders of earlier lists or
       constants once others hold all their scenes.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  little (docs/performance.md).

`find_object_coverage.sh` does this for all scenes of both splits in several processes.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import EngineError, SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.coverage import minimal_sets
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.running.outputs import Outputs, Part
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.object_freshness import check_all, checker
from spatial_engine.utils.storage.looks import Looks
from spatial_engine.utils.tables import coverage_files, coverage_table, object_table
from spatial_engine.utils.tables.coverage_files import DIMENSIONS, Chunk
from spatial_engine.utils.tables.object_table import SeenObject
from spatial_engine.utils.tables.user_pickles import dump_items

# An image is shown in a question about an object when it shows this share of its vertices, or more:
# of a corner of a thing, nobody can tell what it is.
MIN_OBJECT_SEEN = 0.2  # published: 0.0
# Images of an object that are considered at most, drawn at random; as published.
MAX_IMAGES = 25
# A set covers a size when it shows all but this share of it.
TOLERANCE = 0.10
# Smaller sizes (of pictures, pillows, keyboards) are not asked about, in metres: depth is wrong by
# centimetres, too large a share of them to say what images show of it (docs/labels.md).
MIN_SIZE_M = 0.2  # published: 0.02
# Length and width are the sides of the axis-aligned box. Of a thing that stands askew to the axes,
# whose box is larger, seen from above, than the smallest rectangle around it by more than this
# factor, nobody would give them.
MAX_BOX_SLACK = 1.15  # published: 0.0, any

PART = "{dimension}.parquet"
PARTS_NAME = "coverage"
TOO_LITTLE = "objects of which each image shows too little"


def cover_scene(
    arguments: tuple[Path, str, str, int, Mapping[str, Any]], part_dir: Path
) -> PartResult:
    """Write the minimal sets of all objects of one scene, a part for each dimension; the last of
    the arguments are the constants of this script."""
    table_path, split, scene_id, seed, constants = arguments
    min_size = constants["MIN_SIZE_M"]
    objects = object_table.read_scene_objects(object_table.open_objects(table_path), scene_id)
    rng = sampling.generator(seed, "object_coverage", split, scene_id)
    found: dict[str, coverage_table.SceneSets] = {dimension: {} for dimension in DIMENSIONS}
    drops = {dimension: Counter() for dimension in DIMENSIONS}
    notes = {dimension: Counter() for dimension in DIMENSIONS}
    for seen in objects:
        enough = show_enough(seen, constants["MIN_OBJECT_SEEN"])
        most = min(constants["MAX_IMAGES"], len(enough))
        considered = enough[sampling.draw(rng, len(enough), most)]
        for dimension in DIMENSIONS:
            axis = axis_of(dimension, seen.size)
            if seen.size[axis] < min_size:
                drops[dimension][f"objects smaller than {min_size:g} m"] += 1
                continue
            if dimension != "height" and 0 < constants["MAX_BOX_SLACK"] < seen.slack:
                drops[dimension]["objects that stand askew to the axes"] += 1
                continue
            notes[dimension]["images that show too little"] += len(seen.image_ids) - len(enough)
            sets = find_sets(seen, considered, axis, constants["TOLERANCE"])
            if not sets:
                why = "objects that no images cover" if len(enough) else TOO_LITTLE
                drops[dimension][why] += 1
                continue
            found[dimension][seen.object_id] = sets
            notes[dimension].update({f"sets of {k}": len(images) for k, images in sets.items()})
    for dimension, by_object in found.items():
        path = part_dir / PART.format(dimension=dimension)
        coverage_table.write_scene_sets(path, scene_id, by_object)
    counts = dict.fromkeys(DIMENSIONS, 1)  # scenes: one without any set counts too
    return PartResult(counts, *({d: dict(c[d]) for d in DIMENSIONS} for c in (drops, notes)))


def show_enough(seen: SeenObject, min_share: float) -> np.ndarray:
    """Numbers (n,) of the images that show this share of the object's vertices, or more."""
    percent = 100 * min_share - 1e-9  # 30 of 100 vertices are 0.3 of them, whatever 100 * 0.3 is
    return np.flatnonzero(seen.visibility >= percent)


def axis_of(dimension: str, size: np.ndarray) -> int:
    """Axis (0, 1, 2 for x, y, z) of a dimension of a box of `size` (3,)."""
    if dimension == "height":
        return 2
    longer = 0 if size[0] >= size[1] else 1
    return longer if dimension == "length" else 1 - longer


def find_sets(
    seen: SeenObject, considered: np.ndarray, axis: int, tolerance: float
) -> dict[int, list[tuple[str, ...]]]:
    """The minimal sets among the `considered` images (n,), by number of images, as image ids."""
    low, high = seen.low[considered, axis], seen.high[considered, axis]
    single, pairs = minimal_sets(low, high, float(seen.size[axis]), tolerance)
    ids = [seen.image_ids[number] for number in considered]
    sets = {1: [(ids[i],) for i in single], 2: [(ids[i], ids[j]) for i, j in pairs]}
    return {k: images for k, images in sets.items() if images}


def join_parts(parts: Sequence[Part], outputs: Mapping[str, Path]) -> None:
    """Table and pickle of each dimension; the pickle is made from the table."""
    for dimension in DIMENSIONS:
        name = coverage_files.table_name(dimension)
        table, file_name = outputs[name], PART.format(dimension=dimension)
        coverage_table.merge_sets([part.source(name, file_name) for part in parts], table)
        sets = coverage_table.iterate_coverage(table, "start again with --overwrite")
        dump_items(sets, outputs[dimension])


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True, splits=False)
    parser.set_defaults(num_workers=1)  # to start more takes longer than a chunk
    parser.add_argument("--split", choices=cli.SPLITS, default="train", help="default: train")
    number = flag_types.whole_number(0)
    text = "number of the first scene in the split's sorted list (default: 0)"
    parser.add_argument("--start", type=number, default=0, metavar="N", help=text)
    text = "number of the scene to stop before (default: the end of the list)"
    parser.add_argument("--end", type=number, metavar="N", help=text)
    add_constants(parser)
    return parser.parse_args(argv)


def add_constants(parser: argparse.ArgumentParser) -> None:
    """The flags of what decides which sets are found."""
    text = "share of its vertices that an image must show to be asked about an object, 0 to 1"
    cli.add_constant(parser, "MIN_OBJECT_SEEN", MIN_OBJECT_SEEN, text, 0, 1, published=0.0)
    text = "images used of each object at most, drawn at random"
    cli.add_constant(parser, "MAX_IMAGES", MAX_IMAGES, text, 1)
    text = "share of a size that the images may leave unseen, 0 to 1"
    cli.add_constant(parser, "TOLERANCE", TOLERANCE, text, 0, 1)
    text = "sizes below this are skipped, in metres"
    cli.add_constant(parser, "MIN_SIZE_M", MIN_SIZE_M, text, 1e-6, published=0.02)
    text = "greatest ratio of a box to the smallest rectangle around an object, 0 = any"
    cli.add_constant(parser, "MAX_BOX_SLACK", MAX_BOX_SLACK, text, 0, published=0.0)
    cli.add_published(parser)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    table = object_table.open_objects(paths.object_table_path(args.dataset, args.split))
    refuse_unknown(args.scenes, table.scene_ids)
    code = cover_chunk(args)
    remove_stale(args, args.split)
    return code


def refuse_unknown(scenes: Iterable[str] | None, known: Iterable[str]) -> None:
    """Raise `SettingsError` for a scene of `--scenes` that is not known."""
    if unknown := sorted(set(scenes or ()) - set(known)):
        raise SettingsError(
            f"--scenes {unknown[0]}: no such scene in the object visibility; {object_table.REMEDY}"
        )


def cover_chunk(args: argparse.Namespace) -> int:
    """Write the files of the scenes from `args.start` to `args.end` of `args.split`; the other
    flags are the common ones and the constants. Returns the exit code."""
    table_path = paths.object_table_path(args.dataset, args.split)
    table = object_table.open_objects(table_path)
    scene_ids = sorted(table.scene_ids)
    end = len(scene_ids) if args.end is None else args.end
    if not 0 <= args.start < min(end, len(scene_ids)):
        raise SettingsError(
            f"--start {args.start} --end {end}: no scene; {args.split} has {len(scene_ids)}"
        )
    told = object_table.constants_of(table)
    object_table.check_published(table_path, told, args.published)
    check_all(table, args.dataset, args.split, scene_ids[args.start : end])
    step = _step_of(args, told)
    jobs = [
        SceneJob(
            scene_id,
            (table_path, args.split, scene_id, args.seed, args.constants),
            [object_table.content_digest(table, scene_id)],
        )
        for scene_id in scene_ids[args.start : end]
        if not args.scenes or scene_id in args.scenes
    ]
    chunk = Chunk(args.dataset, args.split, args.start, end)
    step.make(outputs_of(chunk), jobs, cover_scene, join_parts, takes_over=True)
    return step.close()


def outputs_of(chunk: Chunk) -> Outputs:
    """The files of a chunk."""
    return Outputs(chunk.paths(), chunk.tables(), parts_name=PARTS_NAME)


def finished_among(args: argparse.Namespace, chunks: Iterable[Chunk]) -> set[Chunk]:
    """The chunks that `cover_chunk` would leave as they are: told for all in one go, as it would
    open tables and infos for each."""
    finished = set()
    for split, mine in groupby(chunks, lambda chunk: chunk.split):
        table = object_table.open_objects(paths.object_table_path(args.dataset, split))
        step = _step_of(args, object_table.constants_of(table))
        content, check = object_table.contents(table), checker(table, args.dataset, split)
        order = sorted(content)
        for chunk in mine:
            scenes = order[chunk.start : chunk.end]
            inputs = {s: [content[s]] for s in scenes if not args.scenes or s in args.scenes}
            with suppress(EngineError):  # which `cover_chunk` names
                for scene_id in scenes:
                    check(scene_id)
                if step.is_up_to_date(outputs_of(chunk), inputs):
                    finished.add(chunk)
    Looks.keep_all()
    return finished


def remove_stale(
    args: argparse.Namespace, split: str, right: Collection[Chunk] = frozenset()
) -> None:
    """Remove chunks of a split that others have taken the place of: a look at all chunks, so after
    all of a job and not after each. Those of `right` are known to be good."""
    table = object_table.open_objects(paths.object_table_path(args.dataset, split))
    settings = _step_of(args, object_table.constants_of(table)).settings
    content = object_table.contents(table)
    coverage_files.remove_stale(args.dataset, split, content, settings, right)


def _step_of(args: argparse.Namespace, told: Mapping[str, Any]) -> Step:
    settings = {"seed": args.seed, **told, **args.constants}
    return Step("single_object_coverage_finder", args, settings, __file__)


if __name__ == "__main__":
    sys.exit(cli.run(main))
