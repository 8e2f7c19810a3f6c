"""Records of one's own in the mix: numbers, and what cannot be trained on is told in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import raises_one_line
from hypothesis import given, settings
from hypothesis import strategies as st
from test_mix import taken

from spatial_engine.errors import EngineError, SettingsError
from spatial_engine.exports import make_training_mix
from spatial_engine.exports.mix.added import Addition, addition, merge_added, plan_added
from spatial_engine.exports.mix.shares import entries_of
from spatial_engine.exports.mix.trainable import check_trainable
from spatial_engine.utils.questions.records import write_jsonl

ASKED, ANSWER = {"from": "human", "value": "What?"}, {"from": "gpt", "value": "That."}
MARKED = {"from": "human", "value": "<image>\nWhat?"}


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**7), st.integers(0, 10**8))
def test_entries_make_the_number_of_records(length, number):
    entries = entries_of("mine", {"length": length}, number)
    assert sum(map(taken, entries.values())) == number
    assert entries.keys() <= {"mine", "mine_rest"}


def write_meta(folder: Path, lengths: dict[str, tuple[int, float]]) -> Path:
    meta = {}
    for name, (length, repeat) in lengths.items():
        write_jsonl(folder / f"{name}.jsonl", [{"conversations": [ASKED, ANSWER]}] * length)
        meta[name] = {
            "root": "images", "annotation": str(folder / f"{name}.jsonl"),
            "data_augment": True, "repeat_time": repeat, "length": 77,
        }  # fmt: skip
    path = folder / "meta.json"
    path.write_text(json.dumps(meta))
    return path


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("abcd"),
        st.tuples(st.integers(1, 30), st.sampled_from([0.1, 0.5, 0.99, 1, 1.0, 2, 3])),
        min_size=1,
    ),
    st.one_of(st.none(), st.integers(1, 200)),
)
def test_shares_are_those_of_the_meta_json(tmp_path_factory, lengths, count):
    path = write_meta(tmp_path_factory.mktemp("meta"), lengths)
    asked = {name: int(length * repeat) for name, (length, repeat) in lengths.items()}
    if not sum(asked.values()):
        with raises_one_line(EngineError, path, "asks for no records"):
            plan_added(Addition("mine", path, count))
        return
    added = plan_added(Addition("mine", path, count))
    meta = merge_added({}, added, [])
    total = sum(asked.values()) if count is None else count
    assert sum(map(taken, meta.values())) == sum(one.records for one in added) == total
    for one in added:
        name = one.name.removeprefix("mine_")
        assert abs(one.records - total * asked[name] / sum(asked.values())) < 1
        assert one.length == lengths[name][0] and one.entry["data_augment"] is True
        assert len(list(one.read())) == min(one.records, one.length)


def test_paths_start_from_the_current_directory(tmp_path, monkeypatch):
    write_jsonl(tmp_path / "a.jsonl", [{"conversations": [ASKED, ANSWER]}])
    entry = {"root": "images", "annotation": "a.jsonl", "data_augment": False, "repeat_time": 1}
    (tmp_path / "meta.json").write_text(json.dumps({"a": entry}))
    monkeypatch.chdir(tmp_path)
    (added,) = plan_added(addition("mine=meta.json"))
    assert added.annotation == tmp_path / "a.jsonl"
    assert added.entry["root"] == str(tmp_path / "images")
    monkeypatch.chdir(tmp_path.parent)
    with raises_one_line(EngineError, tmp_path.parent / "a.jsonl", "entry a", "current directory"):
        plan_added(addition(f"mine={tmp_path}/meta.json"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"repeat_time": 2.5}, "whole number"),
        ({"repeat_time": 2.0}, "whole number"),
        ({"repeat_time": 0}, "not a number above 0"),
        ({"repeat_time": -1}, "not a number above 0"),
        ({"repeat_time": "1"}, "not a number above 0"),
        ({"repeat_time": True}, "not a number above 0"),
        ({"repeat_time": None}, "not a number above 0"),
        ({"annotation": "none.jsonl"}, "no such file"),
        ({"annotation": "a.json"}, "must be a .jsonl file"),
        ({"annotation": 5}, "annotation is not a path"),
        ({"root": None}, "root is not a path"),
    ],
)
def test_a_meta_json_that_cannot_be_used_is_told(tmp_path, change, words):
    path = write_meta(tmp_path, {"a": (3, 1)})
    meta = json.loads(path.read_text())
    meta["a"].update(change)
    path.write_text(json.dumps(meta))
    with raises_one_line(EngineError, path, "entry a", words):
        plan_added(Addition("mine", path, 3))


@pytest.mark.parametrize("key", ["root", "annotation", "data_augment", "repeat_time"])
def test_what_the_trainer_needs_must_be_there(tmp_path, key):
    path = write_meta(tmp_path, {"a": (3, 1)})
    meta = json.loads(path.read_text())
    del meta["a"][key]
    path.write_text(json.dumps(meta))
    with raises_one_line(EngineError, path, "entry a", f"has no {key}"):
        plan_added(Addition("mine", path, 3))


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"a": 1}', '{"a": {"root": NaN}}', '{"a b": {}}']
)
def test_what_is_no_meta_json_is_told(tmp_path, text):
    path = tmp_path / "meta.json"
    path.write_text(text)
    with raises_one_line(EngineError, path):
        plan_added(Addition("mine", path, None))


@pytest.mark.parametrize(
    "record",
    [
        {"conversations": [ASKED, ANSWER]},
        {"conversations": [ASKED, ANSWER] * 3, "id": 7},
        {"conversations": [{"from": "system", "value": "Be brief."}, ASKED, ANSWER]},
        {"image": "", "conversations": [ASKED, ANSWER]},
        {"image": [], "conversations": [ASKED, ANSWER]},
        {"image": "a.jpg", "conversations": [ASKED, ANSWER]},
        {"image": "a.jpg", "conversations": [MARKED, ANSWER, ASKED, ANSWER]},
        {"image": ["a.jpg"], "conversations": [MARKED, ANSWER]},
        {"image": ["a.jpg", "b.jpg"], "conversations": [MARKED, ANSWER, MARKED, ANSWER]},
    ],
)
def test_what_the_trainer_takes_is_taken(record):
    check_trainable(record)


BAD = {
    "a mark too many": {"image": "a.jpg", "conversations": [MARKED, ANSWER, MARKED, ANSWER]},
    "a mark too few": {"image": ["a.jpg", "b.jpg"], "conversations": [MARKED, ANSWER]},
    "a list without marks": {"image": ["a.jpg"], "conversations": [ASKED, ANSWER]},
    "a mark without image": {"conversations": [MARKED, ANSWER]},
    "a mark in a later turn": {"image": "a.jpg", "conversations": [ASKED, ANSWER, MARKED, ANSWER]},
    "a mark in an answer": {
        "image": "a.jpg", "conversations": [ASKED, {"from": "gpt", "value": "<image>"}],
    },
    "two of human": {"conversations": [ASKED, ASKED]},
    "no answer": {"conversations": [ASKED]},
    "no turns": {"conversations": []},
    "no conversations": {"text": "What?"},
    "turns of a text": {"conversations": "What?"},
    "an answer that is none": {"conversations": [ASKED, {"from": "gpt", "value": None}]},
    "image that is none": {"image": None, "conversations": [ASKED, ANSWER]},
    "image that is a number": {"image": [3], "conversations": [MARKED, ANSWER]},
    "a list": [1],
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_a_record_that_cannot_be_trained_on_is_named(tmp_path, kind):
    path = write_meta(tmp_path, {"a": (3, 1)})
    write_jsonl(tmp_path / "a.jsonl", [{"conversations": [ASKED, ANSWER]}] * 2 + [BAD[kind]])
    (added,) = plan_added(Addition("mine", path, None))
    with raises_one_line(EngineError, f"{tmp_path}/a.jsonl:3", "cannot be trained on"):
        list(added.read())
    (added,) = plan_added(Addition("mine", path, 2))  # those that are not drawn may be as they are
    assert len(list(added.read())) == 2


def test_a_bad_addition_writes_nothing(made_root, tmp_path):
    path = write_meta(tmp_path, {"a": (3, 1)})
    (tmp_path / "root").mkdir()
    (tmp_path / "root/training_data").symlink_to(made_root / "training_data")
    output = tmp_path / "mix.json"
    flags = ["--root", str(tmp_path / "root"), "--output", str(output)]
    with raises_one_line(SettingsError, "two entries mine_a"):
        make_training_mix.main([*flags, "--add", f"mine={path}", "--add", f"mine={path}:2"])
    assert not output.exists()
    with raises_one_line(SettingsError, "leave --add out"):
        make_training_mix.main([*flags, "--full-set", "--add", f"mine={path}"])


def test_images_that_are_not_there_are_named(tmp_path):
    path = write_meta(tmp_path, {"a": (1, 1)})
    write_jsonl(tmp_path / "a.jsonl", [{"image": "a.jpg", "conversations": [MARKED, ANSWER]}])
    (added,) = plan_added(Addition("mine", path, None))
    with raises_one_line(EngineError, "images/a.jpg", "no such image", "a.jsonl:1"):
        list(added.read())


@pytest.mark.parametrize("text", ["meta.json", "=meta.json", "mine=", "mine=meta.json:0", "a/b=c"])
def test_what_is_no_addition_is_told(text, capsys):
    with pytest.raises(SystemExit):
        make_training_mix.main(["--add", text])
    said = capsys.readouterr().err
    assert "--add" in said and "NAME=META.json" in said and said.count("\n") == 1


def test_a_name_may_hold_colons():
    assert addition("mine=a:b.json:12") == Addition("mine", Path("a:b.json"), 12)
    assert addition("mine=a:b.json") == Addition("mine", Path("a:b.json"), None)
