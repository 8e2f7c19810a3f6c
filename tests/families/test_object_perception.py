"""Object perception as typed: the whole chain, the coverage job, kills, damaged, missing input."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import PATIENCE, REPOSITORY, copy_root, data_files
from helpers import load_coverage, load_pickle, raises_one_line
from tiny_objects import (
    DIMENSIONS,
    SPLITS,
    Runner,
    annotate,
    check_fine,
    check_refused,
    image_ids,
    seen_object,
    write_table,
)
from tiny_scenes import SCENE, TinyScene

from spatial_engine.errors import BadDataError
from spatial_engine.object_perception import compute_object_visibility as viewer
from spatial_engine.object_perception import merge_object_coverage as merger
from spatial_engine.object_perception import object_coverage_job as coverage_job
from spatial_engine.object_perception import object_sets
from spatial_engine.object_perception import single_object_coverage_finder as finder
from spatial_engine.object_perception import single_object_perception_engine as engine
from spatial_engine.utils import paths
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.paths import (
    info_path,
    info_pickle_path,
    merged_coverage_path,
    posed_images_dir,
)
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.running import processes
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.storage import locks, provenance
from spatial_engine.utils.tables import info_table, object_table
from spatial_engine.utils.tables.coverage_files import Chunk

JOB = REPOSITORY / "find_object_coverage.sh"
SCENES = {"train": ["scene0000_00", "scene0001_00", "scene0704_00"],
          "val": ["scene0011_00", "scene0015_00"]}  # fmt: skip
MOST = {"train": -1, "val": 3000}
LEFT = (".partial", ".parts", ".buckets")


@pytest.fixture(scope="module")
def source(made_root, tmp_path_factory) -> Path:
    """What the four commands read and have made, without the rest."""
    folder = tmp_path_factory.mktemp("source")
    skipped = shutil.ignore_patterns("scans", "*.png", "v1_0", "camera_movement", "aligned*.npy")
    shutil.copytree(made_root, folder, dirs_exist_ok=True, ignore=skipped)
    for path in (made_root / "data/scannet/scannet_instance_data").rglob("aligned_points.npy"):
        shutil.copy2(path, folder / path.relative_to(made_root))
    for split in SPLITS:  # made by other constants
        shutil.rmtree(paths.objects_dir(folder, split))
    for module, numbers in ((viewer, ()), (coverage_job, ("0", "2")), (merger, ()), (engine, ())):
        assert module.main(["--root", str(folder), "--num-workers", "1", *numbers]) == 0
    return folder


@pytest.fixture
def root(source, tmp_path) -> Path:
    """The same, free to be damaged."""
    return copy_root(source, tmp_path / "root")


@pytest.fixture
def run(capsys):
    return Runner(capsys)


def made_in(root: Path, chunks: bool = False) -> dict[str, bytes]:
    """Files about objects by name, those of chunks on demand; nothing temporary may be there."""
    found = {}
    for split in SPLITS:
        folder = paths.objects_dir(root, split)
        for name, data in data_files(folder).items():
            assert not any(suffix in name for suffix in LEFT), name
            if chunks or "/" not in name:
                found[f"{split} {name}"] = data
    return found


def jsonl(root: Path, split: str, name: str) -> Path:
    folder = paths.objects_dir(root, split)
    return folder / f"object_perception_{name}_{split}_{MOST[split]}.jsonl"


def sets_of(coverage) -> list[tuple]:
    """(scene, object, images) of all sets by number of images."""
    return [
        (scene, object_id, tuple(sorted(images)))
        for scene, by_object in coverage.items()
        for object_id, by_count in by_object.items()
        for sets in by_count.values()
        for images in sets
    ]


def sets_asked(paths) -> list[tuple]:
    found = []
    for record in (record for path in paths for record in read_jsonl(path)):
        scene = record["image"][0].split("/")[0]
        images = tuple(sorted(Path(name).stem for name in record["image"]))
        found.append((scene, record["object_id"], images))
    return found


def find(run, root: Path, split: str, start: int, end: int, *flags) -> None:
    check_fine(run(finder, root, "--split", split, "--start", start, "--end", end, *flags))


def find_all(run, root: Path, *flags) -> None:
    """Everything anew in one chunk for each split, and merged."""
    for split, scenes in SCENES.items():
        for folder in paths.objects_dir(root, split).glob(f"{split}_*_*"):
            shutil.rmtree(folder)
        find(run, root, split, 0, len(scenes), *flags)
    check_fine(run(merger, root))


def change_infos(root: Path, scene: str, change) -> None:
    """Change what is known about a scene, in the infos of its split."""
    split = next(split for split, scenes in SCENES.items() if scene in scenes)
    infos = load_pickle(info_pickle_path(root, split))
    change(infos[scene])
    info_table.write_infos(infos, info_path(root, split))


# ---- the whole chain -----------------------------------------------------------------------------


def type_job(root: Path, *numbers: object, cwd: Path | None = None, **environment: str):
    """Type the bash job: from `cwd` with ROOT, or without either where the data is."""
    variables = {**os.environ, "ROOT": str(root), **environment}
    if cwd is None:
        del variables["ROOT"]
    if "PATH" not in environment:
        variables["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(JOB), *map(str, numbers)],
        cwd=cwd or root, env=variables, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


def test_the_chain_in_other_chunks_and_with_one_worker_gives_the_same_bytes(
    source, root, tmp_path, run
):
    """Those of the fixture come from smaller chunks. The job is started twice,
    from another folder, on a ROOT that is relative and holds a blank."""
    root = root.rename(tmp_path / "my data")
    expected = made_in(root)
    for split in SPLITS:
        shutil.rmtree(paths.objects_dir(root, split))
    check_fine(run(viewer, root))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = type_job(root, cwd=elsewhere, ROOT="../my data")
    check_fine(done)
    assert "coverage of 2 chunks is there" in done.stdout
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    assert sum("_object_coverage_" in path.name for path in before) == 2 * 3 * 3  # with provenance
    check_fine(type_job(root))
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()} == before
    assert list(elsewhere.iterdir()) == []
    for module in (merger, engine):
        check_fine(run(module, root))
    found = made_in(root)
    assert sorted(found) == sorted(expected)
    assert [name for name in found if found[name] != expected[name]] == []


@cache
def shown_vertices(root: Path, split: str, scene: str, image: str) -> np.ndarray:
    """(n,) bool, by the surface rule of SPEC 4: every depth around a vertex is measured and agrees
    with it."""
    infos = SceneInfoHandler.load(root, split)
    pose = infos.axis_align_matrix(scene) @ infos.pose(scene, image)
    points = np.c_[infos.points(scene), np.ones(infos.points(scene).shape[0])]
    x, y, z = (points @ np.linalg.inv(pose).T @ infos.intrinsic(scene).T).T[:3]
    (width, height), depth = infos.color_size(scene), infos.depth(scene, image) / 1000
    u, v = (np.where(z > 0, along / z, -1) for along in (x, y))
    inside = (z > 0) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    column = np.clip(np.rint(u * depth.shape[1] / width), 0, depth.shape[1] - 1).astype(int)
    row = np.clip(np.rint(v * depth.shape[0] / height), 0, depth.shape[0] - 1).astype(int)
    padded = np.pad(depth, 2, constant_values=np.nan)  # outside of the image
    for down, right in product(range(5), repeat=2):
        around = padded[row + down, column + right]
        inside &= np.isnan(around) | (np.abs(around - z) <= np.maximum(0.05, 0.03 * z))
    return inside


@pytest.mark.parametrize(
    ("split", "dimension", "least"),
    [(s, d, 3 if d == "width" else 10) for s in SPLITS for d in DIMENSIONS],
)
def test_sets_in_which_one_object_can_be_meant_are_asked_about_once(
    made_root, source, split, dimension, least
):
    """By the vertices that images truly show of it and of the others of its category. The answer is
    a side of its box."""
    coverage = load_coverage(merged_coverage_path(source, split, dimension), "")
    assert list(coverage) == SCENES[split]
    paths = [jsonl(source, split, f"{dimension}_k{k}") for k in (1, 2)]
    paths = [path for path in paths if path.exists()]
    asked, infos = sets_asked(paths), SceneInfoHandler.load(source, split)
    clear = []
    for scene, object_id, images in sets_of(coverage):
        mask, word = infos.instance_mask(scene), infos.category(scene, object_id).strip()
        same = [i + 1 for i in infos.object_ids(scene) if infos.category(scene, i).strip() == word]
        mine, others = mask == object_id + 1, np.isin(mask, same) & (mask != object_id + 1)
        shown = [shown_vertices(made_root, split, scene, image) for image in images]
        assert all((mine & some).sum() >= 0.2 * mine.sum() for some in shown)
        if not any((others & some).any() for some in shown):
            clear.append((scene, object_id, images))
    assert sorted(asked) == sorted(clear)
    assert len(set(asked)) == len(asked) > least - 1
    assert len(clear) < len(sets_of(coverage))
    side = {"height": lambda x, y, z: z, "length": lambda x, y, z: max(x, y),
            "width": lambda x, y, z: min(x, y)}[dimension]  # fmt: skip
    for record in (record for path in paths for record in read_jsonl(path)):
        scene = record["image"][0].split("/")[0]
        box = infos.aligned_box(scene, record["object_id"])
        assert record["gt_value"] == round(1000 * side(*box[3:6].tolist())) >= 200
        assert record["raw_category"] == infos.category(scene, record["object_id"])
        assert (posed_images_dir(source) / record["image"][-1]).is_file()


def test_scenes_of_a_split_are_those_of_its_list(source):
    for split in SPLITS:
        with open(paths.object_pickle_path(source, split), "rb") as file:
            visible = pickle.load(file)
        assert list(visible) == SCENES[split]
        assert load_pickle(paths.object_pickle_path(source, split)) == visible
        table = paths.object_table_path(source, split)
        assert visible == dict(object_table.iterate_dictionaries(table))


def test_a_second_start_leaves_everything_as_it_is(root, run):
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    asked = sum(path.name.startswith("object_perception_") for path in root.rglob("*.jsonl"))
    for module, outputs in ((viewer, 2), (merger, 12), (engine, asked)):
        done = run(module, root)
        check_fine(done)
        assert done.stdout.count("up to date") == outputs
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()} == before


# ---- which images see which objects --------------------------------------------------------------


def see(scene: TinyScene, instances, categories, share=viewer.MIN_VISIBLE_SHARE):
    """(rows by object id, what was counted) of a scene made by hand."""
    handler = annotate(scene, instances, categories)
    folder = scene.root / "part_of_scene"
    folder.mkdir(exist_ok=True)
    constants = {"SEEN_RULE": "surface", "MIN_VISIBLE_SHARE": share}
    result = viewer.see_objects((handler, scene.table, SCENE, constants), folder)
    output = scene.root / "x.parquet"
    object_table.merge_objects([folder / viewer.PART], output)
    (drops,), (notes,) = result.drops.values(), result.notes.values()
    if not notes["objects"]:
        return {}, drops, result
    objects = object_table.read_scene_objects(object_table.open_objects(output), SCENE)
    assert notes["objects"] == len(objects)
    assert sum(result.counts.values()) == sum(len(seen.image_ids) for seen in objects)
    return {seen.object_id: seen for seen in objects}, drops, result


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.05, 0.4])
def test_objects_are_seen_by_the_images_of_a_plain_loop(tmp_path, seed, share):
    rng = np.random.default_rng(seed)
    lists = [np.flatnonzero(rng.random(300) < rng.choice([0, 0.03, 0.2, 0.6])) for _ in range(9)]
    scene = TinyScene(tmp_path, rng, 9, 300, lists=lists)
    instances = rng.choice([0, 1, 3, 4, 7, 8], 300, p=[0.1, 0.3, 0.1, 0.02, 0.4, 0.08])
    found, _, _ = see(scene, instances, {k: f"thing {k}" for k in (0, 2, 3, 6, 7)}, share)
    expected = {}
    for object_id in (0, 2, 3, 6, 7):
        mine = np.flatnonzero(instances == object_id + 1)
        for image, those in zip(scene.ids, lists, strict=True):
            both = np.intersect1d(mine, those)
            if len(both) >= max(1, np.floor(share * len(mine))):
                expected.setdefault(object_id, []).append((image, len(both), both))
    assert sorted(found) == sorted(expected)
    for object_id, rows in expected.items():
        seen, mine = found[object_id], scene.points[instances == object_id + 1]
        assert seen.category == f"thing {object_id}"
        assert seen.image_ids == [image for image, _, _ in rows]
        assert seen.counts.tolist() == [count for _, count, _ in rows]
        np.testing.assert_allclose(seen.visibility, 100 * seen.counts / len(mine))
        np.testing.assert_allclose(seen.size, np.ptp(mine, axis=0))
        np.testing.assert_array_equal(seen.low, [scene.points[p].min(axis=0) for *_, p in rows])
        np.testing.assert_array_equal(seen.high, [scene.points[p].max(axis=0) for *_, p in rows])


@pytest.mark.parametrize("seed", range(3))
def test_vertices_of_others_of_the_category_are_counted_however_few(tmp_path, seed):
    rng = np.random.default_rng(seed)
    instances = rng.choice([0, 1, 2, 4, 6, 8, 10], 300)
    shares = rng.choice([0.01, 0.4], (20, 11))[:, instances]  # seen of each object
    lists = [np.flatnonzero(rng.random(300) < share) for share in shares]
    scene = TinyScene(tmp_path, rng, 20, 300, lists=lists)
    words = {0: "chair", 1: "table", 3: " Chair", 5: "chair", 7: "table", 9: "wall"}
    found, _, _ = see(scene, instances, words)
    alike = {0: (4, 6), 3: (1, 6), 5: (1, 4), 1: (8,), 7: (2,)}  # instances
    assert sorted(found) == [0, 1, 3, 5, 7]
    few = 0
    for object_id, seen in found.items():
        for image, others in zip(seen.image_ids, seen.others.tolist(), strict=True):
            shown = instances[lists[scene.ids.index(image)]]
            assert others == sum((shown == number).sum() for number in alike[object_id])
            few += 0 < others < 0.05 * (instances == alike[object_id][0]).sum()
    assert few


@pytest.mark.parametrize(
    ("size", "needed"), [(1, 1), (19, 1), (20, 1), (39, 1), (40, 2), (59, 2), (60, 3), (140, 7)]
)
def test_an_image_sees_an_object_from_a_twentieth_of_its_vertices_on(tmp_path, size, needed):
    lists = [range(count) for count in range(needed + 2)]
    scene = TinyScene(tmp_path, np.random.default_rng(0), len(lists), 200, lists=lists)
    found, _, _ = see(scene, [1] * size + [0] * (200 - size), {0: "sofa"})
    assert found[0].counts.tolist() == [min(count, size) for count in range(needed, needed + 2)]


def test_objects_that_cannot_be_asked_about_are_counted_by_reason(tmp_path):
    scene = TinyScene(tmp_path, np.random.default_rng(0), 2, 60, lists=[range(40), []])
    categories = {
        0: "wall", 1: "Floor ", 2: "window", 3: " CEILING", 4: "object",
        5: "windowsill", 6: "table", 7: "bed", 8: "wall", 30: "chair",
    }  # fmt: skip
    instances = np.repeat([1, 2, 3, 4, 5, 6, 7, 0], [5, 5, 5, 5, 5, 5, 20, 10])
    found, drops, _ = see(scene, instances, categories)
    assert sorted(found) == [5, 6]
    assert drops == {
        "objects of excluded categories": 6,
        "objects without vertices": 2,
        "objects that no image sees": 0,
    }
    instances[instances == 6] = 0
    instances[-5:] = 6  # the windowsill is where no image looks
    found, drops, _ = see(scene, instances, categories)
    assert sorted(found) == [6]
    assert drops["objects that no image sees"] == 1


def test_a_scene_in_which_nothing_is_seen_is_no_failure(tmp_path):
    scene = TinyScene(tmp_path, np.random.default_rng(0), 2, 20, lists=[[], [0]])
    for categories in ({}, {0: "wall"}, {0: "bed"}):
        _, drops, result = see(scene, [0] + [1] * 19, categories)
        assert sum(result.counts.values()) == 0
        assert sum(drops.values()) == len(categories)


def test_vertices_of_a_negative_instance_belong_to_no_object(tmp_path):
    scene = TinyScene(tmp_path, np.random.default_rng(0), 1, 40, lists=[range(40)])
    found, _, _ = see(scene, [-1] * 10 + [-3] * 5 + [1] * 10 + [2] * 15, {0: "bed", 1: "sofa"})
    assert {k: seen.counts.tolist() for k, seen in found.items()} == {0: [10], 1: [15]}


def test_instances_of_another_mesh_are_named(tmp_path):
    scene = TinyScene(tmp_path, np.random.default_rng(0), 1, 40, lists=[range(40)])
    with raises_one_line(BadDataError, SCENE, "39", "40", "batch_load_scannet_data.py"):
        see(scene, [1] * 39, {0: "bed"})


def test_a_scene_whose_poses_have_changed_is_named_and_the_others_are_done(root, run):
    scene = SCENES["train"][1]
    change_infos(root, scene, lambda info: info["axis_align_matrix"][0].__setitem__(3, 5.0))
    done = run(viewer, root)
    assert done.returncode == 1
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("failed: "))
    assert scene in line and "make_visibility_info.py" in line
    table = object_table.open_objects(paths.object_table_path(root, "train"))
    assert table.scene_ids == [s for s in SCENES["train"] if s != scene]


@pytest.mark.parametrize("path_of", [paths.object_table_path, paths.object_pickle_path])
@pytest.mark.parametrize("damage", ["removed", "truncated"])
def test_the_command_mends_what_the_next_steps_tell_to_make_again(root, run, path_of, damage):
    path = path_of(root, "train")
    good = path.read_bytes()
    if damage == "removed":
        path.unlink()
    else:
        path.write_bytes(good[: len(good) // 2])
    check_fine(run(viewer, root))
    assert path.read_bytes() == good


# ---- which sets cover ----------------------------------------------------------------------------


def cover(run, tmp_path, objects, *flags, scene="s0", split="train"):
    """Sets by dimension and object, and the drops by dimension."""
    write_table(tmp_path, split, {scene: objects})
    find(run, tmp_path, split, 0, 1, *flags)
    chunk = Chunk(tmp_path, split, 0, 1)
    found = {d: load_pickle(chunk.path(d))[scene] for d in DIMENSIONS}
    metas = {d: chunk.path(d).with_name(f"{chunk.path(d).name}.meta.json") for d in DIMENSIONS}
    drops = {d: json.loads(meta.read_text())["drops"] for d, meta in metas.items()}
    return found, {d: ", ".join(f"{why}: {n}" for why, n in of.items()) for d, of in drops.items()}


def test_an_object_seen_by_300_images_is_considered_in_25_and_takes_no_time(run, tmp_path):
    """A true-size scene of forty such objects, each of which any image shows whole."""
    images = image_ids(300)
    objects = [seen_object(3 * k, images) for k in range(40)]
    write_table(tmp_path, "train", {"s0": objects})
    start = time.process_time()
    find(run, tmp_path, "train", 0, 1)
    assert time.process_time() - start < 1
    chosen = {}
    for dimension in DIMENSIONS:
        by_object = load_pickle(Chunk(tmp_path, "train", 0, 1).path(dimension))["s0"]
        for object_id, sets in by_object.items():
            assert list(sets) == [1] and len(set(sets[1])) == len(sets[1]) == 25
            assert sets[1] == sorted(sets[1])
            assert chosen.setdefault(object_id, sets[1]) == sets[1]  # the same in all dimensions
    assert sorted(chosen) == [3 * k for k in range(40)]
    times = np.unique([image for sets in chosen.values() for (image,) in sets], return_counts=True)
    assert len(times[0]) > 270 and times[1].max() < 15  # of 40 draws of a twelfth each


def test_pairs_of_an_object_seen_by_300_images_are_those_of_25(run, tmp_path):
    half = seen_object(0, image_ids(300))
    half.high[::2, :] *= 0.5
    half.low[1::2, :] = 0.5 * half.size
    found, _ = cover(run, tmp_path, [half])
    for sets in found.values():
        (pairs,) = sets[0].values()
        images = sorted({image for pair in pairs for image in pair})
        odd = [image for image in images if int(image) // 5 % 2]
        assert len(images) == 25
        assert len(pairs) == len(set(pairs)) == len(odd) * (25 - len(odd)) > 50
        assert all(one < other for one, other in pairs)


def test_up_to_25_images_are_all_considered_and_the_constant_decides(run, tmp_path):
    for count, flags, expected in ((25, (), 25), (26, (), 25), (7, ("--max-images", 3), 3)):
        found, _ = cover(run, tmp_path, [seen_object(0, image_ids(count))], *flags)
        assert [len(found[d][0][1]) for d in DIMENSIONS] == [expected] * 3


def test_which_images_are_considered_depends_on_seed_split_and_scene_alone(run, tmp_path):
    objects = [seen_object(k, image_ids(100)) for k in (0, 1)]
    first, _ = cover(run, tmp_path, objects)
    assert cover(run, tmp_path, objects, "--overwrite")[0] == first
    assert first["height"][0] != first["height"][1]
    others = [
        cover(run, tmp_path, objects, "--seed", 1)[0],
        cover(run, tmp_path, objects, split="val")[0],
        cover(run, tmp_path, objects, scene="s1")[0],
    ]
    assert all(other["height"] != first["height"] for other in others)
    write_table(tmp_path, "train", {"r0": objects, "s0": objects, "t0": []} | {"t0": objects})
    find(run, tmp_path, "train", 1, 3)
    held = load_pickle(Chunk(tmp_path, "train", 1, 3).path("width"))
    assert held["s0"] == first["width"] != held["t0"]


def test_images_that_show_less_than_a_fifth_of_an_object_are_in_no_set(run, tmp_path):
    clear, dim = seen_object(0, image_ids(5)), seen_object(1, image_ids(2))
    clear.visibility[:] = [5, 19.99, 20, 90, 7]
    dim.visibility[:] = 19.99
    found, drops = cover(run, tmp_path, [clear, dim])
    assert all(found[d] == {0: {1: [("00010",), ("00015",)]}} for d in DIMENSIONS)
    assert set(drops.values()) == {"objects of which each image shows too little: 1"}
    found, _ = cover(run, tmp_path, [clear, dim], "--min-object-seen", 0.07)
    assert found["width"][0] == {1: [("00005",), ("00010",), ("00015",), ("00020",)]}
    assert len(found["width"][1][1]) == 2


def test_the_25_images_are_drawn_from_those_that_show_enough(run, tmp_path):
    seen = seen_object(0, image_ids(300))
    seen.visibility[::2] = 10
    found, _ = cover(run, tmp_path, [seen])
    images = [int(image) // 5 for (image,) in found["height"][0][1]]
    assert len(images) == 25 and all(number % 2 for number in images)


def test_sizes_under_20_centimetres_are_counted_by_dimension(run, tmp_path):
    sizes = {0: (0.5, 0.3, 0.199), 1: (0.5, 0.19, 0.7), 2: (0.1, 0.2, 0.2), 3: (0, 0, 0)}
    objects = [seen_object(k, image_ids(2), size=size) for k, size in sizes.items()]
    found, drops = cover(run, tmp_path, objects)
    assert {d: sorted(found[d]) for d in DIMENSIONS} == {
        "height": [1, 2], "length": [0, 1, 2], "width": [0],
    }  # fmt: skip
    for dimension, count in (("height", 2), ("length", 1), ("width", 3)):
        assert drops[dimension] == f"objects smaller than 0.2 m: {count}"
    found, drops = cover(run, tmp_path, objects, "--min-size-m", 0.15)
    assert sorted(found["width"]) == [0, 1]
    assert drops["width"] == "objects smaller than 0.15 m: 2"


def test_length_and_width_are_the_longer_and_the_shorter_horizontal_side(run, tmp_path):
    """One image shows all of x, one all of y, one all of z, and none of them more."""
    objects = [
        seen_object(k, image_ids(3), size=s)
        for k, s in enumerate([(1, 2, 9), (2, 1, 9), (1, 1, 9)])
    ]
    for seen in objects:
        seen.high[:] = np.eye(3) * seen.size
    found, _ = cover(run, tmp_path, objects)
    x, y, z = ({1: [(image,)]} for image in image_ids(3))
    assert found["height"] == {0: z, 1: z, 2: z}
    assert found["length"] == {0: y, 1: x, 2: x}
    assert found["width"] == {0: x, 1: y, 2: y}


def test_objects_that_no_images_cover_are_counted_and_the_constant_decides(run, tmp_path):
    short = seen_object(5, image_ids(4))
    short.high[:] *= 0.85
    found, drops = cover(run, tmp_path, [short, seen_object(6, image_ids(1))])
    assert all(found[d] == {6: {1: [("00000",)]}} for d in DIMENSIONS)
    assert set(drops.values()) == {"objects that no images cover: 1"}
    found, drops = cover(run, tmp_path, [short], "--tolerance", 0.15001)
    assert all(len(found[d][5][1]) == 4 for d in DIMENSIONS)
    assert set(drops.values()) == {""}


@pytest.mark.parametrize("flags", [("--start", 2), ("--start", 1, "--end", 1), ("--end", 0)])
def test_a_chunk_without_a_scene_is_refused(run, tmp_path, flags):
    write_table(tmp_path, "train", {"s0": [seen_object(0, ["00000"])], "s1": []})
    check_refused(run(finder, tmp_path, *flags), "no scene", "train has 2")
    assert not list(paths.objects_dir(tmp_path, "train").glob("train_*"))


def test_an_end_behind_the_last_scene_is_the_end_of_the_name_alone(run, source, tmp_path):
    for split in SPLITS:
        copy_root(paths.objects_dir(source, split), paths.objects_dir(tmp_path, split))
        find(run, tmp_path, split, 1, 10)
        held = load_pickle(Chunk(tmp_path, split, 1, 10).path("width"))
        assert list(held) == SCENES[split][1:]


# ---- killed and half-finished --------------------------------------------------------------------

KILLED = """
import importlib, os, sys
from spatial_engine.utils.running import cli
step, left = importlib.import_module(sys.argv.pop(1)), int(sys.argv.pop(1))
def counted(real):
    def rename(*paths):
        global left
        if left == 0:
            os._exit(9)
        left -= 1
        real(*paths)
    return rename
