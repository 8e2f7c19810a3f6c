"""Times object movement at true size: one adt clip of 300 frames of 512x512 and 1,000 points.

Makes the clip once in --folder (and 16 more under other names), then times, on one core and each in
turns with what it is compared with: reading the clip, writing its frames (reading it, writing the
same bytes), finding rigid bodies (a plain loop over the points, with its memory), the pairs, the
questions of both prompts (records per second) and the marked pictures (decoding and encoding the
same JPEGs).
At last 3 million records of one file are shuffled.

    python benchmarks/bench_movement.py --folder /tmp/bench [--turns 3]
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# First, as it sets the number of threads before numpy is imported.
from common import MAXRSS_PER_MIB, MEASURE, Bench, make_parser, results_path, run_command

# isort: split
import numpy as np

from spatial_engine.object_movement import clip_bodies, movement_questions
from spatial_engine.object_movement import single_object_movement_engine_coord as coord
from spatial_engine.object_movement.movement_pairs import MovementRule
from spatial_engine.object_movement.movement_questions import ClipRequest
from spatial_engine.sample_data import write_clip
from spatial_engine.utils import paths
from spatial_engine.utils.clips import clip_frames, clips
from spatial_engine.utils.geometry import rigid_bodies, sampling
from spatial_engine.utils.pictures import jpeg
from spatial_engine.utils.questions import marked_images, records

CLIP = "Apartment_release_meal_seq136_8"
NUM_CLIPS = 16
RULE = MovementRule(coord.STILL_M, coord.MOVED_M, coord.JITTER_TIMES, coord.STATIC_SHARE)
SHUFFLED = 3_000_000
SHUFFLE = """
import sys
from pathlib import Path
from spatial_engine.utils.geometry import sampling
from spatial_engine.utils.questions import records
source, output, times = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
records.shuffle_jsonl([source] * times, output, sampling.generator(0))
"""


def plain_changes(tracks: np.ndarray) -> np.ndarray:
    """What `rigid_bodies.distance_changes` gives, a point at a time: (n, n)."""
    total = np.zeros((tracks.shape[1],) * 2)
    for point in range(tracks.shape[1]):
        distances = np.linalg.norm(tracks - tracks[:, point : point + 1], axis=2)
        changes = np.abs(np.diff(distances, axis=0))
        total[point] = np.where(changes > rigid_bodies.TRACKING_NOISE_M, changes, 0).sum(axis=0)
    return total


class MovementBench(Bench):
    """The stages of one clip."""

    def __init__(self, root: Path, turns: int):
        super().__init__(root, turns)
        self.path = paths.clip_path(root, "adt", CLIP)
        if not self.path.exists():
            write_clip(self.path, seed=0, kind="adt", num_frames=300, num_points=1000)
        for number in range(NUM_CLIPS):
            copy = self.path.with_name(f"{CLIP}{number}.npz")
            if not copy.exists():
                copy.hardlink_to(self.path)
        self.frames = paths.clip_frames_dir(root)
        self.bodies = paths.clip_bodies_dir(root) / CLIP

    def stages(self) -> None:
        clip = clips.read_clip(self.path, camera_moves=True)
        print(f"{clip.tracks_cam.shape[:2]} frames and points")
        self.add("reading", "clips", 1,
                 *self.compare(lambda _: clips.read_clip(self.path, camera_moves=True),
                               lambda _: self.path.read_bytes()), 0,
                 "reading the bytes")  # fmt: skip

        def read_and_write(out: Path) -> None:
            self.path.read_bytes()
            for number, data in enumerate(clip.images):
                (out / f"{number}.jpg").write_bytes(data)

        self.add("frames", "clips", 1,
                 *self.compare(lambda out: clip_frames.write_clip_frames(self.path, out),
                               read_and_write), 0, "reading it, writing its images")  # fmt: skip
        self.add("rigid bodies", "clips", 1,
                 *self.compare(lambda _: rigid_bodies.rigid_bodies(clip.tracks_cam),
                               lambda _: plain_changes(clip.tracks_cam)), 0,
                 "a loop over points, distances alone")  # fmt: skip
        (self.frames / CLIP).mkdir(parents=True, exist_ok=True)
        write_missing = not any((self.frames / CLIP).iterdir())
        if write_missing:
            clip_frames.write_clip_frames(self.path, self.frames / CLIP)
        self.bodies.mkdir(parents=True, exist_ok=True)
        clip_bodies.write_clip_bodies(self.path, self.bodies)
        for prompt in movement_questions.PROMPTS:
            self.questions(prompt, clip)

    def questions(self, prompt: str, clip: clips.Clip) -> None:
        request = ClipRequest(
            prompt, "adt", "train", CLIP, 0, 15, 30, self.frames / CLIP, self.bodies,
            rule=RULE, sentences=movement_questions.load_sentences(prompt),
        )  # fmt: skip

        limits = movement_questions.limits_of(clip, request.dataset, RULE, {}, {})

        def draw() -> object:
            rng = sampling.generator(0)
            bodies = movement_questions.read_bodies(clip, self.bodies)
            return movement_questions.draw_pairs(rng, clip, bodies, request, limits, {}, {})

        pairs = draw()
        self.add(f"pairs, {prompt}", "pairs", len(pairs),
                 *self.compare(lambda _: draw(), lambda _: self.path.read_bytes()), 0,
                 "reading the clip's bytes")  # fmt: skip
        measured = movement_questions.measure(clip, pairs, limits.still_m)
        if prompt == "dot":
            keys = set(zip(pairs.first.tolist(), pairs.points.tolist(), strict=True))
            sources = [self.frames / CLIP / f"{frame:05d}.jpg" for frame, _ in sorted(keys)]

            def encode(out: Path) -> None:
                for number, path in enumerate(sources):
                    (out / f"{number}.jpg").write_bytes(
                        jpeg.encode(jpeg.read(path, "", to_encode=True))
                    )

            folder = marked_images.FOLDER
            self.add("marked pictures", "pictures", len(sources),
                     *self.compare(lambda out: movement_questions.draw_pictures(
                         clip, measured, request, out / folder), encode),
                     0, "decoding and encoding the same JPEGs")  # fmt: skip
            return

        def phrase(out: Path) -> None:
            for name in movement_questions.QUANTITIES:
                lines = movement_questions.phrase(
                    sampling.generator(0), clip, measured, {}, name, request
                )
                records.write_jsonl(out / name, lines)

        def copy(out: Path) -> None:
            for name in movement_questions.QUANTITIES:
                shutil.copyfile(self.root / "phrased" / name, out / name)

        (self.root / "phrased").mkdir(exist_ok=True)
        phrase(self.root / "phrased")
        self.add("questions, coord", "records", 2 * len(pairs), *self.compare(phrase, copy), 0,
                 "copying the jsonl")  # fmt: skip

    def whole(self) -> None:
        """The command over all clips, and the shuffle of three million records."""
        command = "spatial_engine/object_movement/single_object_movement_engine_coord.py"
        seconds, memory = run_command(command, self.root, "--datasets", "adt")
        made = sorted((self.root / "training_data/object_movement_coord/v1_0/adt").glob("*.jsonl"))
        count = sum(path.read_bytes().count(b"\n") for path in made)
        self.add(f"whole command, {NUM_CLIPS + 1} clips", "records", count, seconds, seconds, 1,
                 memory, "")  # fmt: skip
        lines = made[0].read_bytes().count(b"\n")
        times = -(-SHUFFLED // lines)
        line = [
            sys.executable,
            "-c",
            SHUFFLE,
            str(made[0]),
            str(self.root / "shuffled"),
            str(times),
        ]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *line], stdout=subprocess.PIPE, text=True, check=True
        )
        seconds, peak = map(float, done.stdout.split())
        self.add("shuffling one file", "records", times * lines, seconds, seconds, 1,
                 peak / MAXRSS_PER_MIB, "")  # fmt: skip
        (self.root / "shuffled").unlink()


def main() -> None:
    args = make_parser(__doc__, turns=3).parse_args()
    bench = MovementBench(args.folder / "movement", args.turns)
    bench.stages()
    bench.whole()
    bench.show(results_path(args.folder, __file__))


if __name__ == "__main__":
    main()
