"""ScanNet step 3: scene infos with their frames, by split.

Reads  data/scannet/scannet_instance_data/scenes_train_val_info.parquet (step 1), the names, poses
       and image sizes in data/scannet/posed_images/<scene>/ (step 2), and the split lists.
Writes data/scannet/scannet_instance_data/scenes_{train,val,train_val}_info_i_D5.parquet, and
       pickles of the same content and name for users.
Costs  a listing of each folder, and 300 small files and the heads of as many images a
       scene.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from spatial_engine.utils.preparation.scene_infos import make_scene_infos
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scannet_utils import split_lists

POINTS_REMEDY = "run spatial_engine/utils/scannet_utils/batch_load_scannet_data.py"
FRAMES_REMEDY = "run spatial_engine/utils/scannet_utils/extract_posed_images.py"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    return cli.make_parser(__doc__).parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("update_info_file_with_images", args, {}, __file__)
    scenes = split_lists.listed_scenes(args, step)
    lists = split_lists.read_lists(args.root)
    make_scene_infos(args, step, scenes, lists, POINTS_REMEDY, FRAMES_REMEDY)
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
