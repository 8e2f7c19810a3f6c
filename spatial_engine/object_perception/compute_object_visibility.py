"""Object perception step 1: which images see which objects.

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, the points and
       instances of every scene.
Writes {training,evaluation}_data/object_perception/object_visibility.pkl, for users, and
       object_visibility.parquet beside it, which the next steps read scene by scene.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  mostly opening the visibility of each scene (docs/performance.md).
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.object_views import box_slack, count_others, view_objects
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs, Part
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import object_freshness
from spatial_engine.utils.scenes.object_names import NEVER_ASKED, plain
from spatial_engine.utils.scenes.scene_files import SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import object_table, visibility_table
from spatial_engine.utils.tables.scene_table import DEPTH_SIZES
from spatial_engine.utils.tables.user_pickles import dump_items

# An image sees an object when it sees this share of its vertices, or more, and at least one.
MIN_VISIBLE_SHARE = 0.05
# What an image is taken to see: the surface that it shows. The published rule also takes for seen
# what is hidden beside a silhouette.
SEEN_RULE = "surface"  # published: "published"

PART = "objects.parquet"
OUTPUT, TABLE = "object_visibility", "table"  # both files hold the same


def see_objects(
    arguments: tuple[SceneInfoHandler, Path, str, Mapping[str, Any]], part_dir: Path
) -> PartResult:
    """Write what the frames of one scene see of its objects; the last of the arguments are the
    constants of this script."""
    scenes, table, scene_id, constants = arguments
    handler = visibility_table.VisibilityInfoHandler(table, constants["SEEN_RULE"])
    handler.check_is_about(scene_id, scenes.geometry_hash(scene_id))
    visibility = handler.load_scene(scene_id)
    instances = np.maximum(scenes.instance_mask(scene_id), 0)
    if len(instances) != visibility.num_points:
        raise BadDataError(
            f"{scene_id}: instances of {len(instances)} vertices, the visibility table knows "
            f"{visibility.num_points}; {object_freshness.LOAD_REMEDY}"
        )

    wanted, drops = choose_objects(scenes, scene_id, np.bincount(instances))
    min_share = constants["MIN_VISIBLE_SHARE"]
    seen = list_seen(scenes, scene_id, visibility, instances, wanted, min_share)
    made_from = object_freshness.made_from(scenes, scene_id)
    object_table.write_scene_objects(part_dir / PART, scene_id, seen, made_from, constants)
    drops["objects that no image sees"] = len(wanted) - len(seen)
    pairs = sum(len(one.image_ids) for one in seen)
    return PartResult({OUTPUT: pairs}, {OUTPUT: drops}, {OUTPUT: {"objects": len(seen)}})


def list_seen(
    scenes: SceneInfoHandler,
    scene_id: str,
    visibility: visibility_table.SceneVisibility,
    instances: np.ndarray,
    wanted: Sequence[int],
    min_share: float,
) -> list[object_table.SeenObject]:
    """The `wanted` objects that an image sees, which takes `min_share` of its vertices; `instances`
    (vertices,) are the id + 1 of the object of each vertex, 0 = none."""
    totals = np.bincount(instances)
    object_of_point = np.full(len(totals), -1)
    object_of_point[[object_id + 1 for object_id in wanted]] = wanted
    points = scenes.points(scene_id)
    views = view_objects(visibility.point_lists(), object_of_point[instances], points)
    others = count_others(views, kinds_of(scenes, scene_id, wanted))
    needed = np.maximum(1, np.floor(min_share * totals[views.objects + 1]))
    enough = views.counts >= needed
    views, others = views.where(enough), others[enough]
    seen = []
    for object_id in np.unique(views.objects).tolist():
        rows = views.objects == object_id
        mine = views.where(rows)
        seen.append(
            object_table.SeenObject(
                object_id,
                scenes.category(scene_id, object_id),
                scenes.aligned_box(scene_id, object_id)[3:6],
                box_slack(points[instances == object_id + 1]),
                [visibility.image_ids[frame] for frame in mine.frames],
                mine.counts,
                100.0 * mine.counts / totals[object_id + 1],
                others[rows],
                mine.low,
                mine.high,
            )
        )
    return seen


def kinds_of(scenes: SceneInfoHandler, scene_id: str, wanted: Sequence[int]) -> np.ndarray:
    """(n,) int: by object id a number for its category, the same for objects of one category."""
    kinds = np.zeros(max(wanted, default=0) + 1, int)
    words = [plain(scenes.category(scene_id, object_id)) for object_id in wanted]
    kinds[list(wanted)] = np.unique(words, return_inverse=True)[1]
    return kinds


def choose_objects(
    scenes: SceneInfoHandler, scene_id: str, totals: np.ndarray
) -> tuple[list[int], dict[str, int]]:
    """Objects that can be asked about, and how many others there are by reason.

    `totals` (instances,) counts the vertices of each instance, 0 = unannotated.
    """
    wanted = []
    drops = {"objects without vertices": 0, "objects of excluded categories": 0}
    for object_id in scenes.object_ids(scene_id):
        if plain(scenes.category(scene_id, object_id)) in NEVER_ASKED:
            drops["objects of excluded categories"] += 1
        elif object_id + 1 >= len(totals) or not totals[object_id + 1]:
            drops["objects without vertices"] += 1
        else:
            wanted.append(object_id)
    return wanted, drops


def make_job(
    args: argparse.Namespace,
    split: str,
    scenes: SceneInfoHandler,
    handler: visibility_table.VisibilityInfoHandler,
    fingerprint: Any,
    scene_id: str,
) -> SceneJob:
    """Job of one scene, which the visibility table, of this `fingerprint`, must hold as it is now;
    `MissingInputError` where its frames or instances are not there."""
    instances = object_freshness.known_instances(scenes, scene_id)
    listed = SceneFiles.of(scenes, scene_id)
    geometry = scenes.geometry_hash(scene_id)
    handler.check_is_about(scene_id, geometry, listed.depth_sizes)
    table = paths.visibility_table_path(args.dataset, split)
    inputs = {
        "geometry": geometry,
        "objects": scenes.objects_hash(scene_id),
        object_table.INSTANCES: instances,
        DEPTH_SIZES: handler.depth_sizes(scene_id),
        "visibility": handler.digest(scene_id) or fingerprint,
    }
    arguments = (scenes.only(scene_id), table, scene_id, args.constants)
    return SceneJob(scene_id, arguments, inputs)


def join_parts(parts: Sequence[Part], outputs: Mapping[str, Path]) -> None:
    """Both files of a split; the pickle is written scene by scene from the table."""
    object_table.merge_objects([part.source(TABLE, PART) for part in parts], outputs[TABLE])
    dump_items(object_table.iterate_dictionaries(outputs[TABLE]), outputs[OUTPUT])


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True)
    text = "share of its vertices that an image must see to see an object, 0 to 1"
    cli.add_constant(parser, "MIN_VISIBLE_SHARE", MIN_VISIBLE_SHARE, text, 0, 1)
    cli.add_constant(parser, "SEEN_RULE", SEEN_RULE, **visibility_table.SEEN_RULE_FLAG)
    cli.add_published(parser)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("compute_object_visibility", args, args.constants, __file__)
    tables = {paths.visibility_table_path: visibility_table.REMEDY}
    for split, scenes in load_splits(args, step, tables, objects=True):
        table = paths.visibility_table_path(args.dataset, split)
        handler = visibility_table.VisibilityInfoHandler(table)
        fingerprint = provenance.file_fingerprint(table, args.root)
        make = partial(make_job, args, split, scenes, handler, fingerprint)
        outputs = Outputs(
            {OUTPUT: paths.object_pickle_path(args.dataset, split)},
            {TABLE: paths.object_table_path(args.dataset, split)},
        )
        step.make(
            outputs,
            list(step.ready(scenes.scene_ids, make).values()),
            see_objects,
            join_parts,
            takes_over=True,
        )
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
