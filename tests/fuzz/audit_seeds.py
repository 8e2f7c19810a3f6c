"""Small whole files of what the audit reads: raw scans and clips, records, tables about objects.

They are made by the plain code of the oracles' own tests, not by the engine, in a root of its own
that is made once in a process. The audit agrees with all of it (tests/whole/test_fuzz_short.py).
"""

from __future__ import annotations

import functools
import io
import itertools
import json
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import seeds
from PIL import Image
from target import new_folder

from spatial_engine.audit.raw.scene import RawScene
from spatial_engine.utils.questions.record_files import RecordFile, to_uniform

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "audit"))

import test_correspondence_oracle as correspondence
import test_depth_oracle as depth
import test_movement_oracle as movement
import test_object_oracle as objects
import test_oracle as scans

SCENE = scans.SCENE
SIZE = (160, 120)
K = np.array([[80, 0, 80, 0], [0, 80, 60, 0], [0, 0, 1, 0], [0, 0, 0, 1]], float)
CLIPS = {"adt": "Apartment_release_meal_seq1_8", "pstudio": "boxes_11"}
CLIP_SIZE = (320, 240)  # a dot of 3 px: those of smaller pictures are looked at less closely
SPLITS = ("train", "val")
RECORDS = "records"  # the folder below the root that files of records are checked in
POINTS = 160


class Marked(NamedTuple):
    """A picture with marks, that of its frame, and where in it they are, by colour."""

    data: bytes
    source: np.ndarray
    places: list[tuple[tuple[float, float], tuple[int, ...]]]


# ---- raw data ------------------------------------------------------------------------------------


def _write_lists(root: Path) -> None:
    meta = root / "data/scannet/meta_data"
    meta.mkdir(parents=True)
    (meta / "scannetv2-labels.combined.tsv").write_bytes(seeds.label_tables()[0])
    for split in SPLITS:
        (meta / f"scannetv2_{split}.txt").write_text(f"{SCENE}\n")
        for dataset, clip in CLIPS.items():
            folder = root / "data/tapvid3d_dataset/meta_data" / dataset
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{split}.txt").write_text(f"{clip}\n")


