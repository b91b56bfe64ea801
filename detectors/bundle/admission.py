"""Admission of a model: its first session and runs happen in a process of its own.

Promises
- The process may take `MEMORY` and `CPU_SECONDS`; beyond them it is ended, and the model refused.
  Both are watched from outside, which no filter of system calls can forbid. Where the process may
  limit itself, as under the unit, its address space is limited as well.
- Whatever the runtime does there, a crash included, is a ModelError in one sentence. It may pass if
  the machine was in the way: too little memory for the process, or no time within `SECONDS`.
- The process gets the model and no secret: it has no environment, and no file of the daemon.
- It loads its libraries while this process loads its own, so that the start takes hardly longer;
  a model that was admitted once is not tried again by this process.
"""

import contextlib
import hashlib
import importlib
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.api.contracts import ModelError

MEMORY = 250_000_000
"""Bytes of the process, of which the runtime without a model takes about 50 million."""
CPU_SECONDS = 20.0
"""Processor time for the session and the runs, without the start."""
SECONDS = 80.0
"""Most time for all of it, below the unit's limit of a start."""
_LOOK = 0.005
_READY = b"ready\n"
_CHILD = str(Path(__file__).with_name("first_run.py"))
_KEPT = ("LD_LIBRARY_PATH", "LANG", "LC_ALL")
_PAGE, _TICKS = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")

_admitted: set[tuple[str, tuple[int, int], tuple[int, ...]]] = set()


def admit(data: bytes, window: tuple[int, int], batches: Sequence[int]) -> None:
    """Loads and runs a checked model elsewhere; ModelError if it cannot be run within the limits.

    window: (time, tag); `batches`: the sizes of the batches to run.
    """
    asked = hashlib.sha256(data).hexdigest(), window, tuple(batches)
    if asked in _admitted:
        return
    file = os.memfd_create("model")
    try:
        with os.fdopen(os.dup(file), "wb") as whole:
            whole.write(data)
        _try_out(file, [*window, *batches])
    except OSError as error:
        why = f"its first run cannot be watched: {error.strerror}"
        raise ModelError(why).passing() from error
    except subprocess.TimeoutExpired as error:
        raise _too_long() from error
    finally:
        os.close(file)
    _admitted.add(asked)


def _try_out(file: int, numbers: Sequence[int]) -> None:
    command = [sys.executable, "-I", _CHILD, *map(str, (file, *numbers))]
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # This module's neighbour, with numbers as arguments.
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=(file,),
        env=environment | {"OPENBLAS_NUM_THREADS": "1"},
    ) as process:
        try:
            # Needed here too, and meanwhile the other process does the same.
            importlib.import_module("onnxruntime")
            words = _last_words(process)
        finally:
            process.kill()
    _judge(words, process.returncode)


def _too_long() -> ModelError:
    # Of the machine's time, not of a core's: others may have taken it.
    return ModelError(f"its first run took longer than {SECONDS:g} s").passing()


def _last_words(process: subprocess.Popen[bytes]) -> str:
    """Watches it until it closes its output; ModelError as soon as it takes too much."""
    assert process.stdin is not None  # noqa: S101 - both are pipes
    assert process.stdout is not None  # noqa: S101
    end = time.monotonic() + SECONDS
    words, began = b"", None
    while time.monotonic() < end:
        memory, cpu = _taken(process.pid)
        if began is None and words.startswith(_READY):
            began = cpu
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"go\n")
                process.stdin.flush()
        if memory > MEMORY:
            raise _too_much(memory)
        if began is not None and cpu - began > CPU_SECONDS:
            raise ModelError(f"scoring a few windows takes more than {CPU_SECONDS:g} s")
        if select.select([process.stdout], [], [], _LOOK)[0]:
            new = os.read(process.stdout.fileno(), 4096)
            words += new
            if not new:
                process.wait(SECONDS)
                if not words.startswith(_READY):
                    raise _not_begun(process.returncode)
                return words.removeprefix(_READY).decode(errors="replace").strip()
    raise _too_long()


def _taken(process: int) -> tuple[int, float]:
    """Bytes of memory that a process has, and the seconds of processor time that it had."""
    with open(f"/proc/{process}/statm", "rb") as pages:  # noqa: PTH123 - hundreds of times a second
        memory = int(pages.read().split()[1]) * _PAGE
    with open(f"/proc/{process}/stat", "rb") as figures:  # noqa: PTH123
        # The name of the process, in parentheses, may contain spaces.
        ticks = figures.read().rpartition(b")")[2].split()[11:13]
    return memory, sum(map(int, ticks)) / _TICKS


def _judge(words: str, code: int) -> None:
    verdict, _, rest = words.partition(" ")
    if verdict == "failed":
        raise ModelError(f"it cannot be loaded and run: {rest}")
    if verdict != "done":
        wrong = ModelError(f"its first run, in a process of its own, ended {_how(code)}")
        # By nobody but the kernel, which needed the memory, or a person.
        raise wrong.passing(code == -signal.SIGKILL)
    if int(rest) > MEMORY:
        raise _too_much(int(rest))


def _how(code: int) -> str:
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"


def _not_begun(code: int) -> ModelError:
    """The model has not been touched: what the process needs to begin is not there."""
    return ModelError(
        f"the process for its first run ended {_how(code)} before it began: is memory short?"
    ).passing()


def _too_much(memory: int) -> ModelError:
    return ModelError(
        f"its first run took {memory // 1_000_000} MB of memory, more than the "
        f"{MEMORY // 1_000_000} MB allowed"
    )
