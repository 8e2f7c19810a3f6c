"""Where the value of a record of three to eight frames contradicts its other fields: as
`task_rules`, by the name of the task (SPEC 13).

Fields hold whole millimetres and degrees: what follows from them may differ from the value, which
is rounded from the exact one, by as much as rounding can do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from math import dist, hypot, sqrt
from typing import TYPE_CHECKING, Any

from spatial_engine.utils.questions.plain_record import format_value

if TYPE_CHECKING:
    from spatial_engine.utils.questions.tasks import Task

Record = Mapping[str, Any]
Rule = Callable[[Record], str]

MAX_UNSEEN_SHARE = 0.1  # of a side, that the frames of a set may leave out (SPEC 13.2)
MAX_OFF_SHARE = 0.2  # of the length of a vector, by which an answer that is right may be off
HALF = 0.5  # a rounded number is at most so far from the exact one
STEP_ERROR = sqrt(3)  # of the distance of two positions whose coordinates are rounded
# Of the distance of two vectors, one of which has sides between rounded ends, and the share of it.
MAX_ROUNDING_OFF = (3 + MAX_OFF_SHARE) * HALF * sqrt(3)
BY_FRAME = ("positions_mm", "depths_mm", "bounds_mm", "seen", "seen_objects")
# Degrees from facing, to the left, in the middle of each sector.
SECTORS = {"front": 0, "left": 90, "back": 180, "right": -90}


def letters_of(record: Record) -> list[str]:
    """The letters that are right, of an answer of letters."""
    return record["gt_value"].split(", ")


def image_texts(record: Record, first: int = 1) -> list[str]:
    """What choices among the images say, from the first on."""
    return [f"Image-{number}" for number in range(first, len(record["image"]) + 1)]


def interval_texts(record: Record) -> list[str]:
    """What choices among the intervals from one image to the next say."""
    return [f"from {one} to {other}" for one, other in pairwise(image_texts(record))]


def union_sizes(bounds: Sequence[Sequence[int] | None]) -> list[int]:
    """[height, length, width] of what some frames see of an object, from its bounds by frame; of
    frames that see nothing these are None."""
    seen = [one for one in bounds if one is not None]
    if not seen:
        return [0, 0, 0]
    least = [min(column) for column in zip(*(one[:3] for one in seen), strict=True)]
    most = [max(column) for column in zip(*(one[3:] for one in seen), strict=True)]
    x, y, z = (high - low for low, high in zip(least, most, strict=True))
    return [z, max(x, y), min(x, y)]


def is_in_sector(angle: int, name: str) -> bool:
    """Whether an angle from facing, left positive, is in a sector; borders are in two."""
    away = abs(angle - SECTORS[name]) % 360
    return min(away, 360 - away) <= 45


def _misfit(record: Record, task: Task) -> str:
    """What does not fit the number of images, or the choices."""
    frames, count = record["frames"], len(record["image"])
    if len(frames) != count or len({*frames}) != count:
        return f"frames names {len({*frames})} different frames for {count} images"
    for name in (name for name in BY_FRAME if name in task.fields):
        if len(record[name]) != count:
            return f"{name} is of {len(record[name])} frames, not {count}"
    if "choices" in task.fields and not {*letters_of(record)} <= record["choices"].keys():
        return f"choices are {', '.join(record['choices'])}"
    if "object_ids" in task.fields:
        return _misfit_of_objects(record)
    return ""


def _misfit_of_objects(record: Record) -> str:
    ids, seen = record["object_ids"], {one for ids in record["seen_objects"] for one in ids}
    if len({*ids}) != len(ids) or len(record["categories"]) != len(ids):
        return f"categories and object_ids are not of {len(ids)} objects"
    return "" if seen == {*ids} else "seen_objects are not the objects of object_ids"


def _path_length(record: Record) -> str:
    positions = record["positions_mm"]
    whole = sum(dist(*pair) for pair in pairwise(positions))
    bound = STEP_ERROR * (len(positions) - 1) + HALF
    near = abs(whole - record["gt_value"]) <= bound
    return "" if near else f"the path through positions_mm is {whole:.0f}"


def _net_turn(record: Record) -> str:
    turns, whole = record["turns_deg"], sum(record["turns_deg"])
    if len(turns) != len(record["image"]) - 1:
        return f"turns_deg holds {len(turns)} turns for {len(record['image'])} images"
    near = abs(whole - record["gt_value"]) <= HALF * (len(turns) + 1)
    return "" if near else f"turns_deg add up to {whole}"


def _nearest_view(record: Record) -> str:
    wrong = _other_choices(record, image_texts(record))
    return wrong or _other_letter(record, _least(record["depths_mm"]), "depths_mm")


def _odd_dot(record: Record) -> str:
    return _other_choices(record, image_texts(record))


def _seen_where(record: Record) -> str:
    if wrong := _other_choices(record, image_texts(record, 2)):
        return wrong
    first, *others = record["seen"]
    letters = [name for name, seen in zip(record["choices"], others, strict=True) if seen]
    if not first:
        return "the point is not seen in Image-1"
    return "" if letters == letters_of(record) else f"seen says {', '.join(letters) or 'none'}"


def _joint_size(record: Record) -> str:
    bounds, links = record["bounds_mm"], record["links"]
    if links != sorted(links) or len({*map(tuple, links)}) != len(links):
        return "links are not pairs of images in order"
    if not _is_joined(links, len(bounds)):
        return f"links do not join {len(bounds)} images"
    sizes = union_sizes(bounds)
    near = all(
        abs(size - side) <= MAX_UNSEEN_SHARE * side + 2 * HALF + HALF
        for size, side in zip(sizes, record["gt_value"], strict=True)
    )
    if not near:
        return f"bounds_mm span {format_value(sizes)}"
    return next((wrong for link in links if (wrong := _tells_size(record, link))), "")


def _is_joined(links: Sequence[Sequence[int]], count: int) -> bool:
    """Whether links join images 1 to `count`, and no others."""
    reached = {1}
    for _ in range(count):
        reached |= {image for link in links if reached & {*link} for image in link}
    return reached == {*range(1, count + 1)} == {1}.union(*links)


def _tells_size(record: Record, link: Sequence[int]) -> str:
    """What is wrong if two linked images alone give the size nearly. If they give each side within
    10 percent, they do."""
    sizes = union_sizes([record["bounds_mm"][image - 1] for image in link])
    whole = hypot(*record["gt_value"])
    near = dist(sizes, record["gt_value"]) < MAX_OFF_SHARE * whole - MAX_ROUNDING_OFF
    return f"Image-{link[0]} and Image-{link[1]} alone give {format_value(sizes)}" if near else ""


def _count_distinct(record: Record) -> str:
    seen = len({one for ids in record["seen_objects"] for one in ids})
    return "" if seen == record["gt_value"] else f"seen_objects holds {seen} objects"


def _fastest_step(record: Record) -> str:
    steps = [-dist(*pair) for pair in pairwise(record["positions_mm"])]
    wrong = _other_choices(record, interval_texts(record))
    return wrong or _other_letter(record, _least(steps), "positions_mm")


def _object_distance(record: Record) -> str:
    number = len(record["object_ids"])
    return "" if number == 2 else f"object_ids holds {number} objects, not 2"


def _nearest_object(record: Record) -> str:
    if wrong := _other_choices(record, record["categories"][1:]):
        return wrong
    if len(record["distances_mm"]) != len(record["choices"]):
        return f"distances_mm holds {len(record['distances_mm'])} distances"
    return _other_letter(record, _least(record["distances_mm"]), "distances_mm")


def _direction(record: Record) -> str:
    choices, angle = record["choices"], record["angle_deg"]
    if len(record["object_ids"]) != 3 or sorted(choices.values()) != sorted(SECTORS):
        return "it takes three objects, and front, left, back and right as choices"
    text = choices[record["gt_value"]]
    return "" if is_in_sector(angle, text) else f"angle_deg is {angle}, not {text}"


def _appearance_order(record: Record) -> str:
    first = first_frames(record)
    if sorted({*first.values()}) != [first[one] for one in record["object_ids"]]:
        return "by seen_objects they do not appear in the order of object_ids"
    text, order = record["choices"][record["gt_value"]], ", ".join(record["categories"])
    return "" if text == order else f"the order of categories is {order}"


def first_frames(record: Record) -> dict[int, int]:
    """The number of the frame, from 0, in which each object is seen first."""
    first: dict[int, int] = {}
    for number, ids in enumerate(record["seen_objects"]):
        for one in ids:
            first.setdefault(one, number)
    return first


def _least(numbers: Sequence[float]) -> str:
    return "ABCDEFGH"[min(range(len(numbers)), key=numbers.__getitem__)]


def _other_letter(record: Record, letter: str, field: str) -> str:
    return "" if letter == record["gt_value"] else f"by {field} it is {letter}"


def _other_choices(record: Record, texts: Sequence[str]) -> str:
    same = [*record["choices"].values()] == [*texts]
    return "" if same else f"choices are not {', '.join(texts)}"


def _nothing_more(record: Record) -> str:
    return ""


_RULES: dict[str, Rule] = {
    "camera_path_length": _path_length,
    "camera_net_turn": _net_turn,
    "depth_nearest_view": _nearest_view,
    "depth_hidden_depth": _nothing_more,  # of the last frame no field tells
    "correspondence_odd_dot": _odd_dot,
    "correspondence_seen_where": _seen_where,
    "object_joint_size": _joint_size,
    "object_count_distinct": _count_distinct,
    "movement_point_path": _path_length,
    "movement_fastest_step": _fastest_step,
    "relation_object_distance": _object_distance,
    "relation_nearest_object": _nearest_object,
    "relation_direction": _direction,
    "relation_appearance_order": _appearance_order,
}


def _check(rule: Rule, record: Record, task: Task) -> str:
    return _misfit(record, task) or rule(record)


RULES: dict[str, Callable[[Record, Task], str]] = {
    name: partial(_check, rule) for name, rule in _RULES.items()
}
