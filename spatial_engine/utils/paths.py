"""Where inputs and tables are below `--root`: folders and names of files, no formats.

Scenes of ScanNet and of other data sets, clips of TAPVid-3D, tables, the benchmark. (Files of
records: `questions/record_files.py`.)

A function about scenes takes a `Dataset`, or a root, which means ScanNet's scenes below it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

SCANNET = "scannet"
SPLITS = ("train", "val")
CLIPS = Path("data/tapvid3d_dataset")
CLIP_DATASETS = ("adt", "pstudio", "drivetrack")
CLIP_FRAMES = "my_tapvid3d_images"
FOLDERS = {"train": "training_data", "val": "evaluation_data"}

# Folders of the questions' files. Below training_data/ and evaluation_data/, beside them, are those
# of data sets other than ScanNet, which hold the same.
TASK_FOLDERS = (
    "camera_movement", "depth_estimation_dot", "depth_estimation_coor", "depth_comparison_dot",
    "depth_comparison_coor", "visual_correspondence_dot_2_multichoice",
    "visual_correspondence_coor_2_coor", "object_perception", "object_movement_coord",
    "object_movement_dot", "camera_frames", "depth_frames", "correspondence_frames",
    "object_frames", "movement_frames", "relation_frames",
)  # fmt: skip
# Benchmarks: MultiSPA, and that of three to eight frames.
BENCHMARKS = ("multispa", "multispa_frames")
NO_DATASETS = (*TASK_FOLDERS, *BENCHMARKS, "exports", "configs", "tapvid3d_dataset", CLIP_FRAMES)


@dataclass(frozen=True)
class Dataset:
    """The scenes of one data set below a root. ScanNet's have the published engine's paths."""

    root: Path
    name: str = SCANNET

    @property
    def folder(self) -> Path:
        """Everything about its scenes but what is made of the questions."""
        return self.root / "data" / self.name

    @property
    def frame_step(self) -> int:
        """Frames whose number is a multiple of it are used, whatever is in posed_images."""
        return 5 if self.name == SCANNET else 1

    @property
    def has_frame_cameras(self) -> bool:
        """Whether scene infos hold a camera for each frame, not for each scene alone."""
        return self.name != SCANNET

    @property
    def tag(self) -> str:
        """How names of files tell of this ("D5": every fifth frame)."""
        return f"D{self.frame_step}"

    def made(self, split: str) -> Path:
        """Folder of what is made of a split: tables of the families, and records."""
        folder = self.root / FOLDERS[split]
        return folder if self.name == SCANNET else folder / self.name


Place = Dataset | Path


def dataset_at(place: Place) -> Dataset:
    """The data set itself, or ScanNet's scenes below a root."""
    return place if isinstance(place, Dataset) else Dataset(Path(place))


def datasets_below(root: Path) -> list[Dataset]:
    """Data sets with prepared scenes, or with tables or records; ScanNet first, there or not."""
    names = {path.parent.name for path in root.glob("data/*/posed_images")}
    for folder in FOLDERS.values():
        for folder_of_task in TASK_FOLDERS:
            names |= {path.parent.name for path in root.glob(f"{folder}/*/{folder_of_task}")}
    names -= {SCANNET, *NO_DATASETS}
    return [Dataset(root), *(Dataset(root, name) for name in sorted(names))]


# ---- scenes ----


def scan_dir(root: Path, scene_id: str) -> Path:
    """Raw files of a scene of ScanNet."""
    return Dataset(root).folder / "scans" / scene_id


def label_table_path(root: Path) -> Path:
    """ScanNet's table of raw categories."""
    return Dataset(root).folder / "meta_data/scannetv2-labels.combined.tsv"


# Asked for each scene several times at a start; a path costs more than what is looked up there.
@lru_cache(maxsize=64)
def posed_images_dir(place: Place) -> Path:
    """Frames of all scenes, a folder each; the image root of most tasks."""
    return dataset_at(place).folder / "posed_images"


@lru_cache(maxsize=64)
def instance_data_dir(place: Place) -> Path:
    """Points, labels and boxes by scene, and the tables about all scenes."""
    dataset = dataset_at(place)
    return dataset.folder / (
        "scannet_instance_data" if dataset.name == SCANNET else "instance_data"
    )


