"""Camera step 2: nine types of questions about how the camera moved between two frames.

Reads  scenes_{train,val}_info_i_D5.parquet, {train,val}_camera_info_D5.parquet, the names of
       posed_images/*/*, templates/.
Writes training_data/camera_movement/v1_0/<type>_train.jsonl and
       evaluation_data/camera_movement/v1_0/<type>_val.jsonl; images: data/scannet/posed_images.
Costs  docs/performance.md, row "camera questions".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial

from spatial_engine.camera_movement import camera_questions
from spatial_engine.camera_movement.camera_questions import QUESTION_TYPES
from spatial_engine.utils import paths
from spatial_engine.utils.questions import records, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli, provenance
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes.pair_balance import draw_pairs
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
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
# Direction questions about motions up to these are dropped; 0 as published, which drops only what
# did not move at all.
MIN_DIRECTION_MM = 0.0
MIN_DIRECTION_DEG = 0.0


def make_jobs(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    question_types: Sequence[str],
    sentences: Mapping[str, Templates],
) -> tuple[list[SceneJob], dict[str, dict[str, int]]]:
    """Draw the pairs of all types over all scenes. Returns the job of each scene, and how many
    pairs were not available."""
    wanted = {name: args.max_samples[split][name] for name in question_types}
    draws = draw_pairs(args, step, split, scenes, wanted, args.num_zero_overlap)
    table_path = paths.pair_table_path(args.root, split)
    jobs = []
    for scene_id, rows in draws.rows.items():
        files = draws.files[scene_id]
        images = files.ids if files.folder.is_dir() else None
        request = camera_questions.SceneRequest(
            split, scene_id, args.seed, rows, args.min_direction_mm, args.min_direction_deg,
            sentences, images,
        )  # fmt: skip
        inputs = [
            scenes.geometry_hash(scene_id), draws.table_fingerprint, provenance.digest(rows),
            provenance.digest(sorted(images or ())),
        ]  # fmt: skip
        jobs.append(SceneJob(scene_id, (scenes.only(scene_id), table_path, request), inputs))
    return jobs, {f"camera_{name}": drops for name, drops in draws.drops.items()}


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__, questions=True)
    cli.add_choices(parser, "--question-types", QUESTION_TYPES)
    cli.add_constant(
        parser,
        "NUM_ZERO_OVERLAP",
        NUM_ZERO_OVERLAP,
        "number of pairs without overlap that are added to each file",
        0,
    )
    cli.add_constant(
        parser,
        "MIN_DIRECTION_MM",
        MIN_DIRECTION_MM,
        "drop direction questions about shifts up to this, in millimetres",
        0,
    )
    cli.add_constant(
        parser,
        "MIN_DIRECTION_DEG",
        MIN_DIRECTION_DEG,
        "drop direction questions about turns up to this, in degrees",
        0,
    )
    args = parser.parse_args(argv)
    args.max_samples = {
        "train": cli.max_samples(args.train_max_samples, TRAIN_MAX_SAMPLES),
        "val": cli.max_samples(args.val_max_samples, VAL_MAX_SAMPLES),
    }
    return args


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    sentences = camera_questions.load_sentences()
    settings = {
        "seed": args.seed,
        "max_samples": args.max_samples,
        "NUM_ZERO_OVERLAP": args.num_zero_overlap,
        "MIN_DIRECTION_MM": args.min_direction_mm,
        "MIN_DIRECTION_DEG": args.min_direction_deg,
        "templates": templates.digest_of(sentences),
    }
    step = Step("camera_movement_engine_train_val", args, settings, __file__)
    splits = dict(load_splits(args, step))
    for split in step.present_inputs(
        list(splits), lambda split: paths.pair_table_path(args.root, split), pair_table.REMEDY
    ):
        asked = {name: args.max_samples[split][name] for name in args.question_types}
        question_types = [name for name, most in asked.items() if most or args.num_zero_overlap]
        if not question_types:
            step.table.absent[f"{split}, 0 questions were asked for"] += 1
            continue
        jobs, drops = make_jobs(args, step, split, splits[split], question_types, sentences)
        tasks = [f"camera_{name}" for name in question_types]
        step.make(
            {task: record_path(args.root, task, split, args.version) for task in tasks},
            jobs,
            camera_questions.write_scene,
            partial(records.join_parts, seed=args.seed),
            parts_name=f"camera_movement_{split}",
            drops=drops,
        )
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
