"""Objects made by hand, the object table that holds them, and commands run within the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
from tiny_scenes import SCENE, TinyScene

from spatial_engine.utils import paths
from spatial_engine.utils.paths import instance_data_dir
from spatial_engine.utils.running import cli
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import object_table
from spatial_engine.utils.tables.object_table import SeenObject

SPLITS = ("train", "val")
DIMENSIONS = ("height", "length", "width")


def image_ids(count: int) -> list[str]:
    return [f"{5 * k:05d}" for k in range(count)]


def seen_object(
    object_id: int,
    images: Sequence[str],
    category: str = "chair",
    size: Sequence[float] = (0.5, 0.4, 1.0),
    rng: np.random.Generator | None = None,
    others: Sequence[int] | None = None,
    slack: float = 1.0,
) -> SeenObject:
    """An object that begins at the origin; each image sees all of it, or what `rng` draws, and so
    many vertices of `others` of the category (None: of none)."""
    size, shape = np.asarray(size, float), (len(images), 3)
    ends = np.zeros((2, *shape)) if rng is None else np.sort(rng.random((2, *shape)), axis=0)
    if rng is None:
        ends[1] = 1
    counts = np.arange(len(images)) + 7
    beside = np.zeros(len(images), int) if others is None else np.asarray(others)
    seen = counts, 20 + counts / 9.0, beside  # no image shows less than a fifth
    return SeenObject(object_id, category, size, slack, list(images), *seen, *(ends * size))


def random_objects(rng: np.random.Generator, count: int, images: int) -> list[SeenObject]:
    """Objects with gaps between their ids, each seen by some of the images."""
    found = []
    for object_id in np.sort(rng.choice(90, count, replace=False)).tolist():
        seen = sorted(rng.choice(image_ids(images), rng.integers(1, images + 1), replace=False))
        size = rng.uniform(0.2, 2.0, 3)
        found.append(seen_object(object_id, [str(i) for i in seen], f"thing {count}", size, rng))
    return found


def write_table(
    root: Path, split: str, scenes: Mapping[str, Sequence[SeenObject]], geometry: str = "g"
) -> Path:
    """The object table of a split, in the order given."""
    path, parts = paths.object_table_path(root, split), []
    path.parent.mkdir(parents=True, exist_ok=True)
    for scene_id, objects in scenes.items():
        parts.append(root / f"{scene_id}.part")
        object_table.write_scene_objects(
            parts[-1], scene_id, objects, {"geometry": geometry, "objects": "o"}, {}
        )
    object_table.merge_objects(parts, path)
    return path


def annotate(
    scene: TinyScene, instances: Sequence[int], categories: Mapping[int, str]
) -> SceneInfoHandler:
    """Give the vertices of a scene to objects (`instances`: id + 1, 0 = none) with categories."""
    mask, objects = np.asarray(instances, np.int32), {}
    np.save(instance_data_dir(scene.root) / SCENE / "instance_mask.npy", mask)
    for object_id, category in categories.items():
        points, box = scene.points[np.flatnonzero(mask == object_id + 1)], np.zeros(7)
        if len(points):
            low, high = points.min(axis=0), points.max(axis=0)
            box[:6] = [*(low + high) / 2, *high - low]
        objects[object_id] = {"aligned_bbox": box, "raw_category": category}
    return SceneInfoHandler(scene.root, {SCENE: scene._info() | objects})


class Runner:
    """Runs a command's `main` in this process, which takes a tenth of the time of another one."""

    def __init__(self, capsys):
        self.capsys = capsys

    def __call__(self, module: ModuleType, root: Path, *flags: object) -> SimpleNamespace:
        self.capsys.readouterr()
        line = ["--root", str(root), "--num-workers", "1", *map(str, flags)]
        try:
            code = cli.run(module.main, line)
        except SystemExit as stop:  # argparse
            code = stop.code
        out, err = self.capsys.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)


def check_fine(done) -> None:
    assert done.returncode == 0, done.stdout + done.stderr


def check_refused(done, *words: object) -> None:
    """Exit code 2 and one line that says what is wrong and what helps."""
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    for word in words:
        assert str(word) in line
    assert "Traceback" not in done.stdout + done.stderr
