"""Readers of ARKitScenes as targets: poses, cameras, boxes, lists, and a whole video of which one
file is damaged."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import mutations
import numpy as np
import texts
from hypothesis import strategies as st
from target import Target

sys.path.insert(0, str(Path(__file__).parents[1]))

from arkit_room import VIDEO, make_room, write_video

from spatial_engine.utils.arkitscenes_utils.boxes import read_boxes, vertices_in_boxes
from spatial_engine.utils.arkitscenes_utils.frame_poses import read_camera, read_trajectory
from spatial_engine.utils.arkitscenes_utils.video import open_capture
from spatial_engine.utils.arkitscenes_utils.video_lists import FOLDS, read_split_table
from spatial_engine.utils.geometry.cameras import is_rigid

FRAMES = f"{VIDEO}_frames"


def read_traj(path: Path) -> None:
    times, poses = read_trajectory(path)
    assert (np.diff(times) >= 0).all() and is_rigid(poses).all()


def read_pincam(path: Path) -> None:
    intrinsic, (width, height) = read_camera(path)
    assert intrinsic.shape == (3, 3) and np.isfinite(intrinsic).all()
    assert type(width) is int and width > 0 and height > 0


def read_annotation(path: Path) -> None:
    boxes = read_boxes(path)
    assert all(box.label.encode() is not None for box in boxes)
    owners = vertices_in_boxes(np.zeros((5, 3)), boxes)
    assert owners.shape == (5,) and 0 <= owners.min() <= owners.max() <= len(boxes)


def read_list(path: Path) -> None:
    folds = read_split_table(path)
    assert set(folds.values()) <= set(FOLDS) and all("/" not in video for video in folds)


def read_image(path: Path) -> None:
    """The same bytes as an image and as depth of a video that is right otherwise."""
    room = make_room(num_frames=1)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        video = write_video(Path(folder), room)
        (color,) = (video / FRAMES / "lowres_wide").iterdir()
        (depth,) = (video / FRAMES / "lowres_depth").iterdir()
        target = color if path.read_bytes()[25:26] == b"\2" else depth  # of RGB, or of one channel
        target.write_bytes(path.read_bytes())
        (picture,) = open_capture(video, VIDEO).images([0])
        assert picture.color.shape == (24, 32, 3) and picture.color.dtype == np.uint8
        assert picture.depth_mm.ndim == 2 and picture.depth_mm.dtype == np.uint16


def _written(*parts: str) -> list[bytes]:
    """Files of a sample video: those of a folder, or one."""
    with tempfile.TemporaryDirectory() as folder:
        place = write_video(Path(folder), make_room(num_frames=2)).joinpath(*parts)
        return [
            each.read_bytes() for each in (sorted(place.iterdir()) if place.is_dir() else [place])
        ]


def _annotations() -> list[bytes]:
    (whole,) = _written(f"{VIDEO}_3dod_annotation.json")
    return [whole, json.dumps({"data": [], "skipped": True}).encode()]


def _lists() -> list[bytes]:
    text = "video_id,visit_id,fold\n41069021,421267,Training\n47333462,NA,Validation\n"
    return [text.encode(), text.replace("\n", "\r\n").encode()]


POSE_LINES = st.lists(st.lists(texts.NUMBERS, min_size=6, max_size=8), max_size=4).map(
    lambda rows: "\n".join(" ".join(row) for row in rows).encode()
)
SIX = st.lists(texts.SOUND, min_size=6, max_size=6).map(lambda row: " ".join(row).encode())

ARKITSCENES_TARGETS: dict[str, Target] = {
    "arkit_traj": Target(
        read_traj,
        lambda: _written(FRAMES, "lowres_wide.traj"),
        tokens=texts.MATRIX_TOKENS,
        texts=POSE_LINES,
    ),
    "arkit_pincam": Target(
        read_pincam,
        lambda: _written(FRAMES, "lowres_wide_intrinsics"),
        tokens=texts.MATRIX_TOKENS,
        texts=SIX,
    ),
    "arkit_boxes": Target(
        read_annotation,
        _annotations,
        reshape=(mutations.json_tree,),
        tokens=texts.JSON_TOKENS,
        texts=texts.JSON,
        memory_mb=512,
    ),
    "arkit_list": Target(
        read_list,
        _lists,
        tokens=(b",", b'"', b"\r", b"\n", b"Training", b"../"),
        texts=texts.TABLES,
    ),
    "arkit_image": Target(
        read_image,
        lambda: _written(FRAMES, "lowres_wide") + _written(FRAMES, "lowres_depth"),
        tokens=(b"IDAT", b"IEND", b"PLTE", b"tRNS"),
        binary=True,
    ),
}
