"""How high, long and wide an object is: phrased and written from sets of images (SPEC 8.4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.object_perception import object_marks
from spatial_engine.object_perception.object_marks import Dot, DotRule
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.geometry.cameras import MM_PER_METRE
from spatial_engine.utils.questions import marked_images, records
from spatial_engine.utils.questions.templates import Templates, load_templates
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.scenes.object_names import can_be_said
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler
from spatial_engine.utils.tables import object_table
from spatial_engine.utils.tables.coverage_files import DIMENSIONS
from spatial_engine.utils.tables.object_table import SeenObject

_TEMPLATES = Path(__file__).parent / "templates"

SetsByOutput = dict[str, dict[int, list[tuple[str, ...]]]]  # of images, by output and object


@dataclass(frozen=True)
class SceneRequest:
    """What is asked about one scene: sets of images by output name, and by object; the ids of the
    images that are there; `require_unique_category` is a constant of the script; the `sentences` of
    each dimension; how `dots` are placed, where the outputs are those of marked objects."""

    split: str
    scene_id: str
    seed: int
    sets: SetsByOutput
    images: Set[str]
    require_unique_category: bool
    sentences: Mapping[str, Templates]
    dots: DotRule | None = None


def output_name(dimension: str, num_images: int | str, marked: bool = False) -> str:
    """Name of the output that holds the sets of so many images."""
    return f"{dimension}{'_marked' * marked}_k{num_images}"


def task_of(output: str) -> str:
    """Task of an output."""
    return f"object_{output.partition('_k')[0]}"


def dimension_of(output: str) -> str:
    """Dimension of an output."""
    return output.split("_")[0]


def load_sentences(published: bool = False) -> dict[str, Templates]:
    """The sentences of all dimensions."""
    return {name: load_templates(_TEMPLATES, f"object_{name}", published) for name in DIMENSIONS}


def measure_mm(size: np.ndarray, dimension: str) -> int:
    """Height, length or width in whole millimetres of a box of `size` (3,) metres along x, y, z."""
    metres = {"height": size[2], "length": max(size[:2]), "width": min(size[:2])}[dimension]
    return int(np.rint(metres * MM_PER_METRE))


def show_others(seen: SeenObject) -> set[str]:
    """The images of an object that show another object of its category."""
    return {seen.image_ids[number] for number in np.flatnonzero(seen.others)}


def write_scene(
    arguments: tuple[SceneInfoHandler, Path, SceneRequest], part_dir: Path
) -> PartResult:
    """Write one scene's records, a file for each output, and their pictures where objects are
    marked."""
    scenes, table, request = arguments
    objects = {
        seen.object_id: seen
        for seen in object_table.read_scene_objects(
            object_table.open_objects(table), request.scene_id
        )
    }
    dots: dict[object_marks.View, Dot] = {}
    if request.dots:
        rng = sampling.generator(request.seed, "object_marked", request.split, request.scene_id)
        wanted = [view for view in views_of(request.sets) if view[0] in request.images]
        folder = part_dir / marked_images.FOLDER
        dots = object_marks.draw_dots(rng, scenes, request.scene_id, request.dots, wanted, folder)
    result = PartResult()
    for name in request.sets:
        lines = phrase(scenes, objects, name, request, dots, result)
        result.counts[name] = records.write_jsonl(part_dir / f"{name}.jsonl", lines)
    return result


def mark_fields(dots: Sequence[Dot]) -> dict[str, Any]:
    """The fields of a record about the dots in its images; without dots there are none."""
    if not dots:
        return {}
    return {
        "mark_points": [dot.place for dot in dots],
        "mark_colors": [dot.color for dot in dots],
    }


def views_of(sets: SetsByOutput) -> set[object_marks.View]:
    """Every image of a set, with the object that it is asked about."""
    return {
        (image_id, object_id)
        for by_object in sets.values()
        for object_id, some in by_object.items()
        for images in some
        for image_id in images
    }


def phrase(
    scenes: SceneInfoHandler,
    objects: dict[int, SeenObject],
    name: str,
    request: SceneRequest,
    dots: Mapping[object_marks.View, Dot],
    result: PartResult,
) -> Iterator[dict[str, Any]]:
    """Records of one output about a scene; `result` gets its counts.

    A set is noted, or left out if the script says so, when one of its images shows another object
    of the same category.
    """
    dimension, task = dimension_of(name), task_of(name)
    rng = sampling.generator(request.seed, task, request.split, request.scene_id, name)
    drops: Counter[str] = Counter()
    notes: Counter[str] = Counter()
    size = scenes.color_size(request.scene_id)
    for object_id, sets in sorted(request.sets[name].items()):
        seen = objects[object_id]
        ambiguous = show_others(seen)
        if not can_be_said(seen.category):
            drops["category that cannot be used in a sentence"] += len(sets)
            continue
        answer = measure_mm(seen.size, dimension)
        orders = rng.permuted(np.tile(np.arange(len(sets[0])), (len(sets), 1)), axis=1).tolist()
        variant = int(request.dots is not None)
        sentences = request.sentences[dimension].draw(rng, request.split, len(sets), variant)
        for images, order, phrase in zip(sets, orders, sentences, strict=True):
            if any(image_id not in request.images for image_id in images):
                drops["sets with a missing image file"] += 1
                continue
            if not ambiguous.isdisjoint(images):
                counter = drops if request.require_unique_category else notes
                counter["another object of the category in an image"] += 1
                if request.require_unique_category:
                    continue
            shown = [images[number] for number in order]
            mine = [dots[image, object_id] for image in shown if (image, object_id) in dots]
            if request.dots and len(mine) < len(shown):
                drops["no clear place for a dot on the object in an image"] += 1
                continue
            names = [dot.picture for dot in mine] or [f"{image_id}.jpg" for image_id in shown]
            yield records.make_record(
                request.split,
                f"{task}_{request.split}_{request.scene_id}_{object_id}_{'_'.join(shown)}",
                [f"{request.scene_id}/{file_name}" for file_name in names],
                [size] * len(shown),
                task,
                phrase.filled({"category": seen.category.strip()}),
                answer,
                {"object_id": object_id, "raw_category": seen.category, **mark_fields(mine)},
            )
    result.drops[name], result.notes[name] = dict(drops), dict(notes)
