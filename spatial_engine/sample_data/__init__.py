"""Sample data in the true raw formats, made from nothing but a seed (see `__main__`)."""

from spatial_engine.sample_data.clip_writer import clip_truth, write_clip
from spatial_engine.sample_data.sample_clips import sample_clip_specs, write_sample_clips
from spatial_engine.sample_data.sample_scenes import write_sample_scenes
from spatial_engine.sample_data.scene_writer import write_scene

__all__ = [
    "clip_truth",
    "sample_clip_specs",
    "write_clip",
    "write_sample_clips",
    "write_sample_scenes",
    "write_scene",
]
