"""What is right: every answer recomputed from the raw data, and every record judged by it."""