os.replace, os.rename = counted(os.replace), counted(os.rename)
sys.exit(cli.run(step.main))
"""


def kill_at(module, number: int, root: Path, *flags: object) -> None:
    """Run a command that ends like a killed one when it gives its n-th file its last name."""
    line = [sys.executable, "-c", KILLED, module.__name__, str(number), "--root", str(root)]
    done = subprocess.run([*line, *map(str, flags)], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 9, done.stdout + done.stderr


@pytest.mark.parametrize("number", [0, 3, 8, 10, 13])
def test_a_killed_chunk_is_completed_to_the_same_bytes(root, run, number):
    """Killed in the first scene, in the second, and while or after the three files are made."""
    find(run, root, "train", 0, 3)
    expected, chunk = made_in(root, chunks=True), Chunk(root, "train", 0, 3)
    shutil.rmtree(chunk.folder)
    kill_at(finder, number, root, "--start", 0, "--end", 3, "--num-workers", 1)
    assert chunk.folder.exists() and len(list(chunk.folder.glob("*.meta.json"))) < 3
    find(run, root, "train", 0, 3)
    assert made_in(root, chunks=True) == expected


@pytest.mark.parametrize("damage", ["removed", "truncated", "without provenance"])
@pytest.mark.parametrize("dimension", ["height", "width"])
def test_a_half_finished_chunk_is_completed_to_the_same_bytes(root, run, damage, dimension):
    expected, path = made_in(root, chunks=True), Chunk(root, "train", 0, 2).path(dimension)
    data = path.read_bytes()
    if damage == "without provenance":
        path.with_name(f"{path.name}.meta.json").unlink()
    elif damage == "removed":
        path.unlink()
    else:
        path.write_bytes(data[: len(data) // 2])
    find(run, root, "train", 0, 2)
    assert made_in(root, chunks=True) == expected
    check_fine(run(merger, root))
    assert made_in(root, chunks=True) == expected


def test_a_chunk_that_another_process_is_at_is_left_to_it(root, run):
    chunk = Chunk(root, "train", 0, 3)
    with locks.locked(chunk.folder / "coverage.parts"):
        check_refused(run(finder, root, "--end", 3), chunk.folder, "another run")
    find(run, root, "train", 0, 3)


@pytest.mark.parametrize("number", [2, 4, 5])
def test_a_killed_object_visibility_is_completed_to_the_same_bytes(root, run, number):
    """Killed among the scenes, between the two files, and before their provenance is written."""
    expected = made_in(root, chunks=True)
    kill_at(viewer, number, root, "--overwrite", "--num-workers", 1)
    check_fine(run(viewer, root))
    assert made_in(root, chunks=True) == expected


def test_killed_questions_are_completed_to_the_same_bytes(root, run):
    expected = made_in(root, chunks=True)
    kill_at(engine, 5, root, "--overwrite", "--num-workers", 1)
    check_fine(run(engine, root))
    assert made_in(root, chunks=True) == expected


# ---- the coverage job ----------------------------------------------------------------------------

COUNTS = {"train": 23, "val": 7}


class NotedJob:
    """Runs the job in this process on tables of many scenes, and notes the chunks in place of doing
    them; `fails` says what comes of each."""

    def __init__(self, folder: Path, run, monkeypatch):
        self.root, self.run, self.asked = folder / "many", run, []
        self.fails = lambda chunk: 0
        for split, count in COUNTS.items():
            write_table(self.root, split, {f"s{k:02}": [] for k in range(count)})
        monkeypatch.setattr(finder, "cover_chunk", self.note)

    def note(self, args) -> int:
        self.asked.append(args)
        return self.fails((args.split, args.start, args.end))

    def __call__(self, *arguments: object):
        self.asked.clear()
        return self.run(coverage_job, self.root, *arguments)

    @property
    def chunks(self) -> dict[str, list[tuple[int, int]]]:
        found: dict = {}
        for args in self.asked:
            found.setdefault(args.split, []).append((args.start, args.end))
        return found


@pytest.fixture
def job(tmp_path, run, monkeypatch):
    return NotedJob(tmp_path, run, monkeypatch)


@pytest.mark.parametrize(
    ("numbers", "size", "first", "last"),
    [
        ((), 10, 0, 99),
        ((0, 1), 1, 0, 99),
        ((0, 10, 3), 10, 0, 99),
        ((3, 4, 2), 4, 3, 99),
        ((0, 5, 2, 11), 5, 0, 11),
        ((5, 100, 2, 6), 100, 5, 6),
        ((2, 7, 2, 23), 7, 2, 23),
        ((0, 1000, 1, 1000), 1000, 0, 99),
        (("", "", "", 12), 10, 0, 12),
    ],
)
def test_chunks_hold_every_scene_of_both_splits_once(job, monkeypatch, numbers, size, first, last):
    here = processes.map_unordered
    monkeypatch.setattr(processes, "map_unordered", lambda work, items, _: here(work, items, 1))
    done = job(*numbers)
    check_fine(done)
    for split, scenes in COUNTS.items():
        edges = [*range(first, min(last, scenes), size), min(last, scenes)]
        expected = list(pairwise(edges)) if first < min(last, scenes) else []
        assert job.chunks.get(split, []) == expected
    total = sum(map(len, job.chunks.values()))
    assert f"coverage of {total} chunks is there" in done.stdout
    assert "merge_object_coverage.py" in done.stdout


def test_two_machines_with_a_start_and_an_end_each_do_all(root, run):
    """And are merged to the bytes of a single machine."""
    expected = made_in(root)
    for split in SPLITS:
        for folder in paths.objects_dir(root, split).glob(f"{split}_*_*"):
            shutil.rmtree(folder)
    for numbers, words in (((0, 1, 1, 2), "4 chunks"), ((2, 10, 1), "1 chunks")):
        done = run(coverage_job, root, *numbers)
        check_fine(done)
        assert f"coverage of {words} is there" in done.stdout
    check_fine(run(merger, root))
    assert made_in(root) == expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [((0, 6, 1), 1), ((0, 6, 3), 3), ((0, 5, 100_000), 7), ((0, 5, "", "", "--num-workers", 2), 2)],
)
def test_so_many_processes_are_started_and_no_more_than_there_are_chunks(
    job, monkeypatch, arguments, expected
):
    started = []

    def note(work, items, num_workers):
        started.append(num_workers)
        yield from ((number, 0) for number, _ in enumerate(items))

    monkeypatch.setattr(processes, "map_unordered", note)
    check_fine(job(*arguments))
    assert started == [expected]


def test_flags_reach_every_chunk(job):
    check_fine(job(0, 10, 1, "--seed", 7, "--overwrite", "--max-images", 3, "--published"))
    assert len(job.asked) == 4
    for args in job.asked:
        found = (args.root, args.seed, args.overwrite, args.max_images, args.num_workers)
        assert found == (job.root, 7, True, 3, 1)
        assert args.published and args.constants["MIN_SIZE_M"] == args.min_size_m == 0.02


@pytest.mark.parametrize("flags", [("--max-image-count", 3), ("--tolerance", -1), ("--seed", "x")])
def test_a_wrong_flag_is_one_error_before_any_chunk(job, flags):
    done = job(0, 5, 1, *flags)
    assert done.returncode == 2
    (error,) = done.stderr.splitlines()
    assert error.startswith("error: ") and flags[0] in error
    assert job.asked == []


def test_a_failing_chunk_is_named_and_fails_the_job_after_the_others(job):
    def fail(chunk) -> int:
        if chunk == ("train", 5, 10):
            raise BadDataError("a file that is damaged")
        return int(chunk == ("val", 5, 7))

    job.fails = fail
    done = job(0, 5, 1)
    assert done.returncode == 1, done.stdout + done.stderr
    cause, first, second, last = (
        line for line in done.stderr.splitlines() if line.startswith("error: ")
    )
    assert "damaged" in cause
    assert "chunk train 5 to 10 failed" in first and "chunk val 5 to 7 failed" in second
    assert "start again" in last
    assert "is there" not in done.stdout
    assert {split: len(chunks) for split, chunks in job.chunks.items()} == {"train": 5, "val": 2}


def test_a_signal_ends_the_job_and_is_no_failure_of_a_chunk(job):
    job.fails = lambda chunk: os.kill(os.getpid(), signal.SIGTERM)
    done = job(0, 5, 1)
    assert done.returncode == 128 + signal.SIGTERM
    assert "failed" not in done.stderr
    assert len(job.asked) == 1


DYING = """
import os, pathlib, signal, sys, time
def end(event, arguments):
    if event == "open" and "train_2_3" in str(arguments[0]):
        while not pathlib.Path(os.environ["AWAITED"]).exists():  # another worker is at it
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(end)
"""


def test_a_process_that_dies_is_told_with_the_chunks_at_work(root, run, tmp_path, monkeypatch):
    """Finished chunks stay, and the next start does the others."""
    expected = made_in(root)
    for split in SPLITS:
        for folder in paths.objects_dir(root, split).glob(f"{split}_*_*"):
            shutil.rmtree(folder)
    finished = Chunk(root, "train", 0, 1).path("height")
    last_written = provenance.meta_path(Chunk(root, "train", 0, 1).path(DIMENSIONS[-1]))
    (tmp_path / "sitecustomize.py").write_text(DYING)
    with monkeypatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path))
        patch.setenv("AWAITED", str(last_written))
        done = run(coverage_job, root, 0, 1, 2)
    assert done.returncode == 1, done.stdout + done.stderr
    first, last = (line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "ended unexpectedly" in first and "chunk train 2 to 3" in first
    assert "start again" in last and "is there" not in done.stdout
    before = finished.stat().st_mtime_ns
    check_fine(run(coverage_job, root, 0, 1, 1))
    assert finished.stat().st_mtime_ns == before
    check_fine(run(merger, root))
    assert made_in(root) == expected


@pytest.mark.parametrize(
    "numbers",
    [("a",), (-1,), ("1.5",), (0, 0), (0, 10, 0), (0, 10, 2, "x"), (0, 10, 2, 9, 1), (0, "1 2"),
     ("0;ls",), ("\u0663",), ("1\u00b2",), ("9" * 10,), (0, 10, "9" * 30)],
)  # fmt: skip
def test_arguments_that_make_no_sense_are_refused(job, numbers):
    check_refused(job(*numbers), "usage: bash find_object_coverage.sh")
    assert job.asked == []


@pytest.mark.parametrize("numbers", [("08", 10, 1), (0, "09", "01"), ("010", 1, 1)])
def test_numbers_with_leading_zeros_are_decimal(job, numbers):
    check_fine(job(*numbers))
    found = job.chunks
    check_fine(job(*map(int, numbers)))
    assert found == job.chunks


@pytest.mark.parametrize("place", range(4))
def test_numbers_of_absurd_size_are_refused(job, place):
    numbers = [0, 10, 1, 20]
    numbers[place] = 10**19 + 7
    check_refused(job(*numbers), f"{10**19 + 7} is too large")
    assert job.asked == []


@pytest.mark.parametrize("kind", ["no such folder", "is a file", "a symbolic link leads back"])
def test_a_root_that_is_no_folder_is_named(run, tmp_path, kind):
    root = tmp_path / "nowhere"
    if kind == "is a file":
        root.touch()
    elif "link" in kind:
        root.symlink_to(root)
    check_refused(run(coverage_job, root), f"--root: {root}: ", kind)


def test_the_job_goes_on_when_the_list_grows_and_when_it_shrinks(run, tmp_path):
    """Two scenes, a third, one of them gone; and other sizes of chunks."""
    names = ["s0", "s1", "s2"]
    objects = {name: [seen_object(k, image_ids(2))] for k, name in enumerate(names)}
    for listed, numbers, left in (
        (names[:2], (), ["train_0_2"]),
        (names, (), ["train_0_2", "train_0_3"]),
        (names, (0, 1), ["train_0_1", "train_0_2", "train_0_3", "train_1_2", "train_2_3"]),
        (names[1:], (), ["train_0_2"]),
        (names[2:], (), ["train_0_1"]),
    ):
        write_table(tmp_path, "train", {name: objects[name] for name in listed})
        check_fine(run(coverage_job, tmp_path, *numbers))
        folders = sorted(p.name for p in paths.objects_dir(tmp_path, "train").glob("train_*"))
        assert folders == left
        check_fine(run(merger, tmp_path))
        for dimension in DIMENSIONS:
            merged = load_coverage(merged_coverage_path(tmp_path, "train", dimension), "")
            assert merged == {n: {names.index(n): {1: [("00000",), ("00005",)]}} for n in listed}


def test_what_a_stopped_job_had_begun_goes_when_others_hold_its_scenes(run, tmp_path):
    """Other chunks than those it had asked for."""
    objects = {name: [seen_object(0, image_ids(2))] for name in ("s0", "s1", "s2")}
    write_table(tmp_path, "train", objects)
    folder = paths.objects_dir(tmp_path, "train")
    for name in ("train_0_1", "train_1_2"):
        (folder / name / "coverage.parts/s0.partial").mkdir(parents=True)
    with locks.locked(folder / "train_0_1/coverage.parts"):  # by another machine
        check_fine(run(coverage_job, tmp_path, 0, 2))
    assert sorted(p.name for p in folder.glob("train_*")) == ["train_0_1", "train_0_2", "train_2_3"]
    check_fine(run(coverage_job, tmp_path, 0, 2))
    assert sorted(p.name for p in folder.glob("train_*")) == ["train_0_2", "train_2_3"]


def test_without_data_the_command_that_makes_it_is_named(run, tmp_path):
    check_refused(run(coverage_job, tmp_path), "compute_object_visibility.py")


def test_a_start_behind_all_scenes_is_said(job):
    check_refused(job(23), "no scenes from 23", "train has 23, val has 7")
    check_refused(job(23, 10, 1, 99), "no scenes from 23 to 99", "train has 23, val has 7")
    for start, end in ((4, 4), (5, 3)):
        check_refused(
            job(start, 10, 1, end), f"no scenes from {start} to {end}", "END is not above"
        )
    check_fine(job(22))
    assert job.chunks == {"train": [(22, 23)]}


def test_an_absent_split_is_said_and_no_failure(job):
    for absent, there in (SPLITS, SPLITS[::-1]):
        path = paths.object_table_path(job.root, absent)
        aside = path.rename(path.with_suffix(".aside"))
        done = job()
        check_fine(done)
        assert f"{absent}: no object_visibility.parquet" in done.stderr
        assert list(job.chunks) == [there]
        aside.rename(path)


# Stands for python: tells what it gets, one argument a line.
STUB = """#!/usr/bin/env bash
echo "PYTHONPATH=${PYTHONPATH:-}"
printf '%s\\n' "$@"
exit 7
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The bash script in a folder with a blank in its name, and a `bin` with tools and STUB."""
    folder, bin_dir = tmp_path / "a checkout", tmp_path / "bin"
    folder.mkdir()
    bin_dir.mkdir()
    shutil.copy(JOB, folder)
    for tool in ("bash", "dirname", "env"):
        (bin_dir / tool).symlink_to(shutil.which(tool))
    (bin_dir / "python").write_text(STUB)
    (bin_dir / "python").chmod(0o755)
    return folder


def type_script(checkout: Path, *numbers: str, **environment: str):
    return subprocess.run(
        ["bash", str(checkout / JOB.name), *numbers],
        cwd=checkout.parent, env={"PATH": str(checkout.parent / "bin"), **environment},
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


def test_the_script_hands_everything_to_a_clean_python_and_its_exit_code_back(checkout):
    python_job = checkout / "spatial_engine/object_perception/object_coverage_job.py"
    flags = {"FLAGS": "--seed 7 --overwrite", "PYTHONPATH": "/nowhere"}
    done = type_script(checkout, "0", "1 2", ROOT="../my data", **flags)
    assert done.returncode == 7 and done.stderr == ""
    line = ["PYTHONPATH=", str(python_job), "--root=../my data", "0", "1 2", "--seed", "7"]
    assert done.stdout.splitlines() == [*line, "--overwrite"]
    done = type_script(checkout)
    assert done.stdout.splitlines() == ["PYTHONPATH=", str(python_job), f"--root={checkout.parent}"]


@pytest.mark.parametrize("name", ["python3", "none"])
def test_where_there_is_no_python_python3_is_taken_or_missed(checkout, name):
    bin_dir = checkout.parent / "bin"
    (bin_dir / "python").rename(bin_dir / name)
    done = type_script(checkout, "0")
    if name == "none":
        check_refused(done, "no python on the PATH")
        return
    assert done.returncode == 7
    assert done.stderr == "no python on the PATH, python3 is used\n"


def test_a_damaged_scene_fails_its_chunk_and_is_done_when_it_is_mended(root, run):
    """The checksum of one scene's rows is wrong."""
    expected = made_in(root)
    table = paths.object_table_path(root, "train")
    shutil.rmtree(paths.objects_dir(root, "val"))
    for folder in paths.objects_dir(root, "train").glob("train_*_*"):
        shutil.rmtree(folder)
    good = table.read_bytes()
    rows = pq.ParquetFile(table).metadata.row_group(1).column(0)
    place = rows.data_page_offset + rows.total_compressed_size - 3
    table.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
    done = type_job(root, 0, 2, 2)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"failed: {SCENES['train'][1]}: {table}" in done.stdout
    assert "error: chunk train 0 to 2 failed" in done.stderr
    assert "chunk train 2 to 3" not in done.stderr
    assert "semaphore" not in done.stderr  # left by workers
    assert all(Chunk(root, "train", 2, 3).path(d).exists() for d in DIMENSIONS)
    words = ("1 scenes is missing", SCENES["train"][1], "find_object_coverage.sh")
    check_refused(run(merger, root, "--splits", "train"), *words)
    table.write_bytes(good)
    find(run, root, "train", 0, 2)
    check_fine(run(merger, root))
    found = made_in(root)
    assert found == {name: data for name, data in expected.items() if name.startswith("train")}


