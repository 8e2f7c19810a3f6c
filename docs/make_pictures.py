"""Draws the pictures of the documents from the demo's records: images, question and answer.

bash run_demo.sh && python docs/make_pictures.py
"""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from spatial_engine.utils.questions.records import read_jsonl

DOCS = Path(__file__).parent
DEMO = DOCS.parent / "demo"
TRAINING = DEMO / "training_data"
FRAMES = DEMO / "data/scannet/posed_images"
CLIP_FRAMES = DEMO / "data/my_tapvid3d_images"
WIDTH = 88  # characters in a line of text

# Each picture: files of records, relative to training_data, four of them.
PICTURES = {
    "teaser.jpg": [
        f"camera_movement/v1_0/{name}_train.jsonl"
        for name in ("x_movement", "displacement_vector", "yaw_angle", "z_movement")
    ],
    "points.jpg": [
        "depth_estimation_dot/v1_0/depth_estimation_dot.jsonl",
        "depth_comparison_dot/v1_0/depth_comparison_dot.jsonl",
        "visual_correspondence_dot_2_multichoice/v1_0/"
        "train_visual_correspondence_dot_2_multichoice.jsonl",
        "visual_correspondence_coor_2_coor/v1_0/train_visual_correspondence_coor_2_coor.jsonl",
    ],
    "movement.jpg": [
        "object_movement_dot/v1_0/adt/adt_tapvid3d_total_distance_train_15points_30pairs.jsonl",
        "object_movement_dot/v1_0/adt/"
        "adt_tapvid3d_displacement_vector_train_15points_30pairs.jsonl",
        "object_movement_dot/v1_0/pstudio/"
        "pstudio_tapvid3d_total_distance_train_15points_30pairs.jsonl",
        "object_movement_coord/v1_0/pstudio/"
        "pstudio_tapvid3d_displacement_vector_train_15points_30pairs.jsonl",
    ],
    "objects.jpg": [
        "object_perception/object_perception_height_k1_train_-1.jsonl",
        "object_perception/object_perception_height_k2_train_-1.jsonl",
        "object_perception/object_perception_length_k2_train_-1.jsonl",
        "object_perception/object_perception_width_k2_train_-1.jsonl",
    ],
}


def image_root(path: Path) -> Path:
    """Where the images of a file's records are: its own pictures, or the frames."""
    if (path.parent / "images").is_dir():
        return path.parent / "images"
    return CLIP_FRAMES if "object_movement" in str(path) else FRAMES


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
    for name, files in PICTURES.items():
        figure = plt.figure(figsize=(13, 9.8), dpi=90)
        taken: set[str] = set()
        for cell, file in zip(figure.subfigures(2, 2).flat, files, strict=True):
            path = TRAINING / file
            record = choose_record(path, taken)
            taken |= frames_of(record)
            draw_record(cell, record, image_root(path))
        figure.savefig(DOCS / name, pil_kwargs={"quality": 88})


if __name__ == "__main__":
    main()
