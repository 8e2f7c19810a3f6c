"""Readers of the raw files of scans and clips, which share no code with the engine's."""
