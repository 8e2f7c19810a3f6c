"""What a server replied to a question, read from the body of its response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from spatial_engine.utils.questions.plain_record import parse_json

CUT_OFF = "cut off at --max-tokens"


@dataclass(frozen=True)
class Reply:
    """An answer; its text is empty where the model refused, or said nothing."""

    text: str
    finish_reason: str
    refusal: str
    prompt_tokens: int
    completion_tokens: int

    def line(self, record_id: str) -> dict[str, Any]:
        """As a line of the file of predictions."""
        line = {
            "id": record_id,
            "prediction": self.text,
            "finish_reason": self.finish_reason,
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
        }
        return line | ({"refusal": self.refusal} if self.refusal else {})


def reply_of(body: bytes) -> Reply:
    """The reply in a body. Raises `ValueError` for what is no whole chat completion."""
    try:
        value = parse_json(body)
        choice = value["choices"][0]
        message, usage = choice["message"], value.get("usage") or {}
        reply = Reply(
            _text_of(message.get("content")),
            _word(choice.get("finish_reason")),
            _word(message.get("refusal")),
            _count(usage.get("prompt_tokens")),
            _count(usage.get("completion_tokens")),
        )
    except (orjson.JSONDecodeError, KeyError, IndexError, TypeError, AttributeError):
        start = body[:60].decode("utf-8", "replace")
        raise ValueError(f"a reply that is no chat completion ({start!r})") from None
    return reply


def error_text(body: bytes) -> str:
    """What a server says in the body of an error: the message, where servers put it (OpenAI's own
    and vLLM, FastAPI, llama.cpp), else the body."""
    try:
        value = parse_json(body)
    except orjson.JSONDecodeError:
        value = None
    while isinstance(value, dict):
        value = next(
            (value[name] for name in ("error", "message", "detail", "msg") if name in value), None
        )
        if isinstance(value, list):  # of a request that FastAPI refuses: what is wrong, by field
            value = value[0] if value else None
    said = value if isinstance(value, str) and value.strip() else body.decode("utf-8", "replace")
    return " ".join(said.split())


def kind_of(line: Mapping[str, Any]) -> str:
    """What is to be counted of a line of predictions; empty for a usual answer."""
    reason = line.get("finish_reason")
    if line.get("refusal") or reason == "content_filter":
        return "refused by the model"
    if reason == "length":
        return CUT_OFF
    return "" if line["prediction"].strip() else "empty"


def _text_of(content: Any) -> str:
    """A message's content as text: a text, nothing, or a list of parts."""
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part.get("type") == "text")
    if content is not None and not isinstance(content, str):
        raise TypeError("content is not a text")
    return content or ""


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _count(value: Any) -> int:
    return value if type(value) is int and value >= 0 else 0
