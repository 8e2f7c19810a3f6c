"""ScanNet++: raw formats of its phone captures, and their preparation."""
