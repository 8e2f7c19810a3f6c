"""Colour and depth of captures: their bytes, videos, and what makes them straight and upright."""
