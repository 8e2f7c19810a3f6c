"""MultiSPA: questions about the space that several images show, scored by rules without a judge.

The data set has no pictures, since the terms of ScanNet forbid to pass them on: it has their paths
and digests. `$MULTISPA_ROOT` is the folder that holds them (README.md).
"""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

from lmms_eval.tasks.multispa.scorer import rows
from lmms_eval.tasks.multispa.scorer.plain_record import answer_of, without_image_marks
from lmms_eval.tasks.multispa.scorer.scoring import score_record
from lmms_eval.tasks.multispa.scorer.tasks import ROWS, metric_name
from PIL import Image

ROOT = "MULTISPA_ROOT"
README = "lmms_eval/tasks/multispa/README.md says how to make the pictures"


def multispa_doc_to_visual(doc: dict[str, Any]) -> list[Image.Image]:
    """The pictures of a question, each compared with its digest."""
    root = os.environ.get(ROOT)
    if not root:
        raise FileNotFoundError(f"${ROOT} is not set: it is the folder of the pictures; {README}")
    pictures = zip(doc["image_paths"], doc["image_sha256"], strict=True)
    return [_picture(Path(root) / name, digest) for name, digest in pictures]


def _picture(path: Path, digest: str) -> Image.Image:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such picture; {README}")
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{path}: is another picture than that of the benchmark; {README}")
    return Image.open(io.BytesIO(data)).convert("RGB")


def multispa_doc_to_text(doc: dict[str, Any], lmms_eval_specific_kwargs: Any = None) -> str:
    """The question, for models that get all pictures before it."""
    return without_image_marks(doc["question"])


def multispa_doc_to_messages(
    doc: dict[str, Any], lmms_eval_specific_kwargs: Any = None
) -> list[dict[str, Any]]:
    """One message of the user, its pictures where the question has `<image>`."""
    first, *rest = doc["question"].split("<image>")
    content: list[dict[str, Any]] = [{"type": "text", "text": first}]
    for picture, text in zip(multispa_doc_to_visual(doc), rest, strict=True):
        content += [{"type": "image", "url": picture}, {"type": "text", "text": text}]
    said = [part for part in content if part["type"] == "image" or part["text"].strip()]
    return [{"role": "user", "content": said}]


def multispa_doc_to_target(doc: dict[str, Any]) -> str:
    """The right answer."""
    return answer_of(doc)


def multispa_process_results(
    doc: dict[str, Any], results: list[str]
) -> dict[str, tuple[str, bool]]:
    """The verdict on one answer, for the mean and for the row that the question belongs to."""
    score = score_record(doc, results[0])
    name, row = next(
        (name, row) for name in ROWS for row in ROWS[name] if score.task in ROWS[name][row]
    )
    return dict.fromkeys([f"{name}_mean", metric_name(row)], (score.task, score.correct))


def multispa_row(verdicts: list[tuple[str, bool]]) -> float:
    """Percent right in a row: the mean of its tasks."""
    return rows.percent(verdicts, sorted({task for task, _ in verdicts}))


def multispa_mean(verdicts: list[tuple[str, bool]]) -> float:
    """Plain mean of the rows of a benchmark, in percent."""
    asked = {task for task, _ in verdicts}
    return next(
        rows.mean_of_rows(verdicts, rows_of)
        for rows_of in ROWS.values()
        if asked <= {task for tasks in rows_of.values() for task in tasks}
    )
