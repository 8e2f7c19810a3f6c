"""True answers to questions about the frames of a sample clip, as a file of predictions.

    python -m spatial_engine.sample_data.clip_answers --clip CLIP.npz --questions questions.jsonl \\
        --output truth.jsonl

The questions are those of ask_about_frames.py about all frames of the clip, with the point of one
of its tracks. The answers come straight from the tracks and cameras in the file.
"""

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from spatial_engine.errors import SettingsError
from spatial_engine.utils.questions.record_files import read_questions
from spatial_engine.utils.questions.records import write_jsonl
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.storage import files

MAX_AWAY = 5  # thousandths of the image from the point asked about to that of a track


def answers(clip: Path, questions: Path) -> Iterator[dict[str, Any]]:
    """The prediction of each question about the movement or the depth of a point, where the file
    tells it."""
    with np.load(clip, allow_pickle=False) as arrays:
        tracks, (fx, fy, cx, cy) = arrays["tracks_XYZ"], arrays["fx_fy_cx_cy"]
        cam_from_world = arrays["extrinsics_w2c"]
    tracks = tracks.astype(np.float64)
    world_from_cam = np.linalg.inv(cam_from_world.astype(np.float64))
    for record in read_questions(questions):
        facts = orjson.loads(record["extra"])
        one, two = facts["frames"][0], facts["frames"][-1]
        pixels = tracks[one, :, :2] / tracks[one, :, 2:] * (fx, fy) + (cx, cy)
        size = (record["width_list"][0], record["height_list"][0])
        away = np.linalg.norm(1000 * pixels / size - facts["p1"], axis=1)
        track = int(np.nanargmin(away))
        if away[track] > MAX_AWAY:
            raise SettingsError(f"{record['id']}: {clip.name} has no track near {facts['p1']}")
        start = tracks[one, track]
        end_world = world_from_cam[two] @ [*tracks[two, track], 1]
        moved = 1000 * ((cam_from_world[one] @ end_world)[:3] - start)
        if np.isnan(moved).any():
            continue  # the file does not tell where the track is
        if record["task"].startswith("depth_estimation"):
            said = str(round(1000 * start[2]))
        elif record["task"].startswith("movement_coord_vector"):
            said = f"[ {' , '.join(str(round(value)) for value in moved)} ]"
        else:
            said = str(round(float(np.linalg.norm(moved))))
        yield {"id": record["id"], "prediction": f"`{said}`"}


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_bare_parser(__doc__)
    for name, text in (
        ("--clip", "the clip, a .npz"),
        ("--questions", "questions.jsonl of ask_about_frames.py"),
        ("--output", "the predictions"),
    ):
        parser.add_argument(name, type=flag_types.file, required=True, metavar="FILE", help=text)
    args = parser.parse_args(argv)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    with files.atomic_path(args.output) as partial:
        written = write_jsonl(partial, answers(args.clip, args.questions))
    print(f"{args.output}: {written:,} answers")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