# ---- questions -----------------------------------------------------------------------------------


def stale_tables(run, root) -> None:
    """Other object visibility: its images see at least a fifth of an object."""
    check_fine(run(viewer, root, "--min-visible-share", 0.2))


def test_questions_and_merge_refuse_sets_of_an_object_visibility_that_has_changed(root, run):
    stale_tables(run, root)
    before = made_in(root)
    words = (merged_coverage_path(root, "train", "height"), "stale in", "find_object_coverage.sh",
             "merge_object_coverage.py")  # fmt: skip
    check_refused(run(engine, root), *words)
    check_refused(run(merger, root), "another run", "find_object_coverage.sh")
    assert made_in(root) == before
    find_all(run, root)
    for path in root.rglob("object_perception_*"):
        path.unlink()
    check_fine(run(engine, root, ALL))
    for split in SPLITS:
        for dimension in DIMENSIONS:
            paths = [jsonl(root, split, f"{dimension}_k{k}") for k in (1, 2)]
            coverage = load_coverage(merged_coverage_path(root, split, dimension), "")
            asked = sets_asked(path for path in paths if path.exists())
            assert sorted(asked) == sorted(sets_of(coverage))


def test_questions_refuse_sets_without_provenance(root, run):
    path = merged_coverage_path(root, "val", "width")
    path.with_name(f"{path.name}.meta.json").unlink()
    check_refused(run(engine, root), path, "stale")


