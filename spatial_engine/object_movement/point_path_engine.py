"""Movement of points through three to eight frames: how long is a path, which step is the largest?

Reads  data/tapvid3d_dataset/<set>/<clip>.npz and meta_data/<set>/{train,val}.txt of the sets adt,
       pstudio and drivetrack, where they are there
       (made by make_split_lists.py, and here where they are missing), templates/.
Writes data/my_tapvid3d_images/<clip>/{frame:05d}.jpg, once for all commands about clips;
       data/clip_bodies/<clip>/bodies.parquet, likewise;
       {training,evaluation}_data/movement_frames/v1_0/{point_path,fastest_step}_{train,val}.jsonl
       about all sets of clips.
Costs  docs/performance.md, section "Three to eight frames".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from spatial_engine.object_movement import movement_engine, point_path_questions
from spatial_engine.object_movement.movement_pairs import MovementRule
from spatial_engine.object_movement.point_path_questions import PathRequest
from spatial_engine.utils import paths
from spatial_engine.utils.frames import step as frames_step
from spatial_engine.utils.questions import frame_records
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.storage import provenance

# Records of each type, at most; -1 = all that a search finds.
MAX_SAMPLES = {"train": 100_000, "val": 300}
NUM_FRAMES = (3, 8)  # images of a record, at least and at most
POINTS_PER_GROUP = 15  # drawn from each rigid body
# A point moved from one image to the next if it did so by STILL_M, by MOVED_M and by JITTER_TIMES
# the jitter of its clip, in metres. Clips of drivetrack have limits of their own (SPEC 9.3).
STILL_M = 0.01
MOVED_M = 0.02
JITTER_TIMES = 5.0
# A path is asked about if each of its steps is so long, and the whole so much longer than the
# distance of any two of its places: no two images show it.
MIN_POINT_STEP_M = 0.02
MIN_DETOUR = 1.3
# The largest step is asked for if it is larger than the second by both.
MIN_STEP_GAP_M = 0.03
MIN_STEP_GAP_SHARE = 0.25


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse_args(argv)
    templates = Path(__file__).parent / "templates"
    sentences = frames_step.load_sentences(templates, args)
    settings = frames_step.settings_of(args, sentences)
    step = Step("point_path_engine", args, settings, __file__)
    listed = movement_engine.list_clips(args, step)
    broken = movement_engine.prepare_clips(args, step, listed)
    for split in args.splits:
        clip_sets = {
            clip_id: dataset
            for (dataset, of_split), clip_ids in listed.items()
            for clip_id in clip_ids
            if of_split == split and clip_id not in broken
        }
        if not args.max_samples[split]:
            step.count_unasked(split)
        elif clip_sets:
            _make_split(args, step, split, clip_sets, sentences)
    return step.close()


def _make_split(
    args: argparse.Namespace,
    step: Step,
    split: str,
    clip_sets: Mapping[str, str],
    sentences: Mapping[str, Templates],
) -> None:
    """Make the files of a split from its clips (id -> set)."""
    most, jsonl = args.max_samples[split], frames_step.record_paths(args, split)
    step.make(
        Outputs(jsonl, parts_name=f"point_path_engine_{split}"),
        make_jobs(args, split, clip_sets, sentences),
        point_path_questions.write_clip,
        partial(frame_records.join_parts, seed=args.seed, at_most=most),
        wanted=dict.fromkeys(jsonl, most),
    )


def make_jobs(
    args: argparse.Namespace,
    split: str,
    clip_sets: Mapping[str, str],
    sentences: Mapping[str, Templates],
) -> list[SceneJob]:
    """A job for each clip (id -> set), which is asked for its share of the wanted records."""
    share = frames_step.share_of(args.max_samples[split], len(clip_sets), marked=False)
    rule = MovementRule(args.still_m, args.moved_m, args.jitter_times, static_share=0.0)
    jobs = []
    for clip_id, dataset in clip_sets.items():
        request = PathRequest(
            dataset, split, clip_id, paths.clip_bodies_dir(args.root) / clip_id, args.seed,
            dict.fromkeys(args.tasks, share), args.num_frames, args.constants, rule, sentences,
        )  # fmt: skip
        path = paths.clip_path(args.root, dataset, clip_id)
        inputs = [provenance.file_fingerprint(path, args.root), dataset, split, share]
        jobs.append(SceneJob(clip_id, (path, request), inputs))
    return jobs


def _parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    return frames_step.parse_args(
        __doc__,
        argv,
        point_path_questions.TASKS,
        max_samples=MAX_SAMPLES,
        num_frames=NUM_FRAMES,
        constants={
            "POINTS_PER_GROUP": (POINTS_PER_GROUP, "points drawn from each rigid body"),
            "STILL_M": (STILL_M, "a point that moves less is still, metres"),
            "MOVED_M": (
                MOVED_M,
                "a point that moves so far, and JITTER_TIMES its clip's jitter, moved, metres",
            ),
            "JITTER_TIMES": (
                JITTER_TIMES,
                "a point moved if it did so by this times the jitter of its clip",
            ),
            "MIN_POINT_STEP_M": (MIN_POINT_STEP_M, "shortest step of a path, in metres"),
            "MIN_DETOUR": (MIN_DETOUR, "least length of a path by the distance of any two places"),
            "MIN_STEP_GAP_M": (
                MIN_STEP_GAP_M,
                "by how much the largest step exceeds the second, in metres",
            ),
            "MIN_STEP_GAP_SHARE": (MIN_STEP_GAP_SHARE, "the same, as a share of the largest"),
        },
        clips=True,
    )


if __name__ == "__main__":
    sys.exit(cli.run(main))
