"""A folder as the Hugging Face Hub has them, with the images inside: parquet and a card.

Reads  every file of records of training_data/ and evaluation_data/, and the images they name; with
       --only-benchmark a benchmark alone (`--name multispa_frames`: of three to eight frames;
       `--benchmark FILE`: of any file).
Writes training_data/exports/hub/: data/{train,validation}-<task>-<number>.parquet, README.md. With
       --only-benchmark evaluation_data/exports/hub/<name>/, with the split `test`. With
       --without-images hub_without_images/ in the place of hub/: paths and digests of images, and
       fill_in.py.
Costs  the time to copy all images, and for each record that shows an image the image's bytes once
       more on the disk (docs/performance.md).

    load_dataset("training_data/exports/hub")                       # train and validation
    load_dataset("evaluation_data/exports/hub/multispa", split="test", streaming=True)

ScanNet's terms forbid to pass its images on, and marked images are made of them: a folder with
images is for your own disk. That of --without-images can be shared; who has ScanNet makes the
images of it with this engine and puts them in with fill_in.py, which needs pyarrow alone.
"""

from __future__ import annotations

import spatial_engine  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import sha256
from itertools import accumulate, chain, islice, pairwise
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from spatial_engine.errors import SettingsError
from spatial_engine.exports.hub_folder import fill_in
from spatial_engine.exports.hub_folder.card import card, front_matter, parquet_features
from spatial_engine.exports.shared.export_files import (
    add_splits,
    chosen_benchmark,
    exports_dir,
)  # fmt: skip
from spatial_engine.exports.shared.image_shards import (
    SPLITS,
    TEST,
    Form,
    ImageReader,
    Source,
    image_size,
    sources_below,
)  # fmt: skip
from spatial_engine.exports.shared.shard_folder import Held, export_shards, put
from spatial_engine.utils.paths import BENCHMARKS
from spatial_engine.utils.questions.plain_record import answer_of, question_of
from spatial_engine.utils.questions.record_files import find_record_files
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import provenance

SHARD_BYTES = 500 * 10**6  # of a file of parquet at most, as `datasets` itself keeps to
ROW_GROUP_BYTES = 100 * 10**6  # of a row group, unpacked: what is read to see one record
ROW_GROUP_RECORDS = 100  # in a row group at most
# Of parquet itself, at most: for a record, for an image, for the rest.
RECORD_EXTRA, IMAGE_EXTRA, FILE_EXTRA = 512, 64, 2**16
NAMES = {"multispa": "MultiSPA", "multispa_frames": "MultiSPA, three to eight frames"}
PATTERN = "data/{}-*.parquet"


def size_of(record: Mapping[str, Any], sizes: Sequence[int]) -> int:
    """Bytes of a record with images of these sizes, at most."""
    images = sum(sizes) + IMAGE_EXTRA * len(sizes)
    return len(orjson.dumps(record)) + images + RECORD_EXTRA


