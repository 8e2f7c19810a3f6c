from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

import spatial_engine
from spatial_engine.utils.running import staleness
from spatial_engine.utils.running.outputs import Product
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.provenance import Origin, digest

DIFFERENT = [
    None, True, False, 0, 1, 1.0, "1", "", [], {}, [1], ["1"], [[1]], {"a": 1}, {"b": 1}, {"a": 2},
    [1, 2], [2, 1], float("nan"), float("inf"), "é", "e\u0301",
    np.zeros(3), np.zeros(3, np.float32), np.zeros(3, np.int64), np.zeros((3, 1)), np.zeros((1, 3)),
    np.zeros(0), np.zeros((0, 3)), np.zeros((3, 0)), np.array([0.0, -0.0, 0]),
    np.array(["a"]), np.array([b"a"]), np.zeros(3, ">f8"), [np.zeros(3)], {"a": np.zeros(3)},
]  # fmt: skip


def test_different_values_have_different_digests():
    digests = [digest(value) for value in DIFFERENT]
    assert len(set(digests)) == len(DIFFERENT)
    assert all(len(text) == 32 and int(text, 16) >= 0 for text in digests)


def test_equal_values_have_one_digest():
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest((1, 2)) == digest([1, 2])
    grid = np.arange(6.0).reshape(2, 3)
    assert digest(grid) == digest(np.asfortranarray(grid)) == digest(grid.copy())
    assert digest(np.arange(10)[::2]) == digest(np.arange(0, 10, 2))
    assert digest(np.float64(1.5)) == digest(1.5)
    assert digest([np.int64(3), np.bool_(True)]) == digest([3, True])


def test_a_digest_sees_every_element_of_an_array():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(20, 30))
    first = digest(array)
    for index in rng.choice(600, 40, replace=False):
        changed = array.copy()
        changed.flat[index] = np.nextafter(changed.flat[index], 9)
        assert digest(changed) != first


