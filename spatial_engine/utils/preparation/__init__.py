"""From any posed RGB-D capture to a prepared scene: what all preparation scripts share."""
