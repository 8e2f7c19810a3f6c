"""Readers of the formats of captures, one module each; `READERS` in `capture` names them."""
