"""Scene viewer: a ScanNet scene or a TAPVid-3D clip in 3D, as a recording for rerun.

Reads  of a scene: scenes_{train,val}_info_i_D5.parquet, {train,val}_visibility_info_D5.parquet, its
       points and its images; of a clip: data/tapvid3d_dataset/<set>/<clip>.npz.
Writes report/<id>.rrd (or --output), which `rerun FILE` shows; --open does so at once.
Costs  most of it depth; --max-frames bounds it (docs/performance.md).

A scene: coloured points, boxes with their categories, the camera's path; by frame the camera, its
image and depth, and the vertices that it sees. A clip: by frame the tracked points, coloured by
rigid body, those that are not visible dark, and the camera with its image. The timeline `frame`
counts as the image ids do. Needs the packages of requirements/viewer.txt.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from spatial_engine.errors import EngineError, MissingInputError, SettingsError
from spatial_engine.utils.clips.clip_sets import CLIP_SETS
from spatial_engine.utils.clips.clips import read_clip
from spatial_engine.utils.paths import (
    CLIP_DATASETS,
    SPLITS,
    clip_path,
    clips_dir,
    datasets_below,
    info_path,
)
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.scenes.scene_info import REMEDY, SceneInfoHandler
from spatial_engine.utils.storage.files import check_id

# Frames of a recording, evenly spread over all; each costs as much as its image and depth.
MAX_FRAMES = 100


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    check_rerun_is_there()
    started = time.perf_counter()
    name = check_id(args.id, "ID")
    path = args.output or args.root / "report" / f"{name}.rrd"
    if path.suffix != ".rrd":
        raise SettingsError(f"--output {path}: rerun knows its files by the ending .rrd")
    num_frames = record(args.root, name, path, args.max_frames)
    seconds, size = time.perf_counter() - started, path.stat().st_size
    print(f"{path}: {num_frames} frames, {size / 1e6:.1f} MB, {seconds:.1f} s")
    if args.open:
        open_viewer(path)
    else:
        print(f"look at it with: rerun {path}")
    return 0


def record(root: Path, name: str, path: Path, max_frames: int) -> int:
    """Write the recording of a scene or clip by its checked id; return how many frames it shows.

    Raises `MissingInputError` where there is no such scene or clip.
    """
    # Imported here, since rerun may not be installed.
    from spatial_engine.report.recordings.clip_recording import record_clip
    from spatial_engine.report.recordings.scene_recording import record_scene

    for clips in CLIP_DATASETS:
        clip = clip_path(root, clips, name)
        if clip.is_file():
            camera_moves = CLIP_SETS[clips].camera_moves
            return record_clip(read_clip(clip, camera_moves=camera_moves), path, max_frames)
    there = product(datasets_below(root), SPLITS)
    present = [(dataset, split) for dataset, split in there if info_path(dataset, split).is_file()]
    for dataset, split in present:
        scenes = SceneInfoHandler.load(dataset, split)
        if name in scenes.scene_ids:
            return record_scene(scenes.only(name), split, name, path, max_frames)
    where = " and ".join(str(clips_dir(root, clips)) for clips in CLIP_DATASETS)
    infos = (
        "no such scene in the scene infos" if present else f"{info_path(root, 'train')}: no file"
    )
    raise MissingInputError(f"{name}: {infos} ({REMEDY}) and no such clip in {where}")


def check_rerun_is_there() -> None:
    """Raise `MissingInputError` with the remedy where rerun is not installed."""
    try:
        import rerun  # noqa: F401
    except ImportError as error:
        raise MissingInputError(
            f"the viewer needs rerun-sdk ({error}); run bash requirements/setup_env.sh viewer, or "
            "pip install -r requirements/viewer.txt"
        ) from None


def open_viewer(path: Path) -> None:
    """Show a recording in a window of its own, until that is closed.

    By default the viewer would listen to other machines. Raises `EngineError` where it stops.
    """
    viewer = [sys.executable, "-m", "rerun", "--bind", "127.0.0.1", "--port", "auto"]
    done = subprocess.run([*viewer, str(path.resolve())])
    if done.returncode:
        raise EngineError(
            f"the viewer stopped (code {done.returncode}), perhaps there is no display; {path} is "
            f"complete: open it elsewhere, or in a browser with `rerun --web-viewer {path}`"
        )


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_plain_parser(__doc__)
    parser.add_argument("id", help="id of a scene (scene0000_00) or of a clip")
    parser.add_argument(
        "--output",
        type=flag_types.file,
        metavar="FILE",
        help="file of the recording (default: ROOT/report/ID.rrd)",
    )
    parser.add_argument("--open", action="store_true", help="open the viewer afterwards")
    cli.add_constant(parser, "MAX_FRAMES", MAX_FRAMES, "frames shown at most, evenly spread", 1)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
