"""Times the preparation of captures of every format: frames, and the points of the scene.

Makes one room in each format once in --folder, 120 frames of the sizes that real captures have
(40 are ray-cast, and shown three times), then prepares it on one core, each against its floor in
the same run. Of frames this is decoding the source's own coding, colour only where it does not
stay the JPEG that it is, encoding one depth PNG and, of other colour, one JPEG, and writing. Of
points fused from depth it is decoding the written depth and colour once. Times are of the
processor, not of the clock, since machines are shared. Peak memory is that of the whole command,
for every fourth frame and for all.

    python benchmarks/bench_captures.py --folder /tmp/bench [--turns 3] [--only tum ...]
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

# First, as it sets the number of threads before numpy is imported.
from common import Bench, make_parser, results_path, run_command, take_turns

# isort: split
import cv2
import numpy as np

from spatial_engine.sample_data.captures import room
from spatial_engine.sample_data.captures.room import CaptureRoom
from spatial_engine.sample_data.captures.scannetpp import Quirks, write_lists
from spatial_engine.sample_data.rendering.sensor import EXACT, REAL, Sensor
from spatial_engine.utils.capture_utils import formats
from spatial_engine.utils.capture_utils.codings import lzfse
from spatial_engine.utils.capture_utils.options import CaptureOptions
from spatial_engine.utils.pictures import jpeg, png
from spatial_engine.utils.preparation import prepare
from spatial_engine.utils.preparation.capture import Capture
from spatial_engine.utils.preparation.plan import Wanted
from spatial_engine.utils.preparation.prepare import Source
from spatial_engine.utils.scannetpp_utils import capture as scannetpp
from spatial_engine.utils.scannetpp_utils.depth_bin import DepthBin
from spatial_engine.utils.scenes import posed_images
from spatial_engine.utils.storage import files

RENDERED, SHOWN = 40, 3  # frames, and how often: forth, back and forth again
MOST_RENDERED = 1400  # pixels of a side; larger images are enlarged
FEWER = 4  # every n-th frame is kept where memory with fewer frames is measured
PREPARE = "spatial_engine/utils/capture_utils/prepare_captures.py"
SCENE_PP, VIDEO_ARKIT = "0a7cc12c0e", "41069021"

# (colour size, depth size, sensor) of the rooms. LiDAR depth is smooth; that of Kinects is noisy.
VGA = ((640, 480), (640, 480), REAL)
PHONE = ((1920, 1440), (256, 192), EXACT)
UPRIGHT = ((1440, 1920), (192, 256), EXACT)
LIDAR = ((256, 192), (256, 192), EXACT)
REPLICA = ((1200, 680), (1200, 680), EXACT)


@dataclass(frozen=True)
class Kind:
    """How captures of a format are made and prepared.

    writer: (module, arguments) of the sample writer; place: of the capture below its folder;
    flags: of the command; coded: what the floor decodes, frame by frame: (colour as `Picture` has
    it, depth in millimetres).
    """

    room: tuple[tuple[int, int], tuple[int, int], Sensor]
    coded: Callable[[Path], Iterator[tuple[bytes | np.ndarray, np.ndarray]]]
    what: str
    module: str
    place: str = "{name}"
    arguments: dict[str, Any] | None = None
    options: CaptureOptions | None = None
    flags: tuple[str, ...] = ()
    command: str = PREPARE


# ---- what must be decoded ------------------------------------------------------------------------


def depth_of(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def color_of(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def from_files(color: str, depth: str, confidence: str, folder: Path):
    """Colour, depth and confidence by patterns of their names; colour stays where it is JPEG."""
    others = sorted(folder.rglob(confidence)) if confidence else [None] * RENDERED * SHOWN
    paths = zip(sorted(folder.rglob(color)), sorted(folder.rglob(depth)), others, strict=True)
    for color_path, depth_path, confidence_path in paths:
        data = color_path.read_bytes()
        if confidence_path:
            depth_of(confidence_path.read_bytes())
        image = color_of(data) if color.endswith(".png") else data
        yield image, depth_of(depth_path.read_bytes())


def from_polycam(folder: Path):
    """Colour stays JPEG, and is decoded nevertheless: depth under a black border is taken out."""
    names = "corrected_images/*.jpg", "depth/*.png", "confidence/*.png"
    for color, depth in from_files(*names, folder):
        jpeg.decode(color, folder, "")
        yield color, depth


def from_r3d(path: Path):
    with zipfile.ZipFile(path) as archive:
        for number in range(RENDERED * SHOWN):
            data = archive.read(f"rgbd/{number}.depth")
            metres = np.frombuffer(lzfse.decompress(data, 2**24), "<f4").reshape(UPRIGHT[1][::-1])
            lzfse.decompress(archive.read(f"rgbd/{number}.conf"), 2**24)
            mm = np.rint(np.nan_to_num(metres) * 1000).astype(np.uint16)
            yield archive.read(f"rgbd/{number}.jpg"), mm


def from_stray(folder: Path):
    of_depth = from_files("depth/*.png", "depth/*.png", "confidence/*.png", folder)
    for image, (_, depth) in zip(video_frames(folder / "rgb.mp4"), of_depth, strict=True):
        yield image, depth


def from_scannetpp(folder: Path):
    phone = folder / scannetpp.PHONE
    depths = DepthBin(phone / scannetpp.DEPTH_BIN).read(range(RENDERED * SHOWN))
    yield from zip(video_frames(phone / "rgb.mkv"), depths, strict=True)


def video_frames(path: Path) -> Iterator[np.ndarray]:
    one_thread = (cv2.CAP_PROP_N_THREADS, 1)
    video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, one_thread)
    for _ in range(RENDERED * SHOWN):
        yield video.read()[1]


JPEGS = partial(from_files, "*.jpg", "depth/*.png", "")
KEPT = "depth PNG; colour stays JPEG"
KINDS = {
    "7scenes": Kind(
        VGA, partial(from_files, "*color.png", "*depth.png", ""), "colour and depth PNG",
        "seven_scenes",
    ),
    "tum": Kind(
        VGA, partial(from_files, "rgb/*.png", "depth/*.png", ""), "colour and depth PNG", "tum",
        options=CaptureOptions(intrinsics=(576.0, 576.0, 326.4, 230.4)),
        flags=("--intrinsics", "576", "576", "326.4", "230.4"),
    ),
    "redwood": Kind(VGA, JPEGS, KEPT, "redwood"),
    "replica": Kind(
        REPLICA, partial(from_files, "results/*.jpg", "results/*.png", ""), KEPT, "replica"
    ),
    "colmap": Kind(VGA, JPEGS, KEPT, "colmap", flags=("--metres-per-unit", "2.5")),
    "transforms": Kind(PHONE, JPEGS, KEPT, "transforms"),
    "polycam": Kind(
        PHONE, from_polycam, "depth and confidence PNG; JPEG, as borders are looked for", "polycam",
    ),
    "record3d": Kind(
        UPRIGHT, from_r3d, "depth and confidence LZFSE; colour stays JPEG", "record3d",
        "{name}.r3d",
    ),
    "stray": Kind(PHONE, from_stray, "video, depth and confidence PNG", "stray"),
    "arkitscenes": Kind(
        LIDAR, partial(from_files, "lowres_wide/*.png", "lowres_depth/*.png", ""),
        "colour and depth PNG", "arkitscenes", f"3dod/Training/{VIDEO_ARKIT}",
        arguments={"video_id": VIDEO_ARKIT},
        command="spatial_engine/utils/arkitscenes_utils/prepare_arkitscenes.py",
    ),
    "scannetpp": Kind(
        PHONE, from_scannetpp, "video, depth.bin", "scannetpp", f"data/{SCENE_PP}",
        command="spatial_engine/utils/scannetpp_utils/prepare_scannetpp.py",
    ),
}  # fmt: skip


# ---- captures ------------------------------------------------------------------------------------


@cache
def make_room(of: tuple[tuple[int, int], tuple[int, int], Sensor]) -> CaptureRoom:
    """A room of which every frame is shown several times."""
    color, depth, sensor = of
    rendered = color if max(color) <= MOST_RENDERED else (color[0] * 2 // 3, color[1] * 2 // 3)
    made = room.make_room(rendered, depth, num_frames=RENDERED, sensor=sensor)
    if rendered != color:
        scale = np.diag([color[0] / rendered[0], color[1] / rendered[1], 1.0])
        larger = [
            replace(frame, image=cv2.resize(frame.image, color), K=scale @ frame.K)
            for frame in made.frames
        ]
        made = replace(made, color_size=color, frames=larger)
    shown = [frame for k in range(SHOWN) for frame in made.frames[:: -1 if k % 2 else 1]]
    frames = [replace(frame, number=n, time=n / 10) for n, frame in enumerate(shown)]
    return replace(made, frames=frames)


def make_capture(root: Path, name: str) -> Path:
    """The capture of a format below `root`, made where it is missing."""
    kind = KINDS[name]
    # Data sets that are downloaded whole have places of their own.
    above = root / ("captures" if kind.command == PREPARE else f"data/{name}")
    path = above / kind.place.format(name=name)
    if not path.exists():
        module = import_module(f"spatial_engine.sample_data.captures.{kind.module}")
        part = root / f"part_{name}"
        files.remove(part)
        part.mkdir(parents=True)
        made = make_room(kind.room)
        if name == "arkitscenes":
            module.write(made, part, video_id=VIDEO_ARKIT)
            module.write_lists(part, {VIDEO_ARKIT: "Training"})
        elif name == "scannetpp":
            module.LOSSLESS = "XVID"  # decoded in 5 ms, as the HEVC of phones; FFV1 takes 150
            module.write(made, part / kind.place, Quirks())
            write_lists(part, [SCENE_PP], [])
        else:
            module.write(made, part / path.name)
        above.parent.mkdir(parents=True, exist_ok=True)
        if kind.command == PREPARE:
            above.mkdir(exist_ok=True)
            (part / path.name).rename(path)
        else:
            part.rename(above)
        files.remove(part)
    return (
        next(iter(formats.find_captures(name, [path]).values()))
        if name in formats.READERS
        else path
    )


def make_source(name: str, path: Path, root: Path) -> Source:
    """The capture as its command opens it, with fingerprints of its files."""
    about = {"format": name, "path": str(path)}
    opener: Callable[[], Capture]
    if name == "arkitscenes":
        from spatial_engine.utils.arkitscenes_utils.prepare_arkitscenes import make_source as make

        return make(root, path, VIDEO_ARKIT)
    if name == "scannetpp":
        from spatial_engine.utils.scannetpp_utils.prepare_scannetpp import make_source as make

        return make(root, None, SCENE_PP)
    options = KINDS[name].options or CaptureOptions()
    opener = partial(formats.open_capture, name, path, options)
    return Source(opener, formats.fingerprint(path, root), about)


# ---- stages --------------------------------------------------------------------------------------


class CaptureBench(Bench):
    """Frames and points of each format."""

    def format(self, name: str, quick: bool) -> None:
        kind = KINDS[name]
        path = make_capture(self.root, name)
        wanted = Wanted(1, metres_per_unit=2.5 if name == "colmap" else None)
        frames_dir = self.root / "prepared" / name

        def frames(out: Path) -> None:
            prepare.extract_frames((name, make_source(name, path, self.root), wanted), out)

        def frames_floor(out: Path) -> None:
            for number, (color, depth) in enumerate(kind.coded(path)):
                data = color if isinstance(color, bytes) else jpeg.encode(color)
                (out / f"{number:05d}.jpg").write_bytes(data)
                (out / f"{number:05d}.png").write_bytes(png.encode(depth))

        def points(out: Path) -> None:
            prepare.make_points((name, make_source(name, path, self.root), frames_dir), out)

        def points_floor(_: Path) -> None:
            written = sorted(frames_dir.glob("*.png"))
            depth_size = posed_images.read_image_size(written[0])
            for path in written:
                posed_images.read_depth(path, depth_size)
                jpeg.decode(path.with_suffix(".jpg").read_bytes(), path, "")

        files.remove(frames_dir)
        frames_dir.mkdir(parents=True)
        frames(frames_dir)
        count = len(list(frames_dir.glob("*.png")))
        memory = [] if quick else [self.peak(name, path, skip) for skip in (FEWER, 1)]
        self.note(name, "frames", count, frames, frames_floor, memory, kind.what)
        if not quick and make_source(name, path, self.root).open().mesh is None:
            what = "decoding the written depth and colour once"
            self.note(name, "points", count, points, points_floor, [], what)

    def note(self, name, part, count, stage, floor, memory, what) -> None:
        turns = self.turns if part == "frames" else 1  # points take long
        times = take_turns(stage, floor, self.scratch, turns)
        more, less = (memory[1], memory[0]) if memory else (0, 0)
        self.add(f"{name} {part}", "frames", count, *times, more, what)
        (color, depth, _) = KINDS[name].room
        sizes = ", ".join(f"{width}x{height}" for width, height in (color, depth))
        self.measured[-1] |= {"peak_mib_fewer": less, "sizes": sizes}

    def peak(self, name: str, path: Path, skip: int) -> float:
        """Peak memory (MiB) of the command that prepares every n-th frame."""
        kind = KINDS[name]
        flags = ["--frame-skip", str(skip)]
        if kind.command == PREPARE:
            flags = ["--format", name, "--input", str(path), "--dataset", f"bench_{name}",
                     "--frame-skip", str(skip), *kind.flags]  # fmt: skip
        else:
            flags = ["--frame-skip", str(skip)]
        return run_command(kind.command, self.root, *flags)[1]


def main() -> None:
    parser = make_parser(__doc__, turns=3)
    parser.add_argument("--only", nargs="*", choices=tuple(KINDS), default=tuple(KINDS))
    parser.add_argument("--quick", action="store_true", help="frames alone, and no memory")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    bench = CaptureBench(args.folder, args.turns)
    for name in args.only:
        bench.format(name, args.quick)
        print(*bench.measured[-2:], sep="\n", flush=True)
    bench.show(results_path(args.folder, __file__))


if __name__ == "__main__":
    main()
