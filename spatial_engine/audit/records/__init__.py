"""What is asked of a record of any task: its fields, its words, the images that it shows."""
