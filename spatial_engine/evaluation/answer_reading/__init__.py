"""Reads the answer that a model gave from its text; the rules are in docs/answers.md."""
