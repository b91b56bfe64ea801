"""From the buffer to the sinks."""
