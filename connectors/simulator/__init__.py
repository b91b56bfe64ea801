"""A simulated pump skid: its physics, its faults, and the servers of a real one."""
