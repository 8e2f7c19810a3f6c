"""Questions about three to eight frames, judged from the raw scans and clips."""
