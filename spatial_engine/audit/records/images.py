"""The images that a record shows: their names, frames and sizes.

How docs/spec.md was read where it leaves a choice, by section:
- 3.2 the stored JPEG bytes as they are: an image without marks is that of its frame in the
  `.sens`, byte for byte, where it is on disk. Of other data sets: `captures.capture`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from spatial_engine.audit.raw.ids import FRAME_PATTERN, frame_of
from spatial_engine.audit.raw.kept import kept
from spatial_engine.audit.raw.limits import RawDataError
from spatial_engine.audit.raw.pictures import PictureError, read_file
from spatial_engine.audit.raw.posed import PosedScene

SCENE_PATTERN = "[A-Za-z0-9_-]+"


def posed_image(path: object) -> tuple[str, str] | str:
    """(scene id, frame id) of an image of posed_images, or a complaint."""
    match = isinstance(path, str) and re.fullmatch(
        f"({SCENE_PATTERN})/({FRAME_PATTERN})[.]jpg", path
    )
    if not match:
        return f"image: {path!r} is not <scene>/<frame>.jpg"
    return match[1], frame_of(match[2])


def marked_image(path: object) -> tuple[str, str] | str:
    """(scene id, id of the frame shown) of an image with marks, or a complaint."""
    pattern = f"({SCENE_PATTERN})/({FRAME_PATTERN})_[A-Za-z0-9_-]+[.]jpg"
    match = isinstance(path, str) and re.fullmatch(pattern, path)
    if not match:
        return f"image: {path!r} is not <scene>/<frame>_<name>.jpg"
    return match[1], frame_of(match[2])


def check_list_of_images(images: object, count: int) -> list[str]:
    """A record's `image` is a list of as many paths as its task shows."""
    if isinstance(images, list) and len(images) == count:
        return []
    wanted = {1: "one path", 2: "two paths"}[count]
    return [f"image: {images!r} is not a list of {wanted}"]


def image_pair(record: dict, read: Callable[[object], tuple[str, str] | str]) -> tuple | str:
    """(scene id, frame id of Image-1, of Image-2), or a complaint. read: of one path."""
    wrong = check_list_of_images(record.get("image"), 2)
    if wrong:
        return wrong[0]
    found = [read(path) for path in record["image"]]
    for one in found:
        if isinstance(one, str):
            return one
    (scene1, id1), (scene2, id2) = found
    if scene1 != scene2:
        return f"image: two scenes, {scene1} and {scene2}"
    if id1 == id2:
        return f"image: frame {id1} twice"
    return scene1, id1, id2


def check_frame(scene: PosedScene, frame_id: str) -> str:
    """Complaint about a frame that no question may be about, or ""."""
    if int(frame_id) % scene.frame_step:
        return f"image: frame {frame_id} is not a multiple of {scene.frame_step}"
    if frame_id not in scene.frame_ids():
        return f"image: scene {scene.scene_id} has no frame {frame_id}"
    if not scene.is_valid(frame_id):
        return f"image: frame {frame_id} has no valid pose"
    return ""


def check_images(record: dict, scene: PosedScene) -> list[str]:
    """The images of a record of known frames: their sizes, and that they show these frames.

    height_list and width_list hold the size of the scene's colour frames, once for each image.
    """
    (width, height), images = scene.colour_size, len(record["image"])
    complaints = [check_stored(scene, path) for path in record["image"]]
    complaints = [complaint for complaint in complaints if complaint]
    for field, size in (("height_list", [height] * images), ("width_list", [width] * images)):
        if record.get(field) != size:
            complaints.append(f"{field}: {record.get(field)!r}, the frames have {size}")
    return complaints


@kept
def check_stored(scene: PosedScene, name: str) -> str:
    """Complaint about an image of posed_images that cannot be its frame's, or "".

    What is not there, as without a copy of the images, is not judged; nor is a marked image.
    """
    posed = posed_image(name)
    if isinstance(posed, str):
        return ""
    path = scene.posed_images / Path(name).name
    try:
        content = read_file(path)
    except FileNotFoundError:
        return ""
    except (OSError, PictureError) as err:
        return f"image: {path} cannot be read: {getattr(err, 'strerror', None) or err}"
    try:
        wrong = scene.why_not_stored(posed[1], content)
    except RawDataError as err:
        return f"raw data: {err}"
    return f"image: {path} {wrong}" if wrong else ""
