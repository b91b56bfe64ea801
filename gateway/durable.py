"""What makes a file's name as durable as its content."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Fsync the folder, so that a file's new name in it survives a power cut; OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
