"""What the published rules and constants give, on one small input that is kept, stays the same.

Records to the byte, pickles by what they hold.

The input (`published/input.tar.xz`): two scenes and four clips in raw formats, of few frames, with
grey pictures and coarse vertices and depths. The digests were taken from the engine before it asked
by other rules than the published ones.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import tarfile
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent / "published"
DIGESTS = json.loads((HERE / "digests.json").read_text())
AS_PUBLISHED = ("--published",)
FEW = (*AS_PUBLISHED, "--train-max-samples", "60", "--val-max-samples", "20")
SCANNET, DEPTH = "utils.scannet_utils", "depth_perception"
OBJECTS, MOVEMENT = "object_perception", "object_movement"
CORRESPONDENCE = "visual_correspondence.visual_correspondence_qa_engine"
COMMANDS = (
    (f"{SCANNET}.batch_load_scannet_data",),
    (f"{SCANNET}.extract_posed_images",),
    (f"{SCANNET}.update_info_file_with_images",),
    (f"{SCANNET}.make_visibility_info",),
    ("camera_movement.calculate_frames_relations",),
    ("camera_movement.camera_movement_engine_train_val", *FEW),
    (f"{DEPTH}.depth_estimation_dot_engine", *FEW),
    (f"{DEPTH}.depth_estimation_coor_engine", *FEW),
    (f"{DEPTH}.depth_comparison_dot_engine", *FEW),
    (f"{DEPTH}.depth_comparison_coor_engine", *FEW),
    (f"{CORRESPONDENCE}_dot_2_multichoice", *FEW),
    (f"{CORRESPONDENCE}_coor_2_coor", *FEW),
    (f"{OBJECTS}.compute_object_visibility", *AS_PUBLISHED),
    (f"{OBJECTS}.single_object_coverage_finder", "--split", "train", *AS_PUBLISHED),
    (f"{OBJECTS}.single_object_coverage_finder", "--split", "val", *AS_PUBLISHED),
    (f"{OBJECTS}.merge_object_coverage",),
    (f"{OBJECTS}.single_object_perception_engine", *AS_PUBLISHED),
    (f"{MOVEMENT}.single_object_movement_engine_coord", *AS_PUBLISHED),
    (f"{MOVEMENT}.single_object_movement_engine_dot", *AS_PUBLISHED),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    with tarfile.open(HERE / "input.tar.xz") as archive:
        safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(folder, **safely)
    for module, *flags in COMMANDS:
        command = import_module(f"spatial_engine.{module}")
        workers = ("--num-workers", "1")
        assert command.main(["--root", str(folder), *workers, *flags]) == 0, module
    return folder


def digest(path: Path) -> str:
    """Of the bytes of a file of records, of what a pickle holds."""
    data = path.read_bytes()
    if path.suffix == ".pkl":
        held = plain(pickle.loads(data))
        data = json.dumps(held).encode()
    return hashlib.sha256(data).hexdigest()[:16]


def plain(value: Any) -> Any:
    """What a pickle holds as lists: dictionaries in their order, arrays with their types."""
    if isinstance(value, dict):
        return [[plain(key), plain(held)] for key, held in value.items()]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *map(plain, value)]
    if isinstance(value, np.ndarray | np.generic):
        return [str(value.dtype), value.tolist()]
    return value


def test_every_record_and_every_pickle_is_as_it_was(root):
    found = {
        path.relative_to(root).as_posix(): digest(path)
        for path in root.rglob("*")
        if path.suffix in (".jsonl", ".pkl")
    }
    assert found == DIGESTS


def test_evaluation_is_asked_in_the_sentences_of_training(root):
    """The published engine has no sentences for evaluation alone."""
    wordings = {
        json.loads(line)["wording"]
        for path in (root / "evaluation_data").rglob("*.jsonl")
        for line in path.read_text().splitlines()
    }
    assert wordings == {"seen"}
