"""How a file is damaged: blindly, by its bytes, and knowingly, by what they stand for.

Every function takes a `random.Random`, so that a case is the same wherever and whenever it is made.
"""

from __future__ import annotations

import copy
import io
import json
import math
import pickle
import random
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Reshape = Callable[[random.Random, bytes], bytes]

SIZES = [0, 1, 2, 127, 128, 255, 256, 32767, 65500, 65535, 65536]
SIZES += [2**k + d for k in (20, 31, 32, 40, 62, 63, 64) for d in (-1, 0)]
HOSTILE_TEXTS = [
    "", " ", ".", "..", "../outside", "a/../../outside", "/etc/outside", "a\0b", "a\nerror: b",
    "a\r\nb", "\u202egnp.exe", "\u2066x", "\ud800", "\ufeffa", "x" * 10_000, "-1", "1e400", "NaN",
    "<image>", "{answer}", "`5`", "~root", "C:\\outside", "\x1b[31mred",
]  # fmt: skip
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308,
    math.nan, math.inf, -math.inf, [], {}, [[]], [None], {"": None}, [0] * 300, *HOSTILE_TEXTS,
]  # fmt: skip
ODD_OBJECTS: list[Any] = [
    b"", b"\xff\xd8", (), (1,), (1, 2), (0, 0), (2**40, 2**40), {1}, frozenset(), {0: {}}, 1j,
    np.zeros(0), np.zeros((4, 4)), np.full((4, 4), np.nan), np.full((4, 4), np.inf),
    np.eye(4, dtype=np.float16), np.eye(3), np.zeros((0, 4, 4)), np.array(5.0), np.array(["x"]),
    np.zeros(7, np.int8), np.eye(4) * 1j, np.bool_(True), np.int64(-1), np.float32(3),
    np.zeros((4, 4), "S1"), np.ones((4, 4), bool), np.zeros((4, 0)),
]  # fmt: skip


def damage(rng: random.Random, data: bytes, others: Sequence[bytes], tokens: Sequence[bytes]):
    """`data` after a few blind changes; `others` are files of the kind to splice with."""
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        rng.choice(_BLIND)(rng, changed, others, tokens)
    return bytes(changed)


def _place(rng: random.Random, data: bytearray) -> int:
    """Near the start or the end, where headers and footers are, or anywhere."""
    reach = rng.choice((16, 256, len(data), len(data)))
    place = rng.randrange(min(len(data), reach) + 1)
    return len(data) - place if rng.random() < 0.25 else place


def _span(rng: random.Random, data: bytearray) -> slice:
    start = _place(rng, data)
    return slice(start, start + rng.choice((1, 2, 4, 8, 30, 300, 3000)))


def _flip(rng, data, others, tokens):
    if data:
        data[min(_place(rng, data), len(data) - 1)] ^= 1 << rng.randrange(8)


def _random_bytes(rng, data, others, tokens):
    span = _span(rng, data)
    data[span] = rng.randbytes(len(data[span]))


def _truncate(rng, data, others, tokens):
    del data[_place(rng, data) :]


def _delete(rng, data, others, tokens):
    del data[_span(rng, data)]


def _repeat(rng, data, others, tokens):
    span = _span(rng, data)
    data[span] = bytes(data[span]) * rng.choice((2, 3, 20))


def _move(rng, data, others, tokens):
    span = _span(rng, data)
    chunk = bytes(data[span])
    del data[span]
    place = _place(rng, data)
    data[place:place] = chunk


def _splice(rng, data, others, tokens):
    other = rng.choice(others)
    place = rng.randrange(len(other) + 1)
    data[_span(rng, data)] = other[place : place + rng.choice((4, 40, 400, len(other)))]


def _extreme_number(rng, data, others, tokens):
    width = rng.choice((1, 2, 4, 8))
    order = rng.choice(("little", "big"))
    number = rng.choice(SIZES) * rng.choice((1, -1)) % 256**width
    place = _place(rng, data) // width * width if rng.random() < 0.5 else _place(rng, data)
    data[place : place + width] = number.to_bytes(width, order)


def _odd_float(rng, data, others, tokens):
    form = rng.choice(("<f", "<d"))
    number = rng.choice((math.nan, math.inf, -math.inf, 0.0, -1.0, 1e-38, 3e38))
    place = _place(rng, data) // 4 * 4
    data[place : place + struct.calcsize(form)] = struct.pack(form, number)


