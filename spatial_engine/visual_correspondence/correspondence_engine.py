"""Shared implementation of the two correspondence commands, from scenes to questions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial

from spatial_engine.utils import paths
from spatial_engine.utils.questions import marked_images, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli, provenance
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.pair_balance import draw_pairs
from spatial_engine.utils.scenes.scene_files import SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.tables import pair_table, visibility_table
from spatial_engine.visual_correspondence import correspondence_questions
from spatial_engine.visual_correspondence.distractors import DIFFICULTIES


def run_task(
    task: str,
    docstring: str,
    argv: Sequence[str] | None,
    *,
    max_samples: Mapping[str, int],
    seen_rule: str,
    max_match_error_mm: float,
    dot_radius_px: int | None = None,
    difficulty: Mapping[str, str] | None = None,
) -> int:
    """Make both splits of a task; the keywords are the constants of its script, by split or None
    where the script has none. Returns the exit code."""
    args = _parse_args(
        docstring, argv, max_samples, seen_rule, max_match_error_mm, dot_radius_px, difficulty
    )
    sentences = correspondence_questions.load_sentences(task, args.published)
    settings = {
        "seed": args.seed,
        "max_samples": args.max_samples,
        **args.constants,
        "templates": templates.digest_of({task: sentences}),
    }
    script = TASKS[task].question_type.replace("correspondence_", "correspondence_qa_engine_")
    step = Step(script, args, settings, __file__)
    splits = dict(load_splits(args, step))
    for path_of, remedy in (
        (paths.visibility_table_path, visibility_table.REMEDY),
        (paths.pair_table_path, pair_table.REMEDY),
    ):
        there = step.present_inputs(list(splits), partial(path_of, args.root), remedy)
        splits = {split: splits[split] for split in there}
    for split, scenes in splits.items():
        wanted = args.max_samples[split]
        if not wanted:
            step.table.absent[f"{split}, 0 questions were asked for"] += 1
            continue
        output = record_path(args.root, task, split, args.version)
        jobs, drops = make_jobs(args, step, split, scenes, task, sentences)
        pictures = {marked_images.FOLDER: output.parent / marked_images.FOLDER}
        step.make(
            {task: output},
            jobs,
            correspondence_questions.write_scene,
            partial(marked_images.join_parts, seed=args.seed),
            drops=drops,
            companions=pictures if args.dot_radius_px else None,
        )
    return step.close()


def make_jobs(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    task: str,
    sentences: Templates,
) -> tuple[list[SceneJob], dict[str, dict[str, int]]]:
    """Draw the pairs over all scenes; give each scene its own, and what fell short."""
    radius = args.dot_radius_px or 0
    visibility = paths.visibility_table_path(args.root, split)
    fingerprint = provenance.file_fingerprint(visibility, args.root)
    table = visibility_table.VisibilityInfoHandler(visibility, args.seen_rule)
    draws = draw_pairs(args, step, split, scenes, {task: args.max_samples[split]})

    def list_images(scene_id: str) -> SceneFiles:
        listed = draws.files[scene_id]
        table.check_is_about(scene_id, scenes.geometry_hash(scene_id), listed.depth_sizes)
        return listed.with_images()

    images = step.ready(draws.pairs, list_images)
    picture_bytes = 0
    if radius:
        some = (files.first() for files in images.values() if files.ids)
        picture_bytes = marked_images.estimate_bytes(some, posed_images.REMEDY)
    jobs = []
    for scene_id, files in images.items():
        rows = draws.pairs[scene_id][task].rows
        request = correspondence_questions.SceneRequest(
            task, split, scene_id, args.seed, rows, files.ids, args.seen_rule,
            args.max_match_error_mm, radius, args.difficulty[split], sentences=sentences,
        )  # fmt: skip
        inputs = [*draws.inputs(scene_id), fingerprint, files.colors if radius else files.names]
        arguments = (
            scenes.only(scene_id),
            visibility,
            paths.pair_table_path(args.root, split),
            request,
        )
        pictures = 2 * len(rows) if radius else 0
        jobs.append(SceneJob(scene_id, arguments, inputs, pictures, pictures * picture_bytes))
    return jobs, draws.drops


def _parse_args(
    docstring: str,
    argv: Sequence[str] | None,
    max_samples: Mapping[str, int],
    seen_rule: str,
    max_match_error_mm: float,
    dot_radius_px: int | None,
    difficulty: Mapping[str, str] | None,
) -> argparse.Namespace:
    parser = cli.make_parser(docstring, questions=True)
    parser.set_defaults(dot_radius_px=None)
    text, published = "by which a frame sees vertices", visibility_table.PUBLISHED
    rules = tuple(visibility_table.RULES)
    cli.add_constant(parser, "SEEN_RULE", seen_rule, text, choices=rules, published=published)
    if dot_radius_px is not None:
        cli.add_constant(parser, "DOT_RADIUS_PX", dot_radius_px, "radius of the dots, in pixels", 1)
    text = "millimetres by which errors of poses may move a match along its surface, 0 = any"
    cli.add_constant(parser, "MAX_MATCH_ERROR_MM", max_match_error_mm, text, 0, published=0.0)
    for split, kind in (difficulty or {}).items():
        text = f"{split}: wrong dots anywhere, on the surface of the right one, or near it"
        name = f"{split.upper()}_DIFFICULTY"
        cli.add_constant(parser, name, kind, text, choices=DIFFICULTIES, published="easy")
    args = parser.parse_args(argv)
    args.difficulty = {
        split: getattr(args, f"{split}_difficulty", DIFFICULTIES[0]) for split in cli.SPLITS
    }
    args.max_samples = cli.max_samples_by_split(args, max_samples)
    return args
