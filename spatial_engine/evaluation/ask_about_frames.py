"""Questions about one's own images or video, in the words of the benchmark, without answers.

Reads  the images, or every N-th frame of a video; templates/ of the tasks.
Writes below --output: frames/, the images, and questions.jsonl in uniform form (export_uniform.py)
       without `gt_value`. ask_model.py asks them, plot_rewards.py draws the answers.
Costs  the time to copy the images, or to decode the video.

A robot's arm is at pixel 310, 220 of the first frame. How far has it moved since, frame by frame?

    ask_about_frames.py --video arm.mp4 --every 10 --point 310 220 --output arm

`--pairs first` asks about the first frame with each other, `consecutive` about each with the next,
`all` about all pairs. Tasks of one image are asked of each frame. A point is where --point says in
the first image of a pair; depth is asked of this place in every frame.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from spatial_engine.errors import SettingsError
from spatial_engine.evaluation.own_frames import questions
from spatial_engine.evaluation.own_frames.frames import Frame, take_images, take_video
from spatial_engine.evaluation.own_frames.questions import ASKABLE, PAIRS
from spatial_engine.utils.questions.record_fields import WORDINGS
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.storage import files

EVERY = 10  # frames of a video from one that is shown to the next
MOST_QUESTIONS = 100_000


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    questions.check_points(args.tasks, args.pairs, vars(args))
    folder, path = args.output / "frames", args.output / "questions.jsonl"
    _refuse_to_lose(folder, path)
    with files.staging(folder) as staged:
        partial = staged / folder.name
        partial.mkdir()
        frames = _take(args, partial)
        points = questions.points_by_frame(frames, args.point, args.points)
        found = list(
            questions.questions(args.tasks, frames, points, args.pairs, args.wording, args.seed)
        )
        _check_number(found, len(frames))
        # In this order: what a killed run leaves has no frames, so nobody asks about it, and the
        # next run makes it anew.
        files.remove(folder)
        with files.atomic_path(path) as written:
            write_jsonl(written, found)
        files.put_in_place(partial, folder)
    for task, number in Counter(record["task"] for record in found).items():
        print(f"  {ASKABLE_NAMES[task]:<28} {number:>7,} questions")
    print(f"{path}: {len(found):,} questions about {len(frames):,} frames")
    ask = ["python", "spatial_engine/evaluation/ask_model.py", "--root", str(args.output)]
    print(f"ask them with: {shlex.join([*ask, '--benchmark', str(path)])} --base-url URL --model M")
    return 0


ASKABLE_NAMES = {task.name: name for name, task in ASKABLE.items()}


def _take(args: argparse.Namespace, folder: Path) -> list[Frame]:
    """The frames, put into a folder."""
    if args.video is None:
        return take_images(args.images, folder)
    return take_video(args.video, args.every, folder)


def _refuse_to_lose(folder: Path, path: Path) -> None:
    """Raise `SettingsError` for a folder of frames that this command did not write."""
    if folder.exists() and not path.is_file():
        raise SettingsError(f"{folder}: is there, and not from here; give another --output")


def _check_number(found: Sequence[object], frames: int) -> None:
    """Raise `SettingsError` where nothing or far too much would be asked."""
    if not found:
        raise SettingsError(f"no question about {frames} frame(s); give more, or other --tasks")
    if len(found) > MOST_QUESTIONS:
        raise SettingsError(f"{len(found):,} questions are too many; use --pairs first, or --every")


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_bare_parser(__doc__)
    shown = parser.add_mutually_exclusive_group(required=True)
    text = "images, in the order of time"
    shown.add_argument(
        "images", nargs="*", type=flag_types.file, default=[], metavar="IMAGE", help=text
    )
    shown.add_argument("--video", type=flag_types.file, metavar="FILE", help="a video instead")
    kind = flag_types.whole_number(1)
    text = "of a video, show one frame of so many (default: %(default)s)"
    parser.add_argument("--every", type=kind, default=EVERY, metavar="N", help=text)
    text = "what is asked (default: how far the point moved, or without --point the camera)"
    parser.add_argument("--tasks", nargs="+", choices=sorted(ASKABLE), metavar="TASK", help=text)
    text = "which pairs of frames (default: %(default)s)"
    parser.add_argument("--pairs", choices=PAIRS, default=PAIRS[0], help=text)
    text = "the point asked about, in pixels"
    number = flag_types.real_number(0)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--point", nargs=2, type=number, metavar=("X", "Y"), help=text)
    text = "a file with a line `x y` for each frame, empty where it has no point"
    where.add_argument("--points", type=flag_types.file, metavar="FILE", help=text)
    text = "which sentences: known from training, not known, or plain (default: %(default)s)"
    parser.add_argument("--wording", choices=WORDINGS, default="plain", help=text)
    cli.add_seed(parser)
    text = "folder for frames/ and questions.jsonl"
    parser.add_argument(
        "--output", type=flag_types.folder, required=True, metavar="FOLDER", help=text
    )
    args = parser.parse_args(argv)
    if not args.tasks:
        given = args.point is not None or args.points is not None
        args.tasks = ["movement_coord_distance" if given else "camera_total_distance"]
    args.tasks = list(dict.fromkeys(args.tasks))
    return args


if __name__ == "__main__":
    sys.exit(cli.run(main))