@pytest.mark.parametrize("inputs", [None, [], 5, {"scenes": []}, {"scenes": {"s": 1}}])
def test_questions_refuse_sets_whose_provenance_is_something_else(root, run, inputs):
    path = merged_coverage_path(root, "val", "width")
    path.with_name(f"{path.name}.meta.json").write_text(json.dumps({"inputs": inputs}))
    check_refused(run(engine, root), path, "stale")


@pytest.mark.parametrize("dimension", ["height", "width"])
def test_questions_without_merged_sets_name_the_command(root, run, dimension):
    for split in SPLITS:
        merged_coverage_path(root, split, dimension).unlink()
    words = (merged_coverage_path(root, "train", dimension), "merge_object_coverage.py")
    check_refused(run(engine, root), *words)


def test_questions_read_no_pickle(source, root, run):
    """Not even where it would run code; where the table is one, it is refused."""
    for path in root.rglob("*.pkl"):
        path.write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    check_fine(run(engine, root, "--overwrite"))
    one, two = (jsonl(where, "train", "width_k1") for where in (source, root))
    assert one.read_bytes() == two.read_bytes()
    path = merged_coverage_path(root, "train", "length")
    path.write_bytes(path.with_suffix(".pkl").read_bytes())
    check_refused(run(engine, root), path, "merge_object_coverage.py")
    assert not (REPOSITORY / "pwned").exists()


