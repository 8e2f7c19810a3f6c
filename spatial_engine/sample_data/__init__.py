"""Sample data in the true raw formats, made from nothing but a seed (see `__main__`)."""

from spatial_engine.sample_data.scannet.sample_scenes import write_sample_scenes
from spatial_engine.sample_data.scannet.scene_writer import write_scene
from spatial_engine.sample_data.tapvid3d.clip_writer import clip_truth, write_clip
from spatial_engine.sample_data.tapvid3d.sample_clips import sample_clip_specs, write_sample_clips

__all__ = [
    "clip_truth",
    "sample_clip_specs",
    "write_clip",
    "write_sample_clips",
    "write_sample_scenes",
    "write_scene",
]