def _number_in_text(rng, data, others, tokens):
    """One of the runs of digits becomes another number."""
    start = _place(rng, data)
    while start < len(data) and not 48 <= data[start] <= 57:
        start += 1
    end = start
    while end < len(data) and 48 <= data[end] <= 57:
        end += 1
    if end > start:
        text = rng.choice((*map(str, SIZES), "-1", "1e400", "nan", "0.1", "9" * 5000, "0x1"))
        data[start:end] = text.encode()


def _token(rng, data, others, tokens):
    token = rng.choice(tokens) if tokens else rng.choice(HOSTILE_TEXTS).encode("utf-8", "replace")
    span = _span(rng, data)
    data[span.start : span.start if rng.random() < 0.5 else span.start + len(token)] = token


_BLIND = (
    _flip, _flip, _random_bytes, _truncate, _delete, _repeat, _move, _splice, _extreme_number,
    _extreme_number, _odd_float, _number_in_text, _token, _token,
)  # fmt: skip


# ---- knowingly ----------------------------------------------------------------------------------


def change_tree(rng: random.Random, value: Any, odd: Sequence[Any]) -> Any:
    """Plain data with one of its parts replaced by an odd value, left out, doubled or wrapped."""
    value = copy.deepcopy(value)
    nodes: list[tuple[Any, Any]] = []  # (container, key)

    def collect(node: Any) -> None:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        for key in keys:
            nodes.append((node, key))
            if isinstance(node[key], (dict, list)):
                collect(node[key])

    if isinstance(value, (dict, list)):
        collect(value)
    if not nodes or rng.random() < 0.02:
        return rng.choice(odd)
    node, key = rng.choice(nodes)
    action = rng.random()
    if action < 0.6:
        node[key] = rng.choice(odd)
    elif action < 0.7:
        node[key] = [node[key]]
    elif action < 0.8:
        del node[key]
    elif isinstance(node, list):
        node.insert(rng.randrange(len(node) + 1), copy.deepcopy(node[key]))
    else:
        item = node.pop(key)
        new = rng.choice(odd)
        node[new if isinstance(new, (str, int, float, bytes, tuple, type(None))) else 0] = item
    return value


def json_tree(rng: random.Random, data: bytes) -> bytes:
    """A json file with another value somewhere."""
    if rng.random() < 0.02:  # brackets within brackets, deeper than a parser may go
        place = rng.randrange(len(data))
        opening = rng.choice((b"[", b'{"a":')) * rng.choice((3, 2000, 200_000))
        return data[:place] + opening + data[place:]
    return json.dumps(change_tree(rng, json.loads(data), ODD_VALUES), default=repr).encode()


def jsonl_tree(rng: random.Random, data: bytes) -> bytes:
    """The same of one of the lines."""
    lines = data.splitlines()
    number = rng.randrange(len(lines))
    record = change_tree(rng, json.loads(lines[number]), ODD_VALUES)
    text = json.dumps(record, ensure_ascii=rng.random() < 0.5, separators=(",", ":"), default=repr)
    lines[number] = text.encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def pickle_tree(rng: random.Random, data: bytes) -> bytes:
    """A pickle of other data, or of data out to run code."""
    if rng.random() < 0.03:
        return pickle.dumps({"a": _Runs()}, rng.choice((0, 2, 4, 5)))
    value = pickle.loads(data)
    for _ in range(rng.choice((1, 1, 3))):
        value = change_tree(rng, value, ODD_VALUES + ODD_OBJECTS)
    return pickle.dumps(value, rng.choice((2, 3, 4, 5)))


