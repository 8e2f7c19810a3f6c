"""Draws the pictures of the documents from the demo's records: images, question and answer.

bash run_demo.sh && python docs/make_pictures.py
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from spatial_engine.utils.questions.record_files import find_record_files
from spatial_engine.utils.questions.records import read_jsonl

DOCS = Path(__file__).parent
DEMO = DOCS.parent / "demo"
WIDTH = 88  # characters in a line of text

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


def choose_record(path: Path, taken: set[str]) -> dict:
    """The record with the most overlap, easiest to follow, of frames not shown yet."""
    best = sorted(read_jsonl(path), key=lambda record: (-record.get("overlap", 0), record["id"]))
    return next(record for record in best if not taken & frames_of(record))


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


def main() -> None:
    found = {(f.task, f.images_per_record): f for f in find_record_files(DEMO, ["train"])}
    for name, chosen in PICTURES.items():
        figure = plt.figure(figsize=(13, 9.8), dpi=90)
        taken: set[str] = set()
        for cell, key in zip(figure.subfigures(2, 2).flat, chosen, strict=True):
            record = choose_record(found[key].path, taken)
            taken |= frames_of(record)
            draw_record(cell, record, found[key].image_root)
        figure.savefig(DOCS / name, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
