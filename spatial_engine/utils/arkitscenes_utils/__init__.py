"""ARKitScenes: its raw files and their preparation."""