def info_path(place: Place, split: str, *, with_images: bool = True) -> Path:
    """The table of scene infos of "train", "val" or "train_val"; without images, of step 1."""
    suffix = f"_i_{dataset_at(place).tag}" if with_images else ""
    return instance_data_dir(place) / f"scenes_{split}_info{suffix}.parquet"


def info_pickle_path(place: Place, split: str, *, with_images: bool = True) -> Path:
    """The same scene infos as a pickle, for users."""
    return info_path(place, split, with_images=with_images).with_suffix(".pkl")


def scene_list_path(place: Place, split: str) -> Path:
    """The list of a split's scenes."""
    dataset = dataset_at(place)
    prefix = "scannetv2_" if dataset.name == SCANNET else ""
    return dataset.folder / f"meta_data/{prefix}{split}.txt"


def visibility_table_path(place: Place, split: str) -> Path:
    """Which vertices each frame sees."""
    tag = dataset_at(place).tag
    return instance_data_dir(place) / f"{split}_visibility_info_{tag}.parquet"


def object_frames_dir(place: Place) -> Path:
    """What frames show of points and objects, of some also nothing certain: a folder a scene, by
    `finished_scenes.folder_of`."""
    return instance_data_dir(place) / "object_frames.cache"


def object_distances_dir(place: Place) -> Path:
    """How far the objects of scenes are apart, which frames show their near sides: a folder a
    scene, by `finished_scenes.folder_of`."""
    return instance_data_dir(place) / "object_distances.cache"


def pair_table_path(place: Place, split: str) -> Path:
    """How every two frames of a scene relate."""
    dataset = dataset_at(place)
    return dataset.made(split) / f"camera_movement/{split}_camera_info_{dataset.tag}.parquet"


def inputs_check_path(root: Path) -> Path:
    """What the input check found about scenes and clips."""
    return root / "inputs_check.json"


# ---- objects ----


def objects_dir(place: Place, split: str) -> Path:
    """Where everything about the objects of a split lies."""
    return dataset_at(place).made(split) / "object_perception"


def object_table_path(place: Place, split: str) -> Path:
    """Which images see which objects."""
    return objects_dir(place, split) / "object_visibility.parquet"


def object_pickle_path(place: Place, split: str) -> Path:
    """The object table as a pickle, for users."""
    return objects_dir(place, split) / "object_visibility.pkl"


def merged_coverage_path(place: Place, split: str, dimension: str) -> Path:
    """The table of minimal sets of images of all objects of a split, for one dimension."""
    return objects_dir(place, split) / f"merged_{split}_object_coverage_{dimension}.parquet"


def merged_coverage_pickle_path(place: Place, split: str, dimension: str) -> Path:
    """The same sets as a pickle, for users."""
    return merged_coverage_path(place, split, dimension).with_suffix(".pkl")


# ---- clips ----


def clips_dir(root: Path, dataset: str) -> Path:
    """Folder of the clips."""
    return root / CLIPS / dataset


def clip_path(root: Path, dataset: str, clip_id: str) -> Path:
    """The file of a clip."""
    return clips_dir(root, dataset) / f"{clip_id}.npz"


def clip_frames_dir(root: Path) -> Path:
    """Folder of the clips' frames, `<clip>/{number:05d}.jpg`."""
    return root / "data" / CLIP_FRAMES


def clip_bodies_dir(root: Path) -> Path:
    """Which points of clips move as one body, a folder a clip."""
    return root / "data" / "clip_bodies"


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
    drivetrack: a segment of Waymo, five numbers, filmed by three cameras at once.
    """
    if segment := drive_segment(clip_id):
        return segment
    if sequence := re.match(r".+_seq\d+(?=_|$)", clip_id):
        return sequence.group()
    recording, _, number = clip_id.rpartition("_")
    return recording if recording and number.isdigit() else clip_id


def drive_segment(clip_id: str) -> str | None:
    """The segment of Waymo that a clip of drivetrack is cut from; None for another name.

    Names are `tapvid3d_<segment>_<camera>_<object>`: five numbers, 1 to 3, and 22 characters.
    """
    name = re.fullmatch(r"tapvid3d_(\d+(?:_\d+){4})_[123]_[A-Za-z0-9_-]{22}", clip_id, re.ASCII)
    return name[1] if name else None


# ---- what is made of the questions ----


def benchmark_path(root: Path, version: str, name: str = BENCHMARKS[0]) -> Path:
    """A benchmark, by its name."""
    return root / FOLDERS["val"] / name / version / f"{name}.jsonl"
