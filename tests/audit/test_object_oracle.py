"""The object oracle against right data, and against planted errors.

Right data are made here by plain code of this page: of the sample scenes by a projection of all
vertices and intervals, of scenes of a few vertices written by hand the expected sets are spelled
out. Each planted error changes one thing.
"""

from __future__ import annotations

import copy
import itertools
import json
import pickle
import re
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pytest
from audit_files import PUBLISHED, file_complaints, table_complaints

from spatial_engine.audit import label_tables
from spatial_engine.audit.label_records import checker, label_file
from spatial_engine.audit.label_tables import load_plain
from spatial_engine.audit.oracles.object_coverage import check_scene_coverage
from spatial_engine.audit.oracles.object_size import check_object_record, holds_words
from spatial_engine.audit.oracles.object_views import ObjectRules
from spatial_engine.audit.oracles.object_visibility import check_scene_visibility
from spatial_engine.audit.raw.ids import read_split_list
from spatial_engine.audit.raw.scene import RawScene

DIMENSIONS = ("height", "length", "width")
SPLITS = ("train", "val")
SCENE = "scene0011_00"  # of the val split


# ---- what the raw data say, by this page ---------------------------------------------------------


@lru_cache
def open_scene(root: Path, scene_id: str) -> RawScene:
    return RawScene(root, scene_id)


def seen_vertices(scene: RawScene, frame_id: str) -> np.ndarray:
    """(N,) bool, by the definition of SPEC 4 without any tolerance."""
    (width, height), (depth_width, depth_height) = scene.colour_size, scene.depth_size
    depth = scene.depth_mm(frame_id) / 1000
    cam_from_recorded = np.linalg.inv(scene.poses[int(frame_id)])
    cam = np.c_[scene.vertices, np.ones(len(scene.vertices))] @ cam_from_recorded.T
    z = cam[:, 2]
    u, v = (cam[:, :3] @ scene.colour_intrinsics.T / z[:, None])[:, :2].T
    seen = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    for k in np.flatnonzero(seen):
        row = min(round(v[k] * depth_height / height), depth_height - 1)
        column = min(round(u[k] * depth_width / width), depth_width - 1)
        seen[k] = z[k] < depth[row, column]
    return seen


@cache
def objects_of(scene: RawScene) -> dict[int, tuple[np.ndarray, dict[str, np.ndarray]]]:
    """{object id: (its vertices, {image that sees it: the vertices it sees})}."""
    seen = {image: np.flatnonzero(seen_vertices(scene, image)) for image in scene.valid_frame_ids}
    found = {}
    for object_id, category in scene.raw_categories.items():
        vertices = np.flatnonzero(scene.instance_ids == object_id + 1)
        if category in ("wall", "object", "floor", "ceiling", "window") or len(vertices) == 0:
            continue
        parts = {image: np.intersect1d(vertices, those) for image, those in seen.items()}
        needed = max(1, int(np.floor(0.05 * len(vertices))))
        found[object_id] = vertices, {i: p for i, p in parts.items() if len(p) >= needed}
    return found


def visibility_of(scene: RawScene) -> dict:
    """One scene of object_visibility.pkl."""
    by_object, by_image = {}, {}
    for object_id, (vertices, parts) in objects_of(scene).items():
        for image, part in parts.items():
            row = {"intersection_count": len(part), "visibility": 100 * len(part) / len(vertices)}
            by_object.setdefault(object_id, []).append({"image_id": image, **row})
            by_image.setdefault(image, []).append({"object_id": object_id, **row})
    return {"object_to_images": by_object, "image_to_objects": by_image}


def size_and_axis(scene: RawScene, object_id: int, dimension: str) -> tuple[float, int]:
    points = scene.vertices_aligned[scene.instance_ids == object_id + 1]
    dx, dy, dz = np.ptp(points, axis=0)
    longer = 0 if dx >= dy else 1
    axis = {"height": 2, "length": longer, "width": 1 - longer}[dimension]
    return float((dx, dy, dz)[axis]), axis


def coverage_of(scene: RawScene, dimension: str) -> dict:
    """One scene of a coverage pickle, from the interval that each image sees."""
    found = {}
    for object_id, (_, parts) in objects_of(scene).items():
        size, axis = size_and_axis(scene, object_id, dimension)
        if size < 0.02:
            continue
        along = {image: scene.vertices_aligned[part, axis] for image, part in parts.items()}
        spans = {image: (values.min(), values.max()) for image, values in along.items()}
        enough = 0.9 * size
        one = [image for image, (low, high) in spans.items() if high - low >= enough]
        two = [
            (a, b)
            for a, b in itertools.combinations([image for image in spans if image not in one], 2)
            if max(spans[a][1], spans[b][1]) - min(spans[a][0], spans[b][0]) >= enough
        ]
        sets = {1: [(image,) for image in one], 2: two}
        found[object_id] = {k: those for k, those in sets.items() if those}
    return found


def record_of(scene: RawScene, object_id: int, images: Sequence[str], dimension: str, split: str):
    """A right record."""
    size, _ = size_and_axis(scene, object_id, dimension)
    category, answer = scene.raw_categories[object_id], round(1000 * size)
    opening = "<image>\n"
    if len(images) > 1:
        opening = "".join(f"Image-{k}: <image>\n" for k in range(1, len(images) + 1))
    question = (
        f"{opening}Doors have a usual size.\nWhat is the {dimension} of the {category} in mm?"
    )
    texts: dict = {"text": question}
    if split == "train":
        reply = {"from": "gpt", "value": f"It is `{answer}` mm."}
        texts = {"conversations": [{"from": "human", "value": question}, reply]}
    width, height = scene.colour_size
    return {
        "id": f"{dimension}_{scene.scene_id}_{object_id}_{'_'.join(images)}",
        "image": [f"{scene.scene_id}/{image}.jpg" for image in images],
        **texts,
        "height_list": [height] * len(images),
        "width_list": [width] * len(images),
        "task": f"object_{dimension}",
        "question_type": f"object_perception_{dimension}_estimation",
        "gt_value": answer,
        "object_id": object_id,
        "raw_category": category,
    }


def records_of(scene: RawScene, dimension: str, k: int, split: str) -> list[dict]:
    return [
        record_of(scene, object_id, images[::-1], dimension, split)
        for object_id, sets in coverage_of(scene, dimension).items()
        for images in sets.get(k, [])
    ]


def scenes_of(root: Path, split: str) -> list[RawScene]:
    return [open_scene(root, scene_id) for scene_id in read_split_list(root, split)]


def write_table(root: Path, name: str, content: object, split: str = "train") -> Path:
    kind = {"train": "training_data", "val": "evaluation_data"}[split]
    path = root / kind / "object_perception" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if type(content) is bytes else pickle.dumps(content, protocol=4))
    tell_constants(path.with_name("object_visibility.pkl"), {"settings": PUBLISHED})
    return path


