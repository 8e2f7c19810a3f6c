"""Scenes and paths seen from above, beside their records."""
