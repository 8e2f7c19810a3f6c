"""Times the exports on a million records each, and those with images inside against a plain copy.

    python benchmarks/bench_exports.py --folder SOME_FOLDER [--records 1000000] [--only hub ...]

Records are a few of true shape under other ids: half of them show two images, a fourth one and a
fourth three to eight, of 3 kB each. `videos` gets three to eight alone; what writes points in
another way gets questions that name points, in the engine's sentences; evaluators a benchmark.
Images are few, so their bytes are read from memory. Each command runs in one process; outputs are
removed after it.

The copy is of images of true size (about 150 kB): the bytes of the same files, in the same order,
into one file by `shutil.copyfileobj`, and synced to the disk as outputs are. `start` is the time of
the same command on ten records: what is left grows with the bytes. The floor of the others is
reading the same lines of JSON and writing them again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import MAXRSS_PER_MIB, REPOSITORY, machine, results_path

# isort: split
import cv2
import numpy as np
import orjson
from bench_asking import make_images
from rich.console import Console
from rich.table import Table

from spatial_engine.utils.paths import FOLDERS, Dataset, benchmark_path, posed_images_dir
from spatial_engine.utils.questions.plain_record import format_value
from spatial_engine.utils.questions.record_files import RecordFile, record_path, to_uniform
from spatial_engine.utils.questions.records import make_record, write_jsonl
from spatial_engine.utils.questions.tasks import FIRST_VERSION, TASKS
from spatial_engine.utils.questions.templates import PACKAGE, Phrase, load_templates
from spatial_engine.utils.storage import files

SMALL_IMAGES = 200
SIZE = (128, 96)  # of the small images
COPIED = 6000  # records of two images of true size, 2 GB
SCENE = "scene0000_00"
EXPORTS = "spatial_engine/exports"
# Command by name: its file, its flags, the root that it gets, what must be there before it. Those
# of a later version that are not there are left out, and said so.
COMMANDS = {
    "uniform": ("export_uniform.py", ("--formats", "jsonl", "parquet"), "all", ()),
    "uniform_jsonl": ("export_uniform.py", (), "all", ()),
    "videos": ("export_videos.py", (), "frames", ()),
    "llama_factory": ("export_llama_factory.py", (), "all", ("uniform_jsonl",)),
    "llama_factory_videos": (
        "export_llama_factory.py", ("--videos",), "frames", ("uniform_jsonl", "videos"),
    ),
    "ms_swift": (
        "export_ms_swift.py", ("--checked-records", "1000000000"), "all", ("uniform_jsonl",),
    ),
    "ms_swift_objects": ("export_ms_swift.py", ("--objects",), "points", ()),
    "ms_swift_objects_pixels": (
        "export_ms_swift.py", ("--objects", "--coordinates", "pixels"), "points", (),
    ),
    "ms_swift_grpo": ("export_ms_swift.py", ("--grpo",), "all", ()),
    "trl": ("export_trl.py", (), "all", ()),
    "qwen": ("export_qwen.py", (), "all", ()),
    "qwen_pixels": ("export_qwen.py", ("--coordinates", "pixels"), "points", ()),
    "vlmevalkit": ("export_vlmevalkit.py", (), "benchmark", ()),
    "lmms_eval": ("export_lmms_eval.py", (), "benchmark", ()),
    "hub": ("export_hub.py", (), "all", ()),
    "webdataset": ("export_webdataset.py", (), "all", ()),
}  # fmt: skip
WITH_IMAGES = ("hub", "webdataset")
FEW_FRAMES = (("camera_yaw_angle", 2, 0.5), ("depth_estimation_coor", 1, 0.25))
MANY_FRAMES = "camera_path_length"
POINTS = (
    ("depth_comparison_coor", "depth_perception"),
    ("correspondence_coor", "visual_correspondence"),
)
AT_ONCE = 10_000  # phrases drawn
STARTED = 10  # records of which a command takes the time of its start
QUESTION = (
    "Angles are whole degrees between the two viewing directions, and turns to the left are "
    "positive. Distances are whole millimetres. How far is it, number {}? Image-1 comes first. "
    "Answer in backticks."
)
# Peak memory of the command alone is asked for by a process that starts nothing else.
MEASURE = """
import json, resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
use = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, use.ru_utime + use.ru_stime, use.ru_maxrss]))
"""


def records(
    task: str, count: int, images: list[str], shown: int, split: str = "train"
) -> Iterator[dict]:
    """Records with distinct ids; of three to eight images with `shown` 0."""
    for number in range(count):
        several = shown or 3 + number % 6
        names = [images[(number * 7 + k) % len(images)] for k in range(several)]
        phrase = Phrase(QUESTION.format(number % 1000), "It is `{answer}` degrees.", "", "", "")
        extra = {"overlap": 31.4, "answer_values": {f"value_{k}": number for k in range(9)}}
        if "points_info" in TASKS[task].fields:
            extra["points_info"] = [
                {"x": 31, "y": number % 1001, "depth_mm": number % 180, "letter": None}
            ]
        if not shown:
            extra = {"frames": [name[-9:-4] for name in names], "positions_mm": [[1, 2, 3]] * 8}
        sizes = [(1296, 968)] * several
        record_id = f"{task}_{split}_{SCENE}_{number:08d}"
        yield make_record(split, record_id, names, sizes, task, phrase, number % 180, extra)


def records_of_points(task: str, family: str, count: int, images: list[str]) -> Iterator[dict]:
    """Training records whose questions name points, in the sentences of the task."""
    sentences, kind = load_templates(PACKAGE / family / "templates", task), TASKS[task]
    rng = np.random.default_rng(0)
    for start in range(0, count, AT_ONCE):
        for k, phrase in enumerate(sentences.draw(rng, "train", min(AT_ONCE, count - start))):
            number = start + k
            names = [images[(number * 7 + k) % len(images)] for k in range(kind.num_images)]
            points = [[number % 991, number // 991 % 1001], [number % 983, 999]]
            slots = dict(zip(kind.slots, map(format_value, points), strict=False))
            extra: dict = {"p1": points[0], "p2": points[1], "overlap": 31.4}
            if "points_info" in kind.fields:
                told = [{"x": x, "y": y, "depth_mm": number, "letter": None} for x, y in points]
                extra = {"points_info": told, "is_closer_question": False}
            sizes, record_id = [(1296, 968)] * len(names), f"{task}_train_{SCENE}_{number:08d}"
            yield make_record(
                "train", record_id, names, sizes, task, phrase.filled(slots), points[1], extra
            )


def write_once(path: Path, made: Iterator[dict]) -> None:
    """Write records, unless an earlier start has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with files.atomic_path(path) as partial:
            write_jsonl(partial, made)


