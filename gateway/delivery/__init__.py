"""From the buffer to the sinks: one forwarder for each sink."""
