"""One room in all formats: the same answers as by ScanNet's route, within what a format rounds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from captures.one_room import (
    FRAMES,
    ROUTES,
    SCANNET_SCENE,
    SIZE,
    Route,
    ask,
    frames_of,
    pairs,
    prepare,
    records,
    write_room,
)
from conftest import link_root, made_once, run_here

from spatial_engine.sample_data.captures.room import make_room, room_truth
from spatial_engine.utils.paths import visibility_table_path
from spatial_engine.utils.tables.visibility_table import SURFACE, VisibilityInfoHandler

OTHERS = [name for name in ROUTES if name != "scannet"]
WITH_OBJECTS = [name for name, route in ROUTES.items() if route.has_objects]
# Boxes of ARKitScenes overlap, and a vertex in two is of the smaller. So the bed and the dresser
# have other sizes, by so much at most; all others differ by what rounds a millimetre.
BOX_MM, BOX_OBJECTS = 120, 2


@pytest.fixture(scope="session")
def rooms_root(shared_folder) -> Path:
    """A root with the room in all formats, asked about in each; not to be written to."""

    def make(folder: Path) -> None:
        room = make_room(SIZE, SIZE, num_frames=FRAMES)
        write_room(room, folder)
        for route in ROUTES.values():
            for done in prepare(route, folder, room.frames[0].K) + ask(route, folder):
                assert done.returncode == 0, f"{done.args}\n{done.stdout}\n{done.stderr}"

    return made_once(shared_folder / "rooms", make)


@pytest.fixture(scope="module")
def truth():
    return room_truth(SIZE, num_frames=FRAMES)


@pytest.fixture(scope="module")
def of_scannet(rooms_root) -> dict[tuple[str, ...], dict]:
    """All nine camera answers of each pair of frames that ScanNet's route asks about."""
    found = records(rooms_root, "scannet", "camera_movement/v1_0/*.jsonl")
    return {tuple(frames_of(record)): record["answer_values"] for record in found}


def wrapped(degrees: float) -> float:
    return abs((degrees + 180) % 360 - 180)


@pytest.mark.parametrize("route", [ROUTES[name] for name in OTHERS], ids=OTHERS)
def test_camera_answers_are_those_of_scannet(route: Route, rooms_root, of_scannet):
    compared = 0
    for record in records(rooms_root, route.dataset, "camera_movement/v1_0/*.jsonl"):
        other = of_scannet.get(tuple(frames_of(record)))
        for name, value in record["answer_values"].items() if other else ():
            if value is None or isinstance(value, str):
                # A direction that is not asked about may be of a motion close to none.
                assert value == other[name] or record["question_type"] != name, (record, other)
            else:
                off = np.abs(np.subtract(value, other[name])).max()
                assert off <= route.rounding.whole, (name, record["id"], value, other[name])
        compared += other is not None
    assert compared > 80


@pytest.fixture(scope="module")
def surface_overlap(rooms_root) -> dict[tuple[str, str], float]:
    """Percent of the surface points of two frames of ScanNet's route that both show: the overlap of
    other data sets is by this rule."""
    table = VisibilityInfoHandler(visibility_table_path(rooms_root, "train"), SURFACE)
    scene = table.load_scene(SCANNET_SCENE)
    seen = {image_id: set(scene.points(image_id).tolist()) for image_id in scene.image_ids}
    return {
        (one, other): 100 * len(seen[one] & seen[other]) / max(len(seen[one] | seen[other]), 1)
        for one in seen
        for other in seen
    }


@pytest.mark.parametrize("route", [ROUTES[name] for name in OTHERS], ids=OTHERS)
def test_frames_relate_as_those_of_scannet(route: Route, rooms_root, surface_overlap):
    mine, other, allowed = (
        pairs(rooms_root, route.dataset),
        pairs(rooms_root, "scannet"),
        route.rounding,
    )
    assert mine.keys() == other.keys() and len(mine) == 66
    for key, row in mine.items():
        assert abs(row["distance"] - other[key]["distance"]) <= allowed.metres, key
        for name in ("yaw", "pitch"):
            assert wrapped(row[name] - other[key][name]) <= allowed.degrees, (name, key)
        assert abs(row["overlap"] - surface_overlap[key]) <= allowed.overlap, key