def test_an_absent_split_is_counted(root, run):
    shutil.rmtree(paths.objects_dir(root, "train"))
    done = run(engine, root)
    check_fine(done)
    assert "1 left out: train, no object_visibility.parquet" in done.stdout
    assert "object_perception_height_k1_val_3000.jsonl" in done.stdout
    shutil.rmtree(paths.objects_dir(root, "val"))
    check_refused(run(engine, root), "compute_object_visibility.py")
    check_refused(run(merger, root), "compute_object_visibility.py")


def test_a_missing_image_file_is_counted_and_no_record_names_it(root, run):
    coverage = {d: load_coverage(merged_coverage_path(root, "train", d), "") for d in DIMENSIONS}
    scene, _, (image, _) = next(s for s in sets_of(coverage["length"]) if len(s[2]) == 2)
    (posed_images_dir(root) / scene / f"{image}.jpg").unlink()
    done = run(engine, root, ALL)
    check_fine(done)
    total = 0
    for dimension in DIMENSIONS:
        sets = sets_of(coverage[dimension])
        kept = [s for s in sets if not (s[0] == scene and image in s[2])]
        files = [jsonl(root, "train", f"{dimension}_k{k}") for k in (1, 2)]
        assert sorted(sets_asked(path for path in files if path.exists())) == sorted(kept)
        total += len(sets) - len(kept)
    numbers = re.findall(r"sets with a missing image file (\d+)", done.stdout)
    assert sum(map(int, numbers)) == total > 0


