"""ScanNet step 2: frames with their poses, out of the `.sens` files.

Reads  data/scannet/scans/<scene>/<scene>.sens, as a stream: memory does not grow with its length.
Writes data/scannet/posed_images/<scene>/{id:05d}.jpg (the stored bytes), {id:05d}.png (depth in
       millimetres), {id:05d}.txt (camera-to-world pose) and intrinsic.txt.
Costs  mostly inflating and encoding depth (docs/performance.md).
"""

from __future__ import annotations

import spatial_engine  # noqa: F401  # first, see its __init__

# isort: split
import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from spatial_engine.errors import BadDataError
from spatial_engine.utils import paths
from spatial_engine.utils.geometry.cameras import is_valid_pose, singular_fault
from spatial_engine.utils.pictures import jpeg, png
from spatial_engine.utils.running import cli
from spatial_engine.utils.running.scene_runner import PartResult, SceneJob
from spatial_engine.utils.running.step import Step
from spatial_engine.utils.scannet_utils import split_lists
from spatial_engine.utils.scannet_utils.sens import REMEDY, SensFrame, SensReader
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.storage import files
from spatial_engine.utils.storage.looks import Looks

log = logging.getLogger(__name__)

FRAME_SKIP = 5  # frames; every 5th is kept ("D5"), which is all that later steps read; 1 keeps all

MILLIMETRES = 1000.0  # depth shift of the PNGs written here: units in a metre
JPEG_QUALITY = 95  # for the rare .sens whose colour is not JPEG already


def extract_scene(arguments: tuple[Path, int], part_dir: Path) -> PartResult:
    """Write every `frame_skip`-th frame of one `.sens` file."""
    path, frame_skip = arguments
    kept = lost = unmeasured = 0
    damaged = []
    with SensReader(path) as sens:
        if not len(sens):
            raise BadDataError(f"{path}: holds no frames; {REMEDY}")
        intrinsic = posed_images.format_matrix(sens.header.color_intrinsic.astype(np.float64))
        (part_dir / posed_images.INTRINSIC_FILE).write_text(intrinsic)
        for number, frame in sens.frames(frame_skip):
            name = posed_images.frame_id(number)
            depth = to_millimetres(sens.depth_image(frame), sens.header.depth_shift)
            (part_dir / f"{name}.jpg").write_bytes(color_jpeg(sens, number, frame))
            (part_dir / f"{name}.png").write_bytes(png.encode(depth))
            pose = posed_images.format_matrix(frame.camera_to_world.astype(np.float64))
            (part_dir / f"{name}.txt").write_text(pose)
            kept += 1
            lost += not is_valid_pose(frame.camera_to_world)
            if fault := singular_fault(frame.camera_to_world):
                damaged.append(f"{path}: frame {number} has no valid pose, {fault}; {REMEDY}")
            unmeasured += not depth.any()
    notes = {"without a valid pose": lost, "without depth": unmeasured}
    return PartResult(counts={"frames": kept}, notes={"frames": notes}, damaged=damaged)


def to_millimetres(depth: np.ndarray, depth_shift: float) -> np.ndarray:
    """uint16 depth of `depth_shift` units a metre as millimetres, to the nearest.

    0 stays 0 (not measured); 65.535 m, the most that 16 bits hold, stands for all beyond.
    """
    if depth_shift == MILLIMETRES:
        return depth
    scaled = np.rint(depth * MILLIMETRES / depth_shift)
    return np.minimum(scaled, np.iinfo(np.uint16).max).astype(np.uint16)


def color_jpeg(sens: SensReader, number: int, frame: SensFrame) -> bytes:
    """The stored JPEG bytes as they are; raw and PNG colour is encoded once."""
    kind = sens.header.color_compression
    width, height = sens.header.color_size
    data = np.frombuffer(frame.color_bytes, np.uint8)
    if kind == "jpeg":
        if frame.color_bytes[:2] != b"\xff\xd8":
            raise BadDataError(f"{sens.path}: frame {number} holds no JPEG; {REMEDY}")
        found = jpeg.read_size(frame.color_bytes, f"{sens.path}: frame {number}", REMEDY)
        if found != (width, height):  # the intrinsics are for the size that the header tells
            raise BadDataError(
                f"{sens.path}: the image of frame {number} has {found[0]}x{found[1]} pixels, the "
                f"header says {width}x{height}; {REMEDY}"
            )
        return frame.color_bytes
    if kind == "png":
        whole = png.is_whole(frame.color_bytes, (width, height))
        image = cv2.imdecode(data, cv2.IMREAD_COLOR) if whole else None
    else:
        whole = len(data) == 3 * width * height
        image = data.reshape(height, width, 3)[..., ::-1] if whole else None  # stored as RGB
    if image is None or image.shape[:2] != (height, width):
        raise BadDataError(f"{sens.path}: the colour of frame {number} is damaged; {REMEDY}")
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()


def check_disk(jobs: Sequence[SceneJob], folder: Path, frame_skip: int) -> None:
    """Refuse to start when the disk is short. Kept frames take about their share of the `.sens`."""
    num_files = num_bytes = 0
    for job in jobs:
        path = job.arguments[0]
        try:
            with SensReader(path) as sens:
                num_files += 3 * -(-len(sens) // frame_skip) + 2
        except (BadDataError, OSError):
            continue  # named when its turn comes
        num_bytes += path.stat().st_size // frame_skip
    files.check_disk(folder, num_files, num_bytes)


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.make_parser(__doc__)
    cli.add_constant(parser, "FRAME_SKIP", FRAME_SKIP, "keep every n-th frame; 1 keeps all", 1)
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    step = Step("extract_posed_images", args, {"FRAME_SKIP": args.frame_skip}, __file__)
    if args.dataset.frame_step % args.frame_skip:
        log.warning(
            "later steps use every %dth frame: of every %dth, only those that are both remain",
            *(args.dataset.frame_step, args.frame_skip),
        )

    scenes = split_lists.listed_scenes(args, step)
    scenes = split_lists.present_scans(args.root, step, scenes, ".sens")
    folder = paths.posed_images_dir(args.dataset)
    looks = Looks.of(folder)
    jobs = [
        SceneJob(scene, (path, args.frame_skip), *looks.fingerprints(scene, [path], args.root))
        for scene in scenes
        for path in [paths.scan_dir(args.root, scene) / f"{scene}.sens"]
    ]
    check_disk(step.unfinished(jobs, folder), folder, args.frame_skip)
    step.make_folders(folder, jobs, extract_scene, unit="frames")
    return step.close()


if __name__ == "__main__":
    sys.exit(cli.run(main))
