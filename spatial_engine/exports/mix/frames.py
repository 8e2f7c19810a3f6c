"""Records of three to eight frames in the training mix: a file for each task and number of images.

InternVL divides `max_dynamic_patch` of an entry by the number of images of each record, so that
records of one entry must have equally many to get as many tiles an image. Their files are copies
of lines: a file of records holds all numbers of images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from spatial_engine.exports.mix.shares import TILES
from spatial_engine.exports.shared.export_files import export_name
from spatial_engine.utils.geometry.sampling import balanced_quotas
from spatial_engine.utils.questions.record_files import (
    RecordFile,
    count_lines,
    read_records,
    relative_root,
)
from spatial_engine.utils.questions.tasks import FRAME_TASKS


def quotas(lengths: Sequence[int], tasks: Sequence[str], most: int) -> list[int]:
    """How many records to take of files of such lengths: `most` in all, evenly over the tasks, and
    of a task evenly over its files."""
    named = list(dict.fromkeys(tasks))
    mine = [[i for i, task in enumerate(tasks) if task == name] for name in named]
    shares = balanced_quotas(np.array([sum(lengths[i] for i in one) for one in mine], int), most)
    taken = [0] * len(lengths)
    for places, share in zip(mine, shares.tolist(), strict=True):
        within = balanced_quotas(np.array([lengths[i] for i in places], int), share)
        for place, number in zip(places, within.tolist(), strict=True):
            taken[place] = number
    return taken


def draw(files: Sequence[RecordFile], most: int) -> dict[RecordFile, int]:
    """How many records to take of each file, `most` in all; files of which none is are left out."""
    lengths = [count_lines(file.path) for file in files]
    taken = quotas(lengths, [file.task for file in files], most)
    return {file: number for file, number in zip(files, taken, strict=True) if number}


def write_mix_frames(
    root: Path, folder: Path, place: Path, taken: Mapping[RecordFile, int]
) -> dict[str, dict[str, Any]]:
    """Write the first records of the files, so many of each, by number of images, into a new
    `folder` that will be at `place`; entries of the meta json by name, with paths relative to the
    root."""
    entries: dict[str, dict[str, Any]] = {}
    folder.mkdir()
    for file, number in taken.items():
        for images, length in sorted(_split(file, number, folder).items()):
            name = _name(file, images)
            entries[name] = {
                "root": file.image_root.relative_to(root).as_posix(),
                "annotation": f"{relative_root(place, root)}{name}.jsonl",
                "data_augment": False,
                "repeat_time": 1,
                "length": length,
                "max_dynamic_patch": TILES * images,
            }
    return entries


def is_of_frames(file: RecordFile) -> bool:
    """Whether a file holds records of three to eight frames."""
    return file.task in FRAME_TASKS


def _name(file: RecordFile, images: int) -> str:
    return f"{export_name(file)}_{images}"


def _split(file: RecordFile, number: int, folder: Path) -> dict[int, int]:
    """Write the first records of a file by number of images; how many have so many."""
    written: dict[int, int] = {}
    with ExitStack() as stack:
        outputs: dict[int, Any] = {}
        for record in islice(read_records(file), number):
            images = len(record["image"])
            if images not in outputs:
                path = folder / f"{_name(file, images)}.jsonl"
                outputs[images] = stack.enter_context(open(path, "wb"))
            outputs[images].write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
            written[images] = written.get(images, 0) + 1
    return written
