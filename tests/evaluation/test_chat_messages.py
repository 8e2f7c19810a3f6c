"""A question as messages: texts and images in turn, the marks gone, the bytes as they are."""

import base64
from pathlib import Path

import cv2
import numpy as np
import orjson
import pytest
from helpers import raises_one_line
from hypothesis import given
from hypothesis import strategies as st

from spatial_engine.errors import BadDataError
from spatial_engine.evaluation import chat_messages
from spatial_engine.evaluation.chat_messages import messages_of, request_of
from spatial_engine.utils.questions.plain_record import check_marks

FORMATS = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """A folder of three images, each of another format."""
    folder = tmp_path_factory.mktemp("images")
    for number, ending in enumerate(FORMATS):
        image = np.full((8, 8, 3), 50 * number, np.uint8)
        assert cv2.imwrite(str(folder / f"{number}{ending}"), image)
    return folder


def parts_of(record: dict, root: Path) -> list:
    """Texts, and images as (media type, bytes), of the only message."""
    (message,) = messages_of(record, root)
    assert message["role"] == "user"
    parts = []
    for part in message["content"]:
        if part["type"] == "text":
            assert part["text"] and "<image>" not in part["text"]
            parts.append(part["text"])
        else:
            assert part["type"] == "image_url"
            kind, coded = part["image_url"]["url"].removeprefix("data:").split(";base64,")
            parts.append((kind, base64.b64decode(coded, validate=True)))
    return parts


def test_images_stand_at_their_marks(images):
    names = ["2.webp", "0.jpg"]
    text = "Image-1: <image>\nImage-2: <image>\nHow far?"
    shown = [(FORMATS[Path(name).suffix], (images / name).read_bytes()) for name in names]
    assert parts_of({"text": text, "image": names}, images) == [
        "Image-1: ", shown[0], "\nImage-2: ", shown[1], "\nHow far?",
    ]  # fmt: skip


@given(st.lists(st.text(max_size=5).filter(lambda text: "<image>" not in text), min_size=1))
def test_texts_and_images_put_together_again_are_the_question(images, texts):
    names = [["0.jpg", "1.png"][number % 2] for number in range(len(texts) - 1)]
    record = {"text": "<image>".join(texts), "image": names}
    if record["text"].count("<image>") != len(names):  # texts that make a mark together
        return
    parts = parts_of(record, images)
    assert "".join(p if isinstance(p, str) else "<image>" for p in parts) == record["text"]
    shown = [part[1] for part in parts if not isinstance(part, str)]
    assert shown == [(images / name).read_bytes() for name in names]


def test_a_training_record_asks_what_the_human_says(images):
    turns = [{"from": "human", "value": "<image>\nHow far?"}, {"from": "gpt", "value": "`3`"}]
    parts = parts_of({"conversations": turns, "image": ["1.png"]}, images)
    assert parts[1:] == ["\nHow far?"] and "3" not in str(parts[1])


@pytest.mark.parametrize("text", ["no mark", "<image><image>"])
def test_as_many_marks_as_images(text):
    with pytest.raises(ValueError, match="for 1 images"):
        check_marks({"text": text, "image": ["1.png"]})


def test_a_request_holds_its_options_beside_the_messages(images):
    record = {"text": "<image>\nHow?", "image": ["0.jpg"]}
    body = orjson.loads(request_of(record, images, {"model": "m", "temperature": 0.5}))
    assert body == {"model": "m", "temperature": 0.5, "messages": messages_of(record, images)}


def test_what_is_no_image_is_named(images, monkeypatch):
    (images / "text.jpg").write_text("hello")
    with raises_one_line(BadDataError, images / "text.jpg", "is no JPEG, PNG, GIF or WebP"):
        messages_of({"text": "<image>", "image": ["text.jpg"]}, images)
    monkeypatch.setattr(chat_messages, "MAX_IMAGE_BYTES", 10)
    with raises_one_line(BadDataError, images / "0.jpg", "too large"):
        messages_of({"text": "<image>", "image": ["0.jpg"]}, images)
