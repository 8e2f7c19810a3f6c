"""Shared implementation of the two correspondence commands, from scenes to questions."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from spatial_engine.utils import paths
from spatial_engine.utils.questions import marked_images, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.tasks import TASKS
from spatial_engine.utils.questions.templates import Templates
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.pair_balance import PairPool
from spatial_engine.utils.scenes.scene_files import COLORS, SceneFiles
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import pair_table, visibility_table
from spatial_engine.visual_correspondence import correspondence_questions
from spatial_engine.visual_correspondence.distractors import DIFFICULTIES

_DIFFICULTY = {
    "meaning": "wrong dots anywhere, on the surface of the right one, or close to it",
    "choices": DIFFICULTIES,
    "published": DIFFICULTIES[0],
}
# What the flags of constants mean, their limits, and their published values. Each script has some.
FLAGS: dict[str, dict[str, Any]] = {
    "SEEN_RULE": visibility_table.SEEN_RULE_FLAG,
    "MAX_MATCH_ERROR_MM": {
        "meaning": "millimetres by which errors of poses may move a match on its surface, 0 = any",
        "at_least": 0,
        "published": 0.0,
    },
    "DOT_RADIUS_PX": {"meaning": "radius of the dots, in pixels", "at_least": 1},
    "TRAIN_DIFFICULTY": _DIFFICULTY,
    "VAL_DIFFICULTY": _DIFFICULTY,
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
    sentences = correspondence_questions.load_sentences(task, args.published)
    script = TASKS[task].question_type.replace("correspondence_", "correspondence_qa_engine_")
    step = Step(script, args, templates.settings_of(args, {task: sentences}), __file__)
    tables = {
        paths.visibility_table_path: visibility_table.REMEDY,
        paths.pair_table_path: pair_table.REMEDY,
    }
    for split, scenes in load_splits(args, step, tables, args.max_samples):
        output = record_path(args.dataset, task, split, args.version)
        pictures = marked_images.folder_beside(output) if TASKS[task].marked else {}
        pool = PairPool.of(args, step, split, scenes, [COLORS] if pictures else [])
        visibility = paths.visibility_table_path(args.dataset, split)
        made_from = [pool.digest, provenance.file_fingerprint(visibility, args.root)]
        step.make(
            Outputs({task: output}, pictures, made_from),
            jobs=partial(make_jobs, args, pool, visibility, task, sentences),
            work=correspondence_questions.write_scene,
            assemble=partial(marked_images.join_parts, seed=args.seed),
        )
    return step.close()


def make_jobs(
    args: argparse.Namespace,
    pool: PairPool,
    visibility: Path,
    task: str,
    sentences: Templates,
) -> tuple[list[SceneJob], dict[str, dict[str, int]]]:
    """Draw the pairs over all scenes; give each scene its own, and what fell short."""
    radius = args.constants.get("DOT_RADIUS_PX", 0)
    scenes, split = pool.scenes, pool.split
    difficulty = args.constants.get(f"{split.upper()}_DIFFICULTY", DIFFICULTIES[0])
    fingerprint = provenance.file_fingerprint(visibility, args.root)
    table = visibility_table.VisibilityInfoHandler(visibility, args.seen_rule)
    draws = pool.draw(args.seed, {task: args.max_samples[split]})

    def list_images(scene_id: str) -> SceneFiles:
        listed = pool.files[scene_id]
        table.check_is_about(scene_id, scenes.geometry_hash(scene_id), listed.depth_sizes)
        return listed.with_images()

    images = pool.step.ready(draws.pairs, list_images)
    picture_bytes = 0
    if radius:
        some = (files.first() for files in images.values() if files.ids)
        picture_bytes = marked_images.estimate_bytes(some, posed_images.REMEDY)
    jobs = []
    for scene_id, files in images.items():
        rows = draws.pairs[scene_id][task].rows
        request = correspondence_questions.SceneRequest(
            task, split, scene_id, args.seed, rows, files.ids, args.seen_rule,
            args.max_match_error_mm, radius, difficulty, sentences=sentences,
        )  # fmt: skip
        inputs = [*draws.inputs(scene_id), fingerprint, files.colors if radius else files.names]
        arguments = (scenes.only(scene_id), visibility, pool.path, request)
        pictures = 2 * len(rows) if radius else 0
        jobs.append(SceneJob(scene_id, arguments, inputs, pictures, pictures * picture_bytes))
    return jobs, draws.drops


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
