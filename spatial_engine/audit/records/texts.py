"""Question and answer as a model sees them: images, words, backticks, no answer given away.

How docs/spec.md was read where it leaves a choice, by section:
- 10 the answer stands in backticks, once: the reply holds two backticks and between them exactly
  the answer; a question may hold backticks (the form of answer wanted, the choices offered), and
  may explain itself by a corner of the image or by "0 if it did not move": CONVENTIONS are no leak.
- 10 and the question says so: a question about coordinates names the origin (top or upper, left)
  and the scale (1000) in some words, one about a length or an angle its unit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from spatial_engine.audit.records.fields import answer_text

UNITS = {"mm": (r"\bmm\b|millimet", "millimetres"), "degree": ("degree|°", "degrees")}
# Values by which questions explain their units; that the answer is one of them gives nothing away.
CONVENTIONS = (0, [0, 0, 0], [0, 0], [1000, 0], [0, 1000], [1000, 1000])


def check_texts(
    record: dict, split: str, images: int, check_question: Callable[[str], list[str]]
) -> list[str]:
    """The question, and in train the answer, as a model would see them.

    images: how many images are shown. check_question: complaints about the words of the question.
    """

    def question_complaints(where: str, text: str) -> list[str]:
        found = check_opening(text, images) + check_question(text)
        return [f"{where}: {complaint}" for complaint in found]

    if split == "val":
        if not isinstance(record.get("text"), str):
            return [f"text: {record.get('text')!r} is not a string"]
        return question_complaints("text", record["text"])

    turns = record.get("conversations")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        return [f"conversations: {turns!r} is not a list of turns"]
    roles = [turn.get("from") for turn in turns]
    if roles != ["human", "gpt"]:
        return [f"conversations: roles {roles}, expected ['human', 'gpt']"]
    question, answer = (turn.get("value") for turn in turns)
    if not isinstance(question, str) or not isinstance(answer, str):
        return ["conversations: a value is not a string"]
    complaints = question_complaints("human", question)
    expected, spans = answer_text(record.get("gt_value")), backticked(answer)
    if answer.count("`") != 2 or spans != [expected]:
        complaints.append(f"gpt: {spans} in backticks, expected once {expected!r}: {answer!r}")
    if "<image>" in answer:
        complaints.append("gpt: holds <image>")
    return complaints


def check_opening(text: str, images: int) -> list[str]:
    """The images come first, as SPEC 10 writes them, and a question follows."""
    complaints = []
    marks = text.count("<image>")
    if marks != images:
        complaints.append(f"{marks} <image> marks for {images} images")
    prefix = "".join(f"Image-{k}: <image>\n" for k in range(1, images + 1))
    if images == 1:
        prefix = "<image>\n"
    if not text.startswith(prefix):
        complaints.append(f"does not open with {prefix!r}")
    elif not text[len(prefix) :].strip():
        complaints.append("no question after the images")
    return complaints


def check_unit(text: str, unit: str) -> list[str]:
    """A question about a number says its unit, mm or degrees, in some words."""
    pattern, name = UNITS[unit]
    return [] if re.search(pattern, text.lower()) else [f"does not say that {name} are wanted"]


def check_leak(text: str, answer: object, choices: Iterable[object]) -> list[str]:
    """The answer in backticks gives it away, unless another of the choices is there too."""
    spans = [span.strip() for span in backticked(text)]
    others = [answer_text(choice) for choice in choices if choice != answer]
    if answer_text(answer) in spans and not any(other in spans for other in others):
        return _leak(answer)
    return []


def check_secret(text: str, values: object) -> list[str]:
    """A list of numbers that is, or gives away, the answer does not occur in the text."""
    return _leak(values) if answer_text(values) in text else []


def _leak(answer: object) -> list[str]:
    if answer in CONVENTIONS:
        return []
    return [f"the answer {answer_text(answer)!r} stands in the question"]


def check_coordinate_words(text: str, points: list[list[int]]) -> list[str]:
    """A question about coordinates names `points` [x, y] in this order, the origin, the scale."""
    complaints, start = [], 0
    for point in points:
        found = text.find(answer_text(point), start)
        if found < 0:
            where = f" after {text[:start][-30:]!r}" if start else ""
            complaints.append(f"the point {answer_text(point)!r} is not named{where}")
        start = max(start, found + 1)
    words = re.findall(r"[a-z]+|1[ ,]?000", text.lower())
    if "left" not in words or not {"top", "upper"} & set(words):
        complaints.append("does not say that coordinates start at the top left")
    if not {"1000", "1,000", "1 000", "thousand"} & set(words):
        complaints.append("does not say that coordinates go to 1000")
    return complaints


def backticked(text: str) -> list[str]:
    """The texts between backticks, in order; a run of backticks counts as one mark."""
    return re.findall(r"`+([^`]*)`+", text)
