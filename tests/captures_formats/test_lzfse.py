from __future__ import annotations

import base64
import contextlib
import functools
import json
import operator
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from captures_formats.lzfse_contents import contents

from spatial_engine.utils.capture_utils.codings.lzfse import LzfseError, _header_v2, decompress

# Made by pyliblzfse, which holds the encoder of Apple.
STREAMS = {
    name: base64.b64decode(text)
    for name, text in json.loads(Path(__file__).with_name("lzfse_streams.json").read_text()).items()
}
CONTENTS = contents()


@pytest.mark.parametrize("name", STREAMS)
def test_streams_of_the_reference_encoder(name):
    expected = CONTENTS[name]
    assert decompress(STREAMS[name], len(expected)) == expected
    if expected:
        with pytest.raises(LzfseError, match="holds more than"):
            decompress(STREAMS[name], len(expected) - 1)


def test_every_kind_of_block_is_among_them():
    assert {stream[:4] for stream in STREAMS.values()} == {b"bvx-", b"bvxn", b"bvx2", b"bvx$"}
    assert STREAMS["levels"].count(b"bvx2") == 2


def test_blocks_follow_each_other():
    both = STREAMS["words"][:-4] + STREAMS["raw"][:-4] + STREAMS["depth"]
    assert decompress(both, 10**6) == CONTENTS["words"] + CONTENTS["raw"] + CONTENTS["depth"]


def test_tables_that_are_not_packed():
    """`bvx1`, which no encoder writes any more: the same block with its tables written out."""
    stream = STREAMS["depth"]
    header, start = _header_v2(stream, 0)
    payload = header.literal_bytes + header.match_bytes
    block = b"bvx1" + struct.pack(
        "<6Ii4Hi3H", len(CONTENTS["depth"]), payload, header.num_literals, header.num_matches,
        header.literal_bytes, header.match_bytes, header.literal_bits, *header.literal_states,
        header.match_bits, *header.match_states,
    )  # fmt: skip
    block += struct.pack("<360H", *functools.reduce(operator.iadd, header.frequencies, []))
    assert decompress(block + stream[start:], 10**6) == CONTENTS["depth"]


@pytest.mark.parametrize("name", ["words", "depth", "levels", "raw"])
def test_damaged_streams_are_refused_or_read_within_the_limit(name):
    stream, limit = STREAMS[name], len(CONTENTS[name])
    random = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(stream)
        for place in random.integers(0, min(len(stream), 400), 3):
            damaged[place] = random.integers(256)
        with contextlib.suppress(LzfseError):
            assert len(decompress(bytes(damaged), limit)) <= limit
    for length in random.integers(0, len(stream), 20):
        with pytest.raises(LzfseError):
            decompress(stream[:length], limit)


def test_what_a_block_claims_takes_no_memory_and_no_time():
    start = time.perf_counter()
    for claim in (b"bvx-\xff\xff\xff\xff", b"bvxn\xff\xff\xff\xff\xff\xff\xff\xff"):
        with pytest.raises(LzfseError, match="truncated"):
            decompress(claim + b"abc", 10**9)
    huge = STREAMS["zeros"][:-4] * 1000  # 100 megabytes in 200 kilobytes
    with pytest.raises(LzfseError, match="more than 200000 bytes"):
        decompress(huge + b"bvx$", 200_000)
    assert time.perf_counter() - start < 5
