"""What is known of each scene before its frames: objects, boxes, alignment; joined for a data set.

The parts are `instance_data/<scene>/object_info.arrow`, written with the points of each scene.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from spatial_engine.errors import SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.running import provenance
from spatial_engine.utils.running.finished_scenes import read_finished
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import scene_files
from spatial_engine.utils.tables import info_table
from spatial_engine.utils.tables.user_pickles import dump_pickle


def join_object_infos(dataset: Dataset, listed: Collection[str], step: Step) -> None:
    """Join the infos of all finished scenes that are listed, those of earlier runs too.

    Those of other code or constants, whose scans are gone or which a trial leaves out, are not
    mixed in: they are counted.
    """
    folder = paths.instance_data_dir(dataset)
    finished = {scene: done for scene, done in read_finished(folder).items() if scene in listed}
    mark = provenance.digest([step.name, step.settings])
    made_by = {s: [done.origin.step, done.origin.settings] for s, done in finished.items()}
    others = [scene for scene, by in made_by.items() if provenance.digest(by) != mark]
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
        infos = dict(info_table.SceneInfos(table_path, remedy, with_images=False))
        dump_pickle(infos, path)
        return len(infos)

    keys = {scene: done.origin.key for scene, done in finished.items()}
    step.make_file("scene infos", table_path, keys, write_table)
    pickle_path = paths.info_pickle_path(dataset, "train_val", with_images=False)
    step.make_file("scene infos, pickle", pickle_path, keys, write_pickle)


def bounding_box(points: np.ndarray, nyu40_id: int) -> np.ndarray:
    """(7,) float64: centre x, y, z, size dx, dy, dz, NYU40 id; zeros and id for no points."""
    box = np.zeros(7)
    box[6] = nyu40_id
    if len(points):
        low, high = points[:, :3].min(axis=0), points[:, :3].max(axis=0)
        box[:3], box[3:6] = (low + high) / 2, high - low
    return box
