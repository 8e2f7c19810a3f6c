"""Files of coverage: chunks are found, loaded with care, and joined when all of them are there."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from conftest import copy_root
from helpers import load_coverage, load_pickle, raises_one_line
from tiny_objects import (
    DIMENSIONS,
    Runner,
    check_fine,
    check_refused,
    image_ids,
    random_objects,
    seen_object,
    write_table,
)

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.object_perception import merge_object_coverage as merger
from spatial_engine.object_perception import single_object_coverage_finder as finder
from spatial_engine.utils import paths
from spatial_engine.utils.storage import locks, provenance
from spatial_engine.utils.tables import coverage_table, object_table
from spatial_engine.utils.tables.coverage_files import (
    Chunk,
    choose_chunks,
    find_chunks,
    join_chunks,
    settings_of,
)

SCENES = [f"scene{k:04d}_00" for k in range(7)]
EDGES = [0, 2, 4, 5, 7]
CHUNKS = list(pairwise(EDGES))
REMEDY = "find_object_coverage.sh"


def find(root, start, end, *flags) -> None:
    line = ["--root", str(root), "--start", str(start), "--end", str(end), *flags]
    assert finder.main(line) == 0


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A root with an object table of seven scenes and four chunks of them."""
    root, rng = tmp_path_factory.mktemp("coverage"), np.random.default_rng(0)
    write_table(root, "train", {scene: random_objects(rng, 6, 10) for scene in SCENES})
    for start, end in CHUNKS:
        find(root, start, end)
    return root


@pytest.fixture
def root(source, tmp_path):
    return copy_root(source, tmp_path)


@pytest.fixture
def run(capsys):
    return Runner(capsys)


def content_of(root) -> dict[str, str]:
    table = object_table.open_objects(paths.object_table_path(root, "train"))
    return {scene: object_table.content_digest(table, scene) for scene in table.scene_ids}


def join(root, dimension="height"):
    there, content = find_chunks(root, "train"), content_of(root)
    settings = settings_of(there, dimension, content)
    chunks = choose_chunks(there, dimension, content)
    path = root / "joined.parquet"
    assert join_chunks(chunks, dimension, path) == len(chunks)
    return load_coverage(path, ""), settings


def check_not_joined(root, run, *words) -> None:
    """Neither the function nor the command joins; both say why, and no file is made."""
    with raises_one_line(BadDataError, *words, REMEDY):
        join(root)
    check_refused(run(merger, root, "--splits", "train"), *words, REMEDY)
    assert not paths.merged_coverage_path(root, "train", "height").exists()


def test_places_are_those_of_the_contract(tmp_path):
    chunk = Chunk(tmp_path, "train", 0, 10)
    folder = tmp_path / "training_data/object_perception"
    assert chunk.folder == folder / "train_0_10"
    assert chunk.path("width") == folder / "train_0_10/train_object_coverage_width_0_10.pkl"
    assert chunk.table_path("width") == chunk.path("width").with_suffix(".parquet")
    merged = paths.merged_coverage_pickle_path(tmp_path, "val", "height")
    assert merged == (
        tmp_path / "evaluation_data/object_perception/merged_val_object_coverage_height.pkl"
    )
    assert merged.with_suffix(".parquet") == paths.merged_coverage_path(tmp_path, "val", "height")


def test_all_chunks_together_hold_what_one_chunk_of_all_scenes_holds(root, tmp_path_factory):
    whole = tmp_path_factory.mktemp("whole")
    copy_root(paths.objects_dir(root, "train"), paths.objects_dir(whole, "train"))
    for start, end in CHUNKS:
        shutil.rmtree(Chunk(whole, "train", start, end).folder)
    find(whole, 0, 7)
    sets = 0
    for dimension in DIMENSIONS:
        coverage, settings = join(root, dimension)
        expected = load_pickle(Chunk(whole, "train", 0, 7).path(dimension))
        assert coverage == expected == join(whole, dimension)[0]
        assert list(coverage) == SCENES
        assert settings["seed"] == 0 and settings["MAX_IMAGES"] == 25
        sets += sum(
            len(s) for scene in coverage.values() for by_k in scene.values() for s in by_k.values()
        )
    assert sets > 50


