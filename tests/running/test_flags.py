"""Flags that cannot be meant: refused in one plain line, before anything is read or written."""

import importlib
import re
import sys
from pathlib import Path

import pytest
from conftest import COMMANDS, EVALUATION, FRAME_COMMANDS

from spatial_engine.utils.running import cli, flag_types

LOOKS = (
    "spatial_engine/audit/audit_labels.py",
    "spatial_engine/report/make_report.py",
    "spatial_engine/report/make_contact_sheets.py",
    "spatial_engine/report/view_scene.py",
)
MORE = (
    "spatial_engine/object_perception/single_object_coverage_finder.py",
    "spatial_engine/sample_data/__main__.py",
    "spatial_engine/sample_data/demo_table.py",
)
SCRIPTS = [c for c in (*COMMANDS, *FRAME_COMMANDS, *EVALUATION, *LOOKS, *MORE) if c.endswith(".py")]
NEEDED = {  # arguments without which a command does not start
    "view_scene": ["scene0000_00"],
    "score_predictions": ["model.jsonl"],
    "ask_model": ["--base-url", "http://127.0.0.1:9/v1", "--model", "m"],
    "resize_images": ["--output", "small"],
}
# Flag, values that are refused, and words of the answer. Every command that has the flag is tried.
ODD = [
    ("--num-workers", ["two"], "'two' is not a whole number"),
    ("--num-workers", ["1.5"], "'1.5' is not a whole number"),
    ("--num-workers", [""], "'' is not a whole number"),
    ("--num-workers", ["0"], "0 is less than 1"),
    ("--num-workers", ["99999999999999999999"], "99999999999999999999 is more than"),
    ("--scheduler", [""], "is empty; leave the flag out to use local processes"),
    ("--scheduler", [" "], "is empty"),
    ("--seed", ["x"], "'x' is not a whole number"),
    ("--seed", ["1e6"], "'1e6' is not a whole number"),
    ("--splits", ["test"], "'test'"),
    ("--splits", [], "expected at least one argument"),
    ("--datasets", ["nuscenes"], "'nuscenes'"),
    ("--captures", ["nosuch"], "'nosuch'"),
    ("--captures", [], "expected at least one argument"),
    ("--scenes", [], "expected at least one argument"),
    ("--scenes", [""], "is empty"),
    ("--scenes", ["../scene0000_00"], "'../scene0000_00' is not a name"),
    ("--scenes", ["scene0000_00,scene0001_00"], "is not a name (letters, digits and _.+- only)"),
    ("--version", [""], "is empty"),
    ("--version", ["a/b"], "'a/b' is not a name"),
    ("--version", [".."], "'..' is not a name"),
    ("--version", ["v1\n0"], r"'v1\n0' is not a name"),
    ("--train-max-samples", ["1e6"], "'1e6' is not a whole number"),
    ("--train-max-samples", ["-2"], "-2 is neither a number of records nor -1 (all)"),
    ("--val-max-samples", ["9223372036854775808"], "is more than"),
    ("--root", [""], "is empty; give a path"),
    ("--output", [""], "is empty; give a path"),
    ("--report", [""], "is empty; give a path"),
    ("--report", ["."], ".: is a folder, not a file"),
    ("--records", ["."], ".: is a folder, not a file"),
    ("--compare", ["."], ".: is a folder, not a file"),
    ("--benchmark", ["."], ".: is a folder, not a file"),
    ("--records-per-sheet", ["99999"], "99999 is more than"),
    ("--thumbnail-side", ["99999"], "99999 is more than"),
    ("--annotations", ["nosuch"], "nosuch: no such folder"),
    ("--sample", ["x"], "'x' is not a whole number"),
    ("--sample", ["0"], "0 is less than 1"),
    ("--formats", ["csv"], "'csv'"),
    ("--num-frames", ["2", "8"], "2 is less than 3"),
    ("--num-frames", ["3", "9"], "9 is more than 8"),
    ("--num-frames", ["3"], "expected 2 arguments"),
    ("--question-types", ["overlap"], "'overlap'"),
    ("--base-url", ["127.0.0.1:8000"], "is no address (http://HOST:PORT/v1)"),
    ("--temperature", ["hot"], "'hot' is not a number"),
    ("--temperature", ["3"], "3.0 is more than 2"),
    ("--concurrency", ["0"], "0 is less than 1"),
    ("--max-tokens", ["0"], "0 is less than 1"),
    ("--timeout", ["0"], "0.0 is less than 0.01"),
    ("--max-retries", ["-1"], "-1 is less than 0"),
    ("--limit", ["-2"], "-2 is neither a number of records nor -1 (all)"),
    ("--dry-run", ["0"], "0 is less than 1"),
    ("--size", ["a", "b"], "'a' is not a whole number"),
    ("--size", ["0", "9"], "0 is less than 1"),
    ("--size", ["9", "99999"], "99999 is more than"),
    ("--max-side", ["0.5"], "'0.5' is not a whole number"),
    ("--start", ["-1"], "-1 is less than 0"),
    ("--end", ["x"], "'x' is not a whole number"),
    ("--tolerance", ["nan"], "'nan' is not a finite number"),
    ("--tolerance", ["1.5"], "1.5 is more than 1"),
    ("--min-size-m", ["inf"], "'inf' is not a finite number"),
    ("--min-size-m", ["1,5"], "'1,5' is not a number"),
    ("--min-visible-share", ["-0.1"], "-0.1 is less than 0"),
    ("--frame-skip", ["0"], "0 is less than 1"),
    ("--dot-radius-px", ["9223372036854775807"], "is more than 2147483647"),
    ("--val-difficulty", ["harder"], "'harder'"),
    ("--question-types", ["roll"], "'roll'"),
    ("--nosuch", [], "unrecognized arguments: --nosuch; --help lists the flags"),
]  # fmt: skip


