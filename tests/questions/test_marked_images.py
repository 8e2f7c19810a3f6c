from __future__ import annotations

import errno
import json
import os

import numpy as np
import pytest
from helpers import raises_one_line
from tiny_scenes import noise

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures import jpeg, jpeg_pieces
from spatial_engine.utils.pictures.drawing import COLOR_NAMES, PALETTE, MarkSize
from spatial_engine.utils.questions import marked_images, records
from spatial_engine.utils.questions.marked_images import MarkedImage
from spatial_engine.utils.storage import files

SIZE = (200, 150)
MARK = MarkSize.of(10, SIZE)


class Sources:
    """Images by id, and which were read, in order."""

    def __init__(self, number: int):
        rng = np.random.default_rng(0)
        self.images = {f"{5 * k:05d}": noise(rng, SIZE) for k in range(number)}
        self.read_ids: list[str] = []

    def read(self, source: str) -> np.ndarray:
        self.read_ids.append(source)
        return self.images[source]


def random_pictures(rng, sources: Sources, number: int) -> list[MarkedImage]:
    """Pictures of random sources, each with a mark or two at random places."""
    pictures = []
    for k in range(number):
        centers = np.array([[50, 70], [150, 80]]) + rng.uniform(-9, 9, (2, 2))
        marks = int(rng.integers(1, 3))
        pictures.append(
            MarkedImage(
                str(rng.choice(list(sources.images))),
                f"picture{k}.jpg",
                centers[:marks],
                "AB"[:marks],
                rng.permutation(len(PALETTE)).tolist(),
            )
        )
    return pictures


def test_pictures_are_their_own_source_with_their_own_marks(tmp_path):
    sources = Sources(4)
    kept = {name: image.copy() for name, image in sources.images.items()}
    pictures = random_pictures(np.random.default_rng(1), sources, 30)
    colors = marked_images.draw_pictures(pictures, sources.read, MARK, SIZE, tmp_path / "made")
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == sorted(
        picture.name for picture in pictures
    )
    for picture, told in zip(pictures, colors, strict=True):
        found = jpeg.read(tmp_path / "made" / picture.name, "").astype(int)
        assert len(told) == len(picture.centers)
        untouched = np.ones(found.shape[:2], bool)
        for (x, y), name in zip(picture.centers, told, strict=True):
            color = np.array(PALETTE[COLOR_NAMES.index(name)][::-1])
            assert np.abs(found[round(y), round(x)] - color).max() <= 25
            rows, columns = np.indices(untouched.shape)
            untouched &= np.hypot(columns - x, rows - y) > MARK.reach + 16  # a block of the JPEG
        assert untouched.any()
        plain = jpeg.encode(kept[picture.source])
        (tmp_path / "plain.jpg").write_bytes(plain)
        source = jpeg.read(tmp_path / "plain.jpg", "")
        assert np.abs(found - source)[untouched].mean() < 2
    for name, image in sources.images.items():
        np.testing.assert_array_equal(image, kept[name])


def test_a_picture_has_the_same_bytes_alone_as_among_others_of_its_source(tmp_path):
    sources = Sources(2)
    pictures = random_pictures(np.random.default_rng(1), sources, 12)
    marked_images.draw_pictures(pictures, sources.read, MARK, SIZE, tmp_path / "together")
    for picture in pictures:
        marked_images.draw_pictures([picture], Sources(2).read, MARK, SIZE, tmp_path / "alone")
        made = [(tmp_path / folder / picture.name).read_bytes() for folder in ("together", "alone")]
        assert made[0] == made[1]


def test_colours_follow_the_order_of_the_pictures(tmp_path):
    """Each picture's marks can have one colour each, so that any other order would show."""
    sources = Sources(3)
    order = np.random.default_rng(0).permutation(30) % len(PALETTE)
    pictures = [
        MarkedImage(f"{5 * (k * 7 % 3):05d}", f"{k}.jpg", np.array([[99.0, 70]]), ("",), [int(c)])
        for k, c in enumerate(order)
    ]
    colors = marked_images.draw_pictures(pictures, sources.read, MARK, SIZE, tmp_path)
    assert colors == [[COLOR_NAMES[c]] for c in order]


