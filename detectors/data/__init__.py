"""Recordings, and windows cut from them."""
