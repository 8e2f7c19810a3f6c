"""The readers of the audit as targets, as in targets.py; its own error is the refusal.

A complaint is a right result. Records are checked without the net that label_checks spreads under
a check: an exception there is a field that the check did not think of.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import audit_seeds
import mutations
import numpy as np
import seeds
import texts
from capture_targets import CAPTURE_TARGETS
from target import Target, new_folder

from spatial_engine.audit.label_checks import RAW_DATA, open_raw
from spatial_engine.audit.label_lines import ids_of_split, index_file
from spatial_engine.audit.label_records import checker, label_file, read_record
from spatial_engine.audit.label_report import FileReport, complaint_lines, printable, table
from spatial_engine.audit.label_tables import check_tables
from spatial_engine.audit.oracles.camera_movement import camera_truth
from spatial_engine.audit.oracles.marks import Mark, check_marked_picture, marked_picture
from spatial_engine.audit.oracles.movement_dots import check_dot
from spatial_engine.audit.oracles.object_views import raw_objects
from spatial_engine.audit.oracles.overlap import overlap
from spatial_engine.audit.oracles.track_motions import groupings
from spatial_engine.audit.oracles.visibility import visible
from spatial_engine.audit.raw import annotations
from spatial_engine.audit.raw.clip import RawClip
from spatial_engine.audit.raw.ids import DATASETS, read_clip_list, read_split_list
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.npz_file import object_array
from spatial_engine.audit.raw.scene import RawScene

SCENE = audit_seeds.SCENE


# ---- raw data ------------------------------------------------------------------------------------


class Refusals:
    """Goes on behind a refusal, so that what comes after it is tried as well; raises it at last."""

    def __init__(self) -> None:
        self._first: RawDataError | None = None

    def ask(self, what: Callable[..., Any], *args: Any) -> Any:
        try:
            return what(*args)
        except RawDataError as error:
            self._first = self._first or error
            return None

    def tell(self) -> None:
        if self._first:
            raise self._first


@functools.cache
def _small_root(name: str) -> Path:
    """A root for one target, in which a file is replaced by the file to be read."""
    root = new_folder()
    audit_seeds.write_small_scan(root)
    return root


def read_scan_file(end: str) -> Callable[[Path], None]:
    """Reads a scan of which one file is given."""

    def read(path: Path) -> None:
        root = _small_root(end)
        path.replace(audit_seeds.scan_folder(root) / f"{SCENE}{end}")
        look_at_scene(root)

    return read


def look_at_scene(root: Path) -> None:
    """All that the checks of records and tables ask of a scene."""
    scene, told = RawScene(root, SCENE), Refusals()
    for frame in scene.frame_ids(1):
        valid = scene.is_valid(frame)
        depth = told.ask(scene.depth_mm, frame)
        assert depth is None or depth.shape == scene.depth_size[::-1]
        if valid:
            told.ask(scene.picture, frame)
        if valid and told.ask(scene.cam_from_world, frame) is not None:
            told.ask(visible, scene, frame)
    frames = scene.valid_frame_ids[:3]
    for one in frames:
        for other in frames:
            truth = told.ask(camera_truth, scene, one, other)
            assert truth is None or np.isfinite(truth["displacement_vector"]).all()
            told.ask(overlap, scene, one, other)
    vertices = told.ask(lambda: scene.vertices_aligned)
    assert vertices is None or (vertices.ndim == 2 and np.isfinite(vertices).all())
    owners = told.ask(lambda: scene.instance_ids)
    assert owners is None or owners.shape == (len(scene.vertices),)
    for box in (told.ask(lambda: scene.object_boxes) or {}).values():
        assert box.shape == (6,) and np.isfinite(box).all()
    told.ask(lambda: scene.semantic_ids)
    told.ask(raw_objects, scene)
    told.tell()


def read_label_table(path: Path) -> None:
    found = annotations.read_label_table(path)
    assert all(type(name) is str and 0 <= number <= 40 for name, number in found.items())


def read_list(place: str, read: Callable[[Path], list[str]]) -> Callable[[Path], None]:
    def read_it(path: Path) -> None:
        root = _small_root(place)
        path.replace(root / place)
        for name in read(root):
            assert (root / "x" / name).parent == root / "x" and name not in (".", "..")
            name.encode()

    return read_it


def read_clip(path: Path) -> None:
    for dataset in DATASETS:
        look_at_clip(path, dataset)


def look_at_clip(path: Path, dataset: str) -> None:
    """All that the checks of records and the balance ask of a clip."""
    root, told = path.parent, Refusals()
    place = root / f"data/tapvid3d_dataset/{dataset}/x.npz"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(path.read_bytes())
    clip = RawClip(root, dataset, "x")
    frames, points = clip.tracks.shape[:2]
    assert clip.visibility.shape == (frames, points)
    told.ask(lambda: clip.image_size)
    for frame in range(min(frames, 4)):
        told.ask(clip.picture, frame)
    if told.ask(clip.shown) is not None:
        clip.shown(2.0), clip.shown(2.0, -1e-6)
        for frame in range(1, min(frames, 4)):
            assert clip.displacement(0, frame).shape == (points, 3)
            assert clip.camera_displacement(0, frame) >= 0
    told.ask(groupings, clip)
    told.tell()


def read_object_array(path: Path) -> None:
    items = object_array(path.read_bytes())
    assert all(type(item) is bytes for item in items)


# ---- records, tables, pictures -------------------------------------------------------------------


@functools.lru_cache(4)
def _open(place: tuple[str, str]) -> Any:
    return open_raw(place, audit_seeds.made_root())


@functools.lru_cache(1)
def _listed() -> dict[str, frozenset[str] | str]:
    return ids_of_split(audit_seeds.made_root(), "val")


def read_records(path: Path) -> None:
    """A whole audit of the file, to the report, but for a `RawDataError` that leaves a check."""
    for report in complaints_of(path):
        json.dumps(report.content()).encode()
        lines = [*table([report]), *complaint_lines(report)]
        assert all(line.isprintable() for line in lines)


def complaints_of(path: Path) -> Iterator[FileReport]:
    root = audit_seeds.made_root()
    place = root / audit_seeds.RECORDS / "x.jsonl"
    path.replace(place)
    audit_seeds.tell_published(place)
    file = label_file(place, root)
    index = index_file(file, root, -1, 0, _listed())
    report = FileReport(file.name, "records", index.records, index.drawn)
    report.complaints.extend(index.complaints)
    data = place.read_bytes()
    for where, lines in index.of_place.items():
        try:
            raw = _open(where)
        except RawDataError as error:
            report.add_unread(where[1], lines.numbers, str(error))
            continue
        checks: dict[Any, Callable] = {}
        for number, start in zip(lines.numbers.tolist(), lines.starts.tolist(), strict=True):
            record, images = read_record(data[start:].partition(b"\n")[0], file, root)
            key = record["task"], images
            if key not in checks:
                checks[key] = checker(record["task"], raw, file, images, root)
            for text in checks[key](record):
                assert not text.startswith(RAW_DATA), f"the raw data are right: {text}"
                report.complaints.add(number, text, record)
    yield report


def read_table(name: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        for report in reports_of_table(path, name):
            json.dumps(report.content()).encode()
            assert all(line.isprintable() for line in [*table([report]), *complaint_lines(report)])

    return read


def reports_of_table(path: Path, name: str) -> list[FileReport]:
    root = audit_seeds.made_root()
    place = root / "training_data/object_perception" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    path.replace(place)
    audit_seeds.tell_published(place.with_name("object_visibility.pkl"))
    try:
        return check_tables(root, -1, 0, lambda work, jobs, what: map(work, jobs))
    finally:
        place.unlink()


def read_picture(path: Path) -> None:
    right = audit_seeds.marked()
    picture = marked_picture(path, right.source.shape[1::-1])
    if isinstance(picture, str):
        raise RawDataError(picture)
    assert picture.shape == right.source.shape
    marks = [
        Mark("a mark", np.array(colour), np.array([place]), np.zeros(2), lettered=True)
        for place, colour in right.places
    ]
    check_marked_picture(picture, right.source, marks)
    (place, colour), *_ = right.places
    check_dot(picture, right.source, np.array(colour), np.array(place))


# ---- changes -------------------------------------------------------------------------------------


def extra_tree(rng: random.Random, data: bytes) -> bytes:
    """The fields that a record of the uniform form holds as text; several changes elsewhere."""
    line = data.splitlines()[0]
    record = json.loads(line)
    if "extra" not in record:
        return mutations.jsonl_tree(rng, mutations.jsonl_tree(rng, line))
    field = rng.choice(("extra", "extra", "gt_value"))
    record[field] = mutations.json_tree(rng, record[field].encode()).decode("utf-8", "replace")
    return json.dumps(record).encode()


def deep_line(rng: random.Random, data: bytes) -> bytes:
    """A value within lists within lists, as deep as the parser lets through, and deeper."""
    line = data.splitlines()[0]
    if rng.random() < 0.9:
        return mutations.jsonl_tree(rng, line)
    record = json.loads(line)
    deep = rng.choice((30, 500, rng.randrange(900, 1000), 2000))
    place = rng.choice(list(record))
    record[place] = "DEEP"
    return json.dumps(record).encode().replace(b'"DEEP"', b"[" * deep + b"]" * deep)


def _audit(read: Callable[[Path], None], made: Callable[[], list[bytes]], **more: Any) -> Target:
    return Target(read, made, refusals=(RawDataError,), shown=printable, **more)


def _scan(end: str, made: Callable[[], list[bytes]] | None = None, **more: Any) -> Target:
    def make() -> list[bytes]:
        return audit_seeds.small_file(end) + (made() if made else [])

    return _audit(read_scan_file(end), make, **more)


TREE = (mutations.json_tree,)
LINES = (mutations.jsonl_tree, extra_tree, deep_line)
PICKLE: dict[str, Any] = {
    "binary": True,
    "tokens": texts.PICKLE_TOKENS,
    "reshape": (mutations.pickle_tree,) * 2,
}
JPEG = (*texts.JPEG_TOKENS, b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"II*\0", b"MM\0*")

AUDIT_TARGETS: dict[str, Target] = (
    {
        "audit_sens": _scan(".sens", binary=True, tokens=JPEG),
        "audit_ply": _scan("_vh_clean_2.ply", tokens=texts.PLY_TOKENS, binary=True),
        "audit_aggregation": _scan(
            ".aggregation.json",
            seeds.aggregations,
            reshape=TREE,
            texts=texts.AGGREGATIONS,
            tokens=texts.JSON_TOKENS,
        ),
        "audit_segs": _scan(
            "_vh_clean_2.0.010000.segs.json",
            reshape=TREE,
            texts=texts.JSON,
            tokens=texts.JSON_TOKENS,
        ),
        "audit_scene_txt": _scan(
            ".txt",
            seeds.scene_texts,
            tokens=texts.MATRIX_TOKENS,
            texts=texts.SIXTEEN.map(b"axisAlignment = ".__add__),
        ),
        "audit_label_table": _audit(
            read_label_table,
            seeds.label_tables,
            texts=texts.LABEL_ROWS,
            tokens=(b"\t", b'"', b"\r", b"\n"),
        ),
        "audit_split_list": _audit(
            read_list(
                "data/scannet/meta_data/scannetv2_val.txt", lambda r: read_split_list(r, "val")
            ),
            seeds.id_lists,
            texts=texts.LISTS,
            tokens=(b"\r", b"\0", b"..", b"/", b"\xff"),
        ),
        "audit_clip_list": _audit(
            read_list(
                "data/tapvid3d_dataset/meta_data/adt/val.txt",
                lambda r: read_clip_list(r, "adt", "val"),
            ),
            seeds.id_lists,
            texts=texts.LISTS,
            tokens=(b"\r", b"\0", b"..", b"/", b"\xff"),
        ),
        "audit_clip": _audit(
            read_clip,
            audit_seeds.clips,
            binary=True,
            tokens=texts.ZIP_TOKENS,
            reshape=(mutations.zip_members(mutations.npy),) * 2,
        ),
        "audit_object_array": _audit(read_object_array, seeds.object_arrays, **PICKLE),
        "audit_visibility": _audit(
            read_table("object_visibility.pkl"), audit_seeds.visibility_pickles, **PICKLE
        ),
        "audit_coverage": _audit(
            read_table("merged_train_object_coverage_height.pkl"),
            audit_seeds.coverage_pickles,
            **PICKLE,
        ),
        "audit_picture": _audit(read_picture, audit_seeds.pictures, binary=True, tokens=JPEG),
    }
    | {
        f"audit_{kind}": _audit(
            read_records,
            functools.partial(audit_seeds.record_files, kind),
            reshape=LINES,
            tokens=texts.JSON_TOKENS,
        )
        for kind in audit_seeds.KINDS
    }
    | CAPTURE_TARGETS
)
