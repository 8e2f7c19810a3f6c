"""What lmms-eval calls for a benchmark of ours: images, text and messages of a question, scores.

It needs the spatial_engine package and orjson beside lmms-eval, and nothing else of the engine's
packages: `pip install --no-deps -e . orjson` in its repository.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_engine.evaluation.scoring import score_record
from spatial_engine.exports.upstream import rows
from spatial_engine.utils.questions.plain_record import answer_of, without_image_marks
from spatial_engine.utils.questions.tasks import BENCHMARKS, metric_name

if TYPE_CHECKING:
    from PIL import Image

# The export fills in both: what image paths are relative to, and the benchmark.
ROOT = Path(".")
BENCHMARK = BENCHMARKS["multispa"]
MEAN = f"{BENCHMARK.name}_mean"


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
    return dict.fromkeys([MEAN, *map(metric_name, BENCHMARK.rows)], verdict)


def mean_of_rows(verdicts: Sequence[Mapping[str, Any]]) -> float:
    """Plain mean of the rows, in percent."""
    return rows.mean_of_rows(_pairs(verdicts), BENCHMARK.rows)


def _pairs(verdicts: Sequence[Mapping[str, Any]]) -> list[rows.Verdict]:
    return [(verdict["task"], verdict["correct"]) for verdict in verdicts]


def _row(tasks: Sequence[str]) -> Callable[[Sequence[Mapping[str, Any]]], float]:
    def row(verdicts: Sequence[Mapping[str, Any]]) -> float:
        return rows.percent(_pairs(verdicts), tasks)

    return row


# The yaml names a function for each row, and for the mean: utils.multispa_depth_comparison ...
globals().update({metric_name(name): _row(tasks) for name, tasks in BENCHMARK.rows.items()})
globals()[MEAN] = mean_of_rows
