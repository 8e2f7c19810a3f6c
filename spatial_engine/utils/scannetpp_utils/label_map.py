"""`metadata/semantic_benchmark/map_benchmark.csv`: raw labels to the classes of the benchmark."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.storage.input_files import missing, read_text
from spatial_engine.utils.storage.os_errors import dangling_link

REMEDY = "download the metadata of ScanNet++ again"
FILE = "metadata/semantic_benchmark/map_benchmark.csv"  # below the folder of the data set
RAW, NEW = "class", "semantic_map_to"
DROPPED = "None"
MAX_BYTES = 2**24  # the real one takes 100,000


def read_label_map(path: Path) -> dict[str, str | None]:
    """New label by raw label, None for those that are dropped; one step only, so a new label that
    is a raw one too is not mapped further. Labels that keep their name are not in it.

    Raises `MissingInputError` where there is no such file, `BadDataError` for another table.
    """
    if dangling_link(path) or not path.is_file():
        raise MissingInputError(missing(path, REMEDY))
    labels: dict[str, str | None] = {}
    try:
        rows = csv.DictReader(io.StringIO(read_text(path, REMEDY, MAX_BYTES), ""))
        lacking = {RAW, NEW} - set(rows.fieldnames or ())
        if lacking:
            raise BadDataError(
                f"{path}: has no column {' and no '.join(sorted(lacking))}; {REMEDY}"
            )
        for row in rows:
            raw, new = row[RAW], (row[NEW] or "").strip()
            if raw and new:
                labels[raw] = None if new == DROPPED else new
    except csv.Error as error:
        raise BadDataError(f"{path}: not a table ({error}); {REMEDY}") from None
    if not labels:
        raise BadDataError(f"{path}: maps no label; {REMEDY}")
    return labels