def test_scenes_without_objects_and_objects_without_sets_are_there(tmp_path, run):
    """The one object of the second scene is seen by an image that shows a hundredth of it."""
    hidden = seen_object(4, image_ids(1))
    hidden.high[:] = hidden.size / 100
    scenes = {"s0": [], "s1": [hidden], "s2": [seen_object(1, image_ids(2))]}
    write_table(tmp_path, "train", scenes)
    find(tmp_path, 0, 1)
    find(tmp_path, 1, 3)
    check_fine(run(merger, tmp_path))
    for dimension in DIMENSIONS:
        path = paths.merged_coverage_path(tmp_path, "train", dimension)
        assert load_coverage(path, "") == {
            "s0": {},
            "s1": {},
            "s2": {1: {1: [("00000",), ("00005",)]}},
        }


def test_merged_files_hold_the_same_and_a_second_start_leaves_them(root, run):
    check_fine(run(merger, root))
    merged = [paths.merged_coverage_path(root, "train", d) for d in DIMENSIONS]
    for path, dimension in zip(merged, DIMENSIONS, strict=True):
        by_user = load_pickle(paths.merged_coverage_pickle_path(root, "train", dimension))
        assert by_user == load_coverage(path, "") == join(root, dimension)[0]
    before = [path.stat().st_mtime_ns for path in merged]
    done = run(merger, root)
    check_fine(done)
    assert done.stdout.count("up to date") == 6  # tables and pickles
    assert [path.stat().st_mtime_ns for path in merged] == before


@pytest.mark.parametrize(
    ("gone", "scenes"),
    [(0, SCENES[:2]), (1, SCENES[2:4]), (2, SCENES[4:5]), (3, SCENES[5:])],
)
def test_a_gap_is_named_with_its_scenes_and_its_place(root, run, gone, scenes):
    shutil.rmtree(Chunk(root, "train", *CHUNKS[gone]).folder)
    named = f"({', '.join(scenes)}; from number {CHUNKS[gone][0]} on)"
    check_not_joined(root, run, f"{len(scenes)} scenes is missing", named)


def test_of_many_missing_scenes_some_are_named(root):
    for chunk in CHUNKS[1:]:
        shutil.rmtree(Chunk(root, "train", *chunk).folder)
    with raises_one_line(BadDataError, f"{', '.join(SCENES[2:7])}; from number 2 on"):
        join(root)
    shutil.rmtree(Chunk(root, "train", *CHUNKS[0]).folder)
    find(root, 6, 7)
    with raises_one_line(BadDataError, "6 scenes", f"{SCENES[4]}, ...; from number 0 on"):
        join(root)


@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 3), (0, 7), (4, 6), (5, 9)])
def test_chunks_of_several_sizes_are_merged_as_one_and_all_stay(root, run, start, end):
    expected = {d: join(root, d)[0] for d in DIMENSIONS}
    find(root, start, end)
    held = {(chunk.start, chunk.end) for chunk in find_chunks(root, "train")}
    assert held == {*CHUNKS, (start, end)}
    check_fine(run(merger, root))
    for dimension in DIMENSIONS:
        path = paths.merged_coverage_path(root, "train", dimension)
        assert load_coverage(path, "") == expected[dimension]


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_missing_part_file_is_named(root, run, dimension):
    path = Chunk(root, "train", 2, 4).table_path(dimension)
    path.unlink()
    with raises_one_line(MissingInputError, path, "no such file", REMEDY):
        join(root, dimension)
    check_refused(run(merger, root), path, REMEDY)


def test_no_chunk_at_all_is_said(root, run):
    for start, end in CHUNKS:
        shutil.rmtree(Chunk(root, "train", start, end).folder)
    check_refused(run(merger, root), paths.objects_dir(root, "train"), "train_*_*", REMEDY)


def test_a_chunk_of_an_object_table_that_has_changed_is_named(root, run):
    table = object_table.open_objects(paths.object_table_path(root, "train"))
    scenes = {scene: object_table.read_scene_objects(table, scene) for scene in SCENES}
    first = scenes[SCENES[3]][0]
    scenes[SCENES[3]][0] = replace(first, counts=first.counts + 1)
    write_table(root, "train", scenes)
    path = Chunk(root, "train", 2, 4).table_path("height")
    check_not_joined(root, run, path, SCENES[3], "another run")
    find(root, 2, 4)
    check_fine(run(merger, root))


