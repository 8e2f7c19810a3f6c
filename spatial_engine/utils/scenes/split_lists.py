"""The lists of a data set: which scenes are for training, which for evaluation."""

from __future__ import annotations

from spatial_engine.errors import SettingsError
from spatial_engine.utils.paths import SPLITS, Place, scene_list_path
from spatial_engine.utils.running.files import dangling_link
from spatial_engine.utils.running.input_files import read_id_list


def read_split_lists(place: Place, remedy: str) -> dict[str, list[str]]:
    """Sorted scene ids of each split that has a list; it may be empty.

    Raises `SettingsError` when a scene stands in both lists.
    """
    lists = {}
    paths = {split: scene_list_path(place, split) for split in SPLITS}
    for split, path in paths.items():
        if path.exists() or dangling_link(path):
            lists[split] = read_id_list(path, remedy)
    both = set(lists.get("train", ())) & set(lists.get("val", ()))
    if both:
        raise SettingsError(
            f"{paths['train'].parent}: {min(both)} is listed in {paths['train'].name} and in "
            f"{paths['val'].name}; remove it from one"
        )
    return lists
