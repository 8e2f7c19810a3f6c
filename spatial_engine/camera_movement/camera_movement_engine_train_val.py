"""Camera step 2: nine types of questions about how the camera moved between two frames.

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_camera_info_D5.parquet, the names of
       posed_images/*/*, templates/.
Writes training_data/camera_movement/v1_0/<type>_train.jsonl and
       evaluation_data/camera_movement/v1_0/<type>_val.jsonl; images: data/scannet/posed_images.
       These paths are ScanNet's. Those of another --dataset: docs/spec.md, section 1.
Costs  docs/performance.md, row "camera questions".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from spatial_engine.camera_movement import camera_questions
from spatial_engine.camera_movement.camera_questions import TASK_OF
from spatial_engine.camera_movement.relative_motion import QUESTION_TYPES
from spatial_engine.utils import paths
from spatial_engine.utils.questions import records, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.pair_balance import PairPool
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.tables import pair_table

# Questions of each type at most; -1 = all pairs in range. As published.
TRAIN_MAX_SAMPLES = dict.fromkeys(QUESTION_TYPES, 1_000_000) | {
    "total_distance": 3_000_000,
    "displacement_vector": 3_000_000,
}
VAL_MAX_SAMPLES = dict.fromkeys(QUESTION_TYPES, 300)
# Pairs of frames without a point in common, asked for beside the others; 0 as published.
NUM_ZERO_OVERLAP = 0
# Smaller motions are not asked about: the data cannot tell which way they go, nor can a person see
# it. A turn has to be known to the degree, so it has to be larger where it is asked how far.
MIN_DIRECTION_MM = 20.0  # published: 0
MIN_DIRECTION_DEG = 1.0  # published: 0
MIN_ANGLE_DEG = 3.0  # published: 0
# Whether only pairs are drawn that can be asked about, and so that both answers to a direction
# question are equally frequent; published: False, pairs are drawn first and some left out then.
BALANCE_ANSWERS = True


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, dataset=True, questions=True)
    cli.add_choices(parser, "--question-types", QUESTION_TYPES)
    text = "number of pairs without overlap that are added to each file"
    cli.add_constant(parser, "NUM_ZERO_OVERLAP", NUM_ZERO_OVERLAP, text, 0)
    text = "smallest shift of a direction question, in mm"
    cli.add_constant(parser, "MIN_DIRECTION_MM", MIN_DIRECTION_MM, text, 0, published=0.0)
    text = "smallest turn of one, in degrees"
    cli.add_constant(parser, "MIN_DIRECTION_DEG", MIN_DIRECTION_DEG, text, 0, published=0.0)
    text = "smallest angle that is asked for, in degrees"
    cli.add_constant(parser, "MIN_ANGLE_DEG", MIN_ANGLE_DEG, text, 0, published=0.0)
    text = "draw only pairs that can be asked about, both answers to a direction equally often"
    cli.add_constant(parser, "BALANCE_ANSWERS", BALANCE_ANSWERS, text, published=False)
    args = parser.parse_args(argv)
    args.max_samples = {
        "train": cli.max_samples(args.train_max_samples, TRAIN_MAX_SAMPLES),
        "val": cli.max_samples(args.val_max_samples, VAL_MAX_SAMPLES),
    }
    args.wanted = {
        split: {n: limits[n] for n in args.question_types if limits[n] or args.num_zero_overlap}
        for split, limits in args.max_samples.items()
    }
    return args


def make_jobs(
    args: argparse.Namespace, pool: PairPool, sentences: Mapping[str, Templates]
) -> tuple[list[SceneJob], dict[str, dict[str, int]]]:
    """Draw the pairs over all scenes; give each scene its own, and what fell short. Called only
    where the settings or `pool.digest`, which decide all of this, are others than before."""
    wanted, judge = args.wanted[pool.split], None
    if args.balance_answers:
        judge = partial(camera_questions.judge_pairs, pool.scenes, args.constants, list(wanted))
    draws = pool.draw(args.seed, wanted, args.num_zero_overlap, judge)
    jobs = []
    for scene_id, pairs in draws.pairs.items():
        missing = pool.files[scene_id].missing
        request = camera_questions.SceneRequest(
            pool.split, scene_id, args.seed, pairs, args.constants, sentences, missing
        )
        arguments = (pool.scenes.only(scene_id), pool.path, request)
        jobs.append(SceneJob(scene_id, arguments, [*draws.inputs(scene_id), sorted(missing)]))
    return jobs, {TASK_OF[name]: drops for name, drops in draws.drops.items()}


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    sentences = camera_questions.load_sentences(args.published)
    settings = templates.settings_of(args, sentences)
    step = Step("camera_movement_engine_train_val", args, settings, __file__)
    tables = {paths.pair_table_path: pair_table.REMEDY}
    for split, scenes in load_splits(args, step, tables, args.wanted):
        tasks = [TASK_OF[name] for name in args.wanted[split]]
        files = {task: record_path(args.dataset, task, split, args.version) for task in tasks}
        pool = PairPool.of(args, step, split, scenes)
        step.make(
            Outputs(files, inputs=pool.digest, parts_name=f"camera_movement_{split}"),
            jobs=partial(make_jobs, args, pool, sentences),
            work=camera_questions.write_scene,
            assemble=partial(records.join_parts, seed=args.seed),
        )
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