def test_every_source_is_read_once_however_pictures_are_ordered(tmp_path):
    sources = Sources(5)
    pictures = random_pictures(np.random.default_rng(2), sources, 40)
    marked_images.draw_pictures(pictures, sources.read, MARK, SIZE, tmp_path)
    assert sorted(sources.read_ids) == sorted({picture.source for picture in pictures})
    assert len(sources.read_ids) == 5


def test_the_same_pictures_are_the_same_bytes_whatever_their_order(tmp_path):
    sources = Sources(3)
    pictures = random_pictures(np.random.default_rng(3), sources, 10)
    one = marked_images.draw_pictures(pictures, sources.read, MARK, SIZE, tmp_path / "one")
    two = marked_images.draw_pictures(pictures[::-1], sources.read, MARK, SIZE, tmp_path / "two")
    assert one == two[::-1]
    for picture in pictures:
        names = [tmp_path / folder / picture.name for folder in ("one", "two")]
        assert names[0].read_bytes() == names[1].read_bytes()


def test_no_pictures_are_an_empty_folder_and_nothing_is_read(tmp_path):
    sources = Sources(1)
    found = marked_images.draw_pictures([], sources.read, MARK, SIZE, tmp_path / "images")
    assert found == [] and sources.read_ids == []
    assert list((tmp_path / "images").iterdir()) == []


def test_an_image_of_another_size_is_named(tmp_path):
    sources = Sources(2)
    sources.images["00005"] = sources.images["00005"][:, :-1]
    pictures = [
        MarkedImage(source, f"{source}.jpg", np.array([[99.0, 70]]), ("",), [0])
        for source in sources.images
    ]
    with raises_one_line(BadDataError, "00005", "199x150", "200x150"):
        marked_images.draw_pictures(pictures, sources.read, MARK, SIZE, tmp_path)


# ---- how large they will be ----------------------------------------------------------------------


def test_the_estimate_is_the_size_of_pictures_and_opens_few_images(tmp_path):
    rng = np.random.default_rng(0)
    paths, sizes = [], []
    for number in range(6):
        paths.append(tmp_path / f"{number}.jpg")
        data = jpeg.encode(noise(rng, (200 - 20 * number, 100)))
        paths[-1].write_bytes(data)
        sizes.append(len(jpeg_pieces.encode(jpeg.read(paths[-1], "", to_encode=True))))
    taken = []
    estimate = marked_images.estimate_bytes((taken.append(p) or p for p in paths), "get it")
    assert estimate == sum(sizes[:3]) // 3
    assert len(taken) <= 4
    assert marked_images.estimate_bytes(paths[:1], "get it") == sizes[0]


def test_images_that_cannot_be_read_do_not_count_in_the_estimate(tmp_path):
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    good.write_bytes(jpeg.encode(noise(np.random.default_rng(0), SIZE)))
    bad.write_bytes(good.read_bytes()[:500])
    alone = marked_images.estimate_bytes([good], "get it")
    some = [bad, tmp_path / "gone.jpg", good, bad]
    assert marked_images.estimate_bytes(some, "get it") == alone > 1000
    assert marked_images.estimate_bytes([bad], "get it") == 0
    assert marked_images.estimate_bytes([], "get it") == 0


def test_a_folder_in_the_place_of_an_image_does_not_count_in_the_estimate_either(tmp_path):
    """One broken scene must not stop a command: its own work names it."""
    (tmp_path / "00000.jpg").mkdir()
    assert marked_images.estimate_bytes([tmp_path / "00000.jpg"], "get it") == 0


