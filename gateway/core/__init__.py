"""Decisions without I/O: samples in, windows, alerts and points out. Time is an argument."""
