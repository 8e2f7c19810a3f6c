"""Questions to ask of a server: small images, records in uniform form, and the true answers."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from chat_server import Response, asked, completion, error

from spatial_engine.utils.pictures.jpeg import encode
from spatial_engine.utils.questions.plain_record import answer_of
from spatial_engine.utils.questions.records import read_jsonl, write_jsonl

SIZE = (32, 24)
WORDS = ("left", "right")


def write_questions(root: Path, count: int, scored: bool = True) -> Path:
    """Questions of one to eight images, a few bytes each; returns the file."""
    folder = root / "data/scannet/posed_images/scene0000_00"
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(12):
        image = rng.integers(0, 255, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
        (folder / f"{number:05d}.jpg").write_bytes(encode(image))
    path = root / "questions.jsonl"
    write_jsonl(path, [_record(folder.relative_to(root), n, scored) for n in range(count)])
    return path


def _record(folder: Path, number: int, scored: bool) -> dict[str, Any]:
    images = 2 if scored else number % 8 + 1
    marks = "".join(f"Image-{k + 1}: <image>\n" for k in range(images))
    record = {
        "id": f"camera_x_movement_{number}",
        "image": [f"{folder}/{(number + k) % 12:05d}.jpg" for k in range(images)],
        "text": f"{'<image>' if images == 1 else marks}Question {number}: left or right?",
    }
    truth = {
        "height_list": [SIZE[1]] * images, "width_list": [SIZE[0]] * images,
        "question_type": "x_movement", "task": "camera_x_movement",
        "gt_value": orjson.dumps(WORDS[number % 2]).decode(), "gt_unit": "word", "extra": "{}",
    }  # fmt: skip
    return record | (truth if scored else {})


class Truth:
    """Answers each question by its text and the bytes of its images, and refuses any other.

    `succeeded` counts the answers by id: questions alike are answered in turns.
    """

    def __init__(self, path: Path, root: Path):
        self.succeeded: Counter[str] = Counter()
        self.unknown: list[str] = []
        self._known: dict[tuple, list[dict[str, Any]]] = {}
        self._digests: dict[str, str] = {}
        for record in read_jsonl(path):
            images = tuple(self._digest_of(root / name) for name in record["image"])
            self._known.setdefault((record["text"], images), []).append(record)

    def __call__(self, body: dict) -> Response:
        text, images = asked(body)
        digests = tuple(hashlib.sha256(image).hexdigest() for image in images)
        records = self._known.get((text, digests))
        if not records:
            self.unknown.append(text)
            return error(400, "another question")
        record = min(records, key=lambda record: self.succeeded[record["id"]])
        self.succeeded[record["id"]] += 1
        return Response(200, completion(f"It is `{self.answer_to(record)}`."))

    def answer_to(self, record: dict[str, Any]) -> str:
        """The true answer; of questions without one, a word by their text."""
        if "gt_value" in record:
            return answer_of(record)
        return WORDS[len(record["text"]) % 2]

    def _digest_of(self, path: Path) -> str:
        name = str(path)
        if name not in self._digests:
            self._digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return self._digests[name]