@pytest.mark.parametrize("route", list(ROUTES.values()), ids=ROUTES)
def test_depth_answers_are_those_of_the_exact_room(route: Route, rooms_root, truth):
    off = []
    for record in records(rooms_root, route.dataset, "depth_*/v1_0/*.jsonl"):
        told = record["points_info"]
        pixels = np.array([[point["x"], point["y"]] for point in told]) / 1000 * SIZE
        _, true = truth.shown(frames_of(record)[0], pixels)
        off.extend(np.abs(1000 * true - [point["depth_mm"] for point in told]))
    assert len(off) > 100
    found = np.percentile(off, [50, 95, 100])
    assert (found <= route.rounding.depth_mm).all(), found


@pytest.mark.parametrize("route", list(ROUTES.values()), ids=ROUTES)
def test_matches_are_those_of_the_exact_room(route: Route, rooms_root, truth):
    found = list(records(rooms_root, route.dataset, "visual_correspondence_*/v1_0/*.jsonl"))
    assert {record["task"] for record in found} == {
        "correspondence_coor",
        "correspondence_multichoice",
    }
    for record in found:
        match = record["p2"] if "p2" in record else record["options"][record["gt_value"]]
        first, second = frames_of(record)
        point, _ = truth.shown(first, np.array([record["p1"]]) / 1000 * SIZE)
        pixel, _ = truth.pixels(second, point)
        off = np.abs(pixel / SIZE * 1000 - match).max()
        assert off <= route.rounding.thousandths, (record["id"], off)


def test_object_sizes_are_those_of_scannet(rooms_root):
    sizes = {
        name: {
            (record["object_id"], record["task"]): record["gt_value"]
            for record in records(rooms_root, name, "object_perception/*.jsonl")
        }
        for name in WITH_OBJECTS
    }
    assert len(sizes["scannet"]) > 40 and sizes["scannetpp"] == sizes["scannet"]
    shared = sizes["arkitscenes"].keys() & sizes["scannet"].keys()
    off = {key: abs(sizes["arkitscenes"][key] - sizes["scannet"][key]) for key in shared}
    assert len(shared) > 40 and max(off.values()) <= BOX_MM
    assert len({key[0] for key in off if off[key] > 1}) <= BOX_OBJECTS, off


# ---- all data sets together ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def own_root(rooms_root, tmp_path_factory) -> Path:
    """The root, to be written to."""
    return link_root(rooms_root, tmp_path_factory.mktemp("rooms") / "root")


def test_the_audit_judges_every_record_of_every_data_set(own_root):
    done = run_here("spatial_engine/audit/audit_labels.py", own_root, "--tables")
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((own_root / "label_audit.json").read_text())["files"]
    for name, file in told.items():
        assert file["checked"] == file["agree"] == file["in_file"], (name, file)
    judged = sum(file["in_file"] for file in told.values() if file["unit"] == "records")
    written = sum(
        len(path.read_bytes().splitlines()) for path in own_root.glob("training_data/**/*.jsonl")
    )
    assert judged == written > 2500


@pytest.mark.parametrize(
    "flags", [("--num-workers", "2"), ("--dataset", "own_tum")], ids=["all", "one"]
)
@pytest.mark.parametrize(
    "command",
    [
        "checks/check_records",
        "checks/check_inputs",
        "report/make_report",
        "report/make_contact_sheets",
    ],
)
def test_what_is_made_of_all_is_made_of_one(command, flags, own_root):
    done = run_here(f"spatial_engine/{command}.py", own_root, *flags)
    assert done.returncode == 0, done.stdout + done.stderr
    if command == "checks/check_inputs":
        assert "0 suspect" in done.stdout


@pytest.mark.parametrize("route", list(ROUTES.values()), ids=ROUTES)
def test_every_scene_is_shown(route: Route, own_root):
    done = run_here("spatial_engine/report/view_scene.py", own_root, route.scene)
    assert done.returncode == 0, done.stdout + done.stderr
