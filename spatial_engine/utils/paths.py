"""Where inputs and tables are below `--root`: folders and names of files, no formats.

Scans of ScanNet, clips of TAPVid-3D, scene infos, tables, the benchmark. (Files of records:
`questions/record_files.py`.)
"""

from __future__ import annotations

import re
from pathlib import Path

SCANNET = Path("data/scannet")
SPLITS = ("train", "val")
CLIPS = Path("data/tapvid3d_dataset")
CLIP_DATASETS = ("adt", "pstudio")
FOLDERS = {"train": "training_data", "val": "evaluation_data"}

# ---- scenes ----


def scan_dir(root: Path, scene_id: str) -> Path:
    """Raw files of a scene."""
    return root / SCANNET / "scans" / scene_id


def posed_images_dir(root: Path) -> Path:
    """Frames of all scenes, a folder each; the image root of most tasks."""
    return root / SCANNET / "posed_images"


def instance_data_dir(root: Path) -> Path:
    """Points, labels and boxes by scene, and the tables about all scenes."""
    return root / SCANNET / "scannet_instance_data"


def label_table_path(root: Path) -> Path:
    """The table of raw categories."""
    return root / SCANNET / "meta_data/scannetv2-labels.combined.tsv"


def info_path(root: Path, split: str, *, with_images: bool = True) -> Path:
    """The table of scene infos of "train", "val" or "train_val"; without images, of step 1."""
    suffix = "_i_D5" if with_images else ""
    return instance_data_dir(root) / f"scenes_{split}_info{suffix}.parquet"


def info_pickle_path(root: Path, split: str, *, with_images: bool = True) -> Path:
    """The same scene infos as a pickle, for users."""
    return info_path(root, split, with_images=with_images).with_suffix(".pkl")


def scene_list_path(root: Path, split: str) -> Path:
    """The list of a split's scenes."""
    return root / SCANNET / f"meta_data/scannetv2_{split}.txt"


def visibility_table_path(root: Path, split: str) -> Path:
    """Which vertices each frame sees."""
    return instance_data_dir(root) / f"{split}_visibility_info_D5.parquet"


def pair_table_path(root: Path, split: str) -> Path:
    """How every two frames of a scene relate."""
    return root / FOLDERS[split] / f"camera_movement/{split}_camera_info_D5.parquet"


def inputs_check_path(root: Path) -> Path:
    """What the input check found about scenes and clips."""
    return root / "inputs_check.json"


# ---- objects ----


def objects_dir(root: Path, split: str) -> Path:
    """Where everything about the objects of a split lies."""
    return root / FOLDERS[split] / "object_perception"


def object_table_path(root: Path, split: str) -> Path:
    """Which images see which objects."""
    return objects_dir(root, split) / "object_visibility.parquet"


def object_pickle_path(root: Path, split: str) -> Path:
    """The object table as a pickle, for users."""
    return objects_dir(root, split) / "object_visibility.pkl"


def merged_coverage_path(root: Path, split: str, dimension: str) -> Path:
    """The table of minimal sets of images of all objects of a split, for one dimension."""
    return objects_dir(root, split) / f"merged_{split}_object_coverage_{dimension}.parquet"


def merged_coverage_pickle_path(root: Path, split: str, dimension: str) -> Path:
    """The same sets as a pickle, for users."""
    return merged_coverage_path(root, split, dimension).with_suffix(".pkl")


# ---- clips ----


def clips_dir(root: Path, dataset: str) -> Path:
    """Folder of the clips."""
    return root / CLIPS / dataset


def clip_path(root: Path, dataset: str, clip_id: str) -> Path:
    """The file of a clip."""
    return clips_dir(root, dataset) / f"{clip_id}.npz"


def clip_frames_dir(root: Path) -> Path:
    """Folder of the clips' frames, `<clip>/{number:05d}.jpg`."""
    return root / "data/my_tapvid3d_images"


def clip_frame_name(number: int) -> str:
    """File name of a frame."""
    return f"{number:05d}.jpg"


def clip_list_path(root: Path, dataset: str, split: str) -> Path:
    """List of the clips of a split, one id a line."""
    return root / CLIPS / "meta_data" / dataset / f"{split}.txt"


def recording_of(clip_id: str) -> str:
    """The recording that a clip is cut from: clips of one show the same place and things.

    adt: a sequence `<activity>_seqNNN`, filmed by one device or two (`_M1292`, `_71292`) and cut
    into numbered clips. pstudio: an activity, filmed by several numbered cameras at once.
    """
    if sequence := re.match(r".+_seq\d+(?=_|$)", clip_id):
        return sequence.group()
    recording, _, number = clip_id.rpartition("_")
    return recording if recording and number.isdigit() else clip_id


# ---- what is made of the questions ----


def benchmark_path(root: Path, version: str) -> Path:
    """The MultiSPA benchmark."""
    return root / FOLDERS["val"] / "multispa" / version / "multispa.jsonl"
