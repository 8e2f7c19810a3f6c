"""A user's own captures, and data sets of plain captures, as prepared scenes.

    python spatial_engine/utils/capture_utils/prepare_captures.py --format transforms \
        --input my_rooms/kitchen my_rooms/office --dataset my_rooms

Reads  each --input: a capture of the format, or a folder of several.
Writes data/<dataset>/posed_images/<scene>/ (frames), instance_data/<scene>/ (points, fused from
       depth), scene infos, meta_data/{train,val}.txt and sources.json. A scene is called like its
       folder or file. What was prepared before stays.
Costs  mostly decoding the images and encoding depth (docs/performance.md).

All steps after this take --dataset NAME. A step-by-step example: docs/own_data.md.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

from spatial_engine.errors import MissingInputError, SettingsError
from spatial_engine.utils.capture_utils import formats
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.paths import SCANNET
from spatial_engine.utils.preparation import prepare, up_axis
from spatial_engine.utils.preparation.plan import Wanted
from spatial_engine.utils.preparation.prepare import Source
from spatial_engine.utils.preparation.split import split_scenes
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.split_lists import read_split_lists
from spatial_engine.utils.storage import provenance

VAL_SHARE = 0.2  # of the scenes, for evaluation
LISTS_REMEDY = "correct it"


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    if args.dataset.name == SCANNET:
        raise SettingsError("--dataset: give the captures a name of their own, as my_rooms")
    step = Step("prepare_captures", args, {}, __file__)
    found = formats.find_captures(args.format, args.input)
    options = CaptureOptions(
        tuple(args.intrinsics) if args.intrinsics else None,
        args.registered,
        args.confidence,
        args.depth_unit,
    )
    whole = Wanted(
        args.frame_skip or formats.FRAME_SKIPS[args.format], args.up, args.metres_per_unit
    )
    known = read_split_lists(args.dataset, LISTS_REMEDY)
    if args.split_by_time:
        wanted, lists = split_by_time(found, whole, args.val_share, known)
    else:
        wanted = dict.fromkeys(found, whole)
        lists = split_scenes(found, known, args.val_share, args.seed)
    if args.scenes:
        if unknown := sorted(set(args.scenes) - set(wanted)):
            raise MissingInputError(f"--scenes {unknown[0]}: no such capture in --input")
        wanted = {scene: one for scene, one in wanted.items() if scene in args.scenes}
    of = {scene: scene if scene in found else scene.rpartition("_")[0] for scene in wanted}
    sources = step.ready(wanted, lambda scene: make_source(args, found[of[scene]], options))
    prepare.run(step, sources, lists, wanted)
    return step.close()


def make_source(args: argparse.Namespace, path: Path, options: CaptureOptions) -> Source:
    """The source of one capture."""
    place = provenance.place_of(path, args.root)
    about = {"format": args.format, "path": place, **asdict(options)}
    opener = partial(formats.open_capture, args.format, path, options)
    return Source(opener, formats.fingerprint(args.format, path, args.root), about)


def split_by_time(
    found: Mapping[str, Path], whole: Wanted, val_share: float, known: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Wanted], dict[str, list[str]]]:
    """Two scenes of each capture, its beginning for training and its end for evaluation: what is
    wanted by scene, and the lists. Both show one place, so that scores are of known rooms."""
    lists = {split: list(known.get(split, ())) for split in ("train", "val")}
    wanted = {}
    for name in found:
        for split, ending, part in (
            ("train", "begin", (0.0, 1 - val_share)),
            ("val", "end", (1 - val_share, 1.0)),
        ):
            wanted[f"{name}_{ending}"] = replace(whole, part=part)
            lists[split] = sorted({*lists[split], f"{name}_{ending}"})
    return wanted, lists


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True)
    text = "what the captures are"
    parser.add_argument("--format", choices=tuple(formats.READERS), required=True, help=text)
    parser.add_argument(
        "--input", type=flag_types.path, nargs="+", required=True, metavar="FOLDER", help="captures"
    )
    text = "the axis of the captures' world that points up (default: as the format tells, or found)"
    parser.add_argument("--up", choices=tuple(up_axis.UPS), help=text)
    text = "keep every n-th frame; 1 keeps all (default: by format, about five a second)"
    parser.add_argument(
        "--frame-skip", type=flag_types.whole_number(1, 10_000), metavar="N", help=text
    )
    text = "metres that one unit of the poses is, where they have no scale"
    positive = flag_types.real_number(1e-6, 1e6)
    parser.add_argument("--metres-per-unit", type=positive, metavar="X", help=text)
    text = "metres that one unit of the depth images is (default: of the format)"
    parser.add_argument("--depth-unit", type=positive, metavar="X", help=text)
    text = "the colour camera, in pixels, where files do not tell it, or tell it wrong"
    number = flag_types.real_number()
    parser.add_argument(
        "--intrinsics", type=number, nargs=4, metavar=("FX", "FY", "CX", "CY"), help=text
    )
    text = "depth lies on colour pixel by pixel already (7scenes)"
    parser.add_argument("--registered", action="store_true", help=text)
    text = "least confidence of depth that is kept, as the format numbers it (phones)"
    parser.add_argument(
        "--confidence", type=flag_types.whole_number(0, 255), metavar="N", help=text
    )
    cli.add_constant(
        parser, "VAL_SHARE", VAL_SHARE, "share of the scenes that is for evaluation", 0, 1
    )
    text = (
        "make two scenes of each capture: its beginning for training, the last VAL_SHARE of its "
        "frames for evaluation. Both show one place, so scores are of rooms that the model knows"
    )
    parser.add_argument("--split-by-time", action="store_true", help=text)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(cli.run(main))