def make_root(root: Path, images: list[str], counts: dict[str, tuple[int, int]]) -> Path:
    """A root with so many records of each task (count, images shown)."""
    for task, (count, shown) in counts.items():
        path = record_path(Dataset(root), task, "train", FIRST_VERSION)
        write_once(path, records(task, count, images, shown))
    return root


def make_root_of(kind: str, root: Path, images: list[str], count: int) -> None:
    """The root of a kind that `COMMANDS` names, of so many records."""
    if kind == "points":
        for (task, family), some in zip(POINTS, (count // 2, count - count // 2), strict=True):
            path = record_path(Dataset(root), task, "train", FIRST_VERSION)
            write_once(path, records_of_points(task, family, some, images))
    elif kind == "benchmark":
        task = FEW_FRAMES[0][0]
        path = record_path(Dataset(root), task, "val", FIRST_VERSION)
        file = RecordFile(path, "val", task, posed_images_dir(root))
        made = (to_uniform(record, file, root) for record in records(task, count, images, 2, "val"))
        write_once(benchmark_path(root, FIRST_VERSION), made)
    else:
        shares = {task: (int(share * count), shown) for task, shown, share in FEW_FRAMES}
        mixed = {**shares, MANY_FRAMES: (count - sum(n for n, _ in shares.values()), 0)}
        make_root(root, images, {MANY_FRAMES: (count, 0)} if kind == "frames" else mixed)


def written_below(root: Path) -> int:
    """Bytes of all exports."""
    made = (root / folder / "exports" for folder in FOLDERS.values())
    kinds = [files.contents(folder).values() for folder in made if folder.is_dir()]
    return sum(size for kind in kinds for _, size in kind)


def small_images(folder: Path) -> list[str]:
    """Images of about 3 kB; names below the image root."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(SMALL_IMAGES):
        path = folder / f"{number:05d}.jpg"
        if not path.exists():
            coarse = rng.integers(0, 255, (SIZE[1] // 6, SIZE[0] // 6, 3), dtype=np.uint8)
            cv2.imwrite(str(path), cv2.resize(coarse, SIZE), [cv2.IMWRITE_JPEG_QUALITY, 75])
    return [f"{SCENE}/{number:05d}.jpg" for number in range(SMALL_IMAGES)]


@cache
def takes_workers(script: str) -> bool:
    line = [sys.executable, f"{EXPORTS}/{script}", "--help"]
    done = subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True)
    return "--num-workers" in done.stdout


def run(name: str, root: Path) -> dict[str, float]:
    """Seconds, processor seconds, peak memory (MiB) and bytes written of a command."""
    script, flags, *_ = COMMANDS[name]
    before = written_below(root)
    line = [sys.executable, f"{EXPORTS}/{script}", "--root", str(root), *flags]
    line += ["--num-workers", "1"] if takes_workers(script) else []
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *line], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    code, processor, peak = json.loads(done.stdout)
    if code:
        raise SystemExit(f"{script} failed: {' '.join(line)}")
    return {
        "seconds": time.perf_counter() - start, "processor_seconds": processor,
        "peak_mib": peak / MAXRSS_PER_MIB, "bytes": written_below(root) - before,
    }  # fmt: skip


def measure_all(folder: Path, count: int, names: list[str]) -> list[dict]:
    """A row for each command that is there."""
    rows = []
    for name in names:
        script, _, kind, needed = COMMANDS[name]
        if not (REPOSITORY / EXPORTS / script).exists():
            print(f"{name}: no {script} in this version")
            continue
        root = folder / f"exports_{kind}_{count}"
        make_root_of(kind, root, small_images(posed_images_dir(root) / SCENE), count)
        for other in needed:
            run(other, root)
        lines = [path for path in root.glob("*_data/**/*.jsonl") if "exports" not in path.parts]
        _, floor = timed(partial(rewrite_lines, lines, root / "floor"))
        command = " ".join((script, *COMMANDS[name][1]))
        row = {"export": name, "command": command, "records": count, "floor_seconds": floor}
        row |= run(name, root)
        rows.append(row)
        print(json.dumps(rows[-1]), flush=True)
        for made in FOLDERS.values():
            files.remove(root / made / "exports")
    return rows


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the clock and of the processor."""
    use = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    start, before = time.perf_counter(), sum(one.ru_utime + one.ru_stime for one in use)
    work()
    use = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter() - start, sum(one.ru_utime + one.ru_stime for one in use) - before


def rewrite_lines(paths: Sequence[Path], target: Path) -> None:
    """Read all lines of JSON, and write them into one file."""
    with open(target, "wb") as file:
        for path in paths:
            with open(path, "rb") as source:
                for line in source:
                    file.write(orjson.dumps(orjson.loads(line), option=orjson.OPT_APPEND_NEWLINE))
    target.unlink()


def copy_files(paths: Sequence[Path], target: Path) -> None:
    """The bytes of files into one."""
    with open(target, "wb") as file:
        for path in paths:
            with open(path, "rb") as source:
                shutil.copyfileobj(source, file)
        file.flush()
        os.fsync(file.fileno())


def compare(folder: Path, names: list[str], turns: int) -> list[dict]:
    """Medians of the exports with images inside and of a plain copy of the same bytes, in turns."""
    root = folder / f"exports_copied_{COPIED}"
    images = make_images(posed_images_dir(root) / SCENE)
    images = [f"{SCENE}/{Path(name).name}" for name in images]
    task = FEW_FRAMES[0][0]
    make_root(root, images, {task: (COPIED, 2)})
    named = (name for record in records(task, COPIED, images, 2) for name in record["image"])
    shown = [posed_images_dir(root) / name for name in named]
    num_bytes = sum(path.stat().st_size for path in shown)
    target, exports = root / "copy", root / "training_data/exports"
    few = make_root(folder / f"exports_copied_{STARTED}", images, {task: (STARTED, 2)})
    make_images(posed_images_dir(few) / SCENE)
    rows = []
    for name in (name for name in names if name in WITH_IMAGES):
        takes_workers(COMMANDS[name][0])  # asked before the time is taken
        times = []
        for _ in range(turns):
            works = (run, name, root), (copy_files, shown, target), (run, name, few)
            times.append([timed(partial(*work)) for work in works])
            for made in (exports, target, few / "training_data/exports"):
                files.remove(made)
        for unit, k in (("clock", 0), ("processor", 1)):
            turned = [[one[k] for one in turn] for turn in times]
            seconds, copied, start = map(statistics.median, zip(*turned, strict=True))
            rows.append({
                "export": name, "of": unit, "seconds": seconds, "copy_seconds": copied,
                "start_seconds": start, "bytes": num_bytes,
                "ratio": statistics.median(ours / copy for ours, copy, _ in turned),
                "ratio_without_start": statistics.median(
                    (ours - start) / copy for ours, copy, start in turned
                ),
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    return rows


def show(rows: list[dict], copies: list[dict]) -> None:
    """Print both tables."""
    table = Table(title=f"exports, one process, {machine()['platform']}", title_justify="left")
    headings = (
        "export",
        "records",
        "s",
        "processor s",
        "us a record",
        "of the floor",
        "peak MiB",
        "GB",
    )
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        each = row["processor_seconds"] / row["records"] * 1e6
        floor = row["floor_seconds"] / row["records"] * 1e6
        cells = (row["seconds"], row["processor_seconds"], each, floor, row["peak_mib"])
        numbers = [f"{value:.0f}" for value in cells]
        gigabytes = f"{row['bytes'] / 1e9:.2f}"
        table.add_row(row["export"], f"{row['records']:,}", *numbers, gigabytes)
    Console(width=120).print(table)
    table = Table(title="images of true size", title_justify="left")
    headings = (
        "export",
        "seconds of the",
        "s",
        "copy s",
        "start s",
        "ratio",
        "without start",
        "GB",
    )
    for heading in headings:
        table.add_column(heading, no_wrap=True)
    for row in copies:
        table.add_row(
            row["export"], row["of"], f"{row['seconds']:.2f}", f"{row['copy_seconds']:.2f}",
            f"{row['start_seconds']:.2f}", f"{row['ratio']:.2f}",
            f"{row['ratio_without_start']:.2f}", f"{row['bytes'] / 1e9:.2f}",
        )  # fmt: skip
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3, help="of an export and a copy")
    parser.add_argument("--only", nargs="*", choices=COMMANDS, default=list(COMMANDS))
    args = parser.parse_args()
    folder = args.folder.absolute()
    rows = measure_all(folder, args.records, args.only)
    copies = compare(folder, args.only, args.turns)
    results = results_path(args.folder, __file__)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({**machine(), "exports": rows, "copies": copies}, indent=1))
    show(rows, copies)


if __name__ == "__main__":
    main()
