"""Pickles: plain data comes back as it was, nothing else comes back at all."""

import functools
import io
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from helpers import raises_one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy._core.numeric import _frombuffer

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.tables.indexed_pickle import IndexedItems, dump_items
from spatial_engine.utils.tables.plain_pickle import dump_pickle, load_bytes_array, load_pickle


class Call:
    """Pickles as a call of a function, and a state to be set on what it returns."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


# By the protocol from which on pickle can write them without naming a function.
PLAIN = {
    "containers 2": {"a": [1, -2.5, None, True], 3: ("é", 2**100, float("inf")), (1, "b"): {}},
    "bytes 3": {"a": [b"", b"\xff\xd8" * 9]},
    "sets 4": [{1, 2}, frozenset("a"), {"nested": {frozenset(), frozenset([1])}}],
    "arrays 3": [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.ones((2, 3))),
        np.zeros((0, 4)),
    ],
    "views 3": [np.arange(10)[::2], np.broadcast_to(np.int32(3), (2, 2)), np.array(5)],
    "kinds 3": [np.array(v) for v in ([True], [1j], ["x", "yy"], [b"x"], [np.float16(1)])],
    "scalars 3": [np.float32(2), np.int64(3), np.bool_(True), np.uint16(9), np.str_("x")],
    "swapped 3": [np.arange(3, dtype=">i4"), np.arange(3, dtype="<u2")],
}


@pytest.mark.parametrize(
    ("name", "protocol"), [(n, p) for n in PLAIN for p in range(int(n[-1]), 6)]
)
def test_plain_data_is_loaded_as_pickle_itself_would(tmp_path, name, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(PLAIN[name], protocol))
    found = load_pickle(path, "make it")
    np.testing.assert_equal(found, PLAIN[name])
    if not name.startswith("swapped"):  # numpy gives native order by protocol
        assert repr(found) == repr(pickle.loads(path.read_bytes()))  # types too


def test_dumped_data_reads_back_and_is_the_same_bytes(tmp_path):
    value = {"s": {0: {"box": np.arange(7.0), "name": "bed"}, "size": (1296, 968)}}
    dump_pickle(value, tmp_path / "a" / "x.pkl")
    dump_pickle(value, tmp_path / "y.pkl")
    np.testing.assert_equal(load_pickle(tmp_path / "a" / "x.pkl", ""), value)
    assert (tmp_path / "a" / "x.pkl").read_bytes() == (tmp_path / "y.pkl").read_bytes()


def load_in_a_process(path, then: str) -> subprocess.CompletedProcess:
    """Load a pickle where it can do no harm; its peak memory in KiB ends the error output."""
    code = f"""
import sys
from spatial_engine.errors import BadDataError
from spatial_engine.utils.tables.plain_pickle import load_pickle
try:
    value = load_pickle(sys.argv[1], "make it")
    {then}
except BadDataError:
    print("refused")
if sys.platform.startswith("linux"):  # getrusage would tell of the process that started this
    with open("/proc/self/status") as file:
        print(next(line.split()[1] for line in file if line.startswith("VmHWM")), file=sys.stderr)