def test_outputs_whose_sets_all_show_another_object_are_known_beforehand(tmp_path):
    seen = seen_object(3, image_ids(3), others=[1, 1, 0])
    alone = seen_object(3, image_ids(3))
    path = write_table(tmp_path, "train", {"s0": [seen], "s1": [alone]})
    one, two, three = image_ids(3)
    sets = {
        "s0": {
            "height_k1": {3: [(one,), (two,)]},
            "width_k1": {3: [(one,), (three,)]},
            "width_k2": {3: [(one, three), (two, three)]},
            "length_k2": {3: [(one, two)]},
        },
        "s1": {"length_k2": {3: [(one, two)]}},
    }
    assert object_sets.askable(object_table.open_objects(path), sets) == {"width_k1", "length_k2"}


ALL = "--no-require-unique-category"  # every set is asked about


def test_sets_that_show_another_object_of_the_category_are_counted_and_can_be_kept(
    source, root, run
):
    pattern = r"another object of the category in an image (\d+)"
    check_fine(run(engine, root, ALL))
    noted = sum(map(int, re.findall(pattern, run(engine, root, ALL).stdout)))
    left_out = sum(map(int, re.findall(pattern, run(engine, source).stdout)))
    assert left_out == noted > 30
    whole, rest = (sum(map(len, asked_in(where).values())) for where in (root, source))
    assert whole - rest == noted
    assert sorted(asked_in(root)) == sorted(asked_in(source))
    for split in SPLITS:
        for dimension in DIMENSIONS:
            coverage = load_coverage(merged_coverage_path(root, split, dimension), "")
            asked = [one for k in (1, 2) for one in asked_in(root).get((split, dimension, k), [])]
            assert sorted(asked) == sorted(sets_of(coverage))


