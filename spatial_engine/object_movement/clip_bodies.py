"""The rigid bodies of clips, found once for all commands about them, `data/clip_bodies/<clip>/`."""

from __future__ import annotations

from pathlib import Path

from spatial_engine.utils.clips import clips
from spatial_engine.utils.geometry.rigid_bodies import rigid_bodies
from spatial_engine.utils.running.scene_runner import PartResult
from spatial_engine.utils.tables import body_table


def write_clip_bodies(path: Path, part_dir: Path) -> PartResult:
    """Write the bodies of the clip at `path`."""
    tracks = clips.read_tracks(path)
    bodies = rigid_bodies(tracks)
    body_table.write_bodies(part_dir / body_table.FILE, path.stem, bodies, tracks.shape[1])
    return PartResult(counts={"clips": 1})
