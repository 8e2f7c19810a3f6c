"""The 26 tasks of the MultiSPA benchmark, seven beside them, and the 14 of three to eight frames,
each described once (SPEC 10, 11, 13).

Whatever has to know what a record of a task is asks here: scripts, checks, report, scorer,
baselines, exports. Imports the standard library alone, as `plain_record` does, and for the same
programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from spatial_engine.utils.questions import frame_rules, task_rules

# Forms of an answer. A choice between two named points is answered by coordinates, too.
WORD, LETTER, LETTERS, NUMBER, VECTOR, COORDINATES, NAMED_POINT = (
    "word", "letter", "letters", "number", "vector", "coordinates", "named point",
)  # fmt: skip
_NUMBERS = {NUMBER: 1, VECTOR: 3, COORDINATES: 2, NAMED_POINT: 2}
FIRST_VERSION = "v1_0"
FRAME_COUNTS = tuple(range(3, 9))  # images of a record of many frames (SPEC 13)


@dataclass(frozen=True, kw_only=True)
class Task:
    """What the records of one task are.

    `name` is their field `task`, `question_type` the published name, `drawn_as` the name of the
    draws over all scenes. `unit` is mm, degree, signed degree, count, permille, letter, letters or
    word. `fields` are those beside the fields of every record; `rule` finds where `gt_value`
    contradicts them. `image_counts` are the numbers of images that a record can have, the usual
    last. `num_points` are asked about, all in the first image: named by coordinates or, where
    `marked`, shown by dots. A `marked` task has pictures of its own. `options` are the words or
    letters that can be right; where the field `choices` of a record says what its letters stand
    for, it may have fewer.

    `named` are the slots of a task of many frames; `clip_set` is the set of clips that all its
    records are of; `bare` names the lines that ask for its bare answer where the unit does not.

    `file` is where the records are, below the folder of a split: `{k}` stands for the images of a
    record, `{most}` and `{numbers}` for constants of the script. `group` is that of the training
    mix, `full_length` how many records the full training set has, `row` that of the paper's Table 2
    (arXiv 2505.17015). A task without a row is not in the benchmark, nor in the full training set.
    """

    name: str
    question_type: str
    drawn_as: str
    answer: str
    unit: str
    fields: tuple[str, ...]
    rule: Callable[[Mapping[str, Any], Task], str] = task_rules.nothing_to_contradict
    image_counts: tuple[int, ...] = (2,)
    num_points: int = 0
    marked: bool = False
    of_clips: bool = False
    clip_set: str = ""
    named: tuple[str, ...] = ()
    bare: str = ""
    options: tuple[str, ...] = ()
    file: str
    group: str
    full_length: int = 0
    row: str = ""

    @property
    def num_images(self) -> int:
        """Images of a record, usually."""
        return self.image_counts[-1]

    @property
    def of_frames(self) -> bool:
        """Whether its records show three to eight frames."""
        return self.image_counts == FRAME_COUNTS

    @property
    def num_numbers(self) -> int:
        """Numbers in an answer; 0 where it is a word or a letter."""
        return _NUMBERS.get(self.answer, 0)

    @property
    def num_choices(self) -> int:
        """Answers that a question offers; 0 where it offers none."""
        return self.num_points if self.answer == NAMED_POINT else len(self.options)

    @property
    def sentences(self) -> str:
        """Name of the file of its sentences. All sets of clips share theirs, and so do objects
        with and without a mark."""
        shared = self.clip_set or self.name.endswith("_marked")
        return self.name.rpartition("_")[0] if shared else self.name

    @property
    def slots(self) -> tuple[str, ...]:
        """What its questions leave open: the points named, in their order, or the category."""
        if self.of_frames:
            return self.named
        if "raw_category" in self.fields:
            return ("category",)
        if self.marked or not self.num_points:
            return ()
        return ("point",) if self.num_points == 1 else ("point1", "point2")

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants of its questions or answers that have sentences of their own, the usual first
        where it has no name; numbered in this order."""
        if self.of_frames:
            return ("",)
        if "is_closer_question" in self.fields:
            return ("farther", "closer")
        if "raw_category" in self.fields:
            return ("", "marked")
        return ("static", "moving") if "point_moving" in self.fields else ("",)

    @property
    def form(self) -> str:
        """Which lines ask for its bare answer: vector, or the unit."""
        return self.bare or (VECTOR if self.answer == VECTOR else self.unit)

    def file_of(self, split: str, version: str, **constants: object) -> str:
        """Path of a file of records below the folder of the split; a glob without the constants."""
        later = "" if version == FIRST_VERSION else f"{version}/"
        free = dict.fromkeys(("k", "most", "numbers"), "*") | constants
        return self.file.format(split=split, version=version, later=later, **free)


