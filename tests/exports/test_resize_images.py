"""A smaller copy of the data: the same records about smaller images."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import data_files
from helpers import raises_one_line
from hypothesis import given
from hypothesis import strategies as st

from spatial_engine.errors import BadDataError, MissingInputError, SettingsError
from spatial_engine.evaluation import make_benchmark
from spatial_engine.exports import export_uniform, make_training_mix, resize_images
from spatial_engine.exports.image_resizing import Goal, Scene, resize_scene, resized
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions.record_files import find_record_files, read_records
from spatial_engine.utils.questions.records import read_jsonl
from spatial_engine.utils.running import cli
from spatial_engine.utils.storage import files, provenance

MAX_SIDE = 96  # below every size of the sample data


def run(root: Path, output: Path, *flags: str) -> int:
    return resize_images.main(["--root", str(root), "--output", str(output), *flags])


def link(source: str, target: str) -> None:
    os.link(source, target)


@pytest.fixture(scope="module")
def small(made_root, tmp_path_factory) -> Path:
    """A smaller copy of everything; not to be written to."""
    output = tmp_path_factory.mktemp("resized") / "small"
    assert run(made_root, output, "--max-side", str(MAX_SIDE), "--num-workers", "1") == 0
    return output


def few(made_root: Path, folder: Path) -> Path:
    """A root with two files of records, one of marked pictures, and all that they name."""
    root = folder / "root"
    for name in (
        "data/my_tapvid3d_images",
        "evaluation_data/object_movement_dot",
        "evaluation_data/depth_estimation_dot",
    ):
        shutil.copytree(made_root / name, root / name, copy_function=link)
    return root


# Sizes


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(8, 3000))
def test_sizes_keep_their_shape_and_never_grow(width, height, most):
    fitted = Goal(most).fit((width, height))
    assert max(fitted) == min(most, max(width, height))
    scale = max(fitted) / max(width, height)
    for new, old in zip(fitted, (width, height), strict=True):
        assert 1 <= new <= old
        assert new == 1 or abs(new - old * scale) <= 0.5
    assert Goal(most, (7, 5)).fit((width, height)) == (7, 5)


def test_half_of_scannet_is_the_default():
    assert Goal(resize_images.MAX_SIDE).fit((1296, 968)) == (648, 484)


# One image


def with_dots(size: tuple[int, int], centers: np.ndarray, radius: int) -> np.ndarray:
    """A soft pattern with red discs at pixel positions."""
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 6, width), np.linspace(0, 5, height))
    gray = (120 + 40 * np.sin(x) * np.cos(y)).astype(np.uint8)
    image = np.stack([gray, gray, gray // 2], axis=2)
    for x, y in centers:
        cv2.circle(image, (round(x * 16), round(y * 16)), radius * 16, (0, 0, 255), -1, 16, 4)
    return image


def dot_centers(image: np.ndarray) -> np.ndarray:
    """(n, 2) centres of the red discs in pixels, weighted by how red a pixel is, by x."""
    blue, _, red = (channel.astype(float) for channel in cv2.split(image))
    redness = np.clip(red - blue - 130, 0, None)
    count, labels = cv2.connectedComponents((redness > 0).astype(np.uint8))
    centers = []
    for number in range(1, count):
        ys, xs = np.nonzero(labels == number)
        weights = redness[ys, xs]
        if weights.sum() > 200:
            centers.append([np.average(xs, weights=weights), np.average(ys, weights=weights)])
    return np.array(sorted(centers))


@pytest.mark.parametrize("size", [(1296, 968), (640, 480), (641, 363), (333, 500)])
@pytest.mark.parametrize("goal", [Goal(648), Goal(448), Goal(160), Goal(0, (256, 256))])
def test_a_dot_stays_at_its_place_in_thousandths(size, goal):
    rng = np.random.default_rng(5)
    new_size = goal.fit(size)
    radius = max(10, round(4 * max(np.divide(size, new_size))))
    places = np.array([[0.1, 0.15], [0.3, 0.9], [0.5, 0.5], [0.7, 0.1], [0.9, 0.85]])
    places += rng.uniform(-0.02, 0.02, places.shape)
    centers = places * size - 0.5  # the centre of pixel 0 is half a pixel from the border
    data = jpeg.encode(with_dots(size, centers, radius))
    found = jpeg.decode(resized(data, Path("x.jpg"), new_size), "x", "")
    assert found.shape[1::-1] == new_size
    error = (dot_centers(found) + 0.5) / new_size - places
    assert np.abs(error * new_size).max() < 0.25, "pixels of the new image"
    assert np.abs(error).max() < 0.002


@pytest.mark.parametrize("width", [1296, 900, 648, 448, 324, 100])
def test_a_smaller_image_shows_what_the_whole_one_does(width):
    size = (1296, 968)
    image = with_dots(size, np.array([[300.0, 300.0]]), 60)
    new_size = (width, round(width * 968 / 1296))
    made = jpeg.decode(resized(jpeg.encode(image), Path("x"), new_size), "x", "")
    expected = cv2.resize(image, new_size, interpolation=cv2.INTER_AREA)
    assert np.abs(made.astype(int) - expected).mean() < 2


def test_decoding_at_a_scale_gives_no_less_than_asked_for():
    data = jpeg.encode(with_dots((640, 480), np.zeros((0, 2)), 1))
    for at_least, expected in (
        ((640, 480), (640, 480)), ((321, 100), (640, 480)), ((320, 240), (320, 240)),
        ((200, 180), (240, 180)), ((160, 120), (160, 120)), ((10, 10), (80, 60)),
        ((900, 900), (640, 480)),
    ):  # fmt: skip
        assert jpeg.decode(data, "x", "", at_least).shape[1::-1] == expected
    odd = jpeg.encode(with_dots((641, 480), np.zeros((0, 2)), 1))
    assert jpeg.decode(odd, "x", "", (10, 10)).shape[1::-1] == (641, 480)


def test_dots_of_the_sample_data_are_where_records_say(made_root, tmp_path):
    root, output = few(made_root, tmp_path), tmp_path / "half"
    assert run(root, output, "--max-side", "162", "--num-workers", "1") == 0
    checked = 0
    for file in find_record_files(output):
        if file.task != "depth_estimation_dot":
            continue
        for record in read_records(file):
            image = jpeg.read(file.image_root / record["image"][0], "").astype(int)
            assert image.shape[1] == 162
            (color,), (point,) = record["mark_colors"], record["points_info"]
            bgr = [int(color[k : k + 2], 16) for k in (5, 3, 1)]
            # The colour is found around the point and nowhere else near it.
            close = np.abs(image - bgr).max(axis=2) < 90
            x, y = (point[axis] * n / 1000 - 0.5 for axis, n in zip("xy", (162, 121), strict=True))
            left, top = max(round(x) - 4, 0), max(round(y) - 4, 0)
            ys, xs = np.nonzero(close[top : round(y) + 5, left : round(x) + 5])
            assert np.hypot(xs.mean() + left - x, ys.mean() + top - y) < 1, record["id"]
            checked += 1
    assert checked > 10


# The copy


def test_any_number_of_workers_gives_the_same_bytes(made_root, small, tmp_path):
    root, output = few(made_root, tmp_path), tmp_path / "small"
    flags = ("--max-side", str(MAX_SIDE), "--num-workers", "2", "--splits", "val")
    assert run(root, output, *flags) == 0
    two = {name: data for name, data in data_files(output).items() if name != resize_images.MARK}
    one = data_files(small)
    assert len(two) > 100
    assert two == {name: one[name] for name in two}


def test_the_copy_holds_the_same_records_with_their_new_sizes(made_root, small):
    goal = Goal(MAX_SIDE)
    original, copied = find_record_files(made_root), find_record_files(small)
    assert [f.path.relative_to(made_root) for f in original] == [
        f.path.relative_to(small) for f in copied
    ]
    for before, after in zip(original, copied, strict=True):
        pairs = list(zip(read_records(before), read_records(after), strict=True))
        assert pairs
        for old, new in pairs:
            sizes = zip(old["width_list"], old["height_list"], strict=True)
            fitted = list(zip(new["width_list"], new["height_list"], strict=True))
            assert fitted == [goal.fit(size) for size in sizes]
            same = {"width_list": None, "height_list": None}
            assert {**old, **same} == {**new, **same} and list(old) == list(new)


def test_the_copy_holds_the_images_that_records_name_and_no_other(small):
    named = set()
    for file in find_record_files(small):
        for record in read_records(file):
            for k, name in enumerate(record["image"]):
                path = file.image_root / name
                if path not in named:
                    size = jpeg.read_size(path.read_bytes(), path)
                    assert size == (record["width_list"][k], record["height_list"][k])
                named.add(path)
    assert set(small.rglob("*.jpg")) == named and len(named) > 100
    assert not list(small.rglob("*.parts"))


def test_second_images_of_dot_tasks_are_links_to_the_resized_frames(small):
    folder = small / "evaluation_data/object_movement_dot"
    second = [path for path in folder.rglob("*.jpg") if "annotated" not in path.name]
    frames = small / "data/my_tapvid3d_images"
    assert second
    linked = [(frames / p.parent.name / p.name) for p in second]
    there = [(a, b) for a, b in zip(second, linked, strict=True) if b.exists()]
    assert there and all(a.samefile(b) for a, b in there)


def test_the_copy_is_a_root_for_the_other_commands(small, tmp_path):
    root = tmp_path / "small"
    shutil.copytree(small, root, copy_function=link)
    assert export_uniform.main(["--root", str(root), "--num-workers", "1"]) == 0
    assert make_benchmark.main(["--root", str(root)]) == 0
    assert make_training_mix.main(["--root", str(root)]) == 0
    record = next(read_jsonl(make_benchmark.benchmark_path(root, "v1_0")))
    assert max(record["width_list"]) == MAX_SIDE
    assert (root / record["image"][0]).is_file()


def test_images_that_are_small_enough_are_linked_and_exact_sizes_are_exact(made_root, tmp_path):
    root = few(made_root, tmp_path)
    flags = ("--splits", "val", "--num-workers", "1")
    assert run(root, tmp_path / "large", "--max-side", "5000", *flags) == 0
    made = [*(tmp_path / "large").rglob("*.jpg")]
    assert made
    for path in made:
        assert path.samefile(root / path.relative_to(tmp_path / "large"))
    assert run(root, tmp_path / "exact", "--size", "200", "300", *flags) == 0
    for path in (tmp_path / "exact").rglob("*.jpg"):
        assert jpeg.read_size(path.read_bytes(), path) == (200, 300)
    for file in find_record_files(tmp_path / "exact", ["val"]):
        for record in read_records(file):
            assert set(record["width_list"]) == {200} and set(record["height_list"]) == {300}


# Stop and go on, faults


def stamps(folder: Path) -> dict[Path, int]:
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.suffix in (".jpg", ".jsonl")
    }


def test_a_second_start_does_nothing_and_another_size_does_all(made_root, tmp_path, capsys):
    root, output = few(made_root, tmp_path), tmp_path / "small"
    flags = ("--splits", "val", "--num-workers", "1")
    assert run(root, output, "--max-side", "96", *flags) == 0
    before = stamps(output)
    assert run(root, output, "--max-side", "96", *flags) == 0
    assert stamps(output) == before
    assert run(root, output, "--max-side", "64", *flags) == 0
    fresh = tmp_path / "fresh"
    assert run(root, fresh, "--max-side", "64", *flags) == 0
    assert data_files(output) == data_files(fresh)


def test_a_killed_run_goes_on_and_ends_in_the_same_bytes(made_root, tmp_path, monkeypatch):
    root, output = few(made_root, tmp_path), tmp_path / "small"
    flags = ("--splits", "val", "--num-workers", "1", "--max-side", "96")
    encode, left = jpeg.encode, [40]

    def killed(image):
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return encode(image)

    with monkeypatch.context() as patch:
        patch.setattr(jpeg, "encode", killed)
        with pytest.raises(KeyboardInterrupt):
            run(root, output, *flags)
    done = stamps(output)
    assert done and not list(output.rglob("*.jsonl")), "records stand without their images"
    assert run(root, output, *flags) == 0
    assert done.items() <= stamps(output).items(), "finished scenes were made again"
    assert run(root, tmp_path / "fresh", *flags) == 0
    assert data_files(output) == data_files(tmp_path / "fresh")


def test_another_size_that_is_killed_leaves_no_records_of_the_old_one(
    made_root, tmp_path, monkeypatch
):
    root, output = few(made_root, tmp_path), tmp_path / "small"
    flags = ("--splits", "val", "--num-workers", "1")
    assert run(root, output, "--max-side", "96", *flags) == 0

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(resize_images.Step, "make_folders", killed)
        with pytest.raises(KeyboardInterrupt):
            run(root, output, "--max-side", "64", *flags)
    with raises_one_line(MissingInputError, "no records"):
        find_record_files(output)


@pytest.mark.parametrize("damage", ["missing", "truncated", "other size"])
def test_a_broken_image_is_named_and_its_scenes_records_left_out(
    made_root, tmp_path, capsys, damage
):
    root, output = few(made_root, tmp_path), tmp_path / "small"
    flags = ("--splits", "val", "--num-workers", "1", "--max-side", "96")
    folder = root / "evaluation_data/depth_estimation_dot/v1_0/images"
    victim = sorted(folder.glob("*/*.jpg"))[0]
    data = victim.read_bytes()
    victim.unlink()
    if damage == "truncated":
        victim.write_bytes(data[: len(data) // 2])
    if damage == "other size":
        victim.write_bytes(jpeg.encode(np.zeros((40, 48, 3), np.uint8)))
    assert run(root, output, *flags) == 1
    said = capsys.readouterr().out
    assert str(victim) in said and "images of a scene that failed" in said
    scene = victim.parent.name
    copied = output / "evaluation_data/depth_estimation_dot/v1_0/depth_estimation_dot.jsonl"
    kept = list(read_jsonl(copied))
    assert kept and all(not record["image"][0].startswith(scene) for record in kept)
    assert not (output / folder.relative_to(root) / scene).exists()
    victim.unlink(missing_ok=True)
    victim.write_bytes(data)
    assert run(root, output, *flags) == 0
    assert any(record["image"][0].startswith(scene) for record in read_jsonl(copied))


def test_what_the_copy_held_for_records_that_are_gone_is_removed(made_root, tmp_path):
    root, output = few(made_root, tmp_path), tmp_path / "small"
    flags = ("--splits", "val", "--num-workers", "1", "--max-side", "96")
    assert run(root, output, *flags) == 0
    victim = sorted((root / "evaluation_data/object_movement_dot").rglob("*.jsonl"))[0]
    victim.unlink()
    assert run(root, output, *flags) == 0
    assert not (output / victim.relative_to(root)).exists()
    assert len(find_record_files(output)) == len(find_record_files(root))


@pytest.mark.parametrize("where", ["root", "other engine root", "above"])
def test_a_folder_with_anything_else_raises_and_stays_as_it_is(made_root, tmp_path, where):
    root = few(made_root, tmp_path)
    other = tmp_path / "other"
    (other / "data").mkdir(parents=True)
    output = {"root": root, "other engine root": other, "above": tmp_path}[where]
    before = sorted(tmp_path.rglob("*"))
    with raises_one_line(SettingsError, output, "--output"):
        run(root, output, "--splits", "val")
    assert sorted(tmp_path.rglob("*")) == before


def test_records_that_lead_out_of_the_folder_raise_one_line(made_root, tmp_path):
    root = few(made_root, tmp_path)
    path = root / "evaluation_data/depth_estimation_dot/v1_0/depth_estimation_dot.jsonl"
    text = path.read_text()
    path.unlink()
    name = json.loads(text.splitlines()[0])["image"][0]
    for bad in ("../../etc/passwd", "/etc/passwd", "..", "a/b/c.jpg", "scene0011_00/.hidden"):
        path.write_text(text.replace(f'"{name}"', f'"{bad}"'))
        with raises_one_line(BadDataError, path, "is not a valid id"):
            run(root, tmp_path / "small", "--splits", "val")
    path.write_text(text.replace('"height_list":[', '"height_list":[5,', 1))
    with raises_one_line(BadDataError, f"{path}:1", "not a record"):
        run(root, tmp_path / "small", "--splits", "val")


def test_a_short_disk_raises_before_anything_is_written(made_root, tmp_path, monkeypatch):
    root, output = few(made_root, tmp_path), tmp_path / "small"
    asked = []

    def check_disk(folder, num_files, num_bytes):
        asked.append((num_files, num_bytes))
        raise SettingsError(f"{folder}: full")

    monkeypatch.setattr(files, "check_disk", check_disk)
    with raises_one_line(SettingsError, "full"):
        run(root, output, "--splits", "val", "--max-side", "96")
    assert not list(output.rglob("*.jp*g")) and not list(output.rglob("*.jsonl"))
    monkeypatch.undo()
    assert run(root, output, "--splits", "val", "--max-side", "96", "--num-workers", "1") == 0
    made = [p for p in output.rglob("*") if p.suffix in (".jpg", ".jsonl")]
    (num_files, num_bytes), found = asked[0], sum(p.stat().st_size for p in made)
    assert num_files == len(made)
    assert 0.5 * found < num_bytes < 3 * found


def test_flags_that_make_no_sense_and_missing_input_are_errors(tmp_path, capsys):
    for flags in (
        ("--size", "0", "5"),
        ("--max-side", "4"),
        ("--size", "9", "9", "--max-side", "9"),
    ):
        with pytest.raises(SystemExit) as error:
            run(tmp_path, tmp_path / "x", *flags)
        assert error.value.code == 2
    with raises_one_line(MissingInputError, "question scripts"):
        run(tmp_path, tmp_path / "x")
    assert cli.run(resize_images.main, ["--root", str(tmp_path), "--output", str(tmp_path)]) == 2
    assert not list(tmp_path.iterdir())


def test_provenance_says_how_large_the_images_are(small):
    meta = provenance.read_meta(small / "data/my_tapvid3d_images")
    assert meta["settings"]["max_side"] == MAX_SIDE
    scene = Scene(small, {}, Goal(8), None)
    assert resize_scene(scene, small).counts == {"images": 0}


def test_a_copy_that_was_killed_while_it_claimed_its_folder_is_taken_up(tmp_path):
    (tmp_path / f"{resize_images.MARK}{files.PARTIAL_SUFFIX}").mkdir()
    resize_images.claim(tmp_path, {"max_side": 8})
    assert [path.name for path in tmp_path.iterdir()] == [resize_images.MARK]
    (tmp_path / resize_images.MARK).unlink()
    (tmp_path / "mine.txt").write_text("mine")
    with raises_one_line(SettingsError, tmp_path, "not empty"):
        resize_images.claim(tmp_path, {"max_side": 8})
