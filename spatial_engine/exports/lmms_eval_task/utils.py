"""What lmms-eval calls for the MultiSPA benchmark: images, text and messages of a question, scores.

It needs the spatial_engine package and orjson beside lmms-eval, and nothing else of the engine's
packages: `pip install --no-deps -e . orjson` in its repository.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_engine.evaluation.scoring import score_record
from spatial_engine.utils.questions.plain_record import answer_of, without_image_marks
from spatial_engine.utils.questions.tasks import ROWS, metric_name

if TYPE_CHECKING:
    from PIL import Image

ROOT = Path(".")  # what image paths are relative to; the export fills it in
MEAN = "multispa_mean"


def doc_to_visual(doc: Mapping[str, Any], *_: Any) -> list[Image.Image]:
    """Images of a question, RGB."""
    from PIL import Image  # lmms-eval brings it; scoring alone does without

    images = []
    for name in doc["image"]:
        with Image.open(ROOT / name) as image:
            images.append(image.convert("RGB"))
    return images


def doc_to_text(doc: Mapping[str, Any], *_: Any) -> str:
    """The question, for models that get all images before it."""
    return without_image_marks(doc["text"])


def doc_to_messages(doc: Mapping[str, Any], *_: Any) -> list[dict[str, Any]]:
    """One message of the user, its images where the text has `<image>`."""
    first, *rest = doc["text"].split("<image>")
    content = [{"type": "text", "text": first}]
    for image, text in zip(doc_to_visual(doc), rest, strict=True):
        content += [{"type": "image", "url": image}, {"type": "text", "text": text}]
    said = [part for part in content if part["type"] == "image" or part["text"].strip()]
    return [{"role": "user", "content": said}]


def doc_to_target(doc: Mapping[str, Any], *_: Any) -> str:
    """The right answer."""
    return answer_of(doc)


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, Any]:
    """The verdict on one answer, given to every metric: each takes the subtasks it is about."""
    score = score_record(doc, results[0])
    verdict = {"task": score.task, "correct": score.correct}
    return dict.fromkeys([MEAN, *map(metric_name, ROWS)], verdict)


def multispa_mean(verdicts: Sequence[Mapping[str, Any]]) -> float:
    """Plain mean of the rows, in percent."""
    rows = [_percent(verdicts, ROWS[row]) for row in ROWS]
    there = [percent for percent in rows if percent is not None]
    return sum(there) / len(there) if there else float("nan")


def _percent(verdicts: Sequence[Mapping[str, Any]], tasks: Sequence[str]) -> float | None:
    """Mean over subtasks of the share of right answers; None where none was asked."""
    by_task = defaultdict(list)
    for verdict in verdicts:
        by_task[verdict["task"]].append(verdict["correct"])
    shares = [sum(by_task[task]) / len(by_task[task]) for task in tasks if by_task[task]]
    return 100 * sum(shares) / len(shares) if shares else None


def _row(tasks: Sequence[str]) -> Callable[[Sequence[Mapping[str, Any]]], float]:
    def row(verdicts: Sequence[Mapping[str, Any]]) -> float:
        percent = _percent(verdicts, tasks)
        return float("nan") if percent is None else percent

    return row


# The yaml names a function for each row: utils.multispa_depth_comparison ...
globals().update({metric_name(name): _row(tasks) for name, tasks in ROWS.items()})
