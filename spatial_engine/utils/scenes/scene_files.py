"""The files of a scene's frames, listed once, and whether the scene infos are about them.

Frames can be extracted again with another FRAME_SKIP or come from another source, and points can be
loaded again. Every step that reads scene infos asks here before it relies on them: it costs a
listing of the scene's folder, the poses (small files) and a hash of one small file. Times of files
do not count, so that a copy of a root is as good as the original.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.paths import Place, instance_data_dir, posed_images_dir
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler, remedy_of
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.looks import Looks, state_of

OBJECT_INFO = "object_info.parquet"  # of a scene's folder: what step 1 tells of it
Entries = Sequence[tuple[str, int | None]]  # as of `provenance.folder_entries`


COLORS, DEPTHS = ".jpg", ".png"  # kinds of images
_FILES = "files"  # what `Looks` know, beside digests of images


class FrameIds(Set[str]):
    """Ids of frames, kept as one text: ten thousand scenes have three million of them."""

    def __init__(self, ids: Iterable[str] | str):
        self._text = ids if isinstance(ids, str) else " ".join(sorted(ids))

    @cached_property
    def _ids(self) -> frozenset[str]:
        return frozenset(self._text.split())

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._ids

    def __iter__(self) -> Iterator[str]:
        return iter(self._text.split())

    def __len__(self) -> int:
        return len(self._text.split())

    def __getstate__(self) -> dict[str, Any]:
        return {"_text": self._text}

    def __repr__(self) -> str:
        return f"FrameIds({self._text!r})"

    def first(self) -> str:
        """The lowest id."""
        return self._text.partition(" ")[0]


@dataclass(frozen=True)
class SceneFiles:
    """The frames of a scene on the disk, in its `folder`: `ids` of the colour images that are
    there, and a digest of these `names`.

    Of the frames that the scene info tells of, `missing` have no colour image and `num_shown` have
    one; `depth_sizes` is a digest of the names and sizes of their depth images, None where there is
    none of them. `colors` and `depths` are digests of images, by samples, for what is made of them;
    None where they were not asked for.
    """

    folder: Path
    ids: FrameIds
    names: str
    missing: frozenset[str]
    num_shown: int
    depth_sizes: str | None
    colors: str | None = None
    depths: str | None = None

    @classmethod
    def of(cls, scenes: SceneInfoHandler, scene_id: str, *sampled: str) -> SceneFiles:
        """The files there are now, with digests of the kinds of images in `sampled` (`COLORS`,
        `DEPTHS`); of a large set as they were found before (`Looks`). Raises `BadDataError` where
        frames, points or annotations differ from those of the scene info, and `MissingInputError`
        where the folder, or depth that is asked for, is missing or empty. Infos without provenance
        (of another origin) are not checked."""
        folder = posed_images_dir(scenes.dataset) / scene_id
        looks, told_by = scenes.looks, scenes.told_by
        state = state_of([folder, *told_by, _objects_path(scenes.dataset, scene_id)])
        found = {w: looks.recall(scene_id, w, state) if looks else None for w in (_FILES, *sampled)}
        if None in found.values():
            entries = list_entries(folder)
            found = {_FILES: _look(scenes, scene_id, folder, entries)}
            found |= {kind: _digest_of(kind, folder, entries) for kind in sampled}
            for what, value in found.items() if looks else ():
                looks.note(scene_id, what, state, value, len(entries))
        told = found[_FILES]
        return cls(
            folder,
            FrameIds(told["ids"]),
            told["names"],
            frozenset(told["missing"]),
            told["shown"],
            told["depth_sizes"],
            found.get(COLORS),
            found.get(DEPTHS),
        )

    def with_images(self) -> SceneFiles:
        """Itself where there are colour images; else raises `MissingInputError`."""
        if not self.ids:
            raise _missing(self.folder, "images")
        return self

    def first(self) -> Path:
        """The colour image with the lowest id."""
        return self.folder / f"{self.ids.first()}.jpg"


def _look(
    scenes: SceneInfoHandler, scene_id: str, folder: Path, entries: Entries
) -> dict[str, Any]:
    """What `SceneFiles` tells of a scene whose folder holds these entries, as plain JSON."""
    if not entries and scenes.made_from(scene_id) is not None:
        raise MissingInputError(
            f"{folder}: no frames; check that its disk is mounted, or {posed_images.REMEDY}"
        )
    check_infos(scenes, scene_id, folder, entries)
    known = scenes.image_ids(scene_id)
    used = {f"{image_id}.png" for image_id in known}
    sizes = [entry for entry in entries if entry[0] in used]
    ids = {name[:-4] for name, size in entries if name.endswith(COLORS) and size is not None}
    missing = set(known) - ids
    return {
        "ids": FrameIds(ids)._text,
        "names": provenance.digest(sorted(ids)),
        # Without a folder none: infos of another origin can be used before the images are there.
        "missing": sorted(missing) if folder.is_dir() else [],
        "shown": len(known) - len(missing),
        "depth_sizes": provenance.digest(sizes) if sizes else None,
    }


def _digest_of(kind: str, folder: Path, entries: Entries) -> str:
    """Digest of the images of a kind."""
    mine = [entry for entry in entries if entry[0].endswith(kind)]
    if kind == DEPTHS and not mine:
        raise _missing(folder, "depth images")
    return provenance.entries_digest(folder, mine)


def _missing(folder: Path, what: str) -> MissingInputError:
    return MissingInputError(f"{folder}: no {what} in it; {posed_images.REMEDY}")


def list_entries(folder: Path) -> Entries:
    """Names and sizes of all files of the frames."""
    return provenance.folder_entries(folder, (".jpg", ".png", ".txt"))


def read_frames(place: Place, scene_id: str, step: int) -> tuple[dict[str, str], FrameIds]:
    """Digests of the frames of a scene, of their names and sizes and of their poses, as its info is
    made from them; and the ids of those that are multiples of `step`, by one listing."""
    folder = posed_images_dir(place) / scene_id

    def look() -> tuple[dict[str, str], int]:
        entries = list_entries(folder)
        ids = posed_images.frames_among([name for name, _ in entries], step, folder)
        found = {"frames": provenance.digest(entries), "poses": _poses_digest(folder, entries)}
        return {**found, "ids": " ".join(ids)}, len(entries)

    told = dict(Looks.of(folder.parent).at(scene_id, f"every {step}", [folder], look))
    return told, FrameIds(told.pop("ids"))


def check_infos(scenes: SceneInfoHandler, scene_id: str, folder: Path, entries: Entries) -> None:
    """Raise `BadDataError` unless the info of a scene, where it has provenance, is about its
    frames, points and annotations."""
    told = scenes.made_from(scene_id)
    if told is None:
        return
    objects = hash_of_objects(scenes.dataset, scene_id)
    if objects and told.get("objects") not in (None, objects):
        raise BadDataError(
            f"scene info: {scene_id} is stale, its points or annotations have changed since; "
            f"{remedy_of(scenes.dataset)}"
        )
    names, difference = [name for name, _ in entries], ""
    if told.get("poses") != _poses_digest(folder, entries):
        difference = _compare_poses(scenes, scene_id, folder, names)
    if not difference and told.get("frames") != provenance.digest(entries):
        difference = _compare_sizes(scenes, scene_id, folder, names)
    if difference:
        raise BadDataError(
            f"{folder}: holds other frames than the scene info of {scene_id} ({difference}); "
            f"{remedy_of(scenes.dataset)}"
        )


def _poses_digest(folder: Path, entries: Entries) -> str:
    texts = [entry for entry in entries if entry[0].endswith(".txt")]
    return provenance.entries_digest(folder, texts)


def _compare_poses(
    scenes: SceneInfoHandler, scene_id: str, folder: Path, names: Sequence[str]
) -> str:
    """The first thing in which frames and scene info differ; empty where they agree.

    A frame whose image alone is missing is not a difference: steps that need the image count it.
    """
    known, there = scenes.image_ids(scene_id), set(names)
    gone = [image_id for image_id in known if f"{image_id}.txt" not in there]
    if gone:
        return f"{len(gone)} of its {len(known)} frames are gone, {gone[0]} among them"
    new = set(posed_images.frames_among(names, scenes.dataset.frame_step, folder)) - set(known)
    if new:
        return f"{len(new)} frames are new, {min(new)} among them"
    intrinsic = posed_images.read_intrinsic(folder, scenes.color_size(scene_id))
    if not np.array_equal(intrinsic, scenes.intrinsic(scene_id)):
        return "other intrinsics"
    cameras = posed_images.read_frame_cameras(folder, known, scenes.color_size(scene_id))
    shared = dict.fromkeys(known, intrinsic)
    for image_id, matrix in zip(known, scenes.intrinsics(scene_id, known), strict=True):
        if not np.array_equal(matrix, (cameras or shared)[image_id]):
            return f"other intrinsics of {image_id}"
    for image_id in known:
        pose, expected = posed_images.read_pose(folder, image_id), scenes.pose(scene_id, image_id)
        if not np.array_equal(pose, expected, equal_nan=True):
            return f"another pose of {image_id}"
    return ""


def _compare_sizes(
    scenes: SceneInfoHandler, scene_id: str, folder: Path, names: Sequence[str]
) -> str:
    """The first image whose size differs from the scene info; empty where none does. One colour and
    one depth image are compared: one camera took all."""
    known, there = scenes.image_ids(scene_id), set(names)
    sizes = ((".jpg", scenes.color_size(scene_id)), (".png", scenes.depth_size(scene_id)))
    for suffix, size in sizes:
        first = next((f"{i}{suffix}" for i in known if f"{i}{suffix}" in there), None)
        with suppress(BadDataError):  # who needs the image names it
            if first and posed_images.read_image_size(folder / first) != size:
                return f"another size of {first}"
    return ""


def hash_of_objects(place: Place, scene_id: str) -> str | None:
    """Of what step 1 tells of the points and annotations of a scene; None where it tells nothing,
    as for data of other sources."""
    path = _objects_path(place, scene_id)
    if not path.is_file():
        return None
    looks = Looks.of(instance_data_dir(place))
    return looks.at(scene_id, "objects", [path], lambda: (provenance.content_hash(path), 0))


def _objects_path(place: Place, scene_id: str) -> Path:
    return instance_data_dir(place) / scene_id / OBJECT_INFO
