"""One request to an OpenAI-compatible server, through the package openai.

The key is taken from the environment. What a server says is freed of it before anything else.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping

import httpx2
import openai

from spatial_engine.errors import SettingsError
from spatial_engine.evaluation.asking.replies import Reply, error_text, reply_of
from spatial_engine.evaluation.asking.retries import is_retried

KEY = "OPENAI_API_KEY"
MIN_SECRET = 8  # characters; a shorter key, as of a local server, is none, and may be any word
_FATAL = {  # answers that every question would get
    401: f"the server does not know you; set {KEY}",
    403: f"the server does not let you; set another {KEY}, or ask whoever runs it",
    404: "no such address or model; correct --base-url (often it ends with /v1) or --model",
}


class PassingError(Exception):
    """A request came to nothing, and may succeed another time. `kind` is a short reason, `headers`
    what the server said about it."""

    def __init__(self, kind: str, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.kind, self.headers = kind, headers or {}


class RefusedError(Exception):
    """The server refuses this question, and would another time. `kind` is a short reason."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Client:
    """A server that is asked.

    Raises `SettingsError` for a key that cannot be sent.
    """

    def __init__(self, base_url: str, timeout: float):
        self.base_url, self.timeout = base_url, timeout
        self._key = _key()
        # Retries are ours (retries.py). A local server asks for no key, the package for any.
        self._openai = openai.AsyncOpenAI(
            base_url=base_url, api_key=self._key or "none", max_retries=0, timeout=timeout
        )
        for name in ("httpx", "httpx2", "openai"):  # a line for each request
            logging.getLogger(name).setLevel(logging.WARNING)

    async def ask(self, request: bytes) -> Reply:
        """The reply to a request, json of a chat completion, within `timeout` seconds.

        Raises `PassingError`, `RefusedError`, and `SettingsError` for what no question can pass.
        """
        body = self._without_key(await self._send(request))
        try:
            return reply_of(body)
        except ValueError as error:
            raise PassingError("broken reply", str(error)) from None

    async def _send(self, request: bytes) -> bytes:
        try:
            async with asyncio.timeout(self.timeout):
                # Not by `chat.completions.create`, which takes longer to check the parts of a
                # message than servers that are near take to answer.
                response = await self._openai.post(
                    "/chat/completions", cast_to=httpx2.Response, content=request
                )
        except (TimeoutError, openai.APITimeoutError):
            raise PassingError("timeout", f"no answer in {self.timeout:g} s") from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            message = self._plain(f"{type(cause).__name__}: {cause}")
            raise PassingError("connection lost", message) from None
        except openai.APIStatusError as error:
            raise self._error_of(error.response.status_code, error) from None
        return response.content

    async def close(self) -> None:
        """Close the connections."""
        await self._openai.close()

    def _error_of(self, status: int, error: openai.APIStatusError) -> Exception:
        # Not `error.message`: of some servers the package leaves out what they say.
        message = self._plain(error_text(error.response.content))
        if is_retried(status, error.response.headers):
            return PassingError(f"status {status}", message, error.response.headers)
        if status in _FATAL:
            return SettingsError(f"{self.base_url}: {status} ({message:.300}): {_FATAL[status]}")
        return RefusedError(f"status {status}", message)

    def _plain(self, text: str) -> str:
        return self._without_key(text.encode("utf-8", "replace")).decode("utf-8", "replace")

    def _without_key(self, said: bytes) -> bytes:
        key = self._key.encode()
        return said.replace(key, b"...") if len(key) >= MIN_SECRET else said


def _key() -> str:
    """The key of the environment, empty without one."""
    key = os.environ.get(KEY, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:  # an error would quote it
        raise SettingsError(f"{KEY} holds signs that no key has; set it again")
    return key
