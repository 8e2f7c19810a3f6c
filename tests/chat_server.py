"""A server with the API's shape for tests and benchmarks: for this machine, for a bounded time.

`python tests/chat_server.py --seconds 60` prints its port and gives every question one answer.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

LONGEST = 600.0  # seconds that a server lives

Handler = Callable[[dict], "Response"]


@dataclass
class Response:
    """What is sent: a status, headers, a body; after `wait` seconds. `cut`: the connection ends
    behind so many bytes of it."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    cut: int | None = None


def completion(text: str | None, **message: object) -> bytes:
    """The body of an answer."""
    choice = {"index": 0, "finish_reason": "stop"}
    choice["message"] = {"role": "assistant", "content": text, **message}
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105}
    value = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
    return json.dumps({**value, "choices": [choice], "usage": usage}).encode()


def error(status: int, message: str = "not now", **headers: str) -> Response:
    """An answer that is an error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, json.dumps({"error": {"message": message}}).encode(), named)


def asked(body: dict) -> tuple[str, list[bytes]]:
    """The question of a request with `<image>` in place of each image, and the images' bytes."""
    text, images = "", []
    (message,) = body["messages"]
    assert message["role"] == "user"
    for part in message["content"]:
        if part["type"] == "text":
            assert "<image>" not in part["text"]
            text += part["text"]
        else:
            kind, _, coded = part["image_url"]["url"].partition(";base64,")
            assert kind in ("data:image/jpeg", "data:image/png"), kind
            images.append(base64.b64decode(coded, validate=True))
            text += "<image>"
    return text, images


class ChatServer:
    """Answers in a thread of its own while the block runs. `handler` gets what `read` makes of the
    body of a request; `most_at_once` and `requests` are counted."""

    def __init__(self, handler: Handler, read: Callable[[bytes], Any] = json.loads):
        self.handler, self.read = handler, read
        self.requests: list[dict[str, str]] = []  # headers of each
        self.at_once = self.most_at_once = 0
        self.port = 0
        self._connections: set[asyncio.Task] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> ChatServer:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def _run(self) -> None:
        with suppress(TimeoutError):
            self._loop.run_until_complete(asyncio.wait_for(self.serve(), LONGEST))
        self._loop.close()

    async def serve(self, told: Callable[[int], None] = lambda port: None) -> None:
        """Answer until the block ends."""
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._serve_one, "127.0.0.1", 0, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        told(self.port)
        self._ready.set()
        try:
            await self._stop.wait()
        finally:
            server.close()
            left = [*self._connections]
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection."""
        self._connections.add(task := asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        writer.close()
        self._connections.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {n.lower(): v for n, _, v in (line.partition(": ") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append({**headers, "line": head[0]})
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            response = self.handler(self.read(body))
            await asyncio.sleep(response.wait)
        finally:
            self.at_once -= 1
        lines = [f"HTTP/1.1 {response.status} X", f"content-length: {len(response.body)}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        content = "\r\n".join([*lines, "", ""]).encode() + response.body
        writer.write(content[: response.cut])
        await writer.drain()
        return response.cut is None


class Faults:
    """A handler that answers by another, after faults of all kinds at random; `made` counts them.
    `share` of the requests come to nothing."""

    def __init__(self, handler: Handler, share: float, seed: int, slow: float):
        self.handler, self.share, self.slow = handler, share, slow
        self.made: Counter[str] = Counter()
        self._random = random.Random(seed)

    def __call__(self, body: dict) -> Response:
        if self._random.random() >= self.share:
            return self.handler(body)
        soon = {"retry_after_ms": "5"}
        kinds = {
            "429 with a time": lambda: error(429, **soon),
            "429 with seconds": lambda: error(429, retry_after="0.01"),
            "429": lambda: error(429),
            "500": lambda: error(500, **soon),
            "503": lambda: error(503, **soon),
            "cut": lambda: Response(200, completion("`1`"), cut=self._random.choice([0, 20, 120])),
            # Nothing comes behind the wait: a client beside much else may look at its clock late.
            "slow": lambda: Response(200, completion("`1`"), wait=self.slow, cut=0),
            "no json": lambda: Response(200, b"<html>", {"content-type": "text/html"}),
            "half json": lambda: Response(200, completion("`1`")[:90]),
            "other json": lambda: Response(200, b'{"choices": []}'),
        }
        kind = self._random.choice(list(kinds))
        self.made[kind] += 1
        return kinds[kind]()


def main() -> None:
    """Answer "`1`" at once, for a bounded time; the images are not looked at."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0)
    seconds = min(parser.parse_args().seconds, LONGEST)
    body = completion("`1`")
    server = ChatServer(lambda request: Response(200, body), read=len)

    async def run() -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(server.serve(lambda port: print(port, flush=True)), seconds)

    started = time.monotonic()
    asyncio.run(run())
    print(f"{len(server.requests)} requests in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
