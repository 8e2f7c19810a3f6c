"""Independent checks of what the engine writes: slow, obvious, float64, from the raw data only.

Nothing in this package imports the rest of the engine, so that a bug shared by the engine's readers
and its writers cannot hide from it.
"""