def _depth(quantity: str, prompt: str, **more: Any) -> Task:
    name, marked = f"depth_{quantity}_{prompt}", prompt == "dot"
    colors = ("mark_colors",) if marked else ()
    if quantity == "comparison":
        choice = {"answer": LETTER, "unit": "letter", "options": ("A", "B")}
        answer = choice if marked else {"answer": NAMED_POINT, "unit": "permille"}
        more |= {"num_points": 2, "rule": task_rules.compared_depths, "row": "Depth comparison"}
        fields = ("points_info", "is_closer_question", *colors)
    else:
        answer = {"answer": NUMBER, "unit": "mm"}
        more |= {"num_points": 1, "rule": task_rules.depth_of_the_point, "row": "Depth value"}
        fields = ("points_info", *colors)
    return Task(
        name=name, question_type=name, drawn_as=name, fields=fields, image_counts=(1,),
        marked=marked, file=f"{name}/{{version}}/{name}.jsonl", group="depth", **answer, **more,
    )  # fmt: skip


def _correspondence(kind: str, published: str, **more: Any) -> Task:
    name, question_type = f"correspondence_{kind}", f"visual_correspondence_{published}"
    return Task(
        name=name, question_type=question_type, drawn_as=name, num_points=1,
        file=f"{question_type}/{{version}}/{{split}}_{question_type}.jsonl",
        group="correspondence", **more,
    )  # fmt: skip


def _camera(question_type: str, group: str, row: str, **more: Any) -> Task:
    length = 1_000_000 if question_type.endswith(("_movement", "_angle")) else 3_000_000
    return Task(
        name=f"camera_{question_type}", question_type=question_type, drawn_as=question_type,
        fields=("answer_values", "overlap"), rule=task_rules.value_among_answers,
        file=f"camera_movement/{{version}}/{question_type}_{{split}}.jsonl",
        group=f"camera {group}", full_length=length, row=f"Camera {group} {row}", **more,
    )  # fmt: skip


def _direction(axis: str, group: str, *options: str) -> Task:
    question_type = f"{axis}_movement"
    return _camera(question_type, group, "direction", answer=WORD, unit="word", options=options)


def _movement(prompt: str, quantity: str, dataset: str, **more: Any) -> Task:
    published = {"distance": "total_distance", "vector": "displacement_vector"}[quantity]
    question_type, marked = f"tapvid3d_{published}", prompt == "dot"
    colors = ("mark_colors",) if marked else ()
    return Task(
        name=f"movement_{prompt}_{quantity}_{dataset}", question_type=question_type,
        drawn_as=question_type,
        answer={"distance": NUMBER, "vector": VECTOR}[quantity], unit="mm",
        fields=("point_moving", "cam_moving", "p1", "p2", *colors),
        rule=task_rules.moved_or_still, num_points=1, marked=marked, of_clips=True,
        clip_set=dataset,
        file=f"object_movement_{prompt}/{{version}}/{dataset}/"
        f"{dataset}_{question_type}_{{split}}{{numbers}}.jsonl",
        group="object movement", **more,
    )  # fmt: skip


