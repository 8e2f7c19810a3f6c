"""Retries, replies and the file of answers, each alone."""

from __future__ import annotations

import json
from email.utils import formatdate

import pytest
from chat_server import completion
from helpers import raises_one_line

from spatial_engine.errors import BadDataError, SettingsError
from spatial_engine.evaluation.asking.answers_file import open_answers
from spatial_engine.evaluation.asking.replies import Reply, error_text, kind_of, reply_of
from spatial_engine.evaluation.asking.retries import is_retried, seconds_to_wait

NOW = 1_800_000_000.0

# Retries


@pytest.mark.parametrize(
    ("status", "told", "expected"),
    [
        (408, None, True), (409, None, True), (429, None, True), (500, None, True),
        (503, None, True), (400, None, False), (404, None, False), (422, None, False),
        (400, "true", True), (500, "false", False), (429, "perhaps", True),
    ],
)  # fmt: skip
def test_what_is_sent_again(status, told, expected):
    assert is_retried(status, {"x-should-retry": told} if told else {}) is expected


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9),
        ({"retry-after": "60"}, 60),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": formatdate(NOW + 20, usegmt=True)}, 20),
    ],
)
def test_the_server_says_how_long_to_wait(headers, seconds):
    for draw in (0.0, 1.0):
        assert seconds_to_wait(3, headers, draw, NOW) == seconds


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"retry-after": "60.1"}, {"retry-after": "0"}, {"retry-after": "-1"},
        {"retry-after": "nan"}, {"retry-after": "inf"}, {"retry-after": "never"},
        {"retry-after": formatdate(NOW - 5)}, {"retry-after": formatdate(NOW + 61)},
        {"retry-after-ms": "0"},
    ],
)  # fmt: skip
def test_else_waits_double_up_to_eight_seconds(headers):
    waits = [seconds_to_wait(n, headers, 0.0, NOW) for n in (0, 1, 2, 3, 4, 5, 10_000)]
    assert waits == [0.5, 1, 2, 4, 8, 8, 8]
    assert [seconds_to_wait(n, headers, 1.0, NOW) for n in (0, 4)] == [0.375, 6]


# Replies


def test_a_reply_is_read():
    body = completion("It is `3`.")
    assert reply_of(body) == Reply("It is `3`.", "stop", "", 100, 5)
    line = reply_of(body).line("a")
    assert line["id"] == "a" and line["prediction"] == "It is `3`." and "refusal" not in line
    assert kind_of(line) == ""


@pytest.mark.parametrize(
    ("content", "more", "reason", "text", "kind"),
    [
        (None, {"refusal": "I will not."}, "stop", "", "refused by the model"),
        ("", {}, "content_filter", "", "refused by the model"),
        ("It is", {}, "length", "It is", "cut off at --max-tokens"),
        (None, {"reasoning_content": "hm"}, "stop", "", "empty"),
        ([{"type": "text", "text": "a"}, {"type": "x"}, {"type": "text", "text": "b"}], {}, None,
         "ab", ""),
    ],
)  # fmt: skip
def test_what_is_no_usual_answer_is_counted(content, more, reason, text, kind):
    body = json.loads(completion(content, **more))
    body["choices"][0]["finish_reason"] = reason
    del body["usage"]
    reply = reply_of(json.dumps(body).encode())
    assert (reply.text, reply.prompt_tokens, kind_of(reply.line("a"))) == (text, 0, kind)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"<html>", b"[]", b"null", b"{}", b'{"choices": []}', b'{"choices": [{}]}',
        b'{"choices": {"a": 1}}', b'{"choices": [{"message": {"content": 3}}]}',
        b'{"choices": [{"message": {"content": [3]}}]}', b"[" * 5000, completion("a")[:-1],
        b'{"choices": [{"message": "text"}]}', b"\xff\xfe",
    ],
)  # fmt: skip
def test_a_broken_reply_is_no_answer(body):
    with pytest.raises(ValueError, match="no chat completion"):
        reply_of(body)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"error": {"message": "too many images", "code": 400}}, "too many images"),
        ({"object": "error", "message": "too long"}, "too long"),
        ({"detail": "pinned to 'm'"}, "pinned to 'm'"),
        ({"error": "no such model"}, "no such model"),
        ({"detail": [{"loc": ["body", "model"], "msg": "Field required"}]}, "Field required"),
        ({"detail": []}, '{"detail": []}'),
        ({"error": {"message": " "}}, '{"error": {"message": " "}}'),
        (["odd"], '["odd"]'),
    ],
)
def test_what_a_server_says_of_an_error_is_found(body, text):
    assert error_text(json.dumps(body).encode()) == text