def tell_constants(path: Path, told: dict) -> None:
    path.with_name(f"{path.name}.meta.json").write_text(json.dumps(told))


def write_lines(path: Path, records: Sequence[dict]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


# ---- right data of the sample scenes -------------------------------------------------------------


@pytest.mark.parametrize("split", SPLITS)
def test_right_pickles_pass(raw_root, tmp_path, split):
    scenes = scenes_of(raw_root, split)
    content = {scene.scene_id: visibility_of(scene) for scene in scenes}
    (tmp_path / "data").symlink_to(raw_root / "data")
    write_table(tmp_path, "object_visibility.pkl", content, split)
    sizes = set()
    for dimension in DIMENSIONS:
        content = {scene.scene_id: coverage_of(scene, dimension) for scene in scenes}
        write_table(tmp_path, f"merged_{split}_object_coverage_{dimension}.pkl", content, split)
        sizes |= {k for entry in content.values() for sets in entry.values() for k in sets}
    assert sizes == {1, 2}
    found = table_complaints(tmp_path)
    assert len(found) == 4 and not any(found.values())


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_right_files_pass(raw_root, tmp_path, dimension, split):
    for k in (1, 2):
        records = [
            r for s in scenes_of(raw_root, split) for r in records_of(s, dimension, k, split)
        ]
        assert records
        path = tmp_path / f"object_perception_{dimension}_k{k}_{split}_3000.jsonl"
        np.random.default_rng(k).shuffle(records)
        assert file_complaints(write_lines(path, records), raw_root, split) == []


# ---- planted errors in object visibility ---------------------------------------------------------


@pytest.fixture(scope="module")
def scene(raw_root) -> RawScene:
    return open_scene(raw_root, SCENE)


def rows_of(entry: dict, which: int = 0) -> tuple[dict, dict]:
    """The two rows about one object in one image, one from either side."""
    pairs = [(o, row) for o, rows in entry["object_to_images"].items() for row in rows]
    object_id, row = pairs[which]
    others = entry["image_to_objects"][row["image_id"]]
    return row, next(other for other in others if other["object_id"] == object_id)


def in_rows(**changes) -> Callable[[dict], None]:
    """The same change on both sides; a value may be a function of the row."""

    def plant(entry: dict) -> None:
        for row in rows_of(entry):
            row.update({k: v(row) if callable(v) else v for k, v in changes.items()})

    return plant


def without_pair(entry: dict) -> None:
    one, other = rows_of(entry)
    entry["object_to_images"][other["object_id"]].remove(one)
    entry["image_to_objects"][one["image_id"]].remove(other)


def one_more_vertex(by: int) -> Callable[[dict], None]:
    """A wrong count with the percentage that goes with it, on both sides."""

    def plant(entry: dict) -> None:
        for row in rows_of(entry):
            count = row["intersection_count"]
            row["visibility"] *= (count + by) / count
            row["intersection_count"] += by

    return plant


def new_pair(object_id: object, image: object, count: int = 5) -> Callable[[dict], None]:
    def plant(entry: dict) -> None:
        row = {"intersection_count": count, "visibility": 50.0}
        entry["object_to_images"].setdefault(object_id, []).append({"image_id": image, **row})
        entry["image_to_objects"].setdefault(image, []).append({"object_id": object_id, **row})

    return plant


def swap_two_rows(entry: dict) -> None:
    """The rows of one object name each other's image, in one of the two tables."""
    rows = next(rows for rows in entry["object_to_images"].values() if len(rows) > 1)
    rows[0]["image_id"], rows[1]["image_id"] = rows[1]["image_id"], rows[0]["image_id"]


VISIBILITY_ERRORS = [
    (one_more_vertex(+30), "intersection_count"),
    (one_more_vertex(-30), "intersection_count"),
    (in_rows(visibility=lambda row: row["visibility"] / 100), "expected"),
    (in_rows(visibility=lambda row: round(row["visibility"], 3)), "expected"),
    (in_rows(visibility=float("nan")), "visibility nan"),
    (in_rows(visibility="50"), "another type"),
    (in_rows(intersection_count=lambda row: float(row["intersection_count"])), "another type"),
    (in_rows(object_id=3, image_id="00000"), "does not hold"),
    (lambda entry: rows_of(entry)[0].update(visibility=1.0), "by image_to_objects"),
    (lambda entry: rows_of(entry)[1].update(intersection_count=1), "by image_to_objects"),
    (swap_two_rows, "by image_to_objects"),
    (without_pair, "missing"),
    (lambda entry: entry["object_to_images"].popitem(), "None by object_to_images"),
    (lambda entry: entry["image_to_objects"].popitem(), "None by image_to_objects"),
    (new_pair(0, "00000"), "of category 'floor'"),
    (new_pair(2, "00000"), "of category 'wall'"),
    (new_pair(8, "00000"), "of category 'window'"),
    (new_pair(1, "00000"), "of category 'ceiling'"),
    (new_pair(99, "00000"), "none of this id"),
    (new_pair("13", "00000"), "is not int"),
    (new_pair(13, 0), "is not str"),
    (new_pair(13, "0"), "intersection_count 5"),  # frame 00000, by another name
    (new_pair(13, "0x"), "no D5 frame"),
    (new_pair(13, "00001"), "no D5 frame"),
    (new_pair(41, "00000", 1), "intersection_count 1, 0 to 0"),  # seen by no image
    (lambda entry: entry["object_to_images"].update({0: []}), "of category 'floor'"),
    (lambda entry: entry["image_to_objects"].update({"00003": []}), "no D5 frame"),
    (lambda entry: entry["object_to_images"].update({13: None}), "is not int: list"),
    (lambda entry: entry.update(image_to_objects=[]), "is no dict"),
    (lambda entry: entry.update(more={}), "exactly"),
    (lambda entry: entry.pop("image_to_objects"), "exactly"),
    (lambda entry: entry["object_to_images"][13].append("00000"), "does not hold"),
    (lambda e: e["object_to_images"][13].append(e["object_to_images"][13][0]), "twice"),
    (lambda e: e["image_to_objects"]["00000"].append(e["image_to_objects"]["00000"][0]), "twice"),
]


@pytest.mark.parametrize(("plant", "says"), VISIBILITY_ERRORS)
def test_planted_errors_in_visibility_are_found(scene, plant, says):
    entry = copy.deepcopy(visibility_of(scene))
    plant(entry)
    complaints = check_scene_visibility(entry, scene)
    assert any(says in complaint for complaint in complaints), complaints


def test_empty_lists_and_any_order_pass(raw_root):
    scene = open_scene(raw_root, "scene0000_00")
    entry = visibility_of(scene)
    unseen = next(number for number, (_, parts) in objects_of(scene).items() if not parts)
    entry["object_to_images"][unseen] = []
    for table in entry.values():
        for rows in table.values():
            rows.reverse()
    for image in scene.valid_frame_ids:
        entry["image_to_objects"].setdefault(image, [])
    assert check_scene_visibility(entry, scene) == []


@pytest.mark.parametrize("junk", [None, [], {}, 3, "x", {"object_to_images": 1}])
def test_junk_in_place_of_a_scene_is_found(scene, junk):
    assert check_scene_visibility(junk, scene)
    assert check_scene_coverage(junk, scene, "height")


def test_a_frame_without_a_valid_pose_sees_nothing(raw_root):
    scene = open_scene(raw_root, "scene0000_00")
    lost = next(image for image in scene.frame_ids() if not scene.is_valid(image))
    entry = visibility_of(scene)
    entry["image_to_objects"][lost] = []
    expected = f"image {lost!r} is no D5 frame with a valid pose"
    assert check_scene_visibility(entry, scene) == [expected]


def test_an_object_without_vertices_is_left_out(raw_root):
    scene = open_scene(raw_root, "scene0000_00")
    entry = visibility_of(scene)
    entry["object_to_images"][16] = []
    expected = "object 16: without vertices, is left out"
    assert check_scene_visibility(entry, scene) == [expected]
    assert check_scene_coverage({**coverage_of(scene, "width"), 16: {}}, scene, "width") == [
        expected
    ]


# ---- scenes of a few vertices --------------------------------------------------------------------

STEP = 1 / 128  # metres between neighbouring pixels at 1 m: exact in float32
WIDTH, HEIGHT = 64, 32
UPRIGHT = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])  # x becomes z


