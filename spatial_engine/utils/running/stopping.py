"""How a command ends before its time: by Ctrl-C or SIGTERM, or when nobody reads what it prints.

One line says so, and the exit code is 128 + the number of the signal. The first signal raises, so
that what is half-made is removed; the next one ends the process at once, and the next run removes
it. Uses the standard library only and knows nothing of the engine: the audit shares it.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPED = "finished scenes are kept, start again to go on"
_PACKAGE = Path(__file__).resolve().parents[2]


class Stopped(KeyboardInterrupt):
    """A signal asks the process to end; its `number`."""

    def __init__(self, number: int):
        super().__init__(_line(number))
        self.number = number


class _State:
    kept = STOPPED  # what is said to be there when the command is stopped
    told = False
    is_command = False


def run(work: Callable[[], int], kept: str = STOPPED) -> int:
    """The exit code of a command that does `work()`: its own; 128 + the number of the signal that
    stopped it; 141 where nobody reads its output; 2 where the system gives it too little."""
    _State.kept, _State.told = kept, False
    with _raising():
        try:
            try:
                return work()
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()
        except KeyboardInterrupt as stop:
            number = getattr(stop, "number", signal.SIGINT)
            _tell(number)
            if _State.is_command:  # not to be stopped once more while Python tidies up
                os._exit(128 + number)
            return 128 + number
        except OSError as error:  # work() has told those of its own
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is flushed at the end
            if isinstance(error, BrokenPipeError):  # as by `| head -1`
                return 128 + signal.SIGPIPE
            print(f"error: standard output: {error.strerror}", file=sys.stderr)
            return 2
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "start new thread" not in str(error):
                raise
            cause = "memory is short" if isinstance(error, MemoryError) else "no more threads"
            remedy = "close other programs, raise the limits (`ulimit -v`, `ulimit -u`), or lower"
            told = str(error) or type(error).__name__
            print(f"error: {cause} ({told}); {remedy} --num-workers", file=sys.stderr)
            return 2


def begin_command() -> None:
    """Called when the package is imported first: where this process is one of the package's own
    commands, a signal ends it with one line from now on, also while it loads other libraries."""
    if not _is_command():
        return
    _State.is_command = True
    _open_closed_streams()
    _replace((signal.SIG_DFL, signal.default_int_handler), _leave)
    # Registered first, so called last: Python gives up handlers then, but does not stop ignoring.
    atexit.register(_replace, (_leave,), signal.SIG_IGN)


@contextmanager
def held() -> Iterator[None]:
    """Signals come after the block; processes that are started in it never get them, those that
    Ctrl-C sends to all processes of a terminal included."""
    came: list[int] = []
    handlers = {}
    if threading.current_thread() is threading.main_thread():
        # Blocking alone does not do it: another thread may take the signal, and this one handles it
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        for number in SIGNALS:
            signal.signal(number, lambda number, _: came.append(number))
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came:
            signal.raise_signal(number)


def run_async(work: Coroutine[Any, Any, None]) -> None:
    """Do what is asynchronous, below `run`. The first signal cancels it, so that its connections
    are closed in their own way, and raises `Stopped` then: raised in the midst of it, some are left
    half-closed, of which Python warns."""
    import asyncio  # few commands need it

    came: list[int] = []
    tasks: list[asyncio.Task] = []

    def cancel(number: int, frame: FrameType | None) -> None:
        _replace((cancel,), _leave)
        came.append(number)
        for task in tasks:
            with suppress(RuntimeError):  # its loop is closed: all is done
                task.get_loop().call_soon_threadsafe(task.cancel)

    async def wait_for_work() -> None:
        tasks.extend(filter(None, [asyncio.current_task()]))
        if not came:
            await work

    main = wait_for_work()
    try:
        _replace((_raise,), cancel)
        asyncio.run(main)
    except asyncio.CancelledError:
        if not came:
            raise
    except Stopped as stop:  # while signals were given their new handler one by one
        came.append(stop.number)
    finally:
        main.close()  # does nothing to what has ended
        work.close()
        _replace((cancel,), _leave if came else _raise)
    if came:
        raise Stopped(came[0])


@contextmanager
def _raising() -> Iterator[None]:
    """The first signal in the block raises `Stopped`."""
    handlers = _replace((signal.SIG_DFL, signal.default_int_handler, _leave), _raise)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _replace(those: tuple, handler: Callable | int) -> dict[int, Any]:
    """Give the signals that have one of those handlers another; returns what they had. Not those
    that are ignored, as by `nohup`, nor those of whoever calls a command as a function."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: had for number, had in before.items() if had in those}
    for number in before:
        signal.signal(number, handler)
    return before


def _raise(number: int, frame: FrameType | None) -> None:
    _replace((_raise,), _leave)
    raise Stopped(number)


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once. Worker processes end with this one."""
    _tell(number)
    os._exit(128 + number)


def _tell(number: int) -> None:
    """Say once that the command was stopped. (Not by `print`: that may be what was interrupted.)"""
    if not _State.told:
        _State.told = True
        with suppress(OSError):
            os.write(2, f"{_line(number)}\n".encode())


def _line(number: int) -> str:
    by = "" if number == signal.SIGINT else f" by {signal.Signals(number).name}"
    return f"stopped{by}; {_State.kept}"


def _is_command() -> bool:
    """Whether the script that runs is one of the package, not a notebook, a test or a worker."""
    if sys.argv[:1] == ["-m"]:  # its file is not known yet
        module = sys.orig_argv[sys.orig_argv.index("-m") + 1]
        return module.split(".")[0] == _PACKAGE.name
    script = getattr(sys.modules["__main__"], "__file__", None)
    return bool(script) and _PACKAGE in Path(script).resolve().parents


def _open_closed_streams() -> None:
    """Let what goes to a closed stream (`2>&-`) go nowhere: else the next file that is opened takes
    its number, and gets what libraries print."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            number = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))