def row(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a uniform record has in columns, but for its images."""
    said = "conversations" in record
    told = {
        "question": question_of(record),
        "answer": record["conversations"][1]["value"] if said else answer_of(record),
    }
    names = ("id", *fill_in.TEXTS, *fill_in.SIZES)
    return {name: told[name] if name in told else record[name] for name in names}


def row_groups(
    records: Iterator[dict[str, Any]], root: Path
) -> Iterator[tuple[list[dict[str, Any]], list[int]]]:
    """Records, and the sizes of all their images, in lists as long as a row group may be."""
    group, sizes, held = [], [], 0
    for record in records:
        of_record = [image_size(root, name) for name in record["image"]]
        size = size_of(record, of_record)
        if group and (len(group) >= ROW_GROUP_RECORDS or held + size > ROW_GROUP_BYTES):
            yield group, sizes
            group, sizes, held = [], [], 0
        group.append(record)
        sizes += of_record
        held += size
    if group:
        yield group, sizes


def read_images(reader: ImageReader, names: Iterable[str], sizes: Sequence[int]) -> memoryview:
    """The bytes of images one behind the other."""
    data, place = reader.room(sum(sizes)), 0
    for name, size in zip(names, sizes, strict=True):
        reader.read(name, data[place : place + size])
        place += size
    return data


def write_shard(
    with_images: bool, records: Iterator[dict[str, Any]], root: Path, path: Path
) -> None:
    """Write a shard of uniform records."""
    columns, reader = fill_in.schema(with_images), ImageReader(root)
    with fill_in.open_writer(path, columns) as writer:
        for group, sizes in row_groups(records, root):
            paths = [record["image"] for record in group]
            data = read_images(reader, chain.from_iterable(paths), sizes)
            made: dict[str, Any] = {}
            if with_images:
                made[fill_in.IMAGES] = fill_in.image_column(data, sizes, paths)
            else:
                ends = accumulate(sizes, initial=0)
                digests = (sha256(data[a:b]).hexdigest() for a, b in pairwise(ends))
                made[fill_in.PATHS] = paths
                made[fill_in.DIGESTS] = [list(islice(digests, len(some))) for some in paths]
            rows = [row(record) for record in group]
            arrays = [
                made[name] if name in made else [one[name] for one in rows]
                for name in columns.names
            ]
            writer.write_table(pa.table(arrays, schema=columns))


def seeds_of(root: Path, version: str) -> str:
    """The seeds that marked images were made with, as their records' provenance tells."""
    marked = [file for file in find_record_files(root, version=version) if TASKS[file.task].marked]
    seeds = {provenance.read_meta(file.path).get("seed") for file in marked}
    return ", ".join(sorted(str(seed) for seed in seeds if type(seed) is int))


def describe(folder: Path, name: str, with_images: bool, seeds: str, held: list[Held]) -> None:
    """Write the card, and what puts the images in."""
    told = {
        "name": name, "version": spatial_engine.__version__, "seeds": seeds, "held": held,
        "benchmark": [one.split for one in held] == [TEST],
    }  # fmt: skip
    cards = {fill_in.CARD if form == with_images else fill_in.FULL_CARD: form
             for form in {with_images, True}}  # fmt: skip
    for file, form in cards.items():
        front = front_matter(name, held, parquet_features(form), PATTERN, form)
        put(folder / file, card("parquet.md.jinja", front, with_images=form, **told))
    if not with_images:
        put(folder / "fill_in.py", Path(fill_in.__file__).read_bytes())


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    add_splits(parser)
    text = "the questions of a benchmark alone, as the split `test`"
    parser.add_argument("--only-benchmark", action="store_true", help=text)
    cli.add_benchmark(parser)
    text = "paths and digests in the place of images, and a script that puts the images in"
    parser.add_argument("--without-images", action="store_true", help=text)
    args = parser.parse_args(argv)
    if args.only_benchmark and (args.datasets_of_scenes or len(args.splits) < len(cli.SPLITS)):
        raise SettingsError("--only-benchmark is of one file; leave --dataset and --splits out")
    if not args.only_benchmark and (args.benchmark or args.name != BENCHMARKS[0]):
        raise SettingsError("--name and --benchmark are of a benchmark: use --only-benchmark")
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    with_images, others = not args.without_images, []
    kind = "hub" if with_images else "hub_without_images"
    form = Form(".parquet", SHARD_BYTES - FILE_EXTRA, size_of, partial(write_shard, with_images))
    if args.only_benchmark:
        name, path = chosen_benchmark(args)
        sources, splits, title = [Source(path, TEST, name)], {TEST: True}, NAMES.get(name, name)
        folder = exports_dir(args.root, "val", kind, args.version) / name
    else:
        given = (args.splits, args.version, args.datasets_of_scenes)
        sources, others = sources_below(args.root, *given)
        splits = {name: split in args.splits for split, name in SPLITS.items()}
        title = "Questions about space"
        folder = exports_dir(args.root, "train", kind, args.version)
    step = Step("export_hub", args, {"with images": with_images}, __file__)
    tell = partial(describe, folder, title, with_images, seeds_of(args.root, args.version))
    export_shards(step, folder / fill_in.DATA, sources, form, splits, tell, others)
    code = step.close()
    print(f'load_dataset("{folder}")' if with_images else f"to be shared: {folder}")
    return code


if __name__ == "__main__":
    sys.exit(cli.run(main))