def line(row: int, count: int, first: int = 1) -> list[tuple[int, int]]:
    """Pixels (column, row) of `count` vertices beside each other."""
    return [(first + k, row) for k in range(count)]


def write_scene(root: Path, things: list[tuple[str, list]], frames: list, align=None) -> RawScene:
    """A scene whose cameras all stand at the origin and look along z, at vertices 1 m away.

    things: (label, pixels). frames: of each D5 frame the pixels that it sees, or (those, ties);
    nothing is measured at others, exactly 1 m at ties.
    """
    folder = root / "data/scannet/scans/scene0000_00"
    folder.mkdir(parents=True)
    meta = root / "data/scannet/meta_data"
    meta.mkdir()
    (meta / "scannetv2_train.txt").write_text("scene0000_00\nscene0000_01\n")
    pixels = [pixel for _, those in things for pixel in those]
    vertices = np.array(
        [((u - WIDTH / 2) * STEP, (v - HEIGHT / 2) * STEP, 1) for u, v in pixels], "<f4"
    ).tobytes()
    head = "ply\nformat binary_little_endian 1.0\n"
    head += f"element vertex {len(pixels)}\n"
    head += "property float x\nproperty float y\nproperty float z\nend_header\n"
    base = folder / "scene0000_00"
    Path(f"{base}_vh_clean_2.ply").write_bytes(head.encode() + vertices)
    of_vertex = [k for k, (_, those) in enumerate(things) for _ in those]
    segments = json.dumps({"segIndices": of_vertex})
    Path(f"{base}_vh_clean_2.0.010000.segs.json").write_text(segments)
    groups = [{"objectId": k, "segments": [k], "label": name} for k, (name, _) in enumerate(things)]
    Path(f"{base}.aggregation.json").write_text(json.dumps({"segGroups": groups}))
    words = " ".join(str(x) for x in (np.eye(4) if align is None else align).ravel())
    Path(f"{base}.txt").write_text(f"axisAlignment = {words}\n")
    Path(f"{base}.sens").write_bytes(sens_bytes(frames))
    return RawScene(root, "scene0000_00")


def sens_bytes(frames: list) -> bytes:
    intrinsics = np.diag([128, 128, 1, 1]).astype("<f4")
    intrinsics[:2, 2] = WIDTH / 2, HEIGHT / 2
    out = struct.pack("<IQ", 4, 0) + 4 * intrinsics.tobytes()
    out += struct.pack("<iiIIII", 2, 0, WIDTH, HEIGHT, WIDTH, HEIGHT)
    out += struct.pack("<fQ", 1000, 5 * len(frames))
    for frame in frames:
        seen, ties = frame if isinstance(frame, tuple) else (frame, [])
        depth = np.zeros((HEIGHT, WIDTH), "<u2")
        for those, value in ((seen, 2000), (ties, 1000)):
            for u, v in those:
                depth[v, u] = value
        pose = np.eye(4, dtype="<f4").tobytes()
        out += pose + struct.pack("<QQQQ", 0, 0, 0, depth.nbytes) + depth.tobytes()
        out += 4 * (pose + struct.pack("<QQQQ", 0, 0, 0, 0))
    return out


SHELF = line(3, 21)  # 20 steps long: 18 cover, 17 do not
FRAMES = [SHELF, SHELF[:10], SHELF[10:], SHELF[4:15], SHELF[:18]]
RIGHT = {1: [("00000",)], 2: [("00005", "00010"), ("00010", "00020")]}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory) -> dict[str, RawScene]:
    """The shelf lying, for its length, and standing, for its height."""
    things = [("shelf", SHELF)]
    return {
        dimension: write_scene(tmp_path_factory.mktemp(dimension), things, FRAMES, align)
        for dimension, align in (("length", None), ("height", UPRIGHT))
    }


@pytest.mark.parametrize("dimension", ["length", "height"])
def test_a_shelf_is_covered_as_spelled_out(shelf, dimension):
    assert check_scene_coverage({0: RIGHT}, shelf[dimension], dimension) == []
    turned = {2: [images[::-1] for images in RIGHT[2]], 1: RIGHT[1], 3: []}
    assert check_scene_coverage({0: turned}, shelf[dimension], dimension) == []
    # The other two dimensions of the shelf are 0.
    for other in {*DIMENSIONS} - {dimension}:
        if other == "width" or dimension == "length":
            assert check_scene_coverage({}, shelf[dimension], other) == []
            assert "is only 0.0 m" in check_scene_coverage({0: {}}, shelf[dimension], other)[0]


