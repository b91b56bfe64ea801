"""First run of a foreign model, in a process of its own with limited memory and time.

`python -m detectors.importing.sandbox ROWS TAGS < model.onnx` loads the file and scores one window
of zeros.
"""

import resource
import subprocess
import sys

import numpy as np

from gateway.api.contracts import ModelError

MEMORY = 2_000_000_000
"""Limit of the address space in bytes; the runtime itself maps a few hundred million."""
SECONDS = 60
"""Limit of the run."""


def check_runs(data: bytes, window: tuple[int, int]) -> None:
    """ModelError if a fused graph does not load and run within the limits; window: (time, tag)."""
    command = [sys.executable, "-m", __name__, *map(str, window)]
    try:
        # This module, with two numbers as arguments.
        subprocess.run(  # noqa: S603
            command, input=data, capture_output=True, check=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"scoring one window took longer than {SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        output = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise ModelError(
            f"it could not be run in a process with {MEMORY // 1_000_000} MB: {output[-1]}"
        ) from error


def _main(rows: int, tags: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from detectors.bundle.bundle import Model

    Model(sys.stdin.buffer.read()).run(np.zeros((1, rows, tags)))


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
