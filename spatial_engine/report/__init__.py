"""A page of the data, and contact sheets: look at it before training on it."""