COVERAGE_ERRORS = [
    ({}, "['00000'] is a minimal set and is not listed"),
    ({0: {}}, "['00000'] is a minimal set and is not listed"),
    ({0: {2: RIGHT[2]}}, "['00000'] is a minimal set and is not listed"),
    ({0: {1: RIGHT[1]}}, "['00005', '00010'] is a minimal set and is not listed"),
    ({0: {1: RIGHT[1], 2: RIGHT[2][:1]}}, "['00010', '00020'] is a minimal set"),
    ({0: {1: [*RIGHT[1], ("00020",)], 2: RIGHT[2]}}, "['00020']: does not cover"),
    ({0: {1: RIGHT[1], 2: [*RIGHT[2], ("00005", "00015")]}}, "does not cover"),
    ({0: {1: RIGHT[1], 2: [*RIGHT[2], ("00000", "00005")]}}, "covers without image 00005"),
    ({0: {**RIGHT, 3: [("00005", "00010", "00015")]}}, "covers without image 00015"),
    ({0: {**RIGHT, 3: [("00005", "00015", "00020")]}}, "does not cover"),
    ({0: {1: RIGHT[1], 2: [*RIGHT[2], ("00010", "00005")]}}, "listed twice"),
    ({0: {1: 2 * RIGHT[1], 2: RIGHT[2]}}, "listed twice"),
    ({0: {1: RIGHT[1], 2: [*RIGHT[2], ("00010", "00010")]}}, "holds an image twice"),
    ({0: {1: RIGHT[1] + RIGHT[2]}}, "stands under k = 1"),
    ({0: {2: RIGHT[1] + RIGHT[2]}}, "stands under k = 2"),
    ({0: {**RIGHT, 0: [()]}}, "is not a size k"),
    ({0: {"1": RIGHT[1], 2: RIGHT[2]}}, "is not a size k"),
    ({0: {1: RIGHT[1], True + 1: tuple(RIGHT[2])}}, "is not a size k"),
    ({0: {1: [["00000"]], 2: RIGHT[2]}}, "no tuple of str"),
    ({0: {1: ["00000"], 2: RIGHT[2]}}, "no tuple of str"),
    ({0: {1: [(0,)], 2: RIGHT[2]}}, "no tuple of str"),
    ({0: {1: [*RIGHT[1], ("00001",)], 2: RIGHT[2]}}, "no valid D5 frames"),
    ({0: {1: [*RIGHT[1], ("00025",)], 2: RIGHT[2]}}, "no valid D5 frames"),
    ({0: RIGHT, 1: {}}, "none of this id"),
    ({"0": RIGHT}, "none of this id"),
    ({0: [RIGHT]}, "is no dict"),
    ([RIGHT], "is no dict"),
]


@pytest.mark.parametrize(("entry", "says"), COVERAGE_ERRORS)
def test_planted_errors_in_coverage_are_found(shelf, entry, says):
    complaints = check_scene_coverage(entry, shelf["height"], "height")
    assert any(says in complaint for complaint in complaints), complaints


def test_another_dimension_is_found(scene):
    """The sets of the length are not those of the width, and so on."""
    for dimension, other in itertools.permutations(DIMENSIONS, 2):
        assert check_scene_coverage(coverage_of(scene, dimension), scene, other)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_set_of_a_sample_scene_counts(scene, dimension):
    right = coverage_of(scene, dimension)
    undecided = 0
    for object_id, k in [(o, k) for o, sets in right.items() for k in sets][::3]:
        wrong = copy.deepcopy(right)
        images = wrong[object_id][k].pop()
        expected = f"object {object_id}: {sorted(images)} is a minimal set and is not listed"
        complaints = check_scene_coverage(wrong, scene, dimension)
        assert complaints in ([expected], [])
        undecided += not complaints
    assert undecided <= 1  # an image that sees a vertex within a hair may also not see it


def test_an_image_that_does_not_see_the_object_is_found(tmp_path):
    thing = line(3, 40)  # an image must see 2 of them
    scene = write_scene(tmp_path, [("shelf", thing)], [thing, thing[:39], thing[-1:]])
    right = {0: {1: [("00000",), ("00005",)]}}
    assert check_scene_coverage(right, scene, "length") == []
    right[0][2] = [("00005", "00010")]
    expected = ["['00005', '00010']: image 00010 does not see the object, 1 of 2 vertices needed"]
    found = [text for text in check_scene_coverage(right, scene, "length") if "not see" in text]
    assert found == [f"object 0: {expected[0]}"]


def test_an_image_must_show_a_fifth_of_the_object_by_the_constant(tmp_path):
    thing = line(3, 40)  # a fifth are 8
    ends = [*thing[:4], *thing[-4:]]
    scene = write_scene(tmp_path, [("shelf", thing)], [thing, ends, ends[1:], thing[:7]])
    rules = ObjectRules(min_object_seen=0.2)
    right, all_sets = {0: {1: ids_of(0, 1)}}, {0: {1: ids_of(0, 1, 2)}}
    assert check_scene_coverage(right, scene, "length", None, rules) == []
    assert check_scene_coverage(all_sets, scene, "length") == []
    (complaint,) = check_scene_coverage(all_sets, scene, "length", None, rules)
    assert "image 00010 does not show enough of the object, 7 of 8 vertices needed" in complaint
    (complaint,) = check_scene_coverage({0: {1: ids_of(0)}}, scene, "length", None, rules)
    assert "['00005'] is a minimal set and is not listed" in complaint
    record = record_of(scene, 0, ("00010",), "length", "val")
    assert check_object_record(record, scene, "val") == []
    (complaint,) = check_object_record(record, scene, "val", rules)
    assert "image 00010 does not show enough" in complaint


def ids_of(*frames: int) -> list[tuple[str]]:
    return [(f"{5 * frame:05d}",) for frame in frames]


def test_an_image_must_show_no_other_object_of_the_category_by_the_constant(tmp_path):
    one, other, table = line(3, 40), line(6, 40), line(9, 40)
    things = [("shelf", one), (" Shelf", other), ("table", table)]
    scene = write_scene(tmp_path, things, [one + table, one + other[:1], one + other])
    rules = ObjectRules(unique=True)
    for image, beside in (("00000", False), ("00005", True), ("00010", True)):
        record = record_of(scene, 0, (image,), "length", "val")
        assert check_object_record(record, scene, "val") == []
        complaints = check_object_record(record, scene, "val", rules)
        expected = [f"image: {image} shows object 1 too, of the same category"]
        assert complaints == (expected if beside else [])


def test_sizes_must_not_be_smaller_than_the_constant(tmp_path):
    scene = write_scene(tmp_path, [("shelf", SHELF)], FRAMES)
    size, _ = size_and_axis(scene, 0, "length")
    record = record_of(scene, 0, ("00000",), "length", "val")
    for least, right in ((size - 1e-3, True), (size + 1e-3, False)):
        rules = ObjectRules(min_size_m=least)
        assert (check_object_record(record, scene, "val", rules) == []) == right
        complaints = check_scene_coverage({0: RIGHT}, scene, "length", None, rules)
        assert (complaints == []) == right


