"""Faults of a parser that only its test knows: what guidance finds, and what bounds end."""

import time


def fault(data: bytes) -> None:
    """Four bytes in a row, which chance would find once in four thousand million inputs."""
    if data[:1] == b"a" and data[1:2] == b"n" and data[2:3] == b"d" and data[3:4] == b"!":
        raise ValueError("found")


def slow(data: bytes) -> None:
    """Never comes back for some inputs."""
    while len(data) > 3:
        time.sleep(0.01)


def large(data: bytes) -> None:
    """Takes a gigabyte for some inputs."""
    kept = bytearray(2**30 if len(data) > 3 else 0)
    kept[::4096] = b"x" * len(kept[::4096])
    time.sleep(3 if kept else 0)
