"""TAPVid-3D: lists of the clips for training and for evaluation.

Reads  the names of data/tapvid3d_dataset/{adt,pstudio,drivetrack}/*.npz.
Writes data/tapvid3d_dataset/meta_data/<set>/{train,val}.txt, those that are not there.

Whole activities, of drivetrack a tenth of the segments of Waymo, are held out for evaluation
(`clip_lists.py`). An existing list is
never overwritten. The movement scripts also make lists that are missing.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spatial_engine.errors import MissingInputError
from spatial_engine.utils import paths
from spatial_engine.utils.clips import clip_lists
from spatial_engine.utils.paths import CLIP_DATASETS
from spatial_engine.utils.running import cli


def main(argv: Sequence[str] | None = None) -> int:
    parser = cli.make_plain_parser(__doc__)
    cli.add_choices(parser, "--datasets", CLIP_DATASETS)
    args = parser.parse_args(argv)
    found = False
    for dataset in args.datasets:
        written = clip_lists.write_missing_lists(args.root, dataset)
        for split in ("train", "val"):
            path = paths.clip_list_path(args.root, dataset, split)
            if path.is_file():
                found = True
                count = len(clip_lists.read_lists(args.root, dataset)[split])
                remark = "made" if path in written else "was there, left as it is"
                print(f"{path}: {count} clips, {remark}")
    if not found:
        folders = " and ".join(str(paths.clips_dir(args.root, d)) for d in args.datasets)
        raise MissingInputError(f"{folders}: no clips; {clip_lists.REMEDY}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
