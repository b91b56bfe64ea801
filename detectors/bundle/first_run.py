"""First run of a model, in a process of its own: `python -I first_run.py FILE ROWS TAGS BATCH...`

Promises
- It imports the runtime and nothing of andon, so it is quick, and reads the model from the open
  file number FILE and nothing else.
- It says `ready`, waits for a line, then builds the session and scores windows of zeros in each
  batch. Its last words are `done` with the most memory it had, in bytes, or what went wrong.

`detectors.bundle.admission` starts and watches it.
"""

import contextlib
import os
import resource
import sys
from typing import Any

ADDRESS_SPACE = 1_000_000_000
"""Limit in bytes, for what allocates more at once than the parent's watch can see."""
CPU_SECONDS = 60
LONGEST = 300
"""Characters of what went wrong."""


def main(file: int, rows: int, tags: int, batches: list[int]) -> str:
    """Builds and runs the model; the most memory of this process in bytes, or what went wrong."""
    import numpy as np
    import onnxruntime

    for limit, most in ((resource.RLIMIT_AS, ADDRESS_SPACE), (resource.RLIMIT_CPU, CPU_SECONDS)):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))
    print("ready", flush=True)  # noqa: T201 - the parent reads it
    if not sys.stdin.readline():
        return "it was no longer waited for"
    try:
        session = session_of(onnxruntime, _read(file))
        for batch in batches:
            session.run(None, {"window": np.zeros((batch, rows, tags))})
    except Exception as error:  # noqa: BLE001 - the runtime's exceptions have no common base
        return f"failed {' '.join(str(error).split())[:LONGEST] or type(error).__name__}"
    return f"done {_most_memory()}"


def session_of(onnxruntime: Any, data: bytes) -> Any:
    """A session as a bundle's model has it: on one thread, silent."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def _read(file: int) -> bytes:
    with os.fdopen(file, "rb") as opened:
        opened.seek(0)
        return opened.read()


def _most_memory() -> int:
    with open("/proc/self/status", "rb") as status:  # noqa: PTH123 - as little as possible
        words = next(line.split() for line in status if line.startswith(b"VmHWM:"))
    return int(words[1]) * 1024


if __name__ == "__main__":
    given, of_time, of_tag, *sizes = map(int, sys.argv[1:])
    print(main(given, of_time, of_tag, sizes), flush=True)  # noqa: T201
