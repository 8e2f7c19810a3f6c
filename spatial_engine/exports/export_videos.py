"""Training records of three to eight frames as videos, for trainers that take lists of frames.

Reads  the files of training_data/ whose records show three to eight frames.
Writes training_data/exports/videos/<task>.jsonl, a line for each record in uniform form
       (export_uniform.py) with `videos`, a list of one list of frames, in the place of `image`, and
       one `<video>` in the question.
Costs  docs/performance.md, as export_uniform.py.

Questions and answers speak of Image-1, Image-2, ...: a line behind `<video>` says that these are
the first frames of the video. (The first, as some models repeat the last frame of an odd number.)
`export_llama_factory.py --videos` and `export_ms_swift.py --videos` take these files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from spatial_engine.errors import MissingInputError
from spatial_engine.exports.shared.export_files import exports_dir
from spatial_engine.exports.shared.record_export import Form, export_records, write_lines
from spatial_engine.utils.questions.plain_record import without_image_marks
from spatial_engine.utils.questions.records import list_image_marks
from spatial_engine.utils.questions.tasks import FRAME_TASKS
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step

VIDEO_MARK = "<video>"
REMEDY = "run spatial_engine/exports/export_videos.py"


def opening(count: int) -> str:
    """What stands before a question about a video of so many frames."""
    said = f"Image-1 to Image-{count} are the first {count} frames of the video, in order."
    return f"{VIDEO_MARK}\n{said}\n"


def as_video(record: Mapping[str, Any]) -> dict[str, Any]:
    """A uniform training record with its images as the frames of one video."""
    images, (first, *others) = record["image"], record["conversations"]
    asked = opening(len(images)) + without_image_marks(first["value"])
    rest = {name: value for name, value in record.items() if name not in ("id", "image")}
    turns = [{**first, "value": asked}, *others]
    return {"id": record["id"], "videos": [images]} | rest | {"conversations": turns}


def as_images(record: Mapping[str, Any]) -> dict[str, Any]:
    """The uniform record that a video was made of; `ValueError` for what is none."""
    try:
        (images,), (first, *others) = record["videos"], record["conversations"]
        start = opening(len(images))
        if not first["value"].startswith(start):
            raise ValueError("the question does not say which frames Image-1 to Image-n are")
        asked = list_image_marks(len(images)) + first["value"].removeprefix(start)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no video of frames: {error!r}") from None
    rest = {name: value for name, value in record.items() if name not in ("id", "videos")}
    turns = [{**first, "value": asked}, *others]
    return {"id": record["id"], "image": images} | rest | {"conversations": turns}


def find_videos(root: Path, version: str) -> list[Path]:
    """The files of videos, by name; `MissingInputError` when there is none."""
    folder = exports_dir(root, "train", "videos", version)
    found = sorted(folder.glob("*.jsonl"))
    if not found:
        raise MissingInputError(f"{folder}: no *.jsonl in it; {REMEDY}")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_records_parser(__doc__, datasets=True, overwrite=True, workers=True)
    args = parser.parse_args(argv)
    step = Step("export_videos", args, {}, __file__)
    form = Form(".jsonl", partial(write_lines, as_video))
    if not export_records(step, "videos", ["train"], [form], lambda one: one.task in FRAME_TASKS):
        raise MissingInputError(
            f"{args.root}: no training records of three to eight frames; run the question scripts"
        )
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
