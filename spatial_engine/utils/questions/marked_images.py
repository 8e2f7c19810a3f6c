"""Pictures with marks: a scene's are drawn and written, counted beforehand, and published.

Each source image is decoded once, and encoded once but for what is under marks, however many
pictures are made of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils.pictures import drawing, jpeg, jpeg_pieces
from spatial_engine.utils.questions import records
from spatial_engine.utils.storage import files

FOLDER = "images"  # of the pictures, beside the jsonl and in each part
SAMPLE_IMAGES = 3  # drawn on trial to estimate how large a picture will be


@dataclass(frozen=True)
class MarkedImage:
    """One picture to be made of the image `source`: marks at `centers` (n, 2) pixels with
    `letters` (n, may be empty), in palette colours by `preferences`."""

    source: str
    name: str
    centers: np.ndarray
    letters: Sequence[str]
    preferences: Sequence[int]


def folder_beside(jsonl: Path) -> dict[str, Path]:
    """The folder of the pictures of a file of records, by its name among what is made."""
    return {FOLDER: jsonl.parent / FOLDER}


def draw_pictures(
    pictures: Sequence[MarkedImage],
    read: Callable[[str], np.ndarray],
    size: drawing.MarkSize,
    image_size: tuple[int, int],
    folder: Path,
) -> list[list[str]]:
    """Draw and write `folder/<name>` for each; return the colours of their marks, "#rrggbb".

    `read(source)` gives an image of `image_size` (width, height), which is drawn into. Raises
    `BadDataError` where it has another size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    colors: list[list[str]] = [[] for _ in pictures]

    def source_of(index: int) -> str:
        return pictures[index].source

    for source, same in groupby(sorted(range(len(pictures)), key=source_of), source_of):
        indexes, image = list(same), read(source)
        if image.shape[1::-1] != tuple(image_size):
            raise BadDataError(
                f"image {source} is {image.shape[1]}x{image.shape[0]} and not "
                f"{image_size[0]}x{image_size[1]} as the others; extract its scene again"
            )
        pieces = jpeg_pieces.JpegPieces(image) if len(indexes) > 1 else None
        for index in indexes:
            picture = pictures[index]
            covered = [
                size.area(center, letter, image_size)
                for center, letter in zip(picture.centers, picture.letters, strict=True)
            ]
            unmarked = [image[area].copy() for area in covered]
            chosen = drawing.draw_marks(
                image, picture.centers, picture.letters, picture.preferences, size
            )
            colors[index] = [drawing.COLOR_NAMES[number] for number in chosen]
            data = pieces.encode(image, covered) if pieces else jpeg_pieces.encode(image)
            (folder / picture.name).write_bytes(data)
            for area, content in zip(covered, unmarked, strict=True):
                image[area] = content
    return colors


def estimate_bytes(images: Iterable[Path], remedy: str) -> int:
    """Bytes of one picture, about: the mean over a few images, encoded as pictures are.

    Images that cannot be read are skipped here and reported when they are needed. 0 without images.
    """
    sizes: list[int] = []
    for path in images:
        if len(sizes) == SAMPLE_IMAGES:
            break
        try:
            sizes.append(len(jpeg_pieces.encode(jpeg.read(path, remedy, to_encode=True))))
        except BadDataError:
            continue
    return sum(sizes) // max(len(sizes), 1)


def join_parts(
    parts: Sequence[Path],
    outputs: Mapping[str, Path],
    seed: int,
    at_most: int = -1,
    join: Callable[..., None] = records.join_parts,
    beside: Sequence[Path] = (),
) -> None:
    """Join the scenes' records by `join`, and bring their pictures together.

    The entry `FOLDER` of `outputs` is the folder of pictures; without it there are no pictures. It
    takes the place of that of the finished files `beside`, whose pictures stay.
    """
    texts = {name: path for name, path in outputs.items() if name != FOLDER}
    join(parts, texts, seed, at_most)
    if FOLDER in outputs:
        outputs[FOLDER].mkdir()
        for jsonl in texts.values():
            _link_pictures(parts, jsonl, outputs[FOLDER])
        for finished in beside:
            _keep_pictures(finished, outputs[FOLDER])


def _link_pictures(parts: Sequence[Path], jsonl: Path, folder: Path) -> None:
    """Give `folder/<scene>/` the pictures that the records of `jsonl` name, out of the parts.

    Hard links, so that the parts stay whole until everything is; copies where links cannot be.
    """
    by_scene = {part.name: part / FOLDER for part in parts}
    made: set[str] = set()
    for record in records.read_jsonl(jsonl):
        for name in record["image"]:
            scene_id, file_name = os.path.split(name)
            if scene_id not in made:
                made.add(scene_id)
                (folder / scene_id).mkdir(exist_ok=True)
            with suppress(FileExistsError):  # of another record
                files.link_or_copy(by_scene[scene_id] / file_name, folder / name)


def _keep_pictures(finished: Path, folder: Path) -> None:
    """Give a new folder of pictures those that a finished file of records names, where it lacks
    them."""
    for record in records.read_jsonl(finished):
        for name in record["image"]:
            (folder / name).parent.mkdir(exist_ok=True)
            with suppress(FileExistsError, FileNotFoundError):  # gone before, the check tells
                files.link_or_copy(finished.parent / FOLDER / name, folder / name)