def asked_in(root: Path) -> dict[tuple, list[tuple]]:
    """Sets asked about, by split, dimension and number of images."""
    keys = product(SPLITS, DIMENSIONS, (1, 2))
    paths = {(s, d, k): jsonl(root, s, f"{d}_k{k}") for s, d, k in keys}
    return {key: sets_asked([path]) for key, path in paths.items() if path.exists()}


# ---- published or not, from the first step to the last -------------------------------------------


@pytest.mark.parametrize("flags", [(), ("--published",)])
def test_every_step_refuses_tables_of_the_other_kind_and_names_the_commands(root, run, flags):
    other = () if flags else ("--published",)
    if other:  # those of the fixture have none
        check_fine(run(viewer, root, *other))
    table = paths.object_table_path(root, "train")
    flag = "".join(f" {name}" for name in flags)
    commands = (f"compute_object_visibility.py{flag}, then find_object_coverage.sh{flag}, then "
                "merge_object_coverage.py")  # fmt: skip
    words = (table, f"was made with{'out' if flags else ''} --published", commands)
    before = made_in(root)
    check_refused(run(engine, root, *flags), *words)
    check_refused(run(finder, root, *flags), *words)
    check_refused(run(coverage_job, root, *flags), *words)
    assert made_in(root) == before