"""
    command = [sys.executable, "-c", code, str(path)]
    return subprocess.run(command, capture_output=True, text=True)


HOSTILE = {
    "os.system": Call(os.system, "touch /tmp/pwned"),
    "eval": Call(eval, "1"),
    "partial": functools.partial(print, "x"),
    "getattr": Call(getattr, [], "append"),
    "codecs": Call(__import__("_codecs").lookup, "utf-8"),
    "numpy load": Call(np.load, "/etc/passwd", None, True),
    "numpy fromfile": Call(np.fromfile, "/etc/passwd", np.uint8),
    "numpy memmap": Call(np.memmap, "/etc/passwd"),
    "import": Call(__import__, "os"),
    "hidden in an array": np.array([Call(os.system, "true")], object),
    "hidden in a dict key": {("a", Call(os.getcwd)): 1},
    "python random state": random.Random(0),
    "subprocess": Call(subprocess.Popen, ["true"]),
}


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("name", HOSTILE)
def test_pickles_that_ask_for_code_are_refused(tmp_path, name, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(HOSTILE[name], protocol))
    with raises_one_line(BadDataError, path, "make it"):
        load_pickle(path, "make it")


def test_a_message_stays_one_line_whatever_the_pickle_asks_for(tmp_path):
    module = b"os\nerror: all is well"
    data = b"\x80\x04\x8c" + bytes([len(module)]) + module + b"\x8c\x06system\x93."
    (tmp_path / "x.pkl").write_bytes(data)
    with raises_one_line(BadDataError, tmp_path / "x.pkl"):
        load_pickle(tmp_path / "x.pkl", "make it")


def test_an_array_cannot_take_bytes_of_the_file_for_python_objects(tmp_path):
    """A dtype whose state claims a field of objects and denies it in its flags: reading such an
    array follows pointers that the file made up. In a process of its own, because it may die."""
    state = (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)
    evil = Call(np.dtype, "V8", False, True, state=state)
    data = pickle.dumps(Call(_frombuffer, b"A" * 8, evil, (1,), "C"))
    (tmp_path / "x.pkl").write_bytes(data)
    done = load_in_a_process(tmp_path / "x.pkl", "print(value['a'][0])")
    assert (done.returncode, done.stdout.strip()) == (0, "refused")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounded on Linux only")
def test_a_pickle_of_ten_bytes_does_not_take_half_a_gigabyte(tmp_path):
    (tmp_path / "x.pkl").write_bytes(b"\x80\x04Nr\x00\x00\x00\x02.")  # "remember this as 2**25"
    done = load_in_a_process(tmp_path / "x.pkl", "print('loaded')")
    assert done.returncode == 0
    assert int(done.stderr.split()[-1]) < 300_000  # KiB at most, libraries included


def test_every_truncation_of_a_pickle_is_refused(tmp_path):
    data = pickle.dumps((PLAIN["containers 2"], np.arange(9.0), {1}), 4)
    path = tmp_path / "x.pkl"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with raises_one_line(BadDataError, path):
            load_pickle(path, "make it")
    with raises_one_line(MissingInputError, tmp_path / "none.pkl", "make it"):
        load_pickle(tmp_path / "none.pkl", "make it")


# -- pickles with an index


def items(count=5):
    rng = np.random.default_rng(0)
    return {
        f"scene{k}": {k: rng.random((2, 3)), "name": f"x{k}", "s": (1, 2)} for k in range(count)
    }


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(found[key], value)
        else:
            assert found[key] == value


def test_an_indexed_pickle_is_a_pickle_like_any_other(tmp_path):
    dump_items(items().items(), tmp_path / "x.pkl")
    by_user = pickle.loads((tmp_path / "x.pkl").read_bytes())
    ours = load_pickle(tmp_path / "x.pkl", "")
    for found in (by_user, ours):
        assert list(found) == list(items())
        for key, value in items().items():
            assert_equal(found[key], value)


def test_items_are_read_one_at_a_time_in_any_order_and_by_workers(tmp_path):
    dump_items(items().items(), tmp_path / "x.pkl")
    found = IndexedItems.open(tmp_path / "x.pkl", "")
    assert list(found) == list(items()) and len(found) == 5
    few = pickle.loads(pickle.dumps(found.only(["scene3", "scene1"])))
    assert list(few) == ["scene3", "scene1"]
    for some in (found, few):
        for key in reversed(list(some)):
            assert_equal(some[key], items()[key])
    assert len(pickle.dumps(few)) < 1000  # the items themselves are not sent
    with pytest.raises(KeyError):
        few["scene0"]


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "x.pkl"
    dump_items(items().items(), path)
    found = IndexedItems.open(path, "")
    dump_items(items(7).items(), path)
    with pytest.raises(BadDataError, match="has changed"):
        found["scene0"]


def test_an_empty_dictionary_has_an_index_too(tmp_path):
    dump_items([], tmp_path / "x.pkl")
    assert len(IndexedItems.open(tmp_path / "x.pkl", "")) == 0
    assert load_pickle(tmp_path / "x.pkl", "") == {}


@pytest.mark.parametrize("cut", [1, 10, 30, 60, 200])
def test_without_a_sound_index_there_is_none(tmp_path, cut):
    path = tmp_path / "x.pkl"
    dump_items(items().items(), path)
    path.write_bytes(path.read_bytes()[:-cut])
    assert IndexedItems.open(path, "") is None
    dump_pickle({"a": 1}, path)
    assert IndexedItems.open(path, "") is None


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2000), st.integers(1, 255))
def test_a_changed_byte_gives_right_items_or_our_error(tmp_path_factory, place, change):
    path = tmp_path_factory.getbasetemp() / "changed.pkl"
    dump_items(items(3).items(), path)
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= change
    path.write_bytes(bytes(data))
    found = IndexedItems.open(path, "")
    for key in found or ():
        try:
            value = found[key]
        except BadDataError:
            continue
        assert not callable(value)


def test_what_is_shared_many_times_over_is_refused_at_once(tmp_path):
    """As text, which digests are made of, it would be a terabyte."""
    shared: list = ["x"]
    for _ in range(40):
        shared = [shared, shared]
    text = "x" * 10**6
    for value in (shared, {"a": (shared,)}, [text] * 500, [np.zeros(10**5)] * 9000):
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(value, 4))
        if value is not shared and isinstance(value, list):
            value[:] = value[:2]
            (tmp_path / "few.pkl").write_bytes(pickle.dumps(value, 4))
            assert len(load_pickle(tmp_path / "few.pkl", "make it")) == 2
        with raises_one_line(
            BadDataError, tmp_path / "x.pkl", "far more data than its size", "make it"
        ):
            load_pickle(tmp_path / "x.pkl", "make it")


def deep_key(protocol: int) -> bytes:
    """Without its first and last bytes, the pickle of tuples of one tuple twice, forty deep."""
    shared: tuple = ("a",)
    for _ in range(40):
        shared = (shared, shared)
    return pickle.dumps(shared, protocol)[2:-1]


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x02}" + deep_key(2) + b"K\x01s.",  # a key
        b"\x80\x02}(" + deep_key(2) + b"K\x01u.",  # one of several
        b"\x80\x02(" + deep_key(2) + b"K\x01d.",  # of a dictionary made at once
        b"\x80\x04\x8f(" + deep_key(2) + b"\x90.",  # of a set
        b"\x80\x04(" + deep_key(2) + b"\x91.",  # of a frozenset
        b"\x80\x02c__builtin__\nset\n](" + deep_key(2) + b"e\x85R.",  # of a set by its name
    ],
)
def test_a_key_that_would_be_hashed_for_ever_is_refused(tmp_path, data):
    (tmp_path / "x.pkl").write_bytes(data)
    with raises_one_line(BadDataError, tmp_path / "x.pkl", "a key of type tuple", "make it"):
        load_pickle(tmp_path / "x.pkl", "make it")
    with pytest.raises(BadDataError):
        load_bytes_array(io.BytesIO(data), len(data), "x")


def test_keys_of_plain_data_are_taken(tmp_path):
    keys = ["a", 5, 2.5, None, True, b"b", ("a", 1), np.float32(3)]
    value = {"keys": dict.fromkeys(keys, 1), "set": set(keys), "frozen": [frozenset(keys)]}
    for protocol in range(6):
        (tmp_path / "x.pkl").write_bytes(pickle.dumps(value, protocol))
        assert load_pickle(tmp_path / "x.pkl", "make it") == value


@pytest.mark.parametrize(
    "index",
    [
        b"", b"{", b"[]", b"5", b'{"a": 1}', b'{"a": [1]}', b'{"a": [1, null]}',
        b'{"a": [1, 1e400]}',
        b'{"a": [-5, 9]}', b'{"a": [9, 5]}', b'{"a": [1, 99999999]}', b'{"a": "xy"}', b"\xff",
        b"[" * 100_000,
    ],
    ids=lambda index: repr(index)[:20],
)  # fmt: skip
def test_an_index_that_is_none_is_passed_over(tmp_path, index):
    path = tmp_path / "x.pkl"
    data = pickle.dumps({"a": 1}, 3)
    path.write_bytes(data + index + len(index).to_bytes(8, "little") + b"items of this pickle\n")
    assert IndexedItems.open(path, "make it") is None
    assert load_pickle(path, "make it") == {"a": 1}