@pytest.mark.parametrize("body", [b"<html>\n  no\n</html>", b"", b"\xff", b"[" * 5000])
def test_else_the_body_is_told(body):
    assert error_text(body) == " ".join(body.decode("utf-8", "replace").split())


# The file of answers

SETTINGS = {"model": "m", "temperature": 0.0, "questions": "abc"}


def add(path, *ids: str, settings=SETTINGS) -> set[str]:
    """Answer some questions; the ids that were answered before."""
    with open_answers(path, settings, {}) as answers:
        before = set(answers.done)
        for name in ids:
            answers.add(Reply("`1`", "stop", "", 10, 2).line(name))
    return before


def test_answers_are_kept_and_known(tmp_path):
    path = tmp_path / "below/model.jsonl"
    assert add(path, "a", "b") == set()
    first = path.read_bytes()
    assert add(path, "c") == {"a", "b"}
    assert path.read_bytes().startswith(first)
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["a", "b", "c"]
    with open_answers(path, SETTINGS, {}) as answers:
        assert answers.counts == {"": 3, "prompt tokens": 30, "completion tokens": 6}
    assert {p.name for p in path.parent.iterdir()} == {"model.jsonl", "model.jsonl.meta.json"}


def test_a_line_that_was_cut_anywhere_is_dropped(tmp_path):
    path = tmp_path / "model.jsonl"
    add(path, "a", "b")
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        assert add(path) == ({"a", "b"} if end == len(whole) else {"a"} if end >= first else set())
        kept = len(whole) if end == len(whole) else first if end >= first else 0
        assert path.read_bytes() == whole[:kept]


def test_a_long_line_that_was_cut_is_dropped(tmp_path):
    path = tmp_path / "model.jsonl"
    add(path, "a")
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id":"' + b"b" * 200_000)
    assert add(path) == {"a"}
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "value"), [("model", "n"), ("temperature", 0.7), ("questions", "abd"), ("new", 1)]
)
def test_answers_made_otherwise_are_refused(tmp_path, name, value):
    path = tmp_path / "model.jsonl"
    add(path, "a")
    before = path.read_bytes()
    with raises_one_line(SettingsError, path, f"another {name}", "move it away"):
        add(path, "b", settings={**SETTINGS, name: value})
    assert path.read_bytes() == before


def test_a_file_of_unknown_origin_is_refused(tmp_path):
    path = tmp_path / "model.jsonl"
    path.write_text('{"id": "a", "prediction": "b"}\n')
    with raises_one_line(SettingsError, path, "who answered"):
        add(path, "a")
    assert path.read_text() == '{"id": "a", "prediction": "b"}\n'


@pytest.mark.parametrize("line", ['{"id": "a"}', "[]", "no json", '{"id": 1, "prediction": ""}'])
def test_a_line_that_is_no_answer_is_named(tmp_path, line):
    path = tmp_path / "model.jsonl"
    add(path, "a")
    with open(path, "a") as file:
        file.write(f"{line}\n")
    with raises_one_line(BadDataError, path):
        add(path, "b")


def test_two_runs_do_not_write_one_file(tmp_path):
    path = tmp_path / "model.jsonl"
    with (
        open_answers(path, SETTINGS, {}),
        raises_one_line(SettingsError, "another run is writing here"),
        open_answers(path, SETTINGS, {}),
    ):
        pytest.fail("both were let in")
