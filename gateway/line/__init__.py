"""One production line at work: sources, windows, what is to be stored."""