# ---- brought together ----------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path):
    """Three scenes of 12, 0 and 7 records; each record names two pictures of its own."""
    folders = []
    for scene, number in {"scene0": 12, "scene1": 0, "scene2": 7}.items():
        folder = tmp_path / "parts" / scene
        (folder / "images").mkdir(parents=True)
        folders.append(folder)
        made = []
        for k in range(number):
            names = [f"{k}_{side}.jpg" for side in "ab"]
            for name in names:
                (folder / "images" / name).write_text(f"{scene} {name}")
            made.append({"id": f"{scene}-{k}", "image": [f"{scene}/{name}" for name in names]})
        records.write_jsonl(folder / "task.jsonl", made)
    return folders


def join(parts, tmp_path, at_most=-1, name="out"):
    folder = tmp_path / name
    folder.mkdir()
    outputs = {"images": folder / "images", "task": folder / "task.jsonl"}
    marked_images.join_parts(parts, outputs, 7, at_most)
    made = [json.loads(line) for line in outputs["task"].read_bytes().splitlines()]
    found = {
        path.relative_to(outputs["images"]).as_posix(): path.read_text()
        for path in outputs["images"].rglob("*")
        if path.is_file()
    }
    return made, found, outputs["images"]


@pytest.mark.parametrize("at_most", [-1, 0, 1, 5, 18, 19, 100])
def test_no_picture_is_without_a_record_and_no_record_without_a_picture(parts, tmp_path, at_most):
    made, found, folder = join(parts, tmp_path, at_most)
    assert len(made) == (19 if at_most < 0 else min(at_most, 19))
    named = [name for record in made for name in record["image"]]
    assert sorted(found) == sorted(named)
    assert all(text == name.replace("/", " ") for name, text in found.items())
    scenes = {name.split("/")[0] for name in named}
    assert {path.name for path in folder.iterdir()} == scenes


def test_pictures_are_links_so_that_nothing_is_written_twice(parts, tmp_path):
    _, found, folder = join(parts, tmp_path)
    for name in found:
        scene, file_name = name.split("/")
        part = next(part for part in parts if part.name == scene)
        assert (folder / name).samefile(part / "images" / file_name)


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP])
def test_where_links_cannot_be_made_pictures_are_copies(parts, tmp_path, monkeypatch, refusal):
    linked = join(parts, tmp_path, 9)

    def refuse(*args, **kwargs):
        raise OSError(refusal, os.strerror(refusal))

    monkeypatch.setattr(files.os, "link", refuse)
    copied = join(parts, tmp_path, 9, "copies")
    assert copied[:2] == linked[:2]
    for path in copied[2].rglob("*.jpg"):
        assert path.stat().st_nlink == 1


def test_parts_stay_whole_until_everything_is(parts, tmp_path):
    before = {path: path.read_bytes() for part in parts for path in part.rglob("*.*")}
    join(parts, tmp_path, 3)
    join(parts, tmp_path, -1, "again")
    assert {path: path.read_bytes() for part in parts for path in part.rglob("*.*")} == before


def test_without_a_folder_of_pictures_there_are_only_records(parts, tmp_path):
    output = tmp_path / "task.jsonl"
    marked_images.join_parts(parts, {"task": output}, 7, 4)
    assert len(output.read_bytes().splitlines()) == 4
    assert not (tmp_path / "images").exists()


def test_the_order_depends_on_the_seed_alone(parts, tmp_path):
    texts = []
    for number, seed in enumerate((7, 7, 8)):
        outputs = {"images": tmp_path / f"i{number}", "task": tmp_path / f"t{number}.jsonl"}
        marked_images.join_parts(parts, outputs, seed)
        texts.append(outputs["task"].read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_a_picture_that_is_not_there_is_no_silent_loss(parts, tmp_path):
    (parts[0] / "images" / "3_a.jpg").unlink()
    with pytest.raises(FileNotFoundError):
        join(parts, tmp_path)
