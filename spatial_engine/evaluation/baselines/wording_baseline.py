"""How much the wording alone gives away: answers learnt from training questions without images.

For each task the most useful of a few features of a question's text is chosen on the training
files (fitted on half of the scenes, tried on the other half, both ways). The prediction is, among
training questions of the same feature, the answer that would be right most often: the most frequent
word or letter, or the number, vector or point within whose tolerance most answers lie.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from spatial_engine.evaluation.results import count_right, values_of
from spatial_engine.utils.questions.record_fields import points_asked
from spatial_engine.utils.questions.record_files import place_of
from spatial_engine.utils.questions.records import format_value
from spatial_engine.utils.questions.tasks import NAMED_POINT, TASKS
from spatial_engine.utils.questions.templates import load_forms

MIN_SEEN = 5  # training questions that a feature's value must have to be relied on
MAX_CANDIDATES = 400  # answers tried as the best; spread evenly over the sorted ones
CELLS = 8  # cells per side of the image

Record = Mapping[str, Any]


def text_of(record: Record) -> str:
    """What is asked, images aside: `text`, or what the human says."""
    said = record["text"] if "text" in record else record["conversations"][0]["value"]
    return said.split("<image>")[-1]


def named_points(record: Record) -> list[list[int]]:
    """The points that the text names, in its order."""
    text = text_of(record)
    places = {text.find(format_value(point)): point for point in points_asked(record)}
    return [places[place] for place in sorted(places) if place >= 0]


def _sentence(record: Record) -> Hashable:
    """Which of the templates is asked: the last line, or that before the choices, without numbers,
    categories, and the words that ask for the bare answer."""
    text = text_of(record)
    if TASKS[record["task"]].of_frames:
        text = text.split("\nA. ", 1)[0]
        for category in record.get("categories", ()):
            text = text.replace(category, "#")
    line = text.rsplit("\n", 1)[-1]
    for form in _forms(TASKS[record["task"]].form):
        line = line.removesuffix(form)
    return re.sub(r"\d+", "#", line.replace(record.get("raw_category") or "\n", "#"))


@cache
def _forms(name: str) -> tuple[str, ...]:
    return tuple(f" {form}" for form in load_forms()[name])


def _category(record: Record) -> Hashable:
    category = record.get("raw_category")
    return category if category and category in text_of(record) else None


def _categories(record: Record) -> Hashable:
    """The categories of the objects that a question about several frames names."""
    if not TASKS[record["task"]].of_frames or "categories" not in record:
        return None
    text = text_of(record)
    return tuple(sorted(name for name in record["categories"] if name in text))


def _images(record: Record) -> Hashable:
    """The number of images, of several frames."""
    return len(record["image"]) if TASKS[record["task"]].of_frames else None


def _choices(record: Record) -> Hashable:
    """What the letters stand for."""
    return tuple(record["choices"].values()) if "choices" in record else None


def _cell(record: Record) -> Hashable:
    """The part of the image in which the first point named lies."""
    points = named_points(record)
    return tuple(min(n * CELLS // 1000, CELLS - 1) for n in points[0]) if points else None


def _order(record: Record) -> Hashable:
    """Of two points named: which is asked for, and whether the first stands lower."""
    points = named_points(record)
    return (record["is_closer_question"], points[0][1] > points[1][1]) if points[1:] else None


# Each with the reason why it can help; what a text does not have is None.
FEATURES: dict[str, tuple[Callable[[Record], Hashable], str]] = {
    "nothing": (lambda record: (), "some answers are more frequent than others"),
    "sentence": (_sentence, "the sentence goes with the answer"),
    "category": (_category, "objects of one category are alike in size"),
    "cell": (_cell, "where a point is in the image goes with the answer"),
    "images": (_images, "the number of images goes with the answer"),
    "categories": (_categories, "objects of these categories usually are so"),
    "choices": (_choices, "some of the choices are more frequent than others"),
    "order": (_order, "what stands lower in an image is usually nearer"),
}


@dataclass(frozen=True)
class Guesser:
    """Answers by the value of a feature, and the answer for rare values."""

    feature: str
    answers: Mapping[Hashable, Any]
    usual: Any

    def guess(self, record: Record) -> Any:
        """A value as in `gt_value`."""
        answer = self.answers.get(FEATURES[self.feature][0](record), self.usual)
        return named_points(record)[answer] if _is_named(record) else answer


def fit(records: Sequence[Record]) -> Guesser:
    """The guesser with the feature that predicts best on scenes it was not fitted on."""
    places = [place_of(record["task"], record["image"][0]) for record in records]
    if len(set(places)) < 2:
        return fit_feature(records, "nothing")
    first = set(sorted(set(places))[::2])
    halves: tuple[list[Record], list[Record]] = ([], [])
    for record, place in zip(records, places, strict=True):
        halves[place not in first].append(record)
    gains = {}
    for feature in FEATURES:
        guessers = [fit_feature(half, feature) for half in halves]
        right = [
            is_right(record, guesser.guess(record))
            for guesser, half in zip(guessers, reversed(halves), strict=True)
            for record in half
        ]
        gains[feature] = sum(right)
    best = max(gains, key=gains.get)  # the first, hence plainest, of equals
    return fit_feature(records, best)


def fit_feature(records: Sequence[Record], feature: str) -> Guesser:
    """The guesser with a given feature."""
    groups = defaultdict(list)
    for record in records:
        groups[FEATURES[feature][0](record)].append(record)
    groups = {value: found for value, found in groups.items() if len(found) >= MIN_SEEN}
    return Guesser(
        feature,
        {value: best_answer(found) for value, found in groups.items()},
        best_answer(records),
    )


def best_answer(records: Sequence[Record]) -> Any:
    """The one answer that is right for the most records; of a named point, which of the two."""
    if _is_named(records[0]):
        truths = [named_points(record).index(record["gt_value"]) for record in records]
        return Counter(truths).most_common(1)[0][0]
    if TASKS[records[0]["task"]].options:
        counts = Counter(record["gt_value"] for record in records)
        return max(sorted(counts), key=counts.get)
    answers = sorted(set(map(tuple, values_of(records).tolist())))
    candidates = np.array(answers[:: -(-len(answers) // MAX_CANDIDATES)])
    best = candidates[np.argmax(count_right(records, candidates))].astype(int).tolist()
    return best if isinstance(records[0]["gt_value"], list) else best[0]


def is_right(record: Record, answer: Any) -> bool:
    """Whether an answer scores; a shorter way than through a sentence."""
    if TASKS[record["task"]].options or _is_named(record):
        return answer == record["gt_value"]
    return bool(count_right([record], np.atleast_2d(np.array(answer, dtype=float)))[0])


def _is_named(record: Record) -> bool:
    return TASKS[record["task"]].answer == NAMED_POINT
