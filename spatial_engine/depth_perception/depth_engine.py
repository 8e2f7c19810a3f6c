"""Shared implementation of the four depth commands, from scenes to questions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from math import comb

from spatial_engine.depth_perception import depth_questions
from spatial_engine.utils import paths
from spatial_engine.utils.questions import marked_images, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli, provenance
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.scene_files import SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.tables import visibility_table


def run_task(
    task: str,
    docstring: str,
    argv: Sequence[str] | None,
    *,
    max_samples: Mapping[str, int],
    seen_rule: str,
    dot_radius_px: int | None = None,
    min_depth_gap_mm: int | None = None,
) -> int:
    """Make both splits of a task; the keywords are the constants of its script, by split or None
    where the script has none. Returns the exit code."""
    args = _parse_args(docstring, argv, max_samples, seen_rule, dot_radius_px, min_depth_gap_mm)
    sentences = depth_questions.load_sentences(task)
    settings = {
        "seed": args.seed,
        "max_samples": args.max_samples,
        **args.constants,
        "templates": templates.digest_of(sentences),
    }
    step = Step(f"{task}_engine", args, settings, __file__)
    splits = dict(load_splits(args, step))
    for split in step.present_inputs(
        list(splits),
        lambda split: paths.visibility_table_path(args.root, split),
        visibility_table.REMEDY,
    ):
        wanted = args.max_samples[split]
        if not wanted:
            step.table.absent[f"{split}, 0 questions were asked for"] += 1
            continue
        output = record_path(args.root, task, split, args.version)
        pictures = {marked_images.FOLDER: output.parent / marked_images.FOLDER}
        step.make(
            {task: output},
            make_jobs(args, step, split, splits[split], task, sentences),
            depth_questions.write_scene,
            partial(marked_images.join_parts, seed=args.seed, at_most=wanted),
            companions=pictures if TASKS[task].marked else None,
            wanted={task: wanted},
        )
    return step.close()


def make_jobs(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    task: str,
    sentences: Mapping[str, Templates],
) -> list[SceneJob]:
    """A job for each scene, which is asked for its share of the wanted records."""
    table = paths.visibility_table_path(args.root, split)
    fingerprint = provenance.file_fingerprint(table, args.root)
    handler = visibility_table.VisibilityInfoHandler(table, args.seen_rule)

    def list_images(scene_id: str) -> SceneFiles:
        files = SceneFiles.of(scenes, scene_id)
        handler.check_is_about(scene_id, scenes.geometry_hash(scene_id), files.depth_sizes)
        return files.with_images()

    listed = step.ready(scenes.scene_ids, list_images)
    wanted = args.max_samples[split]
    share = wanted // len(listed) + 1 if wanted > 0 and listed else -1
    picture_bytes = 0
    if TASKS[task].marked:
        picture_bytes = marked_images.estimate_bytes(
            (files.first() for files in listed.values()), posed_images.REMEDY
        )
    jobs = []
    for scene_id, files in listed.items():
        request = depth_questions.SceneRequest(
            task, split, scene_id, args.seed, share, files.ids,
            args.seen_rule, args.dot_radius_px or 0, args.min_depth_gap_mm or 1,
            sentences=sentences,
        )  # fmt: skip
        images = files.colors if TASKS[task].marked else files.names
        inputs = [scenes.geometry_hash(scene_id), fingerprint, images, share]
        pictures = 0
        if picture_bytes:
            pictures = most_records(task, share, len(files.ids), handler.num_points(scene_id))
        arguments = (scenes.only(scene_id), table, request)
        jobs.append(SceneJob(scene_id, arguments, inputs, pictures, pictures * picture_bytes))
    return jobs


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
    seen_rule: str,
    dot_radius_px: int | None,
    min_depth_gap_mm: int | None,
) -> argparse.Namespace:
    parser = cli.make_parser(docstring, questions=True)
    parser.set_defaults(dot_radius_px=None, min_depth_gap_mm=None)
    text, published = "by which a frame sees vertices", visibility_table.PUBLISHED
    rules = tuple(visibility_table.RULES)
    cli.add_constant(parser, "SEEN_RULE", seen_rule, text, choices=rules, published=published)
    if dot_radius_px is not None:
        cli.add_constant(parser, "DOT_RADIUS_PX", dot_radius_px, "radius of the dots, in pixels", 1)
    if min_depth_gap_mm is not None:
        text = "smallest difference between the two depths, in millimetres"
        cli.add_constant(parser, "MIN_DEPTH_GAP_MM", min_depth_gap_mm, text, 1)
    args = parser.parse_args(argv)
    args.max_samples = cli.max_samples_by_split(args, max_samples)
    return args
