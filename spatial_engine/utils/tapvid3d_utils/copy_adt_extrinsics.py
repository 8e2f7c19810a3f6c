"""TAPVid-3D: gives adt clips the camera poses that the official script leaves out.

Reads  `extrinsics_w2c` in data/tapvid3d_dataset/adt/tmp/<clip>.npz (--annotations), the annotation
       files that `generate_adt` leaves behind.
Writes it into data/tapvid3d_dataset/adt/<clip>.npz, whose other arrays keep their bytes. A clip
       that has extrinsics is not changed.
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError, EngineError, MissingInputError
from spatial_engine.utils import paths
from spatial_engine.utils.clips import clip_lists, clips
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.running.progress import tqdm
from spatial_engine.utils.storage.files import atomic_path, remove_left


def copy_extrinsics(clip: Path, annotation: Path) -> bool:
    """Add `extrinsics_w2c` to a clip, whole or not at all; False where it has it already.

    Raises `MissingInputError` without the annotation and `BadDataError` where the two do not have
    the same number of frames, or a matrix is not a rigid motion.
    """
    num_frames, _, there = clips.read_shape(clip)
    if there:
        remove_left(clip)
        return False
    if not annotation.is_file():
        raise MissingInputError(f"{annotation}: no such annotation, {clip.name} stays without")
    extrinsics = clips.read_extrinsics(annotation)
    if len(extrinsics) != num_frames:
        raise BadDataError(
            f"{annotation}: poses of {len(extrinsics)} frames, {clip.name} has {num_frames}; make "
            "both again with one version of the official script"
        )
    with atomic_path(clip) as partial:
        shutil.copyfile(clip, partial)
        with zipfile.ZipFile(partial, "a") as archive:
            # The date is fixed, so that the same clip gives the same bytes.
            entry = zipfile.ZipInfo(f"{clips.EXTRINSICS}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            with archive.open(entry, "w") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(extrinsics))
    return True


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_plain_parser(__doc__)
    text = "folder of the annotation files (default: data/tapvid3d_dataset/adt/tmp)"
    parser.add_argument(
        "--annotations", type=flag_types.existing_folder, metavar="FOLDER", help=text
    )
    args = parser.parse_args(argv)
    folder = paths.clips_dir(args.root, "adt")
    annotations = args.annotations or folder / "tmp"
    clip_ids = clip_lists.clips_on_disk(args.root, "adt")
    if not clip_ids:
        raise MissingInputError(f"{folder}: no clips; {clip_lists.REMEDY}")
    copied, failures = 0, []
    for clip_id in tqdm(clip_ids, desc="copy_adt_extrinsics", unit="clip", disable=None):
        name = f"{clip_id}.npz"
        try:
            copied += copy_extrinsics(folder / name, annotations / name)
        except EngineError as error:
            failures.append(f"failed: {clip_id}: {error}")
    print(f"{copied} clips got extrinsics, {len(clip_ids) - copied - len(failures)} had them")
    print("".join(f"{line}\n" for line in failures), end="")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
