"""Sample data in the true raw formats, made from nothing but a seed (see `__main__`)."""

from spatial_engine.sample_data.sample_scenes import write_sample_scenes
from spatial_engine.sample_data.scene_writer import write_scene

__all__ = ["write_sample_scenes", "write_scene"]
