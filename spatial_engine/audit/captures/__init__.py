"""Scenes of other captures than ScanNet's, read in the plainest way, for the same oracles."""
