"""The sample clips: which play, which set and split by the held-out activities, which oddity."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from spatial_engine.errors import SettingsError
from spatial_engine.sample_data.tapvid3d.clip_spec import CAMERAS, ClipQuirks, ClipSpec
from spatial_engine.sample_data.tapvid3d.clip_writer import write_annotation_file, write_clip_file
from spatial_engine.utils.running.scene_runner import PartResult, RunResult, SceneJob, run_scenes
from spatial_engine.utils.storage import files, locks

STEP = "sample clips"
CLIP_SPLITS = {
    "adt": {
        "train": (
            "Apartment_release_meal_seq136_8",
            "Apartment_release_decoration_skeleton_seq133_2",
            "Apartment_release_clean_seq131_5",
        ),
        "val": ("Apartment_release_work_seq107_3", "Lite_release_recognition_Mug_seq030_0"),
    },
    "pstudio": {"train": ("boxes_11", "softball_3"), "val": ("basketball_7",)},
    "drivetrack": {
        "train": (
            "tapvid3d_9142545919543484617_86_000_106_000_2_5AKc-TYQochsSWXpv376cA",
            "tapvid3d_9142545919543484617_86_000_106_000_1_Zk_3-sampleParkedCar_a",
            "tapvid3d_4414235478445376689_2020_000_2040_000_3_sampleDriftingCar-00_1",
        ),
        "val": ("tapvid3d_9142545919549657452_91_000_111_000_1_sampleStartingVan_00-2",),
    },
}
CLIPS = {
    "Apartment_release_meal_seq136_8": ("meal", ClipQuirks()),
    "Apartment_release_decoration_skeleton_seq133_2": (
        "decoration",
        ClipQuirks(object_array=True, double=True, lost_point=True),
    ),
    "Apartment_release_clean_seq131_5": ("clean", ClipQuirks(without_extrinsics=True)),
    "Apartment_release_work_seq107_3": ("work", ClipQuirks(double=True)),
    "Lite_release_recognition_Mug_seq030_0": ("mug", ClipQuirks(compressed=True)),
    "boxes_11": ("boxes", ClipQuirks(double=True)),
    "softball_3": ("softball", ClipQuirks(object_array=True)),
    "basketball_7": ("basketball", ClipQuirks()),
    **{
        clip_id: (play, replace(quirks, double=True, hidden_queries=True))
        for clip_id, play, quirks in zip(
            (clip_id for ids in CLIP_SPLITS["drivetrack"].values() for clip_id in ids),
            ("drive past", "parked", "drift", "start"),
            (ClipQuirks(), ClipQuirks(object_array=True), ClipQuirks(jumps=True), ClipQuirks()),
            strict=True,
        )
    },
}
FRAMES, POINTS = 24, 120
# The variant for tests: the same clips and oddities, smaller.
SMALL_FRAMES, SMALL_POINTS = 10, 60
# Of the size of a real image, in the usual variant and in the small one.
IMAGE_SHARES = {"adt": (1.0, 0.25), "pstudio": (1.0, 0.25), "drivetrack": (0.3, 0.1)}
MARKS = ".sample_clips"  # folder that knows which clips are ours and finished


def sample_clip_specs(seed: int = 0, small: bool = False) -> list[ClipSpec]:
    """The descriptions of all sample clips, by data set and split; `clip_truth` takes one."""
    frames, points = (SMALL_FRAMES, SMALL_POINTS) if small else (FRAMES, POINTS)
    specs = []
    for kind, splits in CLIP_SPLITS.items():
        share = IMAGE_SHARES[kind][small]
        width, height = (round(side * share) for side in CAMERAS[kind][0])
        for clip_id in (clip_id for ids in splits.values() for clip_id in ids):
            play, quirks = CLIPS[clip_id]
            spec = ClipSpec(clip_id, kind, play, seed, frames, (width, height), points)
            specs.append(replace(spec, quirks=quirks))
    return specs


def write_sample_clips(
    root: str | Path,
    *,
    seed: int = 0,
    num_workers: int = 1,
    scheduler: str | None = None,
    overwrite: bool = False,
    small: bool = False,
    only: Collection[str] | None = None,
) -> RunResult:
    """Write the sample clips under `root`; what is finished with the same settings stays, also
    where a command has added to a clip since.

    `small` gives the variant for tests; `only` makes the clips of these ids alone. Beside the
    clips of adt, `tmp` holds the annotation files that the official script leaves; the one of
    pstudio is empty. Raises `SettingsError` where clips of other origin are in the way: they are
    never replaced.
    """
    base = Path(root) / "data/tapvid3d_dataset"
    specs = [s for s in sample_clip_specs(seed, small) if only is None or s.clip_id in only]
    with locks.locked(base / MARKS):
        for spec in specs:
            _check(base, spec)
        for kind in ("adt", "pstudio"):
            (base / kind / "tmp").mkdir(parents=True, exist_ok=True)
        (base / "drivetrack").mkdir(exist_ok=True)
        jobs = [SceneJob(spec.clip_id, spec, asdict(spec)) for spec in specs]
        run = run_scenes(
            STEP,
            _work,
            jobs,
            base / MARKS,
            {},
            num_workers=num_workers,
            scheduler=scheduler,
            overwrite=overwrite,
            folders_stay=False,
        )
        for spec in specs:
            if spec.clip_id in run.parts:
                _publish(base, spec)
            else:  # its mark may be gone: leave nothing that would not be known as ours
                _remove(base, spec)
    return run


def _work(spec: ClipSpec, folder: Path) -> PartResult:
    for path in _outputs(folder, spec):
        (write_annotation_file if path.parent.name == "tmp" else write_clip_file)(path, spec)
    return PartResult(counts={"frames": spec.num_frames})


def _outputs(base: Path, spec: ClipSpec) -> Iterator[Path]:
    """The files of a clip under a folder like `data/tapvid3d_dataset`."""
    yield base / spec.kind / f"{spec.clip_id}.npz"
    if spec.kind == "adt":
        yield base / "adt/tmp" / f"{spec.clip_id}.npz"


def _publish(base: Path, spec: ClipSpec) -> None:
    """Move finished files to their places. A run killed before this is made good by the next."""
    mark = base / MARKS / spec.clip_id
    for made, path in zip(_outputs(mark, spec), _outputs(base, spec), strict=True):
        if made.exists():
            os.replace(made, path)
    files.remove(mark / spec.kind)


def _check(base: Path, spec: ClipSpec) -> None:
    """Our clips bear ids that real ones have too: keep off a user's own. A clip that was made but
    is gone is made again."""
    mark = base / MARKS / spec.clip_id
    paths = list(_outputs(base, spec))
    if not mark.exists():
        for path in filter(Path.exists, paths):
            raise SettingsError(
                f"{path}: holds a clip that this command did not make; give an empty folder as "
                "--root"
            )
    elif not paths[0].exists() and not next(_outputs(mark, spec)).exists():
        _remove(base, spec)


def _remove(base: Path, spec: ClipSpec) -> None:
    """Remove what was made of a clip, the mark last."""
    for path in _outputs(base, spec):
        files.remove(path)
    files.remove(base / MARKS / spec.clip_id)
