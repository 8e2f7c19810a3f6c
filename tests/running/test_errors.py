"""What the text of an error looks like, whatever a file or a library says."""

import pickle

import pytest

from spatial_engine.errors import MAX_CHARACTERS, BadDataError


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a.txt: broken; mend it", "a.txt: broken; mend it"),
        ("a\nb\r\n\tc\u2028d", "a b c d"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\0b", "a\\x00b"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\ud800b", "a\\ud800b"),
        ("Küche, 厨房", "Küche, 厨房"),
    ],
)
def test_a_message_is_one_line_that_a_terminal_shows_as_it_is(text, shown):
    assert str(BadDataError(text)) == shown
    assert str(pickle.loads(pickle.dumps(BadDataError(text)))) == shown  # as a worker sends it


def test_a_message_that_quotes_a_file_keeps_its_start_and_its_end():
    line = str(BadDataError("a.json: not json (" + "x" * 10**6 + "); get it again"))
    assert len(line) <= MAX_CHARACTERS + 5
    assert line.startswith("a.json: not json (x") and line.endswith("x); get it again")