def test_tables_and_records_are_held_against_the_constants_that_are_told(tiny_root):
    """Where nothing is told, against the usual ones: the shelf is shorter than 0.2 m."""
    scene = RawScene(tiny_root, "scene0000_00")
    sets = write_table(tiny_root, TABLES[1], {"scene0000_00": {0: RIGHT}})
    record = record_of(scene, 0, ("00000",), "length", "train")
    name = "object_perception_length_k1_train_-1.jsonl"
    lines = write_lines(sets.with_name(name), [record])
    for told in (PUBLISHED, {**PUBLISHED, "MIN_SIZE_M": 0.2}, {"SEEN_RULE": "published"}):
        tell_constants(sets, {"inputs": {"found with": told}})
        tell_constants(sets.with_name(TABLES[0]), {"settings": {"SEEN_RULE": "published"}})
        tell_constants(lines, {"settings": told})
        (found,) = (f for where, f in table_complaints(tiny_root).items() if where.endswith("pkl"))
        assert bool([text for text in found if "is only" in text]) == (told is not PUBLISHED)
        file = label_file(lines, tiny_root)
        complaints = checker("object_length", scene, file, None, tiny_root)(record)
        assert bool([text for text in complaints if "is only" in text]) == (told is not PUBLISHED)


def test_how_many_vertices_an_image_must_see(tmp_path):
    things = [("a", line(3, 39)), ("b", line(6, 40)), ("c", line(9, 60)), ("d", line(12, 5))]
    frames = [[pixel for _, those in things for pixel in those[:k]] for k in (1, 2, 3)]
    scene = write_scene(tmp_path, things, frames)
    totals, least = (39, 40, 60, 5), (1, 2, 3, 1)
    rows = [
        (k, f"{5 * (seen - 1):05d}", seen, 100 * seen / totals[k])
        for k in range(4)
        for seen in (1, 2, 3)
        if seen >= least[k]
    ]
    assert check_scene_visibility(entry_of(rows), scene) == []
    for k in range(len(rows)):
        complaints = check_scene_visibility(entry_of(rows[:k] + rows[k + 1 :]), scene)
        assert len(complaints) == 1
        assert "missing" in complaints[0]
    complaints = check_scene_visibility(entry_of([*rows, (1, "00000", 1, 2.5)]), scene)
    assert len(complaints) == 1
    assert "listed with intersection_count 1" in complaints[0]


def entry_of(rows: Sequence[tuple[int, str, int, float]]) -> dict:
    by_object, by_image = {}, {}
    for object_id, image, count, percent in rows:
        row = {"intersection_count": count, "visibility": percent}
        by_object.setdefault(object_id, []).append({"image_id": image, **row})
        by_image.setdefault(image, []).append({"object_id": object_id, **row})
    return {"object_to_images": by_object, "image_to_objects": by_image}


def test_categories_are_compared_stripped_and_lower_case(tmp_path):
    names = [" Wall ", "OBJECT", "ceiling", "wall cabinet", "objects", "windows"]
    things = [(name, line(3 * k + 1, 10)) for k, name in enumerate(names)]
    scene = write_scene(tmp_path, things, [[pixel for _, those in things for pixel in those]])
    rows = [(k, "00000", 10, 100.0) for k in range(6)]
    assert check_scene_visibility(entry_of(rows[3:]), scene) == []
    assert len(check_scene_visibility(entry_of(rows[4:]), scene)) == 1
    assert len(check_scene_visibility(entry_of(rows[2:]), scene)) == 1
    sets = {1: [("00000",)]}
    assert check_scene_coverage({3: sets, 4: sets, 5: sets}, scene, "length") == []
    complaints = check_scene_coverage({0: {}, 3: sets, 4: sets, 5: sets}, scene, "length")
    assert complaints == ["object 0: of category ' Wall ', is left out"]


def test_ties_may_go_either_way(tmp_path):
    """Image 00000 sees 18 vertices and 3 more or not; with them it covers alone."""
    frames = [(SHELF[:18], SHELF[18:]), SHELF[10:], ([], SHELF)]
    scene = write_scene(tmp_path, [("shelf", SHELF)], frames)
    for count in (17, 18, 20, 21, 22):
        rows = [(0, "00000", count, 100 * count / 21), (0, "00005", 11, 1100 / 21)]
        complaints = check_scene_visibility(entry_of(rows), scene)
        assert (complaints == []) == (18 <= count <= 21), complaints
        rows.append((0, "00010", 1, 100 / 21))
        assert check_scene_visibility(entry_of(rows), scene) == complaints
    one, pair, by_ties = ("00000",), ("00000", "00005"), ("00005", "00010")
    for sets in ({}, {1: [one]}, {2: [pair]}, {1: [one, ("00010",)]}, {2: [pair, by_ties]}):
        assert check_scene_coverage({0: sets}, scene, "length") == []
    assert check_scene_coverage({0: {1: [("00005",)]}}, scene, "length")


def test_exactly_10_percent_is_not_judged(tmp_path):
    frames = [SHELF[:19], SHELF[:18]]
    scene = write_scene(tmp_path, [("shelf", SHELF)], frames)
    for sets in ({}, {1: [("00000",)]}):
        assert check_scene_coverage({0: sets}, scene, "length") == []
    assert check_scene_coverage({0: {1: [("00005",)]}}, scene, "length")


def test_equal_sides_may_be_either(tmp_path):
    square = [(u, v) for u in range(5, 16) for v in range(5, 16)]
    column = [pixel for pixel in square if pixel[0] < 8]
    scene = write_scene(tmp_path, [("table", square)], [square, column])
    for dimension in ("length", "width"):
        for sets in ([("00000",)], [("00000",), ("00005",)]):
            assert check_scene_coverage({0: {1: sets}}, scene, dimension) == []
        assert check_scene_coverage({}, scene, dimension)


def test_the_longer_side_is_the_length(tmp_path):
    table = [(u, v) for u in range(5, 16) for v in range(5, 26)]  # longer along y
    whole_x, whole_y = [p for p in table if p[1] < 8], [p for p in table if p[0] < 8]
    scene = write_scene(tmp_path, [("table", table)], [whole_x, whole_y])
    by_x, by_y = {0: {1: [("00000",)]}}, {0: {1: [("00005",)]}}
    assert check_scene_coverage(by_y, scene, "length") == []
    assert check_scene_coverage(by_x, scene, "width") == []
    assert check_scene_coverage(by_x, scene, "length")
    assert check_scene_coverage(by_y, scene, "width")


def frames_where(left: int, right: int, whole: int = 0, middle: int = 0) -> list:
    parts = SHELF[:11], SHELF[10:], SHELF, SHELF[5:15]
    counts = (left, right, whole, middle)
    return [part for part, count in zip(parts, counts, strict=True) for _ in range(count)]


