"""Makes five sample scenes in ScanNet's raw formats and twelve TAPVid-3D clips, all ray-cast; and a
room in the formats of other captures.

    python -m spatial_engine.sample_data --root demo
    python -m spatial_engine.sample_data --root demo --scenes scene0000_00 boxes_11
    python -m spatial_engine.sample_data --root demo --captures transforms tum

Reads nothing. Writes under ROOT/data/scannet: scans/<scene>/<scene>{.sens, _vh_clean_2.ply,
.aggregation.json, _vh_clean_2.0.010000.segs.json, .txt} and meta_data/{scannetv2_train.txt,
scannetv2_val.txt, scannetv2-labels.combined.tsv}. Writes under ROOT/data/tapvid3d_dataset:
{adt,pstudio,drivetrack}/<clip>.npz and adt/tmp/<clip>.npz. The same bytes for the same seed. Data
of other origin under ROOT is never touched. Costs about 100 s of one core; --small, 18 s. --scenes
makes the scenes and clips of these ids alone; the lists of scenes name all five in any case.

--captures makes no scenes nor clips (unless --scenes names some), but one furnished room of 60
frames in each of the formats, below ROOT/captures/<format>. Files of ARKitScenes and ScanNet++ are
linked to ROOT/data/{arkitscenes,scannetpp} as well, where these data sets stand. Depth, poses and
mesh of this room are exact, so that all formats give the same answers; all that a format can hold
of it is there. Takes 5 to 15 s of one core for each format; --small, 3 s.

Depth, poses and mesh have a real sensor's faults (docs/labels.md). Every oddity of real scans that
a reader must survive is in one of the scenes:
  scene0000_00  living room. Tracking lost at frames 34-36 (pose -inf; 35 is a kept frame); an
                object without vertices; a label that is in no table (trashcan); .txt counts one
                frame more than .sens
  scene0001_00  bedroom. Kept frame 25 without depth (0 bytes); CRLF line ends in .txt
  scene0704_00  kitchen. Colour 640x480; no axisAlignment line (already aligned); old style of
                aggregation.json; .sens without IMU tail
  scene0011_00  office (L-shaped). Depth raw, 4000 units a metre; a segment claimed by two objects;
                ceiling in the mesh
  scene0015_00  studio (five walls). Kept frame 40 with depth all 0; pose lost at kept frame 10;
                .txt counts one frame more; ceiling in the mesh
  all           several objects of one label (chairs, cabinets, walls); sparse segment ids; some
                segments and things not annotated; label table with CRLF and empty last columns

and of real clips in one of the clips (adt: the camera walks; pstudio: it stands still, and there
are no extrinsics; drivetrack: it drives, all points lie on one car, numbers are float64):
  Apartment_release_meal_seq136_8                 none: float32, pictures as bytes of one width
  Apartment_release_decoration_skeleton_seq133_2  float64; pictures in an array of objects; a point
                                                  without any coordinates
  Apartment_release_clean_seq131_5                extrinsics_w2c only in adt/tmp, as the official
                                                  script leaves it
  Apartment_release_work_seq107_3                 val. float64
  Lite_release_recognition_Mug_seq030_0           val. A deflated npz
  boxes_11                                        float64
  softball_3                                      pictures in an array of objects
  basketball_7                                    val
  drivetrack, segment 9142545919543484617 ...     a car that drives past (camera 2), and one that is
                                                  parked (camera 1; pictures in an array of objects)
  drivetrack, segment 4414235478445376689 ...     a parked car; the camera's places jump by 0.5 m
  drivetrack, segment 9142545919549657452 ...     val. A van that starts
  all                                             points never visible; coordinates of hidden
                                                  points, NaN for some; of adt and pstudio, two
                                                  bodies that move alike; of drivetrack, queries in
                                                  frames that do not show their points
  adt/tmp, pstudio/tmp                            hold no clips: annotation files, nothing
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial

from spatial_engine.errors import SettingsError
from spatial_engine.sample_data.captures.sample_captures import formats, write_sample_captures
from spatial_engine.sample_data.scannet.sample_scenes import ROOMS, write_sample_scenes
from spatial_engine.sample_data.tapvid3d.sample_clips import CLIPS, write_sample_clips
from spatial_engine.utils.running import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Write the scenes, the clips and the captures; 0 when all are there, 1 when one failed."""
    parser = cli.make_parser(__doc__, splits=False, makes_root=True)
    text = "write one room in these formats, and no scenes nor clips but those of --scenes"
    cli.add_choices(parser, "--captures", formats(), (), text)
    parser.add_argument(
        "--small", action="store_true", help="fewer and smaller images, as the tests use them"
    )
    options = parser.parse_args(argv)
    wanted = options.scenes or ([] if options.captures else [*ROOMS, *CLIPS])
    unknown = [name for name in wanted if name not in ROOMS and name not in CLIPS]
    if unknown:
        known = ", ".join([*ROOMS, *CLIPS])
        raise SettingsError(f"--scenes {unknown[0]}: no sample has this id; there are {known}")
    flags = {
        "seed": options.seed,
        "num_workers": options.num_workers,
        "scheduler": options.scheduler,
        "overwrite": options.overwrite,
        "small": options.small,
    }
    failed = False
    for kind, write, chosen in (
        ("scenes", partial(write_sample_scenes, only=wanted), ROOMS.keys() & wanted),
        ("clips", partial(write_sample_clips, only=wanted), CLIPS.keys() & wanted),
        ("captures", partial(write_sample_captures, names=options.captures), options.captures),
    ):
        if not chosen:
            continue
        start = time.perf_counter()
        run = write(options.root, **flags)
        made = len(run.parts) - run.reused
        seconds = time.perf_counter() - start
        print(f"{made} {kind} made, {run.reused} were there, {seconds:.0f} s: {options.root}")
        for name, cause in run.failures.items():
            print(f"failed: {name}: {cause}", file=sys.stderr)
        failed |= bool(run.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
