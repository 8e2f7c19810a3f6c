"""Draws docs/teaser.jpg from the demo's records: image pairs with their question and answer.

bash run_demo.sh && python docs/make_teaser.py
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from spatial_engine.utils.records import read_jsonl

DOCS = Path(__file__).parent
DEMO = DOCS.parent / "demo"
SHOWN = ("x_movement", "displacement_vector", "yaw_angle", "z_movement")
WIDTH = 88  # characters in a line of text


def choose_record(question_type: str, taken: set[str]) -> dict:
    """The record with the most overlap, easiest to follow, of images not shown yet."""
    path = DEMO / f"training_data/camera_movement/v1_0/{question_type}_train.jsonl"
    best = sorted(read_jsonl(path), key=lambda record: (-record["overlap"], record["id"]))
    return next(record for record in best if not taken & set(record["image"]))


def draw_record(figure: plt.Figure, record: dict) -> None:
    """Two images side by side, the question below, the answer in bold."""
    for number, (axes, name) in enumerate(zip(figure.subplots(1, 2), record["image"], strict=True)):
        axes.imshow(plt.imread(DEMO / "data/scannet/posed_images" / name))
        axes.set_title(f"Image-{number + 1}", fontsize=10)
        axes.set_axis_off()
    figure.subplots_adjust(left=0.01, right=0.99, top=0.95, bottom=0.24, wspace=0.02)
    human, model = (turn["value"] for turn in record["conversations"])
    question = "\n".join(textwrap.wrap(human.split("\n")[-1], WIDTH))
    answer = "\n".join(textwrap.wrap(model, WIDTH - 14))
    figure.text(0.02, 0.25, question, fontsize=10, va="top", color="#333333")
    figure.text(0.02, 0.03, answer, fontsize=10, va="bottom", weight="bold", color="#0b5394")


def main() -> None:
    figure = plt.figure(figsize=(13, 8.8), dpi=90)
    taken: set[str] = set()
    for cell, question_type in zip(figure.subfigures(2, 2).flat, SHOWN, strict=True):
        record = choose_record(question_type, taken)
        taken.update(record["image"])
        draw_record(cell, record)
    figure.savefig(DOCS / "teaser.jpg", pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
