"""Learning a model from recorded data: offline, never imported by the daemon."""
