"""Shared implementation of the four depth commands, from scenes to questions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from math import comb
from typing import Any

import numpy as np

from spatial_engine.depth_perception import depth_questions
from spatial_engine.utils import paths
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions import marked_images, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.scene_files import COLORS, SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import visibility_table

# What the flags of constants mean, their limits, and their published values. Each script has some.
FLAGS: dict[str, dict[str, Any]] = {
    "SEEN_RULE": visibility_table.SEEN_RULE_FLAG,
    "DOT_RADIUS_PX": {"meaning": "radius of the dots, in pixels", "at_least": 1},
    "MIN_DEPTH_GAP_MM": {
        "meaning": "smallest difference between the two depths, in millimetres",
        "at_least": 1,
        "published": 1,
    },
    "MIN_DEPTH_GAP_SHARE": {
        "meaning": "the same as a share of the nearer depth",
        "at_least": 0,
        "published": 0.0,
    },
    "MAX_PER_FRAME": {
        "meaning": "questions about a frame at most, -1 = no limit",
        "at_least": -1,
        "published": -1,
    },
    "BALANCE_LOWER": {
        "meaning": "let the nearer point be the lower one in half of the questions",
        "published": False,
    },
}


def run_task(
    task: str,
    docstring: str,
    argv: Sequence[str] | None,
    *,
    max_samples: Mapping[str, int],
    constants: Mapping[str, Any],
) -> int:
    """Make both splits of a task with the constants of its script: `max_samples` by split, the
    others, which are flags (`FLAGS`), by name. Returns the exit code."""
    args = _parse_args(docstring, argv, max_samples, constants)
    sentences = depth_questions.load_sentences(task, args.published)
    settings = templates.settings_of(args, {task: sentences})
    step = Step(f"{task}_engine", args, settings, __file__)
    tables = {paths.visibility_table_path: visibility_table.REMEDY}
    for split, scenes in load_splits(args, step, tables, args.max_samples):
        wanted = args.max_samples[split]
        output = record_path(args.dataset, task, split, args.version)
        pictures = marked_images.folder_beside(output) if TASKS[task].marked else {}
        jobs, drops = make_jobs(args, step, split, scenes, task, sentences)
        step.make(
            Outputs({task: output}, pictures),
            jobs,
            depth_questions.write_scene,
            partial(marked_images.join_parts, seed=args.seed, at_most=wanted),
            drops={task: drops},
            wanted={task: wanted},
        )
    return step.close()


def make_jobs(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    task: str,
    sentences: Templates,
) -> tuple[list[SceneJob], dict[str, int]]:
    """A job for each scene, which is asked for its share of the wanted records. Returns also how
    many records no scene can be asked for, by reason."""
    table = paths.visibility_table_path(args.dataset, split)
    fingerprint = provenance.file_fingerprint(table, args.root)
    handler = visibility_table.VisibilityInfoHandler(table, args.seen_rule)

    def list_images(scene_id: str) -> SceneFiles:
        files = SceneFiles.of(scenes, scene_id, *([COLORS] if TASKS[task].marked else []))
        handler.check_is_about(scene_id, scenes.geometry_hash(scene_id), files.depth_sizes)
        return files.with_images()

    listed = step.ready(scenes.scene_ids, list_images)
    wanted, most = args.max_samples[split], args.constants.get("MAX_PER_FRAME", -1)
    frames = {scene_id: files.num_shown for scene_id, files in listed.items()}
    shares = share_out(frames, wanted, most)
    picture_bytes = 0
    if TASKS[task].marked:
        picture_bytes = marked_images.estimate_bytes(
            (files.first() for files in listed.values()), posed_images.REMEDY
        )
    jobs = []
    for scene_id, files in listed.items():
        share = shares[scene_id]
        request = depth_questions.SceneRequest(
            task, split, scene_id, args.seed, share, files.ids, args.constants, sentences
        )
        images = files.colors if TASKS[task].marked else files.names
        inputs = [scenes.geometry_hash(scene_id), fingerprint, images, share]
        pictures = 0
        if picture_bytes:
            pictures = most_records(task, share, frames[scene_id], handler.num_points(scene_id))
        arguments = (scenes.only(scene_id), table, request)
        jobs.append(SceneJob(scene_id, arguments, inputs, pictures, pictures * picture_bytes))
    missing = wanted - sum(shares.values()) if jobs and wanted > 0 else 0
    return jobs, {depth_questions.beyond_most(most): missing} if missing > 0 else {}


def share_out(frames: Mapping[str, int], wanted: int, most: int) -> dict[str, int]:
    """How many records each scene is asked for: an equal share of `wanted` and one more, since
    some are dropped; -1 = each frame once, where `wanted` is -1.

    With at most `most` questions about a frame (-1 = no limit), a scene of few `frames` is asked
    for fewer and the others for more.
    """
    if wanted < 0 or not frames:
        return dict.fromkeys(frames, -1)
    share = wanted // len(frames) + 1
    if most < 0:
        return dict.fromkeys(frames, share)
    there = most * np.array(list(frames.values()))
    share = sampling.equal_share(there, share * len(frames))
    return dict(zip(frames, np.minimum(there, share).tolist(), strict=True))


def most_records(task: str, share: int, num_frames: int, num_vertices: int) -> int:
    """How many records a scene can give at most."""
    if TASKS[task].num_points == 1:
        there = num_frames
    else:
        there = num_frames * comb(num_vertices, 2) if share > 0 else num_frames
    return min(share, there) if share > 0 else there


def _parse_args(
    docstring: str,
    argv: Sequence[str] | None,
    max_samples: Mapping[str, int],
    constants: Mapping[str, Any],
) -> argparse.Namespace:
    parser = cli.make_parser(docstring, dataset=True, questions=True)
    for name, value in constants.items():
        cli.add_constant(parser, name, value, **FLAGS[name])
    args = parser.parse_args(argv)
    args.max_samples = cli.max_samples_by_split(args, max_samples)
    return args
