"""Times of a recording: which column holds them, in which format and zone, and in which order."""
