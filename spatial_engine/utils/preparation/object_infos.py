"""What is known of each scene before its frames: objects, boxes, alignment; joined for a data set.

The parts are `instance_data/<scene>/object_info.parquet`, written with the points of each scene.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from spatial_engine.errors import SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.running.finished_scenes import makers
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import scene_files
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import info_table
from spatial_engine.utils.tables.user_pickles import dump_items


def join_object_infos(dataset: Dataset, listed: Collection[str], step: Step) -> None:
    """Join the infos of all finished scenes that are listed, those of earlier runs too.

    Those of other code or constants, whose scans are gone or which a trial leaves out, are not
    mixed in: they are counted.
    """
    folder = paths.instance_data_dir(dataset)
    finished = {scene: told for scene, told in makers(folder).items() if scene in listed}
    mark = provenance.digest([step.name, step.settings])
    others = [scene for scene, (_, made_by) in finished.items() if made_by != mark]
    for scene in others:
        del finished[scene]
    if others and step.options.scenes:
        raise SettingsError(
            f"{folder}: {len(others)} scenes there, {others[0]} among them, were made by other "
            "code or constants; run without --scenes, or use another --root for a trial"
        )
    if others:
        step.table.absent["made by other code or constants before, not to be made again now"] += (
            len(others)
        )

    table_path = paths.info_path(dataset, "train_val", with_images=False)

    def write_table(path: Path) -> int:
        parts = [folder / scene / scene_files.OBJECT_INFO for scene in finished]
        info_table.merge_infos(parts, path)
        return len(parts)

    def write_pickle(path: Path) -> int:
        remedy = "run this command with --overwrite"
        infos = info_table.SceneInfos(table_path, remedy, with_images=False)
        dump_items(infos.items(), path)
        return len(infos)

    keys = {scene: key for scene, (key, _) in finished.items()}
    step.make_file("scene infos", table_path, keys, write_table)
    pickle_path = paths.info_pickle_path(dataset, "train_val", with_images=False)
    step.make_file("scene infos, pickle", pickle_path, keys, write_pickle)


class Groups:
    """Points by the group that they are in, `numbers` (n,) int32 from 0 to below `count`: sorted
    once, so that the points of each group stand together."""

    def __init__(self, numbers: np.ndarray, count: int):
        short = count <= 2**16  # sorted in a tenth of the time
        self._order = np.argsort(numbers.astype(np.uint16) if short else numbers, kind="stable")
        self.sizes = np.bincount(numbers, minlength=count)  # points of each group

    def bounds(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest coordinates of the points (n, 3 or more) of each group, (groups, 3);
        0 for a group without points."""
        low, high = np.zeros((2, len(self.sizes), 3))
        there = np.flatnonzero(self.sizes)
        starts = (np.cumsum(self.sizes) - self.sizes)[there]
        for axis in range(3 if len(there) else 0):
            values = points[:, axis][self._order]
            low[there, axis] = np.minimum.reduceat(values, starts)
            high[there, axis] = np.maximum.reduceat(values, starts)
        return low, high


def bounding_box(points: np.ndarray, nyu40_id: int) -> np.ndarray:
    """`box_of` points (n, 3 or more)."""
    low = high = np.zeros(3)
    if len(points):
        low, high = points[:, :3].min(axis=0), points[:, :3].max(axis=0)
    return box_of(low, high, nyu40_id)


def box_of(low: np.ndarray, high: np.ndarray, nyu40_id: int) -> np.ndarray:
    """(7,) float64: centre x, y, z, size dx, dy, dz, NYU40 id, of points with these least and
    greatest coordinates (3,); zeros for no points."""
    return np.concatenate([(low + high) / 2, high - low, [nyu40_id]])
