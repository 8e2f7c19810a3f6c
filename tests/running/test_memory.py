"""A process that makes scenes keeps the memory that one has freed for the next."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# Arrays of 3 MiB, below the size that the system gives in large pages.
PROGRAM = """
import resource
import numpy as np
from spatial_engine.utils.running import processes

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        arrays = [np.ones(3 * 2**17) for _ in range(12)]
        del arrays
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
processes.keep_freed_memory()
faults()
print(given_back, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="malloc of glibc")
def test_freed_memory_is_used_again():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert not done.returncode, done.stderr
    given_back, kept = map(int, done.stdout.split())
    assert given_back > 20_000  # of ten times 9,216 pages of 4 KiB
    assert kept < 1_000
