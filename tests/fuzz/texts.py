"""What generated texts are made of: strategies of hypothesis, and the words of each format."""

from __future__ import annotations

import json
from typing import Any

import mutations
from hypothesis import strategies as st

SOUND = st.one_of(st.integers(-(10**6), 10**6).map(str), st.floats().map(repr))
NUMBERS = st.one_of(SOUND, SOUND, st.sampled_from(["1_0", "0x1", "١", "1e400", "9" * 400, "-"]))
WORDS = st.one_of(st.text(max_size=8), st.sampled_from(mutations.HOSTILE_TEXTS))
VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), WORDS,
        st.sampled_from(["segGroups", "objectId", "label", "segments", "id", "prediction"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=5,
)  # fmt: skip


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


MATRICES = st.lists(st.one_of(NUMBERS, NUMBERS, WORDS), min_size=0, max_size=18).map(
    lambda items: _encoded(" ".join(items))
)
SIXTEEN = st.one_of(
    st.lists(numbers, min_size=16, max_size=16).map(lambda items: _encoded(" ".join(items)))
    for numbers in (SOUND, NUMBERS)
)
TABLES = st.lists(
    st.lists(st.one_of(WORDS, NUMBERS, st.sampled_from(["id0", "id", "prediction"])), max_size=4)
).map(lambda rows: _encoded("\n".join("\t".join(row) for row in rows)))
LABEL_ROWS = st.lists(st.tuples(WORDS, NUMBERS)).map(
    lambda rows: _encoded("raw_category\tnyu40id\n" + "\n".join("\t".join(row) for row in rows))
)
AGGREGATIONS = st.lists(
    st.fixed_dictionaries(
        {"objectId": st.one_of(st.integers(0, 9), VALUES), "label": st.one_of(WORDS, VALUES),
         "segments": st.one_of(st.lists(st.integers(), max_size=4), VALUES)}
    ),
    max_size=3,
).map(lambda groups: _json_bytes({"segGroups": groups}))  # fmt: skip
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"id": st.sampled_from(["id0", "id1", "", 5]), "prediction": VALUES},
        optional={"image": st.lists(WORDS, max_size=2), "gt_unit": WORDS, "extra": VALUES},
    ),
    max_size=3,
).map(lambda items: b"\n".join(map(_json_bytes, items)))
SAID = st.lists(
    st.one_of(
        WORDS, NUMBERS,
        st.sampled_from(["`", "``", "[", "]", "(", ",", " , ", "mm", " m", "°", " ft", "A", "B",
                         "left", "</think>", "\n", "Image-1", "1,234", ".", "-", "e5"]),
    )
).map(lambda items: _encoded("".join(items)))  # fmt: skip
LISTS = st.lists(st.one_of(st.from_regex(r"[A-Za-z0-9_.+-]{1,9}"), WORDS)).map(
    lambda items: _encoded("\n".join(items))
)
SENTENCES = st.lists(WORDS, max_size=5)
TEMPLATES = st.fixed_dictionaries(
    {
        name: st.one_of(SENTENCES, VALUES)
        for name in ("conventions", "questions", "full", "plain", "heldout", "answers")
    }
).map(_json_bytes)
JSON = VALUES.map(_json_bytes)


# ---- words of the formats ------------------------------------------------------------------------
PICKLE_TOKENS = (
    b"cos\nsystem\n", b"\x93", b"R.", b"r\x00\x00\x00\x7f", b"j\xff\xff\xff\x7f", b"(", b"2" * 64,
    b"t" * 30, b"\x8d" + b"\xff" * 8, b"\x96" + b"\x00" * 5 + b"\x01\0\0", b"cnumpy\ndtype\n", b"b",
    b"h\x00", b"\x85", b"\x94", b"e", b"s", b"u", b"]", b"}", b"Q", b"\x82\x01", b"\x97", b"\x98",
)  # fmt: skip
JPEG_TOKENS = tuple(
    b"\xff" + bytes([code]) for code in (0xC0, 0xC2, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xFE)
)
PLY_TOKENS = (
    b"element vertex 2147483648\n", b"property list uchar int x\n", b"property float x\n", b"ply\n",
    b"format ascii 1.0\n", b"format binary_big_endian 1.0\n", b"end_header\n", b"comment \n",
    b"property double red\n", b"nan", b"element face 99999999\n",
    b"property list uchar int vertex_indices\n",
)  # fmt: skip
JSON_TOKENS = (b"null", b"NaN", b"1e999", b'"\\ud800"', b"true", b"[", b"{", b'"":', b"-1", b"\0")
MATRIX_TOKENS = (
    b"nan",
    b"inf",
    b"1e400",
    b"\n",
    b" ",
    b"1_0",
    b"\0",
    "١".encode(),
    b"axisAlignment =",
)
SAID_TOKENS = (
    b"`",
    b"``",
    b"</think>",
    b"[",
    b"]",
    b"1,234",
    b" mm",
    b"e99",
    b"\n",
    b"A ",
    b"\\boxed{",
    b"**",
    b"<answer>",
    b"<think>",
    b"Answer: ",
    "±".encode(),
    "³".encode(),
    b"x = ",
    b" not ",
)
ZIP_TOKENS = (b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"\xff\xff\xff\xff")