def read_objects(root) -> dict:
    table = object_table.open_objects(paths.object_table_path(root, "train"))
    return {scene: object_table.read_scene_objects(table, scene) for scene in table.scene_ids}


def chunks_of(root) -> list[tuple[int, int]]:
    return [(chunk.start, chunk.end) for chunk in find_chunks(root, "train")]


def run_all(root, size, *flags) -> None:
    """What the bash job does with all scenes, `size` to a chunk."""
    scenes = len(content_of(root))
    for start in range(0, scenes, size):
        find(root, start, min(start + size, scenes), *flags)


LISTS = {  # another list of scenes: which chunks of the old one are of no use any more
    "a scene more at the end": ([*SCENES, "scene9999_00"], []),
    "a scene more at the start": (["scene-1_00", *SCENES], CHUNKS[1:]),
    "the last scene gone": (SCENES[:-1], [(5, 7)]),
    "the first scene gone": (SCENES[1:], CHUNKS),
    "two scenes left": (SCENES[3:5], CHUNKS),
    "all others": (["scene8888_00"], CHUNKS),
}


@pytest.mark.parametrize("size", [1, 3, 10])
@pytest.mark.parametrize("name", LISTS)
def test_after_another_list_the_job_and_the_merge_go_through(root, run, name, size):
    """And give what they give where there are no old chunks."""
    listed, useless = LISTS[name]
    objects = read_objects(root)
    spare = random_objects(np.random.default_rng(1), 3, 10)
    write_table(root, "train", {scene: objects.get(scene, spare) for scene in sorted(listed)})
    new = len(listed)
    run_all(root, size)
    asked = {(k, min(k + size, new)) for k in range(0, new, size)}
    assert asked <= set(chunks_of(root)) <= {*asked, *CHUNKS} - ({*useless} - asked)
    check_fine(run(merger, root))
    found = {d: load_coverage(paths.merged_coverage_path(root, "train", d), "") for d in DIMENSIONS}
    for start, end in chunks_of(root):
        shutil.rmtree(Chunk(root, "train", start, end).folder)
    find(root, 0, new)
    assert chunks_of(root) == [(0, new)]
    for dimension in DIMENSIONS:
        assert list(found[dimension]) == sorted(listed)
        assert found[dimension] == join(root, dimension)[0]


def test_the_merge_alone_passes_over_scenes_that_are_no_more(root, run):
    objects = read_objects(root)
    write_table(root, "train", {scene: objects[scene] for scene in SCENES[:-1]})
    check_fine(run(merger, root))
    held = load_coverage(paths.merged_coverage_path(root, "train", "height"), "")
    assert list(held) == SCENES[:-1]
    assert chunks_of(root) == CHUNKS


@pytest.mark.parametrize("size", [1, 3, 10])
def test_chunks_of_other_constants_are_replaced_whatever_their_size(root, run, size):
    run_all(root, size, "--seed", "1")
    assert chunks_of(root) == [(k, min(k + size, 7)) for k in range(0, 7, size)]
    check_fine(run(merger, root))
    meta = provenance.read_meta(paths.merged_coverage_path(root, "train", "height"))
    assert meta["inputs"]["found with"]["seed"] == 1


def test_of_two_machines_none_removes_what_the_other_has_made(root, run):
    """The list has lost its first scene; one takes all up to 3 by twos, the other the rest by
    threes, and a chunk of the second is being made while the first is at its last."""
    objects = read_objects(root)
    write_table(root, "train", {scene: objects[scene] for scene in SCENES[1:]})
    find(root, 0, 2)
    find(root, 3, 6)
    assert {(0, 2), (3, 6)} <= set(chunks_of(root))
    at_work = Chunk(root, "train", 2, 4).folder / "coverage.parts"
    with locks.locked(at_work):
        find(root, 2, 3)
    assert set(chunks_of(root)) == {(0, 2), (2, 3), (2, 4), (3, 6)}
    assert at_work.exists()  # as a killed run leaves it
    find(root, 2, 3)
    assert chunks_of(root) == [(0, 2), (2, 3), (3, 6)]
    check_fine(run(merger, root))


