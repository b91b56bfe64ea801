"""Reading of a file that may be anything: a pipe, a device, a link to one, too large."""

import os
import stat
from pathlib import Path

from gateway.api.contracts import ModelError


def read_file(path: Path, largest: int) -> bytes:
    """Reads a regular file of at most `largest` bytes; ModelError if it is anything else."""
    try:
        _check_regular(path.name, path.stat())
        # O_NONBLOCK: a named pipe without a writer is opened at once, and then refused.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            _check_regular(path.name, os.fstat(descriptor))
            data = file.read(largest + 1)
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{path.name} cannot be read: its path contains a NUL") from error
    if len(data) > largest:
        raise ModelError(f"{path.name} is larger than {largest // 1_000_000} MB")
    return data


def _check_regular(name: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ModelError(f"{name} is not a regular file")
