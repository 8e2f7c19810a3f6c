"""One sample room in the raw formats of other captures."""
