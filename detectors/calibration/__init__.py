"""From held-out scores to a threshold."""
