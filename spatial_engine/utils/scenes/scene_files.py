"""The files of a scene's frames, listed once, and whether the scene infos are about them.

Frames can be extracted again with another FRAME_SKIP or come from another source, and points can be
loaded again. Every step that reads scene infos asks here before it relies on them: it costs a
listing of the scene's folder, the poses (small files) and a hash of one small file. Times of files
do not count, so that a copy of a root is as good as the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spatial_engine.errors import BadDataError, MissingInputError
from spatial_engine.utils.paths import Place, instance_data_dir, posed_images_dir
from spatial_engine.utils.running import provenance
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.scenes.scene_info import SceneInfoHandler, remedy_of

OBJECT_INFO = "object_info.arrow"  # of a scene's folder: what step 1 tells of it
Entries = Sequence[tuple[str, int | None]]  # as of `provenance.folder_entries`


@dataclass(frozen=True)
class SceneFiles:
    """The frames of a scene on the disk: names and sizes of all files of its `folder`.

    `depth_sizes` is a digest of the names and sizes of the depth images that the scene info tells
    of, None where there is none of them.
    """

    folder: Path
    entries: Entries
    depth_sizes: str | None

    @classmethod
    def of(cls, scenes: SceneInfoHandler, scene_id: str) -> SceneFiles:
        """The files there are now. Raises `BadDataError` where frames, points or annotations differ
        from those of the scene info, and `MissingInputError` where the folder is missing or empty.
        Infos without provenance (of another origin) are not checked."""
        folder = posed_images_dir(scenes.dataset) / scene_id
        entries = list_entries(folder)
        if not entries and scenes.made_from(scene_id) is not None:
            raise MissingInputError(
                f"{folder}: no frames; check that its disk is mounted, or {posed_images.REMEDY}"
            )
        check_infos(scenes, scene_id, folder, entries)
        used = {f"{image_id}.png" for image_id in scenes.image_ids(scene_id)}
        sizes = [entry for entry in entries if entry[0] in used]
        return cls(folder, entries, provenance.digest(sizes) if sizes else None)

    @cached_property
    def ids(self) -> frozenset[str]:
        """Ids of the colour images that are there."""
        return frozenset(name[:-4] for name, size in self._some(".jpg") if size is not None)

    def missing(self, image_ids: Sequence[str]) -> frozenset[str]:
        """Which of these frames have no colour image. None where there is no folder: infos of
        another origin can be used before the images are there."""
        return frozenset(image_ids) - self.ids if self.folder.is_dir() else frozenset()

    @property
    def names(self) -> str:
        """Digest of which colour images are there."""
        return provenance.digest(sorted(self.ids))

    @cached_property
    def colors(self) -> str:
        """Digest of the colour images, by samples; for what is made of them."""
        return provenance.entries_digest(self.folder, self._some(".jpg"))

    @cached_property
    def depths(self) -> str:
        """Digest of the depth images, by samples; `MissingInputError` where there is none."""
        if not (entries := self._some(".png")):
            raise self._missing("depth images")
        return provenance.entries_digest(self.folder, entries)

    def with_images(self) -> SceneFiles:
        """Itself where there are colour images; else raises `MissingInputError`."""
        if not self.ids:
            raise self._missing("images")
        return self

    def first(self) -> Path:
        """The colour image with the lowest id."""
        return self.folder / f"{min(self.ids)}.jpg"

    def _some(self, suffix: str) -> Entries:
        return [entry for entry in self.entries if entry[0].endswith(suffix)]

    def _missing(self, what: str) -> MissingInputError:
        return MissingInputError(f"{self.folder}: no {what} in it; {posed_images.REMEDY}")


def list_entries(folder: Path) -> Entries:
    """Names and sizes of all files of the frames."""
    return provenance.folder_entries(folder, (".jpg", ".png", ".txt"))


def infos_made_from(place: Place, scene_id: str, info: Mapping[Any, Any], entries: Entries) -> Any:
    """What decides the info of a scene: what step 1 tells of it, and its frames."""
    folder = posed_images_dir(place) / scene_id
    return {
        "info": provenance.digest(sorted(info.items(), key=str)),
        "objects": _hash_of_objects(place, scene_id),
        "frames": provenance.digest(entries),
        "poses": _poses_digest(folder, entries),
    }


def check_infos(scenes: SceneInfoHandler, scene_id: str, folder: Path, entries: Entries) -> None:
    """Raise `BadDataError` unless the info of a scene, where it has provenance, is about its
    frames, points and annotations."""
    told = scenes.made_from(scene_id)
    if told is None:
        return
    objects = _hash_of_objects(scenes.dataset, scene_id)
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


def _hash_of_objects(place: Place, scene_id: str) -> str | None:
    """Of what step 1 tells of the points and annotations of a scene; None where it tells nothing,
    as for data of other sources."""
    path = instance_data_dir(place) / scene_id / OBJECT_INFO
    return provenance.content_hash(path) if path.is_file() else None