class _Runs:
    """Pickles as a call."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code of a file was run')",))


def zip_members(change: Reshape) -> Reshape:
    """Changes within the members of an archive, which is whole around them; or in its list."""

    def reshape(rng: random.Random, data: bytes) -> bytes:
        members = [[name, content] for name, content in members_of(data).items()]
        member = rng.choice(members)
        action = rng.random()
        if action < 0.85:
            member[1] = change(rng, member[1])
        elif action < 0.9:
            member[0] = rng.choice(("../outside.npy", "/outside.npy", "a\0b", member[0].upper()))
        elif action < 0.95:
            members.remove(member)
        else:
            member[1] = rng.choice(members)[1]
        return zip_of(dict(members), rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))

    return reshape


def members_of(data: bytes) -> dict[str, bytes]:
    """The files of an archive by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(members: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    """An archive of these files, the same bytes whenever it is made."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, how)
    return file.getvalue()


def npy(rng: random.Random, data: bytes) -> bytes:
    """An array of another shape or type than its bytes are; or with other bytes."""
    file = io.BytesIO(data)
    if rng.random() < 0.4 or np.lib.format.read_magic(file) != (1, 0):
        return damage(rng, data, [data], [b"'|O'", b"(-1,)", b"True", b"fortran_order", b"<f8"])
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    sides = [*shape, rng.choice(SIZES)]
    header = {
        "descr": rng.choice((dtype.str, "|O", "<f8", "<f2", "|b1", "<i8", "|S9", "<U3", "<c16")),
        "fortran_order": rng.choice((fortran, True)),
        "shape": tuple(rng.sample(sides, rng.choice((len(shape), len(shape), 1, 0)))),
    }
    target = io.BytesIO()
    np.lib.format.write_array_header_1_0(target, header)
    return target.getvalue() + file.read()


def workbook_part(rng: random.Random, data: bytes) -> bytes:
    """A part of a workbook with a cell that lies, or blindly changed."""
    if rng.random() < 0.5 or b' r="' not in data:
        return damage(rng, data, [data], _XML_TOKENS)
    places = [m.start() for m in re.finditer(b' r="', data)]
    start = rng.choice(places) + 4
    end = data.index(b'"', start)
    cell = rng.choice((b"XFD1048576", b"A1048576", b"1048576", b"A0", b"AAAA1", b"", b"9" * 30))
    return data[:start] + cell + data[end:]


_XML_TOKENS = (
    b"<row>", b"</row>", b'<c r="XFD1048576" t="inlineStr"><is><t>x</t></is></c>', b't="s"', b"<v>",
    b'<!DOCTYPE a [<!ENTITY b "cc">]>', b"&b;", b'<dimension ref="A1:XFD1048576"/>', b't="e"',
    b'<!ENTITY x SYSTEM "file:///etc/hostname">', b't="d"', b't="b"', b's="99999"', b"1e999",
)  # fmt: skip


def parquet(rng: random.Random, data: bytes) -> bytes:
    """A well-made table with other values, types, rows or notes."""
    file = pq.ParquetFile(pa.BufferReader(data))
    table = file.read(use_threads=False)
    rows = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    notes = {k: v for k, v in (file.metadata.metadata or {}).items() if k != b"ARROW:schema"}
    action = rng.random()
    if action < 0.3:
        key = next(iter(notes))
        notes[key] = json_tree(rng, notes[key])
    elif action < 0.9:
        number = rng.randrange(table.num_columns)
        new = _other_column(rng, table.column(number))
        table = table.set_column(number, table.column_names[number], new)
    elif action < 0.95:
        table = table.drop_columns([rng.choice(table.column_names)])
    else:
        rows[rng.randrange(len(rows))] = rng.choice((0, 1, len(table)))
    table = table.replace_schema_metadata(notes)
    target = io.BytesIO()
    how = {"compression": rng.choice(("zstd", "none")), "write_page_checksum": rng.random() < 0.5}
    try:
        with pq.ParquetWriter(target, table.schema, **how) as writer:
            for count in rows:
                writer.write_table(table.slice(0, count), row_group_size=max(count, 1))
                table = table.slice(count)
    except pa.ArrowException:  # such a table cannot be
        return damage(rng, data, [data], ())
    return target.getvalue()


def parquet_rows(rng: random.Random, data: bytes) -> bytes:
    """A well-made table of the same types with other values, within lists too."""
    file = pq.ParquetFile(pa.BufferReader(data))
    schema, target = file.schema_arrow, io.BytesIO()
    try:
        with pq.ParquetWriter(target, schema) as writer:
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number, use_threads=False).to_pylist()
                for _ in range(rng.choice((0, 1, 3))):
                    rows = change_tree(rng, rows, ODD_VALUES)
                table = pa.Table.from_pylist(rows, schema)
                writer.write_table(table, row_group_size=max(len(table), 1))
    except (pa.ArrowException, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        return parquet(rng, data)  # such a table cannot be
    return target.getvalue()


def _other_column(rng: random.Random, column: pa.ChunkedArray) -> pa.Array:
    """As many other values, of the same type or of their own."""
    values = column.to_pylist()
    action = rng.random()
    if action < 0.4:
        changed = change_tree(rng, values, _COLUMN_VALUES)
        values = [*changed, *values][: len(column)] if isinstance(changed, list) else values
    elif action < 0.7:
        values = [rng.choice(_COLUMN_VALUES)] * len(column)
    else:
        rng.shuffle(values)
    kind = column.type if rng.random() < 0.7 else None
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError):
        return pa.nulls(len(column), kind)


_COLUMN_VALUES = [
    None, 0, -1, 2**31 - 1, 2**62, math.nan, 1e300, "x", "../x", "", b"\xff", [], [0], [3, 1, 2],
    [2**31 - 1], [-1], [None], ["a"], [[1]], {"a": 1}, True,
]  # fmt: skip