def test_published_tables_and_questions_are_told_of_in_the_records(root, run):
    check_fine(run(viewer, root, "--published"))
    find_all(run, root, "--published")
    check_refused(run(engine, root), "was made with --published", "no such flag")
    check_fine(run(engine, root, "--published"))
    assert told_of(root) == ("published", 0.05, 0.0, 0.02, False, True)
    sizes = [r["gt_value"] for r in read_jsonl(jsonl(root, "train", "width_k1"))]
    assert min(sizes) < 200


def test_records_tell_by_which_constants_objects_were_seen_and_sets_found(source, root, run):
    assert told_of(source) == ("surface", 0.05, 0.2, 0.2, True, False)
    find_all(run, root, "--min-object-seen", 0.1)
    check_fine(run(engine, root))
    assert told_of(root) == ("surface", 0.05, 0.1, 0.2, True, False)


def told_of(root: Path) -> tuple:
    meta = provenance.meta_path(jsonl(root, "train", "height_k1")).read_text()
    names = ("SEEN_RULE", "MIN_VISIBLE_SHARE", "MIN_OBJECT_SEEN", "MIN_SIZE_M")
    settings = json.loads(meta)["settings"]
    return tuple(settings[n] for n in (*names, "REQUIRE_UNIQUE_CATEGORY", "published"))


def test_splits_that_were_found_with_other_constants_are_asked_about_one_by_one(root, run):
    find(run, root, "val", 0, 2, "--max-images", 24)
    check_fine(run(merger, root))
    before = made_in(root)
    words = (merged_coverage_path(root, "val", "height"), "MAX_IMAGES 24", "25", "--splits")
    check_refused(run(engine, root), *words)
    assert made_in(root) == before
    for split in SPLITS:
        check_fine(run(engine, root, "--splits", split))


def test_at_most_so_many_questions_of_each_file(root, run):
    done = run(engine, root, "--train-max-samples", 5, "--val-max-samples", 0)
    check_fine(done)
    assert "val, 0 questions were asked for" in done.stdout
    whole = jsonl(root, "train", "height_k1").read_bytes().splitlines()
    few = jsonl(root, "train", "height_k1").with_name("object_perception_height_k1_train_5.jsonl")
    assert len(few.read_bytes().splitlines()) == 5
    assert set(few.read_bytes().splitlines()) < set(whole)
    assert f"more than requested {len(whole) - 5}" in done.stdout


def test_another_version_has_a_folder_of_its_own_and_leaves_the_first(root, run):
    before = made_in(root)
    check_fine(run(engine, root, "--version", "v2_0"))
    assert made_in(root) == before
    for split in SPLITS:
        path = jsonl(root, split, "height_k1")
        assert (path.parent / "v2_0" / path.name).read_bytes() == path.read_bytes()


def test_another_seed_gives_other_sentences_about_the_same_sets(source, root, run):
    check_fine(run(engine, root, "--seed", 1))
    one, two = (jsonl(where, "train", "width_k1") for where in (source, root))
    assert sorted(sets_asked([one])) == sorted(sets_asked([two]))
    assert sorted(one.read_bytes().splitlines()) != sorted(two.read_bytes().splitlines())


def test_the_images_of_all_sets_are_among_those_drawn_for_the_object(source):
    """They are drawn by the generator of the scene, object by object: once more here."""
    for scene in SCENES["train"]:
        table = object_table.open_objects(paths.object_table_path(source, "train"))
        rng = sampling.generator(0, "object_coverage", "train", scene)
        drawn = {}
        for seen in object_table.read_scene_objects(table, scene):
            enough = np.flatnonzero(seen.visibility >= 20)
            numbers = enough[sampling.draw(rng, len(enough), min(25, len(enough)))]
            drawn[seen.object_id] = {seen.image_ids[number] for number in numbers}
        for dimension in DIMENSIONS:
            coverage = load_coverage(merged_coverage_path(source, "train", dimension), "")
            for _, object_id, images in sets_of({scene: coverage[scene]}):
                assert set(images) <= drawn[object_id]


def test_annotations_that_have_changed_since_are_not_answered_from_old_ones(root, run):
    """Another category or another box needs the object visibility made anew."""
    records = read_jsonl(jsonl(root, "train", "height_k1"))
    record = next(r for r in records if r["image"][0].startswith(SCENES["train"][0]))
    object_id = record["object_id"]

    def rename(info):
        info[object_id]["raw_category"] = "grand piano"

    change_infos(root, SCENES["train"][0], rename)
    done = run(engine, root)
    assert done.returncode != 0, done.stdout
    assert "compute_object_visibility.py" in done.stdout + done.stderr
    check_fine(run(viewer, root))
    find_all(run, root)
    check_fine(run(engine, root))
    named = {
        (r["object_id"], r["raw_category"])
        for r in read_jsonl(jsonl(root, "train", "height_k1"))
        if r["image"][0].startswith(SCENES["train"][0])
    }
    assert (object_id, "grand piano") in named


def test_no_file_of_sets_that_are_no_more_is_left(root, run):
    """With this tolerance any image covers alone, so that there is no pair any more."""
    find_all(run, root, "--tolerance", 1.0)
    check_fine(run(engine, root, ALL))
    for split in SPLITS:
        for dimension in DIMENSIONS:
            coverage = load_coverage(merged_coverage_path(root, split, dimension), "")
            folder = paths.objects_dir(root, split)
            asked = sets_asked(folder.glob(f"object_perception_{dimension}_k*_{split}_*.jsonl"))
            assert sorted(asked) == sorted(sets_of(coverage))


def test_without_any_set_the_likely_cause_is_said(root, run):
    find_all(run, root, "--min-size-m", 100)
    done = run(engine, root)
    assert done.returncode != 0
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "error: " in line]
    assert lines and all(re.search(r"\bsets?\b|cover", line) for line in lines)


def test_length_and_width_of_what_stands_askew_are_not_asked(run, tmp_path):
    objects = [seen_object(k, image_ids(3), slack=slack) for k, slack in enumerate((1.0, 1.1, 1.3))]
    found, drops = cover(run, tmp_path, objects)
    assert sorted(found["height"]) == [0, 1, 2] and "askew" not in drops["height"]
    for dimension in ("length", "width"):
        assert sorted(found[dimension]) == [0, 1]
        assert "objects that stand askew to the axes: 1" in drops[dimension]
    found, _ = cover(run, tmp_path, objects, "--max-box-slack", "1.4")
    assert all(sorted(found[dimension]) == [0, 1, 2] for dimension in DIMENSIONS)
