"""Phone captures of ScanNet++ as prepared scenes.

Reads  data/scannetpp/splits/{nvs_sem_train,nvs_sem_val}.txt and of each scene that they name
       data/scannetpp/data/<scene>/: iphone/pose_intrinsic_imu.json; iphone/rgb/ or rgb.mkv;
       iphone/depth/ or depth.bin; iphone/rgb_masks/ or rgb_mask.mkv; the mesh and the objects of
       scans/. With --benchmark-classes also metadata/semantic_benchmark/map_benchmark.csv.
Writes data/scannetpp/posed_images/<scene>/ and instance_data/<scene>/, scene infos and split lists,
       as every preparation does. Videos of a phone held upright are turned, unless
       --keep-orientation.
Costs  mostly decoding the video, all of it, or encoding depth where frames were extracted before
       (docs/performance.md).

All steps after this take --dataset scannetpp. How to get the data: README.md beside this script.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import logging
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from spatial_engine.utils import paths
from spatial_engine.utils.paths import Dataset
from spatial_engine.utils.preparation import prepare
from spatial_engine.utils.preparation.plan import Wanted
from spatial_engine.utils.preparation.prepare import Source
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scannetpp_utils import label_map, split_lists
from spatial_engine.utils.scannetpp_utils.capture import open_capture
from spatial_engine.utils.scannetpp_utils.source_files import fingerprint
from spatial_engine.utils.scannetpp_utils.split_lists import FOLDER, scene_folder
from spatial_engine.utils.scenes.split_lists import asked_for
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.looks import Looks

log = logging.getLogger(__name__)

# Frames; the video has 60 a second, of which every 12th is kept: five a second, about as dense as
# the frames of ScanNet that are used. 1 keeps all.
FRAME_SKIP = 12

DATASET = "scannetpp"
NAMED = 10  # scenes that a message names at most


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("prepare_scannetpp", args, {}, __file__)
    lists = split_lists.read_split_lists(args.root)
    tell_unlisted(args.root, lists)
    scenes = present_scenes(args, step, lists)
    labels_path = args.root / FOLDER / label_map.FILE if args.benchmark_classes else None
    sources = step.ready(scenes, partial(make_source, args.root, labels_path))
    wanted = Wanted(args.frame_skip, keep_orientation=args.keep_orientation)
    prepare.run(step, sources, lists, dict.fromkeys(sources, wanted), owners_lists=True)
    return step.close()


def present_scenes(
    args: argparse.Namespace, step: Step, lists: Mapping[str, Sequence[str]]
) -> list[str]:
    """The listed scenes of `--splits` and `--scenes` that can be prepared. The others are counted
    by what they lack, and those that lack depth are named, as are those without masks.

    Raises `MissingInputError` where one of `--scenes` is not listed.
    """
    scenes = asked_for(args, lists)
    lacks = split_lists.lacking(args.root, scenes)
    for what in sorted(set(lacks.values())):
        if what == split_lists.NO_DEPTH:
            log.warning("no depth of the phone: %s", some([s for s in lacks if lacks[s] == what]))
        scenes = step.present_scenes(scenes, lambda s, w=what: lacks.get(s) != w, what)
    if bare := split_lists.without_masks(args.root, scenes):
        log.warning("no masks, so nothing is anonymised: %s", some(bare))
    return scenes


def tell_unlisted(root: Path, lists: Mapping[str, Sequence[str]]) -> None:
    """Warn of scenes on disk that no list names."""
    if scenes := split_lists.unlisted(root, lists):
        log.warning(
            "%s: no list names %s, so they are left out; are these the lists of version 1 of the "
            "data set? Get the new ones",
            root / FOLDER / "splits",
            some(scenes),
        )


def make_source(root: Path, labels_path: Path | None, scene: str) -> Source:
    """The source of one scene; labels are mapped by the table at `labels_path`, if any."""
    folder = scene_folder(root, scene)
    looks = Looks.of(paths.posed_images_dir(Dataset(root, DATASET)))
    labels, inputs = None, list(fingerprint(folder, root, looks))  # which may be that of `looks`
    if labels_path is not None:
        labels = label_map.read_label_map(labels_path)
        inputs.append(provenance.content_hash(labels_path))
    about = {
        "format": DATASET,
        "path": provenance.place_of(folder, root),
        "benchmark_classes": labels is not None,
    }
    return Source(partial(open_capture, folder, labels), inputs, about)


def some(scenes: Sequence[str]) -> str:
    """Names of scenes, not too many."""
    more = f" and {len(scenes) - NAMED} more" if len(scenes) > NAMED else ""
    return ", ".join(scenes[:NAMED]) + more


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True)
    parser.set_defaults(dataset=DATASET)
    cli.add_constant(parser, "FRAME_SKIP", FRAME_SKIP, "keep every n-th frame; 1 keeps all", 1)
    text = "leave images on their side where the phone was held upright"
    parser.add_argument("--keep-orientation", action="store_true", help=text)
    text = "call objects as the semantic benchmark does, and leave out those that it leaves out"
    parser.add_argument("--benchmark-classes", action="store_true", help=text)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
