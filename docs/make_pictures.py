"""Draws the pictures of the documents from the demo's records: images, question and answer.

bash run_demo.sh && python docs/make_pictures.py
python benchmarks/label_truth.py --folder /tmp/labels && python docs/make_pictures.py /tmp/labels

The second line draws labels.jpg alone: labels that are wrong by the published rule. own_data.jpg is
of the capture that the demo prepares, the others are of its ScanNet scenes and clips.
frames_<task>.jpg shows the record of the task that is in frames.md, where the demo has it.
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from spatial_engine.report import sheets
from spatial_engine.report.boxes import read_boxes
from spatial_engine.report.gather import Drawn
from spatial_engine.report.plans.scene_plans import read_plans
from spatial_engine.report.spread import Workers
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.questions.record_files import RecordFile, find_record_files
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.questions.tasks import TASKS

DOCS = Path(__file__).parent
DEMO = DOCS.parent / "demo"
WIDTH = 80  # characters in a line of text
OWN = "my_rooms"  # the demo's data set of a capture of one's own

# Each picture: four tasks, with the images of a record.
PICTURES = {
    "teaser.jpg": [
        ("camera_x_movement", 2),
        ("camera_displacement_vector", 2),
        ("camera_yaw_angle", 2),
        ("camera_z_movement", 2),
    ],
    "points.jpg": [
        ("depth_estimation_dot", 1),
        ("depth_comparison_dot", 1),
        ("correspondence_multichoice", 2),
        ("correspondence_coor", 2),
    ],
    "movement.jpg": [
        ("movement_dot_distance_adt", 2),
        ("movement_dot_vector_adt", 2),
        ("movement_dot_distance_pstudio", 2),
        ("movement_coord_vector_pstudio", 2),
    ],
    "objects.jpg": [
        ("object_height", 1),
        ("object_height", 2),
        ("object_length", 2),
        ("object_width", 2),
    ],
}
OWN_PICTURE = [("camera_displacement_vector", 2), ("correspondence_multichoice", 2)]
FRAMES_PAGE = "frames.md"
FRAMES_WIDTH = 1300  # pixels of a picture of a record of many frames
FRAMES_QUALITY = 72  # of their JPEG: below 90 KB each
FEW = (4, 5)  # images of such a record that stand in one row and can still be seen
OWN_SHARE = 0.6  # of the way to the least overlap: the most is of frames one after the other


def choose_record(path: Path, taken: set[str], share: float) -> dict:
    """Of the records of frames not shown yet, by falling overlap: the one at `share` of the list.
    At 0 it is the easiest to follow."""
    order = sorted(read_jsonl(path), key=lambda record: (-record.get("overlap", 0), record["id"]))
    free = [record for record in order if not taken & frames_of(record)]
    return free[int(share * (len(free) - 1))]


def frames_of(record: dict) -> set[str]:
    """`<scene>/<frame>` of each image; a marked picture is named after the frame it shows."""
    paths = [Path(name) for name in record["image"]]
    return {f"{path.parent}/{path.stem.split('_')[0]}" for path in paths}


def draw_record(figure: plt.Figure, record: dict, root: Path) -> None:
    """Images side by side, the question below, the answer in bold."""
    count = len(record["image"])
    cells = figure.subplots(1, count, squeeze=False)[0]
    for number, (axes, name) in enumerate(zip(cells, record["image"], strict=True)):
        axes.imshow(plt.imread(root / name))
        axes.set_title(f"Image-{number + 1}" if count > 1 else "", fontsize=10)
        axes.set_axis_off()
    figure.subplots_adjust(left=0.01, right=0.99, top=0.95, bottom=0.34, wspace=0.02)
    human, model = (turn["value"] for turn in record["conversations"])
    question = "\n".join(textwrap.wrap(human.split("\n")[-1], WIDTH))
    answer = "\n".join(textwrap.wrap(model, WIDTH - 14))
    figure.text(0.02, 0.32, question, fontsize=10, va="top", color="#333333")
    figure.text(0.02, 0.03, answer, fontsize=10, va="bottom", weight="bold", color="#0b5394")


# Files of wrong records, which of them is shown (0 to 1 of the list by error, of objects by size,
# as what is large is easy to see), caption.
WRONG = {
    "depth_estimation": (0.8, "Depth: the answer is that of the thing beside the mark"),
    "object_extents": (1.0, "Object: the images do not show it end to end"),
    "correspondence_coordinates": (0.75, "Correspondence: the second mark shows another place"),
}
CROP = 0.14  # of the image to each side of a mark


def marks_of(record: dict) -> list[tuple[float, float] | None]:
    """The place asked about in each image, 0 to 1; None where there is none."""
    if "points_info" in record:
        places = [[record["points_info"][0][axis] for axis in "xy"]]
    else:
        places = [record[name] for name in ("p1", "p2") if name in record]
    places += [None] * (len(record["image"]) - len(places))
    return [place and (place[0] / 1000, place[1] / 1000) for place in places]


def draw_wrong(figure: plt.Figure, record: dict, caption: str, frames: Path) -> None:
    """The images of a wrong record, and what surrounds each mark; what is wrong, below."""
    shown = list(zip(record["image"], marks_of(record), strict=True))[:2]
    count = (
        len(shown) * 2 if "p1" in record else 2
    )  # images, and a closer look where they have marks
    cells = figure.subplots(1, count)
    for axes in cells:
        axes.set_axis_off()
    for number, (name, mark) in enumerate(shown):
        image = plt.imread(frames / name)
        height, width = image.shape[:2]
        if mark is None:
            cells[number].imshow(image)
            continue
        place = np.array(mark) * (width, height)
        for axes in cells[2 * number : 2 * number + 2]:
            axes.imshow(image)
            axes.plot(*place, "+", color="red", markersize=14, markeredgewidth=1.5)
        low, high = place - CROP * width, place + CROP * width
        cells[2 * number + 1].set(xlim=(low[0], high[0]), ylim=(high[1], low[1]))
    figure.subplots_adjust(left=0.01, right=0.99, top=0.98, bottom=0.14, wspace=0.02)
    figure.text(0.01, 0.02, f"{caption}.\n{told(record)}", fontsize=10, color="#333333")


def told(record: dict) -> str:
    """What the label says, and by how much it is wrong."""
    error = record["error"]
    if "points_info" in record:
        depth = record["points_info"][0]["depth_mm"]
        return f"Label {depth} mm, wrong by {100 * error:.0f} % of the true depth."
    if "p1" in record:
        return f"The places are {100 * error:.0f} cm apart."
    what = f"{record['task'].split('_')[1]} of the {record['raw_category']}"
    return f"Label: {what}, {record['gt_value']} mm; {100 * error:.0f} % of it is not shown."


def draw_labels(folder: Path) -> None:
    """labels.jpg, from the folder of benchmarks/label_truth.py."""
    figure = plt.figure(figsize=(13, 6.6), dpi=80)
    upper, lower = figure.subfigures(2, 1)
    for cell, name in zip((*upper.subfigures(1, 2), lower), WRONG, strict=True):
        records = list(read_jsonl(folder / f"wrong/published_{name}.jsonl"))
        by = "gt_value" if name.startswith("object") else "error"
        records.sort(key=lambda record, by=by: (record[by], record["id"]))
        share, caption = WRONG[name]
        record = records[int(share * (len(records) - 1))]
        draw_wrong(cell, record, caption, folder / "data/scannet/posed_images")
    figure.savefig(DOCS / "labels.jpg", pil_kwargs={"quality": 85})


def draw_records(
    name: str,
    files: dict[tuple[str, int], RecordFile],
    chosen: list[tuple[str, int]],
    share: float = 0.0,
) -> None:
    """A picture of records of the chosen tasks, two side by side; `share` as in `choose_record`."""
    rows = len(chosen) // 2
    figure = plt.figure(figsize=(13, 4.9 * rows), dpi=90)
    taken: set[str] = set()
    for cell, key in zip(figure.subfigures(rows, 2).flat, chosen, strict=True):
        record = choose_record(files[key].path, taken, share)
        taken |= frames_of(record)
        draw_record(cell, record, files[key].image_root)
    figure.savefig(DOCS / name, pil_kwargs={"quality": 88})


def files_of(dataset: Dataset) -> dict[tuple[str, int], RecordFile]:
    """Training records by task and number of images."""
    found = find_record_files(dataset.root, ["train"], datasets=[dataset])
    return {(file.task, file.images_per_record): file for file in found}


def draw_own(root: Path) -> None:
    """own_data.jpg, from the root of a demo."""
    draw_records("own_data.jpg", files_of(Dataset(root, OWN)), OWN_PICTURE, OWN_SHARE)


def choose_frames(path: Path, shown: set[str]) -> dict:
    """The record of a file that the page shows; else one of few images and short choices."""

    def order(record: dict) -> tuple:
        names = [*record.get("categories", ()), *record.get("choices", {}).values()]
        unlike = record["id"] not in shown, len(record["image"]) not in FEW
        return *unlike, sum(map(len, names)), record["id"]

    return min(read_jsonl(path), key=order)


def draw_frames(root: Path) -> None:
    """frames_<task>.jpg of each task of three to eight frames, from the root of a demo."""
    page = (DOCS / FRAMES_PAGE).read_text(encoding="utf-8")
    shown = set(re.findall(r'"id": "(\w+)"', page))
    files = [
        file
        for file in find_record_files(root, ["train"], datasets=[Dataset(root)])
        if TASKS[file.task].of_frames and file.path.stat().st_size
    ]
    records = [choose_frames(file.path, shown) for file in files]
    faults: dict[str, str] = {}
    boxes = read_boxes(root, records, faults)
    plans = read_plans(root, records, Workers(1), faults)
    absent: list[str] = []
    for file, record, box, plan in zip(files, records, boxes, plans, strict=True):
        drawn = Drawn(0.0, record, "train", file.image_root, box, plan)
        picture = sheets.draw_record(drawn, absent)
        height = round(picture.height * FRAMES_WIDTH / picture.width)
        picture = picture.resize((FRAMES_WIDTH, height), Image.Resampling.LANCZOS)
        picture.save(DOCS / f"frames_{file.task}.jpg", quality=FRAMES_QUALITY, optimize=True)
    if faults or absent:
        raise SystemExit("\n".join([*faults.values(), *absent]))


def main() -> None:
    found = files_of(Dataset(DEMO))
    for name, chosen in PICTURES.items():
        draw_records(name, found, chosen)
    draw_own(DEMO)
    draw_frames(DEMO)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        draw_labels(Path(sys.argv[1]))
    else:
        main()
