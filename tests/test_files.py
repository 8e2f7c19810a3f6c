from __future__ import annotations

import functools
import os
import pickle
import random
import subprocess
import sys

import numpy as np
import pytest
from helpers import one_line_error
from numpy._core.numeric import _frombuffer

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.utils import files


class Call:
    """Pickles as a call of a function, and a state to be set on what it returns."""

    def __init__(self, function, *args, state=None):
        self.reduced = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_fails_leaves_what_was_there_and_no_temporary(tmp_path, error):
    path = tmp_path / "new" / "out.txt"
    for before in (None, "old"):
        if before:
            path.write_text(before)
        with pytest.raises(error), files.atomic_path(path) as partial:
            partial.write_text("half")
            raise error
        assert [p.name for p in path.parent.iterdir()] == (["out.txt"] if before else [])
        assert not before or path.read_text() == before


def test_the_final_name_appears_only_when_the_block_ends(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    (tmp_path / "out.txt.partial").write_text("left by a killed run")
    with files.atomic_path(path) as partial:
        assert not partial.exists()
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_a_folder_is_made_whole_and_a_left_over_one_is_overwritten(tmp_path):
    (tmp_path / "scene.partial").mkdir()
    (tmp_path / "scene.partial" / "stale").touch()
    with files.atomic_path(tmp_path / "scene") as partial:
        partial.mkdir()
        (partial / "fresh").touch()
    assert [p.name for p in (tmp_path / "scene").iterdir()] == ["fresh"]


def test_remove_takes_a_link_and_not_what_it_points_to(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    for path in (tmp_path / "link", tmp_path / "nothing"):
        files.remove(path)
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_a_short_disk_is_refused_with_numbers(tmp_path):
    files.check_disk(tmp_path / "not" / "yet", 1, 1)
    for num_files, num_bytes in ((1, 10**18), (10**15, 1)):
        if num_bytes == 1 and not os.statvfs(tmp_path).f_files:
            continue
        with one_line_error(SettingsError, tmp_path, "make room"):
            files.check_disk(tmp_path / "not" / "yet", num_files, num_bytes)


HOSTILE_IDS = [
    "", ".", "..", "../x", "a/b", "/abs", "a\\b", "a\0b", "a\n", "\na", "a b", " ", "-rf", ".x",
    "a" * 10_000, "a\u202eb", "\u200fa", "é", "a\tb", "~", "$HOME", "a;b", "<b>", "%2e%2e", "٣",
]  # fmt: skip


@pytest.mark.parametrize("identifier", HOSTILE_IDS)
def test_ids_that_cannot_be_a_file_name_are_refused(identifier):
    with one_line_error(BadDataError, "list.txt"):
        files.check_id(identifier, "list.txt")


def test_an_id_cannot_be_the_temporary_name_of_another():
    """The folder of scene `a` is made as `a.partial`, and whatever has that name is removed."""
    with one_line_error(BadDataError, "list.txt"):
        files.check_id("scene0000_00" + files.PARTIAL_SUFFIX, "list.txt")


def test_ids_of_the_data_sets_pass():
    for identifier in ("scene0000_00", "Apartment_release_meal_seq136_8", "boxes_11", "7-s.1+a"):
        assert files.check_id(identifier, "x") == identifier


def test_id_lists_are_sorted_whatever_line_ends_blanks_and_last_line(tmp_path):
    path = tmp_path / "list.txt"
    for data in (b"b\na\n", b"b\r\na\r\n", b"\n  b  \n\n\ta", b"b\r\n\r\na", b"a\nb", b"b\ra\r"):
        path.write_bytes(data)
        assert files.read_id_list(path, "get it") == ["a", "b"]


def test_bad_id_lists_are_named(tmp_path):
    path = tmp_path / "list.txt"
    with one_line_error(MissingInputError, path, "get it"):
        files.read_id_list(path, "get it")
    for data in (b"", b"\n \r\n"):
        path.write_bytes(data)
        with one_line_error(MissingInputError, path, "get it"):
            files.read_id_list(path, "get it")
    for data in (b"a\nb\na\n", b"a\n../b\n", b"\xff\xfe\x00", b"a\xe9\n"):
        path.write_bytes(data)
        with one_line_error(BadDataError, path):
            files.read_id_list(path, "get it")


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
    found = files.load_pickle(path, "make it")
    np.testing.assert_equal(found, PLAIN[name])
    assert repr(found) == repr(pickle.loads(path.read_bytes()))  # types too


def test_dumped_data_reads_back_and_is_the_same_bytes(tmp_path):
    value = {"s": {0: {"box": np.arange(7.0), "name": "bed"}, "size": (1296, 968)}}
    files.dump_pickle(value, tmp_path / "a" / "x.pkl")
    files.dump_pickle(value, tmp_path / "y.pkl")
    np.testing.assert_equal(files.load_pickle(tmp_path / "a" / "x.pkl", ""), value)
    assert (tmp_path / "a" / "x.pkl").read_bytes() == (tmp_path / "y.pkl").read_bytes()


def load_in_a_process(path, then: str) -> subprocess.CompletedProcess:
    """Load a pickle where it can do no harm; its peak memory in KiB ends the error output."""
    code = f"""
import resource, sys
from spatial_engine.errors import BadDataError
from spatial_engine.utils.files import load_pickle
try:
    value = load_pickle(sys.argv[1], "make it")
    {then}
except BadDataError:
    print("refused")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
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
    with one_line_error(BadDataError, path, "make it"):
        files.load_pickle(path, "make it")


def test_a_message_stays_one_line_whatever_the_pickle_asks_for(tmp_path):
    module = b"os\nerror: all is well"
    data = b"\x80\x04\x8c" + bytes([len(module)]) + module + b"\x8c\x06system\x93."
    (tmp_path / "x.pkl").write_bytes(data)
    with one_line_error(BadDataError, tmp_path / "x.pkl"):
        files.load_pickle(tmp_path / "x.pkl", "make it")


def test_an_array_cannot_take_bytes_of_the_file_for_python_objects(tmp_path):
    """A dtype whose state claims a field of objects and denies it in its flags: reading such an
    array follows pointers that the file made up. In a process of its own, because it may die."""
    state = (3, "|", None, ("a",), {"a": (np.dtype("O"), 0)}, 8, 1, 0)
    evil = Call(np.dtype, "V8", False, True, state=state)
    data = pickle.dumps(Call(_frombuffer, b"A" * 8, evil, (1,), "C"))
    (tmp_path / "x.pkl").write_bytes(data)
    done = load_in_a_process(tmp_path / "x.pkl", "print(value['a'][0])")
    assert (done.returncode, done.stdout.strip()) == (0, "refused")


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
        with one_line_error(BadDataError, path):
            files.load_pickle(path, "make it")
    with one_line_error(MissingInputError, tmp_path / "none.pkl", "make it"):
        files.load_pickle(tmp_path / "none.pkl", "make it")
