"""What ms-swift would reject in a record.

Its rules: no column that has another meaning there, turns by human and gpt, an `<image>` for each
image, images found under ROOT_IMAGE_DIR. Of a video of frames: one `<video>`, frames found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from spatial_engine.exports.export_videos import as_images
from spatial_engine.utils.questions.plain_record import from_uniform
from spatial_engine.utils.questions.record_rules import check_record
from spatial_engine.utils.questions.records import read_jsonl

# Faults of a record that ms-swift stumbles over; the others are about what it says.
OF_FORM = {"field", "form", "image marks", "reserved field"}
CHECKED_RECORDS = 1000  # of each file, which has one form throughout; lines are in random order


def faults(record: Mapping[str, Any], root: Path) -> Iterator[str]:
    """What ms-swift would reject in a record; `root` will be its ROOT_IMAGE_DIR."""
    try:
        record = as_images(record) if "videos" in record else record
        found = check_record(from_uniform(dict(record)), "train")
    except ValueError as error:
        yield f"not in uniform form ({error})"
        return
    yield from (cause for kind, cause in found if kind in OF_FORM)
    if any(kind == "field" for kind, _ in found):
        return
    for name in record["image"]:
        if not (root / name).is_file():
            yield f"{root / name}: no such image"


def print_faults(paths: Sequence[Path], root: Path, records_of_each: int) -> int:
    """Check the first records of each file, print what is wrong, return how much it is."""
    bad = checked = 0
    for path in paths:
        for number, record in enumerate(islice(read_jsonl(path), records_of_each), 1):
            checked += 1
            for fault in faults(record, root):
                print(f"{path}:{number}: {fault}")
                bad += 1
    print(f"{checked:,} records of {len(paths)} files checked, {bad:,} faults")
    return bad