def write_small_scan(root: Path) -> None:
    """A scan of a few bytes: two frames that can be asked about, 12 vertices, two objects."""
    poses = scans.every_fifth([scans.pose(scans.EAST, 0, 0, 0), scans.pose(scans.EAST, 0, -1, 0)])
    points = [(2 + k / 20, (k % 4) - 2, (k // 4) - 1) for k in range(12)]
    scans.write_scene(
        root, poses, [scans.flat(4000)] * 6, points, alignment=np.eye(4),
        colours=[seeds.jpegs()[0], *[b""] * 4, seeds.jpegs()[1]],
        segments=[k // 4 for k in range(12)],
        groups=[(0, [0, 1], "office chair"), (1, [1, 2], "wall")],
    )  # fmt: skip
    _write_lists(root)


def small_file(name: str) -> list[bytes]:
    """One of the files of that scan, by the end of its name."""
    with tempfile.TemporaryDirectory() as folder:
        write_small_scan(Path(folder))
        return [(scan_folder(Path(folder)) / f"{SCENE}{name}").read_bytes()]


def scan_folder(root: Path) -> Path:
    return root / "data/scannet/scans" / SCENE


@functools.lru_cache(1)
def _root() -> Path:
    return new_folder() / "root"


@functools.lru_cache(1)
def made_root() -> Path:
    """A root with a scan that every kind of question can be asked about, and two clips."""
    root = _root()
    rng = np.random.default_rng(3)
    points = rng.uniform((1.5, -4.5, -1), (3.2, 3, 1), (POINTS, 3))
    points[:20] = rng.uniform((2, -0.3, -0.3), (2.4, 0.3, 0.3), (20, 3))
    poses = [
        scans.pose(scans.EAST, 0, 0, 0), scans.pose(scans.EAST, 0.1, -2.8, 0.1),
        scans.pose(scans.EAST_UP30, 0, -0.4, -0.6),
    ]  # fmt: skip
    colours = [
        movement.noise_jpeg(rng, SIZE) if k % 5 == 0 else b"" for k in range(5 * len(poses) - 4)
    ]
    segments = [1] * 20 + [2] * 20 + [3] * (POINTS - 40)
    groups = [(0, [1], "chair"), (1, [2, 9], "table"), (2, [3], "floor"), (3, [77], "lamp")]
    scans.write_scene(
        root, scans.every_fifth(poses), [scans.flat(4000)] * len(colours), points, k=K,
        colour=SIZE, colours=colours, segments=segments, groups=groups,
    )  # fmt: skip
    _write_lists(root)
    for dataset in CLIPS:
        made_clip(dataset)
    (root / RECORDS).mkdir()
    return root


@functools.lru_cache(1)
def made_scene() -> RawScene:
    return RawScene(made_root(), SCENE)


@functools.lru_cache(2)
def made_clip(dataset: str) -> movement.Clip:
    return movement.make_clip(_root(), dataset, CLIPS[dataset], CLIP_SIZE, 1)


def clips() -> list[bytes]:
    """Two groups of points, large enough to be kept, in three frames of few pixels."""
    rng = np.random.default_rng(0)
    tracks = np.tile(rng.uniform([-0.5, -0.5, 2], [0.5, 0.5, 3], (14, 3)), (3, 1, 1))
    tracks[1:, :7] += 0.3
    tracks[2, 7:] *= 1.01
    changes: dict[str, Any] = {"tracks_XYZ": tracks.astype(np.float32)}
    changes["visibility"] = rng.random((3, 14)) < 0.8
    items = np.empty(3, object)
    items[:] = seeds.jpegs()[:1] * 3
    return [
        seeds.npz(**changes),
        seeds.npz(**changes | {"tracks_XYZ": np.asfortranarray(tracks)}),
        seeds.npz(**changes, images_jpeg_bytes=items),
        *seeds.clips(),
    ]


# ---- records -------------------------------------------------------------------------------------


def _records_folder() -> Path:
    return made_root() / RECORDS


def camera_records(split: str) -> list[dict]:
    truth = scans.camera_truth(made_scene(), "00000", "00005")
    answers = {
        name: [round(float(x)) for x in truth[name]] if name == "displacement_vector"
        else truth[name] if truth[name] is None or isinstance(truth[name], str)
        else round(truth[name])
        for name in scans.QUESTION_TYPES
    }  # fmt: skip
    shared = scans.overlap(made_scene(), "00000", "00005").value
    made = []
    for name in ("x_movement", "yaw_angle", "total_distance", "displacement_vector"):
        record = scans.make_record(name, split)
        said = scans.ANSWERED_TEXT[name]
        record |= {"answer_values": answers, "gt_value": answers[name], "overlap": shared}
        record |= {"height_list": [SIZE[1]] * 2, "width_list": [SIZE[0]] * 2}
        if split == "train":
            answer = answers[name]
            text = f"[ {' , '.join(map(str, answer))} ]" if type(answer) is list else str(answer)
            turn = record["conversations"][1]
            turn["value"] = turn["value"].replace(f"`{said}`", f"`{text}`")
        made.append(record)
    return made


def depth_records(split: str) -> list[dict]:
    return [
        depth.make_record(_records_folder(), made_scene(), question_type, split, "00000", seed)
        for seed, question_type in enumerate(depth.QUESTION_TYPES)
    ]


def correspondence_records(split: str) -> list[dict]:
    pair = correspondence.pairs_of(made_scene())[0]
    return [
        correspondence.make_record(_records_folder(), made_scene(), question_type, split, pair)
        for question_type in correspondence.TASK
    ]


def tell_published(path: Path) -> None:
    """Say of a file that it was made with the published rules and constants, as all are here."""
    objects.tell_constants(path, {"settings": objects.PUBLISHED})


def object_records(split: str) -> list[dict]:
    found = [
        objects.records_of(made_scene(), dimension, k, split)[:1]
        for dimension in objects.DIMENSIONS for k in (1, 2)
    ]  # fmt: skip
    return list(itertools.chain(*found))


def movement_records(split: str) -> list[dict]:
    made = []
    for dataset, prompt in itertools.product(CLIPS, ("coord", "dot")):
        for question_type in movement.TYPES:
            clip, folder = made_clip(dataset), _records_folder()
            point = next(
                k for k in range(movement.BODY) if len(movement.usable_frames(clip, k, prompt)) > 5
            )
            frames = movement.usable_frames(clip, point, prompt)
            pair = frames[1], frames[-1]
            made.append(
                movement.make_record(folder, clip, prompt, question_type, split, point, *pair)
            )
    return made


KINDS = {
    "camera": camera_records,
    "depth": depth_records,
    "correspondence": correspondence_records,
    "object": object_records,
    "movement": movement_records,
}


@functools.lru_cache(5)
def lines_of(kind: str) -> tuple[bytes, ...]:
    """A line of each record of a kind, in the engine's own form and in that of the exports."""
    made = []
    for split in SPLITS:
        for record in KINDS[kind](split):
            made += [record, _uniform(record, split)]
    return tuple(json.dumps(record).encode() for record in made)


def _uniform(record: dict, split: str) -> dict:
    root, task = made_root(), record["task"]
    folder = root / "data/scannet/posed_images"
    if "_dot" in task or "multichoice" in task:
        folder = root / RECORDS / "images"
    elif task.startswith("movement"):
        folder = root / "data/my_tapvid3d_images"
    return to_uniform(record, RecordFile(root / "x.jsonl", split, task, folder), root)


def record_files(kind: str) -> list[bytes]:
    """Files of one record, and one of two lines that ask the same."""
    lines = lines_of(kind)
    return [*lines, lines[0] + b"\n" + lines[0] + b"\n"]


# ---- tables and pictures -------------------------------------------------------------------------


def visibility_pickles() -> list[bytes]:
    content = {SCENE: objects.visibility_of(made_scene())}
    return [pickle.dumps(content, protocol) for protocol in (4, 3, 2, 0)]


def coverage_pickles() -> list[bytes]:
    content = {SCENE: objects.coverage_of(made_scene(), "height")}
    return [pickle.dumps(content, protocol) for protocol in (4, 3, 2, 0)]


@functools.lru_cache(1)
def marked() -> Marked:
    """A picture with two marks."""
    rng = np.random.default_rng(0)
    source = depth.source_of(made_scene(), "00000")
    picture, places = source.copy(), []
    for u, v in ((30.2, 30.4), (100.0, 80.0)):
        colour = depth.standing_out(rng, source, u, v, [colour for _, colour in places])
        depth.paint_mark(picture, u, v, colour, "A")
        places.append(((u, v), colour))
    path = new_folder() / "x.jpg"
    depth.save(path, picture)
    return Marked(path.read_bytes(), source.astype(np.int64), places)


def pictures() -> list[bytes]:
    """That picture, and other pictures of its size: progressive, gray."""
    made = [marked().data]
    image = Image.open(io.BytesIO(made[0]))
    for other, options in ((image, {"progressive": True}), (image.convert("L"), {})):
        file = io.BytesIO()
        other.save(file, "JPEG", **options)
        made.append(file.getvalue())
    return made
