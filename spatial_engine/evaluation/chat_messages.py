"""A question as the messages of a chat, its images at their places in the text.

`Image-1: <image>`, `Image-2: <image>` and a sentence become five parts: text, image, text, image,
text. The marks themselves are gone: some servers take them for placeholders of their own.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from spatial_engine.errors import BadDataError
from spatial_engine.utils.questions.plain_record import parts_of, question_of
from spatial_engine.utils.storage.os_errors import naming

MAX_IMAGE_BYTES = 64 * 2**20  # of a file; those of a request are in memory together
_STARTS = {  # of files that every server reads
    b"\xff\xd8\xff": "image/jpeg",
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF8": "image/gif",
}


def messages_of(record: Mapping[str, Any], image_root: Path) -> list[dict[str, Any]]:
    """The messages that ask a record in uniform form; `image_root` is what its images are relative
    to. The record is sound (`check_marks`).

    Reads the images. Raises `BadDataError` for one that is no image, and `OSError`.
    """
    images = [orjson.loads(_image_part(image_root / name)) for name in record["image"]]
    return _with_images(record, images)


def request_of(record: Mapping[str, Any], image_root: Path, options: Mapping[str, Any]) -> bytes:
    """The json of a request with these messages; `options` are its fields beside them."""
    images = [orjson.Fragment(_image_part(image_root / name)) for name in record["image"]]
    return orjson.dumps({**options, "messages": _with_images(record, images)})


def _with_images(record: Mapping[str, Any], images: Sequence[Any]) -> list[dict[str, Any]]:
    """The messages of a record, given the parts that are its images."""
    parts = [
        images[part] if isinstance(part, int) else {"type": "text", "text": part}
        for part in parts_of(question_of(record))
    ]
    return [{"role": "user", "content": parts}]


def _image_part(path: Path) -> bytes:
    """A file of an image, its bytes as they are, as the json of a part of a message."""
    with naming(path), open(path, "rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_IMAGE_BYTES:
            remedy = "make smaller copies (exports/resize_images.py)"
            raise BadDataError(f"{path}: over {MAX_IMAGE_BYTES >> 20} MiB, too large; {remedy}")
        content = file.read()
    kind = _kind_of(content)
    if not kind:
        raise BadDataError(f"{path}: is no JPEG, PNG, GIF or WebP image; make the questions again")
    start = f'{{"type":"image_url","image_url":{{"url":"data:{kind};base64,'.encode()
    return b"".join((start, base64.b64encode(content), b'"}}'))


def _kind_of(content: bytes) -> str:
    """Media type of an image by its first bytes; empty for anything else."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for start, kind in _STARTS.items() if content.startswith(start)), "")
