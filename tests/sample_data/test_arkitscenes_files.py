"""The sample video is written as the real ones are: trees, names, texts."""

from __future__ import annotations

import csv
import json
import re

import cv2
import numpy as np
import pytest
from arkit_room import NUM_FRAMES, SIZE, VIDEO, make_room, write_video

from spatial_engine.sample_data.captures.arkitscenes import TURNS, write_lists


@pytest.fixture(scope="module")
def room():
    return make_room()


@pytest.mark.parametrize("download, images", [("3dod", NUM_FRAMES), ("raw", 6 * NUM_FRAMES)])
def test_trees_and_names(tmp_path, room, download, images):
    folder = write_video(tmp_path, room, download=download, sky="Right")
    assert folder == tmp_path / "data/arkitscenes" / download / "Training" / VIDEO
    frames = folder / f"{VIDEO}_frames" if download == "3dod" else folder
    kinds = {"lowres_wide": "png", "lowres_depth": "png", "lowres_wide_intrinsics": "pincam"}
    kinds |= {"confidence": "png"} if download == "raw" else {}
    assert {path.name for path in frames.iterdir() if path.is_dir()} == {*kinds}
    for kind, ending in kinds.items():
        names = [path.name for path in (frames / kind).iterdir()]
        assert len(names) == images
        assert all(re.fullmatch(rf"{VIDEO}_\d+\.\d{{3}}\.{ending}", name) for name in names)
    assert {path.name for path in folder.iterdir() if path.suffix in (".ply", ".json")} == {
        f"{VIDEO}_3dod_mesh.ply",
        f"{VIDEO}_3dod_annotation.json",
    }


def test_names_of_images_poses_and_intrinsics_are_a_millisecond_apart(tmp_path, room):
    frames = write_video(tmp_path, room, sky="Right") / f"{VIDEO}_frames"

    def times(kind):
        return np.array(
            sorted(float(path.stem.split("_")[1]) for path in (frames / kind).iterdir())
        )

    lines = (frames / "lowres_wide.traj").read_text().splitlines()
    poses = np.array([float(line.split()[0]) for line in lines])
    for apart, least in (
        (times("lowres_wide") - times("lowres_wide_intrinsics"), 0.001),
        (times("lowres_wide") - poses, 0.0012),
    ):
        assert np.abs(apart).max() == pytest.approx(least, abs=2e-4)
        assert apart.min() < 0 < apart.max()
    assert all(re.match(r"\d+\.\d{8} ", line) and len(line.split()) == 7 for line in lines)


@pytest.mark.parametrize("sky", TURNS)
def test_images_are_stored_as_the_sensor_delivers_them(tmp_path, room, sky):
    """The floor of the room is dark and its ceiling bright, in blue."""
    frames = write_video(tmp_path, room, sky=sky) / f"{VIDEO}_frames"
    image = cv2.imread(str(next((frames / "lowres_wide").iterdir())))
    brightest = {
        "Up": image[0], "Down": image[-1], "Left": image[:, 0], "Right": image[:, -1],
    }  # fmt: skip
    means = {side: pixels[..., 0].mean() for side, pixels in brightest.items()}
    assert max(means, key=means.__getitem__) == sky
    depth = cv2.imread(str(next((frames / "lowres_depth").iterdir())), cv2.IMREAD_UNCHANGED)
    assert depth.dtype == np.uint16 and depth.shape == image.shape[:2]
    size = SIZE[::-1] if TURNS[sky] % 2 else SIZE
    text = next((frames / "lowres_wide_intrinsics").iterdir()).read_text().split()
    assert [int(text[0]), int(text[1])] == [*size] and len(text) == 6


def test_annotation_and_lists(tmp_path, room):
    folder = write_video(tmp_path, room)
    content = json.loads((folder / f"{VIDEO}_3dod_annotation.json").read_text())
    assert {"data", "skipped", "stats", "comment", "confirm"} == set(content)
    assert [item["label"] for item in content["data"]] == ["side table", "tv/monitor-set"]
    assert {item["objectId"] for item in content["data"]} == {1}
    assert {len(item["segments"]["obbAligned"]["normalizedAxes"]) for item in content["data"]} == {
        9
    }
    source = tmp_path / "data/arkitscenes"
    write_lists(source, {VIDEO: "Training"}, "3dod", sky="Left")
    (row,) = csv.DictReader((source / "3dod/3dod_train_val_splits.csv").read_text().splitlines())
    assert row == {"video_id": VIDEO, "visit_id": "NA", "fold": "Training"}
    (row,) = csv.DictReader((source / "metadata.csv").read_text().splitlines())
    assert row["sky_direction"] == "Right"  # wrong
