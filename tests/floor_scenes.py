"""Scenes of a floor on which flat things lie, seen from 3 m above: what a frame shows is plain.

A frame sees what lies in a rectangle of 3 x 1.5 m about its centre, and what lies more than 6 cm
beyond is absent. All depths are 3 m. The scenes are those that the oracles read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spatial_engine.audit.raw.posed import PosedScene

SIZE, FOCAL, HEIGHT_M = (200, 100), 200.0, 3.0
HALF_VIEW = (1.5, 0.75)  # metres of the floor to each side of the centre
FLOOR = 0  # its object id


def patch(
    x: tuple[float, float], y: tuple[float, float], z: float = 0.0, step: float = 0.04
) -> np.ndarray:
    """(n, 3) vertices of a rectangle of the floor, its corners among them."""
    along, across = (
        np.linspace(*ends, max(2, round((ends[1] - ends[0]) / step) + 1)) for ends in (x, y)
    )
    grid = np.stack(np.meshgrid(along, across), axis=-1).reshape(-1, 2)
    return np.column_stack([grid, np.full(len(grid), z)])


def square(x: float, y: float, half: float = 0.2) -> np.ndarray:
    """(n, 3) vertices of a square about a place, metres."""
    return patch((x - half, x + half), (y - half, y + half))


class FloorScene(PosedScene):
    """centres: {number of a frame: (x, y)}; things: {object id from 1 on: (label, (n, 3) metres)}.
    depths: {number of a frame: (H, W) mm}, of frames that do not see the floor everywhere."""

    dataset, scene_id, frame_step = "floors", "floor", 1
    colour_size, depth_size = SIZE, (SIZE[0] // 2, SIZE[1] // 2)

    def __init__(
        self,
        centres: Mapping[int, tuple[float, float]],
        things: Mapping[int, tuple[str, np.ndarray]],
        depths: Mapping[int, np.ndarray] | None = None,
    ) -> None:
        self.root = Path("nowhere")
        self.centres = {f"{number:05d}": centre for number, centre in centres.items()}
        self.depths = {f"{number:05d}": depth for number, depth in (depths or {}).items()}
        parts = {FLOOR: ("floor", patch((-2, 9), (-1, 3), step=0.1)), **things}
        self.vertices_aligned = np.concatenate([points for _, points in parts.values()])
        owners = [np.full(len(points), i + 1) for i, (_, points) in parts.items()]
        self.instance_ids = np.concatenate(owners).astype(np.int64)
        self.raw_categories = {i: label for i, (label, _) in parts.items()}

    def frame_ids(self) -> list[str]:
        return sorted(self.centres)

    def is_valid(self, frame_id: str) -> bool:
        return frame_id in self.centres

    def world_from_cam(self, frame_id: str) -> np.ndarray:
        pose = np.diag([1.0, -1.0, -1.0, 1.0])  # looks down, the top of the image is towards +y
        pose[:3, 3] = (*self.centres[frame_id], HEIGHT_M)
        return pose

    def camera_K(self, frame_id: str) -> np.ndarray:
        return np.array([[FOCAL, 0, SIZE[0] / 2], [0, FOCAL, SIZE[1] / 2], [0, 0, 1]])

    def depth_mm(self, frame_id: str) -> np.ndarray:
        flat = np.full(self.depth_size[::-1], round(1000 * HEIGHT_M))
        return np.asarray(self.depths.get(frame_id, flat), dtype=np.int64)

    def depth_mm_bounds(self, frame_id: str) -> tuple[np.ndarray, np.ndarray]:
        depth = self.depth_mm(frame_id).astype(np.float64)
        return depth, depth


def record_of(
    scene: FloorScene, task: str, split: str, question: str, answer: object, **fields: object
) -> dict:
    """A record of all frames of a scene in the order of time; the choices among `fields` are listed
    behind the question."""
    frames = scene.frame_ids()
    opening = "".join(f"Image-{k}: <image>\n" for k in range(1, len(frames) + 1))
    choices = fields.get("choices", {})
    listed = "".join(f"\n{letter}. {text}" for letter, text in choices.items())
    text = f"{opening}{question}{listed}"
    said = "[ " + " , ".join(map(str, answer)) + " ]" if isinstance(answer, list) else answer
    turns = [{"from": "human", "value": text}, {"from": "gpt", "value": f"It is `{said}`."}]
    return {
        "id": f"{task}_1",
        "image": [f"{scene.scene_id}/{frame}.jpg" for frame in frames],
        **({"conversations": turns} if split == "train" else {"text": text}),
        "height_list": [SIZE[1]] * len(frames),
        "width_list": [SIZE[0]] * len(frames),
        "task": task,
        "question_type": task.split("_", 1)[1],
        "gt_value": answer,
        "frames": frames,
        **fields,
    }
