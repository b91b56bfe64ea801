"""The state of the daemon itself: health, status, metrics, logs, and the tap for subscribers."""
