"""A root with rooms that many frames look at: sets of three to eight show objects apart."""

from __future__ import annotations

from pathlib import Path

from conftest import COMMANDS, made_once, run_commands, run_here

from spatial_engine.sample_data import write_scene
from spatial_engine.sample_data.scannet.labels import label_table
from spatial_engine.sample_data.scannet.scene_spec import SceneSpec
from spatial_engine.utils import paths

SIZES = {
    "num_frames": 36, "frame_repeat": 5, "color_size": (162, 121), "depth_size": (160, 120),
    "vertex_spacing": 0.06,
}  # fmt: skip
ROOMS = {"train": {"scene0000_00": "living room"}, "val": {"scene0002_00": "kitchen"}}
RELATIONS = "spatial_engine/object_relations/object_relations_engine.py"
VIEWS = "spatial_engine/object_perception/object_views_engine.py"
ASKED = ("--train-max-samples", "120", "--val-max-samples", "120")


def object_rooms(shared_folder: Path) -> Path:
    """The root, with what frames see and how they overlap; not to be written to."""

    def make(root: Path) -> None:
        for split, rooms in ROOMS.items():
            for scene_id, layout in rooms.items():
                write_scene(root / "data/scannet/scans", scene_id, layout=layout, **SIZES)
            listed = paths.scene_list_path(root, split)
            listed.parent.mkdir(parents=True, exist_ok=True)
            listed.write_text("".join(f"{scene_id}\n" for scene_id in rooms))
        paths.label_table_path(root).write_text(label_table(), encoding="utf-8")
        run_commands(COMMANDS[:5], root, "--num-workers", "1", run=run_here)

    return made_once(shared_folder / "object_rooms", make)


def spec_of(split: str, scene_id: str) -> SceneSpec:
    """The description of a room of the root."""
    return SceneSpec(scene_id, ROOMS[split][scene_id], **SIZES)
