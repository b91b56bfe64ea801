"""The console of `andon simulate`: lines typed on stdin, events told on stdout.

Promises
- The end of stdin ends the typing, never the plant; nor does a terminal that belongs to others.
- Each event is one line, flushed at once.
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

Tell = Callable[[Event], None]

_WORDS = {
    "fault": "fault: {name}, {description}",
    "cleared": "cleared: {names}",
    "started": "{server} started",
    "stopped": "{server} stopped",
    "error": "{message}",
    "help": "{message}",
}


async def operate(skid: Skid, tell: Tell) -> None:
    """Do what is typed, until nothing more can be."""
    async for line in _lines_typed():
        try:
            await skid.obey(line)
        except AndonError as error:
            tell({"event": "error", "message": str(error)})


def teller(*, as_json: bool) -> Tell:
    """What tells events on stdout: as JSON objects, or in words."""

    def tell(event: Event) -> None:
        print(json.dumps(event) if as_json else in_words(event), flush=True)  # noqa: T201 - its job

    return tell


def in_words(event: Event) -> str:
    """An event for people."""
    if event["event"] == "ready":
        return _ready(event)
    details: dict[str, Any] = dict(event)
    if event["event"] == "fault":
        details["description"] = FAULTS[event["name"]].description
    if event["event"] == "cleared":
        details["names"] = ", ".join(event["names"]) or "there was no fault"
    return _WORDS[event["event"]].format(**details)


def _ready(event: Event) -> str:
    lines = ["The pump skid is running."]
    lines += [
        f"  {name:8}{address}"
        for name, address in event.items()
        if name in ("modbus", "opcua", "mqtt") and address
    ]
    return "\n".join([*lines, "Type `help` for faults and more; Ctrl-C ends it."])


async def _lines_typed() -> AsyncIterator[str]:
    """Lines of stdin, read in a thread: it may be a terminal, a pipe, a file or closed."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    # In the background of a shell, reading the terminal would stop the whole process.
    signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    reading = (asyncio.get_running_loop(), lines)
    threading.Thread(target=_read, args=reading, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        yield line


def _read(loop: asyncio.AbstractEventLoop, lines: "asyncio.Queue[str | None]") -> None:
    """Not through sys.stdin: a thread that waits holds its lock, which breaks the exit."""
    rest = b""
    with contextlib.suppress(OSError, RuntimeError):  # stdin closed; the loop has ended
        while got := os.read(0, 4096):
            *whole, rest = (rest + got).split(b"\n")
            for line in whole:
                loop.call_soon_threadsafe(lines.put_nowait, line.decode(errors="replace"))
        loop.call_soon_threadsafe(lines.put_nowait, None)
