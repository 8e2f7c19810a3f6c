"""Every reader of the engine as a target: files to start from, and how one of them is read.

`read` gets a path (or bytes) and either returns, after a look at whether what came back makes
sense, or raises `EngineError`. Anything else is a finding.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

import mutations
import numpy as np
import seeds
import texts
from arkitscenes_targets import ARKITSCENES_TARGETS
from audit_targets import AUDIT_TARGETS
from phone_targets import PHONE_TARGETS
from plain_targets import PLAIN_TARGETS
from scannetpp_targets import SCANNETPP_TARGETS
from target import Target

from spatial_engine.errors import BadDataError
from spatial_engine.evaluation import predictions
from spatial_engine.evaluation.answer_reading.answers import read_answer
from spatial_engine.utils.clips import clips, object_array
from spatial_engine.utils.paths import info_path, instance_data_dir
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.preparation import ply
from spatial_engine.utils.questions import plain_record, record_files, records, templates
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.running import finished_scenes, outputs, staleness
from spatial_engine.utils.running.closing_table import Tally
from spatial_engine.utils.scannet_utils import annotations, extract_posed_images
from spatial_engine.utils.scannet_utils.sens import SensReader
from spatial_engine.utils.scenes import pair_balance, posed_images
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import input_files, provenance
from spatial_engine.utils.tables import coverage_table, object_table, pair_table, scene_table
from spatial_engine.utils.tables.parquet import table_writer
from spatial_engine.utils.tables.visibility_table import RULES, VisibilityInfoHandler

# ---- ScanNet, raw --------------------------------------------------------------------------------


def read_sens(path: Path) -> None:
    with SensReader(path) as reader:
        size = reader.header.depth_size
        for number, frame in reader.frames():
            depth = reader.depth_image(frame)
            assert depth.dtype == np.uint16 and depth.shape == size[::-1]
            assert frame.camera_to_world.shape == (4, 4)
            if depth.size < 10_000:
                shift = reader.header.depth_shift
                assert extract_posed_images.to_millimetres(depth, shift).dtype == np.uint16
            assert extract_posed_images.color_jpeg(reader, number, frame)


def read_mesh(path: Path) -> None:
    points = ply.read_vertices(path, "get it", colorless=128)
    assert points.dtype == np.float64 and points.ndim == 2 and points.shape[1] == 6
    assert np.isfinite(points).all()
    with suppress(BadDataError):
        assert ply.read_vertex_numbers(path, "get it", "alpha").shape == (len(points),)
    with suppress(BadDataError):
        corners, numbers = ply.read_faces(path, "get it", "object_id")
        assert len(corners) == len(numbers) and (not corners.size or corners.max() < len(points))


def read_aggregation(path: Path) -> None:
    objects = annotations.read_objects(path)
    assert all(item.raw_category.encode() is not None for item in objects)
    owners = annotations.instance_ids(np.arange(10), objects)
    assert owners.shape == (10,) and owners.dtype == np.int32


def read_segments(path: Path) -> None:
    found = annotations.read_segments(path)
    assert found.ndim == 1 and found.dtype == np.int64
    objects = [annotations.AnnotatedObject(0, "chair", (1, 7))]
    assert annotations.instance_ids(found, objects).shape == found.shape


def read_axis_alignment(path: Path) -> None:
    matrix = annotations.read_axis_alignment(path)
    assert matrix is None or (matrix.shape == (4, 4) and np.isfinite(matrix).all())


def read_label_table(path: Path) -> None:
    table = annotations.read_label_table(path)
    assert all(type(name) is str and type(number) is int for name, number in table.items())
    np.array(list(table.values()), np.int32)  # as they are stored


def read_pose(path: Path) -> None:
    assert posed_images.read_pose(path.parent, path.stem).shape == (4, 4)


def read_intrinsic(path: Path) -> None:
    matrix = posed_images.read_intrinsic(path.parent, seeds.COLOR_SIZE)
    assert matrix.shape == (4, 4) and np.isfinite(matrix).all()


def read_depth(path: Path) -> None:
    depth = posed_images.read_depth(path, seeds.DEPTH_SIZE)
    assert depth.shape == seeds.DEPTH_SIZE[::-1] and depth.dtype == np.uint16


def read_image_size(path: Path) -> None:
    width, height = posed_images.read_image_size(path)
    assert width > 0 and height > 0


def read_jpeg(path: Path) -> None:
    data = path.read_bytes()
    width, height = jpeg.read_size(data, path)
    image = jpeg.read(path, "get it")
    assert image.shape == (height, width, 3) and image.dtype == np.uint8
    del image
    small = jpeg.decode(data, path, "get it", at_least=(4, 4))
    assert small.ndim == 3 and small.shape[2] == 3


# ---- between steps -------------------------------------------------------------------------------


def read_object_array(path: Path) -> None:
    with open(path, "rb") as file:
        items = object_array.read_bytes_array(file, seeds.NUM_ITEMS, path)
    assert all(type(item) is bytes for item in items)


def read_infos(path: Path) -> None:
    """All that is asked of each scene; a scene that is not right is refused, the next is read."""
    scenes = SceneInfoHandler.load(_root_of(path, info_path(Path(), "train")), "train")
    for scene in scenes.scene_ids:
        ids, poses = scenes.valid_frames(scene)
        assert poses.shape == (len(ids), 4, 4) and np.isfinite(poses).all()
        for matrix in (scenes.intrinsic(scene), scenes.axis_align_matrix(scene)):
            assert matrix.shape == (4, 4) and np.isfinite(matrix).all()
        for image_id in scenes.image_ids(scene):
            for key in ("image_path", "depth_image_path"):
                _check_inside(scenes._image_path(scene, image_id, key), scenes.dataset.root)
        assert len(scenes.color_size(scene)) == len(scenes.depth_size(scene)) == 2
        for number in scenes.object_ids(scene):
            assert scenes.category(scene, number).encode() is not None
            assert np.isfinite(scenes.aligned_box(scene, number)).all()
        assert scenes.geometry_hash(scene) and scenes.objects_hash(scene)


def read_arrays(path: Path) -> None:
    root = _root_of(path, instance_data_dir(Path()) / "s" / "aligned_points.npy")
    scenes = SceneInfoHandler(root, {"s": {}})
    points = scenes.points("s")
    assert points.ndim == 2 and points.shape[1] == 3 and points.dtype == np.float64


def read_mask(path: Path) -> None:
    root = _root_of(path, instance_data_dir(Path()) / "s" / "instance_mask.npy")
    mask = SceneInfoHandler(root, {"s": {}}).instance_mask("s")
    assert mask.ndim == 1 and mask.dtype.kind in "iu"


def read_visibility(path: Path) -> None:
    for rule in RULES:
        _read_visibility(VisibilityInfoHandler(path, rule))


def _read_visibility(handler: VisibilityInfoHandler) -> None:
    for scene_id in handler.scene_ids:
        handler.check_is_about(scene_id, "geometry")
        scene = handler.load_scene(scene_id)
        lists = scene.point_lists()
        assert len(lists) == len(scene.image_ids) == len(scene.num_seen)
        for image_id, seen in zip(scene.image_ids, lists, strict=True):
            assert type(image_id) is str and seen.dtype == np.int32
            assert (np.diff(seen.astype(np.int64)) > 0).all()
            handler.get_image_to_points_info(scene_id, image_id)
        handler.get_point_to_images_info(scene_id, 0) if scene.num_points else None
        rows = np.flatnonzero(scene.num_seen)
        if len(rows):
            drawn = scene.draw_points(np.random.default_rng(0), rows, 3)
            assert scene.sees(rows, drawn).all()


def read_pairs(path: Path) -> None:
    table = pair_table.open_pairs(path)
    bins = {}
    for scene_id in table.scene_ids:
        pair_table.check_is_about(table, scene_id, "geometry")
        bins[scene_id] = pair_balance.read_overlap_bins(table, scene_id)
        columns = pair_table.read_scene_pairs(table, scene_id, seeds.IMAGES)
        assert len(columns["first"]) == table.num_rows(scene_id) == len(bins[scene_id])
        assert columns["overlap"].dtype == np.float64 and np.isfinite(columns["overlap"]).all()
    candidates = pair_balance.PairCandidates.of(bins)
    pair_balance.sample_pairs(candidates, -1, 1, np.random.default_rng(0))


def read_objects(path: Path) -> None:
    table = object_table.open_objects(path)
    for scene_id in table.scene_ids:
        object_table.content_digest(table, scene_id)
        seen = object_table.read_scene_objects(table, scene_id)
        for item in seen:
            count = len(item.image_ids)
            assert type(item.category) is str and item.size.shape == (3,) and count
            assert item.low.shape == item.high.shape == (count, 3)
            assert np.isfinite(item.low).all() and np.isfinite(item.size).all()
            assert all(type(image_id) is str for image_id in item.image_ids)
            assert item.counts.dtype.kind == "i"
        object_table.as_dictionaries(seen)


def read_part(path: Path) -> None:
    """A part of a table, as merging reads it."""
    output = path.with_name("merged")
    table_writer.merge_parts([path], output)
    scene_table.SceneTable(output)


def read_coverage(path: Path) -> None:
    for _, by_object in coverage_table.iterate_coverage(path, "make it"):
        for number, by_count in by_object.items():
            assert isinstance(number, int)
            for count, sets in by_count.items():
                assert all(len(images) == count for images in sets)


def read_clip(path: Path) -> None:
    frames, points, has_extrinsics = clips.read_shape(path)
    clip = clips.read_clip(path, camera_moves=has_extrinsics)
    assert clip.tracks_cam.shape == (frames, points, 3) and len(clip.images) == frames
    assert clip.visible.shape == (frames, points) and clip.visible.dtype == bool
    assert np.isfinite(clip.tracks_cam[clip.visible]).all()
    assert np.isfinite(clip.world_from_cam).all()
    if has_extrinsics:
        assert clips.read_extrinsics(path).shape == (frames, 4, 4)
    clip.project(), clip.tracks_world()


def read_id_list(path: Path) -> None:
    for name in input_files.read_id_list(path, "get it"):
        _check_inside(path.parent / name, path.parent)


def read_meta(path: Path) -> None:
    output = path.with_name(path.name.removesuffix(".meta.json"))
    assert isinstance(provenance.read_meta(output), dict)
    assert isinstance(provenance.read_inputs(output), dict)
    product = outputs.Product({"out": output}, provenance.Origin("s", {}, {}), print)
    assert product.accept() == [] and product.whys()["out"] is not None  # there is no output


def read_done_marks(path: Path) -> None:
    """Finished folders whose marks tell this: of the job at hand, and of another in the folder."""
    folder = path.parent / "marked"
    shutil.rmtree(folder, ignore_errors=True)
    for scene in seeds.SCENES:
        (folder / scene).mkdir(parents=True)
        seeds.folder_work(None, folder / scene)
        shutil.copyfile(path, folder / scene / finished_scenes.DONE_FILE)
    run = seeds.run_folders(folder, seeds.folder_jobs()[:1])
    assert list(run.parts) == [seeds.SCENES[0]] and not run.failures
    assert staleness.by_reason(run.redone).isprintable()
    finished = finished_scenes.read_finished(folder)
    for done in finished.values():  # as `Step.make_folders` tells of them
        provenance.digest(done.origin.settings), provenance.digest(done.origin.inputs)
        json.dumps([done.origin.settings, done.origin.inputs])
    for results in (run.results.values(), [done.result for done in finished.values()]):
        tally = Tally.of("images", results)
        f"{tally.records:,} {tally}"


# ---- records and predictions ---------------------------------------------------------------------


def read_jsonl(path: Path) -> None:
    for record in records.read_jsonl(path):
        assert isinstance(record, dict)
        with suppress(ValueError):  # as it says
            assert isinstance(plain_record.from_uniform(record), dict)


def read_places(path: Path) -> None:
    file = seeds.record_file(path)
    assert all(type(place) is str for place in record_files.places_in(file))
    for record in record_files.read_records(file):
        assert record["task"] == file.task


def read_predictions(path: Path) -> None:
    ids = ["id0", "id1"]
    found = predictions.read_predictions(path, ids)
    assert found.texts and set(found.texts) <= set(ids)
    assert all(type(text) is str for text in found.texts.values())


def read_answers(path: Path) -> None:
    text = path.read_text("utf-8", "replace")
    for subtask in TASKS.values():
        read_answer(text, subtask)


def read_templates(path: Path) -> None:
    path = path.replace(path.with_name("object_width.json"))
    found = templates.check_file(path)
    for phrase in found.draw(np.random.default_rng(0), "train", 20):
        assert phrase.question.encode() and phrase.answer.encode()


def _root_of(path: Path, place: Path) -> Path:
    """A root in which the file at `path` stands at `place`; it is put there."""
    target = path.parent / place
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    return path.parent


def _check_inside(path: Path, folder: Path) -> None:
    assert folder.resolve() in path.resolve().parents, f"{path} is outside"


TREE = (mutations.json_tree,)


def _fail(path: Path) -> None:
    """What the harness must find, by the first byte of the file."""
    kind = path.read_bytes()[:1]
    if kind == b"c":
        os.kill(os.getpid(), 11)
    if kind == b"h":
        time.sleep(1000)
    if kind == b"m":
        bytearray(b"x") * 2**28
    if kind == b"e":
        {}["missing"]
    if kind == b"q":
        raise SystemExit
    raise BadDataError(f"{path}: refused")


# The harness itself: of these no run without their name takes any.
FAULTY = {
    f"faulty_{kind}": Target(_fail, lambda kind=kind: [kind[:1].encode()] * 3, memory_mb=64)
    for kind in ("crash", "hang", "memory", "error", "right", "quit")
}

TARGETS: dict[str, Target] = (
    {
        "sens": Target(
            read_sens, seeds.sens, binary=True, tokens=(b"\x89PNG\r\n\x1a\n", b"\xff\xd8")
        ),
        "ply": Target(read_mesh, seeds.meshes, tokens=texts.PLY_TOKENS, binary=True),
        "aggregation": Target(
            read_aggregation,
            seeds.aggregations,
            reshape=TREE,
            texts=texts.AGGREGATIONS,
            tokens=texts.JSON_TOKENS,
        ),
        "segs": Target(
            read_segments, seeds.segments, reshape=TREE, texts=texts.JSON, tokens=texts.JSON_TOKENS
        ),
        "scene_txt": Target(
            read_axis_alignment,
            seeds.scene_texts,
            tokens=texts.MATRIX_TOKENS,
            texts=texts.SIXTEEN.map(b"axisAlignment = ".__add__),
        ),
        "label_table": Target(
            read_label_table,
            seeds.label_tables,
            texts=texts.LABEL_ROWS,
            tokens=(b"\t", b'"', b"\r", b"\n"),
        ),
        "pose": Target(
            read_pose, seeds.poses, "00005.txt", tokens=texts.MATRIX_TOKENS, texts=texts.SIXTEEN
        ),
        "intrinsic": Target(
            read_intrinsic,
            seeds.intrinsics,
            "intrinsic.txt",
            tokens=texts.MATRIX_TOKENS,
            texts=texts.MATRICES,
        ),
        "depth_png": Target(
            read_depth,
            seeds.depth_pngs,
            "00005.png",
            tokens=(b"IDAT", b"IEND", b"PLTE", b"tRNS"),
            binary=True,
        ),
        "image_size": Target(
            read_image_size,
            lambda: seeds.jpegs() + seeds.depth_pngs(),
            "00005.jpg",
            tokens=texts.JPEG_TOKENS,
            binary=True,
        ),
        "jpeg": Target(
            read_jpeg,
            seeds.jpegs,
            "00005.jpg",
            tokens=texts.JPEG_TOKENS,
            memory_mb=1024,
            binary=True,
        ),
        "object_array": Target(
            read_object_array,
            seeds.object_arrays,
            reshape=(mutations.pickle_tree,),
            tokens=texts.PICKLE_TOKENS,
            binary=True,
        ),
        "scene_info": Target(
            read_infos,
            seeds.info_tables,
            reshape=(mutations.parquet, mutations.parquet_rows, mutations.parquet_rows),
            binary=True,
        ),
        "points_npy": Target(
            read_arrays, lambda: seeds.arrays()[:1], reshape=(mutations.npy,), binary=True
        ),
        "mask_npy": Target(
            read_mask, lambda: seeds.arrays()[1:], reshape=(mutations.npy,), binary=True
        ),
        "visibility": Target(
            read_visibility, seeds.visibility_tables, reshape=(mutations.parquet,), binary=True
        ),
        "pairs": Target(read_pairs, seeds.pair_tables, reshape=(mutations.parquet,), binary=True),
        "objects": Target(
            read_objects, seeds.object_tables, reshape=(mutations.parquet,), binary=True
        ),
        "part": Target(
            read_part,
            lambda: [*seeds.parts(), *seeds.object_tables()],
            reshape=(mutations.parquet,),
            binary=True,
        ),
        "coverage": Target(
            read_coverage,
            seeds.coverage_tables,
            reshape=(mutations.parquet, mutations.parquet_rows),
            binary=True,
        ),
        "clip": Target(
            read_clip,
            seeds.clips,
            "clip_7.npz",
            binary=True,
            tokens=texts.ZIP_TOKENS,
            reshape=(mutations.zip_members(mutations.npy),) * 2,
        ),
        "id_list": Target(
            read_id_list, seeds.id_lists, texts=texts.LISTS, tokens=(b"\r", b"\0", b"..", b"/")
        ),
        "meta": Target(
            read_meta,
            seeds.metas,
            "x.meta.json",
            reshape=TREE,
            texts=texts.JSON,
            tokens=texts.JSON_TOKENS,
        ),
        "done_mark": Target(
            read_done_marks,
            seeds.done_marks,
            reshape=TREE,
            texts=texts.JSON,
            tokens=texts.JSON_TOKENS,
        ),
        "jsonl": Target(
            read_jsonl,
            seeds.jsonls,
            reshape=(mutations.jsonl_tree,),
            texts=texts.RECORDS,
            tokens=texts.JSON_TOKENS,
        ),
        "places": Target(
            read_places,
            lambda: seeds.jsonls()[:1],
            reshape=(mutations.jsonl_tree,),
            tokens=(b'"image":["', b"/", b"\n", b"\xff", b"../"),
        ),
        "templates": Target(
            read_templates,
            seeds.templates,
            reshape=TREE,
            texts=texts.TEMPLATES,
            tokens=(
                b"{category}",
                b"{",
                b"}",
                b"`{answer}`",
                b"<image>",
                b"{category!r}",
                b"{category:>9}",
            ),
        ),
        "predictions_jsonl": Target(
            read_predictions,
            lambda: seeds.jsonls()[2:],
            "x.jsonl",
            reshape=(mutations.jsonl_tree,),
            texts=texts.RECORDS,
            tokens=texts.JSON_TOKENS,
        ),
        "predictions_json": Target(
            read_predictions,
            lambda: [b"[" + b",".join(data.splitlines()) + b"]" for data in seeds.jsonls()[2:]],
            "x.json",
            reshape=(mutations.json_tree,),
            texts=texts.RECORDS,
            tokens=(*texts.JSON_TOKENS, b"NaN", b"\xef\xbb\xbf", b"\xff\xfe"),
        ),
        "predictions_tsv": Target(
            read_predictions,
            seeds.prediction_tables,
            "x.tsv",
            texts=texts.TABLES,
            tokens=(b"\t", b'"', b"\n", b"\r", b"\0", b"index", b"9" * 5000, b"\xef\xbb\xbf"),
        ),
        "predictions_csv": Target(
            read_predictions,
            seeds.prediction_csvs,
            "x.csv",
            texts=texts.TABLES.map(lambda data: data.replace(b"\t", b",")),
            tokens=(b",", b'"', b"\n", b"\r", b"\0", b"index", b"1e5", b"\xef\xbb\xbf"),
        ),
        "predictions_xlsx": Target(
            read_predictions,
            seeds.workbooks,
            "x.xlsx",
            binary=True,
            reshape=(mutations.zip_members(mutations.workbook_part),) * 2,
            tokens=texts.ZIP_TOKENS,
        ),
        "answer": Target(read_answers, seeds.answers, texts=texts.SAID, tokens=texts.SAID_TOKENS),
    }
    | AUDIT_TARGETS
    | ARKITSCENES_TARGETS
    | SCANNETPP_TARGETS
    | PLAIN_TARGETS
    | PHONE_TARGETS
)
