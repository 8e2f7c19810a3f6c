"""A bound on the memory that a reader may take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def bounded_memory(num_bytes: int) -> Iterator[None]:
    """Limit the growth of the process to `num_bytes` (Linux): a file of ten bytes can ask for
    gigabytes."""
    if not sys.platform.startswith("linux"):
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limits = resource.getrlimit(resource.RLIMIT_AS)
    bound = pages * resource.getpagesize() + num_bytes
    if limits[0] != resource.RLIM_INFINITY:
        bound = min(bound, limits[0])
    resource.setrlimit(resource.RLIMIT_AS, (bound, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
