"""Spatial data engine: measures ScanNet scans and TAPVid-3D clips and asks about them."""

__version__ = "0.1.0"
