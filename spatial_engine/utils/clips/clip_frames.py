"""The frames of a clip as files, `data/my_tapvid3d_images/<clip>/{i:05d}.jpg`."""

from __future__ import annotations

from pathlib import Path

from spatial_engine.utils import paths
from spatial_engine.utils.clips import clips
from spatial_engine.utils.running.scene_runner import PartResult


def write_clip_frames(path: Path, part_dir: Path) -> PartResult:
    """Write the stored JPEG bytes of the clip at `path` as they are."""
    images = clips.read_images(path)
    for number, data in enumerate(images):
        (part_dir / paths.clip_frame_name(number)).write_bytes(data)
    return PartResult(counts={"frames": len(images)})
