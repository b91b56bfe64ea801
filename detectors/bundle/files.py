"""Reading of the files of a bundle, which may be anything: a pipe, a device, too large."""

from pathlib import Path

from gateway.api import files
from gateway.api.contracts import ModelError

READ_S = 20.0
"""How long a file of 50 MB may take on a slow disk."""


def read_file(path: Path, largest: int) -> bytes:
    """Reads a regular file of at most `largest` bytes; ModelError if it is anything else."""
    try:
        return files.read_file(path, largest, READ_S)
    except files.FileUnreadable as error:
        wrong = ModelError(f"{path.name} cannot be read: {error.why}")
        raise wrong.passing(error.may_pass) from error
