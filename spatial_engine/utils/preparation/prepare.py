"""From captures to prepared scenes: frames, points, infos and lists of a data set.

Every preparation script ends here. Three parts, each with a folder or file for each scene, so that
a stopped run continues: frames (`posed_images/<scene>/`), points (`instance_data/<scene>/`), infos.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.cameras import camera_fault, pose_fault
from spatial_engine.utils.paths import SPLITS, Dataset
from spatial_engine.utils.pictures import jpeg, png
from spatial_engine.utils.preparation import agreement, fusion
from spatial_engine.utils.preparation.capture import AnnotatedMesh, Capture
from spatial_engine.utils.preparation.object_infos import bounding_box, join_object_infos
from spatial_engine.utils.preparation.plan import Wanted, make_plan, moved
from spatial_engine.utils.preparation.scene_infos import make_scene_infos
from spatial_engine.utils.running import finished_scenes
from spatial_engine.utils.running.finished_scenes import PartResult, makers
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import posed_images, scene_files
from spatial_engine.utils.scenes.split_lists import read_split_lists
from spatial_engine.utils.storage import files, provenance
from spatial_engine.utils.storage.looks import Looks
from spatial_engine.utils.tables import info_table
from spatial_engine.utils.tables.user_pickles import dump_items

SOURCE = "source.json"  # in posed_images/<scene>: where the scene came from and how it was prepared
AGAIN = "start the preparation again"
NO_LABEL = 0  # NYU40 id of boxes: other data sets have none


@dataclass(frozen=True)
class Source:
    """One scene to be prepared.

    open: reads it, and can be sent to a worker; inputs: fingerprints of its files; about: its
    format, path and how it is read, as `sources.json` tells them.
    """

    open: Callable[[], Capture]
    inputs: Any
    about: Mapping[str, Any] = field(default_factory=dict)


def run(
    step: Step,
    sources: Mapping[str, Source],
    lists: Mapping[str, Sequence[str]],
    wanted: Mapping[str, Wanted],
    owners_lists: bool = False,
) -> None:
    """Prepare scenes, and write the infos and lists of their data set.

    `lists` are the scenes of the data set by split, those of earlier runs too; those that were
    never prepared are not written, unless these are the lists of the owners of a data set. `wanted`
    is what is asked of each scene. Raises `SettingsError` where a scene stands in another data set,
    too.
    """
    dataset: Dataset = step.options.dataset
    refuse_known(dataset, [scene for ids in lists.values() for scene in ids])
    frames_dir, points_dir = paths.posed_images_dir(dataset), paths.instance_data_dir(dataset)
    listed = {scene for ids in lists.values() for scene in ids}
    for folder in (frames_dir, points_dir):
        take_over(step, folder, listed - sources.keys())
    jobs = [
        SceneJob(scene, (scene, source, wanted[scene]), [source.inputs, asdict(wanted[scene])])
        for scene, source in sources.items()
    ]
    frames = step.make_folders(frames_dir, jobs, extract_frames, unit="frames")
    made = dict(frames.parts)
    jobs = [
        SceneJob(scene, (scene, sources[scene], path), source_hash(path))
        for scene, path in made.items()
    ]
    points = step.make_folders(points_dir, jobs, make_points, unit="scenes")
    if not points.parts:
        return
    if not owners_lists:
        known = {s for ids in read_split_lists(dataset, AGAIN).values() for s in ids}
        kept = known | makers(points_dir).keys()  # a disk may be absent
        lists = {split: sorted(kept & set(ids)) for split, ids in lists.items()}
    write_lists(dataset, lists)
    tell_sources(step, dataset, frames_dir)
    listed = {scene for ids in lists.values() for scene in ids}
    join_object_infos(dataset, listed, step)
    scenes = sorted(listed & set(points.parts) if step.options.scenes else listed)
    make_scene_infos(step.options, step, scenes, lists, AGAIN, AGAIN)


def extract_frames(arguments: tuple[str, Source, Wanted], part_dir: Path) -> PartResult:
    """Write the frames of one scene, and beside them where they came from."""
    scene_id, source, wanted = arguments
    capture = source.open()
    where = str(source.about.get("path", scene_id))
    plan = make_plan(capture, wanted, where)
    kept = plan.capture
    for number, pose, intrinsic in zip(kept.numbers, kept.poses, kept.intrinsics, strict=True):
        if fault := pose_fault(pose) or camera_fault(intrinsic, kept.color_size):
            raise BadDataError(f"{where}: frame {number} cannot be right: {fault}")
    ids = [posed_images.frame_id(number) for number in kept.numbers.tolist()]
    posed_images.write_cameras(part_dir, ids, kept.intrinsics)
    unmeasured, depth_size = 0, None
    written = set()
    pairs = agreement.choose_pairs(kept.poses)
    compared = {ids[k]: k for pair in pairs for k in pair}
    views: dict[int, agreement.DepthView] = {}
    for picture in kept.images(kept.numbers.tolist()):
        name = posed_images.frame_id(picture.number)
        color = picture.color
        color = jpeg.without_exif(color) if isinstance(color, bytes) else jpeg.encode(color)
        size = jpeg.read_size(color, f"{where}: frame {picture.number}", AGAIN)
        posed_images.check_size(part_dir / f"{name}.jpg", size, kept.color_size)
        depth_size = depth_size or picture.depth_mm.shape
        if picture.depth_mm.shape != depth_size:
            raise BadDataError(
                f"{where}: the depth of frame {picture.number} has another size than that of "
                "the first; get it again"
            )
        (part_dir / f"{name}.jpg").write_bytes(color)
        (part_dir / f"{name}.png").write_bytes(png.encode(picture.depth_mm))
        unmeasured += not picture.depth_mm.any()
        written.add(name)
        if (k := compared.get(name)) is not None:
            views[k] = _view(kept, k, picture.depth_mm)
    if missing := [image_id for image_id in ids if image_id not in written]:
        raise BadDataError(
            f"{where}: {len(missing)} of {len(ids)} frames could not be read, {missing[0]} "
            "among them; get it again"
        )
    agreement.refuse_wrong_convention(views, pairs, where)
    for image_id, pose in zip(ids, kept.poses, strict=True):
        (part_dir / f"{image_id}.txt").write_text(posed_images.format_matrix(pose))
    points = {"points": "fused" if capture.mesh is None else "mesh"}
    told = {**source.about, **points, **asdict(wanted), **plan.told()}
    files.dump_json(told, part_dir / SOURCE)
    left_out = {why: number for why, number in capture.left_out.items() if number}
    notes = {
        "without depth": unmeasured,
        "turned upright": len(ids) * (plan.turns > 0),
    }
    return PartResult(
        counts={"frames": len(ids)}, drops={"frames": left_out}, notes={"frames": notes}
    )


def _view(capture: Capture, place: int, depth_mm: np.ndarray) -> agreement.DepthView:
    """The depth of a frame with its camera."""
    scale = np.diag([*np.divide(depth_mm.shape[::-1], capture.color_size), 1.0])
    return agreement.DepthView(capture.poses[place], scale @ capture.intrinsics[place], depth_mm)


def make_points(arguments: tuple[str, Source, Path], part_dir: Path) -> PartResult:
    """Write the points of one scene, of its mesh or fused from depth, and what is known of its
    objects."""
    scene_id, source, frames_dir = arguments
    told = json.loads((frames_dir / SOURCE).read_text(encoding="utf-8"))
    fused = told["points"] == "fused"
    if fused:
        ids = [posed_images.frame_id(number) for number in told["numbers"]]
        points = fusion.fuse(partial(_prepared_frames, frames_dir, ids))
        if not len(points):
            raise BadDataError(
                f"{frames_dir}: no two frames measure the same surface; check poses and depth"
            )
        mesh = AnnotatedMesh(points, np.zeros(len(points), np.int32), [])
    else:
        mesh = moved(source.open().mesh(), np.array(told["world"]))
    info: dict[Any, Any] = {}
    empty = 0
    for item in mesh.objects:
        mine = mesh.points[mesh.instances == item.object_id + 1, :3]
        empty += not len(mine)
        box = bounding_box(mine, NO_LABEL)
        info[item.object_id] = {
            "aligned_bbox": box, "unaligned_bbox": box, "raw_category": item.label,
        }  # fmt: skip
    info["axis_align_matrix"] = np.eye(4)  # poses and points are in the aligned frame already
    info["num_objects"] = len(mesh.objects)
    info["points_digest"] = provenance.digest(mesh.points)
    np.save(part_dir / "aligned_points.npy", mesh.points)
    np.save(part_dir / "instance_mask.npy", mesh.instances)
    info_table.write_scene_info(part_dir / scene_files.OBJECT_INFO, scene_id, info)
    dump_items(info.items(), part_dir / "object_info.pkl")
    notes = {
        "points fused from depth": int(fused),
        "objects without vertices": empty,
        "without objects": int(not mesh.objects),
    }
    return PartResult({"scenes": 1}, notes={"scenes": notes})


def _prepared_frames(folder: Path, ids: Sequence[str]) -> Iterator[fusion.PosedFrame]:
    """The frames of a scene as they were written."""
    color_size, depth_size = (
        posed_images.read_image_size(folder / f"{ids[0]}{ending}") for ending in (".jpg", ".png")
    )
    shared = posed_images.read_intrinsic(folder, color_size)
    cameras = posed_images.read_frame_cameras(folder, ids, color_size)
    for image_id in ids:
        pose, K = posed_images.read_pose(folder, image_id), cameras.get(image_id, shared)[:3, :3]
        depth = posed_images.read_depth(folder / f"{image_id}.png", depth_size)
        color = partial(posed_images.read_color, folder / f"{image_id}.jpg")
        yield fusion.PosedFrame(pose, K, depth, color_size, color)


# ---- the data set ----


def take_over(step: Step, folder: Path, earlier: Set[str]) -> None:
    """Make sure that scenes that were prepared earlier, and are not now, can stay beside the new
    ones. Raises `SettingsError` where other code made them, unless finished work is accepted."""
    found = makers(folder) if folder.is_dir() else {}
    mark = provenance.digest([step.name, step.settings])
    gone = {scene: f"{folder / scene} is not there" for scene in earlier - found.keys()}
    step.guard.absent |= gone  # tables that hold them are not to lose them
    others = []
    for scene in sorted(s for s, (_, made_by) in found.items() if s in earlier and made_by != mark):
        done = finished_scenes.read_done(folder / scene) if step.options.accept_finished else None
        of_now = done and replace(done.origin, step=step.name, settings=step.settings)
        kept = of_now and finished_scenes.accept(folder, scene, of_now)
        others += [] if kept else [scene]
    if others:
        raise SettingsError(
            f"{folder}: {len(others)} scenes, {others[0]} among them, were prepared by another "
            "version of the engine; prepare them together with the new ones, or keep them with "
            "--accept-finished"
        )


def source_hash(folder: Path) -> str:
    """Digest of what the frames in a scene's folder tell of where they came from."""
    path = folder / SOURCE
    looks = Looks.of(folder.parent)
    return looks.at(folder.name, SOURCE, [path], lambda: (provenance.content_hash(path), 0))


