"""The console of `andon simulate`: commands on stdin, events on stdout.

Promises
- The end of stdin never ends the plant; nor does a terminal that belongs to another process.
- Each event is one row, flushed at once.
"""

import asyncio
import contextlib
import json
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

from connectors.simulator.faults import FAULTS
from connectors.simulator.skid import Event, Skid
from gateway.api.contracts import AndonError

Report = Callable[[Event], None]

_TEXTS = {
    "fault": "fault: {name}, {description}",
    "cleared": "cleared: {names}",
    "started": "{server} started",
    "stopped": "{server} stopped",
    "error": "{message}",
    "help": "{message}",
}


async def operate(skid: Skid, report: Report) -> None:
    """Executes the typed commands until stdin ends."""
    async for command in _typed_commands():
        try:
            await skid.execute(command)
        except AndonError as error:
            report({"event": "error", "message": str(error)})


def make_reporter(*, as_json: bool) -> Report:
    """A function that prints events on stdout, as JSON objects or as text."""

    def report(event: Event) -> None:
        print(json.dumps(event) if as_json else describe(event), flush=True)  # noqa: T201 - its job

    return report


def describe(event: Event) -> str:
    """An event as text."""
    if event["event"] == "ready":
        return _ready(event)
    details: dict[str, Any] = dict(event)
    if event["event"] == "fault":
        details["description"] = FAULTS[event["name"]].description
    if event["event"] == "cleared":
        details["names"] = ", ".join(event["names"]) or "there were no faults"
    return _TEXTS[event["event"]].format(**details)


def _ready(event: Event) -> str:
    rows = ["The pump skid is running."]
    rows += [
        f"  {name:8}{address}"
        for name, address in event.items()
        if name in ("modbus", "opcua", "mqtt") and address
    ]
    return "\n".join([*rows, "Type `help` for faults and other commands; Ctrl-C ends it."])


async def _typed_commands() -> AsyncIterator[str]:
    """Commands from stdin, read in a thread: it may be a terminal, a pipe, a file or closed."""
    commands: asyncio.Queue[str | None] = asyncio.Queue()
    # In the background of a shell, reading the terminal would stop the whole process.
    signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    reading = (asyncio.get_running_loop(), commands)
    threading.Thread(target=_read, args=reading, name="stdin", daemon=True).start()
    while (command := await commands.get()) is not None:
        yield command


def _read(loop: asyncio.AbstractEventLoop, commands: "asyncio.Queue[str | None]") -> None:
    """Reads stdin, bypassing sys.stdin: a waiting thread holds its lock, which breaks the exit."""
    rest = b""
    with contextlib.suppress(OSError, RuntimeError):  # stdin closed; the loop has ended
        while data := os.read(0, 4096):
            *whole, rest = (rest + data).split(b"\n")
            for command in whole:
                loop.call_soon_threadsafe(commands.put_nowait, command.decode(errors="replace"))
        loop.call_soon_threadsafe(commands.put_nowait, None)
