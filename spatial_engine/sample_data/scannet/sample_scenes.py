"""The five sample scenes: which room, which split, which oddity, and the files around them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from spatial_engine.errors import SettingsError
from spatial_engine.sample_data.scannet.labels import label_table
from spatial_engine.sample_data.scannet.quirks import Quirks
from spatial_engine.sample_data.scannet.scene_spec import SMALL_COLOR, SceneSpec
from spatial_engine.sample_data.scannet.scene_writer import write_scene_files
from spatial_engine.utils.running.scene_runner import (
    DONE_FILE,
    PartResult,
    RunResult,
    SceneJob,
    run_scenes,
)
from spatial_engine.utils.storage import files

STEP = "sample scenes"
SPLITS = {
    "train": ("scene0000_00", "scene0001_00", "scene0704_00"),
    "val": ("scene0011_00", "scene0015_00"),
}
ROOMS = {
    "scene0000_00": (
        "living room",
        Quirks(lost_pose=(34, 35, 36), object_without_vertices=True, one_frame_more=True),
    ),
    "scene0001_00": ("bedroom", Quirks(no_depth=25, crlf=True)),
    "scene0704_00": (
        "kitchen",
        Quirks(without_alignment=True, old_aggregation=True, no_imu_tail=True),
    ),
    "scene0011_00": (
        "office",
        Quirks(depth_shift=4000.0, raw_depth=True, segment_claimed_twice=True),
    ),
    "scene0015_00": ("studio", Quirks(zero_depth=40, lost_pose=(10,), one_frame_more=True)),
}
FRAMES = 85  # a scene; every fifth is kept: 17
VERTEX_SPACING = 0.07  # metres
# The variant for tests: the same rooms and oddities, less of everything.
SMALL_FRAMES = 50
SMALL_SIZES = {"color_size": (324, 242), "depth_size": (160, 120), "vertex_spacing": 0.12}


def sample_specs(seed: int, small: bool) -> list[SceneSpec]:
    """The descriptions of all scenes, large ones first, so that two workers end together."""
    specs = []
    for scene_id, (layout, quirks) in ROOMS.items():
        sizes: dict[str, Any] = {"num_frames": FRAMES, "vertex_spacing": VERTEX_SPACING}
        if scene_id.startswith("scene0704"):
            sizes["color_size"] = SMALL_COLOR
        if small:
            sizes |= SMALL_SIZES | {"num_frames": SMALL_FRAMES}
            if scene_id.startswith("scene0704"):
                sizes["color_size"] = (160, 120)
        specs.append(SceneSpec(scene_id, layout, seed, quirks=quirks, **sizes))
    return sorted(specs, key=lambda spec: -spec.color_size[0])


def write_sample_scenes(
    root: str | Path,
    *,
    seed: int = 0,
    num_workers: int = 1,
    scheduler: str | None = None,
    overwrite: bool = False,
    small: bool = False,
    only: Collection[str] | None = None,
) -> RunResult:
    """Write the sample scenes under `root`; what is finished with the same settings stays.

    `small` gives the variant for tests: a few seconds, the same oddities; `only` makes the scenes
    of these ids alone, while the lists name all of them. Raises `SettingsError`
    where ScanNet data of other origin is in the way: it is never replaced.
    """
    scannet = Path(root) / "data/scannet"
    meta_data = {
        f"scannetv2_{split}.txt": "".join(f"{scene}\n" for scene in scenes)
        for split, scenes in SPLITS.items()
    } | {"scannetv2-labels.combined.tsv": label_table()}
    _refuse_foreign(scannet, meta_data)
    specs = [s for s in sample_specs(seed, small) if only is None or s.scene_id in only]
    jobs = [SceneJob(spec.scene_id, spec, asdict(spec)) for spec in specs]
    run = run_scenes(
        STEP,
        _work,
        jobs,
        scannet / "scans",
        {},
        num_workers=num_workers,
        scheduler=scheduler,
        overwrite=overwrite,
    )
    for name, text in meta_data.items():
        path = scannet / "meta_data" / name
        if not path.exists():
            with files.atomic_path(path) as partial:
                partial.write_bytes(text.encode())
    return run


def _work(spec: SceneSpec, folder: Path) -> PartResult:
    write_scene_files(folder, spec)
    return PartResult(counts={"frames": spec.num_frames * spec.frame_repeat})


def _refuse_foreign(scannet: Path, meta_data: dict[str, str]) -> None:
    """Our scenes bear ids that real ones have too: keep off folders with a user's own data."""
    remedy = "give an empty folder as --root"
    for scene_id in ROOMS:
        folder = scannet / "scans" / scene_id
        if folder.exists() and not (folder / DONE_FILE).is_file():
            raise SettingsError(f"{folder}: holds a scan that this command did not make; {remedy}")
    for name, text in meta_data.items():
        path = scannet / "meta_data" / name
        if path.exists() and path.read_bytes() != text.encode():
            raise SettingsError(f"{path}: is not the list of the sample scenes; {remedy}")