def refuse_known(dataset: Dataset, scenes: Sequence[str]) -> None:
    """Raise `SettingsError` where a scene stands in another data set: ids of records tell scenes
    apart by their names alone."""
    for other in paths.datasets_below(dataset.root):
        if other.name == dataset.name:
            continue
        known = {scene for ids in read_split_lists(other, AGAIN).values() for scene in ids}
        if both := sorted(known & set(scenes)):
            raise SettingsError(
                f"{both[0]}: a scene of this name is in the data set {other.name} already; rename "
                "the folder of one of the two"
            )


def write_lists(dataset: Dataset, lists: Mapping[str, Sequence[str]]) -> None:
    """Write the lists of a data set that have changed."""
    for split in SPLITS:
        path = paths.scene_list_path(dataset, split)
        content = "".join(f"{scene}\n" for scene in sorted(lists.get(split, ()))).encode()
        if content and (not path.exists() or path.read_bytes() != content):
            with files.atomic_path(path) as partial_path:
                partial_path.write_bytes(content)


def tell_sources(step: Step, dataset: Dataset, frames_dir: Path) -> None:
    """Write `meta_data/sources.json`: where each scene that is there came from."""
    told = {path.parent.name: path for path in sorted(frames_dir.glob(f"*/{SOURCE}"))}
    inputs = {scene: source_hash(path.parent) for scene, path in told.items()}

    def write(path: Path) -> int:
        files.dump_json(
            {s: json.loads(p.read_text(encoding="utf-8")) for s, p in told.items()}, path
        )
        return len(told)

    step.make_file("sources", dataset.folder / "meta_data/sources.json", inputs, write)
