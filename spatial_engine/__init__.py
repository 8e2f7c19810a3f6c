"""Spatial data engine: measures ScanNet scans and TAPVid-3D clips and asks about them."""

from spatial_engine.utils import stopping

__version__ = "0.1.0"

# A command imports this before any library that takes long to load: from here on Ctrl-C ends it
# with one line. Nothing happens in a notebook or in another program.
stopping.begin_command()
