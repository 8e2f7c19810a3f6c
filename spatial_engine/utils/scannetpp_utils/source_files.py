"""Which files of a scene a capture is read from, and whether they have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spatial_engine.utils.scannetpp_utils import scan
from spatial_engine.utils.scannetpp_utils.capture import (
    COLOR,
    DEPTH,
    DEPTH_BIN,
    MASK_VIDEO,
    MASKS,
    PHONE,
    VIDEOS,
)
from spatial_engine.utils.scannetpp_utils.poses import FILE as POSES
from spatial_engine.utils.storage import provenance
from spatial_engine.utils.storage.looks import Looks

_FOLDERS = {COLOR: VIDEOS, DEPTH: (DEPTH_BIN,), MASKS: (MASK_VIDEO,)}  # else these files
_IMAGES = (".jpg", ".png")


def fingerprint(folder: Path, root: Path, looks: Looks | None = None) -> list[Any]:
    """What tells whether the scene in `folder` has changed, of a large set as it was found before
    (`looks`). What was downloaded plays no part where what was extracted of it is read, so it can
    be removed."""
    phone = folder / PHONE
    files = [phone / POSES]
    files += [
        folder / scan.SCANS / name for name in (scan.MESH, scan.HIDDEN, scan.SEGMENTS, scan.OBJECTS)
    ]
    folders = []
    for name, instead in _FOLDERS.items():
        if (phone / name).is_dir():
            folders.append(phone / name)
        else:
            files += [phone / other for other in instead]

    def look() -> tuple[list[Any], int]:
        of_folders = [provenance.folder_fingerprint(path, root, _IMAGES) for path in folders]
        of_files = [provenance.file_fingerprint(path, root) for path in files]
        return [*of_files, *of_folders], sum(count for _, count, _ in of_folders)

    return looks.at(folder.name, "source", [*files, *folders], look) if looks else look()[0]
