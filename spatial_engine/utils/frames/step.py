"""From scenes to records of three to eight frames: what the scripts of the families share
(SPEC 13).

A family gives its tasks, its sentences and a function that writes one scene's records. Each scene
is asked for more records than its share of the whole, since not all scenes have them; the joined
files are balanced over numbers of frames and answers (`questions/frame_records.py`).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from spatial_engine.errors import SettingsError
from spatial_engine.utils import paths
from spatial_engine.utils.frames.object_distances import make_distances
from spatial_engine.utils.frames.scene_frames import FrameTables
from spatial_engine.utils.frames.states import make_states
from spatial_engine.utils.questions import frame_records, marked_images, templates
from spatial_engine.utils.questions.record_files import record_path
from spatial_engine.utils.questions.tasks import FRAME_COUNTS, TASKS
from spatial_engine.utils.questions.templates import Templates, load_templates
from spatial_engine.utils.running import cli, flag_types
from spatial_engine.utils.running.outputs import Outputs
from spatial_engine.utils.running.scene_runner import SceneJob, Work
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.object_freshness import check_has_objects, instances_hash
from spatial_engine.utils.scenes.scene_files import COLORS, SceneFiles
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.scenes.selection import load_splits
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.tables import pair_table, visibility_table

# Of its share of the wanted records a scene is asked for so much, as others have fewer; and for
# less where pictures are drawn, which would be in vain.
SPARE, SPARE_OF_MARKED = 3.0, 1.5
ALL_OF_SCENE = 1000  # records of a scene and task, where all (-1) are wanted: there is no end


@dataclass(frozen=True)
class FramesFamily:
    """What a family gives: the name of its script, `module`, whose code decides the records
    (`__file__`), its `tasks`, the folder of its `templates`, and `write_scene`, a work function of
    (SceneInfoHandler, FrameTables, SceneRequest). `sees` says whether what frames see is needed,
    `states` whether also what they certainly do not show, `objects` whether it asks about annotated
    objects, `distances` whether about how far they are apart."""

    script: str
    module: str
    tasks: tuple[str, ...]
    templates: Path
    write_scene: Work
    sees: bool = True
    states: bool = True
    objects: bool = False
    distances: bool = False

    @property
    def marked(self) -> bool:
        """Whether pictures are drawn."""
        return any(TASKS[task].marked for task in self.tasks)


@dataclass(frozen=True)
class SceneRequest:
    """What is asked about one scene: so many records `wanted` of each task, with the least and the
    most frames of `num_frames`, of the `images` that are there, under the `constants` of the
    script, in these `sentences` by task."""

    split: str
    scene_id: str
    seed: int
    wanted: Mapping[str, int]
    num_frames: tuple[int, int]
    images: Set[str]
    constants: Mapping[str, Any]
    sentences: Mapping[str, Templates]


def run_family(
    family: FramesFamily,
    docstring: str | None,
    argv: Sequence[str] | None,
    *,
    max_samples: Mapping[str, int],
    num_frames: tuple[int, int],
    constants: Mapping[str, tuple[float, str]],
) -> int:
    """Make both splits of a family with the constants of its script: `max_samples` of each task by
    split, and the others by name with what they mean. Returns the exit code."""
    args = parse_args(
        docstring,
        argv,
        family.tasks,
        max_samples=max_samples,
        num_frames=num_frames,
        constants=constants,
    )
    sentences = load_sentences(family.templates, args)
    step = Step(family.script, args, settings_of(args, sentences), family.module)
    tables = {paths.pair_table_path: pair_table.REMEDY}
    if family.sees:
        tables[paths.visibility_table_path] = visibility_table.REMEDY
    splits = load_splits(args, step, tables, args.max_samples, objects=family.objects)
    for split, scenes in splits:
        most = args.max_samples[split]
        jsonl = record_paths(args, split)
        pictures, beside = {}, []
        if family.marked:
            pictures = marked_images.folder_beside(next(iter(jsonl.values())))
            others = (t for t in family.tasks if t not in jsonl)
            finished = (record_path(args.dataset, task, split, args.version) for task in others)
            beside = [path for path in finished if path.is_file()]
        asked = list_scenes(args, step, split, scenes, family)
        inputs, parts_name = asked.inputs(args), f"{Path(family.script).name}_{split}"
        outputs = Outputs(jsonl, pictures, parts_name=parts_name)
        if step.is_up_to_date(outputs, inputs):
            continue
        step.make(
            outputs,
            make_jobs(args, asked, inputs, sentences),
            family.write_scene,
            partial(marked_images.join_parts, seed=args.seed, at_most=most,
                    join=frame_records.join_parts, beside=beside),
            wanted=dict.fromkeys(jsonl, most),
        )  # fmt: skip
    return step.close()


def record_paths(args: argparse.Namespace, split: str) -> dict[str, Path]:
    """The file of each task that is asked for."""
    return {task: record_path(args.dataset, task, split, args.version) for task in args.tasks}


@dataclass(frozen=True)
class Asked:
    """The scenes of a split that a family asks about: the `files` of each, and the `share` of the
    wanted records of a task that each is asked for."""

    family: FramesFamily
    split: str
    scenes: SceneInfoHandler
    tables: FrameTables
    files: Mapping[str, SceneFiles]
    share: int

    def inputs(self, args: argparse.Namespace) -> dict[str, list[Any]]:
        """What decides, with the settings of the step, the records of each scene."""
        family, scenes = self.family, self.scenes
        made_with = [provenance.file_fingerprint(self.tables.pairs, args.root)]
        if family.sees:
            made_with.append(provenance.file_fingerprint(self.tables.visibility, args.root))
        found = {}
        for scene_id, there in self.files.items():
            objects: Any = scenes.objects_hash(scene_id) if family.states else None
            if family.objects:
                objects = [objects, instances_hash(scenes, scene_id)]
            images = there.colors if family.marked else there.names
            geometry = scenes.geometry_hash(scene_id)
            found[scene_id] = [geometry, *made_with, objects, images, self.share]
        return found


def list_scenes(
    args: argparse.Namespace,
    step: Step,
    split: str,
    scenes: SceneInfoHandler,
    family: FramesFamily,
) -> Asked:
    """Those that can be asked about, once it is measured what their frames show."""
    tables = FrameTables(
        paths.pair_table_path(args.dataset, split),
        paths.visibility_table_path(args.dataset, split),
        paths.object_frames_dir(args.dataset),
    )
    files = step.ready(scenes.scene_ids, _list_images(scenes, tables, family))
    for wanted, make in ((family.states, make_states), (family.distances, make_distances)):
        failed = make(args, step, split, scenes, files) if wanted else set()
        files = {scene_id: there for scene_id, there in files.items() if scene_id not in failed}
    share = share_of(args.max_samples[split], len(files), family.marked)
    return Asked(family, split, scenes, tables, files, share)


def make_jobs(
    args: argparse.Namespace,
    asked: Asked,
    inputs: Mapping[str, list[Any]],
    sentences: Mapping[str, Templates],
) -> list[SceneJob]:
    """A job for each scene, which is asked for its share of the wanted records."""
    picture_bytes, pictures = 0, 0
    if asked.family.marked:
        first = (there.first() for there in asked.files.values())
        picture_bytes = marked_images.estimate_bytes(first, posed_images.REMEDY)
        pictures = asked.share * len(args.tasks) * args.num_frames[1]
    jobs = []
    for scene_id, there in asked.files.items():
        request = SceneRequest(
            asked.split, scene_id, args.seed, dict.fromkeys(args.tasks, asked.share),
            args.num_frames, there.ids, args.constants, sentences,
        )  # fmt: skip
        arguments = (asked.scenes.only(scene_id), asked.tables, request)
        size = pictures * picture_bytes
        jobs.append(SceneJob(scene_id, arguments, inputs[scene_id], pictures, size))
    return jobs


def share_of(wanted: int, scenes: int, marked: bool) -> int:
    """How many records of a task a scene is asked for."""
    if wanted < 0 or not scenes:
        return ALL_OF_SCENE
    return int(wanted * (SPARE_OF_MARKED if marked else SPARE) / scenes) + 1


def settings_of(args: argparse.Namespace, sentences: Mapping[str, Templates]) -> dict[str, Any]:
    """What decides the records beside the inputs."""
    return templates.settings_of(args, sentences, NUM_FRAMES=list(args.num_frames))


def load_sentences(folder: Path, args: argparse.Namespace) -> dict[str, Templates]:
    """The sentences of the tasks that are asked for, in the folder of the family's templates."""
    return {task: load_templates(folder, task, args.published) for task in args.tasks}