def _object(side: str, **more: Any) -> Task:
    kind = f"{side}_marked" if more.get("marked") else side
    marks = ("mark_points", "mark_colors") if more.get("marked") else ()
    return Task(
        name=f"object_{kind}", question_type=f"object_perception_{side}_estimation",
        drawn_as=f"object_{kind}",
        answer=NUMBER, unit="mm", fields=("object_id", "raw_category", *marks), image_counts=(1, 2),
        file=f"object_perception/{{later}}object_perception_{kind}_k{{k}}_{{split}}_{{most}}.jsonl",
        group="object perception", **more,
    )  # fmt: skip


def _frames(family: str, kind: str, *fields: str, **more: Any) -> Task:
    name = f"{family}_{kind}"
    return Task(
        name=name, question_type=kind, drawn_as=name, fields=("frames", *fields),
        image_counts=FRAME_COUNTS, file=f"{family}_frames/{{version}}/{kind}_{{split}}.jsonl",
        group=f"{family} frames", rule=frame_rules.RULES[name], **more,
    )  # fmt: skip


def _choice(most: int, **more: Any) -> dict[str, Any]:
    """A question that lists what its letters stand for, so many at most."""
    return {"answer": LETTER, "unit": "letter", "options": tuple("ABCDEFGH"[:most]), **more}


_LENGTH = {"answer": NUMBER, "unit": "mm"}
_MOVING_POINT = {"of_clips": True, "num_points": 1, "named": ("point",)}
_OF_OBJECTS = ("object_ids", "categories", "seen_objects")

_LIST = [
    _depth("comparison", "coor", full_length=500_000),
    _depth("comparison", "dot", full_length=500_000),
    _depth("estimation", "coor", full_length=331_295),
    _depth("estimation", "dot", full_length=337_523),
    _correspondence(
        "coor", "coor_2_coor", answer=COORDINATES, unit="permille", fields=("p1", "p2", "overlap"),
        rule=task_rules.matched_coordinates, full_length=1_000_000, row="Correspondence coordinate",
    ),
    _correspondence(
        "multichoice", "dot_2_multichoice", answer=LETTER, unit="letter",
        options=("A", "B", "C", "D"), fields=("p1", "p2", "overlap", "options", "mark_colors"),
        rule=task_rules.matched_option, marked=True, full_length=500_000,
        row="Correspondence multiple choice",
    ),
    _direction("yaw", "orientation", "left", "right"),
    _direction("pitch", "orientation", "up", "down"),
    _camera("yaw_angle", "orientation", "degree", answer=NUMBER, unit="degree"),
    _camera("pitch_angle", "orientation", "degree", answer=NUMBER, unit="degree"),
    _direction("x", "translation", "left", "right"),
    _direction("y", "translation", "up", "down"),
    _direction("z", "translation", "forward", "backward"),
    _camera("total_distance", "translation", "distance", answer=NUMBER, unit="mm"),
    _camera("displacement_vector", "translation", "vector", answer=VECTOR, unit="mm"),
    *(
        _movement(
            prompt, quantity, dataset, row=f"Object movement {quantity}", full_length=full_length
        )
        for prompt in ("coord", "dot")
        for quantity in ("distance", "vector")
        # An estimate: 13 million over eight files, by the clips of each data set (131 and 1,647).
        for dataset, full_length in (("pstudio", 240_000), ("adt", 3_010_000))
    ),
    _object("height", full_length=457_409, row="Object size"),
    _object("length", full_length=667_299, row="Object size"),
    _object("width", full_length=425_229, row="Object size"),
    *(_object(side, marked=True) for side in ("height", "length", "width")),
    *(
        _movement(prompt, quantity, "drivetrack")
        for prompt in ("coord", "dot")
        for quantity in ("distance", "vector")
    ),
    _frames("camera", "path_length", "positions_mm", **_LENGTH),
    _frames("camera", "net_turn", "turns_deg", answer=NUMBER, unit="signed degree"),
    _frames(
        "depth", "nearest_view", "p1", "mark_colors", "point_id", "depths_mm", "choices",
        num_points=1, marked=True, **_choice(8),
    ),
    _frames(
        "depth", "hidden_depth", "p1", "mark_colors", "point_id", num_points=1, marked=True,
        named=("image",), **_LENGTH,
    ),
    _frames(
        "correspondence", "odd_dot", "mark_points", "mark_colors", "point_id", "choices",
        num_points=1, marked=True, **_choice(8),
    ),
    _frames(
        "correspondence", "seen_where", "p1", "mark_colors", "point_id", "seen", "choices",
        num_points=1, marked=True, answer=LETTERS, unit="letters", options=tuple("ABCDEFG"),
    ),
    _frames(
        "object", "joint_size", "object_id", "raw_category", "bounds_mm", "links", answer=VECTOR,
        unit="mm", bare="size", named=("category",),
    ),
    _frames(
        "object", "count_distinct", "raw_category", "seen_objects", answer=NUMBER, unit="count",
        named=("category",),
    ),
    _frames(
        "movement", "point_path", "clip_set", "p1", "point_id", "positions_mm",
        **_MOVING_POINT, **_LENGTH,
    ),
    _frames(
        "movement", "fastest_step", "clip_set", "p1", "point_id", "positions_mm", "choices",
        **_MOVING_POINT, **_choice(7),
    ),
    _frames(
        "relation", "object_distance", *_OF_OBJECTS, named=("category1", "category2"), **_LENGTH
    ),
    _frames(
        "relation", "nearest_object", *_OF_OBJECTS, "distances_mm", "choices",
        named=("category",), **_choice(4),
    ),
    _frames(
        "relation", "direction", *_OF_OBJECTS, "angle_deg", "choices",
        named=("category1", "category2", "category3"), **_choice(4),
    ),
    _frames("relation", "appearance_order", *_OF_OBJECTS, "choices", **_choice(4)),
]  # fmt: skip

