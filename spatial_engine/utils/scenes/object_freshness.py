"""Whether scenes have objects, and whether the object table is about them as they are now."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.paths import Place, info_path, posed_images_dir
from spatial_engine.utils.scenes.scene_files import SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.input_files import missing
from spatial_engine.utils.tables.object_table import INSTANCES, REMEDY
from spatial_engine.utils.tables.scene_table import SceneTable

LOAD_REMEDY = "run spatial_engine/utils/scannet_utils/batch_load_scannet_data.py"


def made_from(scenes: SceneInfoHandler, scene_id: str) -> dict[str, str]:
    """What the rows of a scene are made from: poses and points; objects, categories and boxes."""
    return {
        "geometry": scenes.geometry_hash(scene_id),
        "objects": scenes.objects_hash(scene_id),
    }


def check_is_about(
    table: SceneTable, scenes: SceneInfoHandler, scene_id: str, *sampled: str
) -> SceneFiles:
    """Raise `BadDataError` unless the table holds the scene as its info, its instances and its
    depth images are now; return the files of its frames (`SceneFiles.of`)."""
    listed = SceneFiles.of(scenes, scene_id, *sampled)
    facts = table.facts(scene_id)
    instances, there = table.made_from(scene_id).get(INSTANCES), instances_hash(scenes, scene_id)
    if (
        any(facts.get(name) != value for name, value in made_from(scenes, scene_id).items())
        or table.is_of_other_depth(scene_id, listed.depth_sizes)
        or (instances and there and instances != there)
    ):
        raise BadDataError(
            f"{table.path}: {scene_id} is stale, its poses, points, depth images or annotations "
            f"have changed since; {REMEDY}"
        )
    return listed


def checker(table: SceneTable, place: Place, split: str) -> Callable[[str], None]:
    """`check_is_about` of a scene, for steps that read no scene info themselves.

    A machine may have only the table: missing files are not checked.
    """
    if not info_path(place, split).is_file():
        return lambda scene_id: None
    scenes, frames = SceneInfoHandler.load(place, split), posed_images_dir(place)
    known = set(scenes.scene_ids)

    def check(scene_id: str) -> None:
        if scene_id in known and (frames / scene_id).is_dir():
            check_is_about(table, scenes, scene_id)

    return check


def check_all(
    table: SceneTable, place: Place, split: str, scene_ids: Sequence[str] | None = None
) -> None:
    """`checker` of these scenes (None = all)."""
    check = checker(table, place, split)
    for scene_id in sorted(set(scene_ids or table.scene_ids)):
        check(scene_id)


def instances_hash(scenes: SceneInfoHandler, scene_id: str) -> str | None:
    """Digest of the instance of every vertex; None where there is no file of them."""
    path = scenes.instance_path(scene_id)
    if not path.is_file():
        return None
    if scenes.looks is None:
        return provenance.content_hash(path)
    found = scenes.looks.at(scene_id, INSTANCES, [path], lambda: (provenance.content_hash(path), 0))
    return found


def known_instances(scenes: SceneInfoHandler, scene_id: str) -> str:
    """As `instances_hash`; `MissingInputError` where there is no file."""
    instances = instances_hash(scenes, scene_id)
    if instances is None:
        raise MissingInputError(missing(scenes.instance_path(scene_id), LOAD_REMEDY))
    return instances


def check_has_objects(scenes: SceneInfoHandler, scene_id: str) -> None:
    """Raise `MissingInputError` where a scene has no annotated objects, or none at its vertices."""
    if not scenes.has_objects(scene_id):
        raise MissingInputError(f"{scene_id}: has no annotated objects")
    known_instances(scenes, scene_id)
