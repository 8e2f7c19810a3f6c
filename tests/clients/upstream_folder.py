"""Writes the folder of a pull request to lmms-eval, on data sets that lie in folders.

Reads  evaluation_data/exports/hub_without_images/ (export_hub.py).
Writes evaluation_data/exports/lmms_eval_upstream/.

Runs in the engine's environment, before check_lmms_eval.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spatial_engine.exports import export_lmms_eval
from spatial_engine.exports.shared.export_files import exports_dir
from spatial_engine.utils.running import cli


def main(argv: Sequence[str] | None = None) -> int:
    args = cli.make_records_parser(__doc__).parse_args(argv)
    folder, hub = (
        exports_dir(args.root.absolute(), "val", name, args.version)
        for name in ("lmms_eval_upstream", "hub_without_images")
    )
    flags = ["--root", str(args.root), "--upstream", str(folder), "--hub", str(hub)]
    return export_lmms_eval.main(flags)


if __name__ == "__main__":
    sys.exit(cli.run(main))
