"""The decisions: samples in; windows, alerts and points out. No I/O, no clock, no event loop.

Time is an argument everywhere, so a recorded day replays in seconds and gives the same bytes.
"""
