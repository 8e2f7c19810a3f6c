from __future__ import annotations

import time

import numpy as np
import pytest

from spatial_engine.errors import BadDataError
from spatial_engine.utils.preparation import plain_json


def parse(data):
    return plain_json.parse(data, "a.json", "get it again")


def test_comments_are_left_out_and_texts_are_not():
    data = b'{// one\n"a": "http://x/*y*/", /* two\n */ "b": "\\"// no", "c": 1} // end'
    assert parse(data) == {"a": "http://x/*y*/", "b": '"// no', "c": 1}
    assert parse(b'\xef\xbb\xbf{"a": NaN}').keys() == {"a"}


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "not json"), (b"[1]", "no json object"), (b"{", "not json"),
        (b"[" * 200_000, "not json"), (b"\xff\xfe{}", "not json"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not json"),
    ],
)  # fmt: skip
def test_what_is_no_json(data, match):
    with pytest.raises(BadDataError, match=match):
        parse(data)


@pytest.mark.parametrize("piece", [b"/*", b'"', b'"\\', b"//", b'\\"', b"/"])
def test_time_does_not_grow_with_the_square(piece):
    start = time.perf_counter()
    with pytest.raises(BadDataError):
        parse(piece * 500_000)
    assert time.perf_counter() - start < 5


def test_numbers():
    get = plain_json.number
    assert get(3, "n", "f", "r") == 3.0
    for value in ("3", None, True, float("nan"), float("inf"), 10**400, [1]):
        with pytest.raises(BadDataError, match="f: n is"):
            get(value, "n", "f", "r")
    assert plain_json.side(1080.0, "w", "f", "r") == 1080
    for value in (0, -3, 10.5, 1e9):
        with pytest.raises(BadDataError, match="not a number of pixels"):
            plain_json.side(value, "w", "f", "r")
    rows = [[1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 1, 4]]
    expected = [*rows, [0, 0, 0, 1]]
    assert plain_json.matrix(rows, "m", "f", "r").tolist() == expected
    assert plain_json.matrix(np.eye(4).tolist(), "m", "f", "r").tolist() == np.eye(4).tolist()
    for value in (rows[:2], 3, [[1]] * 4, [*rows, "a"]):
        with pytest.raises(BadDataError):
            plain_json.matrix(value, "m", "f", "r")