def parse_args(
    docstring: str | None,
    argv: Sequence[str] | None,
    tasks: Sequence[str],
    *,
    max_samples: Mapping[str, int],
    num_frames: tuple[int, int],
    constants: Mapping[str, tuple[float, str]],
    clips: bool = False,
) -> argparse.Namespace:
    """The flags of a script about three to eight frames; `clips` adds which sets of clips. The
    parsed ones hold `tasks`, `num_frames` and `max_samples` by split."""
    parser = cli.make_parser(docstring, dataset=not clips, questions=True)
    if clips:
        cli.add_choices(parser, "--datasets", paths.CLIP_DATASETS)
    kinds = {TASKS[task].question_type: task for task in tasks}
    cli.add_choices(parser, "--question-types", list(kinds))
    text = "the least and the most images of a question (default: {} {})".format(*num_frames)
    kind = flag_types.whole_number(FRAME_COUNTS[0], FRAME_COUNTS[-1])
    parser.add_argument(
        "--num-frames", nargs=2, type=kind, default=num_frames, metavar=("LEAST", "MOST"), help=text
    )
    for name, (value, meaning) in constants.items():
        cli.add_constant(parser, name, value, meaning, 0)
    args = parser.parse_args(argv)
    args.tasks = [kinds[name] for name in args.question_types]
    args.num_frames = tuple(args.num_frames)
    if args.num_frames[0] > args.num_frames[1]:
        raise SettingsError("--num-frames {} {}: the least comes first".format(*args.num_frames))
    args.max_samples = cli.max_samples_by_split(args, max_samples)
    return args


def _list_images(
    scenes: SceneInfoHandler, tables: FrameTables, family: FramesFamily
) -> Callable[[str], SceneFiles]:
    """What tells the files of a scene, which the tables must be about."""
    pairs, seen = pair_table.open_pairs(tables.pairs), None
    if family.sees:
        seen = visibility_table.VisibilityInfoHandler(tables.visibility, visibility_table.SURFACE)

    def list_images(scene_id: str) -> SceneFiles:
        if family.objects:
            check_has_objects(scenes, scene_id)
        listed = SceneFiles.of(scenes, scene_id, *([COLORS] if family.marked else []))
        geometry = scenes.geometry_hash(scene_id)
        pair_table.check_is_about(pairs, scene_id, geometry, listed.depth_sizes)
        if seen:
            seen.check_is_about(scene_id, geometry, listed.depth_sizes)
        return listed.with_images()

    return list_images
