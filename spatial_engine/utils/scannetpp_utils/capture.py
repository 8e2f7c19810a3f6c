"""A phone capture of ScanNet++, `data/scannetpp/data/<scene>/`, as a `Capture`.

What the owners' tool extracts (`iphone/rgb/`, `depth/`, `rgb_masks/`) is read where it is there,
else the files that are downloaded (`rgb.mkv`, `depth.bin`, `rgb_mask.mkv`). All are joined by the
number of the video frame: a video may have one frame more than there are poses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from spatial_engine.errors import BadDataError, MissingFileError
from spatial_engine.utils.preparation.capture import Capture, Picture
from spatial_engine.utils.preparation.images.video import Video
from spatial_engine.utils.scannetpp_utils import anonymised, poses, scan
from spatial_engine.utils.scannetpp_utils.depth_bin import FILE as DEPTH_BIN
from spatial_engine.utils.scannetpp_utils.depth_bin import DepthBin
from spatial_engine.utils.scannetpp_utils.frame_files import (
    EXTRACT,
    ColorFolder,
    FrameFolder,
    PngFolder,
)  # fmt: skip
from spatial_engine.utils.scannetpp_utils.json_files import REMEDY
from spatial_engine.utils.scannetpp_utils.poses import IMAGE_SIZE, PosedFrames
from spatial_engine.utils.storage.input_files import missing

PHONE = "iphone"  # the folder of a scene that its phone capture is in
COLOR, MASKS, DEPTH = "rgb", "rgb_masks", "depth"  # extracted
VIDEOS, MASK_VIDEO = ("rgb.mkv", "rgb.mp4"), "rgb_mask.mkv"
UP = np.array([0.0, 0.0, 1.0])
# How far apart the last frames of poses, colour and depth may lie, in shares of the frames: farther
# apart, one of them was cut off. At least one frame, as real captures have it.
END_SHARE = 0.01
NO_COLOR, NO_DEPTH, NO_MASK = "no colour", "no depth", "no mask of what is anonymised"


def open_capture(folder: Path, labels: Mapping[str, str | None] | None = None) -> Capture:
    """The phone capture of the scene in `folder`; `labels` maps labels of objects (`label_map.py`),
    None leaves them as annotated.

    Intrinsics are for images of 1920x1440; where images were made smaller, they are with them.
    Raises `BadDataError` naming file, cause and remedy.
    """
    phone = folder / PHONE
    _check_format(folder)
    posed = poses.read_posed_frames(phone / poses.FILE)
    color = _open_color(phone)
    depth = _open_depth(phone)
    masks = _open_masks(phone, color.size)
    _check_ends(phone, posed, color, depth)
    kept, left_out = _join(posed, color, depth, masks)
    if not kept.any():
        raise BadDataError(f"{phone}: no frame has pose, colour and depth; {EXTRACT}")
    return Capture(
        numbers=posed.numbers[kept],
        poses=posed.poses[kept],
        intrinsics=_scaled(posed.intrinsics[kept], color, phone),
        color_size=color.size,
        images=partial(_pictures, color, depth, masks, phone),
        up=UP.copy(),
        metric=True,
        left_out=left_out,
        mesh=partial(scan.read_mesh, folder, labels) if scan.has_mesh(folder) else None,
        may_be_turned=True,  # the video is as the sensor gave it
    )


def _check_format(folder: Path) -> None:
    """Raise `BadDataError` for a folder that is no scene of ScanNet++, or one without phone."""
    phone = folder / PHONE
    if phone.is_dir():
        return
    if not folder.is_dir():
        raise MissingFileError(missing(folder, REMEDY, "folder"))
    if (folder / poses.FILE).is_file():
        raise BadDataError(f"{folder}: is the {PHONE} folder of a scene; give the one above it")
    if (folder / "dslr").is_dir() or (folder / "scans").is_dir():
        raise BadDataError(
            f"{folder}: has no {PHONE} folder, and only its images have depth; download that asset"
        )
    raise BadDataError(
        f"{folder}: is no scene of ScanNet++ (no folder {PHONE}, dslr or scans in it); give a "
        "folder data/<10 hex digits> of the download"
    )


def _open_color(phone: Path) -> ColorFolder | Video:
    if (phone / COLOR).is_dir():
        return ColorFolder(phone / COLOR)
    there = [phone / name for name in VIDEOS if (phone / name).exists()]
    if not there:
        raise MissingFileError(
            missing(phone / VIDEOS[0], f"download it, or extract its frames to {COLOR}/")
        )
    return Video(there[0], REMEDY)


def _open_depth(phone: Path) -> PngFolder | DepthBin:
    if (phone / DEPTH).is_dir():
        return PngFolder(phone / DEPTH, 16)
    if not (phone / DEPTH_BIN).exists():
        raise MissingFileError(
            missing(phone / DEPTH_BIN, "the capture has no depth: download it, or leave it out")
        )
    return DepthBin(phone / DEPTH_BIN)


def _open_masks(phone: Path, size: tuple[int, int]) -> PngFolder | Video | None:
    """Masks of what is anonymised, which must be of the `size` of the colour images; None where a
    capture has none."""
    masks: PngFolder | Video | None = None
    if (phone / MASKS).is_dir():
        masks = PngFolder(phone / MASKS, 8)
    elif (phone / MASK_VIDEO).exists():
        masks = Video(phone / MASK_VIDEO, REMEDY)
    if masks is not None and masks.size != size:
        where = phone / (MASKS if isinstance(masks, PngFolder) else MASK_VIDEO)
        raise BadDataError(
            f"{where}: has {masks.size[0]}x{masks.size[1]} pixels, the colour images "
            f"{size[0]}x{size[1]}; {EXTRACT}"
        )
    return masks


def _check_ends(
    phone: Path, posed: PosedFrames, color: ColorFolder | Video, depth: PngFolder | DepthBin
) -> None:
    """Raise `BadDataError` where poses, colour or depth end long before another of them does.

    A folder with gaps may end early: only some of the frames were wanted. Where a video or a stream
    ends is not known before it is read; they are held to the frames that are wanted.
    """
    counts = {poses.FILE: posed.last + 1}
    may_be_short = set()
    for name, source in ((COLOR, color), (DEPTH, depth)):
        if isinstance(source, FrameFolder):
            counts[name] = int(source.numbers[-1]) + 1
            if counts[name] > len(source.numbers):
                may_be_short.add(name)
    if isinstance(depth, DepthBin) and depth.count is not None:
        counts[DEPTH_BIN] = depth.count
    longest = max(counts, key=counts.__getitem__)
    shortest = min(counts.keys() - may_be_short, key=lambda name: (counts[name], name))
    if counts[longest] - counts[shortest] > max(1, END_SHARE * counts[longest]):
        raise BadDataError(
            f"{phone / shortest}: ends after frame {counts[shortest] - 1}, {longest} after frame "
            f"{counts[longest] - 1}; get the one that was cut off again"
        )


def _join(
    posed: PosedFrames,
    color: ColorFolder | Video,
    depth: PngFolder | DepthBin,
    masks: PngFolder | Video | None,
) -> tuple[np.ndarray, dict[str, int]]:
    """Which posed frames have all that they need, (n,) bool; how many frames do not, by why."""
    kept = np.ones(len(posed.numbers), bool)
    left_out = Counter(posed.left_out)
    for source, why in ((color, NO_COLOR), (depth, NO_DEPTH), (masks, NO_MASK)):
        has = np.ones(len(kept), bool)
        if isinstance(source, FrameFolder):
            has = np.isin(posed.numbers, source.numbers)
        elif isinstance(source, DepthBin) and source.count is not None:
            has = posed.numbers < source.count
        left_out[why] += int((kept & ~has).sum())
        kept &= has
    return kept, dict(+left_out)


def _scaled(intrinsics: np.ndarray, color: ColorFolder | Video, phone: Path) -> np.ndarray:
    """Intrinsics (n, 3, 3) for images of the size that is there."""
    width, height = color.size
    if width * IMAGE_SIZE[1] != height * IMAGE_SIZE[0]:
        raise BadDataError(
            f"{phone}: colour images have {width}x{height} pixels, which are not "
            f"{IMAGE_SIZE[0]}x{IMAGE_SIZE[1]} made smaller, and the intrinsics are for those; "
            f"{EXTRACT}"
        )
    return intrinsics * np.array([width / IMAGE_SIZE[0], height / IMAGE_SIZE[1], 1.0])[:, None]


def _pictures(
    color: ColorFolder | Video,
    depth: PngFolder | DepthBin,
    masks: PngFolder | Video | None,
    phone: Path,
    numbers: Sequence[int],
) -> Iterator[Picture]:
    """Pictures of the wanted frames; without what is anonymised, in colour and in depth."""
    numbers = [int(number) for number in numbers]
    hidden = _hidden(masks, numbers)
    for number, image, depth_mm, covered in zip(
        numbers, color.read(numbers), depth.read(numbers), hidden, strict=True
    ):
        if covered is not None and covered.any():
            image = anonymised.black_out(image, covered, f"{phone}: colour of frame {number}")
            depth_mm = anonymised.take_out(depth_mm, covered)
        yield Picture(number, image, depth_mm)


def _hidden(masks: PngFolder | Video | None, numbers: Sequence[int]) -> Iterator[np.ndarray | None]:
    """What is anonymised in each frame, (height, width) bool; None without masks."""
    if masks is None:
        yield from (None for _ in numbers)
    elif isinstance(masks, PngFolder):
        yield from (mask < anonymised.KEEP for mask in masks.read(numbers))
    else:
        yield from (image[..., 0] < anonymised.KEEP_IN_VIDEO for image in masks.read(numbers))
