"""`SceneInfoHandler`: the one reader of what the preparation scripts wrote about scenes.

Poses, intrinsics, sizes, points, boxes, categories, depth and colour images. Ids, units and
frames of reference end here: object ids are 0-based, lengths are metres, poses are
`world_from_cam` in the axis-aligned frame, image ids are strings like "00005".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.geometry.cameras import camera_fault, is_rigid, is_valid_pose, pose_fault
from spatial_engine.utils.paths import (
    SCANNET,
    Place,
    dataset_at,
    info_path,
    info_pickle_path,
    instance_data_dir,
)
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.storage.files import check_id
from spatial_engine.utils.storage.looks import Looks, state_of
from spatial_engine.utils.storage.os_errors import naming
from spatial_engine.utils.storage.provenance import digest, meta_path, read_inputs
from spatial_engine.utils.tables.info_table import CAMERA, SceneInfos

T = TypeVar("T")

REMEDY = "run spatial_engine/utils/scannet_utils/update_info_file_with_images.py"

_NO_FILE = state_of(())


def remedy_of(place: Place) -> str:
    """What makes the scene infos of a data set."""
    dataset = dataset_at(place)
    if dataset.name == SCANNET:
        return REMEDY
    return f"prepare scenes of {dataset.name} for it (docs/own_data.md)"


class SceneInfoHandler:
    """Scenes of a split, or a few of them (`only`), which is what a worker receives.

    Raises `BadDataError` for a scene that is not there or holds values that cannot be. Types and
    shapes are those of the table (`info_table`), or of `infos` given by hand.
    """

    def __init__(
        self,
        place: Place,
        infos: Mapping[str, dict[Any, Any]],
        made_from: Mapping[str, Any] | None = None,
    ):
        self.dataset = dataset_at(place)
        self._infos = infos
        self._made_from = made_from or {}
        self._hashes: dict[str, str] = {}  # of infos on the disk, which are read again otherwise
        self.told_by: tuple[Path, ...] = ()  # the files that `load` has read
        self.looks: Looks | None = None  # what was found of these scenes before, not in workers
        self._state = _NO_FILE  # of the table of infos, before it was opened
        self._last: tuple[str, dict[str, Any]] = ("", {})  # what was made of the last such scene

    @classmethod
    def load(cls, place: Place, split: str) -> SceneInfoHandler:
        """Infos with images of "train", "val" or "train_val" of a data set, or of ScanNet below a
        root; `MissingInputError` without them."""
        path, told = info_path(place, split), info_pickle_path(place, split)
        state = state_of([path])
        scenes = cls(place, SceneInfos(path, remedy_of(place)), read_inputs(told))
        scenes.told_by, scenes.looks = (path, meta_path(told)), Looks.of(path)
        scenes._state = state
        return scenes

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "looks": None}

    @property
    def scene_ids(self) -> list[str]:
        """Sorted ids."""
        return sorted(self._infos)

    def only(self, *scene_ids: str) -> SceneInfoHandler:
        """A handler of these scenes alone: small enough to be sent to a worker."""
        made_from = {s: self._made_from[s] for s in scene_ids if s in self._made_from}
        if isinstance(self._infos, SceneInfos):
            few = SceneInfoHandler(self.dataset, self._infos.only(scene_ids), made_from)
            few.told_by, few.looks = self.told_by, self.looks
            few._state = self._state
            return few
        infos = {scene: self._infos[scene] for scene in scene_ids}
        return SceneInfoHandler(self.dataset, infos, made_from)

    def made_from(self, scene_id: str) -> Mapping[str, Any] | None:
        """What the info of a scene was made from, by its provenance (`scene_files`); None where
        that is unknown."""
        told = self._made_from.get(scene_id)
        return told if isinstance(told, dict) else None

    def image_ids(self, scene_id: str) -> list[str]:
        """Ids of all D5 frames, by number, those without a valid pose too."""

        def ordered() -> list[str]:
            images, source = self._get(scene_id, "images_info"), f"scene info of {scene_id}"
            return posed_images.by_number([check_id(i, source) for i in images], source)

        return list(self._made_once(scene_id, "image_ids", ordered))

    def valid_frames(self, scene_id: str) -> tuple[list[str], np.ndarray]:
        """Ids of the frames whose pose can be used, by number, and their poses.

        Poses are (n, 4, 4) world_from_cam in the axis-aligned frame. Raises `BadDataError` naming
        the first that is not a rigid motion.
        """
        ids, poses = self._made_once(scene_id, "valid", lambda: self._valid_frames(scene_id))
        return list(ids), poses.copy()

    def _valid_frames(self, scene_id: str) -> tuple[list[str], np.ndarray]:
        images, ids = self._get(scene_id, "images_info"), self.image_ids(scene_id)
        poses = np.array([images[i]["extrinsic_matrix"] for i in ids]).reshape(-1, 4, 4)
        rigid = is_rigid(poses)
        others = np.flatnonzero(~rigid)
        wrong = others[is_valid_pose(poses[others])]
        if len(wrong):
            fault = pose_fault(poses[wrong[0]])
            raise self._bad(scene_id, f"extrinsic_matrix of {ids[wrong[0]]} ({fault})")
        valid = np.flatnonzero(rigid)
        return [ids[k] for k in valid], self.axis_align_matrix(scene_id) @ poses[valid]

    def pose(self, scene_id: str, image_id: str) -> Any:
        """Pose of a frame as its file has it: scan's frame, valid or not."""
        image = self._get(scene_id, "images_info").get(image_id)
        return None if image is None else image["extrinsic_matrix"]

    def axis_align_matrix(self, scene_id: str) -> np.ndarray:
        """(4, 4) aligned_from_scan, a rigid motion."""
        matrix = self._matrix(scene_id, "axis_align_matrix")
        if fault := pose_fault(matrix):
            raise self._bad(scene_id, f"axis_align_matrix ({fault})")
        return matrix

    def intrinsic(self, scene_id: str) -> np.ndarray:
        """(4, 4) intrinsics of the colour camera, pixels, which can be those of its images; the
        median where they differ by frame (`intrinsics`)."""
        matrix = self._matrix(scene_id, "intrinsic_matrix")
        if fault := camera_fault(matrix, self.color_size(scene_id)):
            raise self._bad(scene_id, f"intrinsic_matrix ({fault})")
        return matrix

    def intrinsics(self, scene_id: str, image_ids: Sequence[str]) -> np.ndarray:
        """(n, 4, 4) intrinsics of frames: each its own where a source has them by frame (phones
        refocus), else that of the scene."""
        shared, images = self.intrinsic(scene_id), self._get(scene_id, "images_info")
        size = self.color_size(scene_id)
        own = {i: images[i][CAMERA] for i in image_ids if CAMERA in images[i]}
        if not own:
            return np.repeat(np.reshape(shared, (1, 4, 4)), len(image_ids), axis=0)
        for image_id, matrix in own.items():
            if fault := camera_fault(matrix, size):
                raise self._bad(scene_id, f"intrinsic_matrix of {image_id} ({fault})")
        return np.array([own.get(i, shared) for i in image_ids]).reshape(-1, 4, 4)

    def color_size(self, scene_id: str) -> tuple[int, int]:
        """(width, height) of the colour images."""
        return self._size(scene_id, "color_size")

    def depth_size(self, scene_id: str) -> tuple[int, int]:
        """(width, height) of the depth images."""
        return self._size(scene_id, "depth_size")

    def points(self, scene_id: str) -> np.ndarray:
        """(n, 3) float64 mesh vertices in metres, axis-aligned frame; not beside each other in
        memory."""
        return np.asarray(self._array(scene_id, "aligned_points.npy", 6)[:, :3], np.float64)

    def instance_mask(self, scene_id: str) -> np.ndarray:
        """(n,) int32 instance of every vertex: object id + 1, 0 = unannotated."""
        return np.array(self._array(scene_id, "instance_mask.npy", None, "iu"))

    def instance_path(self, scene_id: str) -> Path:
        """Where `instance_mask` is read from."""
        return instance_data_dir(self.dataset) / scene_id / "instance_mask.npy"

    def object_ids(self, scene_id: str) -> list[int]:
        """0-based ids of all annotated objects, those without vertices too."""
        return sorted(key for key in self._scene(scene_id) if isinstance(key, int))

    def has_objects(self, scene_id: str) -> bool:
        """Whether a scene has annotated objects."""
        return self._found(scene_id, "has objects", lambda one: bool(self.object_ids(one)))

    def category(self, scene_id: str, object_id: int) -> str:
        """The annotators' word for an object."""
        return self._get(scene_id, object_id)["raw_category"]

    def aligned_box(self, scene_id: str, object_id: int) -> np.ndarray:
        """(7,) centre, size (metres, axis-aligned) and NYU40 id; size 0 for no vertices."""
        box = self._get(scene_id, object_id)["aligned_bbox"]
        if not np.isfinite(box).all():
            raise self._bad(scene_id, f"aligned_bbox of object {object_id}")
        return box

    def depth(self, scene_id: str, image_id: str) -> np.ndarray:
        """(height, width) uint16 depth in millimetres, 0 = not measured."""
        path = self._image_path(scene_id, image_id, "depth_image_path")
        return posed_images.read_depth(path, self.depth_size(scene_id))

    def color(self, scene_id: str, image_id: str) -> np.ndarray:
        """(height, width, 3) uint8 colour image, BGR, read as what is marked and encoded again."""
        path = self.color_path(scene_id, image_id)
        image = posed_images.read_color(path, to_encode=True)
        posed_images.check_size(path, image.shape[1::-1], self.color_size(scene_id))
        return image

    def color_path(self, scene_id: str, image_id: str) -> Path:
        """Where `color` is read from."""
        return self._image_path(scene_id, image_id, "image_path")

    def geometry_hash(self, scene_id: str) -> str:
        """Digest of all that decides what a frame sees, depth images apart.

        Tables store it, so that one made before the poses changed is recognised as stale.
        """
        if not isinstance(self._infos, SceneInfos):
            return self._digest_of_geometry(scene_id)
        if scene_id not in self._hashes:
            found = self._found(scene_id, "geometry", self._digest_of_geometry)
            self._hashes[scene_id] = found
        return self._hashes[scene_id]

    def _digest_of_geometry(self, scene_id: str) -> str:
        image_ids, poses = self.valid_frames(scene_id)
        sizes = [self.color_size(scene_id), self.depth_size(scene_id)]
        points = self._scene(scene_id).get("points_digest")
        told = [image_ids, poses, self.intrinsic(scene_id), sizes, points]
        images = self._get(scene_id, "images_info")
        if any(CAMERA in images[image_id] for image_id in image_ids):
            told.append(self.intrinsics(scene_id, image_ids))
        return digest(told)

    def objects_hash(self, scene_id: str) -> str:
        """Digest of what is annotated: objects, their categories and their boxes."""
        return self._found(scene_id, "objects", self._digest_of_objects)

    def _digest_of_objects(self, scene_id: str) -> str:
        ids = self.object_ids(scene_id)
        return digest([[i, self.category(scene_id, i), self.aligned_box(scene_id, i)] for i in ids])

    def _found(self, scene_id: str, what: str, look: Callable[[str], T]) -> T:
        """What a look at the info of a scene finds, or has found while the infos are the same."""
        if self.looks is None:
            return look(scene_id)
        found = self.looks.recall(scene_id, what, self._state)
        if found is None:
            found = look(scene_id)
            self.looks.note(scene_id, what, self._state, found, 0)
        return found

    def input_hash(self, scene_id: str) -> str:
        """Digest of the geometry of a scene and of the files that its info was made from, images
        by name and size. What was found about another one may not hold."""
        return digest([self.geometry_hash(scene_id), self.made_from(scene_id)])

    def _made_once(self, scene_id: str, name: str, make: Callable[[], T]) -> T:
        """`make()`, kept for infos on the disk, which do not change, until another scene is asked
        about."""
        if not isinstance(self._infos, SceneInfos):
            return make()
        if self._last[0] != scene_id:
            self._last = (scene_id, {})
        if name not in self._last[1]:
            self._last[1][name] = make()
        return self._last[1][name]

    def _scene(self, scene_id: str) -> dict[Any, Any]:
        if scene_id not in self._infos:
            raise BadDataError(f"scene info: no {scene_id}; {remedy_of(self.dataset)}")
        return self._infos[scene_id]

    def _get(self, scene_id: str, key: Any) -> Any:
        info = self._scene(scene_id)
        if key not in info:
            raise self._bad(scene_id, key)
        return info[key]

    def _matrix(self, scene_id: str, key: str) -> np.ndarray:
        matrix = self._get(scene_id, key)
        if not np.isfinite(matrix).all():
            raise self._bad(scene_id, key)
        return matrix

    def _size(self, scene_id: str, key: str) -> tuple[int, int]:
        size = self._get(scene_id, key)
        if min(size) <= 0:
            raise self._bad(scene_id, key)
        return size

    def _array(
        self, scene_id: str, name: str, columns: int | None, kinds: str = "iuf"
    ) -> np.ndarray:
        """A numeric array of a scene, (n, columns), or (n,) for None."""
        path = instance_data_dir(self.dataset) / scene_id / name
        remedy = "run spatial_engine/utils/scannet_utils/batch_load_scannet_data.py"
        try:
            with naming(path):
                np.load(path, mmap_mode="r", allow_pickle=False)  # claims no more than there is
                array = np.load(path, allow_pickle=False)  # a map of a failing disk ends it all
        except FileNotFoundError:
            raise MissingFileError(f"{path}: no such file; {remedy}") from None
        except Exception as error:  # a damaged header can raise almost anything
            raise BadDataError(f"{path}: cannot be read ({error}); {remedy}") from None
        expected = () if columns is None else (columns,)
        if not isinstance(array, np.ndarray) or array.dtype.kind not in kinds:
            raise BadDataError(f"{path}: not an array of numbers; {remedy}")
        if array.ndim == 0 or array.shape[1:] != expected:
            raise BadDataError(f"{path}: has the shape {array.shape}; {remedy}")
        return array

    def _image_path(self, scene_id: str, image_id: str, key: str) -> Path:
        image = self._get(scene_id, "images_info").get(image_id)
        name = None if image is None else image[key]
        if name is None or not name.isprintable():
            raise self._bad(scene_id, f"{key} of {image_id}")
        path = Path(name)
        if path.is_absolute() or ".." in path.parts:
            raise self._bad(
                scene_id, f"{key} of {image_id} (it points outside {self.dataset.folder})"
            )
        return self.dataset.folder / path

    def _bad(self, scene_id: str, key: Any) -> BadDataError:
        return BadDataError(
            f"scene info: {scene_id} has no usable {key}; {remedy_of(self.dataset)}"
        )