def test_a_stale_chunk_stays_while_it_alone_holds_a_scene(root):
    objects = read_objects(root)
    write_table(root, "train", {scene: objects[scene] for scene in SCENES[1:]})
    find(root, 0, 1)  # the one scene that is left of (0, 2)
    assert set(chunks_of(root)) == {(0, 1), *CHUNKS[1:]}
    find(root, 1, 2)
    assert set(chunks_of(root)) == {(0, 1), (1, 2), *CHUNKS[1:]}
    find(root, 2, 3)
    assert set(chunks_of(root)) == {(0, 1), (1, 2), (2, 3), *CHUNKS[2:]}


def test_a_chunk_of_which_a_scene_failed_lets_no_other_be_removed(root, monkeypatch):
    objects = read_objects(root)
    write_table(root, "train", {scene: objects[scene] for scene in SCENES[1:]})
    real = object_table.read_scene_objects

    def fail(table, scene_id):
        if scene_id == SCENES[2]:
            raise BadDataError("damaged")
        return real(table, scene_id)

    monkeypatch.setattr(object_table, "read_scene_objects", fail)
    assert finder.main(["--root", str(root), "--start", "0", "--end", "6"]) == 1
    assert (2, 4) in chunks_of(root)
    assert set(join(root)[0]) == set(SCENES[1:])


def test_a_removal_that_was_stopped_half_way_is_finished(root):
    gone = Chunk(root, "train", 5, 7).folder
    left = gone.rename(f"{gone}.partial")
    find(root, 0, 7)
    assert not left.exists() and set(chunks_of(root)) == {*CHUNKS[:-1], (0, 7)}


@pytest.mark.parametrize(
    "flags", [("--seed", "1"), ("--tolerance", "0.2"), ("--max-images", "3"), ("--min-size-m", "1")]
)
def test_a_chunk_made_with_other_constants_is_named(root, run, flags):
    find(root, 4, 5, *flags)
    check_not_joined(root, run, Chunk(root, "train", 4, 5).table_path("height"), "other constants")
    settings = provenance.read_meta(Chunk(root, "train", 0, 2).path("height"))["settings"]
    flag = flags[0][2:].replace("-", "_")
    flag = flag if flag == "seed" else flag.upper()
    for start, end in CHUNKS:
        find(root, start, end, *flags)
    check_fine(run(merger, root))
    meta = provenance.read_meta(paths.merged_coverage_path(root, "train", "height"))
    assert meta["inputs"]["found with"] == settings | {flag: float(flags[1])}


def test_a_part_without_its_provenance_is_not_taken(root, run):
    provenance.meta_path(Chunk(root, "train", 5, 7).path("height")).unlink()
    check_not_joined(root, run, Chunk(root, "train", 5, 7).table_path("height"))


@pytest.mark.parametrize("inputs", [None, [], 5, {SCENES[4]: 1}])
def test_a_part_whose_provenance_is_something_else_is_not_taken(root, run, inputs):
    path = Chunk(root, "train", 4, 5).path("height")
    meta = {**provenance.read_meta(path), "inputs": inputs}
    provenance.meta_path(path).write_text(json.dumps(meta))
    check_not_joined(root, run, Chunk(root, "train", 4, 5).table_path("height"), SCENES[4])


def test_a_damaged_part_is_named(root, run):
    path = Chunk(root, "train", 2, 4).table_path("height")
    data = path.read_bytes()
    for damaged in (b"", data[:-7], b"no table", data[:4] + b"\xff" * 9 + data[13:]):
        path.write_bytes(damaged)
        with raises_one_line(BadDataError, path, REMEDY):
            join(root)
        check_refused(run(merger, root, "--splits", "train"), path, REMEDY)


def test_a_pickle_is_never_read(root, run):
    """Not even where it would run code; what it held comes from the table."""
    for start, end in CHUNKS:
        path = Chunk(root, "train", start, end).path("height")
        path.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    check_fine(run(merger, root))
    assert list(join(root)[0]) == SCENES


