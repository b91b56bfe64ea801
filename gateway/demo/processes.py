"""The processes of the demo, started with the same commands that a user types.

Promises
- The plant and the daemon are separate processes and speak real protocols.
- Both always end with the demo; even if it is killed, where util-linux's `setpriv` is installed.
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import which
from typing import Any

from gateway.api.contracts import AndonError

# With this prefix the kernel ends a process when its parent is gone.
_END_WITH_PARENT = ("setpriv", "--pdeathsig", "TERM") if which("setpriv") else ()
ANDON = (*_END_WITH_PARENT, sys.executable, "-m", "gateway")


async def andon(*words: str) -> str:
    """Runs an andon command to its end and returns its output; AndonError if it failed."""
    process = await asyncio.create_subprocess_exec(*ANDON, *words, stdout=PIPE, stderr=PIPE)
    try:
        output, errors = await process.communicate()
    finally:
        await _end(process)
    if process.returncode:
        raise AndonError(
            f"andon {' '.join(words)} ended with {process.returncode}:\n"
            + errors.decode(errors="replace")
            + output.decode(errors="replace")
        )
    return output.decode()


class PlantProcess:
    """`andon simulate` in its own process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    @contextlib.asynccontextmanager
    async def started(cls, seed: int) -> AsyncIterator["PlantProcess"]:
        """The plant on free ports; it runs until the context is left."""
        process = await asyncio.create_subprocess_exec(
            *ANDON, "simulate", "--json", "--modbus", "0", "--opcua", "0", "--seed", str(seed),
            stdin=PIPE, stdout=PIPE, stderr=DEVNULL,
        )  # fmt: skip
        try:
            yield cls(process)
        finally:
            await _end(process)

    async def event(self, name: str) -> dict[str, Any]:
        """Waits for the plant's next event of that name."""
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        while line := await self._process.stdout.readline():
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event
        raise AndonError(f"the plant ended with {await self._process.wait()} before event {name}")

    async def command(self, words: str) -> None:
        """Types a command into the plant's terminal."""
        assert self._process.stdin is not None  # noqa: S101 - it was asked for
        self._process.stdin.write(f"{words}\n".encode())
        await self._process.stdin.drain()

    async def inject(self, fault: str) -> int:
        """Starts a fault; returns the time of its onset in ns."""
        await self.command(f"fault {fault}")
        return int((await self.event("fault"))["at"])


@contextlib.asynccontextmanager
async def daemon(line_file: Path, log: Path) -> AsyncIterator[Process]:
    """`andon run` in its own process, with its log in a file."""
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *ANDON, "run", str(line_file), "--log-format", "json", stdout=DEVNULL, stderr=stderr
        )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
