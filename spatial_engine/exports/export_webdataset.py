"""Tar shards with the images inside, for WebDataset, Megatron-Energon and HF datasets.

Reads  every file of records of training_data/ and evaluation_data/, and the images they name.
Writes training_data/exports/webdataset/: shards/{train,validation}-<task>-<number>.tar and the
       index beside each (.tar.idx), .nv-meta/ for Energon, README.md for HF datasets.
Costs  the time to copy all images, and for each record that shows an image the image's bytes once
       more on the disk (docs/performance.md).

A sample is <key>.json, <key>.img0.jpg, <key>.img1.jpg, ...: the record in uniform form
(export_uniform.py), whose field `images` names the parts with its images, in order.
ScanNet's terms forbid to pass its images on: such a folder is for your own disk.

    energon.get_train_dataset("training_data/exports/webdataset", ...)      # splits train and val
    load_dataset("training_data/exports/webdataset")
    webdataset.WebDataset("training_data/exports/webdataset/shards/train-camera_yaw_angle-00000.tar")
"""

from __future__ import annotations

import spatial_engine  # first, see its __init__

# isort: split
import argparse
import struct
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import mmengine
import orjson

from spatial_engine.errors import BadDataError
from spatial_engine.exports.hub_folder.card import card, front_matter
from spatial_engine.exports.shared.export_files import add_splits, exports_dir
from spatial_engine.exports.shared.image_shards import (
    SPLITS,
    Form,
    ImageReader,
    image_size,
    sources_below,
)
from spatial_engine.exports.shared.shard_folder import Held, export_shards, put
from spatial_engine.utils.questions.tasks import FRAME_COUNTS
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step

SHARD_BYTES = 10**9  # of a tar at most: few files to open, and not much to fetch for one of them
WRITTEN_BYTES = 2**16  # at a time at least: images may be small
INDEX = ".idx"  # of a tar: where each sample begins and where the last ends, 8 bytes each
SHARDS, META = "shards", ".nv-meta"
ENERGON_SPLITS = {"train": "train", "validation": "val"}
PATTERN = f"{SHARDS}/{{}}-*.tar"
_TEXTS = ("id", "text", "question_type", "task", "gt_value", "gt_unit", "extra")
_LISTS = {"image": "string", "images": "string", "width_list": "int64", "height_list": "int64"}
_MOST_IMAGES = max(FRAME_COUNTS)  # of a record
# Of a file without a name or a byte; in its sum the digits of the size are not counted.
_BLANK = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
_BLANK_SUM = tarfile.calc_chksums(_BLANK)[0] - sum(b"%011o" % 0)


def parts_of(record: Mapping[str, Any]) -> list[str]:
    """Names of the parts that hold the images of a record; `BadDataError` for more images than the
    card tells of."""
    if len(record["image"]) > _MOST_IMAGES:
        raise BadDataError(f"a record of more than {_MOST_IMAGES} images; export it by another way")
    return [f"img{k}.jpg" for k in range(len(record["image"]))]


def as_json(record: Mapping[str, Any]) -> bytes:
    """What the part `json` of a sample holds."""
    return orjson.dumps({**record, "images": parts_of(record)})


