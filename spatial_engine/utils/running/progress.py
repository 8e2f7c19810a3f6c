"""The progress bar of all commands: that of tqdm, with a lock of this process alone.

tqdm's own lock is a semaphore, for bars of several processes. A process that a signal ends leaves
it behind, and since Python 3.14 a warning about that follows the last words of a stopped command.
"""

from __future__ import annotations

from threading import RLock

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

tqdm.set_lock(RLock())

__all__ = ["logging_redirect_tqdm", "tqdm"]
