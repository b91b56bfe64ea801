"""The names in a line's state folder that belong to the line itself (pure)."""

import errno
import os
from pathlib import Path

OWN = ("buffer.db", "lock", "control.sock", "history", "notify", "opcua", "windows")
"""Also with anything behind them, as in buffer.db-wal."""


def why_not_here(state: Path, path: str) -> str:
    """Why nothing else may be written to a path in or beside the state folder; empty if it may."""
    place, folder = os.path.normpath(state / path), os.path.normpath(state)
    if place == folder or folder.startswith(place.rstrip("/") + "/"):
        return f"{path} is a folder: name a file in it"
    inside = os.path.relpath(place, folder)
    first = inside.partition("/")[0]
    if any(first == own or first.startswith((f"{own}-", f"{own}.")) for own in OWN):
        return f"{path} belongs to the line itself: choose another name, as in points.jsonl"
    return ""


def linked(state: Path, target: str) -> str:
    """What is wrong with a state folder that is a symbolic link to `target`."""
    return (
        f"the state folder {state} is a symbolic link; set `state:` to the folder itself, {target}"
    )


def unusable(state: Path, error: OSError) -> str:
    """What is wrong with a state folder."""
    in_place = error.errno in (errno.EEXIST, errno.ENOTDIR)
    why = "a file is in its place" if in_place else error.strerror
    return (
        f"the state folder {state} cannot be used: {why}; "
        "set `state:` in the line file or $STATE_DIRECTORY"
    )
