"""Runs many of andon's commands, each in a process of its own with little memory, fast.

A helper process imports andon once and forks for each command, so a command costs milliseconds
instead of the seconds that imports take on a loaded machine. What runs is the command line itself.
"""

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ADDRESS_SPACE = 2**30
_IMPORTED = (
    "gateway.cli.check gateway.cli.run gateway.app gateway.history.recorder gateway.control.server "
    "connectors.modbus connectors.mqtt connectors.opcua connectors.opcua.connector "
    "connectors.modbus.connector connectors.mqtt.connector gateway.sinks.file gateway.sinks.influx "
    "gateway.sinks.mqtt detectors.runtime.limits"
)


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status, what it wrote, most memory in bytes, seconds.

    `stopping` are the seconds from SIGTERM to the end, if it was stopped.
    """

    status: int
    output: str
    rss: int
    seconds: float
    stopping: float | None


class Commands:
    """The helper process; each call waits for one command."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._helper = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def __call__(self, *words: object, until: str = "", within: float = 60.0) -> Ended:
        """Runs `andon` with these words; SIGTERM once it has written `until`."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        wanted = {"words": [str(word) for word in words], "until": until, "within": within}
        self._helper.stdin.write(json.dumps(wanted) + "\n")
        self._helper.stdin.flush()
        return Ended(**json.loads(self._helper.stdout.readline()))

    def close(self) -> None:
        self._helper.communicate("")


def _serve() -> None:
    import importlib

    for name in _IMPORTED.split():
        importlib.import_module(name)
    for line in sys.stdin:
        wanted = json.loads(line)
        print(json.dumps(_run(**wanted)), flush=True)


def _run(words: list[str], until: str, within: float) -> dict[str, object]:
    began = time.monotonic()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        _command(words, writing)
    os.close(writing)
    output, stopped = b"", None
    while part := _next(reading, began + within):
        output += part
        if until and stopped is None and until.encode() in output:
            os.kill(child, signal.SIGTERM)
            stopped = time.monotonic()
    if part is None:
        os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status, usage = os.wait4(child, 0)
    ended = time.monotonic()
    return {
        "status": os.waitstatus_to_exitcode(status),
        "output": output.decode(errors="replace"),
        "rss": usage.ru_maxrss * 1024,
        "seconds": ended - began,
        "stopping": None if stopped is None else ended - stopped,
    }


def _next(reading: int, deadline: float) -> bytes | None:
    """What comes next; empty at the end, None if nothing came in time."""
    ready, _, _ = select.select([reading], [], [], max(0, deadline - time.monotonic()))
    return os.read(reading, 65_536) if ready else None


def _command(words: list[str], writing: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.close(writing)
    sys.argv = ["andon", *words]
    status = 1
    try:
        from gateway.cli import main

        main(words, prog_name="andon")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - written as Python would write it
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        # A thread that hangs must not hold the end up, as at the end of a real process.
        os._exit(status)


if __name__ == "__main__":
    # This file must not be taken for a module of andon.
    sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).parent)]
    _serve()