def test_digests_do_not_depend_on_the_process():
    value = {"b": [1, "x", None], "a": 2.5}
    code = (
        "import sys, json, numpy as np; from spatial_engine.utils.storage.provenance import digest;"
        "v = json.loads(sys.argv[1]); v['c'] = np.arange(4.0); print(digest(v))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(value)],
        env={**os.environ, "PYTHONHASHSEED": "123"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == digest({**value, "c": np.arange(4.0)})


def test_an_origin_changes_with_all_that_decides(monkeypatch):
    base = ("step", {"SKIP": 5}, ["a", 1])
    origins = [
        Origin(*base),
        Origin("other", *base[1:]),
        Origin("step", {"SKIP": 4}, base[2]),
        Origin("step", {"SKIP": 5, "NEW": 1}, base[2]),
        Origin("step", base[1], ["a", 2]),
        Origin(*base, {"lists": 1}),
    ]
    monkeypatch.setattr(spatial_engine, "__version__", "999")
    origins.append(Origin(*base))
    for number, before in enumerate(origins):
        told = Origin.told_by(json.loads(json.dumps(asdict(before))))
        assert [bool(staleness.compare(told, now).why_again(True)) for now in origins] == [
            number != k for k in range(len(origins))
        ]
    assert len({origin.key for origin in origins}) == len(origins)


def test_file_fingerprints_see_place_size_and_content_and_no_time(tmp_path):
    path = tmp_path / "data" / "x.txt"
    path.parent.mkdir()
    assert provenance.file_fingerprint(path, tmp_path) == ["data/x.txt", None, None]
    path.write_text("abc")
    first = provenance.file_fingerprint(path, tmp_path)
    assert first == ["data/x.txt", 3, provenance.content_hash(path)[:32]]
    assert provenance.content_hash(path).startswith("ba7816bf")  # SHA-256 of "abc"
    os.utime(path, ns=(0, 10**18))
    assert provenance.file_fingerprint(path, tmp_path) == first
    path.write_text("abd")
    os.utime(path, ns=(0, 10**18))
    assert provenance.file_fingerprint(path, tmp_path) != first


@pytest.mark.parametrize("size", [2**20, 2**20 + 1, 3 * 2**20 + 7])
def test_an_edit_at_head_middle_or_tail_is_seen_whatever_the_size(tmp_path, size):
    path = tmp_path / "large"
    path.write_bytes(bytes(size))
    seen = {provenance.file_digest(path)}
    for place in (0, size // 2, size - 1):
        with open(path, "r+b") as file:
            file.seek(place)
            file.write(b"x")
        seen.add(provenance.file_digest(path))
    path.write_bytes(bytes(size + 1))
    seen.add(provenance.file_digest(path))
    assert len(seen) == 5


def test_what_is_no_file_or_cannot_be_read_has_a_digest_and_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        assert provenance.file_digest(path) == "cannot be read"


def test_of_a_folder_small_files_and_some_large_ones_are_read(tmp_path):
    """Here every third image, and each pose."""
    count, step = 3 * (provenance.SAMPLED_FILES - 1) + 1, 3
    for number in range(count):
        (tmp_path / f"{number:05d}.jpg").write_bytes(bytes(5000))
        (tmp_path / f"{number:05d}.txt").write_bytes(bytes(200))

    def look():
        return provenance.folder_fingerprint(tmp_path, tmp_path, (".jpg", ".txt"))

    def is_seen(name: str) -> bool:
        before, data = look(), (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(data[:-1] + b"x")
        changed = look() != before
        (tmp_path / name).write_bytes(data)
        assert look() == before
        return changed

    assert [n for n in range(count) if is_seen(f"{n:05d}.jpg")] == list(range(0, count, step))
    assert all(is_seen(f"{number:05d}.txt") for number in range(count))
    before = look()
    (tmp_path / "00001.jpg").write_bytes(bytes(5001))  # the sizes of all count
    assert look() != before


def test_folder_fingerprints_see_each_file_with_the_suffix_and_no_other(tmp_path):
    def look():
        return provenance.folder_fingerprint(tmp_path / "f", tmp_path, (".png", ".txt"))

    assert look()[:2] == ["f", 0]
    (tmp_path / "f").mkdir()
    for name in ("a.png", "b.txt"):
        (tmp_path / "f" / name).write_text("x")
    seen = [look()]
    assert seen[0][:2] == ["f", 2]
    for name in ("c.jpg", ".done.png", "png"):
        (tmp_path / "f" / name).write_text("x")
    assert look() == seen[0]
    (tmp_path / "f" / "a.png").write_text("y")  # another content
    seen.append(look())
    (tmp_path / "f" / "a.png").rename(tmp_path / "f" / "z.png")
    seen.append(look())
    (tmp_path / "f" / "z.png").unlink()
    seen.append(look())
    assert len({json.dumps(item) for item in seen}) == 4


def test_a_link_to_nothing_in_a_folder_does_not_stop_the_command(tmp_path):
    """It would stop all scenes; the scene is named when the image is read."""
    link = tmp_path / "00005.png"
    link.symlink_to(tmp_path / "moved away")
    dangling = provenance.folder_fingerprint(tmp_path, tmp_path, (".png",))
    (tmp_path / "moved away").write_text("x")
    assert provenance.folder_fingerprint(tmp_path, tmp_path, (".png",)) != dangling


ORIGIN = Origin("step", {"SKIP": 5}, {"a": 1})


@pytest.fixture
def output(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("some lines")
    facts = {**asdict(ORIGIN), "records": 3, "drops": {}, "notes": {}, "companions": {}}
    provenance.write_meta(path, facts, {"workers": 2})
    return path


def is_good(output: Path, origin: Origin = ORIGIN) -> bool:
    return Product({"out": output}, origin, print).whys() == {"out": None}


def test_an_output_is_good_only_whole_and_of_its_origin(output):
    assert is_good(output)
    assert not is_good(output, Origin("step", {"SKIP": 4}, {"a": 1}))
    for text in ("some line", "", "some lines and more"):
        output.write_text(text)
        assert not is_good(output)
    output.unlink()
    assert not is_good(output)


def test_without_readable_provenance_nothing_is_good(output):
    meta = provenance.meta_path(output)
    for data in (b"", b"{", b"[]", b"null", b"\xff\xfe", b'"k"', b"{}", b"[" * 100_000):
        meta.write_bytes(data)
        assert not is_good(output)
        assert provenance.read_meta(output) == {}
    meta.unlink()
    assert not is_good(output)


def test_meta_holds_facts_versions_size_and_a_run_block_apart(output):
    meta = json.loads((output.parent / "out.jsonl.meta.json").read_text())
    assert (meta["settings"], meta["records"], meta["bytes"]) == ({"SKIP": 5}, 3, 10)
    assert meta["versions"]["spatial_engine"] == spatial_engine.__version__
    assert meta["versions"]["numpy"] == np.__version__
    assert meta["run"]["workers"] == 2
    assert {"command", "host"} <= set(meta["run"])


def test_forgotten_provenance_is_gone_and_the_output_stays(output):
    provenance.forget([output, output.parent / "never made"])
    assert output.exists()
    assert not provenance.meta_path(output).exists()
