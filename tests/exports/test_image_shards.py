"""Exports with the images inside: shards planned, made, resumed, and read by what is not ours."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
from itertools import chain, pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import orjson
import pyarrow.parquet as pq
import pytest
import yaml
from frame_records import write_frame_records
from helpers import raises_one_line
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.evaluation import make_benchmark
from spatial_engine.exports import export_hub, export_uniform, export_webdataset
from spatial_engine.exports.hub_folder import card, fill_in
from spatial_engine.exports.shared import image_shards
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.running import cli
from spatial_engine.utils.storage import files, provenance

TASKS = ("camera_path_length", "depth_nearest_view")  # of plain and of marked images
COUNT = 12  # records of each task and split
NAME = "multispa_frames"
SPLITS = {"train": "train", "val": "validation"}
HUB, TARS = "training_data/exports/hub", "training_data/exports/webdataset"
MAINS = {".parquet": export_hub, ".tar": export_webdataset}


def write_records(root: Path) -> Path:
    """Records of two tasks, each image another one of about 1 kB."""
    write_frame_records(root, COUNT, tasks=TASKS)
    rng = np.random.default_rng(0)
    for path in sorted(root.rglob("*/*.jpg")):
        path.unlink()
        path.write_bytes(jpeg.encode(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)))
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Every export, in shards of a few records; not to be written to."""
    root = write_records(tmp_path_factory.mktemp("shards") / "root")
    flags = ["--root", str(root)]
    assert make_benchmark.main([*flags, "--name", NAME]) == 0
    assert export_uniform.main([*flags, "--num-workers", "1"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        small(patch)
        for more in ((), ("--without-images",), ("--only-benchmark", "--name", NAME)):
            assert export_hub.main([*flags, "--num-workers", "1", *more]) == 0
        assert export_webdataset.main([*flags, "--num-workers", "1"]) == 0
    return root


def small(patch: pytest.MonkeyPatch) -> None:
    """Shards of a few records, row groups of two."""
    patch.setattr(export_hub, "SHARD_BYTES", 100_000)
    patch.setattr(export_hub, "ROW_GROUP_RECORDS", 2)
    patch.setattr(export_webdataset, "SHARD_BYTES", 60_000)


@pytest.fixture
def own(tmp_path, monkeypatch) -> Path:
    """A root of its own, of records alone, with small shards."""
    small(monkeypatch)
    return write_records(tmp_path / "root")


def uniform(root: Path, split: str) -> dict[str, dict]:
    """Uniform records by id, in order."""
    folder = {"train": "training_data", "val": "evaluation_data"}[split]
    paths = sorted((root / folder / "exports/uniform").glob("*.jsonl"))
    return {record["id"]: record for path in paths for record in read_jsonl(path)}


def rows_of(folder: Path, split: str) -> list[dict]:
    return [
        row
        for path in sorted((folder / "data").glob(f"{split}-*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def samples_of(folder: Path, split: str) -> list[tuple[str, dict[str, bytes]]]:
    """(key, parts) of each sample, files of one key standing together."""
    found: list[tuple[str, dict[str, bytes]]] = []
    for path in sorted((folder / "shards").glob(f"{split}-*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                key, _, part = member.name.partition(".")
                if not found or found[-1][0] != key:
                    found.append((key, {}))
                found[-1][1][part] = tar.extractfile(member).read()
                assert (member.mtime, member.uname, member.uid) == (0, "", 0)
    return found


def shards(root: Path, suffix: str) -> dict[str, bytes]:
    """What an export wrote, but for provenance."""
    folder = root / (HUB if suffix == ".parquet" else TARS)
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith(".meta.json")
    }


# What is in the shards


@pytest.mark.parametrize("split", SPLITS)
def test_the_folder_for_the_hub_holds_every_record_in_order_with_the_bytes_of_its_images(
    root, split
):
    known = uniform(root, split)
    rows = rows_of(root / HUB, SPLITS[split])
    assert [row["id"] for row in rows] == list(known)
    for row in rows:
        record = known[row["id"]]
        assert [one["path"] for one in row["images"]] == record["image"]
        assert [one["bytes"] for one in row["images"]] == [
            (root / name).read_bytes() for name in record["image"]
        ]
        same = ("task", "question_type", "gt_value", "gt_unit", "extra", "width_list")
        assert {name: row[name] for name in same} == {name: record[name] for name in same}
        if split == "train":
            said = [turn["value"] for turn in record["conversations"]]
            assert [row["question"], row["answer"]] == said
        else:
            assert row["question"] == record["text"]
            assert row["answer"] == str(json.loads(record["gt_value"]))


@pytest.mark.parametrize("split", SPLITS)
def test_tars_hold_every_record_in_order_with_the_bytes_of_its_images(root, split):
    known = uniform(root, split)
    samples = samples_of(root / TARS, SPLITS[split])
    assert len({key for key, _ in samples}) == len(samples) == len(known)
    for (_, parts), (record_id, record) in zip(samples, known.items(), strict=True):
        told = json.loads(parts.pop("json"))
        assert told.pop("images") == list(parts)
        assert told == record and told["id"] == record_id
        assert list(parts.values()) == [(root / name).read_bytes() for name in record["image"]]


def test_the_index_of_a_tar_says_where_samples_begin_and_the_last_ends(root):
    for path in (root / TARS / "shards").glob("*.tar"):
        starts, key, end = [], None, 0
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.partition(".")[0] != key:
                    key = member.name.partition(".")[0]
                    starts.append(member.offset)
                end = member.offset_data + -(-member.size // 512) * 512
        index = path.with_name(f"{path.name}.idx").read_bytes()
        assert list(struct.unpack(f"<{len(index) // 8}Q", index)) == [*starts, end]


def test_energon_is_told_all_shards_and_their_records(root):
    meta = root / TARS / ".nv-meta"
    counts = json.loads((meta / ".info.json").read_text())["shard_counts"]
    parts = yaml.safe_load((meta / "split.yaml").read_text())
    there = sorted(path.name for path in (root / TARS / "shards").glob("*.tar"))
    assert sorted(counts) == [f"shards/{name}" for name in there]
    assert sorted(name for names in parts["split_parts"].values() for name in names) == sorted(
        counts
    )
    assert parts["exclude"] == [] and set(parts["split_parts"]) == {"train", "val"}
    for split in SPLITS:
        assert sum(counts[name] for name in parts["split_parts"][split]) == COUNT * len(TASKS)
    told = yaml.safe_load((meta / "dataset.yaml").read_text())
    assert told == {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"}


def test_the_benchmark_alone_is_the_split_test(root):
    folder = root / f"evaluation_data/exports/hub/{NAME}"
    benchmark = read_jsonl(root / f"evaluation_data/{NAME}/v1_0/{NAME}.jsonl")
    assert [row["id"] for row in rows_of(folder, "test")] == [r["id"] for r in benchmark]
    front = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    assert [one["split"] for one in front["configs"][0]["data_files"]] == ["test"]


@pytest.mark.parametrize("kind", ["hub", "hub_without_images"])
def test_the_card_tells_columns_counts_and_licence(root, kind):
    folder = root / f"training_data/exports/{kind}"
    text = (folder / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["license"] == "other" and "ScanNet's terms" in text
    assert front["size_categories"] == ["n<1K"]
    info = front["dataset_info"]
    counts = {one["name"]: one["num_examples"] for one in info["splits"]}
    assert counts == dict.fromkeys(SPLITS.values(), COUNT * len(TASKS))
    # Bytes of images are told where images are.
    assert all((one.get("num_bytes", 0) > 0) == (kind == "hub") for one in info["splits"])
    schema = pq.read_schema(next((folder / "data").glob("*.parquet")))
    assert [one["name"] for one in info["features"]] == schema.names
    told = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert list(told) == schema.names
    files = front["configs"][0]["data_files"]
    assert {one["split"]: len(list(folder.glob(one["path"]))) for one in files} == {
        name: len(list((folder / "data").glob(f"{name}-*.parquet"))) for name in SPLITS.values()
    }


def test_sizes_have_the_names_of_the_hub():
    numbers = (1, 999, 1000, 99_999, 100_000, 999_999, 31_000_000)
    names = ["n<1K", "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "100K<n<1M", "10M<n<100M"]
    assert [card.size_category(number) for number in numbers] == names


def test_no_shard_is_larger_than_it_may_be_nor_row_group(root):
    many = 0
    for folder, suffix, most in ((HUB, ".parquet", 100_000), (TARS, ".tar", 60_000)):
        paths = list((root / folder).glob(f"*/*{suffix}"))
        assert all(path.stat().st_size <= most for path in paths)
        many += len(paths)
    assert many > 4 * len(TASKS), "of several shards each"
    for path in (root / HUB / "data").glob("*.parquet"):
        meta = pq.read_metadata(path)
        groups = [meta.row_group(k) for k in range(meta.num_row_groups)]
        assert all(group.num_rows <= 2 for group in groups)
        bytes_of = {c.path_in_schema: c for c in map(groups[0].column, range(meta.num_columns))}
        assert bytes_of["images.list.element.bytes"].compression == "UNCOMPRESSED"


# HF datasets


@pytest.mark.parametrize("streaming", [False, True])
def test_hf_datasets_opens_both_folders_with_pictures(root, datasets, streaming, caplog):
    for folder in (HUB, TARS):
        loaded = datasets.load_dataset(str(root / folder), streaming=streaming)
        assert set(loaded) == set(SPLITS.values())
        for split, name in SPLITS.items():
            known = uniform(root, split)
            rows = list(loaded[name])
            told = [row.get("json", row) for row in rows]
            assert [one["id"] for one in told] == list(known)
            for row, one in zip(rows, told, strict=True):
                images = row["images"] if folder == HUB else [row[part] for part in one["images"]]
                for image, path in zip(images, known[one["id"]]["image"], strict=True):
                    assert np.array_equal(image, Image.open(root / path))
    assert "malformed" not in caplog.text


def test_hf_datasets_refuses_a_folder_whose_shards_are_not_all_there(root, datasets, tmp_path):
    folder = tmp_path / "hub"
    shutil.copytree(root / HUB, folder, copy_function=os.link)
    next((folder / "data").glob("train-*.parquet")).unlink()
    with pytest.raises(datasets.exceptions.NonMatchingSplitsSizesError):
        datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))


def test_hf_datasets_does_not_give_what_it_has_loaded_before_the_records_changed(
    own, datasets, tmp_path
):
    path = own / "training_data/camera_frames/v1_0/path_length_train.jsonl"
    flags, cache = ["--root", str(own), "--num-workers", "1"], str(tmp_path / "cache")
    for text in ("camera_path_length_scene", "camera_path_length_other"):
        path.write_text(path.read_text().replace("camera_path_length_scene", text))
        assert export_hub.main(flags) == export_webdataset.main(flags) == 0
        for folder in (HUB, TARS):
            row = datasets.load_dataset(str(own / folder), cache_dir=cache)["train"][0]
            assert row.get("json", row)["id"].startswith(text)


# Planned


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=60),
    most=st.integers(1, 120),
    blank=st.booleans(),
)
def test_each_record_is_in_one_shard_in_order_and_only_single_records_exceed_the_bound(
    tmp_path_factory, sizes, most, blank
):
    path = tmp_path_factory.getbasetemp() / "planned.jsonl"
    lines = [b"%d\n" % k + b" \n" * (blank and k % 3 == 0) for k in range(len(sizes))]
    path.write_bytes(b"".join(lines).rstrip(b"\n"))
    source = SimpleNamespace(
        path=path, split="train", name="x", file=None,
        record=lambda line, number, root: {"k": int(line), "line": number, "image": []},
    )  # fmt: skip
    form = image_shards.Form(".x", most, lambda record, _: sizes[record["k"]], None)
    planned = list(image_shards.plan_shards(source, path.parent, form))
    read = [[one["k"] for one in image_shards.read_shard(s, path.parent)] for s in planned]
    assert list(chain.from_iterable(read)) == list(range(len(sizes)))
    assert [shard.number for shard in planned] == list(range(len(planned)))
    for number, (shard, held) in enumerate(zip(planned, read, strict=True)):
        total = sum(sizes[k] for k in held)
        assert shard.num_bytes == total and shard.records == len(held)
        assert total <= most or len(held) == 1
        if number + 1 < len(planned):  # the next record would not have had room
            assert total + sizes[read[number + 1][0]] > most
    first = next(image_shards.read_shard(planned[-1], path.parent))
    assert first["line"] == planned[-1].first


# Made when stale


@pytest.mark.parametrize("suffix", MAINS)
def test_workers_and_a_killed_run_change_no_byte(own, root, suffix, monkeypatch):
    main = MAINS[suffix].main
    made, write = [], provenance.write_meta

    def killed(output: Path, *args) -> None:
        made.append(output.parent.parent / output.name)  # its place; it is still being made
        if len(made) > 3:
            raise KeyboardInterrupt
        write(output, *args)

    with monkeypatch.context() as patch:
        patch.setattr(provenance, "write_meta", killed)
        with pytest.raises(KeyboardInterrupt):
            main(["--root", str(own), "--num-workers", "1"])
    before = made[0].stat()
    assert main(["--root", str(own), "--num-workers", "2"]) == 0
    assert made[0].stat().st_ino == before.st_ino, "it was made again"
    assert shards(own, suffix) == shards(root, suffix)
    assert not list(own.rglob("*.parts")) and not list(own.rglob("*.partial"))


@pytest.mark.parametrize("suffix", MAINS)
def test_a_changed_image_or_record_makes_only_what_is_stale(own, suffix, capsys):
    main, flags = MAINS[suffix].main, ["--root", str(own), "--num-workers", "1"]
    assert main(flags) == 0
    folder = own / (HUB if suffix == ".parquet" else TARS)

    def times() -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in folder.glob(f"*/*{suffix}")}

    before = times()
    everything = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert main(flags) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == everything
    last = max(name for name in before if name.startswith("validation-camera"))
    source = own / "evaluation_data/camera_frames/v1_0/path_length_val.jsonl"
    lines = source.read_bytes().splitlines(keepends=True)
    image = own / "data/scannet/posed_images" / json.loads(lines[-1])["image"][0]
    image.write_bytes(image.read_bytes()[:-1] + b"\xd8")  # the same size, other bytes
    assert main(flags) == 0
    after = times()
    assert {name for name in after if after[name] != before[name]} == {last}
    record = json.loads(lines[-1])
    source.write_bytes(b"".join(lines[:-1]) + orjson.dumps({**record, "id": "another"}) + b"\n")
    capsys.readouterr()
    assert main(flags) == 0
    assert {name for name, time in times().items() if time != after[name]} == {last}
    assert "1 of " in capsys.readouterr().out
    expected = "another"
    if suffix == ".parquet":
        assert rows_of(folder, "validation")[COUNT - 1]["id"] == expected
    else:
        assert json.loads(samples_of(folder, "validation")[COUNT - 1][1]["json"])["id"] == expected


@pytest.mark.parametrize("suffix", MAINS)
def test_one_split_after_the_other_gives_the_same_as_both(own, root, suffix):
    for split in SPLITS:
        flags = ["--root", str(own), "--num-workers", "1", "--splits", split]
        assert MAINS[suffix].main(flags) == 0
    assert shards(own, suffix) == shards(root, suffix)


@pytest.mark.parametrize("suffix", MAINS)
def test_shards_go_with_their_records_and_a_stranger_is_named(own, suffix):
    main, flags = MAINS[suffix].main, ["--root", str(own), "--num-workers", "1"]
    assert main(flags) == 0
    next((own / "training_data/depth_frames/v1_0").glob("*.jsonl")).unlink()
    (own / "training_data/depth_frames/v1_0/kept.jsonl").write_text("")
    assert main(flags) == 0
    assert not [name for name in shards(own, suffix) if "train-depth" in name]
    assert [name for name in shards(own, suffix) if "validation-depth" in name]
    folder = own / (f"{HUB}/data" if suffix == ".parquet" else f"{TARS}/shards")
    (folder / f"train-mine-00000{suffix}").write_text("mine")
    with raises_one_line(BadDataError, "train-mine-00000", "move it away"):
        main(flags)


@pytest.mark.parametrize("suffix", MAINS)
def test_a_full_disk_is_told_before_anything_is_written(own, suffix, monkeypatch):
    room = SimpleNamespace(f_bavail=1, f_frsize=4096, f_files=0, f_favail=0)
    monkeypatch.setattr(files.os, "statvfs", lambda _: room)
    with raises_one_line(SettingsError, "GB are to be written"):
        MAINS[suffix].main(["--root", str(own), "--num-workers", "1"])
    assert not shards(own, suffix)


# Faults


def first_image(root: Path) -> Path:
    record = next(read_jsonl(root / "training_data/camera_frames/v1_0/path_length_train.jsonl"))
    return root / "data/scannet/posed_images" / record["image"][0]


@pytest.mark.parametrize("suffix", MAINS)
@pytest.mark.parametrize("fault", ["gone", "folder", "empty", "pipe"])
def test_what_is_no_image_file_is_named_before_anything_is_written(own, suffix, fault):
    image = first_image(own)
    image.unlink()
    if fault == "folder":
        image.mkdir()
    elif fault == "empty":
        image.write_bytes(b"")
    elif fault == "pipe":
        os.mkfifo(image)
    kind = MissingInputError if fault == "gone" else BadDataError
    with raises_one_line(kind, image, "path_length_train.jsonl:1", "check_records.py"):
        MAINS[suffix].main(["--root", str(own), "--num-workers", "1"])
    assert not shards(own, suffix)


@pytest.mark.parametrize("suffix", MAINS)
def test_a_web_page_for_an_image_is_named_and_the_other_shards_are_made(own, suffix, capsys):
    first_image(own).write_bytes(b"<html>404</html>")
    assert MAINS[suffix].main(["--root", str(own), "--num-workers", "1"]) == 1
    said = capsys.readouterr().out
    assert str(first_image(own)) in said and "not a JPEG" in said
    name = f"train-camera_path_length-00000{suffix}"
    made = {Path(name).name for name in shards(own, suffix)}
    assert name not in made and f"validation-camera_path_length-00000{suffix}" in made


@pytest.mark.parametrize("suffix", MAINS)
@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"task": "depth_nearest_view"}', '{"task": "camera_path_length"}', "fewer marks"],
)
def test_what_is_no_record_is_named_by_its_line(own, suffix, line):
    path = own / "training_data/camera_frames/v1_0/path_length_train.jsonl"
    if line == "fewer marks":
        record = next(read_jsonl(path))
        record["conversations"][0]["value"] = "Image-1: <image>\nHow far?"
        line = json.dumps(record)
    path.write_bytes(path.read_bytes() + line.encode())
    with raises_one_line(BadDataError, f"{path}:{COUNT + 1}"):
        MAINS[suffix].main(["--root", str(own), "--num-workers", "1"])


def test_a_field_of_another_type_is_named_by_file(own, capsys):
    path = own / "training_data/camera_frames/v1_0/path_length_train.jsonl"
    first, *others = path.read_bytes().splitlines(keepends=True)
    bad = {**json.loads(first), "height_list": ["high"] * 3}
    path.write_bytes(orjson.dumps(bad) + b"\n" + b"".join(others))
    assert export_hub.main(["--root", str(own), "--num-workers", "1"]) == 1
    said = capsys.readouterr().out
    assert f"{path}:1" in said and "another type" in said and "unexpected" not in said


@pytest.mark.parametrize("suffix", MAINS)
def test_an_image_of_another_size_is_seen_by_the_next_run(own, suffix):
    flags = ["--root", str(own), "--num-workers", "1"]
    assert MAINS[suffix].main(flags) == 0
    image = first_image(own)
    image.write_bytes(jpeg.encode(np.zeros((48, 64, 3), np.uint8)))
    assert MAINS[suffix].main(flags) == 0
    if suffix == ".parquet":
        assert rows_of(own / HUB, "train")[0]["images"][0]["bytes"] == image.read_bytes()
    else:
        assert samples_of(own / TARS, "train")[0][1]["img0.jpg"] == image.read_bytes()


def test_images_of_a_benchmark_are_below_the_root(root, own):
    path = own / f"evaluation_data/{NAME}/v1_0/{NAME}.jsonl"
    path.parent.mkdir(parents=True)
    record = next(read_jsonl(root / f"evaluation_data/{NAME}/v1_0/{NAME}.jsonl"))
    record["image"][0] = "../../etc/passwd"
    path.write_bytes(orjson.dumps(record) + b"\n")
    with raises_one_line(BadDataError, f"{path}:1", "make it again"):
        export_hub.main(["--root", str(own), "--only-benchmark", "--name", NAME])


@pytest.mark.parametrize(
    "flags",
    [
        ("--name", NAME),
        ("--only-benchmark", "--splits", "val"),
        ("--only-benchmark", "--dataset", "x"),
    ],
)
def test_flags_that_would_do_nothing_are_refused(own, flags):
    with raises_one_line(SettingsError, "--only-benchmark"):
        export_hub.main(["--root", str(own), *flags])


@pytest.mark.parametrize("module", MAINS.values())
def test_without_records_one_line_tells_what_to_run(tmp_path, module, capsys):
    assert cli.run(module.main, ["--root", str(tmp_path)]) == 2
    assert "question scripts" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


# Shared without images, and filled in


def filled(root: Path, output: Path, shared: Path | None = None) -> subprocess.CompletedProcess:
    """The script of the folder, run as a user does: alone, in a Python that finds no engine."""
    script = (shared or root / "training_data/exports/hub_without_images") / "fill_in.py"
    line = [sys.executable, "-P", str(script), "--root", str(root), "--output", str(output)]
    return subprocess.run(line, capture_output=True, text=True, cwd=output.parent)


def test_the_shared_form_holds_no_picture_and_its_script_nothing_of_the_engine(root):
    folder = root / "training_data/exports/hub_without_images"
    for row in [row for name in SPLITS.values() for row in rows_of(folder, name)]:
        assert "images" not in row
        files = [(root / name).read_bytes() for name in row["image_paths"]]
        assert row["image_sha256"] == [hashlib.sha256(data).hexdigest() for data in files]
    assert b"\xff\xd8\xff" not in b"".join(p.read_bytes() for p in folder.glob("data/*.parquet"))
    imported = [
        line for line in (folder / "fill_in.py").read_text().splitlines() if "import" in line
    ]
    assert not [line for line in imported if "spatial_engine" in line]


def test_filled_in_it_is_the_folder_with_images_byte_for_byte(root, tmp_path):
    done = filled(root, tmp_path / "full")
    assert done.returncode == 0, done.stderr
    assert f"{2 * COUNT * len(TASKS)} records" in done.stdout
    made = {
        path.relative_to(tmp_path / "full").as_posix(): path.read_bytes()
        for path in sorted((tmp_path / "full").rglob("*"))
        if path.is_file()
    }
    assert made == shards(root, ".parquet")
    last = sorted((tmp_path / "full/data").iterdir())[-1]
    last.unlink()
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "full/data").iterdir()}
    assert filled(root, tmp_path / "full").returncode == 0
    assert {p: t for p, t in kept.items() if p.stat().st_mtime_ns != t} == {} and last.exists()


@pytest.mark.parametrize("fault", ["gone", "changed", "cut off", "outside", "onto itself"])
def test_filling_in_names_what_is_wrong_in_one_line(root, own, tmp_path, fault):
    shared = tmp_path / "shared"
    shutil.copytree(root / "training_data/exports/hub_without_images", shared)
    image, output = first_image(own), tmp_path / "full"
    shard = sorted((shared / "data").glob("train-camera*"))[0]
    word = image.name
    if fault == "gone":
        image.unlink()
    elif fault == "changed":
        image.write_bytes(jpeg.encode(np.zeros((24, 32, 3), np.uint8)))
    elif fault == "cut off":
        shard.write_bytes(shard.read_bytes()[:1000])
        word = shard.name
    elif fault == "outside":
        table = pq.read_table(shard)
        names = [["../../secret.jpg", *some[1:]] for some in table["image_paths"].to_pylist()]
        index = table.column_names.index("image_paths")
        pq.write_table(table.set_column(index, "image_paths", [names]), shard)
        word = "secret"
    else:
        output, word = shared, "another --output"
    done = filled(own, output, shared)
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ") and word in line
    if fault != "changed":
        assert not (output / "data" / shard.name).exists() or output == shared
    assert output == shared or not (output / "README.md").exists()
    if fault == "gone":
        assert "1 pictures are missing" in line or "pictures are missing" in line


def test_a_column_of_pictures_has_those_of_each_record():
    column = fill_in.image_column(memoryview(b"xxy"), [1, 1, 1], [["a", "a"], [], ["b"]])
    assert column.to_pylist() == [
        [{"bytes": b"x", "path": "a"}] * 2, [], [{"bytes": b"y", "path": "b"}]
    ]  # fmt: skip


def test_an_image_that_changes_while_it_is_read_is_not_taken_for_whole(tmp_path):
    path, reader = tmp_path / "a.jpg", image_shards.ImageReader(tmp_path)
    path.write_bytes(b"\xff\xd8\xff123")
    reader.read("a.jpg", reader.room(6))
    assert bytes(reader.room(6)) == path.read_bytes()
    for size in (5, 7):
        with raises_one_line(BadDataError, path, "changed meanwhile"):
            reader.read("a.jpg", reader.room(size))
    path.unlink()
    with raises_one_line(MissingInputError, path, "no such image"):
        reader.read("a.jpg", reader.room(6))


def test_a_tar_is_read_by_its_index_without_the_shards_before(root):
    path = sorted((root / TARS / "shards").glob("*.tar"))[0]
    index = path.with_name(f"{path.name}.idx").read_bytes()
    starts = struct.unpack(f"<{len(index) // 8}Q", index)
    for start, end in pairwise(starts):
        sample = io.BytesIO(path.read_bytes()[start:end])
        with tarfile.open(fileobj=sample) as tar:
            names = tar.getnames()
        assert names[0].endswith(".json") and len({n.partition(".")[0] for n in names}) == 1


def test_sizes_are_read_once_for_each_path(tmp_path, monkeypatch):
    (tmp_path / "a").write_bytes(b"abc")
    asked, stat = [], os.stat
    monkeypatch.setattr(
        image_shards.os, "stat", lambda path, **more: (asked.append(path), stat(path, **more))[1]
    )
    image_shards.image_size.cache_clear()
    assert [image_shards.image_size(tmp_path, "a") for _ in range(3)] == [3, 3, 3]
    assert len(asked) == 1
