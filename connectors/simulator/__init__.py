"""A pump skid to try andon on: physics, faults, and the servers that a real one would have."""