def start(command, *flags):
    """Exit code of a command with these flags, called as a function."""
    module = importlib.import_module(command.removesuffix(".py").replace("/", "."))
    line = [*NEEDED.get(Path(command).stem, []), *flags]
    try:
        if "/audit/" in command:
            return module.main(line)
        return cli.run(module.main, line)
    except SystemExit as stopped:
        return stopped.code


def refusal(capsys):
    """The one line that a refused command prints."""
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ") and said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    return said.err


def has_flag(command, flag, capsys):
    assert start(command, "--help") == 0
    return f"{flag} " in capsys.readouterr().out.replace("\n", " ").replace("]", " ")


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """An empty current directory, since that is the root by default."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.mark.parametrize(
    ("flag", "values", "words"), ODD, ids=[" ".join([flag, *values]) for flag, values, _ in ODD]
)
def test_a_flag_that_cannot_be_meant_is_refused_in_one_line(elsewhere, capsys, flag, values, words):
    those = [c for c in SCRIPTS if flag == "--nosuch" or has_flag(c, flag, capsys)]
    assert those
    for command in those:
        assert start(command, flag, *values) == 2, command
        line = refusal(capsys)
        assert words in line, f"{command}: {line}"
        assert not re.search(r"\b_[a-z]|lambda|<", line), f"{command}: {line}"
    assert list(elsewhere.iterdir()) == []


@pytest.fixture
def roots(tmp_path):
    """Roots that are none, by name: what is said of each."""
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    return {
        tmp_path / "nosuch": "no such folder",
        tmp_path / "file": "is a file, not a folder",
        tmp_path / "file/below": "Not a directory",
        tmp_path / "loop": "Too many levels of symbolic links",
        Path("x" * 300): "File name too long",
    }


@pytest.mark.parametrize("command", SCRIPTS)
def test_a_root_that_is_no_folder_is_named(roots, elsewhere, capsys, command):
    makes_root = "sample_data/__main__" in command
    for root, words in roots.items():
        if not (makes_root and words == "no such folder"):
            assert start(command, "--root", str(root)) == 2
            line = refusal(capsys)
            assert "argument --root: " in line and words in line
    assert not (elsewhere / "nosuch").exists()


def test_a_list_given_twice_is_joined_and_nothing_stands_in_it_twice():
    parser = cli.make_parser("")
    given = ["--splits", "val", "--scenes", "b", "a", "--splits", "train", "val", "--scenes", "b"]
    args = parser.parse_args(given)
    assert (args.splits, args.scenes) == (["val", "train"], ["b", "a"])
    assert parser.parse_args([]).splits == ["train", "val"]  # the default stays as it was


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (flag_types.whole_number(0), "0", 0),
        (flag_types.whole_number(0), str(flag_types.LARGEST), flag_types.LARGEST),
        (flag_types.real_number(0, 1), "1", 1.0),
        (flag_types.real_number(), "-1e-3", -0.001),
        (flag_types.records_at_most, "-1", -1),
        (flag_types.name, "scene0000_00", "scene0000_00"),
        (flag_types.address, "tcp://127.0.0.1:8786", "tcp://127.0.0.1:8786"),
        (flag_types.path, ".", Path(".")),
        (flag_types.folder, "nosuch/below", Path("nosuch/below")),
    ],
)
def test_what_is_meant_is_taken(elsewhere, kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    "command",
    [
        "spatial_engine/object_perception/merge_object_coverage.py",
        "spatial_engine/object_perception/single_object_coverage_finder.py",
        "spatial_engine/report/make_report.py",
        "spatial_engine/report/make_contact_sheets.py",
        *COMMANDS[:6],
        *COMMANDS[-2:],
    ],
)
def test_a_scene_that_is_not_there_is_named(made_root, capsys, command):
    flags = ["--root", str(made_root), "--num-workers", "1"]
    for scenes in (["nosuch"], ["scene0000_00", "nosuch"]):
        assert start(command, *flags, "--scenes", *scenes) == 2
        assert "--scenes nosuch: " in refusal(capsys)


def test_a_path_that_the_terminal_has_no_characters_for_is_printed(tmp_path, monkeypatch):
    import io

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    assert cli.run(lambda argv: print("Küche/\udcff") or 0) == 0
    stream.flush()
    assert stream.buffer.getvalue() == b"K\\xfcche/\\udcff\n"


def test_published_sets_the_constants_that_were_not_given():
    parser = cli.make_parser("", questions=True)
    cli.add_constant(parser, "MIN_GAP_MM", 50, "", 1, published=1)
    cli.add_constant(parser, "SEEN_RULE", "surface", "", published="published")
    cli.add_constant(parser, "RADIUS_PX", 10, "")
    mine = {"MIN_GAP_MM": 50, "SEEN_RULE": "surface", "RADIUS_PX": 10, "published": False}
    theirs = {"MIN_GAP_MM": 1, "SEEN_RULE": "published", "RADIUS_PX": 10, "published": True}
    assert parser.parse_args([]).constants == mine
    assert parser.parse_args(["--published"]).constants == theirs
    args = parser.parse_args(["--min-gap-mm", "7", "--published", "--seed", "3"])
    assert args.constants == theirs | {"MIN_GAP_MM": 7}
    assert (args.min_gap_mm, args.seed, args.seen_rule) == (7, 3, "published")
    assert parser.parse_args([]).constants == mine  # as it was