def ids(start: int, stop: int) -> list[str]:
    return [f"{5 * k:05d}" for k in range(start, stop)]


def pairs_of(left: list[str], right: list[str]) -> dict:
    return {2: [(a, b) for a in left for b in right]}


def test_25_images_are_considered_where_more_see_the_object(tmp_path):
    scene = write_scene(tmp_path, [("shelf", SHELF)], frames_where(15, 15))
    left, right = ids(0, 15), ids(15, 30)

    def complaints(sets: dict) -> list[str]:
        return check_scene_coverage({0: sets}, scene, "length")

    assert complaints(pairs_of(left[2:], right[3:])) == []
    assert complaints(pairs_of(left[5:], right)) == []
    fewer = pairs_of(left[2:], right[3:])
    lost = list(fewer[2].pop(40))
    assert complaints(fewer) == [f"object 0: {lost} is a minimal set and is not listed"]
    few = "object 0: no more than {} images were considered, expected 25"
    assert complaints(pairs_of(left[5:], right[5:])) == [few.format(20)]
    assert complaints({}) == [few.format(15)]
    many = "object 0: 26 images are in its sets, at most 25 may be considered"
    assert complaints(pairs_of(left[2:], right[2:])) == [many]


def test_25_images_that_are_in_no_set_may_have_been_drawn(tmp_path):
    """Of images that cover alone, so many must be named as the others cannot make up 25."""
    for whole, middle in itertools.product((1, 2, 3), (23, 24, 25)):
        frames = frames_where(0, 0, whole, middle)
        scene = write_scene(tmp_path / f"{whole}_{middle}", [("shelf", SHELF)], frames)
        least = min(25, whole + middle) - middle
        for named in range(whole + 1):
            sets = {1: [(image,) for image in ids(0, named)]}
            complaints = check_scene_coverage({0: sets}, scene, "length")
            assert (complaints == []) == (named >= least), complaints


# ---- pickles -------------------------------------------------------------------------------------


@pytest.fixture
def tiny_root(tmp_path) -> Path:
    write_scene(tmp_path, [("shelf", SHELF)], FRAMES)
    return tmp_path


RIGHT_ROWS = [
    (0, image, n, 100 * n / 21) for image, n in zip(ids(0, 5), (21, 10, 11, 11, 18), strict=True)
]


TABLES = ("object_visibility.pkl", "merged_train_object_coverage_length.pkl")


def both(root: Path, visibility: object, coverage: object) -> list[list[str]]:
    """Complaints about the two tables."""
    for name, content in zip(TABLES, (visibility, coverage), strict=True):
        write_table(root, name, content)
    found = table_complaints(root)
    return [found[f"training_data/object_perception/{name}"] for name in TABLES]


def test_scenes_of_a_pickle(tiny_root):
    """scene0000_01 is in the list and has no raw data."""
    entry, name = entry_of(RIGHT_ROWS), "scene0000_00"
    assert both(tiny_root, {name: entry}, {name: {0: RIGHT}}) == [[], []]
    assert both(tiny_root, {}, {}) == 2 * [[f"scene {name}: is missing"]]
    strange = both(tiny_root, {name: entry, "scene0707_00": {}}, {name: {0: RIGHT}, 7: {}})
    assert [len(complaints) for complaints in strange] == [1, 1]
    assert "is not in split train" in strange[0][0]
    without_raw = {name: entry, "scene0000_01": entry}
    for complaints in both(tiny_root, without_raw, {name: {0: RIGHT}, "scene0000_01": {}}):
        assert len(complaints) == 1
        assert complaints[0].startswith("scene scene0000_01: not checked: ")
    wrong = both(tiny_root, {name: entry_of(RIGHT_ROWS[1:])}, {name: {0: {}}})
    assert all(complaints[0].startswith(f"scene {name}: object 0") for complaints in wrong)


def test_a_damaged_scene_may_be_missing(tiny_root):
    (tiny_root / "data/scannet/scans/scene0000_00/scene0000_00.txt").unlink()
    assert both(tiny_root, {}, {}) == [[], []]
    found = both(tiny_root, {"scene0000_00": {}}, {})
    assert [len(complaints) for complaints in found] == [1, 0]
    assert found[0][0].startswith("scene scene0000_00: not checked: ")


class Hostile:
    def __reduce__(self):
        return print, ("this must not be printed",)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "holds a list, not a dict"),
        ({"scene0000_00": {0: np.int64(1)}}, "no plain data"),
        ({np.str_("scene0000_00"): {}}, "no plain data"),
        ({"scene0000_00": Hostile()}, "holds builtins.print"),
    ],
)
def test_pickles_of_anything_else_are_found(tiny_root, capsys, content, says):
    for complaints in both(tiny_root, content, content):
        assert says in complaints[0]
    assert capsys.readouterr().out == ""


def test_an_error_without_words_is_named(tiny_root, monkeypatch):
    def load(content: bytes) -> None:
        raise MemoryError

    path = write_table(tiny_root, "object_visibility.pkl", {})
    monkeypatch.setattr(label_tables, "load", load)
    assert load_plain(path) == "cannot be loaded: MemoryError"


def test_files_that_are_no_pickles_are_found(tiny_root):
    whole = pickle.dumps({"scene0000_00": entry_of(RIGHT_ROWS)})
    for content in (b"", b"text", whole[:-20]):
        for complaints in both(tiny_root, content, content):
            assert "cannot be loaded" in complaints[0]


def bomb(*, key: bool) -> bytes:
    """Two hundred bytes: a tuple (or a list) of one thing twice, sixty deep; as a key, or not."""
    nested: object = ("a",) if key else ["a"]
    for _ in range(60):
        nested = (nested, nested) if key else [nested, nested]
    content = pickle.dumps(nested, 2)[2:-1]
    value = content + b"K\x01" if key else b"X\x0c\0\0\0scene0000_00" + content
    return b"\x80\x02}" + value + b"s."


def deep(levels: int) -> bytes:
    return b"\x80\x02}X\x0c\0\0\0scene0000_00" + b"]" * levels + b"a" * (levels - 1) + b"s."


