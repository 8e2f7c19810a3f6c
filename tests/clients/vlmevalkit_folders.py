"""Writes what check_vlmevalkit.py reads beside the tables with paths.

Reads  evaluation_data/NAME/v1_0/NAME.jsonl of both benchmarks, and the images.
Writes evaluation_data/exports/vlmevalkit_base64/ (tables with the images in them) and
       vlmevalkit_upstream/ (the folder of a pull request to VLMEvalKit).

Runs in the engine's environment, before the tables with paths are written: those with images have
their place until then.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from spatial_engine.exports import export_vlmevalkit
from spatial_engine.exports.shared.export_files import exports_dir
from spatial_engine.utils.running import cli


def main(argv: Sequence[str] | None = None) -> int:
    args = cli.make_records_parser(__doc__).parse_args(argv)
    tables, base64, upstream = (
        exports_dir(args.root.absolute(), "val", f"vlmevalkit{which}", args.version)
        for which in ("", "_base64", "_upstream")
    )
    flags = ["--root", str(args.root)]
    for name in ("multispa", "multispa_frames"):
        export_vlmevalkit.main([*flags, "--base64", "--name", name])
    shutil.rmtree(base64, ignore_errors=True)
    tables.rename(base64)
    return export_vlmevalkit.main([*flags, "--upstream", str(upstream)])


if __name__ == "__main__":
    sys.exit(cli.run(main))
