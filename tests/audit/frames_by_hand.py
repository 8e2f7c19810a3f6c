"""Right records of three to eight frames of the sample scenes, by plain code of this page.

What a frame shows is taken with a margin, so that no rounding decides: `seen` is clearly on the
surface, `absent` clearly not there, and what is neither is not used.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from test_depth_oracle import open_scene, paint_mark, save, source_of, standing_out, with_texts

from spatial_engine.audit.raw.scene import RawScene

SCENES = {"train": ("scene0000_00", "scene0704_00"), "val": ("scene0011_00", "scene0015_00")}
LETTERS = "ABCDEFGH"
CLEAR_M, CLEAR_PX = 1e-3, 0.01


class Views:
    """All usable frames of a scene. ids: in the order of time. world (F, 4, 4) from camera;
    uv (F, N, 2), z (F, N); seen, absent, published (F, N) bool; shares (F, F) overlap in percent.
    """

    def __init__(self, scene: RawScene) -> None:
        self.scene, self.ids = scene, sorted(scene.valid_frame_ids)
        self.points = scene.vertices_aligned
        self.world = np.stack([scene.axis_align @ scene.poses[int(k)] for k in self.ids])
        parts = [self._look(k) for k in range(len(self.ids))]
        self.uv, self.z, self.seen, self.absent, self.published = map(
            np.stack, zip(*parts, strict=True)
        )
        both = self.published.astype(int) @ self.published.T.astype(int)
        any_ = self.published.sum(axis=1)[:, None] + self.published.sum(axis=1) - both
        self.shares = 100 * both / np.maximum(any_, 1)

    def _look(self, k: int) -> tuple[np.ndarray, ...]:
        scene, frame = self.scene, self.ids[k]
        (width, height), depth = scene.colour_size, scene.depth_mm(frame) / 1000
        cam = np.c_[self.points, np.ones(len(self.points))] @ np.linalg.inv(self.world[k]).T
        z = cam[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = (cam[:, :3] @ scene.colour_intrinsics.T)[:, :2].T / z
        front = z > 0.05
        inside = front & (u >= 1) & (u < width - 1) & (v >= 1) & (v < height - 1)
        x = np.where(inside, u * depth.shape[1] / width, 0)
        y = np.where(inside, v * depth.shape[0] / height, 0)
        clear = inside & (np.abs(x % 1 - 0.5) > CLEAR_PX) & (np.abs(y % 1 - 0.5) > CLEAR_PX)
        column = np.clip(np.rint(x).astype(int), 0, depth.shape[1] - 1)
        row = np.clip(np.rint(y).astype(int), 0, depth.shape[0] - 1)
        measured = depth[row, column]
        tolerance = np.maximum(0.05, 0.03 * z) - CLEAR_M
        seen = clear.copy()
        for down in range(-2, 3):
            for right in range(-2, 3):
                there = (row + down, column + right)
                within = (there[0] >= 0) & (there[0] < depth.shape[0])
                within &= (there[1] >= 0) & (there[1] < depth.shape[1])
                d = depth[tuple(np.where(within, one, 0) for one in there)]
                seen &= ~within | ((d > 0) & (np.abs(d - z) <= tolerance))
        m = 0.02 * width + 1
        absent = z < -0.01
        absent |= front & ((u < -m) | (u > width + m) | (v < -m) | (v > height + m))
        absent |= clear & (measured > 0) & (z > measured + 0.1 + CLEAR_M)
        published = inside & (z < measured)
        return np.stack([u, v], axis=1), z, seen, absent & ~seen, published

    def linked(self, one: int, two: int) -> bool:
        return self.shares[one, two] >= 6.2

    def apart(self, one: int, two: int) -> bool:
        """Overlap 0, where the points within a pixel of the border are none that could tell."""
        return self.shares[one, two] == 0

    def joined(self, chosen: Sequence[int]) -> bool:
        reached = {chosen[0]}
        for _ in chosen:
            reached |= {b for a in reached for b in chosen if self.linked(a, b)}
        return reached == set(chosen)

    def sets(self, count: int) -> Iterator[tuple[int, ...]]:
        """Sets of frames in the order of time."""
        return combinations(range(len(self.ids)), count)

    def frames(self, chosen: Sequence[int]) -> list[str]:
        return [self.ids[k] for k in chosen]

    def thousandths(self, k: int, vertex: int) -> list[int]:
        return np.rint(1000 * self.uv[k, vertex] / self.scene.colour_size).astype(int).tolist()


@lru_cache
def views_of(root: Path, scene_id: str) -> Views:
    return Views(open_scene(root, scene_id))


def is_chain(views: Views, chosen: Sequence[int]) -> bool:
    return all(views.linked(one, two) for one, two in pairwise(chosen))


# ---- records -------------------------------------------------------------------------------------


def frames_record(
    task: str,
    place: str,
    frames: Sequence[str],
    size: tuple[int, int],
    split: str,
    answer: Any,
    question: str,
    **more: Any,
) -> dict[str, Any]:
    """A record of `frames` of a scene or clip; images are those without dots."""
    record = {
        "id": f"{task}_{place}_{'_'.join(frames)}",
        "image": [f"{place}/{frame}.jpg" for frame in frames],
        "height_list": [size[1]] * len(frames),
        "width_list": [size[0]] * len(frames),
        "task": task,
        "question_type": task.split("_", 1)[1],
        "gt_value": answer,
        "frames": list(frames),
        **more,
    }
    opening = "".join(f"Image-{k}: <image>\n" for k in range(1, len(frames) + 1))
    choices = "".join(f"\n{k}. {said}" for k, said in more.get("choices", {}).items())
    with_texts(record, split, f"{opening}{question}{choices}", str(answer))
    return record


def image_choices(count: int, first: int = 1) -> dict[str, str]:
    return {LETTERS[k]: f"Image-{first + k}" for k in range(count - first + 1)}


def paint_frames(
    folder: Path, scene: RawScene, record: dict, dots: Sequence[np.ndarray], radius: int = 10
) -> None:
    """Write the images of a record below folder / images, with a dot in the first ones."""
    rng, colours = np.random.default_rng(0), []
    for k, frame in enumerate(record["frames"]):
        path = f"{scene.scene_id}/{frame}.jpg"
        content = scene.jpeg_bytes(frame)
        if k < len(dots):
            path = f"{scene.scene_id}/{frame}_{record['id']}.jpg"
            picture, (u, v) = source_of(scene, frame), dots[k]
            colours.append(standing_out(rng, picture, u, v))
            paint_mark(picture, u, v, colours[-1], radius=radius)
            save(folder / "images" / path, picture)
        else:
            (folder / "images" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "images" / path).write_bytes(content)
        record["image"][k] = path
    record["mark_colors"] = ["#" + bytes(colour).hex() for colour in colours]


def spoiled(record: dict, plant: Callable[[dict], object]) -> dict:
    """A copy of a record with an error planted."""
    copied = copy.deepcopy(record)
    plant(copied)
    return copied
