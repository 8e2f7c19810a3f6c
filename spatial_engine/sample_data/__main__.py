"""Makes five sample scenes in ScanNet's raw formats: rooms of boxes and textures, ray-cast.

    python -m spatial_engine.sample_data --root demo

Reads nothing. Writes under ROOT/data/scannet: scans/<scene>/<scene>{.sens, _vh_clean_2.ply,
.aggregation.json, _vh_clean_2.0.010000.segs.json, .txt} and meta_data/{scannetv2_train.txt,
scannetv2_val.txt, scannetv2-labels.combined.tsv}; the same bytes for the same seed. Data of other
origin under ROOT is never touched. Costs about 50 s of one core; --small, 8 s.

Every oddity of real scans that a reader must survive is in one of the scenes:
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
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spatial_engine.sample_data.sample_scenes import write_sample_scenes
from spatial_engine.utils import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Write the scenes; 0 when all are there, 1 when one failed."""
    parser = cli.make_parser(__doc__, splits=False)
    parser.add_argument("--small", action="store_true", help="small images, a variant for tests")
    options = parser.parse_args(argv)
    run = write_sample_scenes(
        options.root,
        seed=options.seed,
        num_workers=options.num_workers,
        overwrite=options.overwrite,
        small=options.small,
    )
    made = len(run.parts) - run.reused
    print(f"{made} scenes made, {run.reused} were there, {run.seconds:.0f} s: {options.root}")
    for scene, cause in run.failures.items():
        print(f"failed: {scene}: {cause}", file=sys.stderr)
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(cli.run(main))
