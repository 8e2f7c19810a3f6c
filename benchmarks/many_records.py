"""Files of many records: those of two tasks about small scenes over and over, each time about
another point, with a number in its id. Their images are few files.
"""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import run_timed

# isort: split
import many_scenes
import orjson

from spatial_engine.utils.questions.record_fields import MAX_COORDINATE
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.storage import files

TASKS = ("depth_estimation_coor", "correspondence_coor")  # half of the records each
SCENES = 100  # small ones, whose records are repeated
VERSION = "v1_0"
COMMANDS = {
    "check of records": ("spatial_engine/checks/check_records.py", 1),
    "report": ("spatial_engine/report/make_report.py", 1),
    "training mix": ("spatial_engine/exports/make_training_mix.py", None),
    "uniform export": ("spatial_engine/exports/export_uniform.py", None),
}


def measure(folder: Path, number: int) -> dict[str, dict[str, float]]:
    """What each command costs over `number` records."""
    source, root = folder / f"finished_{SCENES}", folder / "records"
    many_scenes.make_finished(source, SCENES)
    files.remove(root)
    make_records(source, root, number)
    found = {}
    for name, (command, workers) in COMMANDS.items():
        cost = run_timed(command, root, num_workers=workers)
        found[name] = {"cpu": cost.cpu, "peak_mib": cost.peak_mib}
    files.remove(root)
    return found


def make_records(source: Path, root: Path, number: int) -> None:
    """Write `number` records under a root of their own, whose images are those of the source."""
    root.mkdir(parents=True)
    (root / "data").symlink_to((source / "data").absolute())
    for task in TASKS:
        pieces = _pieces(record_path(source, task, "train", VERSION))
        path = record_path(root, task, "train", VERSION)
        path.parent.mkdir(parents=True)
        with open(path, "wb") as file:
            for k, (id_end, point, field, rest) in enumerate(
                islice(cycle(pieces), number // len(TASKS))
            ):
                x, y = reversed(divmod(k // len(pieces), MAX_COORDINATE + 1))
                told = b"%d,%d" if task == "correspondence_coor" else b'%d,"y":%d'
                words = b"%b_%d%b[ %d , %d ]%b" % (id_end, k, point, x, y, field)
                file.write(words + told % (x, y) + rest)


def _pieces(path: Path) -> list[tuple[bytes, bytes, bytes, bytes]]:
    """Of a record about each image, or two: the line up to the end of its id, on to the point asked
    about, on to the field that holds it too, and what follows."""
    found = {}
    for line in path.read_bytes().splitlines(keepends=True):
        record = orjson.loads(line)
        name = tuple(record["image"])
        if "p1" in record:
            (x, y), field = record["p1"], b'"p1":[%d,%d'
        else:
            (point,) = record["points_info"]
            (x, y), field = (point["x"], point["y"]), b'"x":%d,"y":%d'
        head, _, rest = line.partition(b'","image"')
        before, _, rest = rest.partition(b"[ %d , %d ]" % (x, y))
        between, _, after = rest.partition(field % (x, y))
        between += field.partition(b"%d")[0]
        found.setdefault(name, (head, b'","image"' + before, between, after))
    return list(found.values())
