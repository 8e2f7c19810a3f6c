"""Videos of ARKitScenes as prepared scenes, from either download.

Reads  data/arkitscenes/{3dod,raw}/{Training,Validation}/<id>/: lowres_wide, lowres_depth,
       lowres_wide_intrinsics and lowres_wide.traj, the mesh and the boxes; and the owners' lists of
       videos (*_train_val_splits.csv) where they are, else the folders tell the split.
Writes data/arkitscenes/posed_images/<id>/ and instance_data/<id>/, scene infos and split lists, as
       every preparation does. Videos of a device held upright are turned, unless
       --keep-orientation.
Costs  mostly decoding the images and encoding depth (docs/performance.md).

All steps after this take --dataset arkitscenes. How to get the data: README.md beside this script.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from spatial_engine.utils import paths
from spatial_engine.utils.arkitscenes_utils import video_files, video_lists
from spatial_engine.utils.arkitscenes_utils.video import open_capture
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.preparation import prepare
from spatial_engine.utils.preparation.plan import Wanted
from spatial_engine.utils.preparation.prepare import Source
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.split_lists import asked_for
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.looks import Looks

# Frames; ten a second have a pose, of which every 2nd is kept: five a second, about as dense as
# the frames of ScanNet that are used. 1 keeps all.
FRAME_SKIP = 2

DATASET = "arkitscenes"


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("prepare_arkitscenes", args, {}, __file__)
    lists = video_lists.scene_lists(args.root)
    folders = present_videos(args, step, lists)
    sources = step.ready(folders, lambda video: make_source(args.root, folders[video], video))
    wanted = Wanted(args.frame_skip, keep_orientation=args.keep_orientation)
    prepare.run(step, sources, lists, dict.fromkeys(sources, wanted), owners_lists=True)
    return step.close()


def present_videos(
    args: argparse.Namespace, step: Step, lists: Mapping[str, Sequence[str]]
) -> dict[str, Path]:
    """Folders by id of the listed videos of `--splits` and `--scenes` that are on disk; the others
    are counted. Raises `MissingInputError` where one of `--scenes` is not listed."""
    videos = asked_for(args, lists)
    found = {video: video_lists.find_video(args.root, video) for video in videos}
    folders = {video: folder for video, folder in found.items() if folder is not None}
    what = f"listed, not below {video_lists.SOURCE}, or nothing in it"
    if any(video_lists.is_packed(args.root, video) for video in found.keys() - folders):
        what += " (some are there as .zip: unpack them)"
    step.present_scenes(videos, folders.__contains__, what)
    return folders


def make_source(root: Path, folder: Path, video: str) -> Source:
    """The source of one video."""
    looks = Looks.of(paths.posed_images_dir(Dataset(root, DATASET)))
    inputs = video_files.fingerprint(video_files.find_files(folder, video), root, looks)
    about = {"format": DATASET, "path": provenance.place_of(folder, root)}
    return Source(partial(open_capture, folder, video), inputs, about)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True)
    parser.set_defaults(dataset=DATASET)
    cli.add_constant(parser, "FRAME_SKIP", FRAME_SKIP, "keep every n-th frame; 1 keeps all", 1)
    text = "leave images on their side where the device was held upright"
    parser.add_argument("--keep-orientation", action="store_true", help=text)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
