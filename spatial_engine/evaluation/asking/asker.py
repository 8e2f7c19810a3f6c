"""Questions asked several at once: retries, what fails, and when to give up."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from spatial_engine.errors import EngineError, as_line
from spatial_engine.evaluation.asking.client import Client, PassingError, RefusedError
from spatial_engine.evaluation.asking.replies import Reply
from spatial_engine.evaluation.asking.retries import seconds_to_wait
from spatial_engine.evaluation.chat_messages import request_of

log = logging.getLogger(__name__)

LEAST_TO_GIVE_UP = 8  # questions in a row that failed with all their retries: the server is gone
REFUSED_TO_GIVE_UP = 100  # questions refused before any answer: it is not about the questions

Record = Mapping[str, Any]


class ServerGoneError(EngineError):
    """A server that answers no question any more."""


class Asker:
    """Asks questions of a client, at most `concurrency` at once; each is in memory, with its
    images, only while it is asked. `options` are fields of each request beside the messages.

    Counts what was retried (`retries`) and what failed (`failures`), by reason; `first_failure`
    tells the first of each. `is_answered`: whether the server has answered any question, of this
    run or an earlier one.
    """

    def __init__(
        self,
        client: Client,
        options: Mapping[str, Any],
        image_root: Path,
        concurrency: int,
        max_retries: int,
        is_answered: bool = False,
    ):
        self.client, self.options, self.image_root = client, options, image_root
        self.concurrency, self.max_retries = concurrency, max_retries
        self.retries: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.first_failure: dict[str, str] = {}
        self.is_answered = is_answered
        self._in_a_row = 0  # failures since the last answer

    async def ask_all(
        self, questions: Iterator[Record], answered: Callable[[Record, Reply], None]
    ) -> None:
        """Ask all questions. `answered` gets each answer, one after the other.

        Raises the first error that is not of one question alone; nothing is asked after it.
        """
        try:
            tasks = [
                asyncio.create_task(self._ask_some(questions, answered))
                for _ in range(self.concurrency)
            ]
            try:
                await asyncio.gather(*tasks)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            await self.client.close()

    async def _ask_some(
        self, questions: Iterator[Record], answered: Callable[[Record, Reply], None]
    ) -> None:
        """Ask the next question, until there is none."""
        for record in questions:
            try:
                reply = await self._ask(record)
            except RefusedError as error:
                self._note_failure(error.kind, record, error)
                self._give_up_if_all_are_refused(error)
            except PassingError as error:
                self._note_failure(error.kind, record, error)
                self._give_up_if_gone(error)
            else:
                self._in_a_row, self.is_answered = 0, True
                answered(record, reply)

    async def _ask(self, record: Record) -> Reply:
        """The reply to a question, after as many requests as it takes."""
        # Not in a thread: handing over takes longer than to read an image that the system holds,
        # and a disk that takes a while is still faster than a model.
        request = request_of(record, self.image_root, self.options)
        for retries in count():
            try:
                return await self.client.ask(request)
            except PassingError as error:
                if retries == self.max_retries:
                    raise
                wait = self._wait_before_next(retries, record, error)
            await asyncio.sleep(wait)

    def _wait_before_next(self, retries: int, record: Record, error: PassingError) -> float:
        """Seconds until a question is asked again; the first of each reason is told."""
        if not self.retries[error.kind]:
            log.warning(as_line(f"{record['id']}: {error.kind} ({error!s:.200}); asking again"))
        self.retries[error.kind] += 1
        return seconds_to_wait(retries, error.headers, random.random(), time.time())

    def _note_failure(self, kind: str, record: Record, error: Exception) -> None:
        self.failures[kind] += 1
        self.first_failure.setdefault(kind, as_line(f"{record['id']}: {error!s:.300}"))

    def _give_up_if_all_are_refused(self, error: Exception) -> None:
        if not self.is_answered and self.failures.total() >= REFUSED_TO_GIVE_UP:
            raise ServerGoneError(
                f"{self.client.base_url}: the first {self.failures.total()} questions were refused "
                f"({error!s:.300}); correct the flags or the server's settings, then start again"
            )

    def _give_up_if_gone(self, error: Exception) -> None:
        self._in_a_row += 1
        if self._in_a_row >= max(self.concurrency, LEAST_TO_GIVE_UP):
            raise ServerGoneError(
                f"{self.client.base_url}: {self._in_a_row} questions in a row were not answered "
                f"({error!s:.300}); see that the server runs, then start again: answers are kept"
            )