BOMBS = {
    "a number to remember by": (b"\x80\x04}r\xff\xff\xff\x7f]a.", "cannot be loaded"),
    "a key hashed for ever": (bomb(key=True), "a key of type tuple"),
    "a repetition": (bomb(key=False), "far more data than its size"),
    "levels": (deep(300), "levels"),
    "many levels": (deep(100_000), "cannot be loaded"),
    "room for bytes": (b"\x80\x05\x96" + (2**40).to_bytes(8, "little") + b".", "operation"),
    "a set": (pickle.dumps({"scene0000_00": {1}}, 4), "operation"),
    "a long int": (pickle.dumps({"scene0000_00": {0: 10**5000}}), "an int that is too long"),
    "a long key": (pickle.dumps({10**5000: 1}), "or too long"),
    "a float for a key": (pickle.dumps({0.5: 1}), "a key of type float"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_in_pickles_are_refused(tiny_root, name):
    data, says = BOMBS[name]
    path = write_table(tiny_root, "object_visibility.pkl", data)
    tracemalloc.start()
    try:
        complaint = load_plain(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert says in complaint and len(complaint) < 300
    assert not complaint.endswith((": ", "MemoryError")), "tens of gigabytes were asked for"
    assert peak < 64 * 2**20


@pytest.mark.parametrize("protocol", range(6))
def test_pickles_of_every_protocol_are_read(tiny_root, protocol):
    content = {"scene0000_00": entry_of(RIGHT_ROWS)}
    path = tiny_root / "object_visibility.pkl"
    path.write_bytes(pickle.dumps(content, protocol))
    assert load_plain(path) == content
    values = {"a": [1, -2.5, None, True, False, 2**63, -(2**63)], 3: ("é", b"x", (), [], {})}
    path.write_bytes(pickle.dumps(values, max(protocol, 3)))
    assert load_plain(path) == values


def test_sets_of_more_images_than_are_considered_are_not_judged(tiny_root):
    scene = RawScene(tiny_root, "scene0000_00")
    many = tuple(scene.valid_frame_ids)[:1] * 26
    complaints = check_scene_coverage({0: RIGHT | {26: [many]}}, scene, "length")
    assert complaints == ["object 0: 26: sets of so many, at most 25 are considered"]


# ---- planted errors in questions -----------------------------------------------------------------


def first_record(scene: RawScene, dimension: str, k: int, split: str) -> dict:
    return next(
        record
        for record in records_of(scene, dimension, k, split)
        if record["raw_category"] == "table"
    )


def in_text(change: Callable[[str], str]) -> Callable[[dict], None]:
    def plant(record: dict) -> None:
        if "text" in record:
            record["text"] = change(record["text"])
        else:
            record["conversations"][0]["value"] = change(record["conversations"][0]["value"])

    return plant


def in_fields(**changes) -> Callable[[dict], None]:
    def plant(record: dict) -> None:
        record.update({k: v(record) if callable(v) else v for k, v in changes.items()})

    return plant


def answered(by: int) -> Callable[[dict], None]:
    """A wrong size, in gt_value and in the reply: only the raw data can tell."""

    def plant(record: dict) -> None:
        record["gt_value"] += by
        if "conversations" in record:
            record["conversations"][1]["value"] = f"It is `{record['gt_value']}` mm."

    return plant


def other_object(category: str) -> Callable[[dict], None]:
    """Asks about another object throughout, with the old answer."""

    def plant(record: dict) -> None:
        object_id = {"floor": 0, "wall": 2, "trash can": 41, "monitor": 14}[category]
        record.update(object_id=object_id, raw_category=category)
        in_text(lambda text: text.replace("table", category))(record)

    return plant


def with_image(name: str) -> Callable[[dict], None]:
    """One image more, everywhere."""

    def plant(record: dict) -> None:
        record["image"] = [*record["image"], f"{SCENE}/{name}.jpg"]
        for field in ("height_list", "width_list"):
            record[field] = [*record[field], record[field][0]]
        count = len(record["image"])
        opening = "".join(f"Image-{k}: <image>\n" for k in range(1, count + 1))
        in_text(lambda text: opening + text[text.rfind("<image>\n") + 8 :])(record)

    return plant


RECORD_ERRORS = [
    (answered(1), "gt_value"),
    (answered(-1), "gt_value"),
    (in_fields(gt_value=lambda r: float(r["gt_value"])), "gt_value"),
    (in_fields(gt_value=lambda r: str(r["gt_value"])), "gt_value"),
    (in_fields(task="object_perception"), "task"),
    (in_fields(question_type="object_height"), "question_type"),
    (in_fields(id=7), "id"),
    (in_fields(label="table"), "label"),
    (in_fields(object_id="13"), "object_id"),
    (in_fields(object_id=True), "object_id"),
    (in_fields(object_id=99), "object_id"),
    (in_fields(object_id=22), "raw_category"),
    (in_fields(raw_category="Desk"), "raw_category"),
    (in_fields(raw_category=None), "raw_category"),
    (lambda record: record.pop("raw_category"), "raw_category"),
    (other_object("floor"), "of category 'floor'"),
    (other_object("wall"), "of category 'wall'"),
    (other_object("trash can"), "does not see"),  # no image does
    (in_text(lambda text: text.replace("table", "thing")), "not in the question"),
    (in_text(lambda text: text.replace("table", "tables")), "not in the question"),
    (in_text(lambda text: text.replace("table", "thing").replace("Doors", "table")), "not in"),
    (in_text(lambda text: text.replace("mm", "metres")), "millimetres"),
    (
        in_text(lambda text: text.replace("length", "width")),
        "asks for the width, not for the length",
    ),
    (in_text(lambda text: text.replace("<image>\n", "", 1)), "<image>"),
    (in_fields(height_list=lambda r: [h + 1 for h in r["height_list"]]), "height_list"),
    (in_fields(width_list=[]), "width_list"),
    (in_fields(image=[]), "image"),
    (in_fields(image=f"{SCENE}/00000.jpg"), "image"),
    (in_fields(image=lambda r: r["image"][:1] * 2), "a frame twice"),
    (in_fields(image=lambda r: [*r["image"], "scene0015_00/00000.jpg"]), "several scenes"),
    (in_fields(image=lambda r: [x.replace(SCENE, "scene0015_00") for x in r["image"]]), "of scene"),
    (in_fields(image=lambda r: ["posed_images/" + x for x in r["image"]]), "<scene>/<frame>.jpg"),
    (in_fields(image=lambda r: [x.replace("jpg", "png") for x in r["image"]]), "<frame>.jpg"),
    (with_image("00003"), "not a multiple"),
    (with_image("00500"), "no frame"),
]


@pytest.mark.parametrize(("split", "k"), [("train", 1), ("train", 2), ("val", 1), ("val", 2)])
def test_planted_errors_in_records_are_found(scene, split, k):
    right = first_record(scene, "length", k, split)
    assert check_object_record(right, scene, split) == []
    for plant, says in RECORD_ERRORS:
        record = copy.deepcopy(right)
        plant(record)
        complaints = check_object_record(record, scene, split)
        assert any(says in complaint for complaint in complaints), (says, complaints)


def test_words_of_a_category_ask_for_nothing(tmp_path):
    thing = line(3, 25)
    scene = write_scene(tmp_path, [("tall wide box", thing)], [thing])
    record = record_of(scene, 0, ("00000",), "length", "val")
    for asks, right in (("length", True), ("size from end to end", True), ("height", False)):
        text = record["text"].replace("length", asks)
        complaints = check_object_record(record | {"text": text}, scene, "val")
        assert (complaints == []) == right, complaints


def test_planted_errors_in_replies_are_found(scene):
    right = first_record(scene, "length", 1, "train")
    for reply in ("It is 5 mm.", "It is `5` mm.", f"`{right['gt_value']}`, <image>", "``"):
        record = copy.deepcopy(right)
        record["conversations"][1]["value"] = reply
        assert check_object_record(record, scene, "train")
    told = in_text(lambda text: text + f" `{right['gt_value']}` mm?")
    told(record := copy.deepcopy(right))
    assert any("stands in the question" in c for c in check_object_record(record, scene, "train"))
    assert check_object_record(right, scene, "val")
    for junk in (None, [], "x", 3):
        assert check_object_record(junk, scene, "train") == ["the record is not a JSON object"]


@pytest.mark.parametrize("junk", [None, [], {}, "x", -1, 2.5, [None], [[], {}], {"a": []}])
def test_junk_in_any_field_is_a_complaint_not_a_crash(scene, junk):
    right = first_record(scene, "length", 2, "train")
    for field in right:
        if field != "id" or junk != "x":  # any string is a right id
            assert check_object_record(right | {field: junk}, scene, "train"), field


def test_sets_of_images_are_checked(shelf):
    """The record names them all right; the images are what is wrong."""
    scene = shelf["height"]
    for images, says in [
        (("00000",), ""),
        (("00005", "00010"), ""),
        (("00020", "00010"), ""),
        (("00020",), "does not cover"),
        (("00005", "00015"), "does not cover"),
        (("00005", "00000"), "covers without image 00005"),
        (("00005", "00010", "00015"), "covers without image 00015"),
        (("00015", "00005", "00020"), "does not cover"),
    ]:
        record = record_of(scene, 0, images, "height", "train")
        complaints = check_object_record(record, scene, "train")
        assert len(complaints) == bool(says), complaints
        assert not says or says in complaints[0]
    record = record_of(scene, 0, ("00000",), "width", "train")
    assert "the width of object 0 is only 0.0 m" in str(check_object_record(record, scene, "train"))


def test_an_exact_half_may_go_either_way(tmp_path):
    thing = line(3, 25)  # 187.5 mm
    scene = write_scene(tmp_path, [("Odd (box) ", thing)], [thing])
    for answer in (186, 187, 188, 189):
        record = record_of(scene, 0, ("00000",), "length", "val") | {"gt_value": answer}
        complaints = check_object_record(record, scene, "val")
        assert len(complaints) == (answer in (186, 189)), complaints
    record["gt_value"] = 188
    record["text"] = record["text"].replace("Odd (box) ", "Odd (box)")
    assert check_object_record(record, scene, "val") == []


# ---- files of questions --------------------------------------------------------------------------


def complaints_of(raw_root, tmp_path, name: str, records: list[dict], split="val") -> list[str]:
    path = write_lines(tmp_path / f"object_perception_{name}.jsonl", records)
    return file_complaints(path, raw_root, split)


def test_what_a_file_must_not_repeat(raw_root, scene, tmp_path):
    first = first_record(scene, "length", 2, "val")
    again = copy.deepcopy(first) | {"id": "another", "image": first["image"][::-1]}
    says = "line 2: object_id, image: the object and images of line 1 again"
    name = "length_k2_val_3000"
    assert complaints_of(raw_root, tmp_path, name, [first, again]) == [says]
    complaints = complaints_of(raw_root, tmp_path, name, [first, again | {"id": first["id"]}])
    assert complaints == ["line 2: id: is that of line 1 too", says]


def test_what_a_file_must_be(raw_root, scene, tmp_path):
    one, two = (first_record(scene, "length", k, "val") for k in (1, 2))

    def complaints(name: str, *records: dict, split: str = "val") -> list[str]:
        return complaints_of(raw_root, tmp_path, name, list(records), split)

    assert complaints("length_k2_val_-1", two) == []
    assert complaints("length_k2_val_1", two) == []
    assert complaints("length_k2_val_1", one, two) == [
        "file: 2 records, its name says at most 1",
        "line 1: image: 1 images, the file's name says 2",
    ]
    assert complaints("length_k12_val_3000", two) == [
        "line 1: image: 2 images, the file's name says 12"
    ]
    wrong_task = "line 1: task: 'object_length', the file's name says object_height"
    assert complaints("height_k2_val_3000", two) == [wrong_task]
    assert "is not in split train" in complaints("length_k2_train_-1", two, split="train")[0]
    for name in ("length_k2_val", "length_k0_val_3000", "depth_k2_val_3000", "length_k2_val_-2"):
        assert "is not object_perception_" in complaints(name, two)[0]
    assert complaints("length_k2_val_3000") == ["file: no records"]
    for junk in ([], "x", {}, None):
        assert complaints("length_k2_val_3000", two | {"object_id": junk})
        assert complaints("length_k2_val_3000", two | {"image": junk})
    with pytest.raises(ValueError, match="split 'test'"):
        check_object_record(two, scene, "test")


def test_more_images_than_are_considered_are_one_complaint(scene):
    record = first_record(scene, "height", 1, "val")
    record["image"] = [f"{SCENE}/{5 * k:05d}.jpg" for k in range(26)]
    complaints = check_object_record(record, scene, "val")
    assert complaints == ["image: 26 images, at most 25 are considered"]


@pytest.mark.parametrize("words", ["tv", "tv stand", "a+b", "", ".*", "é", "_"])
def test_words_stand_in_a_text_as_a_pattern_would_find_them(words):
    rng = np.random.default_rng(0)
    parts = [words, "tv", " ", "stand", "s", "é", "_", ".", "a+b", "\ud800"]
    pattern = re.compile(rf"(?<!\w){re.escape(words)}(?!\w)")
    for _ in range(500):
        text = "".join(rng.choice(parts, rng.integers(0, 6)))
        assert holds_words(text, words) == bool(pattern.search(text)), text


def test_a_category_of_megabytes_takes_no_multiple_of_its_size(scene):
    record = first_record(scene, "height", 1, "val")
    record["raw_category"] = "x" * 2**22
    record["text"] += "\n" + "x" * 2**22 + "x in mm?"
    tracemalloc.start()
    try:
        complaints = check_object_record(record, scene, "val")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert any("raw_category" in text for text in complaints)
    assert peak < 20 * 2**22