def member_bytes(size: int) -> int:
    """What a file of this size takes in a tar: a header, and whole blocks."""
    return tarfile.BLOCKSIZE * (1 + -(-size // tarfile.BLOCKSIZE))


def header(name: str, size: int) -> bytes:
    """The header of a file as `tarfile` makes it (`USTAR_FORMAT`), in a tenth of its time."""
    told, digits = name.encode(), b"%011o" % size
    if len(told) > tarfile.LENGTH_NAME:
        raise BadDataError(f"{name}: over {tarfile.LENGTH_NAME} letters, too long for a tar")
    total = _BLANK_SUM + sum(told) + sum(digits)
    return b"".join((
        told.ljust(tarfile.LENGTH_NAME, b"\0"), _BLANK[100:124], digits, _BLANK[135:148],
        b"%06o\0" % total, _BLANK[155:],
    ))  # fmt: skip


def size_of(record: Mapping[str, Any], sizes: Sequence[int]) -> int:
    """Bytes of a record with images of these sizes."""
    return member_bytes(len(as_json(record))) + sum(map(member_bytes, sizes))


def members(key: str, record: Mapping[str, Any], reader: ImageReader) -> Iterator[memoryview]:
    """The files of a sample as they are in a tar, each valid until the next is asked for. Nothing
    in them tells of the time or the user."""
    text = as_json(record)
    sizes = [image_size(reader.root, name) for name in record["image"]]
    names = [f"{key}.{part}" for part in ("json", *parts_of(record))]
    for k, (name, size) in enumerate(zip(names, [len(text), *sizes], strict=True)):
        data, end = reader.room(member_bytes(size)), tarfile.BLOCKSIZE + size
        data[: tarfile.BLOCKSIZE] = header(name, size)
        if k:
            reader.read(record["image"][k - 1], data[tarfile.BLOCKSIZE : end])
        else:
            data[tarfile.BLOCKSIZE : end] = text
        data[end:] = bytes(len(data) - end)
        yield data


def write_tar(records: Iterator[dict[str, Any]], root: Path, path: Path) -> None:
    """Write a shard of uniform records and its index."""
    starts, reader = [0], ImageReader(root)
    # One image at a time, which stays in the cache of the processor until it is written.
    with open(path, "wb", buffering=WRITTEN_BYTES) as file:
        for number, record in enumerate(records):
            key = f"{path.stem}-{number:06d}"  # unique over all shards, as Energon asks for
            starts.append(starts[-1] + sum(map(file.write, members(key, record, reader))))
        end = starts[-1] + 2 * tarfile.BLOCKSIZE  # two empty blocks, and on to a whole record
        file.truncate(-(-end // tarfile.RECORDSIZE) * tarfile.RECORDSIZE)
    index = path.with_name(path.name + INDEX)
    index.write_bytes(struct.pack(f"<{len(starts)}Q", *starts))


def features() -> list[dict[str, Any]]:
    """The parts of a sample as front matter of a card has them. Training alone has `conversations`,
    evaluation alone `text`; parts for as many images as a record can have."""
    turn = [{"name": name, "dtype": "string"} for name in ("from", "value")]
    record = [{"name": name, "dtype": "string"} for name in _TEXTS]
    record += [{"name": name, "sequence": kind} for name, kind in _LISTS.items()]
    record.append({"name": "conversations", "list": turn})
    images = [{"name": f"img{k}.jpg", "dtype": "image"} for k in range(_MOST_IMAGES)]
    keys = [{"name": name, "dtype": "string"} for name in ("__key__", "__url__")]
    return [{"name": "json", "struct": record}, *images, *keys]


def describe(folder: Path, held: list[Held]) -> None:
    """Write what Energon and HF datasets read of the folder."""
    shards = {one.split: [f"{SHARDS}/{name}" for name in one.shards] for one in held}
    counts = {f"{SHARDS}/{name}": n for one in held for name, (n, *_) in one.shards.items()}
    parts = {ENERGON_SPLITS[split]: names for split, names in shards.items()}
    nv_meta = {
        "dataset.yaml": {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"},
        "split.yaml": {"split_parts": parts, "exclude": []},
    }
    for name, value in nv_meta.items():
        text = mmengine.dump(value, file_format="yaml", sort_keys=False)
        put(folder / META / name, text.encode())
    put(folder / META / ".info.json", orjson.dumps({"shard_counts": counts}) + b"\n")
    front = front_matter("Questions about space", held, features(), PATTERN)
    told = {"version": spatial_engine.__version__, "held": held, "prepare": prepare("FOLDER")}
    put(folder / "README.md", card("tar.md.jinja", front, **told))


def prepare(folder: Path | str) -> str:
    """The command that makes the index by keys, which Energon needs for random access alone."""
    patterns = [
        f"--split-parts '{split}:{SHARDS}/{name}-.*'" for name, split in ENERGON_SPLITS.items()
    ]
    return " ".join(
        [
            "energon prepare --non-interactive --force-overwrite --skip-dataset-yaml",
            *patterns,
            str(folder),
        ]
    )


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    add_splits(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    given = (args.splits, args.version, args.datasets_of_scenes)
    sources, others = sources_below(args.root, *given)
    splits = {name: split in args.splits for split, name in SPLITS.items()}
    folder = exports_dir(args.root, "train", "webdataset", args.version)
    form = Form(".tar", SHARD_BYTES - tarfile.RECORDSIZE, size_of, write_tar, (INDEX,))
    step = Step("export_webdataset", args, {}, __file__)
    export_shards(
        step, folder / SHARDS, sources, form, splits, partial(describe, folder), others
    )  # fmt: skip
    code = step.close()
    print(f"energon, datasets: {folder}")
    print(f"to read samples by their keys, with energon alone: {prepare(folder)}")
    return code


if __name__ == "__main__":
    sys.exit(cli.run(main))
