"""Times ask_model.py on 7,800 questions of one and two images of ScanNet's size, 16 at a time.

The server is a process of its own on this machine that answers at once and looks at nothing, so the
figure is that of the client. Processor time is shown beside the time of the clock, which says
little on a machine that does other work.

    python benchmarks/bench_asking.py --folder /tmp/bench [--questions 7800] [--concurrency 16]
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import MAXRSS_PER_MIB, REPOSITORY, machine, results_path

# isort: split
import cv2
import numpy as np

from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.storage import files

IMAGES = 300
SIZE = (1296, 968)
QUALITY = 40  # of JPEGs of about 150 kB
LONGEST = 600  # seconds that the server lives
COMMAND = "spatial_engine/evaluation/ask_model.py"


def make_images(folder: Path) -> list[str]:
    """Images of true size with some detail, made where they are missing; names below the root."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number:03d}.jpg" for number in range(IMAGES)]
    rng = np.random.default_rng(0)
    for name in names:
        if not (folder / name).exists():
            coarse = rng.integers(0, 255, (SIZE[1] // 8, SIZE[0] // 8, 3), dtype=np.uint8)
            image = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / name), image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return [f"images/{name}" for name in names]


def write_questions(path: Path, images: list[str], count: int) -> None:
    """Questions without answers, two of three of them about two images."""
    marks = {1: "<image>\n", 2: "Image-1: <image>\nImage-2: <image>\n"}
    records = (
        {
            "id": f"question_{number}",
            "image": [images[(number + k) % len(images)] for k in range(asked)],
            "text": f"{marks[asked]}How far did the camera move, in mm? Question {number}.",
        }
        for number in range(count)
        for asked in [1 if number % 3 == 0 else 2]
    )
    write_jsonl(path, records)


def measure(root: Path, questions: Path, concurrency: int) -> dict[str, float]:
    """Seconds of the command, of its processor time, and its peak memory; a server beside it."""
    output = root / "answers.jsonl"
    files.remove(output)
    line = [sys.executable, "tests/chat_server.py", "--seconds", str(LONGEST)]
    server = subprocess.Popen(line, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        flags = ["--benchmark", questions, "--output", output, "--base-url", url, "--model", "none"]
        line = [sys.executable, COMMAND, "--root", root, "--concurrency", concurrency, *flags]
        started = time.perf_counter()
        done = subprocess.run(
            list(map(str, line)), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        seconds = time.perf_counter() - started
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)  # of the command: the server runs yet
    finally:
        server.terminate()
        server.wait()
    if done.returncode:
        raise SystemExit(f"{COMMAND} failed:\n{done.stdout}")
    (asking,) = re.findall(r"answers +[\d,]+ +([\d.]+) s", done.stdout)
    return {
        "seconds": seconds, "seconds_asking": float(asking),
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / MAXRSS_PER_MIB,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="kept for the next start")
    parser.add_argument("--questions", type=int, default=7800)
    parser.add_argument("--concurrency", type=int, default=16)
    args = parser.parse_args()
    root = args.folder.absolute() / "asking"
    images = make_images(root / "images")
    write_questions(root / "questions.jsonl", images, args.questions)
    found = measure(root, root / "questions.jsonl", args.concurrency)
    found["questions_a_second"] = args.questions / found["seconds_asking"]
    found["image_kb"] = sum((root / name).stat().st_size for name in images) / len(images) / 1e3
    results = results_path(args.folder, __file__)
    results.parent.mkdir(parents=True, exist_ok=True)
    results.write_text(json.dumps({**machine(), **found}, indent=1))
    for name, value in found.items():
        print(f"{name:20} {value:10.1f}")


if __name__ == "__main__":
    main()
