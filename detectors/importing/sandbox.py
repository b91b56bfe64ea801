"""Tries a model for the first time where it can do no harm: in a process with little memory.

`python -m detectors.importing.sandbox < model.onnx` loads the file and runs one window of zeros.
"""

import resource
import subprocess
import sys

import numpy as np

from gateway.api.contracts import ModelError

MEMORY = 2_000_000_000
"""Bytes of address space; the runtime itself maps some hundred million."""
SECONDS = 60


def check_runs(data: bytes, window: tuple[int, int]) -> None:
    """ModelError if these bytes of a fused graph do not load and run within the limits."""
    command = [sys.executable, "-m", __name__, *map(str, window)]
    try:
        # Our own module, with two numbers as arguments.
        subprocess.run(  # noqa: S603
            command, input=data, capture_output=True, check=True, timeout=SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"it took longer than {SECONDS} s for one window") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or ["no word"]
        raise ModelError(
            f"it could not be run in a process with {MEMORY // 1_000_000} MB: {said[-1]}"
        ) from error


def _main(rows: int, tags: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from detectors.bundle.bundle import Model

    Model(sys.stdin.buffer.read()).run(np.zeros((1, rows, tags)))


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:]))