def test_chunks_with_pickles_alone_are_made_again(root, run):
    """As code before the tables has left them."""
    expected = {d: join(root, d)[0] for d in DIMENSIONS}
    for start, end in CHUNKS:
        for dimension in DIMENSIONS:
            Chunk(root, "train", start, end).table_path(dimension).unlink()
    check_refused(run(merger, root), "no such file", REMEDY)
    run_all(root, 3)
    check_fine(run(merger, root))
    for dimension in DIMENSIONS:
        path = paths.merged_coverage_path(root, "train", dimension)
        assert load_coverage(path, "") == expected[dimension]


def test_folders_and_files_of_a_like_name_are_no_chunks(root):
    expected = find_chunks(root, "train")
    assert [(c.split, c.start, c.end) for c in expected] == [("train", *c) for c in CHUNKS]
    folder = paths.objects_dir(root, "train")
    for name in ("train_0_2.old", "train_0_2_4", "train_a_b", "my_train_7_9", "train_7_", "val_0_7",
                 "train_-1_2", "train_7_9x", "train_٧_٩"):  # fmt: skip
        (folder / name).mkdir()
    (folder / "train_7_9").write_text("a file")
    assert find_chunks(root, "train") == expected
    assert [c.end for c in find_chunks(root, "val")] == []
    assert join(root)[0].keys() == set(SCENES)


def test_a_folder_with_zeros_before_its_number_is_no_second_chunk(root):
    """Its files would have other names than those of the chunk."""
    (paths.objects_dir(root, "train") / "train_00_2").mkdir()
    assert [(c.start, c.end) for c in find_chunks(root, "train")] == CHUNKS


def test_chunks_come_by_number_not_by_name(tmp_path):
    edges = [0, 2, 10, 100]
    for start, end in pairwise(edges):
        Chunk(tmp_path, "val", start, end).folder.mkdir(parents=True)
    assert [c.start for c in find_chunks(tmp_path, "val")] == edges[:-1]


SETS = {"s": {3: {1: [("a",)], 2: [("b", "c"), ("a", "c")]}, 0: {2: [("a", "b")]}}, "t": {}}


def write_sets(path, coverage) -> None:
    parts = []
    for number, (scene, by_object) in enumerate(coverage.items()):
        parts.append(path.with_name(f"part{number}"))
        coverage_table.write_scene_sets(parts[-1], scene, by_object)
    coverage_table.merge_sets(parts, path)


def test_sets_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "x.parquet"
    write_sets(path, SETS)
    found = load_coverage(path, "")
    assert found == SETS and repr(found) == repr(SETS)  # in the same order
    with raises_one_line(MissingInputError, tmp_path / "none.parquet", "make it again"):
        load_coverage(tmp_path / "none.parquet", "make it again")


def test_sets_that_cannot_be_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "x.parquet"
    write_sets(path, {"s": {3: {0: [()]}}})
    with raises_one_line(BadDataError, path, "a set of no image", "make it again"):
        load_coverage(path, "make it again")
    write_sets(path, SETS)
    monkeypatch.setattr(coverage_table, "MAX_BYTES", 10)
    with raises_one_line(BadDataError, path, "over 10", "make it again"):
        load_coverage(path, "make it again")
    path.write_bytes(pickle.dumps(SETS))
    with raises_one_line(BadDataError, path, "make it again"):
        load_coverage(path, "make it again")


def test_provenance_of_a_part_tells_sets_and_reasons(root):
    meta = json.loads(provenance.meta_path(Chunk(root, "train", 0, 2).path("height")).read_text())
    held = load_pickle(Chunk(root, "train", 0, 2).path("height"))
    sets = [s for scene in held.values() for by_k in scene.values() for s in by_k.items()]
    for k in (1, 2):
        assert meta["notes"][f"sets of {k}"] == sum(len(found) for n, found in sets if n == k)
    assert meta["drops"]["objects that no images cover"] == 12 - sum(map(len, held.values())) > 0


def test_scenes_that_would_leave_their_folder_are_refused(tmp_path):
    path = tmp_path / "x.parquet"
    for scene in ("../s", "/s", "a\nb", ""):
        write_sets(path, {scene: {}})
        with raises_one_line(BadDataError, path, "is not a valid id"):
            load_coverage(path, "")