TASKS: dict[str, Task] = {task.name: task for task in _LIST}
# Those of the benchmark, its subtasks.
SUBTASKS: dict[str, Task] = {name: task for name, task in TASKS.items() if task.row}
# Those of three to eight frames, which have a benchmark of their own.
FRAME_TASKS: dict[str, Task] = {name: task for name, task in TASKS.items() if task.of_frames}

# The rows of the paper's Table 2, in its order, with their tasks.
ROWS: dict[str, list[str]] = {}
for _task in SUBTASKS.values():
    ROWS.setdefault(_task.row, []).append(_task.name)
# Those of the benchmark of three to eight frames: the families.
FRAME_ROWS: dict[str, list[str]] = {}
for _task in FRAME_TASKS.values():
    FRAME_ROWS.setdefault(_task.group.capitalize(), []).append(_task.name)


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: its tasks, and the rows that these make; `row_title` is what a row is one of."""

    name: str
    tasks: dict[str, Task]
    rows: dict[str, list[str]]
    row_title: str


MULTISPA = Benchmark("multispa", SUBTASKS, ROWS, "row of Table 2")
MULTISPA_FRAMES = Benchmark("multispa_frames", FRAME_TASKS, FRAME_ROWS, "family")
BENCHMARKS: dict[str, Benchmark] = {one.name: one for one in (MULTISPA, MULTISPA_FRAMES)}


def benchmark_with(tasks: Iterable[str]) -> Benchmark:
    """The benchmark that has these tasks; MultiSPA where none has all of them."""
    return next((one for one in BENCHMARKS.values() if {*tasks} <= one.tasks.keys()), MULTISPA)


def metric_name(row: str) -> str:
    """A row of a benchmark as a name in code: `multispa_depth_comparison`."""
    return f"multispa_{row.lower().replace(' ', '_')}"
