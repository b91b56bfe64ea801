"""Folders and file names that survive a power cut."""

import contextlib
import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Fsync the folder, so that a file's new name in it survives a power cut; OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it, so that they survive a power cut too; OSError.

    What is made is for its owner alone.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(0o700, exist_ok=True)
    # Who may write into a folder may not always read it; the disk then takes its time.
    with contextlib.suppress(PermissionError):
        sync_folder(folder.parent)
