"""What the daemon knows of itself, and who is told."""
